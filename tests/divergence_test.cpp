/// Queries whose state or energy stops being finite: they halt at once, and no other query notices.

#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

class DivergenceTest : public testing::TestWithParam<SystemKind> {
 protected:
  Memory memory() { return GetParam().memory(patterns_); }

  /// Relaxes many ordinary queries with and without `poison` in the middle one; only that one's row may differ.
  void expect_contained(float poison) {
    const Index victim = test_device_is_slow() ? 20 : 5000;
    Matrix<float> queries = noisy_copies(patterns_, 2 * victim, 0.2F, 1.5F, rng_);
    const Relaxer relaxer(memory(), {.update = tanh_update(), .max_steps = 5, .energy_trace = true, .threads = 2});
    const Relaxation clean = relaxer.relax(queries);
    queries(victim, 7) = poison;

    const Relaxation result = relaxer.relax(queries);

    for (Index i = 0; i < queries.rows(); ++i)
      if (i != victim) {
        ASSERT_TRUE(same_row(result, i, clean, i)) << "query " << i;
      }
    const auto at = static_cast<std::size_t>(victim);
    EXPECT_EQ(result.status[at], Status::diverged);
    EXPECT_EQ(result.steps[at], 0);
    EXPECT_TRUE(std::isnan(result.energies[at]));
    EXPECT_TRUE(same_bits(row_of(result.states, victim), row_of(queries, victim))) << "not the state it had reached";
    for (const float energy : row_of(result.energy_trace, victim)) EXPECT_TRUE(std::isnan(energy));
  }

  Rng rng_{30};
  Matrix<float> patterns_ = random_bipolar(3, 16, rng_);
};

TEST_P(DivergenceTest, OneNanAmongManyQueriesIsContained) { expect_contained(nan_value); }

TEST_P(DivergenceTest, OneInfinityAmongManyQueriesIsContained) { expect_contained(infinity); }

/// A query whose scores or weights overflow leaves nothing behind for those that take its place, not even past the end
/// of a state whose length is no multiple of what engines read at a time.
TEST_P(DivergenceTest, OverflowsDisturbNoneThatFollow) {
  const Matrix<float> patterns = random_gaussian(3, 15, rng_);
  const Memory memory = GetParam().memory(patterns);
  const Matrix<float> queries = noisy_copies(patterns, test_device_is_slow() ? 24 : 70, 0.2F, 1.5F, rng_);
  for (const NamedUpdate& update : all_updates()) {
    if (!GetParam().bears(update.update)) continue;
    SCOPED_TRACE(update.name);
    const Relaxer relaxer(memory, {.update = update.update, .max_steps = 3, .energies = true, .threads = 1});
    const Relaxation clean = relaxer.relax(queries);
    for (const float size : {1e30F, 3e38F}) {
      Matrix<float> overflowing = copy(queries);
      for (Index i = 0; i < 3; ++i) std::fill_n(overflowing.row(i), 15, i == 1 ? -size : size);

      const Relaxation result = relaxer.relax(overflowing);

      for (Index i = 3; i < queries.rows(); ++i) ASSERT_TRUE(same_row(result, i, clean, i)) << "query " << i;
    }
  }
}

TEST_P(DivergenceTest, EveryRuleSeesANan) {
  Matrix<float> queries = copy(patterns_);
  queries(1, 15) = nan_value;
  const Memory subject = memory();
  for (const Halting& rule : {energy_stable(), state_stable(0.1F), fixed_steps()})
    for (const NamedUpdate& update : all_updates()) {
      if (!GetParam().bears(update.update)) continue;
      const Relaxer relaxer(subject, {.update = update.update, .halting = rule, .max_steps = 2});

      const Relaxation result = relaxer.relax(queries);

      EXPECT_EQ(result.status[1], Status::diverged) << update.name;
      EXPECT_EQ(result.steps[1], 0) << update.name;
      EXPECT_NE(result.status[0], Status::diverged) << update.name;
      EXPECT_NE(result.status[2], Status::diverged) << update.name;
    }
}

TEST_P(DivergenceTest, ANanUnderAClampIsStillANan) {
  Matrix<float> queries = copy(patterns_);
  queries(1, 15) = nan_value;
  Matrix<std::uint8_t> clamped(3, 16);
  std::fill_n(clamped.data(), clamped.size(), std::uint8_t{1});

  const Relaxation result = Relaxer(memory(), {.max_steps = 4}).relax(queries, {.clamped = clamped.view()});

  EXPECT_EQ(result.status[1], Status::diverged);
  EXPECT_EQ(result.steps[1], 0);
}

