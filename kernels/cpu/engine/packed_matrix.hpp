#pragma once

/// The layout in which kernels read a memory.

#include <hwy/aligned_allocator.h>

#include <algorithm>
#include <cstdint>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include <attractor/matrix.hpp>
#include <attractor/pattern_storage.hpp>

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

/// Cache-line aligned values, all zero at first if nothing else is asked for.
template <class T>
class AlignedArray {
 public:
  AlignedArray() = default;
  /// @throws std::bad_alloc
  explicit AlignedArray(Index count) {
    reserve(count, 0);
    std::fill_n(data(), count, T{0});
  }
  /// Arbitrary values, for what is written before it is read. @throws std::bad_alloc
  static AlignedArray unset(Index count) {
    AlignedArray result;
    result.reserve(count, 0);
    return result;
  }
  /// These values, then zeros. @throws std::bad_alloc
  AlignedArray(const std::vector<T>& values, Index count) : AlignedArray(count) {
    std::copy(values.begin(), values.end(), data());
  }
  /// @throws std::bad_alloc
  AlignedArray(const AlignedArray& other) { *this = other; }
  AlignedArray(AlignedArray&& other) noexcept = default;
  AlignedArray& operator=(const AlignedArray& other) {
    if (this == &other) return *this;
    AlignedArray copied;
    copied.reserve(other.room_, 0);
    std::copy_n(other.data(), other.room_, copied.data());
    *this = std::move(copied);
    return *this;
  }
  AlignedArray& operator=(AlignedArray&& other) noexcept = default;
  ~AlignedArray() = default;

  /// Makes room for `count` values, at least half as much again as there was. The first `used` stay, others are
  /// arbitrary. @throws std::bad_alloc, with nothing changed
  void reserve(Index count, Index used) {
    if (count <= room_) return;
    const Index room = std::max(count, room_ + room_ / 2);
    auto moved = hwy::AllocateAligned<T>(static_cast<std::size_t>(room));
    if (!moved) throw std::bad_alloc();
    std::copy_n(data(), used, moved.get());
    data_ = std::move(moved);
    room_ = room;
  }

  [[nodiscard]] T* data() { return data_.get(); }
  [[nodiscard]] const T* data() const { return data_.get(); }
  T& operator[](Index i) { return data_[static_cast<std::size_t>(i)]; }
  T operator[](Index i) const { return data_[static_cast<std::size_t>(i)]; }

 private:
  Index room_ = 0;
  hwy::AlignedFreeUniquePtr<T[]> data_;
};

using AlignedFloats = AlignedArray<float>;

/// A matrix in panels of 8 rows, zero-padded to a multiple of 8 both ways: element (i, k) lies at
/// panel(i / 8)[8·k + i % 8].
///
/// Kernels broadcast elements, so one copy serves both products: Mx walks a panel straight through, and Mᵀp walks the
/// row of each weight, whose elements lie 8 apart.
///
/// Elements are floats, or of 16 bits. Kernels decode these, and take a centre off each column: floats are made without
/// it. Rows go in and come back with it.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  explicit PackedMatrix(MatrixView<const float> matrix, PatternStorage storage = PatternStorage::float32);
  /// Without rows. `centre` [columns], or empty: 0; nothing is done about it where elements are floats.
  PackedMatrix(Index columns, PatternStorage storage, const std::vector<float>& centre);
  /// The transpose of a matrix.
  static PackedMatrix transposed(MatrixView<const float> matrix);

  /// Makes room for so many rows. @throws std::bad_alloc, with nothing changed
  void reserve(Index rows);

  /// Adds rows behind those there are, for which there is room. They are rounded to what is stored.
  void append(MatrixView<const float> rows) noexcept;

  /// Takes rows out, which ascend; later ones move up. Complexity: O(columns) for each of these and of those removed.
  void remove(std::span<const Index> rows) noexcept;

  [[nodiscard]] PatternStorage storage() const { return storage_; }
  [[nodiscard]] bool has_floats() const { return storage_ == PatternStorage::float32; }
  [[nodiscard]] Index rows() const { return rows_; }
  [[nodiscard]] Index columns() const { return columns_; }
  [[nodiscard]] Index padded_rows() const { return padded(rows_); }
  [[nodiscard]] Index padded_columns() const { return padded(columns_); }

  /// Writes the matrix by rows. `to` has its shape.
  void copy_to(MatrixView<float> to) const;

  [[nodiscard]] float at(Index i, Index k) const { return has_floats() ? floats_[place(i, k)] : decoded(place(i, k)); }

  /// Of a matrix of floats.
  [[nodiscard]] float& at(Index i, Index k) { return floats_[place(i, k)]; }

  /// Of floats; else null.
  [[nodiscard]] const float* data() const { return floats_.data(); }
  /// Elements of 16 bits; else null.
  [[nodiscard]] const std::uint16_t* halves() const { return halves_.data(); }
  /// What kernels take off elements of 16 bits, a panel of equal rows; null: nothing.
  [[nodiscard]] const float* centre() const { return centre_.data(); }

  /// Whether the matrix unit takes these rows as kernels have them: all elements are 0, or numbers that bfloat16 holds
  /// and that aren't tiny, so that what the unit does about denormal numbers seldom matters.
  [[nodiscard]] bool suits_unit() const { return unsuited_rows_ == 0; }
  static constexpr float least_for_unit = 0x1p-50F;

  /// The panel of rows 8·index … 8·index + 7, of floats.
  [[nodiscard]] const float* panel(Index index) const { return data() + index * panel_size(); }
  [[nodiscard]] float* panel(Index index) { return floats_.data() + index * panel_size(); }

  /// Elements of a panel.
  [[nodiscard]] Index panel_size() const { return panel_rows * padded_columns(); }

  /// Where row i starts: its element k lies 8·k further on.
  [[nodiscard]] Index row_offset(Index i) const { return i / panel_rows * panel_size() + i % panel_rows; }

 private:
  PackedMatrix(Index rows, Index columns) : rows_(rows), columns_(columns), floats_(padded(rows) * padded(columns)) {}

  [[nodiscard]] Index place(Index i, Index k) const { return row_offset(i) + panel_rows * k; }

  [[nodiscard]] bool suits_unit(Index row) const;

  /// An element of a column as kernels have it.
  static float as_read(float element, Index /*column*/) { return element; }
  [[nodiscard]] float as_read(std::uint16_t element, Index column) const;

  /// An element of 16 bits.
  [[nodiscard]] float decoded(Index place) const;

  /// Calls visit(array) for the array of elements.
  template <class Visit>
  void visit_elements(const Visit& visit) {
    if (has_floats())
      visit(floats_);
    else
      visit(halves_);
  }

  Index rows_ = 0;
  Index columns_ = 0;
  PatternStorage storage_ = PatternStorage::float32;
  Index unsuited_rows_ = 0;  ///< that the matrix unit doesn't take
  AlignedFloats floats_;
  AlignedArray<std::uint16_t> halves_;
  AlignedFloats centre_;
};

}  // namespace attractor::cpu
