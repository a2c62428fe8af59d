/// Dense associative memories: what the literature says of them, and their formulas written out.

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "core/reference/relaxation.hpp"
#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

using reference::Settings;
using reference::Vector;

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
  const Matrix<float> queries = random_bipolar(test_device_is_slow() ? 20 : 70, 33, rng);
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
  const Relaxer relaxer(make_memory(patterns, 5), {.update = tanh_update(), .max_steps = 20, .energies = true});
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

/// Overlaps of a few hundredths, whose powers are no floats: states have a say all the same.
class FarBelowFloatTest : public testing::TestWithParam<std::tuple<Update, bool>> {
 protected:
  [[nodiscard]] static const Update& update() { return std::get<0>(GetParam()); }
  [[nodiscard]] static bool rectified() { return std::get<1>(GetParam()); }

  Rng rng_{97};
};

INSTANTIATE_TEST_SUITE_P(, FarBelowFloatTest,
                         testing::Combine(testing::Values(sign_update(), asynchronous_sign_update(3)),
                                          testing::Bool()));

/// States of ±1 whose overlaps with all patterns are at most 0.03.
Matrix<float> far_from_all(MatrixView<const float> patterns, Index count, Rng& rng) {
  Matrix<float> states(count, patterns.columns);
  for (Index i = 0; i < count;) {
    const Matrix<float> state = random_bipolar(1, patterns.columns, rng);
    double largest = 0.0;
    for (Index mu = 0; mu < patterns.rows; ++mu)
      largest = std::max(largest, std::abs(overlap(patterns, mu, row_of(state, 0))));
    if (largest <= 0.03) std::copy_n(state.row(0), patterns.columns, states.row(i++));
  }
  return states;
}

TEST_P(FarBelowFloatTest, StatesRelaxAsTheOracleSays) {
  const Index dimension = 1000;
  const Matrix<float> patterns = random_bipolar(11, dimension, rng_);
  const bool sweeps = std::holds_alternative<AsynchronousSignUpdate>(update());
  // More than fit a tile: some are scored as they take a lane that another has left.
  const Matrix<float> queries = far_from_all(patterns, sweeps ? 2 : test_device_is_slow() ? 35 : 70, rng_);
  const PolynomialSeparation separation{.order = 30, .rectified = rectified()};
  const reference::Model model = reference::dense_associative(patterns, separation);
  const Relaxer relaxer(make_memory(patterns, 30, rectified()),
                        {.update = update(), .max_steps = 20, .energies = true, .threads = 1});

  const Relaxation result = relaxer.relax(queries);

  for (Index i = 0; i < queries.rows(); ++i) {
    const reference::Outcome expected = reference::relax(
        model, {.update = update(), .halting = state_stable(0.0F), .max_steps = 20}, row_of(queries, i));
    const auto at = static_cast<std::size_t>(i);
    EXPECT_FALSE(same_bits(row_of(result.states, i), row_of(queries, i))) << "query " << i << " stays";
    EXPECT_EQ(to_double(row_of(result.states, i)), expected.state) << "query " << i;
    EXPECT_EQ(result.steps[at], expected.steps) << "query " << i;
    EXPECT_EQ(result.status[at], expected.status) << "query " << i;
    EXPECT_NEAR(static_cast<double>(result.energies[at]), expected.energy, 1e-5 * std::abs(expected.energy));
    if (i % 8 != 0) continue;
    EXPECT_TRUE(same_row(relaxer.relax(queries.view().slice(i, 1)), 0, result, i)) << "query " << i << " alone";
  }
}

/// Each chunk of patterns has larger scores than those before it, so that all sums so far change their unit; and the
/// other way round.
TEST(DenseAssociativeTest, PatternsOfAnyOverlapInAnyOrder) {
  const Index dimension = 64;
  Rng rng(98);
  const Matrix<float> direction = random_bipolar(1, dimension, rng);
  for (const bool rising : {true, false}) {
    Matrix<float> patterns = random_bipolar(40, dimension, rng);
    for (Index mu = 0; mu < 40; ++mu)
      for (Index i = 0; i < dimension; ++i)
        patterns(mu, i) = (patterns(mu, i) + 2.0F * direction(0, i)) *
                          std::ldexp(1.0F, static_cast<int>(rising ? mu : 39 - mu) / 2 - 14);
    const Matrix<float> queries = flipped_copies(direction, 20, 0.2, rng);
    for (const int order : {4, 13, 30}) {
      const reference::Model model = reference::dense_associative(patterns, {.order = order});
      const Relaxation result =
          Relaxer(make_memory(patterns, order), {.halting = fixed_steps(), .max_steps = 1}).relax(queries);
      for (Index i = 0; i < queries.rows(); ++i) {
        const Vector field = reference::readout(model, to_double(row_of(queries, i)));
        EXPECT_EQ(to_double(row_of(result.states, i)),
                  reference::apply(sign_update(), to_double(row_of(queries, i)), field))
            << "order " << order << " query " << i;
      }
    }
  }
}

/// All of these, or two of them, others for each order.
std::vector<float> units_in_turn(std::vector<float> units, int order) {
  std::rotate(units.begin(), units.begin() + order % std::ssize(units), units.end());
  if (test_device_is_slow()) units.resize(2);
  return units;
}

