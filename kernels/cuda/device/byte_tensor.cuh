#pragma once

/// Products of matrices of bytes on tensor cores, sums in 32-bit integers: mma.sync m16n8k32 (PTX ISA), from compute
/// capability 8.0 on. Of a warp's lanes, g = lane/4 and t = lane mod 4.

#include <cuda_runtime_api.h>

namespace attractor::cuda {

/// Whether a left operand's bytes have signs. Those of right ones do.
enum class Bytes : bool { with_signs, without_signs };

/// sums = a·b + before, of 16 × 8: rows g, g, g + 8, g + 8 at columns 2t, 2t + 1, 2t, 2t + 1. Of a: rows g, g + 8, g,
/// g + 8 at four columns from 4t, 4t, 4t + 16, 4t + 16 on; of b: column g at four rows from 4t and 4t + 16 on.
template <Bytes rows>
__device__ __forceinline__ void multiply_add(int (&sums)[4], const uint4& a, unsigned b0, unsigned b1,
                                             const int (&before)[4]) {
#if __CUDA_ARCH__ >= 800
  if constexpr (rows == Bytes::with_signs) {
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, "
        "%13};"
        : "=r"(sums[0]), "=r"(sums[1]), "=r"(sums[2]), "=r"(sums[3])
        : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1), "r"(before[0]), "r"(before[1]), "r"(before[2]),
          "r"(before[3]));
  } else {
    asm("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, "
        "%13};"
        : "=r"(sums[0]), "=r"(sums[1]), "=r"(sums[2]), "=r"(sums[3])
        : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1), "r"(before[0]), "r"(before[1]), "r"(before[2]),
          "r"(before[3]));
  }
#endif
}

}  // namespace attractor::cuda
