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

}  // namespace

void recall(const DeviceMemory& memory, MatrixView<const float> queries, const detail::PatternTerms& terms,
            MatrixView<float> contents, std::span<float> intensity) {
  const DeviceScope scope(memory.device());
  const Index most = batch_rows(queries.rows, queries.columns + contents.columns + 1, terms);
  const DeviceArray<float> batch_queries(elements(most, queries.columns), "queries");
  const DeviceArray<float> batch_contents(elements(most, contents.columns), "contents");
  const DeviceArray<float> batch_intensity(intensity.empty() ? 0 : elements(most), "intensities");
  const DeviceArray<std::byte> scratch(memory.recall_workspace_bytes(most), "scratch");
  DeviceTerms batch_terms(terms, most);
  const Stream stream = make_stream();
  for (Index first = 0; first < queries.rows; first += most) {
    const Index rows = std::min(most, queries.rows - first);
    const MatrixView<float> on_device(batch_queries.data(), rows, queries.columns);
    const MatrixView<float> read_out(batch_contents.data(), rows, contents.columns);
    copy_rows(on_device, queries.slice(first, rows), cudaMemcpyHostToDevice, stream.get(), "queries");
    memory.recall(on_device, {.patterns = batch_terms.upload(terms.slice(first, rows), stream.get())}, read_out,
                  batch_intensity.data(), scratch.data(), stream.get());
    copy_rows(contents.slice(first, rows), read_out, cudaMemcpyDeviceToHost, stream.get(), "contents");
    if (!intensity.empty())
      copy_rows(MatrixView<float>(intensity.data() + first, rows, 1), {batch_intensity.data(), rows, 1},
                cudaMemcpyDeviceToHost, stream.get(), "intensities");
    check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize after recall");
  }
}

}  // namespace attractor::cuda
