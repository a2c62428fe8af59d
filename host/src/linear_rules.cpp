#include "host/src/linear_rules.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include <attractor/error.hpp>

#include "host/src/cuda_backend.hpp"
#include "host/src/row_threads.hpp"
#include "kernels/cpu/pointwise/double_rows.hpp"
#include "kernels/cpu/pointwise/gram.hpp"

namespace attractor::detail {

std::vector<double> row_sums(MatrixView<const float> matrix) {
  std::vector<double> sums;
  for (Index i = 0; i < matrix.rows; ++i)
    sums.push_back(std::accumulate(matrix.row(i), matrix.row(i) + matrix.columns, 0.0));
  return sums;
}

double mean_entry(const std::vector<double>& row_sums, Index columns) {
  const double sum = std::accumulate(row_sums.begin(), row_sums.end(), 0.0);
  return sum / (static_cast<double>(row_sums.size()) * static_cast<double>(columns));
}

Matrix<float> less_value(MatrixView<const float> matrix, double value) {
  Matrix<float> result(matrix.rows, matrix.columns);
  for (Index i = 0; i < matrix.rows; ++i)
    for (Index k = 0; k < matrix.columns; ++k)
      result(i, k) = static_cast<float>(static_cast<double>(matrix(i, k)) - value);
  return result;
}

std::vector<double> fading(Index rows, float decay) {
  std::vector<double> factors;
  for (Index i = 0; i < rows; ++i)
    factors.push_back(std::pow(static_cast<double>(decay), 0.5 * static_cast<double>(rows - 1 - i)));
  return factors;
}

Matrix<float> scaled_rows(MatrixView<const float> matrix, const std::vector<double>& factors) {
  Matrix<float> result(matrix.rows, matrix.columns);
  for (Index i = 0; i < matrix.rows; ++i)
    for (Index k = 0; k < matrix.columns; ++k)
      result(i, k) = static_cast<float>(factors[static_cast<std::size_t>(i)] * static_cast<double>(matrix(i, k)));
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

/// About the largest eigenvalue of G = FᵀF [columns × columns] by the power method: multiply(x) is Gx.
template <class Multiply>
double largest_eigenvalue(std::size_t columns, const Multiply& multiply) {
  // Irrational steps: patterns won't be orthogonal to it.
  std::vector<double> x(columns);
  for (std::size_t k = 0; k < columns; ++k) x[k] = 1.5 + std::sin(static_cast<double>(k + 1));
  double eigenvalue = 0.0;
  constexpr int rounds = 8;
  for (int round = 0; round < rounds; ++round) {
    const double norm = std::sqrt(cpu::dot(x.data(), x.data(), static_cast<Index>(columns)));
    if (norm == 0.0) break;
    for (double& value : x) value /= norm;
    std::vector<double> product = multiply(x);
    eigenvalue = cpu::dot(x.data(), product.data(), static_cast<Index>(columns));
    x = std::move(product);
  }
  return eigenvalue;
}

double eigenvalue_on_device(int device, MatrixView<const float> factor) {
  return largest_eigenvalue(static_cast<std::size_t>(factor.columns),
                            [&](const std::vector<double>& x) { return cuda_gram_product(device, factor, x); });
}

double eigenvalue_of_factor(MatrixView<const float> factor) {
  const auto columns = static_cast<std::size_t>(factor.columns);
  return largest_eigenvalue(columns, [&](const std::vector<double>& x) {
    std::vector<double> product(columns, 0.0);
    for (Index i = 0; i < factor.rows; ++i) {
      const double score = cpu::dot(factor.row(i), x.data(), factor.columns);
      cpu::add_scaled(product.data(), score, factor.row(i), factor.columns);
    }
    return product;
  });
}

/// That of weights with this diagonal, whatever they have there; the diagonal's sum, which is no less, where they leave
/// the range of float.
double eigenvalue_of_weights(MatrixView<const float> weights, const std::vector<double>& diagonal) {
  const double found = largest_eigenvalue(diagonal.size(), [&](const std::vector<double>& x) {
    std::vector<double> product(diagonal.size());
    for_rows(0, weights.rows, weights.columns, [&](Index i) {
      const auto k = static_cast<std::size_t>(i);
      product[k] = cpu::dot(weights.row(i), x.data(), weights.columns) +
                   (diagonal[k] - static_cast<double>(weights(i, i))) * x[k];
    });
    return product;
  });
  return std::isfinite(found) ? found : std::accumulate(diagonal.begin(), diagonal.end(), 0.0);
}

/// The most that a resolution may be. Sums over integer states of at most 1 that are integers themselves, none above
/// `largest_sum` and so small that float has them all, are nothing but 0 below a half.
double most_resolution(double largest_sum, float scale) {
  return largest_sum < 0x1p24 ? 0.5 * static_cast<double>(scale)
                              : static_cast<double>(std::numeric_limits<float>::max());
}

/// From Σ_μ F_μi² for each neuron and the largest eigenvalue of FᵀF.
std::vector<float> resolution_from(const std::vector<double>& squares, double eigenvalue, double largest_sum,
                                   float scale) {
  const double states = static_cast<double>(scale) * std::sqrt(eigenvalue * static_cast<double>(squares.size()));
  const double most = most_resolution(largest_sum, scale);
  std::vector<float> result(squares.size());
  for (std::size_t k = 0; k < result.size(); ++k)
    result[k] = static_cast<float>(std::min(0x1p-20 * std::sqrt(squares[k]) * states, most));
  return result;
}

/// The largest sum of a factor that has integers up to `largest`.
double largest_factor_sum(double largest, MatrixView<const float> factor) {
  return largest * largest * static_cast<double>(factor.rows) * static_cast<double>(factor.columns);
}

/// The field_resolution of a factor that is on a device.
std::vector<float> resolution_on_device(int device, MatrixView<const float> factor, float scale) {
  const double largest_sum = largest_factor_sum(cuda_largest_integer(device, factor), factor);
  return resolution_from(cuda_squared_columns(device, factor), eigenvalue_on_device(device, factor), largest_sum,
                         scale);
}

/// Floats from 2²³ on all are.
bool is_integer(float value) {
  return std::abs(value) < 0x1p23F ? static_cast<float>(static_cast<std::int32_t>(value)) == value : !std::isnan(value);
}

}  // namespace

double largest_integer(MatrixView<const float> matrix) {
  double largest = 0.0;
  for (Index i = 0; i < matrix.rows; ++i)
    for (Index k = 0; k < matrix.columns; ++k) {
      if (!is_integer(matrix(i, k))) return std::numeric_limits<double>::infinity();
      largest = std::max(largest, std::abs(static_cast<double>(matrix(i, k))));
    }
  return largest;
}

void add_squares(MatrixView<const float> factor, std::vector<double>& sums) {
  for (Index i = 0; i < factor.rows; ++i)
    for (Index k = 0; k < factor.columns; ++k) {
      const auto value = static_cast<double>(factor(i, k));
      sums[static_cast<std::size_t>(k)] += value * value;
    }
}

std::vector<float> resolution_of(const PointwiseForm& form) {
  if (!form.resolution.empty()) return form.resolution;
  if (!form.weights.empty()) return weight_resolution(form.weights, form.scale);
  return form.cuda_device ? resolution_on_device(*form.cuda_device, form.factor, form.scale)
                          : field_resolution(form.factor, form.scale);
}

std::vector<float> field_resolution(MatrixView<const float> factor, float scale) {
  const double largest_sum = largest_factor_sum(largest_integer(factor), factor);
  return resolution_from(squared_columns(factor), eigenvalue_of_factor(factor), largest_sum, scale);
}

std::vector<float> field_resolution(MatrixView<const float> weights, const std::vector<double>& diagonal, float scale) {
  const double largest_sum = largest_integer(weights) * static_cast<double>(weights.columns);
  return resolution_from(diagonal, eigenvalue_of_weights(weights, diagonal), largest_sum, scale);
}

std::vector<float> removed_diagonal(const PointwiseForm& form) {
  std::vector<float> diagonal(static_cast<std::size_t>(form.factor.columns), 0.0F);
  if (form.self_coupling) return diagonal;
  const std::vector<double> sums =
      form.cuda_device ? cuda_squared_columns(*form.cuda_device, form.factor) : squared_columns(form.factor);
  std::transform(sums.begin(), sums.end(), diagonal.begin(), [](double sum) { return static_cast<float>(sum); });
  return diagonal;
}

std::vector<float> weight_resolution(MatrixView<const float> weights, float scale) {
  const auto columns = static_cast<double>(weights.columns);
  const double most = most_resolution(largest_integer(weights) * columns, scale);
  std::vector<float> result;
  for (Index i = 0; i < weights.rows; ++i) {
    const double norm = std::sqrt(cpu::dot(weights.row(i), weights.row(i), weights.columns));
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
  if (form.first_layer > 0) return bidirectional_weights(form.factor, form.first_layer);
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
  if (form.factor.empty() || form.first_layer > 0) return {};
  if (form.contents.empty())
    return {.contents = {}, .intensity = intensity_weights(form), .diagonal = removed_diagonal(form)};
  return {.contents = cpu::transposed_product(form.contents, form.factor),
          .intensity = intensity_weights(form),
          .diagonal = {}};
}

}  // namespace attractor::detail
