#pragma once

/// What the products of a step leave for the step kernel, and how it becomes readouts u and energies E of a row's
/// state.
///
/// A readout offers: `begin(row)`, for all threads of the block together; then `field(row, k, x)`, u at neurons k … k +
/// 3; `energy_terms<T>(k, x, u)`, their part of the energy sum, computed in T; `extra<Sum>(row)`, this thread's share
/// of what else belongs to it; and `energy(sum)`, which one thread asks for. A field no larger than `resolution[k]`
/// times `rounding_magnitude(…)` is nothing but its rounding.

#include "kernels/cuda/device/compensated_sum.cuh"
#include "kernels/cuda/device/quad.cuh"
#include "kernels/cuda/softmax/score_terms.hpp"

namespace attractor::cuda {

/// Threads of a block of the step kernel, which owns one row.
inline constexpr int step_threads = 128;

/// a·b·c summed over four neurons.
template <class T>
__device__ __forceinline__ T sum_products(float4 a, float4 b, float4 c) {
  return (T{a.x} * T{b.x} * T{c.x} + T{a.y} * T{b.y} * T{c.y}) + (T{a.z} * T{b.z} * T{c.z} + T{a.w} * T{b.w} * T{c.w});
}

template <class T>
__device__ __forceinline__ T sum_products(float4 a, float4 b) {
  return (T{a.x} * T{b.x} + T{a.y} * T{b.y}) + (T{a.z} * T{b.z} + T{a.w} * T{b.w});
}

/// u less the thresholds, if there are any.
__device__ __forceinline__ float4 less_thresholds(float4 u, const float* thresholds, int k) {
  if (thresholds == nullptr) return u;
  return combine(u, load4(thresholds + k), [](float field, float threshold) { return field - threshold; });
}

/// u = scale·(Fᵀs − diagonal∘x) − θ with s = Fx; E = −½ scale·(s·s − Σ (diagonal·x² + 2θx/scale)).
struct FactoredReadout {
  const float* products;  ///< Fᵀs [rows × stride]
  Index stride;
  const float* scores;  ///< s [rows × score_stride]
  Index score_stride;
  int patterns;
  const float* diagonal;    ///< [stride]
  const float* resolution;  ///< [stride]
  const float* thresholds;  ///< θ [stride] or null: 0
  float scale;

  __device__ void begin(int /*row*/) {}

  __device__ __forceinline__ float4 field(int row, int k, float4 x) const {
    const float4 product = load4(products + row * stride + k);
    const float4 diag = load4(diagonal + k);
    return less_thresholds({scale * fmaf(-diag.x, x.x, product.x), scale * fmaf(-diag.y, x.y, product.y),
                            scale * fmaf(-diag.z, x.z, product.z), scale * fmaf(-diag.w, x.w, product.w)},
                           thresholds, k);
  }
  template <class T>
  __device__ __forceinline__ T energy_terms(int k, float4 x, float4 /*u*/) const {
    const T squares = -sum_products<T>(load4(diagonal + k), x, x);
    if (thresholds == nullptr) return squares;
    return squares - T{2} / static_cast<T>(scale) * sum_products<T>(load4(thresholds + k), x);
  }
  template <class Sum>
  __device__ Sum extra(int row) const {
    Sum sum;
    for (int p = static_cast<int>(threadIdx.x); p < patterns; p += step_threads) {
      const typename Sum::Term score = scores[row * score_stride + p];
      sum.add(score * score);
    }
    return sum;
  }
  __device__ float rounding_magnitude(float state) const { return state; }
  __device__ double energy(double sum) const { return -0.5 * static_cast<double>(scale) * sum; }
};

/// u = scale·Wx − θ; E = −½ xᵀ(u − θ).
struct DenseReadout {
  const float* products;  ///< Wx [rows × stride]
  Index stride;
  const float* resolution;  ///< [stride]
  const float* thresholds;  ///< θ [stride] or null: 0
  float scale;

  __device__ void begin(int /*row*/) {}

  __device__ __forceinline__ float4 field(int row, int k, float4 /*x*/) const {
    const float4 product = load4(products + row * stride + k);
    return less_thresholds({scale * product.x, scale * product.y, scale * product.z, scale * product.w}, thresholds, k);
  }
  template <class T>
  __device__ __forceinline__ T energy_terms(int k, float4 x, float4 u) const {
    return sum_products<T>(x, less_thresholds(u, thresholds, k));
  }
  template <class Sum>
  __device__ Sum extra(int /*row*/) const {
    return {};
  }
  __device__ float rounding_magnitude(float state) const { return state; }
  __device__ double energy(double sum) const { return -0.5 * sum; }
};

/// u = Σ p_μ a_μ, E = −½ energy_scale·Σ 2F(h_μ), both of whose sums are there.
struct PointwiseReadout {
  const float* products;  ///< u over 2 to the exponent [rows × stride]
  Index stride;
  const double* potentials;    ///< [rows]
  const float* total_weights;  ///< Σ |p| over 2 to the exponent [rows]
  const int* exponents;        ///< [rows]; null: signs are wanted, which are those of the products
  const float* resolution;     ///< [stride], of states whose weights add up to 1
  float energy_scale;
  double potential = 0.0;
  float total_weight = 0.0F;
  int exponent = 0;

