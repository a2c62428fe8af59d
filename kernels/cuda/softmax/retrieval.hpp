#pragma once

/// Hard retrieval on a CUDA device: the largest score of each query and its share of the softmax.

#include <span>

#include "kernels/cuda/streamed/streamed.hpp"

namespace attractor::cuda {

/// See DeviceMemory::retrieve. The memory's device is current. Scratch is bounded whatever the number of queries. The
/// bits of a result depend on its query and the memory alone.
void retrieve(const StreamedSoftmax& memory, MatrixView<const float> queries, std::span<Index> patterns,
              std::span<float> posteriors);
void retrieve(const StreamedAdaptive& memory, MatrixView<const float> queries, std::span<Index> patterns,
              std::span<float> posteriors);

}  // namespace attractor::cuda
