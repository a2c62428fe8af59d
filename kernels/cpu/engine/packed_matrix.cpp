#include "kernels/cpu/engine/packed_matrix.hpp"

#include <bit>
#include <cmath>
#include <type_traits>

#include "core/stored_elements.hpp"

namespace attractor::cpu {

namespace {

bool element_suits_unit(float value) {
  return (std::bit_cast<std::uint32_t>(value) & 0xffffU) == 0 && (value == 0.0F || std::isnormal(value));
}

}  // namespace

PackedMatrix::PackedMatrix(MatrixView<const float> matrix, PatternStorage storage)
    : columns_(matrix.columns), storage_(storage) {
  reserve(matrix.rows);
  append(matrix);
}

PackedMatrix::PackedMatrix(Index columns, PatternStorage storage, const std::vector<float>& centre)
    : columns_(columns), storage_(storage) {
  const bool is_zero = std::all_of(centre.begin(), centre.end(), [](float value) { return value == 0.0F; });
  if (has_floats() || is_zero) return;
  centre_ = AlignedFloats(panel_size());
  for (Index k = 0; k < columns; ++k)
    std::fill_n(centre_.data() + panel_rows * k, panel_rows, centre[static_cast<std::size_t>(k)]);
}

void PackedMatrix::reserve(Index rows) {
  visit_elements(
      [&](auto& elements) { elements.reserve(padded(rows) * padded_columns(), padded_rows() * padded_columns()); });
}

void PackedMatrix::append(MatrixView<const float> rows) noexcept {
  const Index first = rows_;
  const Index used = padded_rows() * padded_columns();
  rows_ += rows.rows;
  visit_elements([&](auto& elements) {
    std::fill(elements.data() + used, elements.data() + padded_rows() * padded_columns(), 0);
    for (Index i = 0; i < rows.rows; ++i)
      for (Index k = 0; k < columns_; ++k)
        if constexpr (std::is_same_v<decltype(elements), AlignedFloats&>)
          elements[place(first + i, k)] = rows(i, k);
        else
          elements[place(first + i, k)] = detail::encode(storage_, rows(i, k));
  });
  for (Index i = first; i < rows_; ++i) unsuited_rows_ += suits_unit(i) ? 0 : 1;
}

void PackedMatrix::remove(std::span<const Index> rows) noexcept {
  for (const Index row : rows) unsuited_rows_ -= suits_unit(row) ? 0 : 1;
  const Index left = rows_ - static_cast<Index>(rows.size());
  visit_elements([&](auto& elements) {
    for_moves(rows, rows_, [&](Index from, Index to) {
      for (Index k = 0; k < columns_; ++k) elements[place(to, k)] = elements[place(from, k)];
    });
    for (Index i = left; i < padded(left); ++i)
      for (Index k = 0; k < columns_; ++k) elements[place(i, k)] = 0;
  });
  rows_ = left;
}

PackedMatrix PackedMatrix::transposed(MatrixView<const float> matrix) {
  PackedMatrix result(matrix.columns, matrix.rows);
  for (Index k = 0; k < matrix.rows; ++k)
    for (Index i = 0; i < matrix.columns; ++i) result.floats_[result.place(i, k)] = matrix(k, i);
  return result;
}

bool PackedMatrix::suits_unit(Index row) const {
  for (Index k = 0; k < columns_; ++k) {
    const float centre = centre_.data() == nullptr ? 0.0F : centre_[panel_rows * k];
    if (!element_suits_unit(at(row, k) - centre)) return false;
  }
  return true;
}

float PackedMatrix::decoded(Index place) const { return detail::decode(storage_, halves_[place]); }

void PackedMatrix::copy_to(MatrixView<float> to) const {
  for (Index i = 0; i < rows_; ++i)
    for (Index k = 0; k < columns_; ++k) to(i, k) = at(i, k);
}

}  // namespace attractor::cpu
