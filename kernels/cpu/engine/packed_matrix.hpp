#pragma once

/// The layout in which kernels read a memory.

#include <hwy/aligned_allocator.h>

#include <span>
#include <vector>

#include <attractor/matrix.hpp>

namespace attractor::cpu {

/// Rows per panel: one kernel call makes the products of one panel.
inline constexpr Index panel_rows = 8;

/// The smallest multiple of panel_rows that is at least `count`.
constexpr Index padded(Index count) { return (count + panel_rows - 1) / panel_rows * panel_rows; }

/// Of `count` rows `removed` go, which ascend, and later ones move up: calls move(from, to) for each of these, in
/// order.
template <class Move>
void for_moves(std::span<const Index> removed, Index count, const Move& move) {
  auto next = removed.begin();
  Index to = removed.empty() ? count : removed.front();
  for (Index from = to; from < count; ++from) {
    if (next != removed.end() && *next == from)
      ++next;
    else
      move(from, to++);
  }
}

/// Cache-line aligned floats, all zero at first.
class AlignedFloats {
 public:
  AlignedFloats() = default;
  /// @throws std::bad_alloc
  explicit AlignedFloats(Index count);
  /// These values, then zeros. @throws std::bad_alloc
  AlignedFloats(const std::vector<float>& values, Index count);
  /// @throws std::bad_alloc
  AlignedFloats(const AlignedFloats& other) { *this = other; }
  AlignedFloats(AlignedFloats&& other) noexcept = default;
  AlignedFloats& operator=(const AlignedFloats& other);
  AlignedFloats& operator=(AlignedFloats&& other) noexcept = default;
  ~AlignedFloats() = default;

  /// Makes room for `count` values, at least half as much again as there was. The first `used` stay, others are
  /// arbitrary. @throws std::bad_alloc, with nothing changed
  void reserve(Index count, Index used);

  [[nodiscard]] float* data() { return data_.get(); }
  [[nodiscard]] const float* data() const { return data_.get(); }
  float& operator[](Index i) { return data_[static_cast<std::size_t>(i)]; }
  float operator[](Index i) const { return data_[static_cast<std::size_t>(i)]; }

 private:
  Index room_ = 0;
  hwy::AlignedFreeUniquePtr<float[]> data_;
};

/// A matrix in panels of 8 rows, zero-padded to a multiple of 8 both ways: element (i, k) lies at
/// panel(i / 8)[8·k + i % 8].
///
/// Kernels broadcast elements, so one copy serves both products: Mx walks a panel straight through, and Mᵀp walks the
/// row of each weight, whose elements lie 8 apart.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  explicit PackedMatrix(MatrixView<const float> matrix);
  /// The transpose of a matrix.
  static PackedMatrix transposed(MatrixView<const float> matrix);

  /// Makes room for so many rows. @throws std::bad_alloc, with nothing changed
  void reserve(Index rows);

  /// Adds rows behind those there are, for which there is room.
  void append(MatrixView<const float> rows) noexcept;

  /// Takes rows out, which ascend; later ones move up. Complexity: O(columns) for each of these and of those removed.
  void remove(std::span<const Index> rows) noexcept;

  [[nodiscard]] Index rows() const { return rows_; }
  [[nodiscard]] Index columns() const { return columns_; }
  [[nodiscard]] Index padded_rows() const { return padded(rows_); }
  [[nodiscard]] Index padded_columns() const { return padded(columns_); }

  /// Writes the matrix by rows. `to` has its shape.
  void copy_to(MatrixView<float> to) const;

  [[nodiscard]] const float* data() const { return data_.data(); }
  [[nodiscard]] float at(Index i, Index k) const { return data_[row_offset(i) + panel_rows * k]; }

  [[nodiscard]] float& at(Index i, Index k) { return data_[row_offset(i) + panel_rows * k]; }

  /// The panel of rows 8·index … 8·index + 7.
  [[nodiscard]] const float* panel(Index index) const { return data() + index * panel_rows * padded_columns(); }
  [[nodiscard]] float* panel(Index index) { return data_.data() + index * panel_rows * padded_columns(); }

  /// Where row i starts: its element k lies 8·k further on.
  [[nodiscard]] Index row_offset(Index i) const {
    return i / panel_rows * panel_rows * padded_columns() + i % panel_rows;
  }

 private:
  PackedMatrix(Index rows, Index columns) : rows_(rows), columns_(columns), data_(padded(rows) * padded(columns)) {}

  Index rows_ = 0;
  Index columns_ = 0;
  AlignedFloats data_;
};

}  // namespace attractor::cpu
