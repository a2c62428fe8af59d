/// cuBLAS, loaded by the first call of it: a process without a CUDA device, or whose memories need no products, does
/// without its 160 MB. These are the functions that this library calls, by their own names.

#include <cublas_v2.h>
#include <dlfcn.h>

#include <string>

#include <attractor/error.hpp>

namespace attractor::cuda {
namespace {

[[noreturn]] void fail() {
  throw DeviceError(std::string("cuBLAS can't be loaded: ") + dlerror(), CUBLAS_STATUS_NOT_INITIALIZED);
}

/// Of the version of the headers. It stays until the process ends: handles may be let go of late.
void* open_library() {
  const std::string name = "libcublas.so." + std::to_string(CUBLAS_VER_MAJOR);
  void* const library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) fail();
  return library;
}

template <class Function>
Function* find(const char* name) {
  static void* const library = open_library();
  void* const address = dlsym(library, name);
  if (address == nullptr) fail();
  return reinterpret_cast<Function*>(address);  // NOLINT(cppcoreguidelines-pro-type-reinterpret-cast): POSIX's way
}

}  // namespace
}  // namespace attractor::cuda

using attractor::cuda::find;

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  static auto* const function = find<decltype(cublasCreate_v2)>("cublasCreate_v2");
  return function(handle);
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  static auto* const function = find<decltype(cublasDestroy_v2)>("cublasDestroy_v2");
  return function(handle);
}

const char* cublasGetStatusName(cublasStatus_t status) {
  static auto* const function = find<decltype(cublasGetStatusName)>("cublasGetStatusName");
  return function(status);
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  static auto* const function = find<decltype(cublasSetMathMode)>("cublasSetMathMode");
  return function(handle, mode);
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  static auto* const function = find<decltype(cublasSetStream_v2)>("cublasSetStream_v2");
  return function(handle, stream);
}

// NOLINTNEXTLINE(readability-identifier-naming): names as cuBLAS has them
cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n,
                              int k, const float* alpha, const float* A, int lda, const float* B, int ldb,
                              const float* beta, float* C, int ldc) {
  static auto* const function = find<decltype(cublasSgemm_v2)>("cublasSgemm_v2");
  return function(handle, transa, transb, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc);
}
