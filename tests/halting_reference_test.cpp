/// When queries halt. The engine's own energies and states decide, by the rule of the reference; that these follow the
/// oracle is tested apart. So every query counts, and none is near an edge that would excuse it, save for the last bit
/// of an energy that the engine may hold in more than float.

#include <cmath>
#include <map>
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

constexpr int max_steps = 10;
constexpr Index dimension = 65;

/// More than fit a tile of lanes, which are 32 on CUDA devices.
Index query_count() { return test_device_is_slow() ? 35 : 70; }

struct NamedHalting {
  std::string name;
  Halting rule;
};

std::ostream& operator<<(std::ostream& out, const NamedHalting& halting) { return out << halting.name; }

using Case = std::tuple<SystemKind, NamedHalting>;

std::string case_name(const testing::TestParamInfo<Case>& info) {
  return std::get<0>(info.param).name + "_" + std::get<1>(info.param).name;
}

/// The steps at which a query may halt: the first at which it can have and the first at which it must have.
struct HaltingWindow {
  int first = max_steps;
  int last = max_steps;
};

/// `excess(t)` is the change at t less the tolerance, known to within `slack(t)`; the rule counts changes from
/// `counts_from`.
template <class Excess, class Slack>
HaltingWindow halting_window(int patience, int counts_from, Excess excess, Slack slack) {
  HaltingWindow window;
  int possibly_calm = 0;
  int surely_calm = 0;
  bool may_have_halted = false;
  for (int t = counts_from; t <= max_steps; ++t) {
    possibly_calm = excess(t) <= slack(t) ? possibly_calm + 1 : 0;
    surely_calm = excess(t) <= -slack(t) ? surely_calm + 1 : 0;
    if (t < 2) continue;
    if (possibly_calm >= patience && !may_have_halted) {
      may_have_halted = true;
      window.first = t;
    }
    if (surely_calm >= patience) {
      window.last = t;
      return window;
    }
  }
  return window;
}

/// Where queries halt doesn't depend on whether energies are asked for.
void expect_same_without_energies(const Relaxation& with, const Relaxation& without, const Halting& rule) {
  EXPECT_EQ(with.steps, without.steps);
  EXPECT_EQ(with.status, without.status);
  EXPECT_TRUE(same_bits(with.states.view(), without.states.view()));
  EXPECT_EQ(without.energies.empty(), rule.watch != Halting::Watch::energy);
  EXPECT_TRUE(without.energy_trace.empty());
}

class HaltingReferenceTest : public testing::TestWithParam<Case> {
 protected:
  HaltingReferenceTest()
      : memory_(std::get<0>(GetParam()).memory(patterns_)),
        queries_(noisy_copies(patterns_, query_count(), 0.1F, 1.5F, rng_)) {}

  const Halting& rule() const { return std::get<1>(GetParam()).rule; }

  /// Powers of overlaps are small: with little gain states fade away, and energies with them, faster and faster.
  static float gain(const SystemKind& kind) {
    if (!kind.bounded_updates) return 0.5F;
    const bool high_order = kind.name.ends_with("30") || kind.name.ends_with("21");
    return high_order ? 2e4F : 20.0F;
  }

  Relaxation relax(const Halting& halting, int steps, bool energies = true) const {
    return relax(queries_.view(), halting, steps, energies);
  }

  Relaxation relax(QueryView queries, const Halting& halting, int steps, bool energies) const {
    const Update update = tanh_update(gain(std::get<0>(GetParam())));
    const Relaxer relaxer(memory_, {.update = update,
                                    .halting = halting,
                                    .max_steps = steps,
                                    .energies = energies,
                                    .energy_trace = energies,
                                    .threads = 1});
    return relaxer.relax(queries);
  }

  /// What 0 (nothing) to max_steps fixed steps lead to: the same under every rule, so relaxed once for all of them.
  /// Slow devices go on from the step before, and are asked for the whole way once.
  const std::vector<Relaxation>& trajectory_of_the_system() const {
    static std::map<std::string, std::vector<Relaxation>> trajectories;
    std::vector<Relaxation>& trajectory = trajectories[std::get<0>(GetParam()).name];
    if (trajectory.empty()) {
      trajectory.emplace_back();
      for (int t = 1; t < max_steps; ++t)
        trajectory.push_back(t > 1 && test_device_is_slow()
                                 ? relax(trajectory.back().states.view(), fixed_steps(), 1, true)
                                 : relax(fixed_steps(), t));
      trajectory.push_back(relax(fixed_steps(), max_steps));
    }
    return trajectory;
  }

