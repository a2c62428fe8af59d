#include "kernels/cuda/softmax/score_terms.hpp"

#include "kernels/cuda/device/block_reduce.cuh"
#include "kernels/cuda/device/launch.hpp"

namespace attractor::cuda {
namespace {

constexpr int threads = 128;

/// 1/‖state‖, 0 where that is 0. In double: squares leave the range of float.
__device__ float inverse_norm(const float* state, int dimension) {
  double squares = 0.0;
  for (int k = static_cast<int>(threadIdx.x); k < dimension; k += threads)
    squares += static_cast<double>(state[k]) * static_cast<double>(state[k]);
  squares = reduce_block<threads>(squares, [](double a, double b) { return a + b; });
  return squares == 0.0 ? 0.0F : static_cast<float>(1.0 / sqrt(squares));
}

/// One block for each row.
__global__ void __launch_bounds__(threads) score_terms_kernel(ScoreBatch batch) {
  const Index row = blockIdx.x;
  const float norm_factor =
      batch.states == nullptr ? 1.0F : inverse_norm(batch.states + row * batch.state_stride, batch.dimension);
  const float beta_factor = batch.terms.schedule.empty() ? 1.0F : batch.terms.beta(row) / batch.beta;
  float* const scores = batch.scores + row * batch.stride;
  for (int i = static_cast<int>(threadIdx.x); i < batch.count; i += threads) {
    const Index pattern = Index{batch.first} + i;
    const float scale = batch.scales == nullptr ? 1.0F : batch.scales[pattern];
    const float score = scores[i] * norm_factor * scale * beta_factor;
    scores[i] = shifted(shifted(score, batch.offsets.of(pattern, beta_factor)), batch.terms.of(row, pattern));
  }
}

}  // namespace

void launch_score_terms(const ScoreBatch& batch, cudaStream_t stream) {
  if (batch.scales == nullptr && batch.offsets.empty() && batch.states == nullptr && batch.terms.empty()) return;
  launch_kernel("score_terms_kernel", score_terms_kernel, {static_cast<unsigned>(batch.rows), threads}, stream, batch);
}

}  // namespace attractor::cuda
