#include "kernels/cuda/device/half_matrix.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include <attractor/narrow_floats.hpp>

namespace attractor::cuda {
namespace {

/// Of fp16 rows: 16 columns are a step of a tensor product.
constexpr Index stride_of(Index columns) { return (columns + 15) / 16 * 16; }

/// Largest magnitudes; NaN and ∞ are ∞.
struct Magnitudes {
  explicit Magnitudes(MatrixView<const float> matrix)
      : rows(static_cast<std::size_t>(matrix.rows), 0.0F), columns(static_cast<std::size_t>(matrix.columns), 0.0F) {
    for (Index i = 0; i < matrix.rows; ++i)
      for (Index j = 0; j < matrix.columns; ++j) {
        const float value = std::isfinite(matrix(i, j)) ? std::abs(matrix(i, j)) : INFINITY;
        float& column = columns[static_cast<std::size_t>(j)];
        float& row = rows[static_cast<std::size_t>(i)];
        column = std::max(column, value);
        row = std::max(row, value);
      }
    if (!rows.empty()) largest = *std::max_element(rows.begin(), rows.end());
  }

  /// Whether fp16's floor is below what float's rounding does to any row or column, and the unit a float.
  [[nodiscard]] bool are_even() const {
    constexpr float ratio = 0x1p-12F;
    constexpr float least = 0x1p-100F;
    const auto is_even = [this](float value) { return value == 0.0F || value >= ratio * largest; };
    return largest >= least && std::isfinite(largest) && std::all_of(rows.begin(), rows.end(), is_even) &&
           std::all_of(columns.begin(), columns.end(), is_even);
  }

  std::vector<float> rows;
  std::vector<float> columns;
  float largest = 0.0F;
};

}  // namespace

HalfMatrix::HalfMatrix(MatrixView<const float> matrix, const std::string& purpose)
    : rows(matrix.rows), stride(stride_of(matrix.columns)) {
  const Magnitudes magnitudes(matrix);
  if (!magnitudes.are_even()) return;
  // The largest magnitude becomes 2¹⁴ to 2¹⁵.
  const int exponent = std::ilogb(magnitudes.largest) - 14;
  unit = std::ldexp(1.0F, exponent);
  const float scale = std::ldexp(1.0F, -exponent);
  const std::size_t plane = elements(rows, stride);
  std::vector<std::uint16_t> values(2 * plane, 0);
  exact = true;
  for (Index i = 0; i < matrix.rows; ++i)
    for (Index j = 0; j < matrix.columns; ++j) {
      const float value = scale * matrix(i, j);
      const Float16 high(value);
      const Float16 low(value - static_cast<float>(high));
      const auto at = static_cast<std::size_t>(i * stride + j);
      values[at] = high.bits;
      values[plane + at] = low.bits;
      exact = exact && static_cast<float>(high) == value;
    }
  data = upload(std::span<const std::uint16_t>(values).first(exact ? plane : 2 * plane), purpose);
}

HalfMatrixView HalfMatrix::view() const {
  if (data.size() == 0) return {};
  return {.high = data.data(),
          .low = exact ? nullptr : data.data() + elements(rows, stride),
          .stride = stride,
          .unit = unit};
}

}  // namespace attractor::cuda
