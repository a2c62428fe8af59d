/// Dense associative memories: what the literature says of them, and their formulas written out.

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

Memory make_memory(MatrixView<const float> patterns, int order, bool rectified = false) {
  return Memory::dense_associative(test_device(), patterns, {.order = order, .rectified = rectified});
}

double overlap(MatrixView<const float> patterns, Index pattern, std::span<const float> state) {
  double sum = 0.0;
  for (std::size_t i = 0; i < state.size(); ++i)
    sum += static_cast<double>(patterns.row(pattern)[i]) * static_cast<double>(state[i]);
  return sum / static_cast<double>(patterns.columns);
}

class EveryOrderTest : public testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(, EveryOrderTest, testing::Range(2, 31));

/// −D Σ hⁿ/n by the library's pow, for states that a step has led to; a rectified memory counts h > 0 alone.
TEST_P(EveryOrderTest, EnergyIsThatOfTheFormula) {
  const int n = GetParam();
  Rng rng(90);
  const Matrix<float> patterns = random_gaussian(7, 19, rng);
  const Matrix<float> queries = noisy_copies(patterns, 9, 0.1F, 0.7F, rng);
  for (const bool rectified : {false, true}) {
    const Relaxer relaxer(
        make_memory(patterns, n, rectified),
        {.update = tanh_update(), .halting = fixed_steps(), .max_steps = 2, .energies = true, .threads = 1});

    const Relaxation result = relaxer.relax(queries);

    for (Index i = 0; i < queries.rows(); ++i) {
      double energy = 0.0;
      double magnitude = 0.0;
      for (Index mu = 0; mu < patterns.rows(); ++mu) {
        const double h = overlap(patterns, mu, row_of(result.states, i));
        if (rectified && h < 0.0) continue;
        energy -= 19.0 * std::pow(h, n) / n;
        magnitude += 19.0 * std::pow(std::abs(h), n) / n;
      }
      // A score errs by a few 2⁻²⁴ of ‖a‖‖x‖/D, which is of the order of h here, and its n-th power by n times that.
      EXPECT_NEAR(static_cast<double>(result.energies.at(static_cast<std::size_t>(i))), energy,
                  1e-6 * n * magnitude + 1e-30)
          << "query " << i << (rectified ? ", rectified" : "");
    }
  }
}

