#pragma once

/// Footprints on a CUDA device, from and to the host's memory or the device's.

#include <span>

#include <attractor/matrix_view.hpp>
#include <attractor/similarity.hpp>

namespace attractor::cuda {

/// Row i of `results`: the ranked terms of pairs[i], running sums (compensated) if `cumulative`.
/// Without pairs, of query i / P and pattern i % P. Matrices are each on the host or, complete, on the device; pairs
/// are on the host. What is on the device and made of whole quads is read and written where it is; else patterns and
/// queries are copied there as a whole, results made a bounded part at a time. Returns when all are there.
/// @throws NotSupported more columns than the kernels sort. @throws InvalidArgument data on another device.
void footprints(int device, FootprintBase base, bool cumulative, MatrixView<const float> patterns,
                MatrixView<const float> queries, std::span<const FootprintPair> pairs, MatrixView<float> results);

}  // namespace attractor::cuda
