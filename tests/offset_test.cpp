/// Constants that change nothing: priors common to all patterns, a vector added to all of them, the energy's zero.

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

Memory two_points(float first, float second, float prior, float other_prior) {
  return Memory::adaptive(test_device(), matrix({{first}, {second}}),
                          {.squared_distance = {1.0F}, .log_prior = {prior, other_prior}});
}

TEST(CommonPriorTest, LeavesStepsAndStatesAlone) {
  const Matrix<float> query = matrix({{0.25F}});
  const Relaxation plain = Relaxer(two_points(0, 1, 0, 0)).relax(query);
  EXPECT_NEAR(plain.states(0, 0), 0.4962F, 0.01F);
  for (const float prior : {1.0F, -3.0F, 1e4F, -1e7F, 1e9F}) {
    const Relaxation shifted = Relaxer(two_points(0, 1, prior, prior)).relax(query);

    EXPECT_TRUE(same_bits(shifted.states.view(), plain.states.view())) << "prior " << prior;
    EXPECT_EQ(shifted.steps, plain.steps) << "prior " << prior;
    EXPECT_EQ(shifted.status, plain.status) << "prior " << prior;
    const double energy = static_cast<double>(plain.energies[0]) - static_cast<double>(prior);
    EXPECT_NEAR(static_cast<double>(shifted.energies[0]), energy, 1e-6 * (1.0 + std::abs(energy)));
  }
}

TEST(CommonPriorTest, LeavesPosteriorsAndLossesAlone) {
  const std::vector<Index> origins = {0};
  const Matrix<float> patterns = matrix({{0}, {1}});
  for (const float prior : {0.0F, 1e4F, 1e7F, -1e7F}) {
    EXPECT_NEAR(retrieve(two_points(0, 1, prior, prior), matrix({{0.25F}})).posterior[0], 0.622459F, 1e-6F);

    SimilarityGradient gradient;
    const double loss =
        cross_entropy(test_device(), patterns, {.squared_distance = {1.0F}, .log_prior = {prior, prior}},
                      matrix({{0.25F}}), origins, &gradient);
    EXPECT_NEAR(loss, std::log(1.0 + std::exp(-0.5)), 1e-6);
    EXPECT_NEAR(gradient.log_prior[0], -0.377541, 1e-6);
  }
}

TEST(ZeroPriorTest, PatternsWithoutProbabilityAreNeverRetrieved) {
  Rng rng(90);
  const Index count = 100;
  const Matrix<float> patterns = random_gaussian(count, 3, rng);
  AdaptiveSimilarity similarity{.squared_distance = {2, 2, 2}, .log_prior = std::vector<float>(count, -infinity)};
  // All of the first block, and of any block but one.
  similarity.log_prior[77] = 0.5F;
  similarity.log_prior[78] = 0.0F;
  const Memory memory = Memory::adaptive(test_device(), patterns, similarity);

  const Retrieval retrieval = retrieve(memory, patterns);
  const Relaxation result = Relaxer(memory).relax(patterns);

  AdaptiveSimilarity left{.squared_distance = {2, 2, 2}, .log_prior = {0.5F, 0.0F}};
  const Memory two = Memory::adaptive(test_device(), patterns.view().slice(77, 2), left);
  const Retrieval expected = retrieve(two, patterns);
  const Relaxation relaxed = Relaxer(two).relax(patterns);
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    EXPECT_EQ(retrieval.pattern[i], 77 + expected.pattern[i]);
    EXPECT_NEAR(retrieval.posterior[i], expected.posterior[i], 1e-6F);
    EXPECT_EQ(result.status[i], relaxed.status[i]);
    for (Index k = 0; k < 3; ++k)
      EXPECT_NEAR(result.states(static_cast<Index>(i), k), relaxed.states(static_cast<Index>(i), k), 1e-5F);
  }
}

TEST(ZeroPriorTest, LossesLeaveThemOut) {
  const Matrix<float> patterns = matrix({{0}, {1}, {0.25F}});
  const std::vector<Index> origins = {0};
  SimilarityGradient gradient;
  const double loss =
      cross_entropy(test_device(), patterns, {.squared_distance = {1.0F}, .log_prior = {2, 2, -infinity}},
                    matrix({{0.25F}}), origins, &gradient);

  EXPECT_NEAR(loss, std::log(1.0 + std::exp(-0.5)), 1e-6);
  EXPECT_EQ(gradient.log_prior[2], 0.0);
  EXPECT_NEAR(gradient.squared_distance[0], -0.377541 * 0.5, 1e-6);
}

TEST(ZeroPriorTest, OneMustBeLeft) {
  EXPECT_THROW(two_points(0, 1, -infinity, -infinity), InvalidArgument);
  EXPECT_THROW(two_points(0, 1, 0, infinity), InvalidArgument);
  Memory memory = two_points(0, 1, -infinity, 0.0F);
  const std::vector<Index> last = {1};
  EXPECT_THROW(memory.forget(last), InvalidArgument);
  EXPECT_EQ(memory.pattern_count(), 2);
  const std::vector<Index> origins = {0};
  EXPECT_THROW(static_cast<void>(cross_entropy(test_device(), matrix({{0}, {1}}),
                                               {.squared_distance = {1.0F}, .log_prior = {-infinity, 0}},
                                               matrix({{0.5F}}), origins)),
               InvalidArgument);
}

