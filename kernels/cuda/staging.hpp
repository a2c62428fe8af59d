#pragma once

/// Rows of the caller's arrays on their way to a device and back, one chunk at a time.
///
/// An array that the device can use itself is used where it is. Page-locked ones are copied at once; pageable ones go
/// through a page-locked buffer, since a copy from pageable memory would hold up the host and the other stream.

#include <algorithm>
#include <string>
#include <type_traits>

#include "kernels/cuda/pointer.hpp"
#include "kernels/cuda/resources.hpp"

#include <attractor/matrix.hpp>

namespace attractor::cuda {

/// A matrix of the caller's, and where it is. Without data: none.
template <class T>
struct Placed {
  MatrixView<T> matrix;
  Location location = Location::device;

  Placed() = default;
  Placed(MatrixView<T> whole, int device, const std::string& name)
      : matrix(whole), location(whole.data == nullptr ? Location::device : locate(whole.data, device, name)) {}
};

/// The part of a matrix that one lane works on.
template <class T>
class StagedRows {
 public:
  using Element = std::remove_const_t<T>;

  StagedRows(const Placed<T>& placed, Index rows, const std::string& name) : placed_(placed) {
    if (placed.location == Location::device) return;
    const auto count = static_cast<std::size_t>(rows * placed.matrix.columns);
    device_ = DeviceArray<Element>(count, name);
    if (placed.location == Location::pageable) pinned_ = PinnedArray<Element>(count, name);
  }

  /// Rows [first, first + count) on the device. Inputs need `upload` to be there, outputs `download` to be the
  /// caller's.
  [[nodiscard]] MatrixView<T> on_device(Index first, Index count) const {
    if (placed_.matrix.data == nullptr) return {};
    if (placed_.location == Location::device) return placed_.matrix.slice(first, count);
    return {device_.data(), count, placed_.matrix.columns};
  }

  void upload(Index first, Index count, cudaStream_t stream) const {
    if (placed_.location == Location::device) return;
    const MatrixView<T> from = placed_.matrix.slice(first, count);
    if (placed_.location == Location::pinned) return copy(from, cudaMemcpyHostToDevice, stream);
    for (Index i = 0; i < count; ++i) std::copy_n(from.row(i), from.columns, pinned_.data() + i * from.columns);
    copy(MatrixView<const Element>(pinned_.data(), count, from.columns), cudaMemcpyHostToDevice, stream);
  }

  void download(Index first, Index count, cudaStream_t stream) const {
    if (placed_.location == Location::device) return;
    const Index columns = placed_.matrix.columns;
    copy(placed_.location == Location::pinned ? placed_.matrix.slice(first, count)
                                              : MatrixView<T>(pinned_.data(), count, columns),
         cudaMemcpyDeviceToHost, stream);
  }

  /// After the stream has been waited for: hands a downloaded chunk to the caller.
  void deliver(Index first, Index count) const {
    if (placed_.location != Location::pageable) return;
    const MatrixView<T> to = placed_.matrix.slice(first, count);
    for (Index i = 0; i < count; ++i) std::copy_n(pinned_.data() + i * to.columns, to.columns, to.row(i));
  }

 private:
  /// Copies between `host` and the rows on the device.
  template <class U>
  void copy(MatrixView<U> host, cudaMemcpyKind kind, cudaStream_t stream) const {
    const auto height = static_cast<std::size_t>(host.rows);
    const std::string call =
        "cudaMemcpy2DAsync of " + std::to_string(host.rows) + " × " + std::to_string(host.columns) + " elements";
    if constexpr (std::is_const_v<U>)
      check(cudaMemcpy2DAsync(device_.data(), bytes_of<T>(host.columns), host.data, bytes_of<T>(host.row_stride),
                              bytes_of<T>(host.columns), height, kind, stream),
            call);
    else
      check(cudaMemcpy2DAsync(host.data, bytes_of<T>(host.row_stride), device_.data(), bytes_of<T>(host.columns),
                              bytes_of<T>(host.columns), height, kind, stream),
            call);
  }

  Placed<T> placed_;
  DeviceArray<Element> device_;
  PinnedArray<Element> pinned_;
};

}  // namespace attractor::cuda
