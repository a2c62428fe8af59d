#include "kernels/cpu/engine/packed_matrix.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace attractor::cpu {

AlignedFloats::AlignedFloats(Index count) {
  reserve(count, 0);
  std::fill_n(data(), count, 0.0F);
}

AlignedFloats::AlignedFloats(const std::vector<float>& values, Index count) : AlignedFloats(count) {
  std::copy(values.begin(), values.end(), data());
}

AlignedFloats& AlignedFloats::operator=(const AlignedFloats& other) {
  if (this == &other) return *this;
  AlignedFloats copied;
  copied.reserve(other.room_, 0);
  std::copy_n(other.data(), other.room_, copied.data());
  return *this = std::move(copied);
}

void AlignedFloats::reserve(Index count, Index used) {
  if (count <= room_) return;
  const Index room = std::max(count, room_ + room_ / 2);
  auto moved = hwy::AllocateAligned<float>(static_cast<std::size_t>(room));
  if (!moved) throw std::bad_alloc();
  std::copy_n(data(), used, moved.get());
  data_ = std::move(moved);
  room_ = room;
}

PackedMatrix::PackedMatrix(MatrixView<const float> matrix) : columns_(matrix.columns) {
  reserve(matrix.rows);
  append(matrix);
}

void PackedMatrix::reserve(Index rows) {
  data_.reserve(padded(rows) * padded_columns(), padded_rows() * padded_columns());
}

void PackedMatrix::append(MatrixView<const float> rows) noexcept {
  const Index first = rows_;
  std::fill(data_.data() + padded_rows() * padded_columns(),
            data_.data() + padded(first + rows.rows) * padded_columns(), 0.0F);
  rows_ += rows.rows;
  for (Index i = 0; i < rows.rows; ++i)
    for (Index k = 0; k < columns_; ++k) data_[row_offset(first + i) + panel_rows * k] = rows(i, k);
}

void PackedMatrix::remove(std::span<const Index> rows) noexcept {
  for_moves(rows, rows_, [&](Index from, Index to) {
    const float* const source = data() + row_offset(from);
    float* const target = data_.data() + row_offset(to);
    for (Index k = 0; k < columns_; ++k) target[panel_rows * k] = source[panel_rows * k];
  });
  rows_ -= static_cast<Index>(rows.size());
  for (Index i = rows_; i < padded_rows(); ++i)
    for (Index k = 0; k < columns_; ++k) data_[row_offset(i) + panel_rows * k] = 0.0F;
}

PackedMatrix PackedMatrix::transposed(MatrixView<const float> matrix) {
  PackedMatrix result(matrix.columns, matrix.rows);
  for (Index k = 0; k < matrix.rows; ++k)
    for (Index i = 0; i < matrix.columns; ++i) result.data_[result.row_offset(i) + panel_rows * k] = matrix(k, i);
  return result;
}

void PackedMatrix::copy_to(MatrixView<float> to) const {
  for (Index i = 0; i < rows_; ++i)
    for (Index k = 0; k < columns_; ++k) to(i, k) = at(i, k);
}

}  // namespace attractor::cpu
