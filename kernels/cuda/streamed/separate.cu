#include "kernels/cuda/streamed/separate.hpp"

#include <type_traits>
#include <variant>

#include "core/score_unit.hpp"
#include "kernels/cuda/device/block_reduce.cuh"
#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/math.cuh"

namespace attractor::cuda {
namespace {

constexpr int threads = 128;

#define ATTRACTOR_MATH __device__ __forceinline__
#include "core/score_unit-inl.hpp"
#undef ATTRACTOR_MATH

/// For all threads of the block: the power of two that a row's scores are multiplied by.
__device__ int choose_unit(const PolynomialSeparation& separation, const ScoreRows& rows, Index row) {
  const ScoreUnits& units = rows.units;
  if (units.largest == nullptr) return 0;
  const float* const scores = rows.scores + row * rows.stride;
  float largest = rows.first ? 0.0F : units.largest[row];
  for (int i = static_cast<int>(threadIdx.x); i < rows.patterns; i += threads)
    largest = fmaxf(largest, counted_size(separation, FloatOps{}, scores[i]));
  largest = reduce_block<threads>(largest, [](float a, float b) { return fmaxf(a, b); });
  if (threadIdx.x == 0) units.largest[row] = largest;
  return detail::unit_exponent(largest, separation.order);
}

/// Only powers have another unit than 1.
template <class Separation>
__device__ int choose_unit(const Separation& /*separation*/, const ScoreRows& /*rows*/, Index /*row*/) {
  return 0;
}

__device__ int order_of(const PolynomialSeparation& separation) { return separation.order; }
template <class Separation>
__device__ int order_of(const Separation& /*separation*/) {
  return 1;
}

/// Notes that a row's sums of weights lack this power of two. What those over the chunks before are to be multiplied
/// by.
__device__ float change_exponent(const ScoreRows& rows, Index row, int exponent) {
  const ScoreUnits& units = rows.units;
  if (units.exponents == nullptr) return 1.0F;
  // Exponents fall only where no score has counted so far, and sums are 0.
  const float change = rows.first ? 1.0F : ldexpf(1.0F, min(units.exponents[row] - exponent, 0));
  units.exponents[row] = exponent;
  units.changes[row] = change;
  return change;
}

/// One block for each row.
template <class Separation>
__global__ void __launch_bounds__(threads) separate_kernel(Separation separation, ScoreRows rows) {
  const Index row = blockIdx.x;
  float* const scores = rows.scores + row * rows.stride;
  const int k = choose_unit(separation, rows, row);
  const float unit = ldexpf(1.0F, k);
  double potential = 0.0;
  float total = 0.0F;
  for (int i = static_cast<int>(threadIdx.x); i < rows.patterns; i += threads) {
    const float h = scores[i] * unit;
    const float p = separate(separation, FloatOps{}, h);
    scores[i] = p;
    potential += twice_potential(separation, WideOps{}, double{h}, double{p});
    total += fabsf(p);
  }
  const auto sum = [](auto a, auto b) { return a + b; };
  potential = reduce_block<threads>(potential, sum);
  total = reduce_block<threads>(total, sum);
  if (threadIdx.x != 0) return;
  potential = ldexp(potential, -k * order_of(separation));
  const float change = change_exponent(rows, row, -k * (order_of(separation) - 1));
  rows.potentials[row] = rows.first ? potential : rows.potentials[row] + potential;
  rows.total_weights[row] = rows.first ? total : change * rows.total_weights[row] + total;
}

__global__ void __launch_bounds__(threads)
    add_kernel(float* sums, const float* factors, const float* terms, Index stride) {
  const Index row = Index{blockIdx.x} * stride;
  const float factor = factors == nullptr ? 1.0F : factors[blockIdx.x];
  for (Index k = 4 * static_cast<int>(threadIdx.x); k < stride; k += Index{4} * threads)
    store4(sums + row + k, combine(load4(sums + row + k), load4(terms + row + k),
                                   [&](float sum, float term) { return factor * sum + term; }));
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

void launch_add(float* sums, const float* factors, const float* terms, int rows, Index stride, cudaStream_t stream) {
  launch_kernel("add_kernel", add_kernel, {static_cast<unsigned>(rows), threads}, stream, sums, factors, terms, stride);
}

}  // namespace attractor::cuda
