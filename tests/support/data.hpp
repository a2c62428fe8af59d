#pragma once

/// Patterns and queries for the tests: small, seeded, the same in every run.

#include <algorithm>
#include <initializer_list>
#include <random>
#include <span>
#include <vector>

#include <attractor/matrix.hpp>

namespace attractor::test {

using Rng = std::mt19937_64;

/// A matrix from its rows.
Matrix<float> matrix(std::initializer_list<std::initializer_list<float>> rows);

/// A matrix whose entries are all this.
template <class T>
Matrix<T> filled(Index rows, Index columns, T value) {
  Matrix<T> result(rows, columns);
  std::fill_n(result.data(), result.size(), value);
  return result;
}

Matrix<float> copy(MatrixView<const float> values);

/// The rows with these indices, in this order.
Matrix<float> select(MatrixView<const float> values, std::span<const Index> rows);

/// Columns [first, first + count).
Matrix<float> columns(MatrixView<const float> values, Index first, Index count);

/// Both matrices, one above the other.
Matrix<float> stack(MatrixView<const float> upper, MatrixView<const float> lower);

Matrix<float> random_bipolar(Index rows, Index columns, Rng& rng);
Matrix<float> random_gaussian(Index rows, Index columns, Rng& rng);
Matrix<std::uint8_t> random_mask(Index rows, Index columns, double share, Rng& rng);

/// `count` copies of the patterns in turn, each entry negated with probability `share`.
Matrix<float> flipped_copies(MatrixView<const float> patterns, Index count, double share, Rng& rng);

/// `count` copies of the patterns in turn with Gaussian noise; deviations run from `least` to `most` over the copies,
/// so that some queries relax in few steps and some in many.
Matrix<float> noisy_copies(MatrixView<const float> patterns, Index count, float least, float most, Rng& rng);

std::vector<Index> random_permutation(Index count, Rng& rng);

/// At most `count` different row numbers of [0, rows), first and last among them.
std::vector<Index> sample_rows(Index rows, Index count, Rng& rng);

template <class T>
std::span<const T> row_of(const Matrix<T>& matrix, Index i) {
  return {matrix.row(i), static_cast<std::size_t>(matrix.columns())};
}

}  // namespace attractor::test
