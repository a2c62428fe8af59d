#include "host/src/linear_rules.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <string>

#include <attractor/error.hpp>

#include "kernels/cpu/gram.hpp"
#include "kernels/cpu/threads.hpp"

namespace attractor::detail {
namespace {

constexpr double dependence_tolerance = 1e-8;

/// Multiply-adds that are worth a thread: less takes no longer than waking it.
constexpr Index least_work = 1 << 15;

/// Calls work(i) for rows [first, end), on threads where the rows' `products` multiply-adds each are worth it.
template <class Work>
void for_rows(Index first, Index end, Index products, const Work& work) {
  constexpr Index chunk = 8;
  const Index rows = end - first;
  const int team = cpu::team_size(0, std::min(rows, rows * products / least_work), 1);
  cpu::run_chunks(team, rows, chunk, [&](int /*share*/, Index from, Index to) {
    for (Index i = first + from; i < first + to; ++i) work(i);
  });
}

/// In double for either type: products of floats are exact then.
template <class T>
double dot(const T* a, const T* b, Index count) {
  return std::inner_product(a, a + count, b, 0.0, std::plus<>(), [](double x, double y) { return x * y; });
}

/// AAᵀ/D + ridge·I, lower triangle.
Matrix<double> gram_matrix(MatrixView<const float> patterns, double ridge) {
  const Index p = patterns.rows;
  const auto d = static_cast<double>(patterns.columns);
  Matrix<double> gram(p, p);
  for_rows(0, p, p * patterns.columns / 2, [&](Index i) {
    for (Index j = 0; j <= i; ++j)
      gram(i, j) = dot(patterns.row(i), patterns.row(j), patterns.columns) / d + (i == j ? ridge : 0.0);
  });
  return gram;
}

[[noreturn]] void throw_dependent(Index pattern, Index count) {
  throw DependentPatterns("pattern " + std::to_string(pattern) + " of " + std::to_string(count) +
                          " is a linear combination of the patterns before it; the projection rule needs independent "
                          "patterns or a ridge above 0");
}

/// Replaces the lower triangle of a symmetric matrix by its Cholesky factor, column by column.
void factorise(Matrix<double>& gram) {
  const Index p = gram.rows();
  for (Index j = 0; j < p; ++j) {
    const double pivot = gram(j, j) - dot(gram.row(j), gram.row(j), j);
    if (!(pivot > dependence_tolerance * gram(j, j))) throw_dependent(j, p);
    gram(j, j) = std::sqrt(pivot);
    for_rows(j + 1, p, j, [&](Index i) { gram(i, j) = (gram(i, j) - dot(gram.row(i), gram.row(j), j)) / gram(j, j); });
  }
}

/// L⁻¹A by forward substitution.
Matrix<double> solve_lower(const Matrix<double>& lower, MatrixView<const float> a) {
  Matrix<double> result(a.rows, a.columns);
  for (Index i = 0; i < a.rows; ++i) {
    double* const row = result.row(i);
    std::copy_n(a.row(i), a.columns, row);
    for (Index k = 0; k < i; ++k)
      for (Index j = 0; j < a.columns; ++j) row[j] -= lower(i, k) * result(k, j);
    for (Index j = 0; j < a.columns; ++j) row[j] /= lower(i, i);
  }
  return result;
}

}  // namespace

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

Matrix<float> projection_factor(MatrixView<const float> patterns, float ridge) {
  Matrix<double> lower = gram_matrix(patterns, ridge);
  factorise(lower);
  const Matrix<double> solved = solve_lower(lower, patterns);
  const double scale = 1.0 / std::sqrt(static_cast<double>(patterns.columns));
  Matrix<float> factor(patterns.rows, patterns.columns);
  for (Index i = 0; i < factor.size(); ++i) factor.data()[i] = static_cast<float>(scale * solved.data()[i]);
  return factor;
}

std::vector<float> removed_diagonal(MatrixView<const float> factor, bool self_coupling) {
  std::vector<float> diagonal(static_cast<std::size_t>(factor.columns), 0.0F);
  if (self_coupling) return diagonal;
  for (Index k = 0; k < factor.columns; ++k) {
    double sum = 0.0;
    for (Index i = 0; i < factor.rows; ++i)
      sum += static_cast<double>(factor(i, k)) * static_cast<double>(factor(i, k));
    diagonal[static_cast<std::size_t>(k)] = static_cast<float>(sum);
  }
  return diagonal;
}

Matrix<float> weights(MatrixView<const float> factor, bool self_coupling) {
  Matrix<float> result = cpu::gram(factor);
  if (!self_coupling)
    for (Index i = 0; i < factor.columns; ++i) result(i, i) = 0.0F;
  return result;
}

}  // namespace attractor::detail
