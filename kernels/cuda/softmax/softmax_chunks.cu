#include "kernels/cuda/softmax/softmax_chunks.hpp"

#include <algorithm>

#include "kernels/cuda/device/block_reduce.cuh"
#include "kernels/cuda/device/compensated_sum.cuh"
#include "kernels/cuda/device/launch.hpp"

namespace attractor::cuda {
namespace {

constexpr int weigh_threads = 128;

/// Turns a row's scores of one chunk into weights, and brings its sums so far to the new maximum.
__global__ void __launch_bounds__(weigh_threads) weigh_kernel(SoftmaxChunks chunks, int begin, int count) {
  const int row = static_cast<int>(blockIdx.x);
  const int thread = static_cast<int>(threadIdx.x);
  const bool first = begin == 0;
  float* const scores = chunks.scores + Index{row} * chunks.chunk;
  float largest = -INFINITY;
  for (int i = thread; i < count; i += weigh_threads) largest = fmaxf(largest, scores[i]);
  largest = reduce_block<weigh_threads>(largest, [](float a, float b) { return fmaxf(a, b); });
  const float before = first ? -INFINITY : chunks.maxima[row];
  const float maximum = fmaxf(before, largest);
  const float reference = finite_or_above(maximum);
  CompensatedSum sum;
  for (int i = thread; i < count; i += weigh_threads) {
    scores[i] = expf(scores[i] - reference);
    sum.add(scores[i]);
  }
  const double total = reduce_block<weigh_threads>(sum.value(), [](double a, double b) { return a + b; });
  if (first) {
    if (thread == 0) {
      chunks.maxima[row] = maximum;
      chunks.sums[row] = total;
    }
    return;
  }
  const float factor = expf(before - reference);
  // Read by every thread above, so written only when all have.
  __syncthreads();
  if (thread == 0) {
    chunks.maxima[row] = maximum;
    chunks.sums[row] = fma(chunks.sums[row], static_cast<double>(factor), total);
  }
  if (factor == 1.0F) return;
  float* const readout = chunks.readouts + Index{row} * chunks.readout_stride;
  for (int k = thread; k < chunks.readout_stride; k += weigh_threads) readout[k] *= factor;
  // Of the first chunk alone nothing remains.
  if (begin == chunks.chunk) return;
  float* const remainder = chunks.remainders + Index{row} * chunks.readout_stride;
  for (int k = thread; k < chunks.readout_stride; k += weigh_threads) remainder[k] *= factor;
}

/// Adds a chunk's readouts to those before; after the last one the sums are floats.
__global__ void __launch_bounds__(weigh_threads) add_kernel(SoftmaxChunks chunks, bool second, bool last) {
  const Index begin = Index{blockIdx.x} * chunks.readout_stride;
  for (Index k = begin + threadIdx.x; k < begin + chunks.readout_stride; k += weigh_threads) {
    CompensatedSum sum{chunks.readouts[k], second ? 0.0F : chunks.remainders[k]};
    sum.add(chunks.chunk_readouts[k]);
    chunks.readouts[k] = last ? sum.high + sum.low : sum.high;
    if (!last) chunks.remainders[k] = sum.low;
  }
}

}  // namespace

void launch_softmax_chunks(const SoftmaxChunks& chunks, const ScoreChunk& score, const ReadOutChunk& read_out,
                           cudaStream_t stream) {
  for (int begin = 0; begin < chunks.pattern_count; begin += chunks.chunk) {
    const int count = std::min(chunks.chunk, chunks.pattern_count - begin);
    score(begin, count);
    launch_kernel("weigh_kernel", weigh_kernel, {static_cast<unsigned>(chunks.rows), weigh_threads}, stream, chunks,
                  begin, count);
    read_out(begin, count, begin == 0 ? chunks.readouts : chunks.chunk_readouts);
    if (begin == 0) continue;
    launch_kernel("add_kernel", add_kernel, {static_cast<unsigned>(chunks.rows), weigh_threads}, stream, chunks,
                  begin == chunks.chunk, begin + count == chunks.pattern_count);
  }
}

}  // namespace attractor::cuda
