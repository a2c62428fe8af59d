#pragma once

/// Views of row-major matrices, for arguments. One pattern or query per row.

#include <cstdint>
#include <type_traits>

#include <attractor/host_device.hpp>

namespace attractor {

/// Counts and offsets. Signed, so that differences and checks for negative values are ordinary.
using Index = std::int64_t;

/// A non-owning view of a row-major matrix. Element (i, j) is `data[i * row_stride + j]`.
///
/// A view checks nothing; the functions that take one do, before they start to work. A function that takes data on the
/// host throws InvalidArgument where they are at an address that the host can't read, such as one of a CUDA device's
/// memory (on Linux: other systems don't tell).
template <class T>
struct MatrixView {
  T* data = nullptr;
  Index rows = 0;
  Index columns = 0;
  Index row_stride = 0;  ///< elements from one row to the next, at least `columns`

  constexpr MatrixView() = default;

  /// Views `rows` contiguous rows.
  constexpr MatrixView(T* first, Index row_count, Index column_count)
      : MatrixView(first, row_count, column_count, column_count) {}

  /// Views rows that lie `stride` elements apart.
  constexpr MatrixView(T* first, Index row_count, Index column_count, Index stride)
      : data(first), rows(row_count), columns(column_count), row_stride(stride) {}

  /// A view of mutable elements is also a view of const ones.
  template <class U>
  // NOLINTNEXTLINE(google-explicit-constructor): a widening
  requires(std::is_same_v<const U, T>) constexpr MatrixView(const MatrixView<U>& other)
      : MatrixView(other.data, other.rows, other.columns, other.row_stride) {}

  [[nodiscard]] ATTRACTOR_HOST_DEVICE constexpr T* row(Index i) const { return data + i * row_stride; }
  [[nodiscard]] ATTRACTOR_HOST_DEVICE constexpr T& operator()(Index i, Index j) const { return row(i)[j]; }
  [[nodiscard]] ATTRACTOR_HOST_DEVICE constexpr bool empty() const { return rows == 0 || columns == 0; }

  /// Rows [first, first + count) of this view.
  [[nodiscard]] constexpr MatrixView slice(Index first, Index count) const {
    return {row(first), count, columns, row_stride};
  }
};

}  // namespace attractor
