#pragma once

/// Four floats at a time: neighbouring states or neighbouring columns.

#include <cuda_runtime_api.h>

namespace attractor::cuda {

inline constexpr int warp_size = 32;
inline constexpr unsigned all_lanes = 0xFFFFFFFFU;

/// At multiples of 16 bytes.
__device__ __forceinline__ float4 load4(const float* from) { return *reinterpret_cast<const float4*>(from); }
__device__ __forceinline__ void store4(float* to, const float4& quad) { *reinterpret_cast<float4*>(to) = quad; }

/// The same for what isn't used again before much else has been: it leaves caches first.
__device__ __forceinline__ float4 load_passing4(const float* from) {
  return __ldcs(reinterpret_cast<const float4*>(from));
}
__device__ __forceinline__ void store_passing4(float* to, const float4& quad) {
  __stcs(reinterpret_cast<float4*>(to), quad);
}

__device__ __forceinline__ float element(const float4& quad, int i) {
  return i == 0 ? quad.x : i == 1 ? quad.y : i == 2 ? quad.z : quad.w;
}

template <class Combine>
__device__ __forceinline__ float4 combine(const float4& a, const float4& b, Combine&& f) {
  return {f(a.x, b.x), f(a.y, b.y), f(a.z, b.z), f(a.w, b.w)};
}

template <class Function>
__device__ __forceinline__ float4 each(const float4& a, Function&& f) {
  return {f(a.x), f(a.y), f(a.z), f(a.w)};
}

__device__ __forceinline__ float4 sum(const float4& a, const float4& b) {
  return combine(a, b, [](float x, float y) { return x + y; });
}

/// Passes over NaN, so that the maximum is that of the other scores.
__device__ __forceinline__ float4 maximum(const float4& a, const float4& b) {
  return combine(a, b, [](float x, float y) { return fmaxf(x, y); });
}

/// The maximum that scores are weighed against: where all of them are −∞, any finite one gives them the weight 0, and
/// −∞ less −∞ would not.
__device__ __forceinline__ float finite_or_above(float maximum) { return maximum == -INFINITY ? 0.0F : maximum; }

/// Whether one of these weights is NaN or positive.
__device__ __forceinline__ bool any_bit(const float4& weights) {
  return (__float_as_uint(weights.x) | __float_as_uint(weights.y) | __float_as_uint(weights.z) |
          __float_as_uint(weights.w)) != 0;
}

__device__ __forceinline__ float4 filled(float value) { return {value, value, value, value}; }

/// Folds the values of all lanes that are a multiple of `stride` apart. The operation commutes, so all get the same
/// bits.
template <int stride, class Fold>
__device__ __forceinline__ float4 fold_lanes(float4 value, Fold&& fold) {
#pragma unroll
  for (int distance = stride; distance < warp_size; distance *= 2)
    value = fold(value,
                 float4{__shfl_xor_sync(all_lanes, value.x, distance), __shfl_xor_sync(all_lanes, value.y, distance),
                        __shfl_xor_sync(all_lanes, value.z, distance), __shfl_xor_sync(all_lanes, value.w, distance)});
  return value;
}

}  // namespace attractor::cuda
