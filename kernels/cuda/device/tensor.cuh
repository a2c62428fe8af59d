#pragma once

/// Products of fp16 matrices on tensor cores, sums in float: mma.sync m16n8k16 (PTX ISA), from compute capability 8.0
/// on. Of a warp's lanes, g = lane/4 and t = lane mod 4.

#include <cuda_fp16.h>

#include "kernels/cuda/device/quad.cuh"

namespace attractor::cuda {

inline constexpr int tensor_rows = 16;    ///< of the left operand
inline constexpr int tensor_columns = 8;  ///< of the right one
inline constexpr int tensor_depth = 16;   ///< what is summed over

/// Left operand: rows g, g + 8, g, g + 8 at columns 2t, 2t, 2t + 8, 2t + 8 and the one after each.
struct TensorRows {
  unsigned pairs[4];
};

/// sums = a·b + before, of 16 × 8: rows g, g, g + 8, g + 8 at columns 2t, 2t + 1, 2t, 2t + 1.
__device__ __forceinline__ void multiply_add(float (&sums)[4], const TensorRows& a, unsigned b0, unsigned b1,
                                             const float (&before)[4]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, "
      "%13};"
      : "=f"(sums[0]), "=f"(sums[1]), "=f"(sums[2]), "=f"(sums[3])
      : "r"(a.pairs[0]), "r"(a.pairs[1]), "r"(a.pairs[2]), "r"(a.pairs[3]), "r"(b0), "r"(b1), "f"(before[0]),
        "f"(before[1]), "f"(before[2]), "f"(before[3]));
#endif
}

/// Four 8 × 8 matrices from shared memory, whose 32 rows of 16 bytes start where the lanes say.
__device__ __forceinline__ void load_matrices(unsigned (&matrices)[4], unsigned address) {
#if __CUDA_ARCH__ >= 800
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(matrices[0]), "=r"(matrices[1]), "=r"(matrices[2]), "=r"(matrices[3])
               : "r"(address)
               : "memory");
#endif
}

__device__ __forceinline__ void load_transposed_matrices(unsigned (&matrices)[4], unsigned address) {
#if __CUDA_ARCH__ >= 800
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(matrices[0]), "=r"(matrices[1]), "=r"(matrices[2]), "=r"(matrices[3])
               : "r"(address)
               : "memory");
#endif
}

/// The bits of two neighbours.
__device__ __forceinline__ unsigned pair_bits(const __half2& pair) { return *reinterpret_cast<const unsigned*>(&pair); }

/// Two floats as the sum of two fp16: 22 bits of those from 2⁻³ to 2¹⁵, and to 2⁻²⁵ of what is smaller. NaN stays NaN,
/// and ∞ becomes NaN.
__device__ __forceinline__ void split(float first, float second, unsigned& high, unsigned& low) {
  const __half2 pair = __floats2half2_rn(first, second);
  const float2 rounded = __half22float2(pair);
  high = pair_bits(pair);
  low = pair_bits(__floats2half2_rn(first - rounded.x, second - rounded.y));
}

/// The same at every place where it stands: compilers don't keep the terms from one to the next.
__device__ __forceinline__ void split_anew(float first, float second, unsigned& high, unsigned& low) {
  asm volatile("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(high) : "f"(second), "f"(first));
  const float2 rounded = __half22float2(*reinterpret_cast<const __half2*>(&high));
  low = pair_bits(__floats2half2_rn(first - rounded.x, second - rounded.y));
}

/// By the bits of its exponent.
__device__ __forceinline__ float power_of_two(int exponent) {
  return __uint_as_float(static_cast<unsigned>(exponent) << 23);
}

/// The power of two that brings the largest magnitude to 2¹⁴ to 2¹⁵, or 2¹²⁶.
__device__ __forceinline__ float split_scale(float largest) {
  const int exponent = static_cast<int>(__float_as_uint(largest) >> 23);
  return power_of_two(min(268 - exponent, 253));
}

/// 1/scale, of such a scale.
__device__ __forceinline__ float split_unit(float scale) {
  return power_of_two(254 - static_cast<int>(__float_as_uint(scale) >> 23));
}

/// Of shared memory, as load_matrices takes it.
__device__ __forceinline__ unsigned address_of(const uint4* chunk) {
  return static_cast<unsigned>(__cvta_generic_to_shared(chunk));
}

}  // namespace attractor::cuda
