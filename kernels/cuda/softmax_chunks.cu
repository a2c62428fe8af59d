#include "kernels/cuda/softmax_chunks.hpp"

#include <algorithm>

#include "kernels/cuda/block_reduce.cuh"
#include "kernels/cuda/compensated_sum.cuh"
#include "kernels/cuda/launch.hpp"

namespace attractor::cuda {
namespace {

constexpr int weigh_threads = 128;

/// Turns a row's scores of one chunk into weights, and brings its sums so far to the new maximum.
__global__ void __launch_bounds__(weigh_threads) weigh_kernel(SoftmaxChunks chunks, int count, bool first) {
  const int row = static_cast<int>(blockIdx.x);
  const int thread = static_cast<int>(threadIdx.x);
  float* const scores = chunks.scores + static_cast<Index>(row) * chunk_patterns;
  float largest = -INFINITY;
  for (int i = thread; i < count; i += weigh_threads) largest = fmaxf(largest, scores[i]);
  largest = reduce_block<weigh_threads>(largest, [](float a, float b) { return fmaxf(a, b); });
  const float before = first ? -INFINITY : chunks.maxima[row];
  const float maximum = fmaxf(before, largest);
  CompensatedSum sum;
  for (int i = thread; i < count; i += weigh_threads) {
    scores[i] = expf(scores[i] - maximum);
    sum.add(scores[i]);
  }
  const float total =
      reduce_block<weigh_threads>(static_cast<float>(sum.value()), [](float a, float b) { return a + b; });
  if (first) {
    if (thread == 0) {
      chunks.maxima[row] = maximum;
      chunks.sums[row] = total;
    }
    return;
  }
  const float factor = expf(before - maximum);
  // Read by every thread above, so written only when all have.
  __syncthreads();
  if (thread == 0) {
    chunks.maxima[row] = maximum;
    chunks.sums[row] = fmaf(chunks.sums[row], factor, total);
  }
  if (factor == 1.0F) return;
  float* const readout = chunks.readouts + static_cast<Index>(row) * chunks.readout_stride;
  for (int k = thread; k < chunks.readout_stride; k += weigh_threads) readout[k] *= factor;
}

}  // namespace

void launch_softmax_chunks(const SoftmaxChunks& chunks, const ChunkStep& score, const ChunkStep& read_out,
                           cudaStream_t stream) {
  for (int begin = 0; begin < chunks.pattern_count; begin += chunk_patterns) {
    const int count = std::min(chunk_patterns, chunks.pattern_count - begin);
    score(begin, count);
    launch_kernel("weigh_kernel", weigh_kernel, {static_cast<unsigned>(chunks.rows), weigh_threads}, stream, chunks,
                  count, begin == 0);
    read_out(begin, count);
  }
}

}  // namespace attractor::cuda
