#pragma once

/// Hard retrieval: which stored pattern a query most likely comes from.

#include <vector>

#include <attractor/export.hpp>
#include <attractor/matrix.hpp>
#include <attractor/memory.hpp>

namespace attractor {

struct RetrievalOptions {
  int threads = 0;  ///< of the CPU, at most 1024; 0: see RelaxerOptions
};

/// Results, in the order of the queries.
struct Retrieval {
  /// [B] argmax s, the first of equals; −1 where the query or the largest score isn't finite (scores overflow where
  /// coordinates are beyond some 1e19, or their inverse temperature times them is), or a score is not a number.
  std::vector<Index> pattern;
  /// [B] its weight, softmax(s) or that of the memory's other separation, right to about 1e-6 for any P; NaN where the
  /// pattern is −1.
  std::vector<float> posterior;
};

/// The pattern of the largest score for each query, and its weight among all. With fitted log-priors this is
/// maximum a posteriori retrieval.
///
/// @param queries [B × D] on the host.
/// @throws InvalidArgument null data, other than D columns, a stride below D.
/// @throws NotSupported the memory is linear or dense associative: its weights are no probabilities.
/// @throws DeviceError, OutOfDeviceMemory
/// Complexity: the scores of one step. Extra memory doesn't depend on B, nor on P beyond 65,536 patterns; on CUDA
/// entmax and top keep all scores of a query.
ATTRACTOR_EXPORT Retrieval retrieve(const Memory& memory, MatrixView<const float> queries,
                                    const RetrievalOptions& options = {});

}  // namespace attractor
