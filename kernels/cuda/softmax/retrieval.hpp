#pragma once

/// Hard retrieval on a CUDA device: the largest scores of each query and their shares of the weights.

#include "kernels/cuda/engine/lane_buffers.hpp"
#include "kernels/cuda/streamed/streamed.hpp"

namespace attractor::cuda {

/// Which patterns are asked for, and what is said of them.
struct RetrievalJob {
  MatrixView<const float> queries;    ///< [B × D]
  detail::PatternTerms terms = {};    ///< as `queries`
  detail::Schedule schedule = {};     ///< on the host, taken at once: one temperature, of memories with a β, or none
  MatrixView<Index> patterns;         ///< [B × k]
  MatrixView<float> posteriors = {};  ///< [B × k] or null
};

/// See DeviceMemory::retrieve. The memory's device is current. Scratch is bounded whatever the number of queries, and
/// stays with the lane that it takes. The bits of a result depend on its query and the memory alone.
void retrieve(const StreamedSoftmax& memory, const RetrievalJob& job, LanePool& lanes);
void retrieve(const StreamedAdaptive& memory, const RetrievalJob& job, LanePool& lanes);

/// Scratch of `launch_retrieval`; bounded whatever the number of queries.
std::size_t retrieval_workspace_bytes(const StreamedSoftmax& memory, Index queries, Index count);
std::size_t retrieval_workspace_bytes(const StreamedAdaptive& memory, Index queries, Index count);

/// Enqueues the same for data on the device, with the same bits.
void launch_retrieval(const StreamedSoftmax& memory, const RetrievalJob& job, void* workspace, cudaStream_t stream);
void launch_retrieval(const StreamedAdaptive& memory, const RetrievalJob& job, void* workspace, cudaStream_t stream);

}  // namespace attractor::cuda
