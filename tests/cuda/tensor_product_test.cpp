/// Products on tensor cores against sums in double precision, and what their header promises of rows and bits.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/cuda/device/half_matrix.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/streamed/tensor_product.hpp"
#include "tests/support/data.hpp"
#include "tests/support/sizes_scope.hpp"

namespace attractor::test {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

/// What device memory holds before a product: no result looks like it.
constexpr float untouched = -12345.0F;

enum class Form : unsigned char { straight, transposed };

Index padded(Index columns) { return (columns + 3) / 4 * 4; }

struct Product {
  Form form = Form::straight;
  Matrix<float> b;  ///< [inner × columns], or [columns × inner] where it is to be transposed
  float factor = 1.0F;
  int parts = 1;
  cuda::Products precision = cuda::Products::exact;

  [[nodiscard]] Index inner() const { return form == Form::straight ? b.rows() : b.columns(); }
  [[nodiscard]] Index columns() const { return form == Form::straight ? b.columns() : b.rows(); }
  [[nodiscard]] double entry(Index term, Index column) const {
    return form == Form::straight ? b(term, column) : b(column, term);
  }
};

/// The product with rows `a`, [rows × padded columns], as the device leaves it.
Matrix<float> multiply(const Product& product, MatrixView<const float> a) {
  const Index stride = padded(product.inner());
  std::vector<float> rows(static_cast<std::size_t>(a.rows * stride), 0.0F);
  for (Index i = 0; i < a.rows; ++i) std::copy_n(a.row(i), a.columns, rows.begin() + i * stride);
  const cuda::DeviceArray<float> left = cuda::upload(std::span<const float>(rows), "rows");
  const cuda::HalfMatrix right(cuda::DeviceMatrix(product.b, "a matrix"), "its halves");
  EXPECT_NE(right.view().high, nullptr) << "halves are as accurate as floats";
  const Index result_stride = padded(product.columns());
  const std::vector<float> before(static_cast<std::size_t>(a.rows * result_stride), untouched);
  const cuda::DeviceArray<float> result = cuda::upload(std::span<const float>(before), "results");
  std::vector<float> parts_before;
  for (int i = 0; product.parts > 1 && i < product.parts; ++i)
    parts_before.insert(parts_before.end(), before.begin(), before.end());
  const cuda::DeviceArray<float> parts = cuda::upload(std::span<const float>(parts_before), "parts of results");
  const cuda::TensorProduct arguments{.rows = static_cast<int>(a.rows),
                                      .columns = static_cast<int>(product.columns()),
                                      .inner = static_cast<int>(product.inner()),
                                      .factor = product.factor,
                                      .a = left.data(),
                                      .a_stride = stride,
                                      .b = right.view(),
                                      .result = result.data(),
                                      .result_stride = result_stride,
                                      .parts = product.parts,
                                      .part_results = parts.data()};
  if (product.form == Form::straight)
    cuda::launch_tensor_product(arguments, product.precision, nullptr);
  else
    cuda::launch_transposed_tensor_product(arguments, product.precision, nullptr);
  Matrix<float> values(a.rows, result_stride);
  cuda::check(cudaMemcpy(values.data(), result.data(), result.bytes(), cudaMemcpyDeviceToHost), "cudaMemcpy");
  return values;
}

/// The bound of tensor_product_block.cuh, and the roundings of the result and of its sum of parts.
double bound_units(const Product& product) {
  const auto terms = static_cast<double>(product.inner());
  return 2.0 * (std::min(terms, 16.0) + 4.0) + 9.0 + terms / 16.0 + std::sqrt(terms) / 8.0 + product.parts + 1.0;
}

void expect_agreement(const Product& product, const Matrix<float>& a) {
  const Matrix<float> actual = multiply(product, a);
  for (Index i = 0; i < a.rows(); ++i)
    for (Index j = 0; j < product.columns(); ++j) {
      double sum = 0.0;
      double size = 0.0;
      double row_norm = 0.0;
      double column_norm = 0.0;
      for (Index k = 0; k < product.inner(); ++k) {
        const double x = a(i, k);
        const double y = product.entry(k, j);
        sum += x * y;
        size += std::abs(x * y);
        row_norm += x * x;
        column_norm += y * y;
      }
      const double factor = std::abs(static_cast<double>(product.factor));
      double bound = bound_units(product) * 0x1p-24 * std::sqrt(row_norm) * std::sqrt(column_norm);
      if (product.precision == cuda::Products::rounded) bound += 0x1.01p-10 * size;
      ASSERT_NEAR(actual(i, j), product.factor * sum, factor * bound) << "row " << i << ", column " << j;
    }
  for (Index i = 0; i < a.rows(); ++i)
    for (Index j = product.columns(); j < padded(product.columns()); ++j)
      ASSERT_TRUE(std::isfinite(actual(i, j)) && actual(i, j) != untouched);
}

testing::AssertionResult same_row(const Matrix<float>& a, Index i, const Matrix<float>& b, Index j) {
  if (std::memcmp(a.row(i), b.row(j), static_cast<std::size_t>(a.columns()) * sizeof(float)) == 0)
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << "row " << i << " and row " << j << " differ";
}

Matrix<float> scaled(const Matrix<float>& matrix, float factor) {
  Matrix<float> result(matrix.rows(), matrix.columns());
  std::transform(matrix.data(), matrix.data() + matrix.size(), result.data(),
                 [=](float value) { return factor * value; });
  return result;
}

/// Which blocks make a product: `blocks` of them at least, where there are so many, in one of three sizes.
detail::Sizes sizes_with(Index blocks) {
  detail::Sizes sizes = detail::sizes();
  sizes.product_blocks = blocks;
  return sizes;
}
constexpr Index any_blocks = 1;
constexpr Index many_blocks = Index{1} << 30;

struct Shape {
  Index rows;
  Index columns;
  Index inner;
  int parts;
};

Product make_product(Form form, const Shape& shape, bool bipolar, Rng& rng) {
  const Index rows = form == Form::straight ? shape.inner : shape.columns;
  const Index columns = form == Form::straight ? shape.columns : shape.inner;
  return {.form = form,
          .b = bipolar ? random_bipolar(rows, columns, rng) : random_gaussian(rows, columns, rng),
          .parts = shape.parts};
}

class CudaTensorProductTest : public testing::TestWithParam<std::tuple<Form, bool>> {
 protected:
  [[nodiscard]] Product product(const Shape& shape) {
    const auto& [form, bipolar] = GetParam();
    return make_product(form, shape, bipolar, rng_);
  }

