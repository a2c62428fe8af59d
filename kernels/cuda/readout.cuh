#pragma once

/// What the products of a step leave for the step kernel, and how it becomes readouts u and energies E of a row's
/// state.
///
/// A readout offers: `begin(row)`, for all threads of the block together; then `group(row, k, x)`, u at neurons k … k +
/// 3 and their part of the energy sum; `extra(row)`, this thread's share of what else belongs to it; and `energy(sum)`,
/// which one thread asks for.

#include "kernels/cuda/compensated_sum.cuh"
#include "kernels/cuda/quad.cuh"

namespace attractor::cuda {

/// Threads of a block of the step kernel, which owns one row.
inline constexpr int step_threads = 128;

/// Four neighbouring neurons.
struct ReadoutGroup {
  float4 u;
  float energy;  ///< their terms of the energy sum
};

/// a·b·c summed over four neurons.
__device__ __forceinline__ float sum_products(float4 a, float4 b, float4 c) {
  return (a.x * b.x * c.x + a.y * b.y * c.y) + (a.z * b.z * c.z + a.w * b.w * c.w);
}

__device__ __forceinline__ float sum_products(float4 a, float4 b) {
  return (a.x * b.x + a.y * b.y) + (a.z * b.z + a.w * b.w);
}

/// u = scale·(Fᵀs − diagonal∘x) with s = Fx; E = −½ scale·(s·s − Σ diagonal·x²).
struct FactoredReadout {
  const float* products;  ///< Fᵀs [rows × stride]
  Index stride;
  const float* scores;  ///< s [rows × score_stride]
  Index score_stride;
  int patterns;
  const float* diagonal;  ///< [stride]
  float scale;

  __device__ void begin(int /*row*/) {}

  __device__ __forceinline__ ReadoutGroup group(int row, int k, float4 x) const {
    const float4 product = load4(products + row * stride + k);
    const float4 diag = load4(diagonal + k);
    return {{scale * fmaf(-diag.x, x.x, product.x), scale * fmaf(-diag.y, x.y, product.y),
             scale * fmaf(-diag.z, x.z, product.z), scale * fmaf(-diag.w, x.w, product.w)},
            -sum_products(diag, x, x)};
  }
  __device__ CompensatedSum extra(int row) const {
    CompensatedSum sum;
    for (int p = static_cast<int>(threadIdx.x); p < patterns; p += step_threads) {
      const float score = scores[row * score_stride + p];
      sum.add(score * score);
    }
    return sum;
  }
  __device__ double energy(double sum) const { return -0.5 * static_cast<double>(scale) * sum; }
};

/// u = scale·Wx; E = −½ xᵀu.
struct DenseReadout {
  const float* products;  ///< Wx [rows × stride]
  Index stride;
  float scale;

  __device__ void begin(int /*row*/) {}

  __device__ __forceinline__ ReadoutGroup group(int row, int k, float4 x) const {
    const float4 product = load4(products + row * stride + k);
    const float4 u = {scale * product.x, scale * product.y, scale * product.z, scale * product.w};
    return {u, sum_products(x, u)};
  }
  __device__ CompensatedSum extra(int /*row*/) const { return {}; }
  __device__ double energy(double sum) const { return -0.5 * sum; }
};

inline constexpr int most_splits = 16;

/// u = Σ_i e^(m_i − m) r_i / Σ_i e^(m_i − m) l_i over the splits i of the patterns, in order, with m their largest
/// maximum; E = −lse/β + norm_weight·xᵀx + offset.
struct SoftmaxReadout {
  const float* maxima;    ///< m_i [splits × capacity]
  const float* sums;      ///< l_i [splits × capacity]
  const float* readouts;  ///< r_i [splits × capacity × stride]
  Index capacity;
  Index stride;
  int splits;
  float beta;
  double norm_weight;  ///< ½ where scores are dot products, 0 where they are the energy's only part
  double energy_offset;
  float weights[most_splits] = {};
  float maximum = 0.0F;
  double total = 0.0;

  __device__ void begin(int row) {
    maximum = -INFINITY;
    for (int i = 0; i < splits; ++i) maximum = fmaxf(maximum, maxima[i * capacity + row]);
    total = 0.0;
#pragma unroll
    for (int i = 0; i < most_splits; ++i) {
      if (i >= splits) break;
      weights[i] = expf(maxima[i * capacity + row] - maximum);
      total += static_cast<double>(weights[i]) * static_cast<double>(sums[i * capacity + row]);
    }
    const float inverse = 1.0F / static_cast<float>(total);
#pragma unroll
    for (int i = 0; i < most_splits; ++i) weights[i] *= inverse;
  }

  __device__ __forceinline__ ReadoutGroup group(int row, int k, float4 x) const {
    float4 u = {0.0F, 0.0F, 0.0F, 0.0F};
#pragma unroll
    for (int i = 0; i < most_splits; ++i) {
      if (i >= splits) break;
      const float4 r = load4(readouts + (i * capacity + row) * stride + k);
      u = {fmaf(weights[i], r.x, u.x), fmaf(weights[i], r.y, u.y), fmaf(weights[i], r.z, u.z),
           fmaf(weights[i], r.w, u.w)};
    }
    return {u, sum_products(x, x)};
  }
  __device__ CompensatedSum extra(int /*row*/) const { return {}; }
  __device__ double energy(double sum) const {
    return -(static_cast<double>(maximum) + log(total)) / static_cast<double>(beta) + norm_weight * sum + energy_offset;
  }
};

}  // namespace attractor::cuda
