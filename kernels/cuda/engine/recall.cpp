#include "kernels/cuda/engine/recall.hpp"

#include <algorithm>
#include <cstddef>
#include <string>

#include "kernels/cuda/engine/device_terms.hpp"
#include "kernels/sizes.hpp"

namespace attractor::cuda {
namespace {

/// Queries whose data take no more than the scratch of a relaxation.
Index batch_rows(Index queries, Index columns, const detail::PatternTerms& terms) {
  const detail::Sizes& sizes = detail::sizes();
  const Index pattern_count = std::max(terms.valid.columns, terms.log_prior.columns);
  const Index row_bytes = static_cast<Index>(sizeof(float)) * columns + term_row_bytes(terms, pattern_count);
  return std::min(queries, std::clamp<Index>(sizes.scratch_bytes / row_bytes, 1, sizes.retrieval_rows));
}

/// What a batch of queries needs on the device.
struct Batch {
  Batch(const DeviceMemory& memory, const detail::PatternTerms& all_terms, Index most, Index dimension, Index columns,
        bool wants_intensity, Workspace& space)
      : queries(space.take<float>(elements(most, dimension))),
        contents(space.take<float>(elements(most, columns))),
        intensity(wants_intensity ? space.take<float>(elements(most)) : nullptr),
        terms(all_terms, most, space),
        scratch(space.take<std::byte>(memory.recall_workspace_bytes(most))) {}

  float* queries;
  float* contents;
  float* intensity;
  DeviceTerms terms;
  std::byte* scratch;
};

}  // namespace

void recall(const DeviceMemory& memory, MatrixView<const float> queries, const detail::PatternTerms& terms,
            MatrixView<float> contents, std::span<float> intensity) {
  const DeviceScope scope(memory.device());
  const Index most = batch_rows(queries.rows, queries.columns + contents.columns + 1, terms);
  const LaneLoan lane(memory.lanes());
  const Batch batch = carve(*lane, [&](Workspace& space) {
    return Batch(memory, terms, most, queries.columns, contents.columns, !intensity.empty(), space);
  });
  cudaStream_t stream = lane->stream();
  for (Index first = 0; first < queries.rows; first += most) {
    const Index rows = std::min(most, queries.rows - first);
    const MatrixView<float> on_device(batch.queries, rows, queries.columns);
    const MatrixView<float> read_out(batch.contents, rows, contents.columns);
    copy_rows(on_device, queries.slice(first, rows), cudaMemcpyHostToDevice, stream, "queries");
    memory.recall(on_device, {.patterns = batch.terms.upload(terms.slice(first, rows), stream)}, read_out,
                  batch.intensity, batch.scratch, stream);
    copy_rows(contents.slice(first, rows), read_out, cudaMemcpyDeviceToHost, stream, "contents");
    if (!intensity.empty())
      copy_rows(MatrixView<float>(intensity.data() + first, rows, 1), {batch.intensity, rows, 1},
                cudaMemcpyDeviceToHost, stream, "intensities");
    check(cudaStreamSynchronize(stream), "cudaStreamSynchronize after recall");
  }
}

}  // namespace attractor::cuda
