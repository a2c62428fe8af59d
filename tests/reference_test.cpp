/// The oracle itself, against cases worked out by hand, and the pieces of core/ that every path shares.

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include <attractor/halting.hpp>

#include "core/reference/relaxation.hpp"
#include "tests/support/data.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

using reference::Vector;

void expect_near(const Vector& actual, const Vector& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-14) << "entry " << i;
}

// The patterns (1, 1, −1) and (1, −1, 1): AᵀA is 2 on the diagonal, −2 between neurons 1 and 2, 0 elsewhere.
Matrix<float> two_patterns() { return matrix({{1, 1, -1}, {1, -1, 1}}); }

TEST(ReferenceHebbian, ClearsTheDiagonal) {
  const reference::Model model = reference::hebbian(two_patterns());
  const Vector state{1, 1, -1};

  expect_near(reference::readout(model, state), {0, 2.0 / 3, -2.0 / 3});
  EXPECT_NEAR(reference::energy(model, state), -2.0 / 3, 1e-14);
}

TEST(ReferenceHebbian, KeepsTheDiagonalWhenAsked) {
  const reference::Model model = reference::hebbian(two_patterns(), true);
  const Vector state{1, 1, -1};

  expect_near(reference::readout(model, state), {2.0 / 3, 4.0 / 3, -4.0 / 3});
  EXPECT_NEAR(reference::energy(model, state), -5.0 / 3, 1e-14);
}

TEST(ReferenceProjection, IsTheProjectorOntoThePatterns) {
  const reference::Model model = reference::projection(matrix({{1, 1, 1, 1}, {1, 1, 1, -1}}), 0.0, true);

  expect_near(reference::readout(model, Vector{1, 1, 1, 1}), {1, 1, 1, 1});
  expect_near(reference::readout(model, Vector{1, 1, 1, -1}), {1, 1, 1, -1});
  expect_near(reference::readout(model, Vector{1, -1, 0, 0}), {0, 0, 0, 0});
  expect_near(reference::readout(model, Vector{3, 0, 0, 5}), {1, 1, 1, 5});
}

TEST(ReferenceProjection, RidgeShrinksTheField) {
  // One pattern of norm² D: W = aaᵀ/D / (1 + λ).
  const reference::Model model = reference::projection(matrix({{1, -1}}), 1.0, true);

  expect_near(reference::readout(model, Vector{1, -1}), {0.5, -0.5});
}

TEST(ReferenceProjection, ClearsTheDiagonal) {
  const reference::Model model = reference::projection(matrix({{1, -1}}));

  expect_near(reference::readout(model, Vector{3, 5}), {-2.5, -1.5});
}

TEST(ReferenceModernHopfield, IsTanhForTwoOppositePatterns) {
  const reference::Model model = reference::modern_hopfield(matrix({{1}, {-1}}), 2.0);
  const Vector state{0.5};

  // Scores are ±1. −½ log(2 cosh 1) + ½·½² + ½ log 2 + ½.
  expect_near(reference::readout(model, state), {std::tanh(1.0)});
  EXPECT_NEAR(reference::energy(model, state), -0.5 * std::log(std::cosh(1.0)) + 0.125 + 0.5, 1e-14);
}

TEST(ReferenceModernHopfield, SurvivesScoresThatOverflowExp) {
  const reference::Model model = reference::modern_hopfield(matrix({{100, 0}, {0, 100}}), 1.0);
  const Vector state{100, 0};

  // lse = 10000; −10000 + ½·10000 + log 2 + ½·10000.
  expect_near(reference::readout(model, state), {100, 0});
  EXPECT_NEAR(reference::energy(model, state), std::log(2.0), 1e-11);
}

TEST(ReferenceModernHopfield, RecallsContentsByTheSameWeights) {
  const reference::SoftmaxModel model = reference::modern_hopfield(matrix({{1}, {-1}}), 1.0);
  const double first = 1.0 / (1.0 + std::exp(-1.0));

  expect_near(reference::recall(model, matrix({{10, 0}, {0, 20}}), Vector{0.5}), {10 * first, 20 * (1 - first)});
}

TEST(ReferenceUpdate, FollowsItsFormula) {
  const Vector state{0.5, -2, 1, 3};
  const Vector field{1, -3, 0, -0.0};

  expect_near(reference::apply(tanh_update(0.5F), state, field),
              {std::tanh(1.0), std::tanh(-3.5), std::tanh(1.0), std::tanh(3.0)});
  expect_near(reference::apply(sign_update(), state, field), {1, -1, 1, 3});
  expect_near(reference::apply(readout_update(), state, field), {1, -3, 0, 0});
  expect_near(reference::apply(blend_update(0.25F), state, field), {0.625, -2.25, 0.75, 2.25});
}