  HaltingWindow energy_window(const Relaxation& fixed, Index query) const {
    const auto energy = [&](int t) { return static_cast<double>(fixed.energy_trace(query, t - 1)); };
    const auto excess = [&](int t) {
      const double tolerance =
          static_cast<double>(rule().absolute) + static_cast<double>(rule().relative) * std::abs(energy(t));
      return std::abs(energy(t) - energy(t - 1)) - tolerance;
    };
    // Two energies, each rounded to float: half a unit in the last place each, doubled for the tolerance's own.
    const auto slack = [&](int t) { return 1.2e-7 * (std::abs(energy(t)) + std::abs(energy(t - 1))); };
    return halting_window(rule().patience, 2, excess, slack);
  }

  HaltingWindow state_window(const std::vector<Relaxation>& trajectory, Index query) const {
    const auto change = [&](int t) {
      const std::span<const float> to = row_of(trajectory.at(static_cast<std::size_t>(t)).states, query);
      const std::span<const float> from =
          t == 1 ? row_of(queries_, query) : row_of(trajectory.at(static_cast<std::size_t>(t - 1)).states, query);
      double sum = 0.0;
      for (std::size_t i = 0; i < to.size(); ++i)
        sum += (static_cast<double>(to[i]) - static_cast<double>(from[i])) *
               (static_cast<double>(to[i]) - static_cast<double>(from[i]));
      return std::sqrt(sum);
    };
    const auto excess = [&](int t) { return change(t) - static_cast<double>(rule().absolute); };
    // A float sum of D squares errs relatively by γ_{D+2}, its root by half of that.
    const auto slack = [&](int t) { return 0.5 * static_cast<double>(dimension + 2) * 6e-8 * change(t); };
    return halting_window(rule().patience, 1, excess, slack);
  }

  Rng rng_{7};
  Matrix<float> patterns_ = random_gaussian(6, dimension, rng_);
  Memory memory_;
  Matrix<float> queries_;
};

TEST_P(HaltingReferenceTest, HaltsWhereItsOwnChangesSay) {
  const std::vector<Relaxation>& trajectory = trajectory_of_the_system();
  const Relaxation& fixed = trajectory.back();

  const Relaxation halting = relax(rule(), max_steps);

  for (int t = 1; t <= max_steps; ++t)
    for (Index i = 0; i < query_count(); ++i)
      EXPECT_EQ(fixed.energy_trace(i, t - 1),
                trajectory.at(static_cast<std::size_t>(t)).energies.at(static_cast<std::size_t>(i)))
          << "the trace is not the energy after step " << t << " of query " << i;
  int converged = 0;
  for (Index i = 0; i < query_count(); ++i) {
    SCOPED_TRACE(testing::Message() << "query " << i);
    const int steps = halting.steps.at(static_cast<std::size_t>(i));
    const Status status = halting.status.at(static_cast<std::size_t>(i));
    HaltingWindow window;
    if (rule().watch == Halting::Watch::energy) window = energy_window(fixed, i);
    if (rule().watch == Halting::Watch::state) window = state_window(trajectory, i);
    EXPECT_GE(steps, window.first);
    EXPECT_LE(steps, window.last);
    EXPECT_TRUE(status == Status::converged || (status == Status::max_steps && steps == max_steps));
    converged += status == Status::converged ? 1 : 0;

    // Halting returns what as many fixed steps return, and the trace up to there.
    const Relaxation& same_steps = trajectory.at(static_cast<std::size_t>(steps));
    EXPECT_TRUE(same_bits(row_of(halting.states, i), row_of(same_steps.states, i)));
    EXPECT_TRUE(same_bits(std::span(halting.energies).subspan(static_cast<std::size_t>(i), 1),
                          std::span(same_steps.energies).subspan(static_cast<std::size_t>(i), 1)));
    const auto count = static_cast<std::size_t>(steps);
    EXPECT_TRUE(same_bits(row_of(halting.energy_trace, i).first(count), row_of(fixed.energy_trace, i).first(count)));
    for (const float energy : row_of(halting.energy_trace, i).subspan(count)) EXPECT_TRUE(std::isnan(energy));
  }
  if (rule().watch == Halting::Watch::nothing) {
    EXPECT_EQ(converged, 0);
  } else {
    EXPECT_GT(converged, query_count() / 4) << "too few queries halted to test it";
  }
  expect_same_without_energies(halting, relax(rule(), max_steps, false), rule());
}

INSTANTIATE_TEST_SUITE_P(
    , HaltingReferenceTest,
    testing::Combine(testing::ValuesIn(systems_with_rounding()),
                     testing::Values(NamedHalting{"relative", energy_stable({.relative = 1e-2F})},
                                     NamedHalting{"absolute", energy_stable({.absolute = 0.5F, .relative = 0.0F})},
                                     NamedHalting{"patient", energy_stable({.relative = 3e-2F, .patience = 3})},
                                     NamedHalting{"state", state_stable(0.3F)},
                                     NamedHalting{"patient_state", state_stable(0.5F, 3)},
                                     NamedHalting{"fixed", fixed_steps()})),
    case_name);

}  // namespace
}  // namespace attractor::test
