/// Learning rules of linear memories, by what their papers say of them.

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

/// Both matrices side by side.
Matrix<float> join(MatrixView<const float> left, MatrixView<const float> right) {
  Matrix<float> result(left.rows, left.columns + right.columns);
  for (Index i = 0; i < left.rows; ++i) {
    std::copy_n(left.row(i), left.columns, result.row(i));
    std::copy_n(right.row(i), right.columns, result.row(i) + left.columns);
  }
  return result;
}

Matrix<float> zeros(Index rows, Index columns) { return filled(rows, columns, 0.0F); }

/// sign(Σ_μ to_μ (from_μ·x)), where that is 0 what was there: a half step of a bidirectional memory.
Matrix<float> pass(MatrixView<const float> from, MatrixView<const float> to, MatrixView<const float> states,
                   Matrix<float> others) {
  for (Index i = 0; i < states.rows; ++i)
    for (Index j = 0; j < to.columns; ++j) {
      double field = 0.0;
      for (Index mu = 0; mu < from.rows; ++mu) {
        double score = 0.0;
        for (Index k = 0; k < from.columns; ++k)
          score += static_cast<double>(from(mu, k)) * static_cast<double>(states(i, k));
        field += score * static_cast<double>(to(mu, j));
      }
      if (field != 0.0) others(i, j) = field > 0.0 ? 1.0F : -1.0F;
    }
  return others;
}

class BidirectionalTest : public testing::Test {
 protected:
  static constexpr Index first = 60;
  static constexpr Index second = 37;
  static constexpr Index count = 4;

  [[nodiscard]] Memory memory() const { return Memory::bidirectional(test_device(), pairs_, {.first = first}); }

  Rng rng_{600};
  Matrix<float> pairs_ = random_bipolar(count, first + second, rng_);
  Matrix<float> left_ = columns(pairs_, 0, first);
  Matrix<float> right_ = columns(pairs_, first, second);
};

TEST_F(BidirectionalTest, EachLayerRecallsTheOther) {
  const Relaxer relaxer(memory());

  const Relaxation forwards = relaxer.relax(join(left_, zeros(count, second)));
  const Relaxation backwards = relaxer.relax(join(zeros(count, first), right_));

  EXPECT_TRUE(same_bits(forwards.states, pairs_));
  EXPECT_TRUE(same_bits(backwards.states, pairs_));
  for (const Relaxation* const result : {&forwards, &backwards})
    EXPECT_EQ(result->status, std::vector<Status>(count, Status::converged));
}

/// Kosko 1988: the layers take turns. From one layer alone steps of both at once are just that.
TEST_F(BidirectionalTest, TakesTurnsAsPublished) {
  const Matrix<float> queries = flipped_copies(left_, 50, 0.35, rng_);
  Matrix<float> x = copy(queries);
  Matrix<float> y = pass(left_, right_, x, zeros(50, second));
  for (int t = 1; t <= 6; ++t) {
    const Relaxation result =
        Relaxer(memory(), {.halting = fixed_steps(), .max_steps = t}).relax(join(queries, zeros(50, second)));

    EXPECT_TRUE(same_bits(result.states, join(x, y))) << t;
    if (t % 2 != 0)
      x = pass(right_, left_, y, std::move(x));
    else
      y = pass(left_, right_, x, std::move(y));
  }
}

/// −xᵀWy with W = Σ ξᵀη/D.
TEST_F(BidirectionalTest, EnergyIsThatBetweenTheLayers) {
  const Matrix<float> states = random_bipolar(5, first + second, rng_);
  const Matrix<std::uint8_t> all = filled<std::uint8_t>(5, first + second, 1);
  const Relaxation result =
      Relaxer(memory(), {.max_steps = 1, .energies = true}).relax(states, {.clamped = all.view()});
  for (Index i = 0; i < 5; ++i) {
    double energy = 0.0;
    for (Index mu = 0; mu < count; ++mu) {
      double x = 0.0;
      double y = 0.0;
      for (Index k = 0; k < first + second; ++k)
        (k < first ? x : y) += static_cast<double>(pairs_(mu, k)) * static_cast<double>(states(i, k));
      energy -= x * y / static_cast<double>(first + second);
    }
    EXPECT_NEAR(static_cast<double>(result.energies[static_cast<std::size_t>(i)]), energy, 1e-4);
  }
}

TEST_F(BidirectionalTest, LearnsAndForgetsPairs) {
  Memory changed = Memory::bidirectional(test_device(), pairs_.view().slice(0, 2), {.first = first});
  changed.imprint(pairs_.view().slice(2, 2));
  const Matrix<float> queries = random_bipolar(9, first + second, rng_);
  EXPECT_TRUE(same_results(Relaxer(changed).relax(queries), Relaxer(memory()).relax(queries)));
}

