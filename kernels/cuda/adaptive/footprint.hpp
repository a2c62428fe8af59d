#pragma once

/// Footprints on a CUDA device, from host memory to host memory.

#include <span>

#include <attractor/matrix_view.hpp>
#include <attractor/similarity.hpp>

namespace attractor::cuda {

/// Row i of `results`: the ranked terms of pairs[i], running sums (compensated) if `cumulative`.
/// Without pairs, of query i / P and pattern i % P. Patterns and queries are on the device as a whole, results a
/// bounded part at a time. @throws NotSupported more columns than the kernels sort.
void footprints(int device, FootprintBase base, bool cumulative, MatrixView<const float> patterns,
                MatrixView<const float> queries, std::span<const FootprintPair> pairs, MatrixView<float> results);

}  // namespace attractor::cuda