TEST_P(DivergenceTest, AWholeBatchOfNansEnds) {
  Matrix<float> queries(test_device_is_slow() ? 40 : 300, 16);
  std::fill_n(queries.data(), queries.size(), nan_value);

  const Relaxation result = Relaxer(memory()).relax(queries);

  EXPECT_EQ(std::count(result.status.begin(), result.status.end(), Status::diverged), queries.rows());
}

INSTANTIATE_TEST_SUITE_P(, DivergenceTest, testing::ValuesIn(all_systems()),
                         [](const auto& test) { return test.param.name; });

/// A linear memory with self-coupling multiplies a pattern of norm² ‖a‖² by ‖a‖²/D in each readout: here by 1e6, so
/// that a state of order 1 leaves the range of float in its seventh step.
class OverflowTest : public testing::TestWithParam<std::tuple<Evaluation, float>> {
 protected:
  static Matrix<float> tall_pattern() {
    Matrix<float> pattern(1, 16);
    std::fill_n(pattern.data(), pattern.size(), 1000.0F);
    return pattern;
  }
};

TEST_P(OverflowTest, ReadoutsThatOverflowDiverge) {
  const auto [evaluation, rate] = GetParam();
  const Matrix<float> pattern = tall_pattern();
  Matrix<float> queries(70, 16);
  std::fill_n(queries.data(), queries.size(), 0.0F);
  std::fill_n(queries.row(33), 16, 1.0F);
  const Memory memory = Memory::hebbian(test_device(), pattern, {.self_coupling = true, .evaluation = evaluation});
  for (const Halting& rule : {energy_stable({.relative = 1e-4F}), state_stable(0.5F), fixed_steps()}) {
    const Relaxer relaxer(memory, {.update = blend_update(rate), .halting = rule, .max_steps = 20});

    const Relaxation result = relaxer.relax(queries);

    EXPECT_EQ(result.status[33], Status::diverged);
    EXPECT_GE(result.steps[33], 1);
    EXPECT_LE(result.steps[33], 8);
    for (Index i = 0; i < queries.rows(); ++i)
      if (i != 33) {
        EXPECT_NE(result.status[static_cast<std::size_t>(i)], Status::diverged) << "query " << i;
        EXPECT_TRUE(same_bits(row_of(result.states, i), row_of(queries, i))) << "query " << i;
      }
  }
}

INSTANTIATE_TEST_SUITE_P(, OverflowTest,
                         testing::Combine(testing::Values(Evaluation::factored, Evaluation::dense),
                                          testing::Values(0.5F, 1.0F)));

/// Whether a query diverges follows from its readouts: not from what else is asked for, nor from the form of the
/// memory, nor from how D fits the kernels.
class HugePatternTest : public testing::TestWithParam<std::tuple<float, Index>> {};

TEST_P(HugePatternTest, StatusDependsOnNothingElse) {
  const auto [entry, dimension] = GetParam();
  Matrix<float> pattern(1, dimension);
  std::fill_n(pattern.data(), dimension, entry);
  Matrix<float> queries(3, dimension);
  for (Index i = 0; i < 3; ++i) std::fill_n(queries.row(i), dimension, static_cast<float>(1 + i) * 0.5F);
  const double field = static_cast<double>(entry) * static_cast<double>(entry);
  const auto make = [&](Evaluation evaluation) {
    return Memory::hebbian(test_device(), pattern, {.self_coupling = true, .evaluation = evaluation});
  };
  const std::vector<Memory> forms = {make(Evaluation::factored), make(Evaluation::dense)};
  const bool overflows = field > static_cast<double>(std::numeric_limits<float>::max());
  for (const Update& update : {sign_update(), tanh_update(), tanh_update(0.0F)})
    for (const Halting& rule : {state_stable(0.0F), state_stable(0.5F, 2), fixed_steps()}) {
      std::optional<std::vector<std::int32_t>> steps;
      for (const Memory& memory : forms)
        for (const bool energies : {false, true}) {
          const Relaxer relaxer(memory, {.update = update, .halting = rule, .max_steps = 4, .energies = energies});

          const Relaxation result = relaxer.relax(queries);

          for (const Status status : result.status) EXPECT_EQ(status == Status::diverged, overflows);
          if (!steps) steps = result.steps;
          EXPECT_EQ(result.steps, *steps);
        }
    }
}

