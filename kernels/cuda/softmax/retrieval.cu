#include "kernels/cuda/softmax/retrieval.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/quad.cuh"
#include "kernels/cuda/softmax/softmax_chunks.hpp"
#include "kernels/cuda/streamed/ordered_product.hpp"

namespace attractor::cuda {
namespace {

/// Scores of a dot-product memory, whose bits don't depend on the other queries: products by cuBLAS don't promise that.
void launch_scores(const StreamedSoftmax& memory, const float* states, int rows, int begin, int count, float* scores,
                   cudaStream_t stream) {
  const DeviceMatrix& patterns = memory.patterns;
  launch_transposed_ordered_product({.rows = rows,
                                     .columns = count,
                                     .inner = patterns.columns,
                                     .factor = memory.beta,
                                     .a = states,
                                     .a_stride = patterns.stride,
                                     .b = patterns.row(begin),
                                     .b_stride = patterns.stride,
                                     .result = scores,
                                     .result_stride = chunk_patterns()},
                                    stream);
}

/// Each warp has a row.
constexpr int pick_warps = 4;

/// Notes the first pattern with the largest score of a chunk where that is larger than in all chunks before.
__global__ void __launch_bounds__(pick_warps* warp_size)
    pick_kernel(SoftmaxChunks chunks, int begin, int count, Index* patterns) {
  const Index row = Index{blockIdx.x} * pick_warps + threadIdx.x / warp_size;
  const int lane = static_cast<int>(threadIdx.x % warp_size);
  if (row >= chunks.rows) return;
  const float* const scores = chunks.scores + row * chunks.chunk;
  float largest = -INFINITY;
  int first = count;
  for (int i = lane; i < count; i += warp_size) {
    if (!(scores[i] > largest)) continue;
    largest = scores[i];
    first = i;
  }
  for (int distance = warp_size / 2; distance > 0; distance /= 2) {
    const float other = __shfl_xor_sync(all_lanes, largest, distance);
    const int other_first = __shfl_xor_sync(all_lanes, first, distance);
    if (other > largest || (other == largest && other_first < first)) {
      largest = other;
      first = other_first;
    }
  }
  if (lane == 0 && (begin == 0 || largest > chunks.maxima[row])) patterns[row] = begin + first;
}

/// What a batch of queries needs on the device.
struct Batch {
  Batch(int most, const DeviceMatrix& memory_patterns)
      : states(elements(most, memory_patterns.stride), "queries"),
        scores(elements(most, chunk_patterns()), "scores"),
        maxima(elements(most), "maxima"),
        sums(elements(most), "sums"),
        patterns(elements(most), "retrieved patterns"),
        host_sums(elements(most)) {}

  DeviceArray<float> states;  ///< columns from the dimension to the stride are zero
  DeviceArray<float> scores;
  DeviceArray<float> maxima;
  DeviceArray<double> sums;
  DeviceArray<Index> patterns;
  std::vector<double> host_sums;
};

template <class Memory>
void launch_batch(const Memory& memory, const Batch& batch, int rows, cudaStream_t stream) {
  const SoftmaxChunks chunks{.rows = rows,
                             .pattern_count = memory.patterns.rows,
                             .chunk = chunk_patterns(),
                             .scores = batch.scores.data(),
                             .maxima = batch.maxima.data(),
                             .sums = batch.sums.data(),
                             .readouts = nullptr,
                             .remainders = nullptr,
                             .chunk_readouts = nullptr,
                             .readout_stride = 0};
  launch_softmax_chunks(
      chunks,
      [&](int begin, int count) {
        launch_scores(memory, batch.states.data(), rows, begin, count, chunks.scores, stream);
        launch_kernel("pick_kernel", pick_kernel,
                      {static_cast<unsigned>((rows + pick_warps - 1) / pick_warps), pick_warps * warp_size}, stream,
                      chunks, begin, count, batch.patterns.data());
      },
      {}, stream);
}

template <class Memory>
void retrieve_all(const Memory& memory, MatrixView<const float> queries, std::span<Index> patterns,
                  std::span<float> posteriors) {
  const DeviceMatrix& stored = memory.patterns;
  const auto most = static_cast<int>(std::min(detail::sizes().retrieval_rows, queries.rows));
  Batch batch(most, stored);
  const Stream stream = make_stream();
  check(cudaMemsetAsync(batch.states.data(), 0, batch.states.bytes(), stream.get()), "cudaMemsetAsync of queries");
  for (Index first = 0; first < queries.rows; first += most) {
    const auto rows = static_cast<int>(std::min<Index>(most, queries.rows - first));
    const auto count = static_cast<std::size_t>(rows);
    copy_rows(MatrixView<float>(batch.states.data(), rows, queries.columns, stored.stride), queries.slice(first, rows),
              cudaMemcpyHostToDevice, stream.get(), "queries");
    launch_batch(memory, batch, rows, stream.get());
    Index* const batch_patterns = patterns.data() + first;
    check(cudaMemcpyAsync(batch_patterns, batch.patterns.data(), count * sizeof(Index), cudaMemcpyDeviceToHost,
                          stream.get()),
          "cudaMemcpyAsync of retrieved patterns");
    check(cudaMemcpyAsync(batch.host_sums.data(), batch.sums.data(), count * sizeof(double), cudaMemcpyDeviceToHost,
                          stream.get()),
          "cudaMemcpyAsync of sums");
    check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize after retrieval");
    for (std::size_t i = 0; i < count; ++i) {
      const double sum = batch.host_sums[i];
      // 0: no score is above −∞. NaN: the largest is +∞, or one is NaN.
      const bool scored = std::isfinite(sum) && sum > 0.0;
      if (!scored) batch_patterns[i] = -1;
      posteriors[static_cast<std::size_t>(first) + i] =
          scored ? static_cast<float>(1.0 / sum) : std::numeric_limits<float>::quiet_NaN();
    }
  }
}

}  // namespace

void retrieve(const StreamedSoftmax& memory, MatrixView<const float> queries, std::span<Index> patterns,
              std::span<float> posteriors) {
  retrieve_all(memory, queries, patterns, posteriors);
}
void retrieve(const StreamedAdaptive& memory, MatrixView<const float> queries, std::span<Index> patterns,
              std::span<float> posteriors) {
  retrieve_all(memory, queries, patterns, posteriors);
}

}  // namespace attractor::cuda
