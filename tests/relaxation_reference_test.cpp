/// Whole relaxations against the oracle: states, energies, steps and statuses.
///
/// Rounding errors travel along a trajectory as a small change of the query does, so the oracle itself says how sharp a
/// comparison can be: it also relaxes copies of the query that differ relatively by 1e-5, more than float steps add up
/// to. Where a copy takes other steps, or the decisive energies lie within rounding of the tolerance, the query is near
/// a basin's border and its steps are left to the step-by-step tests; a bound on the share of such queries keeps this
/// one meaningful.

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

using reference::Outcome;
using reference::Vector;

constexpr double perturbation = 1e-5;
constexpr int copies = 3;

double largest_difference(const Vector& a, const Vector& b) {
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

std::vector<float> perturbed(std::span<const float> query, Rng& rng) {
  std::normal_distribution<double> normal(0.0, perturbation);
  std::vector<float> result(query.begin(), query.end());
  for (float& value : result) value += static_cast<float>(normal(rng));
  return result;
}

/// What the oracle expects of a query and how sharply.
struct Expectation {
  Outcome outcome;
  bool robust = true;  ///< small changes of the query leave its steps alone
  double state_spread = 0.0;
  double energy_spread = 0.0;
};

/// Whether some energy change lies so near its tolerance that rounding may decide.
bool near_tolerance(const Halting& rule, const Vector& trace) {
  if (rule.watch != Halting::Watch::energy) return false;
  for (std::size_t t = 1; t < trace.size(); ++t) {
    const double tolerance =
        static_cast<double>(rule.absolute) + static_cast<double>(rule.relative) * std::abs(trace[t]);
    if (std::abs(std::abs(trace[t] - trace[t - 1]) - tolerance) <= 4e-6 * std::abs(trace[t])) return true;
  }
  return false;
}

Expectation expect(const reference::Model& model, const reference::Settings& settings, std::span<const float> query,
                   std::span<const std::uint8_t> clamped, Rng& rng) {
  Expectation expectation{.outcome = reference::relax(model, settings, query, clamped)};
  const Outcome& outcome = expectation.outcome;
  expectation.robust = !near_tolerance(settings.halting, outcome.trace);
  for (int i = 0; i < copies; ++i) {
    const Outcome other = reference::relax(model, settings, perturbed(query, rng), clamped);
    expectation.robust = expectation.robust && other.steps == outcome.steps && other.status == outcome.status;
    expectation.state_spread = std::max(expectation.state_spread, largest_difference(other.state, outcome.state));
    expectation.energy_spread = std::max(expectation.energy_spread, std::abs(other.energy - outcome.energy));
  }
  return expectation;
}

struct NamedHalting {
  std::string name;
  Halting rule;
};

struct Case {
  SystemKind kind;
  NamedUpdate update;
  NamedHalting halting;
};

std::string case_name(const Case& c) { return c.kind.name + "_" + c.update.name + "_" + c.halting.name; }

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << case_name(c); }

/// Every system with every update; the halting rules in a Latin square, so that each meets every system and every
/// update.
std::vector<Case> cases() {
  // Energies may come to rest at 0, where nothing is relative to them.
  const std::vector<NamedHalting> rules = {
      {"energy", energy_stable({.absolute = 1e-4F, .relative = 1e-3F})},
      {"absolute", energy_stable({.absolute = 0.01F, .relative = 0.0F})},
      {"patient", energy_stable({.absolute = 1e-3F, .relative = 1e-2F, .patience = 3})},
      {"state", state_stable(0.05F)},
      {"fixed", fixed_steps()}};
  std::vector<Case> result;
  for (std::size_t i = 0; i < all_systems().size(); ++i)
    for (std::size_t j = 0; j < all_updates().size(); ++j)
      if (all_systems()[i].bears(all_updates()[j].update))
        result.push_back({all_systems()[i], all_updates()[j], rules[(i + j) % rules.size()]});
  return result;
}

class RelaxationReferenceTest : public testing::TestWithParam<Case> {
 protected:
  void expect_agreement(Index dimension, Index pattern_count, Index query_count, bool with_clamps) {
    const auto& [kind, update, halting] = GetParam();
    // Not bipolar, or a sign could hang on a sum that is 0 but for rounding.
    const Matrix<float> patterns = random_gaussian(pattern_count, dimension, rng_);
    const System system = kind.system(patterns);
    const Matrix<float> queries = noisy_copies(patterns, query_count, 0.1F, 1.0F, rng_);
    Matrix<std::uint8_t> clamped;
    if (with_clamps) clamped = random_mask(query_count, dimension, 0.2, rng_);
    const reference::Settings settings{.update = update.update, .halting = halting.rule, .max_steps = 12};
    const Relaxer relaxer(system.memory, {.update = update.update,
                                          .halting = halting.rule,
                                          .max_steps = settings.max_steps,
                                          .energies = true,
                                          .energy_trace = true,
                                          .threads = 1});

    const Relaxation result = relaxer.relax(queries, {.clamped = clamped.view()});

    for (Index i = 0; i < query_count; ++i) {
      SCOPED_TRACE(testing::Message() << "D=" << dimension << " P=" << pattern_count << " query " << i);
      const auto mask = clamped.empty() ? std::span<const std::uint8_t>{} : row_of(clamped, i);
      const Expectation expected = expect(system.model, settings, row_of(queries, i), mask, rng_);
      ++compared_;
      if (expected.robust) {
        expect_row(system, update.update, result, i, expected);
      } else {
        ++left_out_;
      }
    }
  }

