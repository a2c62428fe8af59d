#pragma once

/// Views of states of ±1 as packed bits, for arguments. One query per row.

#include <cstdint>
#include <type_traits>

#include <attractor/matrix_view.hpp>

namespace attractor {

/// Bytes that so many bits take.
constexpr Index bytes_of_bits(Index bits) { return bits / 8 + (bits % 8 > 0 ? 1 : 0); }

/// A non-owning view of rows of bits, 1 for +1 and 0 for −1, as numpy.packbits packs them: entry j is the bit of value
/// 128 >> (j mod 8) of byte j / 8. Bits past the last entry are ignored where they are read and 0 where they are
/// written. `Byte` is std::uint8_t or const std::uint8_t. Checks nothing, as MatrixView.
template <class Byte>
struct BitView {
  Byte* data = nullptr;
  Index rows = 0;
  Index columns = 0;     ///< bits of a row: neurons
  Index row_stride = 0;  ///< bytes from one row to the next, at least those of `columns`

  constexpr BitView() = default;

  /// Views `row_count` rows without bytes between them.
  constexpr BitView(Byte* first, Index row_count, Index column_count)
      : BitView(first, row_count, column_count, bytes_of_bits(column_count)) {}

  /// Views rows that lie `stride` bytes apart.
  constexpr BitView(Byte* first, Index row_count, Index column_count, Index stride)
      : data(first), rows(row_count), columns(column_count), row_stride(stride) {}

  /// A view of mutable bits is also a view of const ones.
  template <class Other>
  // NOLINTNEXTLINE(google-explicit-constructor): a widening
  requires(std::is_same_v<const Other, Byte>) constexpr BitView(const BitView<Other>& other)
      : BitView(other.data, other.rows, other.columns, other.row_stride) {}

  [[nodiscard]] constexpr Byte* row(Index i) const { return data + i * row_stride; }
  [[nodiscard]] constexpr bool empty() const { return rows == 0 || columns == 0; }

  /// Whether entry (i, j) is +1.
  [[nodiscard]] constexpr bool operator()(Index i, Index j) const { return (row(i)[j / 8] << (j % 8) & 0x80) != 0; }

  /// Rows [first, first + count) of this view.
  [[nodiscard]] constexpr BitView slice(Index first, Index count) const {
    return {row(first), count, columns, row_stride};
  }
};

}  // namespace attractor
