#include "host/src/rows.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include <attractor/error.hpp>

#include "core/stored_elements.hpp"
#include "host/src/cuda_backend.hpp"
#include "host/src/host_memory.hpp"
#include "host/src/rule_text.hpp"
#include "host/src/validation.hpp"

namespace attractor::detail {

Matrix<float> duplicate(MatrixView<const float> matrix) {
  Matrix<float> result(matrix.rows, matrix.columns);
  for (Index i = 0; i < matrix.rows; ++i) std::copy_n(matrix.row(i), matrix.columns, result.row(i));
  return result;
}

Matrix<float> stack(MatrixView<const float> first, MatrixView<const float> second) {
  Matrix<float> result(first.rows + second.rows, first.columns);
  for (Index i = 0; i < first.rows; ++i) std::copy_n(first.row(i), first.columns, result.row(i));
  for (Index i = 0; i < second.rows; ++i) std::copy_n(second.row(i), first.columns, result.row(first.rows + i));
  return result;
}

Matrix<float> select_rows(MatrixView<const float> matrix, const std::vector<Index>& rows) {
  Matrix<float> result(static_cast<Index>(rows.size()), matrix.columns);
  for (Index i = 0; i < result.rows(); ++i)
    std::copy_n(matrix.row(rows[static_cast<std::size_t>(i)]), matrix.columns, result.row(i));
  return result;
}

bool are_given(MatrixView<const float> contents) { return contents.rows != 0 || contents.columns != 0; }

Rows::Rows(const Device& device, MatrixView<const float> given, const std::string& what) : view_(given) {
  check_stored_layout(given, what);
  if (given.rows > 0 && is_on_device(device, given.data, what)) cuda_device_ = device.index();
  if (cuda_device_)
    extremes_ = cuda_finite_extremes(*cuda_device_, given, what);
  else
    check_finite(given, what);
}

Rows on_host(Rows rows, const std::string& what) {
  return rows.cuda_device() ? Rows(cuda_fetch(*rows.cuda_device(), rows.view(), what)) : std::move(rows);
}

Matrix<float> fetch_rows(const Rows& rows, const std::vector<Index>& numbers, const std::string& what) {
  if (!rows.cuda_device()) return select_rows(rows.view(), numbers);
  if (rows.view().rows > static_cast<Index>(numbers.size()))
    return cuda_fetch_rows(*rows.cuda_device(), rows.view(), numbers, what);
  return select_rows(cuda_fetch(*rows.cuda_device(), rows.view(), what), numbers);
}

double largest_magnitude(const Rows& rows) {
  const MatrixView<const float> matrix = rows.view();
  double largest = 0.0;
  const auto take = [&](float entry) { largest = std::max(largest, std::abs(static_cast<double>(entry))); };
  if (rows.cuda_device()) {
    for (const float entry : rows.extremes().smallest) take(entry);
    for (const float entry : rows.extremes().largest) take(entry);
    return largest;
  }
  for (Index i = 0; i < matrix.rows; ++i)
    for (Index j = 0; j < matrix.columns; ++j) take(matrix(i, j));
  return largest;
}

Rows rounded(Rows rows, PatternStorage storage, const std::string& what) {
  if (storage == PatternStorage::float32) return rows;
  const MatrixView<const float> given = rows.view();
  Matrix<float> result(given.rows, given.columns);
  for (Index i = 0; i < given.rows; ++i)
    for (Index k = 0; k < given.columns; ++k) {
      result(i, k) = decode(storage, encode(storage, given(i, k)));
      if (!std::isfinite(result(i, k)))
        throw InvalidArgument(what + " are beyond the range of " + to_text(storage) + ": row " + std::to_string(i) +
                              ", column " + std::to_string(k) + " is " + to_text(given(i, k)));
    }
  return result;
}

}  // namespace attractor::detail
