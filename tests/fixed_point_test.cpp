/// Sign updates: fields that are exactly 0 are taken for 0, states reported converged are fixed points, and cycles of
/// two states are told from them.

#include <cmath>
#include <string>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "core/reference/relaxation.hpp"
#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

std::vector<Placement> placements() {
  if (test_device().kind() == Device::Kind::cpu) return {Placement::automatic};
  return {Placement::automatic, Placement::streamed};
}

/// Calls visit with every way to evaluate a linear memory.
template <class Visit>
void for_forms(const Visit& visit) {
  for (const Evaluation evaluation : {Evaluation::factored, Evaluation::dense})
    for (const Placement placement : placements()) {
      SCOPED_TRACE(testing::Message() << (evaluation == Evaluation::dense ? "dense" : "factored")
                                      << (placement == Placement::streamed ? ", streamed" : ""));
      visit(evaluation, placement);
    }
}

void expect_stored(const Memory& memory) {
  const Relaxation result = Relaxer(memory).relax(memory.patterns());

  EXPECT_TRUE(same_bits(result.states.view(), memory.patterns()));
  for (const Status status : result.status) EXPECT_EQ(status, Status::converged);
}

/// Random bipolar patterns, the last of which is the first but for one neuron.
Matrix<float> near_duplicates(Index count, Index dimension, Rng& rng) {
  Matrix<float> patterns = random_bipolar(count, dimension, rng);
  std::copy_n(patterns.row(0), dimension, patterns.row(count - 1));
  patterns(count - 1, dimension / 2) *= -1.0F;
  return patterns;
}

/// A stored pattern ξ has the field (1 − W_ii) ξ_i, W_ii ≤ 1: it never leaves, though W_ii may be 1 and the field
/// noise.
TEST(ProjectionPatternsTest, TwoThatDifferInOneNeuronStay) {
  Rng rng(80);
  for (const Index dimension : {2, 10, 33, 100, 321, 1000})
    for (int round = 0; round < 5; ++round) {
      const Matrix<float> patterns = near_duplicates(2, dimension, rng);
      for_forms([&](Evaluation evaluation, Placement placement) {
        expect_stored(Memory::projection(test_device(), patterns, {.evaluation = evaluation, .placement = placement}));
      });
    }
}

TEST(ProjectionPatternsTest, StayInManyShapes) {
  Rng rng(81);
  for (const auto& [count, dimension] :
       {std::pair<Index, Index>{1, 1}, {1, 2}, {1, 17}, {3, 7}, {8, 64}, {16, 32}, {20, 100}, {31, 257}, {60, 128}})
    for (int round = 0; round < 3; ++round) {
      const Matrix<float> patterns =
          count < 3 ? random_bipolar(count, dimension, rng) : near_duplicates(count, dimension, rng);
      for_forms([&](Evaluation evaluation, Placement placement) {
        try {
          expect_stored(
              Memory::projection(test_device(), patterns, {.evaluation = evaluation, .placement = placement}));
        } catch (const DependentPatterns&) {
          // Small random patterns may be.
        }
      });
    }
}

/// As many independent patterns as neurons: W is the identity, every field is 0 and every state stays.
TEST(ProjectionPatternsTest, AsManyAsNeuronsKeepEveryState) {
  Rng rng(82);
  for (const Index dimension : {1, 2, 9, 24, 65}) {
    Matrix<float> patterns(dimension, dimension);
    for (Index i = 0; i < dimension; ++i)
      for (Index j = 0; j < dimension; ++j) patterns(i, j) = j > i ? -1.0F : 1.0F;
    const Matrix<float> queries = stack(random_bipolar(40, dimension, rng), random_gaussian(40, dimension, rng));
    for_forms([&](Evaluation evaluation, Placement placement) {
      const Memory memory =
          Memory::projection(test_device(), patterns, {.evaluation = evaluation, .placement = placement});

      EXPECT_TRUE(same_bits(Relaxer(memory).relax(queries).states.view(), queries)) << dimension << " neurons";
    });
  }
}

/// Where a row of W is 0, the neuron keeps its value, however the sums that cancel are rounded.
TEST(HebbianTest, NeuronsWithoutWeightsKeepRealValues) {
  Rng rng(83);
  const Matrix<float> lone = random_bipolar(31, 1, rng);
  // Columns that are orthogonal to one another: W is 0 but for its diagonal.
  const Matrix<float> orthogonal = matrix({{1, 1, 1}, {1, -1, -1}, {1, 1, -1}, {1, -1, 1}});
  for (const Matrix<float>* const patterns : {&lone, &orthogonal}) {
    Matrix<float> queries = random_gaussian(200, patterns->columns(), rng);
    for (Index i = 0; i < queries.size(); ++i) queries.data()[i] *= std::pow(10.0F, static_cast<float>(i % 9) - 4.0F);
    for_forms([&](Evaluation evaluation, Placement placement) {
      const Memory memory =
          Memory::hebbian(test_device(), *patterns, {.evaluation = evaluation, .placement = placement});

      EXPECT_TRUE(same_bits(Relaxer(memory).relax(queries).states.view(), queries));
    });
  }
}

