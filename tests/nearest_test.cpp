/// The stored pattern that a state is nearest to, or the inverse of.

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"

namespace attractor::test {
namespace {

double overlap(std::span<const float> a, std::span<const float> b) {
  double product = 0.0;
  double squares_a = 0.0;
  double squares_b = 0.0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    product += static_cast<double>(a[k]) * static_cast<double>(b[k]);
    squares_a += static_cast<double>(a[k]) * static_cast<double>(a[k]);
    squares_b += static_cast<double>(b[k]) * static_cast<double>(b[k]);
  }
  return product / std::sqrt(squares_a * squares_b);
}

TEST(NearestTest, NamesWhatQueriesRelaxTo) {
  Rng rng(900);
  const Matrix<float> patterns = random_bipolar(6, 120, rng);
  Matrix<float> queries = flipped_copies(patterns, 12, 0.1, rng);
  for (Index k = 0; k < 120; ++k) queries(7, k) = -queries(7, k);
  const Memory memory = Memory::hebbian(test_device(), patterns);

  const Nearest result = nearest(memory, Relaxer(memory).relax(queries).states);

  for (Index i = 0; i < 12; ++i) {
    EXPECT_EQ(result.pattern[static_cast<std::size_t>(i)], i % 6);
    EXPECT_EQ(result.overlap[static_cast<std::size_t>(i)], i == 7 ? -1.0F : 1.0F);
  }
}

/// Whether inverses count, by whether they are attractors.
TEST(NearestTest, RanksByMagnitudeWhereInversesAreAttractors) {
  Rng rng(901);
  const Matrix<float> patterns = random_gaussian(40, 23, rng);
  const Matrix<float> states = random_gaussian(70, 23, rng);
  const Device device = test_device();
  const std::vector<std::pair<Memory, bool>> cases = {
      {Memory::hebbian(device, patterns), true},
      {Memory::projection(device, patterns.view().slice(0, 20)), true},
      {Memory::storkey(device, patterns.view().slice(0, 3)), true},
      {Memory::dense_associative(device, patterns, {.order = 4}), true},
      {Memory::dense_associative(device, patterns, {.order = 4, .rectified = true}), false},
      {Memory::dense_associative(device, patterns, {.order = 3}), false},
      {Memory::modern_hopfield(device, patterns), false}};
  for (const auto& [memory, inverses] : cases)
    for (const Index count : {Index{1}, std::min<Index>(memory.pattern_count(), 7)}) {
      const Nearest result = nearest(memory, states, {.count = count});
      for (Index i = 0; i < states.rows(); ++i) {
        std::vector<double> keys;
        for (Index p = 0; p < memory.pattern_count(); ++p) {
          const double m = overlap(row_of(patterns, p), row_of(states, i));
          keys.push_back(inverses ? std::abs(m) : m);
        }
        std::sort(keys.begin(), keys.end(), std::greater<>());
        for (Index j = 0; j < count; ++j) {
          const auto at = static_cast<std::size_t>(i * count + j);
          const double m = overlap(row_of(patterns, result.pattern[at]), row_of(states, i));
          EXPECT_NEAR(static_cast<double>(result.overlap[at]), m, 1e-7) << memory.rule();
          EXPECT_NEAR(inverses ? std::abs(m) : m, keys[static_cast<std::size_t>(j)], 1e-6) << memory.rule();
        }
      }
    }
}

TEST(NearestTest, TiesGoToThePatternStoredFirst) {
  const Memory memory = Memory::hebbian(test_device(), matrix({{1, -1, 1, 1}, {-1, 1, -1, -1}, {1, -1, 1, 1}}));
  const Nearest result = nearest(memory, matrix({{-1, 1, -1, -1}}), {.count = 3});
  EXPECT_EQ(result.pattern, (std::vector<Index>{0, 1, 2}));
  EXPECT_EQ(result.overlap, (std::vector<float>{-1.0F, 1.0F, -1.0F}));
}

/// Lengths don't matter, however far from 1; those of a common mean leave as much as float tells.
TEST(NearestTest, OverlapsOfAnyLength) {
  Rng rng(902);
  for (const float scale : {1e-30F, 1e-3F, 1e20F}) {
    Matrix<float> patterns = random_gaussian(30, 17, rng);
    for (Index i = 0; i < patterns.size(); ++i) patterns.data()[i] *= scale;
    const Nearest result = nearest(Memory::modern_hopfield(test_device(), patterns), patterns);
    for (Index i = 0; i < 30; ++i) {
      EXPECT_EQ(result.pattern[static_cast<std::size_t>(i)], i) << scale;
      EXPECT_NEAR(result.overlap[static_cast<std::size_t>(i)], 1.0F, 1e-6F) << scale;
    }
  }
}

/// With thresholds −x doesn't do what x does.
TEST(NearestTest, ThresholdsLeaveNoInverses) {
  const Matrix<float> patterns = matrix({{1, -1, 1, 1}, {1, 1, -1, 1}});
  const Matrix<float> state = matrix({{-1, 1, -1, -1}});
  EXPECT_EQ(nearest(Memory::hebbian(test_device(), patterns), state).pattern[0], 0);
  EXPECT_EQ(nearest(Memory::hebbian(test_device(), patterns, {.thresholds = {0.5F, 0, 0, 0}}), state).pattern[0], 1);
}

TEST(NearestTest, StatesWithoutANearestOne) {
  const Memory memory = Memory::hebbian(test_device(), matrix({{1, 1}, {1, -1}}));
  const Nearest result = nearest(memory, matrix({{NAN, 1}, {0, 0}, {1, -1}}));
  EXPECT_EQ(result.pattern, (std::vector<Index>{-1, 0, 1}));
  EXPECT_TRUE(std::isnan(result.overlap[0]));
  EXPECT_EQ(result.overlap[1], 0.0F);
  EXPECT_EQ(result.overlap[2], 1.0F);
  EXPECT_TRUE(nearest(memory, Matrix<float>(0, 2)).pattern.empty());
}

TEST(NearestTest, BadInputIsNamed) {
  const Memory memory = Memory::hebbian(test_device(), matrix({{1, 1}, {1, -1}}));
  const Matrix<float> states = matrix({{1, 1}});
  EXPECT_THROW(static_cast<void>(nearest(memory, matrix({{1, 1, 1}}))), InvalidArgument);
  EXPECT_THROW(static_cast<void>(nearest(memory, states, {.count = 0})), InvalidArgument);
  EXPECT_THROW(static_cast<void>(nearest(memory, states, {.count = 3})), InvalidArgument);
  EXPECT_THROW(static_cast<void>(nearest(memory, states, {.threads = -1})), InvalidArgument);
}

}  // namespace
}  // namespace attractor::test
