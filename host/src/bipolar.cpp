#include <attractor/bipolar.hpp>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>

#include <attractor/error.hpp>

#include "host/src/validation.hpp"

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
template <class Rows, class Convert>
Matrix<float> converted(const Rows& rows, const Convert& convert) {
  Matrix<float> result(rows.rows, rows.columns);
  for (Index i = 0; i < rows.rows; ++i)
    for (Index j = 0; j < rows.columns; ++j) result(i, j) = convert(rows(i, j));
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
  std::fill_n(result.data(), result.rows() * bytes_of_bits(result.columns()), std::uint8_t{0});
  for (Index i = 0; i < bipolar.rows; ++i)
    for (Index j = 0; j < bipolar.columns; ++j)
      if (bipolar(i, j) > 0.0F)
        result.view().row(i)[j / 8] |= static_cast<std::uint8_t>(0x80U >> static_cast<unsigned>(j % 8));
  return result;
}

Matrix<float> from_bits(BitView<const std::uint8_t> bits) {
  detail::check_queries(bits, bits.columns);
  return converted(bits, [](bool positive) { return positive ? 1.0F : -1.0F; });
}

}  // namespace attractor