  __device__ void begin(int row) {
    potential = potentials[row];
    total_weight = total_weights[row];
    if (exponents != nullptr) exponent = exponents[row];
  }
  __device__ __forceinline__ float4 field(int row, int k, float4 /*x*/) const {
    const float4 u = load4(products + row * stride + k);
    if (exponent == 0) return u;
    return {scalbnf(u.x, exponent), scalbnf(u.y, exponent), scalbnf(u.z, exponent), scalbnf(u.w, exponent)};
  }
  template <class T>
  __device__ __forceinline__ T energy_terms(int /*k*/, float4 /*x*/, float4 /*u*/) const {
    return T{0};
  }
  template <class Sum>
  __device__ Sum extra(int /*row*/) const {
    return {};
  }
  /// Finite, or nothing could be told from 0.
  __device__ float rounding_magnitude(float /*state*/) const { return fminf(total_weight, 3.40282347e38F); }
  __device__ double energy(double /*sum*/) const { return -0.5 * static_cast<double>(energy_scale) * potential; }
};

/// What a sweep has left: the next state itself, and E = −½ energy_scale·potential of the state before.
struct SweptReadout {
  const float* states;  ///< [rows × stride]
  Index stride;
  const double* potentials;  ///< [rows]
  float energy_scale;
  const float* resolution = nullptr;  ///< signs have been decided
  double potential = 0.0;

  __device__ void begin(int row) { potential = potentials[row]; }
  __device__ __forceinline__ float4 field(int row, int k, float4 /*x*/) const {
    return load4(states + row * stride + k);
  }
  template <class T>
  __device__ __forceinline__ T energy_terms(int /*k*/, float4 /*x*/, float4 /*u*/) const {
    return T{0};
  }
  template <class Sum>
  __device__ Sum extra(int /*row*/) const {
    return {};
  }
  __device__ float rounding_magnitude(float /*state*/) const { return 1.0F; }
  __device__ double energy(double /*sum*/) const { return -0.5 * static_cast<double>(energy_scale) * potential; }
};

inline constexpr int most_splits = 16;

/// u = Σ_i e^(m_i − m) r_i / Σ_i e^(m_i − m) l_i over the splits i of the patterns, in order, with m their largest
/// maximum, and the centre, if there is one, added; E = −(lse + potential_offset)/β + norm_weight·‖x − centre‖² +
/// energy_offset, or with the separation's potential in place of log Σ. Where no score is above −∞ both sums are 0 and
/// u is NaN.
struct SoftmaxReadout {
  const float* maxima;       ///< m_i [splits × capacity]
  const double* sums;        ///< l_i [splits × capacity]
  const double* potentials;  ///< Ω* less the maximum [capacity]; null: log Σ
  const float* readouts;     ///< r_i [splits × capacity × stride]
  Index capacity;
  Index stride;
  int splits;
  RowTerms terms;      ///< whose temperatures are those of the rows
  float beta;          ///< where they have none
  double norm_weight;  ///< ½ where scores are dot products, 0 where they are the energy's only part
  double potential_offset;
  double energy_offset;
  const float* resolution;  ///< [stride]
  const float* centre;      ///< [stride], what patterns and states are measured from; null: 0
  float weights[most_splits] = {};
  float maximum = 0.0F;
  double total = 0.0;
  double potential = 0.0;

  __device__ void begin(int row) {
    if (potentials != nullptr) potential = potentials[row];
    if (!terms.schedule.empty()) beta = terms.beta(row);
    maximum = -INFINITY;
    for (int i = 0; i < splits; ++i) maximum = fmaxf(maximum, maxima[i * capacity + row]);
    const float reference = finite_or_above(maximum);
    total = 0.0;
#pragma unroll
    for (int i = 0; i < most_splits; ++i) {
      if (i >= splits) break;
      weights[i] = expf(maxima[i * capacity + row] - reference);
      total += static_cast<double>(weights[i]) * sums[i * capacity + row];
    }
    const float inverse = 1.0F / static_cast<float>(total);
#pragma unroll
    for (int i = 0; i < most_splits; ++i) weights[i] *= inverse;
  }

  __device__ __forceinline__ float4 field(int row, int k, float4 /*x*/) const {
    float4 u = {0.0F, 0.0F, 0.0F, 0.0F};
#pragma unroll
    for (int i = 0; i < most_splits; ++i) {
      if (i >= splits) break;
      const float4 r = load4(readouts + (i * capacity + row) * stride + k);
      u = {fmaf(weights[i], r.x, u.x), fmaf(weights[i], r.y, u.y), fmaf(weights[i], r.z, u.z),
           fmaf(weights[i], r.w, u.w)};
    }
    return centre == nullptr ? u : ::attractor::cuda::sum(u, load4(centre + k));
  }
  template <class T>
  __device__ __forceinline__ T energy_terms(int k, float4 x, float4 /*u*/) const {
    if (centre != nullptr) x = combine(x, load4(centre + k), [](float a, float b) { return a - b; });
    return sum_products<T>(x, x);
  }
  template <class Sum>
  __device__ Sum extra(int /*row*/) const {
    return {};
  }
  /// An average of patterns, whatever the state.
  __device__ float rounding_magnitude(float /*state*/) const { return 1.0F; }
  __device__ double energy(double sum) const {
    const double rest = potentials != nullptr ? potential : log(total);
    return -(static_cast<double>(maximum) + rest + potential_offset) / static_cast<double>(beta) + norm_weight * sum +
           energy_offset;
  }
};

/// The same, but where no pattern has a weight u is the state.
struct KeepingReadout : SoftmaxReadout {
  __device__ __forceinline__ float4 field(int row, int k, float4 x) const {
    return total == 0.0 ? x : SoftmaxReadout::field(row, k, x);
  }
};

}  // namespace attractor::cuda
