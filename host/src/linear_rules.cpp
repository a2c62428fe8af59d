#include "host/src/linear_rules.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include <attractor/error.hpp>

#include "host/src/row_threads.hpp"
#include "kernels/cpu/pointwise/gram.hpp"

namespace attractor::detail {

Matrix<float> centred_factor(MatrixView<const float> patterns) {
  double sum = 0.0;
  for (Index i = 0; i < patterns.rows; ++i)
    for (Index k = 0; k < patterns.columns; ++k) sum += static_cast<double>(patterns(i, k));
  const double activity = sum / (static_cast<double>(patterns.rows) * static_cast<double>(patterns.columns));
  Matrix<float> factor(patterns.rows, patterns.columns);
  for (Index i = 0; i < patterns.rows; ++i)
    for (Index k = 0; k < patterns.columns; ++k)
      factor(i, k) = static_cast<float>(static_cast<double>(patterns(i, k)) - activity);
  return factor;
}

Matrix<float> faded_factor(MatrixView<const float> factor, float decay) {
  Matrix<float> result(factor.rows, factor.columns);
  for (Index i = 0; i < factor.rows; ++i) {
    const double share = std::pow(static_cast<double>(decay), 0.5 * static_cast<double>(factor.rows - 1 - i));
    for (Index k = 0; k < factor.columns; ++k)
      result(i, k) = static_cast<float>(share * static_cast<double>(factor(i, k)));
  }
  return result;
}

Matrix<float> bidirectional_weights(MatrixView<const float> pairs, Index first) {
  Matrix<float> result = cpu::gram(pairs);
  for (Index i = 0; i < pairs.columns; ++i) {
    float* const row = result.row(i);
    if (i < first)
      std::fill_n(row, first, 0.0F);
    else
      std::fill(row + first, row + pairs.columns, 0.0F);
  }
  return result;
}

namespace {

/// Σ_μ F_μi² for each neuron.
std::vector<double> squared_columns(MatrixView<const float> factor) {
  std::vector<double> sums(static_cast<std::size_t>(factor.columns), 0.0);
  add_squares(factor, sums);
  return sums;
}

/// About the largest eigenvalue of FᵀF, by the power method.
double largest_eigenvalue(MatrixView<const float> factor) {
  const auto columns = static_cast<std::size_t>(factor.columns);
  // Irrational steps: patterns won't be orthogonal to it.
  std::vector<double> x(columns);
  for (std::size_t k = 0; k < columns; ++k) x[k] = 1.5 + std::sin(static_cast<double>(k + 1));
  double eigenvalue = 0.0;
  constexpr int rounds = 8;
  for (int round = 0; round < rounds; ++round) {
    const double norm = std::sqrt(dot(x.data(), x.data(), factor.columns));
    if (norm == 0.0) break;
    for (double& value : x) value /= norm;
    std::vector<double> product(columns, 0.0);
    eigenvalue = 0.0;
    for (Index i = 0; i < factor.rows; ++i) {
      double score = 0.0;
      for (Index k = 0; k < factor.columns; ++k)
        score += static_cast<double>(factor(i, k)) * x[static_cast<std::size_t>(k)];
      for (Index k = 0; k < factor.columns; ++k)
        product[static_cast<std::size_t>(k)] += score * static_cast<double>(factor(i, k));
      eigenvalue += score * score;
    }
    x = std::move(product);
  }
  return eigenvalue;
}

/// The largest magnitude of entries that are all integers; infinite where one isn't.
double largest_integer(MatrixView<const float> matrix) {
  double largest = 0.0;
  for (Index i = 0; i < matrix.rows; ++i)
    for (Index k = 0; k < matrix.columns; ++k) {
      if (matrix(i, k) != std::nearbyint(matrix(i, k))) return std::numeric_limits<double>::infinity();
      largest = std::max(largest, std::abs(static_cast<double>(matrix(i, k))));
    }
  return largest;
}

/// The most that a resolution may be. Sums over integer states of at most 1 that are integers themselves, none above
/// `largest_sum` and so small that float has them all, are nothing but 0 below a half.
double most_resolution(double largest_sum, float scale) {
  return largest_sum < 0x1p24 ? 0.5 * static_cast<double>(scale)
                              : static_cast<double>(std::numeric_limits<float>::max());
}

}  // namespace

void add_squares(MatrixView<const float> factor, std::vector<double>& sums) {
  for (Index i = 0; i < factor.rows; ++i)
    for (Index k = 0; k < factor.columns; ++k) {
      const auto value = static_cast<double>(factor(i, k));
      sums[static_cast<std::size_t>(k)] += value * value;
    }
}

std::vector<float> resolution_of(const PointwiseForm& form) {
  return form.resolution.empty() ? field_resolution(form.factor, form.scale) : form.resolution;
}

std::vector<float> field_resolution(MatrixView<const float> factor, float scale) {
  const std::vector<double> weights = squared_columns(factor);
  const double states =
      static_cast<double>(scale) * std::sqrt(largest_eigenvalue(factor) * static_cast<double>(factor.columns));
  const double largest = largest_integer(factor);
  const double most = most_resolution(
      largest * largest * static_cast<double>(factor.rows) * static_cast<double>(factor.columns), scale);
  std::vector<float> result(weights.size());
  for (std::size_t k = 0; k < result.size(); ++k)
    result[k] = static_cast<float>(std::min(0x1p-20 * std::sqrt(weights[k]) * states, most));
  return result;
}

std::vector<float> removed_diagonal(MatrixView<const float> factor, bool self_coupling) {
  std::vector<float> diagonal(static_cast<std::size_t>(factor.columns), 0.0F);
  if (self_coupling) return diagonal;
  const std::vector<double> sums = squared_columns(factor);
  std::transform(sums.begin(), sums.end(), diagonal.begin(), [](double sum) { return static_cast<float>(sum); });
  return diagonal;
}

Matrix<float> storkey_weights(MatrixView<const float> patterns) {
  const Index d = patterns.columns;
  Matrix<double> w(d, d);
  std::fill_n(w.data(), w.size(), 0.0);
  std::vector<double> fields(static_cast<std::size_t>(d));
  for (Index mu = 0; mu < patterns.rows; ++mu) {
    const std::vector<double> pattern(patterns.row(mu), patterns.row(mu) + d);
    const auto entry = [&](Index i) { return pattern[static_cast<std::size_t>(i)]; };
    const auto field = [&](Index i) { return fields[static_cast<std::size_t>(i)]; };
    for_rows(0, d, d, [&](Index i) { fields[static_cast<std::size_t>(i)] = dot(w.row(i), pattern.data(), d); });
    // The fields leave out what i and j tell one another: w_ij is still that of before, and the diagonal is 0.
    for_rows(0, d, d, [&](Index i) {
      for (Index j = 0; j < d; ++j) {
        if (i == j) continue;
        const double own = w(i, j);
        w(i, j) +=
            (entry(i) * entry(j) - entry(i) * (field(j) - own * entry(i)) - (field(i) - own * entry(j)) * entry(j)) /
            static_cast<double>(d);
      }
    });
  }
  Matrix<float> result(d, d);
  for (Index i = 0; i < d; ++i)
    for (Index j = 0; j < d; ++j) {
      // Sums of the two halves need not be the same in the last digit.
      result(i, j) = static_cast<float>(i < j ? w(i, j) : w(j, i));
      if (!std::isfinite(result(i, j)))
        throw InvalidArgument("Storkey's rule makes weights of " + std::to_string(patterns.rows) +
                              " patterns that leave the range of float; entries should be about ±1");
    }
  return result;
}

std::vector<float> weight_resolution(MatrixView<const float> weights, float scale) {
  const auto columns = static_cast<double>(weights.columns);
  const double most = most_resolution(largest_integer(weights) * columns, scale);
  std::vector<float> result;
  for (Index i = 0; i < weights.rows; ++i) {
    const double norm = std::sqrt(dot(weights.row(i), weights.row(i), weights.columns));
    result.push_back(
        static_cast<float>(std::min(0x1p-20 * static_cast<double>(scale) * norm * std::sqrt(columns), most)));
  }
  return result;
}

Matrix<float> weights(const PointwiseForm& form) {
  if (!form.weights.empty()) {
    Matrix<float> result(form.weights.rows, form.weights.columns);
    for (Index i = 0; i < result.rows(); ++i) std::copy_n(form.weights.row(i), result.columns(), result.row(i));
    return result;
  }
  Matrix<float> result = cpu::gram(form.factor);
  if (!form.self_coupling)
    for (Index i = 0; i < form.factor.columns; ++i) result(i, i) = 0.0F;
  return result;
}

namespace {

std::vector<float> intensity_weights(const PointwiseForm& form) {
  std::vector<double> sums(static_cast<std::size_t>(form.factor.columns), 0.0);
  for (Index i = 0; i < form.factor.rows; ++i)
    for (Index k = 0; k < form.factor.columns; ++k)
      sums[static_cast<std::size_t>(k)] +=
          static_cast<double>(form.intensity[static_cast<std::size_t>(i)]) * static_cast<double>(form.factor(i, k));
  return {sums.begin(), sums.end()};
}

}  // namespace

DenseReadout dense_readout(const PointwiseForm& form) {
  if (form.factor.empty()) return {};
  if (form.contents.empty())
    return {.contents = {},
            .intensity = intensity_weights(form),
            .diagonal = removed_diagonal(form.factor, form.self_coupling)};
  return {.contents = cpu::transposed_product(form.contents, form.factor),
          .intensity = intensity_weights(form),
          .diagonal = {}};
}

}  // namespace attractor::detail