/// Ties of bipolar states are exact, also where states are bipolar times any factor.
TEST(HebbianTest, TiesFollowTheOracle) {
  Rng rng(84);
  for (const float factor : {1.0F, 0.3F, 7e-3F, 1e-12F, 3e10F}) {
    const Matrix<float> patterns = random_bipolar(6, 40, rng);
    Matrix<float> queries = random_bipolar(60, 40, rng);
    for (Index i = 0; i < queries.size(); ++i) queries.data()[i] *= factor;
    const reference::Model model = reference::hebbian(patterns);
    for_forms([&](Evaluation evaluation, Placement placement) {
      const Memory memory =
          Memory::hebbian(test_device(), patterns, {.evaluation = evaluation, .placement = placement});
      const Relaxation result = Relaxer(memory, {.max_steps = 30}).relax(queries);
      for (Index i = 0; i < queries.rows(); ++i) {
        const auto at = static_cast<std::size_t>(i);
        const reference::Outcome expected = reference::relax(
            model, {.update = sign_update(), .halting = state_stable(0.0F), .max_steps = 30}, row_of(queries, i));
        ASSERT_EQ(result.steps[at], expected.steps) << "factor " << factor << " query " << i;
        ASSERT_EQ(result.status[at], expected.status) << "factor " << factor << " query " << i;
        for (std::size_t k = 0; k < expected.state.size(); ++k)
          ASSERT_EQ(static_cast<double>(result.states(i, static_cast<Index>(k))), expected.state[k]);
      }
    });
  }
}

TEST(OscillationTest, AntiparallelPairSwapsForEver) {
  for_forms([&](Evaluation evaluation, Placement placement) {
    const Memory memory =
        Memory::hebbian(test_device(), matrix({{1, -1}}), {.evaluation = evaluation, .placement = placement});
    for (const bool energies : {false, true}) {
      const Relaxation result = Relaxer(memory, {.energies = energies}).relax(matrix({{-1, -1}, {1, 1}, {1, -1}}));

      EXPECT_EQ(result.status, (std::vector<Status>{Status::oscillating, Status::oscillating, Status::converged}));
      EXPECT_EQ(result.steps, (std::vector<std::int32_t>{2, 2, 2}));
      EXPECT_TRUE(same_bits(result.states.view(), matrix({{-1, -1}, {1, 1}, {1, -1}})));
      if (energies) {
        EXPECT_EQ(result.energies, (std::vector<float>{0.5F, 0.5F, -0.5F}));
      }
    }
  });
}

/// Energy halting stays what it was: the two states have the same energy.
TEST(OscillationTest, EnergiesDontTellStatesApart) {
  const Memory memory = Memory::hebbian(test_device(), matrix({{1, -1}}));

  const Relaxation result = Relaxer(memory, {.halting = energy_stable()}).relax(matrix({{-1, -1}}));

  EXPECT_EQ(result.status.front(), Status::converged);
}

TEST(OscillationTest, SumOfTwoStepsWithClampedNeurons) {
  const Memory memory = Memory::hebbian(test_device(), matrix({{1, -1, 1}}));
  const Matrix<float> query = matrix({{1, 1, 1}});
  Matrix<std::uint8_t> clamped(1, 3);
  std::fill_n(clamped.data(), 3, std::uint8_t{0});
  clamped(0, 0) = 1;

  const Relaxation result = Relaxer(memory).relax(query, {.clamped = clamped.view()});

  EXPECT_EQ(result.states(0, 0), 1.0F);
  EXPECT_NE(result.status.front(), Status::max_steps);
}

/// Beyond capacity, where few states settle.
class CrowdedTest : public testing::TestWithParam<std::tuple<Evaluation, Index>> {};

