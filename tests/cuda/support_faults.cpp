#include "tests/cuda/support_faults.hpp"

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <utility>

namespace attractor::test {
namespace {

struct Books {
  std::mutex mutex;
  std::string call;  ///< that is to fail
  int left = 0;      ///< calls of it until then; 0: none is to fail
  bool struck = false;
  std::set<std::string> made;
  std::set<const void*> live;
};

Books& books() {
  static Books all;
  return all;
}

std::set<std::string>& registered_calls() {
  static std::set<std::string> calls;
  return calls;
}

/// What cudaGetLastError has to say of injected failures: a thread's own, like the runtime's.
thread_local cudaError_t pending_error = cudaSuccess;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

bool must_fail(const char* call) {
  Books& all = books();
  const std::scoped_lock lock(all.mutex);
  all.made.insert(call);
  if (all.left == 0 || all.call != call || --all.left > 0) return false;
  all.struck = true;
  return true;
}

cudaError_t fail(cudaError_t status) { return pending_error = status; }
cublasStatus_t fail(cublasStatus_t status) { return status; }

bool succeeded(cudaError_t status) { return status == cudaSuccess; }
bool succeeded(cublasStatus_t status) { return status == CUBLAS_STATUS_SUCCESS; }

void note_made(const void* resource) {
  const std::scoped_lock lock(books().mutex);
  books().live.insert(resource);
}

void note_given_back(const char* call, const void* resource) {
  const std::scoped_lock lock(books().mutex);
  if (books().live.erase(resource) > 0) return;
  std::fprintf(stderr, "%s of what was given back before or never made\n", call);
  std::abort();
}

}  // namespace

const std::set<std::string>& faulty_calls() { return registered_calls(); }

std::set<std::string> calls_made() {
  const std::scoped_lock lock(books().mutex);
  return books().made;
}

Fault::Fault(const std::string& call, int nth) {
  const std::scoped_lock lock(books().mutex);
  books().call = call;
  books().left = nth;
  books().struck = false;
}

Fault::~Fault() {
  const std::scoped_lock lock(books().mutex);
  books().left = 0;
}

bool Fault::has_struck() const {
  const std::scoped_lock lock(books().mutex);
  return books().struck;
}

std::size_t live_resources() {
  const std::scoped_lock lock(books().mutex);
  return books().live.size();
}

}  // namespace attractor::test

using namespace attractor::test;  // NOLINT(google-build-using-namespace): what follows is outside for the linker's sake

// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the linker's names

