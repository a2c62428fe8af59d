#pragma once

/// Hard retrieval: which stored patterns a query most likely comes from.

#include <cstdint>
#include <optional>
#include <vector>

#include <attractor/export.h>
#include <attractor/matrix.hpp>
#include <attractor/memory.hpp>
#include <attractor/query_view.hpp>
#include <attractor/retrieval_view.hpp>

namespace attractor {

struct RetrievalOptions {
  Index count = 1;  ///< k, patterns for each query, 1 to P, or 1 of an empty memory
  /// Patterns that take part, and what is added to their scores: as in RelaxCall.
  MatrixView<const std::uint8_t> valid_patterns = {};
  MatrixView<const float> log_prior = {};
  /// Inverse temperature of the scores in place of the memory's own, as RelaxCall::betas.
  std::optional<float> beta = std::nullopt;
  /// false: the patterns are all that is asked for. Posteriors take the scores of every pattern that has weight,
  /// however little; without them adaptive memories on the CPU score a few, in less than half of the time. On CUDA
  /// devices modern Hopfield memories of dot products of up to 256 columns take less than half of the instructions.
  bool posteriors = true;
  int threads = 0;  ///< of the CPU, at most 1024; 0: see RelaxerOptions
};

/// Results, in the order of the queries.
struct Retrieval {
  /// [B × k] those with the largest scores s, the best first, of equals those stored first; −1 where there are no more
  /// whose score is above −∞, and where the query or the largest score isn't finite (scores overflow where
  /// coordinates are beyond some 1e19, or their inverse temperature times them is), or a score is not a number; nor is
  /// there any where the separation leaves no pattern a weight (epanechnikov).
  std::vector<Index> pattern;
  /// [B × k] their weights, softmax(s) or that of the memory's other separation, right to about 1e-6 for any P; NaN
  /// where the pattern is −1. Empty unless asked for.
  std::vector<float> posterior;
};

/// The patterns of the largest scores for each query, and their weights among all. With fitted log-priors this is
/// maximum a posteriori retrieval.
///
/// @param queries [B × D] of any format, on the host or, for a memory on a CUDA device, on that, where the options'
/// valid
///        patterns and log-priors may be, too.
/// @param memory scores them. @param options see RetrievalOptions.
/// @throws InvalidArgument null data, other than D columns, a stride below D, a count outside [1, P]; valid patterns or
///         log-priors that are neither [1 × P] nor [B × P]; a beta that isn't finite and positive.
/// @throws NotSupported the memory is linear or dense associative: its weights are no probabilities; a beta for an
///         adaptive memory; queries that aren't floats on a memory on a CUDA device.
/// @throws DeviceError, OutOfDeviceMemory
/// Complexity: the scores of one step, of two with entmax and top for k > 1 on the CPU; on CUDA k > 1 takes k passes
/// over the scores of a query beside. Extra memory doesn't depend on B, and on P beyond 65,536 patterns no more
/// than by 1 KiB for 8,192 of them and each thread, but takes 1.5 KiB k for each thread of the CPU; on CUDA entmax, top
/// and k > 1 keep all scores of a query.
ATTRACTOR_EXPORT Retrieval retrieve(const Memory& memory, const QueryView& queries,
                                    const RetrievalOptions& options = {});

/// The same into arrays of the caller's, each on the host or, for a memory on a CUDA device, on that: as many patterns
/// for each query as `results` have columns, and posteriors where they have room for some, whatever the options say of
/// either. Returns when all are there. What is on a device may still be on its way there on the default stream, not on
/// others; <attractor/cuda.hpp> has `retrieve_async`, which doesn't wait.
///
/// @throws as above; InvalidArgument also results of another number of rows, of null data, or that overlap something.
ATTRACTOR_EXPORT void retrieve(const Memory& memory, const QueryView& queries, const RetrievalView& results,
                               const RetrievalOptions& options = {});

}  // namespace attractor
