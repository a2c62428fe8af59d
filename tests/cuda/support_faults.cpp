#include "tests/cuda/support_faults.hpp"

#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstdlib>
#include <map>
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

  std::map<std::string, int> counts;
  std::set<std::string> spoilers;

  int lateness = 0;                       ///< queries of an event until it seems finished
  std::map<const void*, int> unfinished;  ///< queries left, by event
  std::size_t bytes_left = 0;             ///< 0: as many as there are
  int driver_version = 0;                 ///< 0: what it is
  bool is_unloaded = false;
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

/// How this thread's calls bear on captures by others, as the runtime keeps it.
thread_local cudaStreamCaptureMode capture_mode =  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
    cudaStreamCaptureModeGlobal;

/// What CUDA calls potentially unsafe.
bool needs_exemption(const std::string& call) {
  static const std::set<std::string> calls = {"cudaMalloc",   "cudaMallocHost", "cudaFree",
                                              "cudaFreeHost", "cudaEventQuery", "cudaMemcpy"};
  return calls.contains(call);
}

void note_call(const char* call) {
  Books& all = books();
  const std::scoped_lock lock(all.mutex);
  ++all.counts[call];
  if (needs_exemption(call) && capture_mode != cudaStreamCaptureModeRelaxed) all.spoilers.insert(call);
  if (call == std::string("cudaMemcpy")) all.spoilers.insert("cudaMemcpy on the default stream");
}

void note_default_stream(const char* call, cudaStream_t stream) {
  if (stream != nullptr && stream != cudaStreamLegacy) return;
  const std::scoped_lock lock(books().mutex);
  books().spoilers.insert(std::string(call) + " on the default stream");
}

bool is_unloaded() {
  const std::scoped_lock lock(books().mutex);
  return books().is_unloaded;
}

cudaError_t unloaded(cudaError_t /*kind*/) { return cudaErrorCudartUnloading; }

bool must_fail(const char* call) {
  note_call(call);
  Books& all = books();
  const std::scoped_lock lock(all.mutex);
  all.made.insert(call);
  if (all.left == 0 || all.call != call) return false;
  --all.left;
  all.struck = all.left == 0;
  return all.struck;
}

cudaError_t fail(cudaError_t status) { return pending_error = status; }

bool succeeded(cudaError_t status) { return status == cudaSuccess; }

cudaError_t with_little_left(cudaError_t status, std::size_t* left) {
  const std::scoped_lock lock(books().mutex);
  if (books().bytes_left > 0) *left = books().bytes_left;
  return status;
}

cudaError_t with_old_driver(cudaError_t status, int* version) {
  const std::scoped_lock lock(books().mutex);
  if (books().driver_version > 0) *version = books().driver_version;
  return status;
}

void note_recorded(const void* event) {
  const std::scoped_lock lock(books().mutex);
  books().unfinished[event] = books().lateness;
}

bool seems_finished(const void* event) {
  const std::scoped_lock lock(books().mutex);
  int& left = books().unfinished[event];
  if (left == 0) return true;
  --left;
  return false;
}

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

CallRecord::CallRecord() {
  const std::scoped_lock lock(books().mutex);
  books().counts.clear();
  books().spoilers.clear();
}

std::map<std::string, int> CallRecord::counts() const {
  const std::scoped_lock lock(books().mutex);
  return books().counts;
}

std::set<std::string> CallRecord::spoilers() const {
  const std::scoped_lock lock(books().mutex);
  return books().spoilers;
}

LateEvents::LateEvents(int queries) {
  const std::scoped_lock lock(books().mutex);
  books().lateness = queries;
}

LateEvents::~LateEvents() {
  const std::scoped_lock lock(books().mutex);
  books().lateness = 0;
  books().unfinished.clear();
}

LittleLeft::LittleLeft(std::size_t bytes) {
  const std::scoped_lock lock(books().mutex);
  books().bytes_left = bytes;
}

LittleLeft::~LittleLeft() {
  const std::scoped_lock lock(books().mutex);
  books().bytes_left = 0;
}

OldDriver::OldDriver(int version) {
  const std::scoped_lock lock(books().mutex);
  books().driver_version = version;
}

OldDriver::~OldDriver() {
  const std::scoped_lock lock(books().mutex);
  books().driver_version = 0;
}

