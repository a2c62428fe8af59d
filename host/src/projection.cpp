#include "host/src/projection.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include <attractor/error.hpp>

#include "host/src/row_threads.hpp"
#include "kernels/cpu/pointwise/double_rows.hpp"

namespace attractor::detail {
namespace {

constexpr double dependence_tolerance = 1e-8;

[[noreturn]] void throw_dependent(Index pattern, Index count) {
  throw DependentPatterns("pattern " + std::to_string(pattern) + " of " + std::to_string(count) +
                          " is a linear combination of the patterns before it; the projection rule needs independent "
                          "patterns or a ridge above 0");
}

/// Some columns of row i of L⁻¹B, of which `row` holds those of B; `width` in front of it is the row before.
void solve_row(const double* lower, Index i, double* row, Index columns, Index width) {
  for (Index k = 0; k < i; ++k) cpu::add_scaled(row, -lower[k], row - (i - k) * width, columns);
  for (Index j = 0; j < columns; ++j) row[j] /= lower[i];
}

Matrix<float> scaled_rows(const std::vector<double>& solved, Index first, Index end, Index columns, double scale) {
  Matrix<float> result(end - first, columns);
  for (Index i = 0; i < result.size(); ++i)
    result.data()[i] = static_cast<float>(scale * solved[static_cast<std::size_t>(first * columns + i)]);
  return result;
}

}  // namespace

void Projection::resize(Index count) {
  const auto set = [](std::vector<double>& values, Index size) { values.resize(static_cast<std::size_t>(size)); };
  set(lower_, count * (count + 1) / 2);
  set(solved_, count * columns_);
  set(solved_contents_, count * content_columns_);
  set(solved_ones_, count);
}

/// Nothing grows, be it that a first array was extended and a second one couldn't be.
void Projection::truncate(Index count) noexcept { resize(std::min(count, this->count())); }

/// Replaces rows of AAᵀ/D + ridge·I by those of its Cholesky factor, whose rows before are there.
void Projection::factorise(Index first, Index end) {
  const auto reduce = [&](Index i, Index j) {
    lower(i)[j] = (lower(i)[j] - cpu::dot(lower(i), lower(j), j)) / lower(j)[j];
  };
  for_rows(first, end, first * first / 2, [&](Index i) {
    for (Index j = 0; j < first; ++j) reduce(i, j);
  });
  for (Index j = first; j < end; ++j) {
    double& pivot = lower(j)[j];
    const double left = pivot - cpu::dot(lower(j), lower(j), j);
    if (!(left > dependence_tolerance * pivot)) throw_dependent(j, end);
    pivot = std::sqrt(left);
    for_rows(j + 1, end, j, [&](Index i) { reduce(i, j); });
  }
}

ProjectionFactors Projection::add(MatrixView<const float> stored, MatrixView<const float> more,
                                  MatrixView<const float> contents, float ridge) {
  const Index first = count();
  const Index end = first + more.rows;
  const Index columns = more.columns;
  const auto dimension = static_cast<double>(columns);
  const auto pattern = [&](Index i) { return i < first ? stored.row(i) : more.row(i - first); };
  columns_ = columns;
  content_columns_ = contents.columns;
  resize(end);
  for_rows(first, end, (first + end) / 2 * columns, [&](Index i) {
    for (Index j = 0; j <= i; ++j)
      lower(i)[j] = cpu::dot(pattern(i), pattern(j), columns) / dimension + (i == j ? static_cast<double>(ridge) : 0.0);
  });
  factorise(first, end);
  const double scale = 1.0 / std::sqrt(dimension);
  const auto solve = [&](std::vector<double>& solved, Index width, const auto& row_of) {
    for (Index i = first; i < end; ++i)
      for (Index k = 0; k < width; ++k) solved[static_cast<std::size_t>(i * width + k)] = row_of(i - first, k);
    // Columns are independent; the rows of a strip stay in a cache.
    constexpr Index strip = 128;
    for_rows(0, (width + strip - 1) / strip, (end * end - first * first) / 2 * strip, [&](Index at) {
      const Index column = at * strip;
      for (Index i = first; i < end; ++i)
        solve_row(lower(i), i, solved.data() + i * width + column, std::min(strip, width - column), width);
    });
    return scaled_rows(solved, first, end, width, scale);
  };
  const auto entries_of = [](MatrixView<const float> rows) {
    return [rows](Index i, Index k) { return static_cast<double>(rows(i, k)); };
  };
  const Matrix<float> intensity = solve(solved_ones_, 1, [](Index, Index) { return 1.0; });
  return {
      .factor = solve(solved_, columns, entries_of(more)),
      .contents = contents.empty() ? Matrix<float>() : solve(solved_contents_, contents.columns, entries_of(contents)),
      .intensity = {intensity.data(), intensity.data() + intensity.size()}};
}

}  // namespace attractor::detail
