#include "kernels/cpu/engine/packed_matrix.hpp"

#include <algorithm>
#include <new>

namespace attractor::cpu {

AlignedFloats::AlignedFloats(Index count) {
  if (count == 0) return;
  data_ = hwy::AllocateAligned<float>(static_cast<std::size_t>(count));
  if (!data_) throw std::bad_alloc();
  std::fill_n(data(), count, 0.0F);
}

AlignedFloats::AlignedFloats(const std::vector<float>& values, Index count) : AlignedFloats(count) {
  std::copy(values.begin(), values.end(), data());
}

PackedMatrix::PackedMatrix(MatrixView<const float> matrix) : PackedMatrix(matrix.rows, matrix.columns) {
  for (Index i = 0; i < rows_; ++i)
    for (Index k = 0; k < columns_; ++k) data_[row_offset(i) + panel_rows * k] = matrix(i, k);
}

PackedMatrix PackedMatrix::transposed(MatrixView<const float> matrix) {
  PackedMatrix result(matrix.columns, matrix.rows);
  for (Index k = 0; k < matrix.rows; ++k)
    for (Index i = 0; i < matrix.columns; ++i) result.data_[result.row_offset(i) + panel_rows * k] = matrix(k, i);
  return result;
}

}  // namespace attractor::cpu
