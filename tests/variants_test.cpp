/// Variants: what each kind does to a pattern, in distribution and exactly, and that a seed fixes them.

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "host/src/philox.hpp"
#include "tests/support/data.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

/// Deviations that a statistic may lie from its mean: chance exceeds six once in 500 million.
constexpr double sigmas = 6.0;

/// Mean and variance of values that should be standard normal: var(mean) = 1/n, var(variance) = 2/n.
void expect_standard_normal(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double sum = 0.0;
  double squares = 0.0;
  double inside = 0.0;
  for (const double value : values) {
    sum += value;
    squares += value * value;
    inside += std::abs(value) < 1.0 ? 1.0 : 0.0;
  }
  constexpr double share = 0.682689492137;
  EXPECT_NEAR(sum / n, 0.0, sigmas / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1.0, sigmas * std::sqrt(2.0 / n));
  EXPECT_NEAR(inside / n, share, sigmas * std::sqrt(share * (1.0 - share) / n));
}

Matrix<float> some_patterns() {
  Rng rng(5);
  return random_gaussian(7, 33, rng);
}

TEST(PhiloxTest, GivesThePublishedNumbers) {
  using Block = std::array<std::uint32_t, 4>;
  EXPECT_EQ(detail::philox({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t ones = 0xffffffff;
  EXPECT_EQ(detail::philox({ones, ones, ones, ones}, {ones, ones}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(detail::philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomSequenceTest, LogarithmIsAccurate) {
  Rng rng(1);
  std::uniform_real_distribution<double> exponent(-700.0, 700.0);
  for (int i = 0; i < 2000; ++i) {
    const double x = i < 1000 ? std::exp(exponent(rng)) : 1.0 + exponent(rng) * 1e-4;
    EXPECT_NEAR(detail::portable_log(x), std::log(x), 1e-15 * std::abs(std::log(x)) + 1e-18) << x;
  }
}

TEST(RandomSequenceTest, NumbersAreUniform) {
  detail::RandomSequence random(3, 4);
  constexpr int count = 100000;
  std::array<int, 10> counts{};
  for (int i = 0; i < count; ++i) {
    const double value = random.uniform();
    ASSERT_TRUE(value >= 0.0 && value < 1.0);
    ++counts.at(static_cast<std::size_t>(10.0 * value));
  }
  for (const int in_bin : counts) EXPECT_NEAR(in_bin, count / 10.0, sigmas * std::sqrt(count * 0.1 * 0.9));
}

TEST(NoisyTest, AddsIndependentNoiseOfTheDeviation) {
  const Matrix<float> patterns = some_patterns();
  const Variants variants =
      make_variants(patterns, 3000, {.variant = Variant::noisy, .severity = 0.5F, .spread = 3.0F, .seed = 7});
  std::vector<double> noise;
  std::vector<double> neighbours;
  for (Index i = 0; i < 3000; ++i)
    for (Index j = 0; j < 33; ++j) {
      const float original = patterns(variants.origins[static_cast<std::size_t>(i)], j);
      noise.push_back(static_cast<double>(variants.queries(i, j) - original) / 1.5);
      if (noise.size() > 1) neighbours.push_back(noise.back() * *(noise.end() - 2));
    }
  expect_standard_normal(noise);
  double correlation = 0.0;
  for (const double product : neighbours) correlation += product;
  const auto n = static_cast<double>(neighbours.size());
  EXPECT_NEAR(correlation / n, 0.0, sigmas / std::sqrt(n));
}

TEST(BiasedTest, ShiftsAllEntriesByOneOffset) {
  const Matrix<float> patterns = matrix({{0, 0, 0, 0}, {8, 8, 8, 8}});
  const Variants variants =
      make_variants(patterns, 20000, {.variant = Variant::biased, .severity = 0.5F, .spread = 2.0F, .seed = 8});
  std::vector<double> offsets;
  for (Index i = 0; i < 20000; ++i) {
    const float* const row = variants.queries.row(i);
    ASSERT_TRUE(std::all_of(row, row + 4, [&](float value) { return value == row[0]; })) << i;
    offsets.push_back(static_cast<double>(row[0] - patterns(variants.origins[static_cast<std::size_t>(i)], 0)));
  }
  expect_standard_normal(offsets);
}

TEST(MaskedTest, ReplacesExactlyTheShareAnywhere) {
  const Matrix<float> patterns = some_patterns();
  constexpr Index count = 6000;
  // 0.3·33 = 9.9, rounded.
  const Variants variants =
      make_variants(patterns, count, {.variant = Variant::masked, .severity = 0.3F, .mask_value = 99.0F});
  std::vector<int> replaced(33, 0);
  for (Index i = 0; i < count; ++i) {
    int in_row = 0;
    for (Index j = 0; j < 33; ++j) {
      const float value = variants.queries(i, j);
      if (value == 99.0F) {
        ++in_row;
        ++replaced[static_cast<std::size_t>(j)];
      } else {
        ASSERT_EQ(value, patterns(variants.origins[static_cast<std::size_t>(i)], j));
      }
    }
    ASSERT_EQ(in_row, 10);
  }
  constexpr double share = 10.0 / 33.0;
  for (const int times : replaced) EXPECT_NEAR(times, share * count, sigmas * std::sqrt(share * (1.0 - share) * count));
}

TEST(MaskedTest, SeverityOneReplacesAll) {
  const Matrix<float> queries =
      vary(some_patterns(), {.variant = Variant::masked, .severity = 1.0F, .mask_value = -2.0F});
  EXPECT_TRUE(std::all_of(queries.data(), queries.data() + queries.size(), [](float x) { return x == -2.0F; }));
}

TEST(MaskedTest, WithoutAValueIsNormal) {
  const Matrix<float> patterns = matrix({{99, 99, 99, 99, 99, 99}});
  const Variants variants =
      make_variants(patterns, 5000, {.variant = Variant::masked, .severity = 0.5F, .spread = 4.0F});
  std::vector<double> replaced;
  for (Index i = 0; i < variants.queries.size(); ++i)
    if (variants.queries.data()[i] != 99.0F) replaced.push_back(static_cast<double>(variants.queries.data()[i]) / 4.0);
  EXPECT_EQ(replaced.size(), 15000U);
  expect_standard_normal(replaced);
}

TEST(MixedTest, IsAMaskThenNoiseThenABias) {
  const Matrix<float> patterns = matrix({{100, 100, 100, 100, 100, 100, 100, 100, 100, 100}});
  constexpr Index count = 5000;
  const Variants variants = make_variants(patterns, count, {.severity = 0.4F, .spread = 2.0F, .mask_value = -100.0F});
  std::vector<double> means;
  std::vector<double> masked_differences;
  std::vector<double> other_differences;
  for (Index i = 0; i < count; ++i) {
    const float* const row = variants.queries.row(i);
    std::vector<double> masked;
    std::vector<double> others;
    double sum = 0.0;
    for (Index j = 0; j < 10; ++j) {
      const bool is_masked = row[j] < 0.0F;
      const double change = static_cast<double>(row[j]) + (is_masked ? 100.0 : -100.0);
      (is_masked ? masked : others).push_back(change / 0.8);
      sum += change / 0.8;
    }
    ASSERT_EQ(masked.size(), 4U);
    // One bias and the mean of ten noises; differences are of noise alone.
    means.push_back(sum / 10.0 / std::sqrt(1.1));
    masked_differences.push_back((masked[0] - masked[1]) / std::sqrt(2.0));
    other_differences.push_back((others[0] - others[1]) / std::sqrt(2.0));
  }
  expect_standard_normal(means);
  expect_standard_normal(masked_differences);
  expect_standard_normal(other_differences);
}

TEST(OriginsTest, AreDrawnUniformly) {
  constexpr Index count = 14000;
  const Variants variants = make_variants(some_patterns(), count);
  std::vector<int> drawn(7, 0);
  for (const Index origin : variants.origins) ++drawn.at(static_cast<std::size_t>(origin));
  for (const int times : drawn) EXPECT_NEAR(times, count / 7.0, sigmas * std::sqrt(count * 6.0 / 49.0));
}

class EachVariantTest : public testing::TestWithParam<Variant> {};

TEST_P(EachVariantTest, SeverityZeroIsThePattern) {
  const Matrix<float> patterns = some_patterns();
  EXPECT_TRUE(same_bits(vary(patterns, {.variant = GetParam(), .severity = 0.0F}), patterns));
}

TEST_P(EachVariantTest, ARowDependsOnTheSeedAndItsNumberAlone) {
  const Matrix<float> patterns = some_patterns();
  const VariantOptions options{.variant = GetParam(), .seed = 11};
  const Variants few = make_variants(patterns, 10, options);
  const Variants many = make_variants(patterns, 50, options);
  EXPECT_TRUE(same_bits(many.queries.view().slice(0, 10), few.queries));
  EXPECT_TRUE(std::equal(few.origins.begin(), few.origins.end(), many.origins.begin()));
  EXPECT_TRUE(same_bits(vary(patterns.view().slice(0, 3), options), vary(patterns, options).view().slice(0, 3)));

  const Variants other = make_variants(patterns, 10, {.variant = GetParam(), .seed = 12});
  EXPECT_FALSE(same_bits(other.queries, few.queries));
}

TEST_P(EachVariantTest, StaysFinite) {
  constexpr float largest = std::numeric_limits<float>::max();
  const Variants variants = make_variants(matrix({{largest, -largest, 0, 1}}), 100,
                                          {.variant = GetParam(), .severity = 1.0F, .spread = largest});
  const float* const first = variants.queries.data();
  EXPECT_TRUE(std::all_of(first, first + variants.queries.size(), [](float x) { return std::isfinite(x); }));
}

TEST_P(EachVariantTest, TakesStridedPatternsAndASingleEntry) {
  const Matrix<float> wide = some_patterns();
  const MatrixView<const float> left(wide.data(), 7, 5, 33);
  const VariantOptions options{.variant = GetParam()};
  EXPECT_TRUE(same_bits(vary(left, options), vary(copy(left), options)));
  EXPECT_EQ(make_variants(left.slice(0, 1), 0, options).queries.rows(), 0);
  EXPECT_EQ(make_variants(matrix({{1}}), 3, options).queries.rows(), 3);
}

INSTANTIATE_TEST_SUITE_P(, EachVariantTest,
                         testing::Values(Variant::noisy, Variant::masked, Variant::biased, Variant::mixed));

TEST(PortableTest, TheseAreTheNumbersOnEveryMachine) {
  const Matrix<float> queries = vary(matrix({{0, 0, 0, 0}}), {.variant = Variant::noisy, .severity = 1.0F});
  EXPECT_TRUE(same_bits(queries, matrix({{0x1.d99b88p-1F, 0x1.a0236ep-3F, 0x1.049a86p+1F, -0x1.27d702p-2F}})));
}

/// Expects InvalidArgument with a message that has both words.
void expect_invalid(const std::function<void()>& call, const std::string& name, const std::string& value) {
  try {
    call();
    ADD_FAILURE() << "accepted; expected an error about " << name;
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find(value), std::string::npos) << error.what();
  }
}

TEST(BadVariantsTest, AreNamed) {
  const Matrix<float> patterns = some_patterns();
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const auto expect_refused = [&](const VariantOptions& options, const std::string& name, const std::string& value) {
    expect_invalid([&] { static_cast<void>(vary(patterns, options)); }, name, value);
    expect_invalid([&] { static_cast<void>(make_variants(patterns, 2, options)); }, name, value);
  };
  expect_refused({.severity = -0.5F}, "severity", "-0.5");
  expect_refused({.severity = nan}, "severity", "nan");
  expect_refused({.variant = Variant::masked, .severity = 1.5F}, "severity", "1.5");
  expect_refused({.variant = Variant::mixed, .severity = 1.5F}, "severity", "1.5");
  expect_refused({.spread = -2.0F}, "spread", "-2");
  expect_refused({.spread = infinity}, "spread", "inf");
  expect_refused({.mask_value = nan}, "mask value", "nan");
  EXPECT_NO_THROW(vary(patterns, {.variant = Variant::noisy, .severity = 1.5F}));

  expect_invalid([&] { static_cast<void>(make_variants(patterns, -1)); }, "variants", "-1");
  constexpr Index huge = std::numeric_limits<Index>::max() / 16;
  expect_invalid([&] { static_cast<void>(make_variants(patterns, huge)); }, "variants", std::to_string(huge));
  expect_invalid([&] { static_cast<void>(vary(MatrixView<const float>(nullptr, 2, 3))); }, "patterns", "null");
  expect_invalid([&] { static_cast<void>(vary(MatrixView<const float>(patterns.data(), 0, 3))); }, "patterns",
                 "[0, 3]");
  expect_invalid([&] { static_cast<void>(vary(matrix({{1, infinity}}))); }, "patterns", "inf");
}

}  // namespace
}  // namespace attractor::test
