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
  std::vector<float> posterior;  ///< [B] its softmax(s), right to about 1e-6 for any P; NaN where the pattern is −1
};

/// The pattern of the largest score for each query, and its share of the softmax. With fitted log-priors this is
/// maximum a posteriori retrieval.
///
/// @param queries [B × D] on the host.
/// @throws InvalidArgument null data, other than D columns, a stride below D. @throws NotSupported the memory is
/// linear:
///         its scores are no probabilities. @throws DeviceError, OutOfDeviceMemory
/// Complexity: the scores of one step. Extra memory doesn't depend on B or P.
ATTRACTOR_EXPORT Retrieval retrieve(const Memory& memory, MatrixView<const float> queries,
                                    const RetrievalOptions& options = {});

}  // namespace attractor
