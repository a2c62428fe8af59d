#pragma once

/// Products of row-major matrices by cuBLAS, which thinks in columns.

#include <cublas_v2.h>

#include <cstddef>
#include <string>

#include "kernels/cuda/device/error.hpp"

namespace attractor::cuda {

/// What cuBLAS asks for as scratch, by device.
inline std::size_t product_scratch_bytes() {
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  int major = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "cudaDeviceGetAttribute");
  return std::size_t{major >= 9 ? 32U : 4U} << 20U;
}

inline std::string product_name(int rows, int columns, int inner) {
  return "cublasSgemm of [" + std::to_string(rows) + " × " + std::to_string(inner) + "] with " +
         std::to_string(columns) + " columns";
}

/// result [rows × columns] = factor · a [rows × inner] · bᵀ, b [columns × inner].
inline void multiply_transposed(cublasHandle_t blas, int rows, int columns, int inner, float factor, const float* a,
                                int a_stride, const float* b, int b_stride, float* result, int result_stride) {
  constexpr float zero = 0.0F;
  check(cublasSgemm(blas, CUBLAS_OP_T, CUBLAS_OP_N, columns, rows, inner, &factor, b, b_stride, a, a_stride, &zero,
                    result, result_stride),
        product_name(rows, columns, inner));
}

/// result [rows × columns] = a [rows × inner] · b [inner × columns] + keep · result.
inline void multiply(cublasHandle_t blas, int rows, int columns, int inner, const float* a, int a_stride,
                     const float* b, int b_stride, float keep, float* result, int result_stride) {
  constexpr float one = 1.0F;
  check(cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, columns, rows, inner, &one, b, b_stride, a, a_stride, &keep, result,
                    result_stride),
        product_name(rows, columns, inner));
}

}  // namespace attractor::cuda
