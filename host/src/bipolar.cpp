#include <attractor/bipolar.hpp>

#include <cmath>
#include <sstream>
#include <string>

#include <attractor/error.hpp>

#include "host/src/validation.hpp"

namespace attractor {
namespace {

/// Each entry by `convert`; those that aren't `valid` are refused as none of `expected`.
template <class Valid, class Convert>
Matrix<float> converted(MatrixView<const float> matrix, const std::string& expected, const Valid& valid,
                        const Convert& convert) {
  detail::check_queries(matrix, matrix.columns);
  Matrix<float> result(matrix.rows, matrix.columns);
  for (Index i = 0; i < matrix.rows; ++i)
    for (Index j = 0; j < matrix.columns; ++j) {
      if (!valid(matrix(i, j))) {
        std::ostringstream message;
        message << "entries must be " << expected << "; row " << i << ", column " << j << " is " << matrix(i, j);
        throw InvalidArgument(message.str());
      }
      result(i, j) = convert(matrix(i, j));
    }
  return result;
}

}  // namespace

Matrix<float> to_bipolar(MatrixView<const float> binary) {
  return converted(
      binary, "0 or 1", [](float x) { return x == 0.0F || x == 1.0F; }, [](float x) { return 2.0F * x - 1.0F; });
}

Matrix<float> to_binary(MatrixView<const float> bipolar) {
  return converted(
      bipolar, "numbers", [](float x) { return !std::isnan(x); }, [](float x) { return x > 0.0F ? 1.0F : 0.0F; });
}

}  // namespace attractor
