/// Sums of rows in double have the bits of plain loops, whatever the instruction set.

#include <array>
#include <cstddef>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/cpu/pointwise/double_rows.hpp"

namespace attractor::test {
namespace {

/// None that a sum could hold exactly.
template <class T>
std::vector<T> random_row(Index count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<T> normal;
  std::vector<T> row(static_cast<std::size_t>(count));
  for (T& value : row) value = normal(random);
  return row;
}

template <class A, class B>
double plain_dot(const std::vector<A>& a, const std::vector<B>& b) {
  std::array<double, 16> sums{};
  for (std::size_t i = 0; i < a.size(); ++i) {
    const volatile double product = static_cast<double>(a[i]) * static_cast<double>(b[i]);
    sums[i % 16] += product;
  }
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

constexpr Index counts[] = {0, 1, 2, 7, 8, 15, 16, 17, 31, 33, 64, 100, 1025};

template <class A, class B>
void expect_plain_dots() {
  for (const Index count : counts) {
    const std::vector<A> a = random_row<A>(count, 1);
    const std::vector<B> b = random_row<B>(count, 2);
    EXPECT_EQ(cpu::dot(a.data(), b.data(), count), plain_dot(a, b)) << count << " entries";
  }
}

TEST(DoubleRowsTest, ProductsAreThoseOfAPlainLoop) {
  expect_plain_dots<float, float>();
  expect_plain_dots<float, double>();
  expect_plain_dots<double, double>();
}

template <class T>
void expect_plain_sums() {
  constexpr double factor = 1.0 / 3.0;
  for (const Index count : counts) {
    const std::vector<T> row = random_row<T>(count, 3);
    std::vector<double> sums = random_row<double>(count, 4);
    std::vector<double> expected = sums;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const volatile double product = factor * static_cast<double>(row[i]);
      expected[i] += product;
    }
    cpu::add_scaled(sums.data(), factor, row.data(), count);
    EXPECT_EQ(sums, expected) << count << " entries";
  }
}

TEST(DoubleRowsTest, ScaledSumsAreThoseOfAPlainLoop) {
  expect_plain_sums<float>();
  expect_plain_sums<double>();
}

}  // namespace
}  // namespace attractor::test
