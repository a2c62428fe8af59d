#include "host/src/storkey.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <attractor/error.hpp>

#include "host/src/row_threads.hpp"
#include "kernels/cpu/pointwise/double_rows.hpp"

namespace attractor::detail {
Storkey::Storkey(const Storkey& other)
    : count_(other.count_), weights_(other.weights_.rows(), other.weights_.columns()) {
  std::copy_n(other.weights_.data(), weights_.size(), weights_.data());
}

void Storkey::learn_one(const float* pattern) {
  const Index d = weights_.rows();
  const std::vector<double> entries(pattern, pattern + d);
  const double* const x = entries.data();
  std::vector<double> fields(entries.size());
  for_rows(0, d, d, [&](Index i) { fields[static_cast<std::size_t>(i)] = cpu::dot(weights_.row(i), x, d); });
  const double* const h = fields.data();
  const double share = 1.0 / static_cast<double>(d);
  // The fields leave out what i and j tell one another. Both halves have the same sums of the same terms.
  for_rows(0, d, d, [&](Index i) {
    double* const row = weights_.row(i);
    for (Index j = 0; j < d; ++j)
      row[j] += share * (x[i] * x[j] - (x[i] * (h[j] - row[j] * x[i]) + x[j] * (h[i] - row[j] * x[j])));
    row[i] = 0.0;
  });
}

Matrix<float> Storkey::learn(MatrixView<const float> patterns) {
  if (count_ == 0) {
    weights_ = Matrix<double>(patterns.columns, patterns.columns);
    std::fill_n(weights_.data(), weights_.size(), 0.0);
  }
  for (Index i = 0; i < patterns.rows; ++i) learn_one(patterns.row(i));
  count_ += patterns.rows;
  return rounded();
}

Matrix<float> Storkey::rounded() const {
  Matrix<float> result(weights_.rows(), weights_.columns());
  std::transform(weights_.data(), weights_.data() + weights_.size(), result.data(),
                 [](double weight) { return static_cast<float>(weight); });
  if (!std::all_of(result.data(), result.data() + result.size(), [](float weight) { return std::isfinite(weight); }))
    throw InvalidArgument("Storkey's rule makes weights of " + std::to_string(count_) +
                          " patterns that leave the range of float; entries should be about ±1");
  return result;
}

}  // namespace attractor::detail