/// The potential of even and of rectified powers is convex, so that E(x') ≤ E(x) − u·(x' − x) with u·x' the largest
/// that a state of ±1 can have: synchronous sign updates never raise the energy, and so can't cycle.
TEST_P(EveryOrderTest, SignUpdatesNeverRaiseAConvexEnergy) {
  const int n = GetParam();
  Rng rng(91);
  const Matrix<float> patterns = random_bipolar(40, 33, rng);
  const Matrix<float> queries = random_bipolar(70, 33, rng);
  const Relaxer relaxer(make_memory(patterns, n, n % 2 != 0), {.max_steps = 30, .energy_trace = true});

  const Relaxation result = relaxer.relax(queries);

  for (Index i = 0; i < queries.rows(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    EXPECT_EQ(result.status[at], Status::converged) << "query " << i;
    for (Index t = 1; t < result.steps[at]; ++t)
      EXPECT_LE(result.energy_trace(i, t), result.energy_trace(i, t - 1) * (1.0F - 1e-5F)) << "query " << i;
  }
}

TEST(DenseAssociativeTest, OfOrderTwoIsHebbsRuleWithSelfCoupling) {
  Rng rng(92);
  const Matrix<float> patterns = random_gaussian(12, 50, rng);
  const Matrix<float> queries = noisy_copies(patterns, 70, 0.2F, 1.5F, rng);
  const Memory hebbian = Memory::hebbian(test_device(), patterns, {.self_coupling = true});
  const RelaxerOptions options{.update = tanh_update(), .halting = fixed_steps(), .max_steps = 3, .energies = true};

  const Relaxation result = Relaxer(make_memory(patterns, 2), options).relax(queries);

  const Relaxation expected = Relaxer(hebbian, options).relax(queries);
  for (Index i = 0; i < result.states.size(); ++i)
    EXPECT_NEAR(result.states.data()[i], expected.states.data()[i], 1e-5F);
  for (std::size_t i = 0; i < result.energies.size(); ++i)
    EXPECT_NEAR(result.energies[i], expected.energies[i], 1e-5F * std::abs(expected.energies[i]));
}

/// Share of the patterns that come back from copies with a tenth of their neurons flipped.
double recovered(int order, Index pattern_count) {
  Rng rng(93);
  const Matrix<float> patterns = random_bipolar(pattern_count, 64, rng);
  const Matrix<float> queries = flipped_copies(patterns, pattern_count, 0.1, rng);

  const Relaxation result = Relaxer(make_memory(patterns, order)).relax(queries);

  Index count = 0;
  for (Index i = 0; i < pattern_count; ++i)
    if (same_bits(row_of(result.states, i), row_of(patterns, i))) ++count;
  return static_cast<double>(count) / static_cast<double>(pattern_count);
}

/// Capacity grows like Dⁿ⁻¹ (Krotov, Hopfield 2016, eq. 6): of three times as many patterns as neurons order 2 holds
/// none, order 4 nearly all.
TEST(DenseAssociativeTest, HoldsFarMorePatternsThanNeurons) {
  EXPECT_LE(recovered(2, 192), 0.02);
  EXPECT_GE(recovered(4, 192), 0.98);
}

/// hⁿ⁻¹ has one sign for odd n, so that the field of −ξ is that of ξ.
TEST(DenseAssociativeTest, OddOrdersTurnANegativeBack) {
  Rng rng(94);
  const Matrix<float> patterns = random_bipolar(3, 100, rng);
  Matrix<float> negatives = copy(patterns);
  for (Index i = 0; i < negatives.size(); ++i) negatives.data()[i] *= -1.0F;

  EXPECT_TRUE(same_bits(Relaxer(make_memory(patterns, 5)).relax(negatives).states.view(), patterns.view()));
  EXPECT_TRUE(same_bits(Relaxer(make_memory(patterns, 6)).relax(negatives).states.view(), negatives.view()));
}

/// Patterns with the same overlap: where seven have one sign and seven the other their weights cancel, whatever
/// rounding makes of the sums, and the query's own sign stays.
TEST(DenseAssociativeTest, TiesKeepTheState) {
  for (const int order : {3, 4, 17, 30})
    for (const Index dimension : {6, 25, 99}) {
      Matrix<float> patterns(14, dimension);
      for (Index mu = 0; mu < 14; ++mu)
        for (Index i = 0; i < dimension; ++i) patterns(mu, i) = i == mu / 7 ? -1.0F : 1.0F;
      // More than fit a tile: some are scored as they take a lane that another has left.
      Rng rng(96);
      Matrix<float> queries = random_bipolar(200, dimension, rng);
      for (Index i = 0; i < 200; i += 2) std::fill_n(queries.row(i), dimension, 1.0F);

      const Relaxation result = Relaxer(make_memory(patterns, order), {.threads = 1}).relax(queries);

      for (Index i = 0; i < 200; i += 2) {
        EXPECT_TRUE(same_bits(row_of(result.states, i), row_of(queries, i))) << "order " << order << " query " << i;
        EXPECT_EQ(result.status[static_cast<std::size_t>(i)], Status::converged);
      }
    }
}

TEST(DenseAssociativeTest, PowersThatOverflowDivergeAndDisturbNobody) {
  Rng rng(95);
  const Matrix<float> patterns = random_bipolar(5, 30, rng);
  Matrix<float> queries = flipped_copies(patterns, 70, 0.1, rng);
  const Relaxer relaxer(make_memory(patterns, 5), {.max_steps = 20, .energies = true});
  const Relaxation clean = relaxer.relax(queries);
  for (Index i = 0; i < 30; ++i) queries(33, i) *= 1e30F;

  const Relaxation result = relaxer.relax(queries);

  for (Index i = 0; i < 70; ++i)
    if (i != 33) {
      EXPECT_TRUE(same_row(result, i, clean, i)) << "query " << i;
    }
  EXPECT_EQ(result.status[33], Status::diverged);
  EXPECT_EQ(result.steps[33], 1);
}

TEST(DenseAssociativeTest, ReadoutsThatGrowWithoutBoundsDiverge) {
  const Matrix<float> patterns = matrix({{1, -1, 1, 1}});
  const Matrix<float> queries = matrix({{2, -2, 2, 2}, {0.5F, -0.5F, 0.5F, 0.5F}});

  const Relaxation result =
      Relaxer(make_memory(patterns, 4), {.update = readout_update(), .halting = fixed_steps(), .max_steps = 8})
          .relax(queries);

  // 2^(3^t) leaves the range of float at t = 5.
  EXPECT_EQ(result.status[0], Status::diverged);
  EXPECT_EQ(result.steps[0], 5);
  EXPECT_EQ(result.status[1], Status::max_steps);
}

TEST(DenseAssociativeTest, SaysItsRule) {
  const Matrix<float> patterns = matrix({{1, -1}});
  EXPECT_EQ(make_memory(patterns, 4, true).rule(), "dense_associative(order = 4, rectified = true)");
  EXPECT_EQ(Memory::modern_hopfield(test_device(), patterns, {.beta = 0.5F}).rule(),
            "modern_hopfield(beta = 0.5, similarity = dot, separation = softmax)");
}

TEST(DenseAssociativeTest, RetrievesNoPatterns) {
  const Matrix<float> patterns = matrix({{1, -1}});
  EXPECT_THROW(static_cast<void>(retrieve(make_memory(patterns, 3), patterns)), NotSupported);
}

}  // namespace
}  // namespace attractor::test