/// `call` or its failure.
#define ATTRACTOR_FAULTY(call, failure, parameters, arguments)                   \
  static const bool registered_##call = registered_calls().insert(#call).second; \
  extern "C" decltype(failure) __real_##call parameters;                         \
  extern "C" decltype(failure) __wrap_##call parameters {                        \
    if (must_fail(#call)) return fail(failure);                                  \
    return __real_##call arguments;                                              \
  }

/// The same for one that makes `*resource`.
#define ATTRACTOR_FAULTY_MAKER(call, failure, parameters, arguments)             \
  static const bool registered_##call = registered_calls().insert(#call).second; \
  extern "C" decltype(failure) __real_##call parameters;                         \
  extern "C" decltype(failure) __wrap_##call parameters {                        \
    if (must_fail(#call)) return fail(failure);                                  \
    const auto status = __real_##call arguments;                                 \
    if (succeeded(status)) note_made(*resource);                                 \
    return status;                                                               \
  }

/// One that gives `resource` back and never fails.
#define ATTRACTOR_RELEASE(call, success, parameters, arguments) \
  extern "C" decltype(success) __real_##call parameters;        \
  extern "C" decltype(success) __wrap_##call parameters {       \
    note_given_back(#call, resource);                           \
    return __real_##call arguments;                             \
  }

ATTRACTOR_FAULTY_MAKER(cudaMalloc, cudaErrorMemoryAllocation, (void** resource, std::size_t bytes), (resource, bytes))
ATTRACTOR_FAULTY_MAKER(cudaMallocHost, cudaErrorMemoryAllocation, (void** resource, std::size_t bytes),
                       (resource, bytes))
ATTRACTOR_FAULTY_MAKER(cudaMallocAsync, cudaErrorMemoryAllocation,
                       (void** resource, std::size_t bytes, cudaStream_t stream), (resource, bytes, stream))
ATTRACTOR_FAULTY_MAKER(cudaStreamCreateWithFlags, cudaErrorUnknown, (cudaStream_t * resource, unsigned flags),
                       (resource, flags))
ATTRACTOR_FAULTY_MAKER(cudaEventCreateWithFlags, cudaErrorUnknown, (cudaEvent_t * resource, unsigned flags),
                       (resource, flags))
ATTRACTOR_FAULTY_MAKER(cublasCreate_v2, CUBLAS_STATUS_ALLOC_FAILED, (cublasHandle_t * resource), (resource))

ATTRACTOR_RELEASE(cudaFree, cudaSuccess, (void* resource), (resource))
ATTRACTOR_RELEASE(cudaFreeHost, cudaSuccess, (void* resource), (resource))
ATTRACTOR_RELEASE(cudaFreeAsync, cudaSuccess, (void* resource, cudaStream_t stream), (resource, stream))
ATTRACTOR_RELEASE(cudaStreamDestroy, cudaSuccess, (cudaStream_t resource), (resource))
ATTRACTOR_RELEASE(cudaEventDestroy, cudaSuccess, (cudaEvent_t resource), (resource))
ATTRACTOR_RELEASE(cublasDestroy_v2, CUBLAS_STATUS_SUCCESS, (cublasHandle_t resource), (resource))

ATTRACTOR_FAULTY(cudaGetDevice, cudaErrorUnknown, (int* device), (device))
ATTRACTOR_FAULTY(cudaSetDevice, cudaErrorUnknown, (int device), (device))
ATTRACTOR_FAULTY(cudaDeviceGetAttribute, cudaErrorUnknown, (int* value, cudaDeviceAttr attribute, int device),
                 (value, attribute, device))
ATTRACTOR_FAULTY(cudaMemGetInfo, cudaErrorUnknown, (std::size_t * left, std::size_t* total), (left, total))
ATTRACTOR_FAULTY(cudaPointerGetAttributes, cudaErrorUnknown, (cudaPointerAttributes * attributes, const void* data),
                 (attributes, data))
ATTRACTOR_FAULTY(cudaFuncSetAttribute, cudaErrorUnknown, (const void* function, cudaFuncAttribute attribute, int value),
                 (function, attribute, value))
ATTRACTOR_FAULTY(cudaFuncGetAttributes, cudaErrorUnknown, (cudaFuncAttributes * attributes, const void* function),
                 (attributes, function))
ATTRACTOR_FAULTY(cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags, cudaErrorUnknown,
                 (int* blocks, const void* function, int threads, std::size_t shared_bytes, unsigned flags),
                 (blocks, function, threads, shared_bytes, flags))
ATTRACTOR_FAULTY(cudaMemcpy, cudaErrorUnknown, (void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind),
                 (to, from, bytes, kind))
ATTRACTOR_FAULTY(cudaMemcpyAsync, cudaErrorUnknown,
                 (void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream),
                 (to, from, bytes, kind, stream))
ATTRACTOR_FAULTY(cudaMemcpy2DAsync, cudaErrorUnknown,
                 (void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t width,
                  std::size_t height, cudaMemcpyKind kind, cudaStream_t stream),
                 (to, to_pitch, from, from_pitch, width, height, kind, stream))
ATTRACTOR_FAULTY(cudaMemsetAsync, cudaErrorUnknown, (void* to, int value, std::size_t bytes, cudaStream_t stream),
                 (to, value, bytes, stream))
ATTRACTOR_FAULTY(cudaStreamSynchronize, cudaErrorUnknown, (cudaStream_t stream), (stream))
ATTRACTOR_FAULTY(cudaStreamIsCapturing, cudaErrorUnknown, (cudaStream_t stream, cudaStreamCaptureStatus* status),
                 (stream, status))
ATTRACTOR_FAULTY(cudaEventRecord, cudaErrorUnknown, (cudaEvent_t event, cudaStream_t stream), (event, stream))
ATTRACTOR_FAULTY(cudaEventQuery, cudaErrorUnknown, (cudaEvent_t event), (event))
#if CUDART_VERSION >= 13000
ATTRACTOR_FAULTY(__cudaLaunchKernel, cudaErrorLaunchOutOfResources,
                 (cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, std::size_t shared_bytes,
                  cudaStream_t stream),
                 (kernel, grid, block, arguments, shared_bytes, stream))
#else
ATTRACTOR_FAULTY(cudaLaunchKernel, cudaErrorLaunchOutOfResources,
                 (const void* kernel, dim3 grid, dim3 block, void** arguments, std::size_t shared_bytes,
                  cudaStream_t stream),
                 (kernel, grid, block, arguments, shared_bytes, stream))
#endif
ATTRACTOR_FAULTY(cublasSetStream_v2, CUBLAS_STATUS_NOT_INITIALIZED, (cublasHandle_t blas, cudaStream_t stream),
                 (blas, stream))
ATTRACTOR_FAULTY(cublasSetMathMode, CUBLAS_STATUS_NOT_INITIALIZED, (cublasHandle_t blas, cublasMath_t mode),
                 (blas, mode))
ATTRACTOR_FAULTY(cublasSgemm_v2, CUBLAS_STATUS_EXECUTION_FAILED,
                 (cublasHandle_t blas, cublasOperation_t a_form, cublasOperation_t b_form, int m, int n, int k,
                  const float* alpha, const float* a, int a_stride, const float* b, int b_stride, const float* beta,
                  float* c, int c_stride),
                 (blas, a_form, b_form, m, n, k, alpha, a, a_stride, b, b_stride, beta, c, c_stride))

extern "C" cudaError_t __real_cudaGetLastError();
extern "C" cudaError_t __wrap_cudaGetLastError() {
  const cudaError_t real = __real_cudaGetLastError();
  const cudaError_t injected = std::exchange(pending_error, cudaSuccess);
  return injected != cudaSuccess ? injected : real;
}

extern "C" cudaError_t __real_cudaPeekAtLastError();
extern "C" cudaError_t __wrap_cudaPeekAtLastError() {
  return pending_error != cudaSuccess ? pending_error : __real_cudaPeekAtLastError();
}

// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
