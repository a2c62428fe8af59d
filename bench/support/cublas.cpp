/// cuBLAS, loaded by the first call of it: a program without a CUDA device does without its 160 MB. These are the
/// functions that benchmarks call, by their own names.

#include <cublas_v2.h>
#include <dlfcn.h>

#include <string>

#include <attractor/error.hpp>

namespace attractor::bench {
namespace {

[[noreturn]] void fail() {
  throw DeviceError(std::string("cuBLAS can't be loaded: ") + dlerror(), CUBLAS_STATUS_NOT_INITIALIZED);
}

/// Of the version of the headers. It stays until the process ends: handles may be let go of late.
class Library {
 public:
  Library() : library_(dlopen(("libcublas.so." + std::to_string(CUBLAS_VER_MAJOR)).c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (library_ == nullptr) fail();
  }
  [[nodiscard]] void* find(const char* name) const {
    void* const address = dlsym(library_, name);
    if (address == nullptr) fail();
    return address;
  }

 private:
  void* library_;
};

template <class Function>
class Loaded {
 public:
  explicit Loaded(const char* name) {
    static const Library library;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): POSIX's way
    function_ = reinterpret_cast<Function*>(library.find(name));
  }
  template <class... Arguments>
  auto operator()(Arguments... arguments) const {
    return function_(arguments...);
  }

 private:
  Function* function_;
};

}  // namespace
}  // namespace attractor::bench

using attractor::bench::Loaded;

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  static const Loaded<decltype(cublasCreate_v2)> function("cublasCreate_v2");
  return function(handle);
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  static const Loaded<decltype(cublasDestroy_v2)> function("cublasDestroy_v2");
  return function(handle);
}

const char* cublasGetStatusName(cublasStatus_t status) {
  static const Loaded<decltype(cublasGetStatusName)> function("cublasGetStatusName");
  return function(status);
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  static const Loaded<decltype(cublasSetStream_v2)> function("cublasSetStream_v2");
  return function(handle, stream);
}

// NOLINTNEXTLINE(readability-identifier-naming): names as cuBLAS has them
cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n,
                              int k, const float* alpha, const float* A, int lda, const float* B, int ldb,
                              const float* beta, float* C, int ldc) {
  static const Loaded<decltype(cublasSgemm_v2)> function("cublasSgemm_v2");
  return function(handle, transa, transb, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc);
}