  Rng rng_{31};
};

std::string product_name(const testing::TestParamInfo<std::tuple<Form, bool>>& test) {
  const auto& [form, bipolar] = test.param;
  return std::string(form == Form::straight ? "Straight" : "Transposed") + (bipolar ? "Bipolar" : "Gaussian");
}

INSTANTIATE_TEST_SUITE_P(, CudaTensorProductTest,
                         testing::Combine(testing::Values(Form::straight, Form::transposed), testing::Bool()),
                         product_name);

/// Around the edges of warps' tiles and blocks, terms around those of a step and a tile, more parts than tiles.
TEST_P(CudaTensorProductTest, AgreesWithDoublePrecision) {
  for (const Index blocks : {any_blocks, many_blocks})
    for (const Shape& shape : std::vector<Shape>{{1, 1, 1, 1},
                                                 {3, 5, 7, 1},
                                                 {31, 63, 15, 1},
                                                 {33, 65, 16, 1},
                                                 {128, 129, 17, 2},
                                                 {129, 64, 33, 1},
                                                 {17, 257, 64, 3},
                                                 {2, 300, 95, 2},
                                                 {40, 12, 700, 4}}) {
      SCOPED_TRACE(testing::Message() << shape.rows << " rows, " << shape.columns << " columns, " << shape.inner
                                      << " terms, " << shape.parts << " parts, " << blocks << " blocks");
      const SizesScope scope(sizes_with(blocks));
      const Product own = product(shape);
      expect_agreement(own, random_gaussian(shape.rows, shape.inner, rng_));
    }
}

/// From the smallest floats that aren't subnormal to such that results still are floats.
TEST_P(CudaTensorProductTest, AgreesAtAnyMagnitude) {
  const Shape shape{9, 70, 90, 1};
  Product own = product(shape);
  const Matrix<float> a = random_gaussian(shape.rows, shape.inner, rng_);
  for (const float size : {0x1p-120F, 0x1p-60F, 0x1p-14F, 0x1p40F, 0x1p115F}) {
    SCOPED_TRACE(size);
    expect_agreement(own, scaled(a, size));
  }
  own.factor = -0.37F;
  expect_agreement(own, a);
  const Matrix<float> plain = std::move(own.b);
  for (const float size : {0x1p-90F, 0x1p-14F, 0x1p40F, 0x1p115F}) {
    SCOPED_TRACE(size);
    own.b = scaled(plain, size);
    expect_agreement(own, a);
  }
}

/// A row's entries of many sizes: what is small in one tile may be all there is in another.
TEST_P(CudaTensorProductTest, AgreesWhereSizesDifferAlongARow) {
  const Shape shape{9, 70, 200, 2};
  Matrix<float> a = random_gaussian(shape.rows, shape.inner, rng_);
  for (Index i = 0; i < a.rows(); ++i)
    for (Index k = 0; k < a.columns(); ++k) a(i, k) = std::ldexp(a(i, k), static_cast<int>((i + k / 32) * 7 % 40) - 20);
  expect_agreement(product(shape), a);
}

/// Integers that float has are exact, whatever adds them up.
TEST_P(CudaTensorProductTest, SumsOfIntegersAreExact) {
  const auto& [form, bipolar] = GetParam();
  if (!bipolar) GTEST_SKIP() << "of ±1";
  const Shape shape{5, 33, 300, 2};
  const Product own = product(shape);
  Matrix<float> a(shape.rows, shape.inner);
  std::uniform_int_distribution<int> integer(-2000, 2000);
  for (Index i = 0; i < a.size(); ++i) a.data()[i] = static_cast<float>(integer(rng_));
  const Matrix<float> actual = multiply(own, a);
  for (Index i = 0; i < shape.rows; ++i)
    for (Index j = 0; j < shape.columns; ++j) {
      double sum = 0.0;
      for (Index k = 0; k < shape.inner; ++k) sum += a(i, k) * own.entry(k, j);
      ASSERT_EQ(actual(i, j), sum);
    }
}

/// 11 bits of each operand, however large.
TEST_P(CudaTensorProductTest, RoundedOnesAgreeAsFarAsTheirOperands) {
  for (const Index blocks : {any_blocks, many_blocks}) {
    const SizesScope scope(sizes_with(blocks));
    Product own = product({40, 140, 77, 2});
    own.precision = cuda::Products::rounded;
    expect_agreement(own, random_gaussian(40, 77, rng_));
  }
}

TEST_P(CudaTensorProductTest, ARowsBitsAreItsOwn) {
  for (const cuda::Products precision : {cuda::Products::exact, cuda::Products::rounded}) {
    Product own = product({300, 150, 130, 3});
    own.precision = precision;
    const Matrix<float> a = random_gaussian(300, 130, rng_);
    const Matrix<float> expected = [&] {
      const SizesScope scope(sizes_with(any_blocks));
      return multiply(own, a);
    }();
    for (const Index blocks : {any_blocks, Index{8}, many_blocks}) {
      const SizesScope scope(sizes_with(blocks));
      for (const Index count : {1, 17, 33, 129})
        for (const Index first : {(300 - count) / 2, 300 - count}) {
          const Matrix<float> few = multiply(own, a.view().slice(first, count));
          for (Index i = 0; i < count; ++i)
            ASSERT_TRUE(same_row(few, i, expected, first + i)) << count << " rows, " << blocks << " blocks";
        }
    }
  }
}

TEST_P(CudaTensorProductTest, WhatIsNotFiniteStaysInItsRow) {
  const Product own = product({40, 70, 50, 1});
  Matrix<float> a = random_gaussian(40, 50, rng_);
  const Matrix<float> clean = multiply(own, a);
  a(3, 7) = nan;
  a(20, 49) = infinity;
  a(39, 0) = -infinity;
  const Matrix<float> actual = multiply(own, a);
  for (Index i = 0; i < 40; ++i)
    if (i == 3 || i == 20 || i == 39)
      for (Index j = 0; j < own.columns(); ++j) ASSERT_FALSE(std::isfinite(actual(i, j))) << i << " " << j;
    else
      ASSERT_TRUE(same_row(actual, i, clean, i));
}

}  // namespace
}  // namespace attractor::test
