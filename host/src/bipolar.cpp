#include <attractor/bipolar.hpp>

#include <cmath>
#include <sstream>
#include <string>

#include <attractor/error.hpp>

#include "host/src/validation.hpp"
#include "kernels/cpu/engine/lanes.hpp"

namespace attractor {
namespace {

/// Refuses an entry that isn't `valid` as none of `expected`.
template <class Valid>
void check_entries(MatrixView<const float> matrix, const std::string& expected, const Valid& valid) {
  detail::check_queries(matrix, matrix.columns);
  for (Index i = 0; i < matrix.rows; ++i)
    for (Index j = 0; j < matrix.columns; ++j) {
      if (valid(matrix(i, j))) continue;
      std::ostringstream message;
      message << "entries must be " << expected << "; row " << i << ", column " << j << " is " << matrix(i, j);
      throw InvalidArgument(message.str());
    }
}

/// A value for each entry.
template <class Convert>
Matrix<float> converted(MatrixView<const float> matrix, const Convert& convert) {
  Matrix<float> result(matrix.rows, matrix.columns);
  for (Index i = 0; i < matrix.rows; ++i)
    for (Index j = 0; j < matrix.columns; ++j) result(i, j) = convert(matrix(i, j));
  return result;
}

}  // namespace

Matrix<float> to_bipolar(MatrixView<const float> binary) {
  check_entries(binary, "0 or 1", [](float x) { return x == 0.0F || x == 1.0F; });
  return converted(binary, [](float x) { return 2.0F * x - 1.0F; });
}

Matrix<float> to_binary(MatrixView<const float> bipolar) {
  check_entries(bipolar, "numbers", [](float x) { return !std::isnan(x); });
  return converted(bipolar, [](float x) { return x > 0.0F ? 1.0F : 0.0F; });
}

BitMatrix to_bits(MatrixView<const float> bipolar) {
  check_entries(bipolar, "-1 or 1", [](float x) { return std::abs(x) == 1.0F; });
  BitMatrix result(bipolar.rows, bipolar.columns);
  for (Index i = 0; i < bipolar.rows; ++i)
    cpu::copy_row(bipolar.row(i), detail::BitResultRow{result.view().row(i)}, bipolar.columns);
  return result;
}

Matrix<float> from_bits(BitView<const std::uint8_t> bits) {
  detail::check_queries(bits, bits.columns);
  Matrix<float> result(bits.rows, bits.columns);
  for (Index i = 0; i < bits.rows; ++i) cpu::copy_row(detail::BitRow{bits.row(i)}, result.row(i), bits.columns);
  return result;
}

}  // namespace attractor