/// A query halfway between two patterns goes where its thresholds let it.
TEST(ThresholdTest, AFieldChoosesBetweenPatterns) {
  Rng rng(601);
  const Matrix<float> patterns = random_bipolar(2, 100, rng);
  const Matrix<float> query = zeros(1, 100);
  for (Index chosen = 0; chosen < 2; ++chosen)
    for (const Evaluation evaluation : {Evaluation::factored, Evaluation::dense}) {
      std::vector<float> thresholds;
      for (Index k = 0; k < 100; ++k) thresholds.push_back(-0.01F * patterns(chosen, k));
      const Memory memory =
          Memory::hebbian(test_device(), patterns, {.thresholds = thresholds, .evaluation = evaluation});

      const Relaxation result = Relaxer(memory).relax(query);

      EXPECT_TRUE(same_bits(result.states, patterns.view().slice(chosen, 1)));
      EXPECT_EQ(result.status[0], Status::converged);
    }
}

/// Fields that meet a threshold exactly are ties, those a little beside it are not.
TEST(ThresholdTest, TiesAreThoseWithTheThreshold) {
  const Matrix<float> patterns = matrix({{1, 1, 1, 1, 1, 1, 1, 1}});
  const Matrix<float> query = matrix({{1, 1, 1, 1, 1, -1, -1, -1}});  // Fields are 1/8 where x = 1, 3/8 elsewhere.
  const auto next = [&](float threshold) {
    const Memory memory = Memory::hebbian(test_device(), patterns, {.thresholds = std::vector<float>(8, threshold)});
    return Relaxer(memory, {.halting = fixed_steps(), .max_steps = 1}).relax(query);
  };
  EXPECT_TRUE(same_bits(next(0.125F).states, matrix({{1, 1, 1, 1, 1, 1, 1, 1}})));
  EXPECT_TRUE(same_bits(next(0.126F).states, matrix({{-1, -1, -1, -1, -1, 1, 1, 1}})));
  EXPECT_TRUE(same_bits(next(0.375F).states, matrix({{-1, -1, -1, -1, -1, -1, -1, -1}})));
}

/// Palimpsests: past the capacity of a memory that keeps all, one that fades still has the last patterns.
TEST(FadingTest, TheLastPatternsAreRemembered) {
  Rng rng(602);
  constexpr Index dimension = 200;
  const Matrix<float> patterns = random_bipolar(120, dimension, rng);
  const auto kept = [&](const Memory& memory, Index first) {
    const MatrixView<const float> some = patterns.view().slice(first, 8);
    const Relaxation result = Relaxer(memory).relax(some);
    Index count = 0;
    for (Index i = 0; i < 8; ++i) {
      Index same = 0;
      for (Index k = 0; k < dimension; ++k) same += result.states(i, k) == some(i, k) ? 1 : 0;
      count += same >= dimension * 19 / 20 ? 1 : 0;
    }
    return count;
  };
  const Memory all = Memory::hebbian(test_device(), patterns);
  const Memory fading = Memory::hebbian(test_device(), patterns, {.decay = 0.94F});

  EXPECT_EQ(kept(all, 112), 0);
  EXPECT_EQ(kept(fading, 112), 8);
  EXPECT_EQ(kept(fading, 0), 0);
}

TEST(FadingTest, ImprintGoesOnWhereItWas) {
  Rng rng(603);
  const Matrix<float> patterns = random_bipolar(12, 33, rng);
  const Matrix<float> queries = flipped_copies(patterns, 40, 0.2, rng);
  const HebbianOptions options{.rate = 0.5F, .decay = 0.8F};
  Memory grown = Memory::hebbian(test_device(), patterns.view().slice(0, 7), options);
  grown.imprint(patterns.view().slice(7, 5));

  EXPECT_TRUE(same_results(Relaxer(grown).relax(queries),
                           Relaxer(Memory::hebbian(test_device(), patterns, options)).relax(queries)));
}

TEST(FadingTest, TheRateIsAFactorOfTheEnergy) {
  Rng rng(604);
  const Matrix<float> patterns = random_bipolar(5, 64, rng);
  const Matrix<float> queries = flipped_copies(patterns, 20, 0.2, rng);
  const auto relax = [&](float rate) {
    return Relaxer(Memory::hebbian(test_device(), patterns, {.rate = rate}), {.energies = true}).relax(queries);
  };
  const Relaxation one = relax(1.0F);
  const Relaxation four = relax(4.0F);
  EXPECT_TRUE(same_bits(one.states, four.states));
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(4.0F * one.energies[i], four.energies[i]);
}

}  // namespace
}  // namespace attractor::test