  static void expect_row(const System& system, const Update& update, const Relaxation& result, Index i,
                         const Expectation& expected) {
    const Outcome& outcome = expected.outcome;
    const auto at = static_cast<std::size_t>(i);
    ASSERT_EQ(result.steps.at(at), outcome.steps);
    EXPECT_EQ(result.status.at(at), outcome.status);
    const RoundingBound bound = rounding_bound(system, outcome.state);
    const Vector field = reference::readout(system.model, outcome.state);
    const Vector last_step = next_state_bound(update, bound, outcome.state, field);
    const Vector state = to_double(row_of(result.states, i));
    for (std::size_t j = 0; j < state.size(); ++j)
      EXPECT_NEAR(state[j], outcome.state[j], 4.0 * (expected.state_spread + last_step[j])) << "neuron " << j;
    EXPECT_NEAR(static_cast<double>(result.energies.at(at)), outcome.energy,
                4.0 * (expected.energy_spread + bound.energy));
    EXPECT_EQ(result.energies.at(at), result.energy_trace(i, outcome.steps - 1));
    for (Index t = outcome.steps; t < result.energy_trace.columns(); ++t)
      EXPECT_TRUE(std::isnan(result.energy_trace(i, t))) << "trace past the last step, at " << t;
  }

  Rng rng_{11};
  int compared_ = 0;
  int left_out_ = 0;
};

TEST_P(RelaxationReferenceTest, AgreesWhereTheOracleIsSure) {
  expect_agreement(64, 4, 24, false);
  expect_agreement(33, 3, 17, true);
  expect_agreement(100, 9, 9, false);

  EXPECT_LE(left_out_, compared_ / 4) << "too many queries were left out for the comparison to mean much";
}

INSTANTIATE_TEST_SUITE_P(, RelaxationReferenceTest, testing::ValuesIn(cases()),
                         [](const auto& test) { return case_name(test.param); });

/// Bipolar states under the sign update: every sum is an exact integer, so everything is equal, queries on a border
/// too.
class BipolarRelaxationTest : public testing::TestWithParam<Evaluation> {};

TEST_P(BipolarRelaxationTest, IsExact) {
  Rng rng(12);
  int cycles = 0;
  for (const Index dimension : {9, 16, 63, 64, 128})
    // Energies are multiples of 1/2D; no tolerance is one, or the oracle's own rounding could decide.
    for (const Halting& rule :
         {energy_stable({.absolute = 1e-5F, .relative = 0.0F}),
          energy_stable({.absolute = 0.7531F, .relative = 0.0F, .patience = 3}), state_stable(0.0F), fixed_steps()}) {
      const Matrix<float> patterns = random_bipolar(dimension / 8 + 1, dimension, rng);
      const Matrix<float> queries = flipped_copies(patterns, 70, 0.35, rng);
      const reference::Model model = reference::hebbian(patterns);
      const Relaxer relaxer(Memory::hebbian(test_device(), patterns, {.evaluation = GetParam()}),
                            {.update = sign_update(), .halting = rule, .max_steps = 9, .energies = true});

      const Relaxation result = relaxer.relax(queries);

      for (Index i = 0; i < queries.rows(); ++i) {
        const auto at = static_cast<std::size_t>(i);
        const Outcome expected =
            reference::relax(model, {.update = sign_update(), .halting = rule, .max_steps = 9}, row_of(queries, i));
        EXPECT_EQ(result.steps.at(at), expected.steps) << "query " << i;
        EXPECT_EQ(result.status.at(at), expected.status) << "query " << i;
        EXPECT_EQ(to_double(row_of(result.states, i)), expected.state) << "query " << i;
        // The scale 1/D, the energy, and the diagonal's share P/2 of it, taken out, are each rounded to float.
        EXPECT_NEAR(static_cast<double>(result.energies.at(at)), expected.energy,
                    1.3e-7 * (std::abs(expected.energy) + static_cast<double>(patterns.rows())))
            << "query " << i;
        cycles += rule.watch == Halting::Watch::state && expected.status == Status::max_steps ? 1 : 0;
      }
    }
  EXPECT_GT(cycles, 0) << "the data has no 2-cycles, the hardest case of the synchronous sign update";
}

INSTANTIATE_TEST_SUITE_P(, BipolarRelaxationTest, testing::Values(Evaluation::factored, Evaluation::dense));

}  // namespace
}  // namespace attractor::test