/// The sign of a readout is the same in any unit of the query.
TEST_P(EveryOrderTest, SignsDoNotDependOnTheQuerysUnit) {
  const int n = GetParam();
  Rng rng(99);
  const Matrix<float> patterns = random_gaussian(17, 90, rng);
  const Matrix<float> queries = noisy_copies(patterns, test_device_is_slow() ? 20 : 70, 0.5F, 3.0F, rng);
  const Relaxer relaxer(make_memory(patterns, n, n % 3 == 0), {.max_steps = 30, .energies = true, .threads = 1});
  const Relaxation plain = relaxer.relax(queries);
  for (const float unit : units_in_turn({0x1p-90F, 0x1p-20F, 0x1p20F, 0x1p90F, 1e-6F, 1e6F}, n)) {
    Matrix<float> scaled = copy(queries);
    for (Index i = 0; i < scaled.size(); ++i) scaled.data()[i] *= unit;

    EXPECT_TRUE(same_results(relaxer.relax(scaled), plain)) << "unit " << unit;
  }
}

/// The same of the unit of the patterns, for either order of updates.
TEST_P(EveryOrderTest, SignsDoNotDependOnThePatternsUnit) {
  const int n = GetParam();
  Rng rng(100);
  const Matrix<float> patterns = random_gaussian(6, 40, rng);
  const Matrix<float> queries = flipped_copies(random_bipolar(6, 40, rng), test_device_is_slow() ? 15 : 40, 0.2, rng);
  for (const Update& update : {sign_update(), asynchronous_sign_update()}) {
    const RelaxerOptions options{.update = update, .max_steps = 30};
    const Relaxation plain = Relaxer(make_memory(patterns, n), options).relax(queries);
    for (const float unit : units_in_turn({0x1p-45F, 0x1p20F, 0x1p-20F, 0x1p45F}, n)) {
      Matrix<float> scaled = copy(patterns);
      for (Index i = 0; i < scaled.size(); ++i) scaled.data()[i] *= unit;

      const Relaxation result = Relaxer(make_memory(scaled, n), options).relax(queries);

      EXPECT_TRUE(same_bits(result.states, plain.states)) << "unit " << unit;
      EXPECT_EQ(result.steps, plain.steps) << "unit " << unit;
    }
  }
}

/// What is read out is what it is, as far as floats reach, in whatever unit the scores were taken.
TEST_P(EveryOrderTest, ReadoutsHaveTheirOwnSize) {
  const int n = GetParam();
  Rng rng(101);
  const Matrix<float> patterns = random_bipolar(30, 25, rng);
  const reference::Model model = reference::dense_associative(patterns, {.order = n});
  const Relaxer relaxer(make_memory(patterns, n),
                        {.update = readout_update(), .halting = fixed_steps(), .max_steps = 1, .threads = 1});
  for (const double size : {1e-30, 1e-20, 1e-3, 1e3, 1e20, 1e30}) {
    // Of a query's own pattern.
    const auto unit = static_cast<float>(std::pow(size, 1.0 / (n - 1)));
    Matrix<float> queries = flipped_copies(patterns, test_device_is_slow() ? 20 : 70, 0.1, rng);
    for (Index i = 0; i < queries.size(); ++i) queries.data()[i] *= unit;

    const Relaxation result = relaxer.relax(queries);

    for (Index i = 0; i < queries.rows(); ++i) {
      const Vector expected = reference::readout(model, to_double(row_of(queries, i)));
      const Vector reached = to_double(row_of(result.states, i));
      const double largest = std::abs(*std::max_element(expected.begin(), expected.end()));
      for (std::size_t k = 0; k < expected.size(); ++k)
        EXPECT_NEAR(reached[k], expected[k], 1e-5 * largest) << "size " << size << " query " << i;
    }
  }
}

/// Energies far below the least float, which results say as 0, still say when a query halts.
TEST(DenseAssociativeTest, EnergiesBelowFloatHaltAsTheOracleSays) {
  Rng rng(102);
  Matrix<float> patterns = random_bipolar(60, 50, rng);
  for (Index i = 0; i < patterns.size(); ++i) patterns.data()[i] *= 0x1p-14F;
  const Matrix<float> queries = random_bipolar(test_device_is_slow() ? 24 : 70, 50, rng);
  const Settings settings{.update = sign_update(), .halting = energy_stable(), .max_steps = 30};
  const reference::Model model = reference::dense_associative(patterns, {.order = 16});

  const Relaxation result =
      Relaxer(make_memory(patterns, 16), {.halting = settings.halting, .max_steps = 30}).relax(queries);

  int most = 0;
  for (Index i = 0; i < queries.rows(); ++i) {
    const reference::Outcome expected = reference::relax(model, settings, row_of(queries, i));
    const auto at = static_cast<std::size_t>(i);
    EXPECT_LT(expected.energy, 0.0);
    EXPECT_EQ(result.energies[at], 0.0F);
    EXPECT_EQ(result.steps[at], expected.steps) << "query " << i;
    EXPECT_EQ(to_double(row_of(result.states, i)), expected.state) << "query " << i;
    most = std::max(most, expected.steps);
  }
  EXPECT_GT(most, 2) << "none would have halted later if energies had been 0";
}

TEST(DenseAssociativeTest, SaysItsRule) {
  const Matrix<float> patterns = matrix({{1, -1}});
  EXPECT_EQ(make_memory(patterns, 4, true).rule(), "dense_associative(order = 4, rectified = true)");
  EXPECT_EQ(Memory::modern_hopfield(test_device(), patterns, {.beta = 0.5F}).rule(),
            "modern_hopfield(beta = 0.5, similarity = dot, separation = softmax, storage = float32, content_storage = "
            "float32, precision = full)");
}

TEST(DenseAssociativeTest, RetrievesNoPatterns) {
  const Matrix<float> patterns = matrix({{1, -1}});
  EXPECT_THROW(static_cast<void>(retrieve(make_memory(patterns, 3), patterns)), NotSupported);
}

}  // namespace
}  // namespace attractor::test
