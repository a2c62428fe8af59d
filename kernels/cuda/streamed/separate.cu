#include "kernels/cuda/streamed/separate.hpp"

#include <type_traits>
#include <variant>

#include "kernels/cuda/device/block_reduce.cuh"
#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/math.cuh"

namespace attractor::cuda {
namespace {

constexpr int threads = 128;

/// One block for each row.
template <class Separation>
__global__ void __launch_bounds__(threads) separate_kernel(Separation separation, ScoreRows rows) {
  const Index row = blockIdx.x;
  float* const scores = rows.scores + row * rows.stride;
  double potential = 0.0;
  float total = 0.0F;
  for (int i = static_cast<int>(threadIdx.x); i < rows.patterns; i += threads) {
    const float h = scores[i];
    const float p = separate(separation, FloatOps{}, h);
    scores[i] = p;
    potential += twice_potential(separation, WideOps{}, double{h}, double{p});
    total += fabsf(p);
  }
  const auto sum = [](auto a, auto b) { return a + b; };
  potential = reduce_block<threads>(potential, sum);
  total = reduce_block<threads>(total, sum);
  if (threadIdx.x != 0) return;
  rows.potentials[row] = rows.first ? potential : rows.potentials[row] + potential;
  rows.total_weights[row] = rows.first ? total : rows.total_weights[row] + total;
}

__global__ void __launch_bounds__(threads) add_kernel(float* sums, const float* terms, Index stride) {
  const Index row = Index{blockIdx.x} * stride;
  for (Index k = 4 * static_cast<int>(threadIdx.x); k < stride; k += Index{4} * threads)
    store4(sums + row + k, sum(load4(sums + row + k), load4(terms + row + k)));
}

}  // namespace

void launch_separate(const PointwiseSeparation& separation, const ScoreRows& scores, cudaStream_t stream) {
  std::visit(
      [&](const auto& rule) {
        launch_kernel("separate_kernel", separate_kernel<std::decay_t<decltype(rule)>>,
                      {static_cast<unsigned>(scores.rows), threads}, stream, rule, scores);
      },
      separation);
}

void launch_add(float* sums, const float* terms, int rows, Index stride, cudaStream_t stream) {
  launch_kernel("add_kernel", add_kernel, {static_cast<unsigned>(rows), threads}, stream, sums, terms, stride);
}

}  // namespace attractor::cuda
