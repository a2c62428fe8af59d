#pragma once

/// Owners of CUDA resources. None of their destructors fails or throws; each belongs to the device that was current
/// when it was made.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <attractor/matrix_view.hpp>

#include "kernels/cuda/device/error.hpp"

namespace attractor::cuda {

/// Of a matrix, or an array.
constexpr std::size_t elements(Index rows, Index columns = 1) {
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
}

/// What so many elements take.
template <class T = float>
constexpr std::size_t bytes_of(Index elements) {
  return static_cast<std::size_t>(elements) * sizeof(T);
}

/// While another thread captures a graph, CUDA forbids all threads what might wait for the captured stream:
/// allocations, releases, queries of events. To try it spoils that capture. Nothing here waits for streams that others
/// capture, so this thread exempts itself for a scope.
class CaptureExemption {
 public:
  CaptureExemption() { exchange(); }
  CaptureExemption(const CaptureExemption&) = delete;
  CaptureExemption& operator=(const CaptureExemption&) = delete;
  ~CaptureExemption() { exchange(); }

 private:
  void exchange() { discard(cudaThreadExchangeStreamCaptureMode(&mode_)); }

  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

/// Makes a device current for a scope, exempt from the captures of others.
class DeviceScope {
 public:
  explicit DeviceScope(int device) : device_(device) {
    check(cudaGetDevice(&before_), "cudaGetDevice");
    if (device_ != before_) check(cudaSetDevice(device_), "cudaSetDevice(" + std::to_string(device_) + ")");
  }
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;
  ~DeviceScope() {
    if (device_ != before_) discard(cudaSetDevice(before_));
  }

 private:
  CaptureExemption exemption_;
  int device_;
  int before_ = 0;
};

/// How a handle is given back.
template <class Handle, auto release>
class Owner {
 public:
  Owner() = default;
  explicit Owner(Handle handle) : handle_(handle) {}
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;
  Owner(Owner&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Owner& operator=(Owner&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Owner() {
    if (handle_ == nullptr) return;
    const CaptureExemption exemption;
    discard(release(handle_));
  }
  [[nodiscard]] Handle get() const { return handle_; }

 private:
  Handle handle_ = nullptr;
};

using Stream = Owner<cudaStream_t, cudaStreamDestroy>;
using Event = Owner<cudaEvent_t, cudaEventDestroy>;

/// A stream that doesn't wait for the default stream.
inline Stream make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  return Stream(stream);
}

/// An event for ordering, not for timing.
inline Event make_event() {
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  return Event(event);
}

/// Device memory, uninitialised. `purpose` is for the message of a failure: "states".
template <class T>
class DeviceArray {
 public:
  DeviceArray() = default;
  DeviceArray(std::size_t count, const std::string& purpose) : count_(count) {
    if (count == 0) return;
    void* data = nullptr;
    check(cudaMalloc(&data, bytes()), "cudaMalloc of " + std::to_string(bytes()) + " bytes for " + purpose);
    data_ = Owner<void*, cudaFree>(data);
  }

  [[nodiscard]] T* data() const { return static_cast<T*>(data_.get()); }
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] std::size_t bytes() const { return count_ * sizeof(T); }

 private:
  std::size_t count_ = 0;
  Owner<void*, cudaFree> data_;
};

/// Page-locked host memory, which copies to and from without a stop.
template <class T>
class PinnedArray {
 public:
  PinnedArray() = default;
  PinnedArray(std::size_t count, const std::string& purpose) : count_(count) {
    if (count == 0) return;
    void* data = nullptr;
    check(cudaMallocHost(&data, bytes()), "cudaMallocHost of " + std::to_string(bytes()) + " bytes for " + purpose);
    data_ = Owner<void*, cudaFreeHost>(data);
  }

  [[nodiscard]] T* data() const { return static_cast<T*>(data_.get()); }
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] std::size_t bytes() const { return count_ * sizeof(T); }

 private:
  std::size_t count_ = 0;
  Owner<void*, cudaFreeHost> data_;
};

/// Device memory from the pool of a stream's device, from the stream's present on until it gets to where this ends.
class PooledScratch {
 public:
  PooledScratch(std::size_t bytes, cudaStream_t stream) : stream_(stream) {
    if (bytes > 0)
      check(cudaMallocAsync(&data_, bytes, stream),
            "cudaMallocAsync of " + std::to_string(bytes) + " bytes of scratch");
  }
  PooledScratch(const PooledScratch&) = delete;
  PooledScratch& operator=(const PooledScratch&) = delete;
  ~PooledScratch() {
    if (data_ != nullptr) discard(cudaFreeAsync(data_, stream_));
  }
  [[nodiscard]] void* data() const { return data_; }

 private:
  cudaStream_t stream_;
  void* data_ = nullptr;
};

/// Copies rows; flat where they lie without gaps, since the device copies rows of a few bytes each a hundred times
/// slower. `what` is for the message of a failure: "states".
template <class T>
void copy_rows(MatrixView<T> to, std::type_identity_t<MatrixView<const T>> from, cudaMemcpyKind kind,
               cudaStream_t stream, const std::string& what) {
  const std::string sizes = " of " + std::to_string(from.rows) + " × " + std::to_string(from.columns) + " " + what;
  if (from.row_stride == from.columns && to.row_stride == to.columns)
    check(cudaMemcpyAsync(to.data, from.data, bytes_of<T>(from.rows * from.columns), kind, stream),
          "cudaMemcpyAsync" + sizes);
  else
    check(cudaMemcpy2DAsync(to.data, bytes_of<T>(to.row_stride), from.data, bytes_of<T>(from.row_stride),
                            bytes_of<T>(from.columns), elements(from.rows), kind, stream),
          "cudaMemcpy2DAsync" + sizes);
}

/// Device memory with these values in it. Returns when they are there.
template <class T>
DeviceArray<T> upload(std::span<const T> values, const std::string& purpose) {
  DeviceArray<T> array(values.size(), purpose);
  if (values.empty()) return array;
  // The default stream can't be used while one that waits for it is being captured.
  const Stream stream = make_stream();
  check(cudaMemcpyAsync(array.data(), values.data(), array.bytes(), cudaMemcpyHostToDevice, stream.get()),
        "cudaMemcpyAsync of " + std::to_string(array.bytes()) + " bytes of " + purpose);
  check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize after the copy of " + purpose);
  return array;
}

/// What is in device memory once the stream's work until now is done.
template <class T>
std::vector<T> download(const DeviceArray<T>& array, cudaStream_t stream, const std::string& purpose) {
  std::vector<T> values(array.size());
  check(cudaMemcpyAsync(values.data(), array.data(), array.bytes(), cudaMemcpyDeviceToHost, stream),
        "cudaMemcpyAsync of " + std::to_string(array.bytes()) + " bytes of " + purpose);
  check(cudaStreamSynchronize(stream), "cudaStreamSynchronize after the copy of " + purpose);
  return values;
}

}  // namespace attractor::cuda
