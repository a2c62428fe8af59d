#include "kernels/cuda/softmax/retrieval.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/quad.cuh"
#include "kernels/cuda/softmax/softmax_chunks.hpp"
#include "kernels/cuda/streamed/settle.hpp"

namespace attractor::cuda {
namespace {

void launch_scores(const StreamedSoftmax& memory, const float* states, int rows, int begin, int count, float* scores,
                   cudaStream_t stream) {
  launch_ordered_scores(memory, states, rows, begin, count, scores, chunk_patterns(), stream);
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
  Batch(int most, const DeviceMatrix& memory_patterns, int row_scores)
      : states(elements(most, memory_patterns.stride), "queries"),
        score_stride(row_scores),
        scores(elements(most, row_scores), "scores"),
        maxima(elements(most), "maxima"),
        sums(elements(most), "sums"),
        totals(elements(most), "sums of settled weights"),
        potentials(elements(most), "potentials"),
        patterns(elements(most), "retrieved patterns"),
        host_sums(elements(most)) {}

  DeviceArray<float> states;  ///< columns from the dimension to the stride are zero
  int score_stride;
  DeviceArray<float> scores;
  DeviceArray<float> maxima;
  DeviceArray<double> sums;  ///< Σ of the weights over the largest
  DeviceArray<double> totals;
  DeviceArray<double> potentials;
  DeviceArray<Index> patterns;
  std::vector<double> host_sums;
};

template <class Memory>
void launch_softmax_batch(const Memory& memory, const Batch& batch, int rows, cudaStream_t stream) {
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

void launch_settled_batch(const StreamedSoftmax& memory, const Batch& batch, int rows, cudaStream_t stream) {
  launch_ordered_scores(memory, batch.states.data(), rows, 0, memory.patterns.rows, batch.scores.data(),
                        batch.score_stride, stream);
  launch_settle(memory.terms.separation,
                {.rows = rows,
                 .patterns = memory.patterns.rows,
                 .scores = batch.scores.data(),
                 .stride = batch.score_stride,
                 .maxima = batch.maxima.data(),
                 .sums = batch.totals.data(),
                 .potentials = batch.potentials.data(),
                 .winners = batch.patterns.data(),
                 .shares = batch.sums.data()},
                stream);
}

void launch_batch(const StreamedAdaptive& memory, const Batch& batch, int rows, cudaStream_t stream) {
  launch_softmax_batch(memory, batch, rows, stream);
}
void launch_batch(const StreamedSoftmax& memory, const Batch& batch, int rows, cudaStream_t stream) {
  if (is_softmax(memory))
    launch_softmax_batch(memory, batch, rows, stream);
  else
    launch_settled_batch(memory, batch, rows, stream);
}

/// Scores of a query that are kept at a time.
int row_scores(const StreamedAdaptive& /*memory*/) { return chunk_patterns(); }
int row_scores(const StreamedSoftmax& memory) {
  return is_softmax(memory) ? chunk_patterns() : (memory.patterns.rows + 3) / 4 * 4;
}

/// Queries whose scores take no more than the scratch of a relaxation.
Index batch_rows(int scores) {
  const detail::Sizes& sizes = detail::sizes();
  const Index affordable = sizes.scratch_bytes / (static_cast<Index>(sizeof(float)) * scores);
  return std::clamp<Index>(affordable, 1, sizes.retrieval_rows);
}

template <class Memory>
void retrieve_all(const Memory& memory, MatrixView<const float> queries, std::span<Index> patterns,
                  std::span<float> posteriors) {
  const DeviceMatrix& stored = memory.patterns;
  const auto most = static_cast<int>(std::min(batch_rows(row_scores(memory)), queries.rows));
  Batch batch(most, stored, row_scores(memory));
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