void unload_driver() {
  const std::scoped_lock lock(books().mutex);
  books().is_unloaded = true;
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
    if (is_unloaded()) return unloaded(failure);                                 \
    if (must_fail(#call)) return fail(failure);                                  \
    return __real_##call arguments;                                              \
  }

/// The same for one that works on `stream`.
#define ATTRACTOR_FAULTY_WORK(call, failure, parameters, arguments)              \
  static const bool registered_##call = registered_calls().insert(#call).second; \
  extern "C" decltype(failure) __real_##call parameters;                         \
  extern "C" decltype(failure) __wrap_##call parameters {                        \
    if (is_unloaded()) return unloaded(failure);                                 \
    note_default_stream(#call, stream);                                          \
    if (must_fail(#call)) return fail(failure);                                  \
    return __real_##call arguments;                                              \
  }

/// The same for one that makes `*resource`.
#define ATTRACTOR_FAULTY_MAKER(call, failure, parameters, arguments)             \
  static const bool registered_##call = registered_calls().insert(#call).second; \
  extern "C" decltype(failure) __real_##call parameters;                         \
  extern "C" decltype(failure) __wrap_##call parameters {                        \
    if (is_unloaded()) return unloaded(failure);                                 \
    if (must_fail(#call)) return fail(failure);                                  \
    const auto status = __real_##call arguments;                                 \
    if (succeeded(status)) note_made(*resource);                                 \
    return status;                                                               \
  }

/// The same for one of which `note(…)` takes down what it is asked for, and which `alter(status, …)` may answer.
#define ATTRACTOR_FAULTY_NOTED(call, failure, parameters, arguments, note, alter) \
  static const bool registered_##call = registered_calls().insert(#call).second;  \
  extern "C" decltype(failure) __real_##call parameters;                          \
  extern "C" decltype(failure) __wrap_##call parameters {                         \
    if (is_unloaded()) return unloaded(failure);                                  \
    if (must_fail(#call)) return fail(failure);                                   \
    note;                                                                         \
    const auto status = __real_##call arguments;                                  \
    return alter;                                                                 \
  }

/// One that gives `resource` back and never fails.
#define ATTRACTOR_RELEASE(call, success, parameters, arguments) \
  extern "C" decltype(success) __real_##call parameters;        \
  extern "C" decltype(success) __wrap_##call parameters {       \
    if (is_unloaded()) return unloaded(success);                \
    note_call(#call);                                           \
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
ATTRACTOR_FAULTY_MAKER(cudaGraphCreate, cudaErrorMemoryAllocation, (cudaGraph_t * resource, unsigned flags),
                       (resource, flags))
ATTRACTOR_FAULTY_MAKER(cudaGraphInstantiate, cudaErrorUnknown,
                       (cudaGraphExec_t * resource, cudaGraph_t graph, unsigned long long flags),
                       (resource, graph, flags))

ATTRACTOR_RELEASE(cudaFree, cudaSuccess, (void* resource), (resource))
ATTRACTOR_RELEASE(cudaFreeHost, cudaSuccess, (void* resource), (resource))
ATTRACTOR_RELEASE(cudaFreeAsync, cudaSuccess, (void* resource, cudaStream_t stream), (resource, stream))
ATTRACTOR_RELEASE(cudaStreamDestroy, cudaSuccess, (cudaStream_t resource), (resource))
ATTRACTOR_RELEASE(cudaEventDestroy, cudaSuccess, (cudaEvent_t resource), (resource))
ATTRACTOR_RELEASE(cudaGraphDestroy, cudaSuccess, (cudaGraph_t resource), (resource))
ATTRACTOR_RELEASE(cudaGraphExecDestroy, cudaSuccess, (cudaGraphExec_t resource), (resource))

ATTRACTOR_FAULTY(cudaGetDevice, cudaErrorUnknown, (int* device), (device))
ATTRACTOR_FAULTY(cudaSetDevice, cudaErrorUnknown, (int device), (device))
ATTRACTOR_FAULTY(cudaDeviceGetAttribute, cudaErrorUnknown, (int* value, cudaDeviceAttr attribute, int device),
                 (value, attribute, device))
ATTRACTOR_FAULTY(cudaPointerGetAttributes, cudaErrorUnknown, (cudaPointerAttributes * attributes, const void* data),
                 (attributes, data))
ATTRACTOR_FAULTY(cudaFuncSetAttribute, cudaErrorUnknown, (const void* function, cudaFuncAttribute attribute, int value),
                 (function, attribute, value))
ATTRACTOR_FAULTY(cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags, cudaErrorUnknown,
                 (int* blocks, const void* function, int threads, std::size_t shared_bytes, unsigned flags),
                 (blocks, function, threads, shared_bytes, flags))
ATTRACTOR_FAULTY(cudaMemcpy, cudaErrorUnknown, (void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind),
                 (to, from, bytes, kind))
ATTRACTOR_FAULTY_WORK(cudaMemcpyAsync, cudaErrorUnknown,
                      (void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream),
                      (to, from, bytes, kind, stream))
ATTRACTOR_FAULTY_WORK(cudaMemcpy2DAsync, cudaErrorUnknown,
                      (void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t width,
                       std::size_t height, cudaMemcpyKind kind, cudaStream_t stream),
                      (to, to_pitch, from, from_pitch, width, height, kind, stream))
ATTRACTOR_FAULTY_WORK(cudaMemsetAsync, cudaErrorUnknown, (void* to, int value, std::size_t bytes, cudaStream_t stream),
                      (to, value, bytes, stream))
ATTRACTOR_FAULTY_WORK(cudaStreamSynchronize, cudaErrorUnknown, (cudaStream_t stream), (stream))
ATTRACTOR_FAULTY(cudaStreamIsCapturing, cudaErrorUnknown, (cudaStream_t stream, cudaStreamCaptureStatus* status),
                 (stream, status))
ATTRACTOR_FAULTY(cudaStreamGetCaptureInfo, cudaErrorUnknown,
                 (cudaStream_t stream, cudaStreamCaptureStatus* status, unsigned long long* id, cudaGraph_t* graph,
                  const cudaGraphNode_t** nodes, const cudaGraphEdgeData** edges, std::size_t* count),
                 (stream, status, id, graph, nodes, edges, count))
ATTRACTOR_FAULTY(cudaStreamBeginCaptureToGraph, cudaErrorUnknown,
                 (cudaStream_t stream, cudaGraph_t graph, const cudaGraphNode_t* nodes, const cudaGraphEdgeData* edges,
                  std::size_t count, cudaStreamCaptureMode mode),
                 (stream, graph, nodes, edges, count, mode))
ATTRACTOR_FAULTY(cudaStreamUpdateCaptureDependencies, cudaErrorUnknown,
                 (cudaStream_t stream, cudaGraphNode_t* nodes, const cudaGraphEdgeData* edges, std::size_t count,
                  unsigned flags),
                 (stream, nodes, edges, count, flags))
ATTRACTOR_FAULTY(cudaStreamEndCapture, cudaErrorUnknown, (cudaStream_t stream, cudaGraph_t* graph), (stream, graph))
ATTRACTOR_FAULTY(cudaGraphConditionalHandleCreate, cudaErrorUnknown,
                 (cudaGraphConditionalHandle * handle, cudaGraph_t graph, unsigned value, unsigned flags),
                 (handle, graph, value, flags))
ATTRACTOR_FAULTY(cudaGraphAddNode, cudaErrorUnknown,
                 (cudaGraphNode_t * node, cudaGraph_t graph, const cudaGraphNode_t* nodes,
                  const cudaGraphEdgeData* edges, std::size_t count, cudaGraphNodeParams* parameters),
                 (node, graph, nodes, edges, count, parameters))
ATTRACTOR_FAULTY_WORK(cudaGraphLaunch, cudaErrorUnknown, (cudaGraphExec_t graph, cudaStream_t stream), (graph, stream))
ATTRACTOR_FAULTY_NOTED(cudaDriverGetVersion, cudaErrorUnknown, (int* version), (version), static_cast<void>(0),
                       with_old_driver(status, version))
ATTRACTOR_FAULTY_NOTED(cudaLaunchKernelExC, cudaErrorLaunchOutOfResources,
                       (const cudaLaunchConfig_t* config, const void* kernel, void** arguments),
                       (config, kernel, arguments), note_default_stream("cudaLaunchKernelExC", config->stream), status)
ATTRACTOR_FAULTY_NOTED(cudaMemGetInfo, cudaErrorUnknown, (std::size_t * left, std::size_t* total), (left, total),
                       static_cast<void>(0), with_little_left(status, left))
ATTRACTOR_FAULTY_NOTED(cudaEventRecord, cudaErrorUnknown, (cudaEvent_t event, cudaStream_t stream), (event, stream),
                       note_recorded(event), status)
ATTRACTOR_FAULTY_NOTED(cudaEventQuery, cudaErrorUnknown, (cudaEvent_t event), (event), static_cast<void>(0),
                       seems_finished(event) ? status : cudaErrorNotReady)

extern "C" cudaError_t __real_cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode);
extern "C" cudaError_t __wrap_cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  if (is_unloaded()) return cudaErrorCudartUnloading;
  const cudaStreamCaptureMode next = *mode;
  const cudaError_t status = __real_cudaThreadExchangeStreamCaptureMode(mode);
  if (status == cudaSuccess) capture_mode = next;
  return status;
}

extern "C" cudaError_t __real_cudaGetLastError();
extern "C" cudaError_t __wrap_cudaGetLastError() {
  const cudaError_t real = __real_cudaGetLastError();
  const cudaError_t injected = std::exchange(pending_error, cudaSuccess);
  return injected != cudaSuccess ? injected : real;
}

// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
