/// More patterns than any block of them inside the engines: nothing but time may change.

#include <cmath>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

/// Queries near the first thousand patterns.
Matrix<float> queries_near(MatrixView<const float> patterns, Index count, Rng& rng) {
  return noisy_copies(patterns.slice(0, 1000), count, 0.05F, 0.3F, rng);
}

void expect_invariant(const Memory& memory, MatrixView<const float> queries, Rng& rng) {
  const auto relax = [&](MatrixView<const float> part) {
    return Relaxer(memory, {.max_steps = 3, .threads = 1}).relax(part);
  };

  const Relaxation together = relax(queries);

  for (const Index i : sample_rows(queries.rows, 4, rng))
    EXPECT_TRUE(same_row(relax(queries.slice(i, 1)), 0, together, i)) << "query " << i;
}

TEST(ManyPatternsTest, ModernHopfieldBeyondOneSegment) {
  Rng rng(70);
  const Matrix<float> patterns = random_gaussian(65537, 8, rng);
  const Matrix<float> queries = queries_near(patterns, 129, rng);

  expect_invariant(Memory::modern_hopfield(test_device(), patterns, {.beta = 30.0F}), queries, rng);
}

TEST(ManyPatternsTest, AdaptiveBeyondOneSegment) {
  Rng rng(71);
  const Matrix<float> patterns = random_gaussian(70000, 4, rng);
  const Matrix<float> queries = queries_near(patterns, 70, rng);
  const AdaptiveSimilarity similarity{.squared_distance = {20, 20, 20, 20}};

  expect_invariant(Memory::adaptive(test_device(), patterns, similarity), queries, rng);
}

/// Pattern 0 is {0}, all others {−1}; the query d has scores 0 and −d, so the posterior of pattern 0 is 1/(1 +
/// (P−1)e^−d) and the readout −(P−1)e^−d of that.
class SumTest : public testing::TestWithParam<Index> {
 protected:
  static Matrix<float> one_against_many(Index count) {
    Matrix<float> patterns(count, 1);
    std::fill_n(patterns.data(), count, -1.0F);
    patterns(0, 0) = 0.0F;
    return patterns;
  }

  static double posterior(Index count, float d) {
    return 1.0 / (1.0 + static_cast<double>(count - 1) * std::exp(-static_cast<double>(d)));
  }
};

TEST_P(SumTest, PosteriorsAreRightToAMillionth) {
  const Index count = GetParam();
  const Memory memory = Memory::modern_hopfield(test_device(), one_against_many(count));
  for (const float d : {8.0F, 14.0F}) {
    const Retrieval result = retrieve(memory, matrix({{d}}));

    EXPECT_EQ(result.pattern.front(), 0);
    EXPECT_NEAR(static_cast<double>(result.posterior.front()) / posterior(count, d), 1.0, 1e-6) << "query " << d;
  }
}

TEST_P(SumTest, ReadoutsAndEnergiesAreToo) {
  const Index count = GetParam();
  const Memory memory = Memory::modern_hopfield(test_device(), one_against_many(count));
  for (const float d : {0.25F, 12.5F}) {
    const Relaxation once =
        Relaxer(memory, {.halting = fixed_steps(), .max_steps = 1, .energies = true}).relax(matrix({{d}}));

    const double x = posterior(count, d) - 1.0;
    EXPECT_NEAR(static_cast<double>(once.states(0, 0)), x, 1e-5) << "query " << d;
    const auto reached = static_cast<double>(once.states(0, 0));
    const double lse = std::log(1.0 + static_cast<double>(count - 1) * std::exp(-reached));
    const double energy =
        -lse + 0.5 * reached * reached + std::log(static_cast<double>(count)) + (count > 1 ? 0.5 : 0.0);
    EXPECT_NEAR(static_cast<double>(once.energies.front()), energy, 2e-6 * (1.0 + lse)) << "query " << d;
  }
}

INSTANTIATE_TEST_SUITE_P(, SumTest, testing::Values(Index{1}, Index{1000}, Index{70001}, Index{1000000}));

/// The gradient by weights that all patterns share is a sum over them too.
TEST(ManyPatternsTest, GradientsOfSharedWeights) {
  Rng rng(72);
  const Index count = 200000;
  Matrix<float> patterns(count, 1);
  for (Index i = 0; i < count; ++i) patterns(i, 0) = i == 0 ? 0.0F : 1.0F;
  const std::vector<Index> origins = {0};
  SimilarityGradient gradient;
  const double loss =
      cross_entropy(test_device(), patterns, {.squared_distance = {3.0F}}, matrix({{0.25F}}), origins, &gradient);

  const double own = -0.0625;
  const double other = -0.5625;
  const double others = static_cast<double>(count - 1) * std::exp(3.0 * (other - own));
  EXPECT_NEAR(loss / std::log1p(others), 1.0, 1e-6);
  const double expected = (own + others * other) / (1.0 + others) - own;
  EXPECT_NEAR(gradient.squared_distance.front() / expected, 1.0, 4e-6);
}

}  // namespace
}  // namespace attractor::test
