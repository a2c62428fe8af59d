#pragma once

/// Products by cuBLAS, the yardstick of the library's own.

#include <cublas_v2.h>

#include <memory>
#include <string>

#include <attractor/error.hpp>

namespace attractor::bench {

inline void check(cublasStatus_t status, const std::string& what) {
  if (status != CUBLAS_STATUS_SUCCESS) throw DeviceError(what + ": " + cublasGetStatusName(status), status);
}

struct DestroyBlas {
  void operator()(cublasHandle_t handle) const { cublasDestroy(handle); }
};
using Blas = std::unique_ptr<cublasContext, DestroyBlas>;

inline Blas make_blas(cudaStream_t stream) {
  cublasHandle_t handle = nullptr;
  check(cublasCreate(&handle), "cublasCreate");
  Blas blas(handle);
  check(cublasSetStream(handle, stream), "cublasSetStream");
  return blas;
}

/// result [rows × columns] = a [rows × inner] · b [inner × columns]; cuBLAS thinks in columns.
inline void multiply(cublasHandle_t blas, int rows, int columns, int inner, const float* a, const float* b,
                     float* result) {
  constexpr float one = 1.0F;
  constexpr float zero = 0.0F;
  check(cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, columns, rows, inner, &one, b, columns, a, inner, &zero, result,
                    columns),
        "cublasSgemm");
}

}  // namespace attractor::bench
