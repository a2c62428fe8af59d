#pragma once

/// Rows of the caller's arrays on their way to a device and back, one chunk at a time.
///
/// An array that the device can use itself is used where it is. Page-locked ones are copied at once; pageable ones go
/// through a page-locked buffer, since a copy from pageable memory would hold up the host and the other stream.

#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>

#include "kernels/cuda/device/pointer.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/device/workspace.hpp"

#include <attractor/matrix_view.hpp>

namespace attractor::cuda {

/// A matrix of the caller's, and where it is. Without data: none.
template <class T>
struct Placed {
  MatrixView<T> matrix;
  std::string name;  ///< for messages: "the queries"
  Location location = Location::device;

  Placed() = default;
  Placed(MatrixView<T> whole, int device, std::string its_name)
      : matrix(whole),
        name(std::move(its_name)),
        location(whole.data == nullptr ? Location::device : locate(whole.data, device, name)) {}
};

/// What the chunks of one lane are staged in: nothing while it is measured.
struct StagingSpace {
  Workspace device;
  Workspace pinned;
};

/// The part of a matrix that one lane works on. A row stride of 0 means one row for all.
template <class T>
class StagedRows {
 public:
  using Element = std::remove_const_t<T>;

  /// @param name for messages: "states"
  StagedRows(const Placed<T>& placed, Index rows, StagingSpace& space, std::string name)
      : placed_(placed), name_(std::move(name)) {
    if (placed.location == Location::device) return;
    const std::size_t count = elements(is_shared() ? 1 : rows, placed.matrix.columns);
    device_ = space.device.take<Element>(count);
    if (placed.location == Location::pageable) pinned_ = space.pinned.take<Element>(count);
  }

  /// Rows [first, first + count) on the device. Inputs need `upload` to be there, outputs `download` to be the
  /// caller's.
  [[nodiscard]] MatrixView<T> on_device(Index first, Index count) const {
    if (placed_.matrix.data == nullptr) return {};
    if (placed_.location == Location::device) return placed_.matrix.slice(first, count);
    return {device_, count, placed_.matrix.columns, is_shared() ? 0 : placed_.matrix.columns};
  }

  void upload(Index first, Index count, cudaStream_t stream) const {
    if (placed_.location == Location::device) return;
    const Index rows = is_shared() ? 1 : count;
    const MatrixView<T> from(placed_.matrix.row(first), rows, placed_.matrix.columns, stride());
    if (placed_.location == Location::pageable)
      for (Index i = 0; i < rows; ++i) std::copy_n(from.row(i), from.columns, pinned_ + i * from.columns);
    copy_rows(staged(device_, rows), placed_.location == Location::pinned ? from : staged(pinned_, rows),
              cudaMemcpyHostToDevice, stream, name_);
  }

  void download(Index first, Index count, cudaStream_t stream) const {
    if (placed_.location == Location::device) return;
    copy_rows(placed_.location == Location::pinned ? placed_.matrix.slice(first, count) : staged(pinned_, count),
              staged(device_, count), cudaMemcpyDeviceToHost, stream, name_);
  }

  /// After the stream has been waited for: hands a downloaded chunk to the caller.
  void deliver(Index first, Index count) const {
    if (placed_.location != Location::pageable) return;
    const MatrixView<T> to = placed_.matrix.slice(first, count);
    for (Index i = 0; i < count; ++i) std::copy_n(pinned_ + i * to.columns, to.columns, to.row(i));
  }

 private:
  /// All rows of the matrix are one.
  [[nodiscard]] bool is_shared() const { return placed_.matrix.row_stride == 0; }
  [[nodiscard]] Index stride() const { return is_shared() ? placed_.matrix.columns : placed_.matrix.row_stride; }

  [[nodiscard]] MatrixView<Element> staged(Element* data, Index count) const {
    return {data, count, placed_.matrix.columns};
  }

  Placed<T> placed_;
  std::string name_;
  Element* device_ = nullptr;
  Element* pinned_ = nullptr;
};

}  // namespace attractor::cuda