TEST_P(CrowdedTest, ConvergedStatesAreFixedPointsAndOthersOscillate) {
  const auto [evaluation, dimension] = GetParam();
  Rng rng(85);
  const Matrix<float> patterns = random_bipolar(dimension * 3 / 20 + 1, dimension, rng);
  const bool small = test_device().kind() == Device::Kind::cuda;
  const Matrix<float> queries = random_bipolar(small ? 60 : 300, dimension, rng);
  for (const Placement placement : placements()) {
    const Memory memory = Memory::hebbian(test_device(), patterns, {.evaluation = evaluation, .placement = placement});

    const Relaxation result = Relaxer(memory, {.max_steps = 1000}).relax(queries);
    const Relaxation once = Relaxer(memory, {.halting = fixed_steps(), .max_steps = 1}).relax(result.states);
    const Relaxation twice = Relaxer(memory, {.halting = fixed_steps(), .max_steps = 2}).relax(result.states);

    Index oscillating = 0;
    Index converged = 0;
    for (Index i = 0; i < queries.rows(); ++i) {
      const Status status = result.status[static_cast<std::size_t>(i)];
      const bool stays = same_bits(row_of(once.states, i), row_of(result.states, i));
      if (status == Status::converged) {
        EXPECT_TRUE(stays) << "query " << i;
      }
      if (status == Status::oscillating) {
        EXPECT_FALSE(stays) << "query " << i;
        EXPECT_TRUE(same_bits(row_of(twice.states, i), row_of(result.states, i))) << "query " << i;
      }
      converged += status == Status::converged ? 1 : 0;
      oscillating += status == Status::oscillating ? 1 : 0;
    }
    EXPECT_EQ(converged + oscillating, queries.rows());
    EXPECT_GT(oscillating, 0);
    EXPECT_GT(converged, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(, CrowdedTest,
                         testing::Combine(testing::Values(Evaluation::factored, Evaluation::dense),
                                          testing::Values(Index{40}, Index{200})));

TEST(OscillationTest, DoesNotDependOnTheBatch) {
  Rng rng(86);
  const Matrix<float> patterns = random_bipolar(8, 50, rng);
  Matrix<float> queries = stack(random_bipolar(150, 50, rng), random_gaussian(150, 50, rng));
  const Matrix<std::uint8_t> clamped = random_mask(queries.rows(), 50, 0.1, rng);
  for_forms([&](Evaluation evaluation, Placement placement) {
    if (placement == Placement::streamed) return;  // Which promises less.
    const Memory memory = Memory::hebbian(test_device(), patterns, {.evaluation = evaluation});
    for (const bool energies : {false, true}) {
      const Relaxer relaxer(memory, {.energies = energies, .threads = 2});
      const Relaxation together = relaxer.relax(queries, {.clamped = clamped.view()});
      EXPECT_GT(std::count(together.status.begin(), together.status.end(), Status::oscillating), 0);
      for (const Index i : sample_rows(queries.rows(), 40, rng)) {
        const Relaxation alone = relaxer.relax(queries.view().slice(i, 1), {.clamped = clamped.view().slice(i, 1)});
        EXPECT_TRUE(same_row(alone, 0, together, i)) << "query " << i;
      }
    }
  });
}

/// Storkey 1997: more random patterns than Hebb's rule holds, of which each is a fixed point.
TEST(StorkeyTest, HoldsMorePatternsThanHebb) {
  Rng rng(240);
  const Matrix<float> patterns = random_bipolar(25, 100, rng);
  const auto kept = [&](const Memory& memory) {
    const Relaxation result = Relaxer(memory).relax(patterns);
    Index count = 0;
    for (Index i = 0; i < 25; ++i) count += same_bits(row_of(result.states, i), row_of(patterns, i)) ? 1 : 0;
    return count;
  };
  EXPECT_EQ(kept(Memory::storkey(test_device(), patterns)), 25);
  EXPECT_LT(kept(Memory::hebbian(test_device(), patterns)), 10);
}

TEST(StorkeyTest, LearnsTheFirstPatternAsHebbDoes) {
  Rng rng(241);
  const Matrix<float> pattern = random_bipolar(1, 40, rng);
  const Matrix<float> queries = flipped_copies(pattern, 50, 0.45, rng);
  const RelaxerOptions options{.energies = true};
  const Relaxation storkey = Relaxer(Memory::storkey(test_device(), pattern), options).relax(queries);
  const Relaxation hebb = Relaxer(Memory::hebbian(test_device(), pattern), options).relax(queries);
  EXPECT_TRUE(same_bits(storkey.states, hebb.states));
  for (std::size_t i = 0; i < 50; ++i) EXPECT_NEAR(storkey.energies[i], hebb.energies[i], 1e-5F);
}

TEST(StorkeyTest, RefusesPatternsWhoseWeightsOverflow) {
  EXPECT_THROW(Memory::storkey(test_device(), matrix({{1e15F, 1e15F, -1e15F}, {1e15F, -1e15F, 1e15F}})),
               InvalidArgument);
}

}  // namespace
}  // namespace attractor::test
