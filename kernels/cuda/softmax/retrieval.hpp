#pragma once

/// Hard retrieval on a CUDA device: the largest scores of each query and their shares of the weights.

#include "kernels/cuda/engine/lane_buffers.hpp"
#include "kernels/cuda/streamed/streamed.hpp"

namespace attractor::cuda {

/// See DeviceMemory::retrieve; schedules are for memories with a β. The memory's device is current. Scratch is bounded
/// whatever the number of queries, and stays with the lane that it takes. The bits of a result depend on its query and
/// the memory alone.
void retrieve(const StreamedSoftmax& memory, MatrixView<const float> queries, const detail::PatternTerms& terms,
              const detail::Schedule& schedule, LanePool& lanes, MatrixView<Index> patterns,
              MatrixView<float> posteriors);
void retrieve(const StreamedAdaptive& memory, MatrixView<const float> queries, const detail::PatternTerms& terms,
              LanePool& lanes, MatrixView<Index> patterns, MatrixView<float> posteriors);

}  // namespace attractor::cuda
