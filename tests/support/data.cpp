#include "tests/support/data.hpp"

#include <algorithm>
#include <numeric>

namespace attractor::test {
namespace {

template <class T, class Draw>
Matrix<T> filled(Index rows, Index columns, Draw draw) {
  Matrix<T> result(rows, columns);
  std::generate_n(result.data(), result.size(), draw);
  return result;
}

}  // namespace

Matrix<float> matrix(std::initializer_list<std::initializer_list<float>> rows) {
  Matrix<float> result(static_cast<Index>(rows.size()), static_cast<Index>(rows.begin()->size()));
  Index i = 0;
  for (const auto& values : rows) std::copy(values.begin(), values.end(), result.row(i++));
  return result;
}

Matrix<float> copy(MatrixView<const float> values) {
  Matrix<float> result(values.rows, values.columns);
  for (Index i = 0; i < values.rows; ++i) std::copy_n(values.row(i), values.columns, result.row(i));
  return result;
}

Matrix<float> select(MatrixView<const float> values, std::span<const Index> rows) {
  Matrix<float> result(static_cast<Index>(rows.size()), values.columns);
  Index i = 0;
  for (const Index row : rows) std::copy_n(values.row(row), values.columns, result.row(i++));
  return result;
}

Matrix<float> columns(MatrixView<const float> values, Index first, Index count) {
  return copy({values.data + first, values.rows, count, values.row_stride});
}

Matrix<float> stack(MatrixView<const float> upper, MatrixView<const float> lower) {
  Matrix<float> result(upper.rows + lower.rows, upper.columns);
  for (Index i = 0; i < upper.rows; ++i) std::copy_n(upper.row(i), upper.columns, result.row(i));
  for (Index i = 0; i < lower.rows; ++i) std::copy_n(lower.row(i), lower.columns, result.row(upper.rows + i));
  return result;
}

Matrix<float> random_bipolar(Index rows, Index columns, Rng& rng) {
  return filled<float>(rows, columns, [&] { return (rng() & 1U) != 0 ? 1.0F : -1.0F; });
}

Matrix<float> random_gaussian(Index rows, Index columns, Rng& rng) {
  std::normal_distribution<float> normal;
  return filled<float>(rows, columns, [&] { return normal(rng); });
}

Matrix<std::uint8_t> random_mask(Index rows, Index columns, double share, Rng& rng) {
  std::bernoulli_distribution known(share);
  return filled<std::uint8_t>(rows, columns, [&] { return known(rng) ? std::uint8_t{1} : std::uint8_t{0}; });
}

Matrix<float> flipped_copies(MatrixView<const float> patterns, Index count, double share, Rng& rng) {
  std::bernoulli_distribution flip(share);
  Matrix<float> result(count, patterns.columns);
  for (Index i = 0; i < count; ++i)
    std::transform(patterns.row(i % patterns.rows), patterns.row(i % patterns.rows) + patterns.columns, result.row(i),
                   [&](float value) { return flip(rng) ? -value : value; });
  return result;
}

Matrix<float> noisy_copies(MatrixView<const float> patterns, Index count, float least, float most, Rng& rng) {
  std::normal_distribution<float> normal;
  Matrix<float> result(count, patterns.columns);
  for (Index i = 0; i < count; ++i) {
    const float deviation = least + (most - least) * static_cast<float>(i) / static_cast<float>(count);
    std::transform(patterns.row(i % patterns.rows), patterns.row(i % patterns.rows) + patterns.columns, result.row(i),
                   [&](float value) { return value + deviation * normal(rng); });
  }
  return result;
}

std::vector<Index> random_permutation(Index count, Rng& rng) {
  std::vector<Index> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), Index{0});
  std::shuffle(order.begin(), order.end(), rng);
  return order;
}

std::vector<Index> sample_rows(Index rows, Index count, Rng& rng) {
  std::vector<Index> sample = random_permutation(rows, rng);
  if (rows > count) sample.resize(static_cast<std::size_t>(count));
  sample.front() = 0;
  sample.back() = rows - 1;
  std::sort(sample.begin(), sample.end());
  sample.erase(std::unique(sample.begin(), sample.end()), sample.end());
  return sample;
}

}  // namespace attractor::test