/// 0 times what is beyond the range of float is 0.
TEST_P(HugePatternTest, StatesOfZerosStay) {
  const auto [entry, dimension] = GetParam();
  Matrix<float> pattern(1, dimension);
  std::fill_n(pattern.data(), dimension, entry);
  Matrix<float> queries(2, dimension);
  std::fill_n(queries.data(), queries.size(), 0.0F);
  for (const Evaluation evaluation : {Evaluation::factored, Evaluation::dense})
    for (const float gain : {1.0F, 1e38F}) {
      if (evaluation == Evaluation::dense && entry > 1e19F) continue;  // There is no such matrix.
      const Memory memory = Memory::hebbian(test_device(), pattern, {.self_coupling = true, .evaluation = evaluation});
      const Relaxer relaxer(memory, {.update = tanh_update(gain), .halting = fixed_steps(), .max_steps = 2});

      const Relaxation result = relaxer.relax(queries);

      for (const Status status : result.status) EXPECT_NE(status, Status::diverged) << "gain " << gain;
      EXPECT_TRUE(same_bits(result.states, queries)) << "gain " << gain;
    }
}

// 1e18: fields are finite, the squares of scores aren't.
INSTANTIATE_TEST_SUITE_P(, HugePatternTest,
                         testing::Combine(testing::Values(1e18F, 1e20F, 3e38F),
                                          testing::Values(Index{1}, Index{7}, Index{8}, Index{15}, Index{16}, Index{17},
                                                          Index{24}, Index{64}, Index{65})));

/// Finite queries whose scores overflow.
TEST(OverflowingScoresTest, NothingIsRetrieved) {
  const Matrix<float> patterns = matrix({{0, 0}, {1, 1}});
  const Matrix<float> queries = matrix({{0.9F, 0.9F}, {1e20F, 1e20F}, {0.1F, 0.2F}, {-3e38F, 3e38F}});
  const std::vector<Memory> memories = {
      Memory::adaptive(test_device(), patterns, {.squared_distance = {1, 1}}),
      Memory::adaptive(test_device(), patterns, {.squared_distance = {1, 1}, .dot = {1, 1}}),
      Memory::modern_hopfield(test_device(), matrix({{-1e18F, 1e18F}, {1e18F, 1e18F}}), {.beta = 8.0F})};
  for (const Memory& memory : memories) {
    const Retrieval retrieval = retrieve(memory, queries);
    const Relaxation result = Relaxer(memory).relax(queries);

    for (const std::size_t i : {1U, 3U}) {
      EXPECT_EQ(retrieval.pattern[i], -1) << "query " << i;
      EXPECT_TRUE(std::isnan(retrieval.posterior[i])) << "query " << i;
      EXPECT_EQ(result.status[i], Status::diverged) << "query " << i;
    }
    for (const std::size_t i : {0U, 2U}) {
      EXPECT_NE(retrieval.pattern[i], -1) << "query " << i;
      EXPECT_NE(result.status[i], Status::diverged) << "query " << i;
    }
  }
}

/// A score that is infinite times 0, among many that are finite.
TEST(OverflowingScoresTest, OneThatIsNoNumberIsSeen) {
  Matrix<float> patterns(100, 2);
  std::fill_n(patterns.data(), patterns.size(), 1.0F);
  for (Index i = 0; i < 100; ++i) {
    patterns(i, 0) = i == 60 ? 1e30F : 1.0F;
    patterns(i, 1) = i == 60 ? -1e30F : static_cast<float>(i);
  }
  const Memory memory = Memory::modern_hopfield(test_device(), patterns);
  const Matrix<float> queries = matrix({{1e30F, 1e30F}, {0.5F, 0.25F}});

  const Retrieval retrieval = retrieve(memory, queries);
  const Relaxation result = Relaxer(memory).relax(queries);

  EXPECT_EQ(retrieval.pattern[0], -1);
  EXPECT_EQ(result.status[0], Status::diverged);
  EXPECT_EQ(retrieval.pattern[1], 60);
}

TEST(StatusTest, QueriesThatDoNotSettleReachMaxSteps) {
  // One pattern, zero diagonal: the antiparallel pair swaps for ever, which a rule that watches nothing doesn't see.
  const Memory memory = Memory::hebbian(test_device(), matrix({{1, -1}}));
  const Relaxer relaxer(memory, {.halting = fixed_steps(), .max_steps = 7});

  const Relaxation result = relaxer.relax(matrix({{1, 1}, {1, -1}}));

  EXPECT_EQ(result.status, (std::vector<Status>{Status::max_steps, Status::max_steps}));
  EXPECT_EQ(result.steps, (std::vector<std::int32_t>{7, 7}));
  EXPECT_TRUE(same_bits(result.states.view(), matrix({{-1, -1}, {1, -1}})));
}

}  // namespace
}  // namespace attractor::test
