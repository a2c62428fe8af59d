#include "kernels/cuda/softmax_chunks.hpp"

#include <algorithm>

#include "kernels/cuda/compensated_sum.cuh"
#include "kernels/cuda/error.hpp"
#include "kernels/cuda/quad.cuh"

namespace attractor::cuda {
namespace {

constexpr int weigh_threads = 128;

/// A reduction over the block; every thread gets the result.
template <class Combine>
__device__ float reduce(float value, Combine&& combine) {
  __shared__ float warps[weigh_threads / 32];
  for (int offset = warp_size / 2; offset > 0; offset /= 2)
    value = combine(value, __shfl_xor_sync(all_lanes, value, offset));
  __syncthreads();
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = value;
  __syncthreads();
  float result = warps[0];
  for (int w = 1; w < weigh_threads / 32; ++w) result = combine(result, warps[w]);
  return result;
}

/// Turns a row's scores of one chunk into weights, and brings its sums so far to the new maximum.
__global__ void __launch_bounds__(weigh_threads) weigh_kernel(SoftmaxChunks chunks, int count, bool first) {
  const int row = static_cast<int>(blockIdx.x);
  const int thread = static_cast<int>(threadIdx.x);
  float* const scores = chunks.scores + static_cast<Index>(row) * chunk_patterns;
  float largest = -INFINITY;
  for (int i = thread; i < count; i += weigh_threads) largest = fmaxf(largest, scores[i]);
  largest = reduce(largest, [](float a, float b) { return fmaxf(a, b); });
  const float before = first ? -INFINITY : chunks.maxima[row];
  const float maximum = fmaxf(before, largest);
  CompensatedSum sum;
  for (int i = thread; i < count; i += weigh_threads) {
    scores[i] = expf(scores[i] - maximum);
    sum.add(scores[i]);
  }
  const float total = reduce(static_cast<float>(sum.value()), [](float a, float b) { return a + b; });
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
    weigh_kernel<<<static_cast<unsigned>(chunks.rows), weigh_threads, 0, stream>>>(chunks, count, begin == 0);
    check_launch("weigh_kernel");
    read_out(begin, count);
  }
}

}  // namespace attractor::cuda
