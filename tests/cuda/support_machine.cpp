#include "tests/cuda/support_machine.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <mutex>

namespace attractor::test {
namespace {

/// One lock for all: calls come from several threads, and from within others.
struct Pretence {
  std::recursive_mutex mutex;
  Machine machine;
  std::size_t to_host = 0;
  std::size_t from_host = 0;
  std::map<void*, std::pair<int, std::size_t>> blocks;  ///< device and bytes of what was taken from a device's room
};

Pretence& pretence() {
  static Pretence current;
  return current;
}

/// The runtime's own.
template <class Function>
Function* runtime(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

int current_device() {
  int device = 0;
  static_cast<void>(cudaGetDevice(&device));
  return device;
}

template <class Map, class Key>
auto find(const Map& map, const Key& key) {
  const auto found = map.find(key);
  return found == map.end() ? std::optional<typename Map::mapped_type>() : found->second;
}

void note_copy(std::size_t bytes, cudaMemcpyKind kind) {
  const std::scoped_lock lock(pretence().mutex);
  if (kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDefault) pretence().to_host += bytes;
  if (kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDefault) pretence().from_host += bytes;
}

}  // namespace

MachineScope::MachineScope(const Machine& machine) {
  const std::scoped_lock lock(pretence().mutex);
  pretence().machine = machine;
}

MachineScope::~MachineScope() {
  const std::scoped_lock lock(pretence().mutex);
  pretence().machine = {};
  pretence().blocks.clear();
}

Traffic::Traffic() {
  const std::scoped_lock lock(pretence().mutex);
  pretence().to_host = pretence().from_host = 0;
}

std::size_t Traffic::to_host() const {  // NOLINT(readability-convert-member-functions-to-static): while it lives
  const std::scoped_lock lock(pretence().mutex);
  return pretence().to_host;
}

std::size_t Traffic::from_host() const {  // NOLINT(readability-convert-member-functions-to-static): the same
  const std::scoped_lock lock(pretence().mutex);
  return pretence().from_host;
}

}  // namespace attractor::test

using namespace attractor::test;  // NOLINT(google-build-using-namespace): what follows is outside for the linker's sake

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  const std::scoped_lock lock(pretence().mutex);
  if (const auto status = pretence().machine.device_count_status) return *status;
  return runtime<decltype(cudaGetDeviceCount)>("cudaGetDeviceCount")(count);
}

cudaError_t cudaDriverGetVersion(int* version) {
  const std::scoped_lock lock(pretence().mutex);
  const cudaError_t status = runtime<decltype(cudaDriverGetVersion)>("cudaDriverGetVersion")(version);
  *version = pretence().machine.driver_version.value_or(*version);
  return status;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  const std::scoped_lock lock(pretence().mutex);
  if (const auto status = find(pretence().machine.code_status, current_device())) return *status;
  return runtime<cudaError_t(cudaFuncAttributes*, const void*)>("cudaFuncGetAttributes")(attributes, function);
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  const std::scoped_lock lock(pretence().mutex);
  const cudaError_t status =
      runtime<decltype(cudaDeviceGetAttribute)>("cudaDeviceGetAttribute")(value, attribute, device);
  *value = find(pretence().machine.attributes, std::pair{device, attribute}).value_or(*value);
  return status;
}

cudaError_t cudaMemGetInfo(std::size_t* left, std::size_t* total) {
  const std::scoped_lock lock(pretence().mutex);
  const cudaError_t status = runtime<decltype(cudaMemGetInfo)>("cudaMemGetInfo")(left, total);
  if (const auto room = find(pretence().machine.room, current_device())) *left = std::min(*left, *room);
  return status;
}

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  const std::scoped_lock lock(pretence().mutex);
  const int device = current_device();
  const auto room = pretence().machine.room.find(device);
  const bool limited = room != pretence().machine.room.end();
  if (limited && bytes > room->second) return cudaErrorMemoryAllocation;
  const cudaError_t status = runtime<cudaError_t(void**, std::size_t)>("cudaMalloc")(data, bytes);
  if (!limited || status != cudaSuccess) return status;
  room->second -= bytes;
  pretence().blocks[*data] = {device, bytes};
  return status;
}

cudaError_t cudaFree(void* data) {
  const std::scoped_lock lock(pretence().mutex);
  const auto block = pretence().blocks.find(data);
  if (block != pretence().blocks.end()) {
    pretence().machine.room[block->second.first] += block->second.second;
    pretence().blocks.erase(block);
  }
  return runtime<decltype(cudaFree)>("cudaFree")(data);
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  note_copy(bytes, kind);
  return runtime<decltype(cudaMemcpy)>("cudaMemcpy")(to, from, bytes, kind);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  note_copy(bytes, kind);
  return runtime<decltype(cudaMemcpyAsync)>("cudaMemcpyAsync")(to, from, bytes, kind, stream);
}

cudaError_t cudaMemcpy2D(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t width,
                         std::size_t height, cudaMemcpyKind kind) {
  note_copy(width * height, kind);
  return runtime<decltype(cudaMemcpy2D)>("cudaMemcpy2D")(to, to_pitch, from, from_pitch, width, height, kind);
}

cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                              std::size_t width, std::size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  note_copy(width * height, kind);
  return runtime<decltype(cudaMemcpy2DAsync)>("cudaMemcpy2DAsync")(to, to_pitch, from, from_pitch, width, height, kind,
                                                                   stream);
}

}  // extern "C"