TEST(ReferenceRelax, TwoNeuronsOscillateAtEqualEnergy) {
  // W = ½[[0, −1], [−1, 0]]: (1, 1) and (−1, −1) follow each other, both with energy ½.
  const reference::Model model = reference::hebbian(matrix({{1, -1}}));
  const std::vector<float> query{1, 1};

  const auto by_energy = reference::relax(model, {.update = sign_update()}, query);
  const auto by_state =
      reference::relax(model, {.update = sign_update(), .halting = state_stable(0.0F), .max_steps = 7}, query);

  EXPECT_EQ(by_energy.status, Status::converged);
  EXPECT_EQ(by_energy.steps, 2);
  expect_near(by_energy.state, {1, 1});
  expect_near(by_energy.trace, {0.5, 0.5});
  EXPECT_EQ(by_state.status, Status::oscillating);
  EXPECT_EQ(by_state.steps, 2);
  expect_near(by_state.state, {1, 1});
}

TEST(ReferenceRelax, KeepsClampedNeurons) {
  const reference::Model model = reference::hebbian(matrix({{1, -1}}));
  const std::vector<float> query{1, 1};
  const std::vector<std::uint8_t> clamped{1, 0};

  const auto outcome = reference::relax(model, {.update = sign_update()}, query, clamped);

  expect_near(outcome.state, {1, -1});
  EXPECT_EQ(outcome.energy, -0.5);
  EXPECT_EQ(outcome.steps, 2);
}

TEST(ReferenceRelax, DivergesAtOnceOnAQueryThatIsNotFinite) {
  const reference::Model model = reference::hebbian(two_patterns());

  const auto outcome = reference::relax(model, {.update = tanh_update()},
                                        std::vector<float>{1, std::numeric_limits<float>::quiet_NaN(), 1});

  EXPECT_EQ(outcome.status, Status::diverged);
  EXPECT_EQ(outcome.steps, 0);
  EXPECT_TRUE(std::isnan(outcome.energy));
  EXPECT_TRUE(outcome.trace.empty());
}

/// The steps t at which the monitor halts a query whose energies (or squared changes) are these.
std::vector<int> energy_halts(const Halting& rule, const Vector& energies) {
  HaltingMonitor monitor;
  std::vector<int> halts;
  for (int t = 1; t <= static_cast<int>(energies.size()); ++t)
    if (monitor.energy_halts(rule, t, energies[static_cast<std::size_t>(t - 1)])) halts.push_back(t);
  return halts;
}

std::vector<int> state_halts(const Halting& rule, const Vector& squared_changes) {
  HaltingMonitor monitor;
  std::vector<int> halts;
  for (int t = 1; t <= static_cast<int>(squared_changes.size()); ++t)
    if (monitor.state_halts(rule, t, squared_changes[static_cast<std::size_t>(t - 1)])) halts.push_back(t);
  return halts;
}

using Steps = std::vector<int>;

TEST(HaltingMonitorTest, NoEnergyBeforeTheFirstCounts) {
  // E_1 = 0 equals the monitor's initial value; without an E_0, that is no change.
  EXPECT_EQ(energy_halts(energy_stable(), {0, 0}), Steps{2});
  EXPECT_EQ(energy_halts(energy_stable({.patience = 2}), {0, 0, 0}), Steps{3});
}

TEST(HaltingMonitorTest, AbsoluteAndRelativeTolerancesAdd) {
  const Halting rule = energy_stable({.absolute = 1.0F, .relative = 0.25F});

  EXPECT_EQ(energy_halts(rule, {-5, -8}), Steps{2});
  EXPECT_EQ(energy_halts(rule, {-4, -8}), Steps{});
  EXPECT_EQ(energy_halts(rule, {8, -8, 8}), Steps{});
}

TEST(HaltingMonitorTest, PatienceStartsAnewAfterAChange) {
  const Halting rule = energy_stable({.absolute = 0.5F, .relative = 0.0F, .patience = 2});

  EXPECT_EQ(energy_halts(rule, {1, 1, 2, 2, 2}), Steps{5});
}

TEST(HaltingMonitorTest, StateRuleCountsTheFirstChangeButHaltsFromTheSecondStep) {
  EXPECT_EQ(state_halts(state_stable(0.5F), {0.25}), Steps{});
  EXPECT_EQ(state_halts(state_stable(0.5F), {0.25, 1}), Steps{});
  EXPECT_EQ(state_halts(state_stable(0.5F), {1, 0.25}), Steps{2});
  EXPECT_EQ(state_halts(state_stable(0.5F, 2), {0.25, 0.25}), Steps{2});
  EXPECT_EQ(state_halts(state_stable(0.5F, 2), {1, 0.25, 0.25}), Steps{3});
}

TEST(HaltingMonitorTest, NanNeverCountsAsCalm) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();

  EXPECT_EQ(energy_halts(energy_stable({.absolute = 1.0F}), {nan, nan, nan}), Steps{});
  EXPECT_EQ(state_halts(state_stable(1.0F), {nan, nan, nan}), Steps{});
}

TEST(StatusTest, HasNames) {
  EXPECT_STREQ(to_string(Status::converged), "converged");
  EXPECT_STREQ(to_string(Status::max_steps), "max_steps");
  EXPECT_STREQ(to_string(Status::diverged), "diverged");
  EXPECT_STREQ(to_string(Status::cancelled), "cancelled");
}

}  // namespace
}  // namespace attractor::test
