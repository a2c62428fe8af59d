#include "kernels/cuda/fit/softmax_loss.hpp"

#include "kernels/cuda/device/block_reduce.cuh"
#include "kernels/cuda/device/compensated_sum.cuh"
#include "kernels/cuda/device/launch.hpp"

namespace attractor::cuda {
namespace {

/// A block takes a row.
template <int threads>
__global__ void __launch_bounds__(threads) loss_kernel(SoftmaxLoss job) {
  const Index row = blockIdx.x;
  const int thread = static_cast<int>(threadIdx.x);
  float* const scores = job.scores + row * job.pattern_count;
  const auto origin = static_cast<int>(job.origins[row]);
  const float origin_score = scores[origin];
  float largest = -INFINITY;
  for (int i = thread; i < job.pattern_count; i += threads) largest = fmaxf(largest, scores[i]);
  largest = reduce_block<threads>(largest, [](float a, float b) { return fmaxf(a, b); });
  CompensatedSum part;
  for (int i = thread; i < job.pattern_count; i += threads) part.add(expf(scores[i] - largest));
  const double sum = reduce_block<threads>(part.value(), [](double a, double b) { return a + b; });
  if (thread == 0) job.losses[row] = static_cast<double>(largest) - static_cast<double>(origin_score) + log(sum);
  if (!job.residuals) return;
  const auto inverse = static_cast<float>(1.0 / sum);
  for (int i = thread; i < job.pattern_count; i += threads) {
    const float weight = expf(scores[i] - largest);
    // Near 1 the posterior of the origin itself would leave nothing of the difference but its own rounding.
    scores[i] = i == origin ? static_cast<float>((static_cast<double>(weight) - sum) / sum) : weight * inverse;
  }
}

template <int threads>
void launch(const SoftmaxLoss& job, cudaStream_t stream) {
  launch_kernel("softmax_loss", loss_kernel<threads>, {static_cast<unsigned>(job.rows), threads}, stream, job);
}

}  // namespace

void launch_softmax_loss(const SoftmaxLoss& job, cudaStream_t stream) {
  if (job.pattern_count <= 128)
    launch<32>(job, stream);
  else if (job.pattern_count <= 2048)
    launch<128>(job, stream);
  else
    launch<512>(job, stream);
}

}  // namespace attractor::cuda