TEST(LargeCoordinatesTest, TheNearestOfTwoFarPoints) {
  const Matrix<float> patterns = matrix({{4208292, 2335623.5F, 4171305}, {4208843.5F, 2334869.5F, 4171171.5F}});
  const Matrix<float> query = matrix({{4208848, 2334863.5F, 4171170.25F}});
  const Memory memory = Memory::modern_hopfield(test_device(), patterns);

  const Retrieval retrieval = retrieve(memory, query);
  const Relaxation result = Relaxer(memory).relax(query);

  EXPECT_EQ(retrieval.pattern[0], 1);
  EXPECT_EQ(retrieval.posterior[0], 1.0F);
  EXPECT_TRUE(same_bits(row_of(result.states, 0), row_of(patterns, 1)));
  EXPECT_EQ(result.status[0], Status::converged);
}

/// Weights see patterns only up to a common vector; a state is an average of patterns, so it moves along with them.
TEST(LargeCoordinatesTest, ACommonVectorMovesReadoutsAlong) {
  Rng rng(91);
  const Matrix<float> patterns = random_bipolar(40, 24, rng);
  const Matrix<float> queries = noisy_copies(patterns, 100, 0.1F, 1.0F, rng);
  Matrix<float> shifted = copy(patterns);
  std::vector<float> shift(24);
  for (std::size_t k = 0; k < shift.size(); ++k) shift[k] = k % 3 == 0 ? 0.0F : 4096.0F * static_cast<float>(k);
  for (Index i = 0; i < shifted.rows(); ++i)
    for (Index k = 0; k < shifted.columns(); ++k) shifted(i, k) += shift[static_cast<std::size_t>(k)];
  const auto relax = [&](const Matrix<float>& stored) {
    return Relaxer(Memory::modern_hopfield(test_device(), stored, {.beta = 0.5F}),
                   {.halting = fixed_steps(), .max_steps = 1, .energies = true})
        .relax(queries);
  };

  const Relaxation near = relax(patterns);
  const Relaxation far = relax(shifted);

  for (Index i = 0; i < queries.rows(); ++i)
    for (Index k = 0; k < queries.columns(); ++k) {
      const double moved =
          static_cast<double>(near.states(i, k)) + static_cast<double>(shift[static_cast<std::size_t>(k)]);
      EXPECT_NEAR(static_cast<double>(far.states(i, k)), moved, 1e-4 + 1e-7 * std::abs(moved));
    }
  const std::vector<Index> best = retrieve(Memory::modern_hopfield(test_device(), patterns), queries).pattern;
  EXPECT_EQ(retrieve(Memory::modern_hopfield(test_device(), shifted), queries).pattern, best);
}

/// Squared distances don't see it either, also where terms are rounded: their range is that of differences.
TEST(LargeCoordinatesTest, RoundedTermsGoByDifferences) {
  Rng rng(92);
  const Matrix<float> patterns = random_gaussian(50, 16, rng);
  const Matrix<float> queries = noisy_copies(patterns, 200, 0.1F, 0.4F, rng);
  const auto moved = [](const Matrix<float>& rows) {
    Matrix<float> result = copy(rows);
    for (Index i = 0; i < result.rows(); ++i)
      for (Index k = 0; k < result.columns(); k += 2) result(i, k) += 1024.0F * static_cast<float>(k);
    return result;
  };
  for (const TermPrecision precision : {TermPrecision::full, TermPrecision::bits16, TermPrecision::bits8}) {
    const AdaptiveSimilarity similarity{.squared_distance = std::vector<float>(16, 1.0F), .precision = precision};
    const auto best = [&](const Matrix<float>& stored, const Matrix<float>& asked) {
      return retrieve(Memory::adaptive(test_device(), stored, similarity), asked).pattern;
    };

    EXPECT_EQ(best(moved(patterns), moved(queries)), best(patterns, queries));
  }
}

TEST(DefaultHaltingTest, FollowsUpdateAndMemory) {
  const Matrix<float> patterns = matrix({{1, -1}, {-1, -1}});
  const auto halting = [](const Memory& memory, std::optional<Update> update = std::nullopt) {
    return Relaxer(memory, {.update = update}).options().halting.value();
  };
  const Memory linear = Memory::hebbian(test_device(), patterns);
  const Memory softmax = Memory::modern_hopfield(test_device(), patterns, {.beta = 4.0F});
  const Memory adaptive = Memory::adaptive(test_device(), patterns, {.dot = {1, 1}});

  EXPECT_EQ(halting(linear).watch, Halting::Watch::state);
  EXPECT_EQ(halting(linear).absolute, 0.0F);
  EXPECT_EQ(halting(softmax, sign_update()).watch, Halting::Watch::state);
  EXPECT_EQ(halting(linear, tanh_update()).watch, Halting::Watch::energy);
  EXPECT_EQ(halting(linear, tanh_update()).relative, 1e-4F);
  EXPECT_EQ(halting(softmax).watch, Halting::Watch::energy);
  EXPECT_EQ(halting(softmax).absolute, 0.25e-4F);
  EXPECT_EQ(halting(softmax).relative, 0.0F);
  EXPECT_EQ(halting(adaptive).absolute, 1e-4F);
}

}  // namespace
}  // namespace attractor::test
