#include "kernels/cpu/engine/packed_matrix.hpp"

#include <bit>
#include <type_traits>

#include "core/stored_elements.hpp"

namespace attractor::cpu {

namespace {

/// Of a finite value; without branches, for there are many.
bool element_suits_unit(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  constexpr auto least = std::bit_cast<std::uint32_t>(PackedMatrix::least_for_unit);
  return static_cast<bool>(static_cast<unsigned>((bits & 0xffffU) == 0) &
                           static_cast<unsigned>(magnitude - 1 >= least - 1));
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
    for (Index i = 0; i < rows.rows; ++i) {
      bool suits = true;
      for (Index k = 0; k < columns_; ++k) {
        auto& element = elements[place(first + i, k)];
        if constexpr (std::is_same_v<decltype(elements), AlignedFloats&>)
          element = rows(i, k);
        else
          element = detail::encode(storage_, rows(i, k));
        suits &= element_suits_unit(as_read(element, k));
      }
      unsuited_rows_ += suits ? 0 : 1;
    }
  });
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
  bool suits = true;
  for (Index k = 0; k < columns_; ++k)
    suits &= element_suits_unit(has_floats() ? floats_[place(row, k)] : as_read(halves_[place(row, k)], k));
  return suits;
}

float PackedMatrix::as_read(std::uint16_t element, Index column) const {
  const float value = detail::decode(storage_, element);
  return centre_.data() == nullptr ? value : value - centre_[panel_rows * column];
}

float PackedMatrix::decoded(Index place) const { return detail::decode(storage_, halves_[place]); }

void PackedMatrix::copy_to(MatrixView<float> to) const {
  for (Index i = 0; i < rows_; ++i)
    for (Index k = 0; k < columns_; ++k) to(i, k) = at(i, k);
}

}  // namespace attractor::cpu
