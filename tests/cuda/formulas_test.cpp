/// The formulas that host and device share: each update and the halting rule, on a CUDA device, against the oracle.

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "tests/cuda/formulas.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

/// Every pair of these values: both signs, both zeros, small, large and saturating.
std::vector<float> samples() {
  return {-30.0F, -2.5F, -1.0F, -0.25F, -1e-6F, -0.0F, 0.0F, 1e-6F, 0.25F, 1.0F, 2.5F, 30.0F};
}

/// The step at which the host's rule halts, 0 if it doesn't.
template <class Observe>
int host_halt(std::span<const double> values, Observe&& observe) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (observe(static_cast<int>(i) + 1, values[i])) return static_cast<int>(i) + 1;
  return 0;
}

/// Device tanh errs by at most 2 units in the last place (CUDA C++ Programming Guide, single-precision functions), the
/// sum before it by one more; a gain of at most 2 in front: 8·2⁻²⁴ of (1 + |x'|) covers all updates.
TEST(CudaFormulasTest, UpdatesAgreeWithTheOracle) {
  std::vector<float> states;
  std::vector<float> readouts;
  for (const float x : samples())
    for (const float u : samples()) {
      states.push_back(x);
      readouts.push_back(u);
    }
  for (const NamedUpdate& update : all_updates()) {
    const std::vector<float> next = device_update(update.update, states, readouts);

    const reference::Vector expected = reference::apply(update.update, to_double(states), to_double(readouts));
    for (std::size_t i = 0; i < next.size(); ++i)
      EXPECT_NEAR(next[i], expected[i],
                  8.0 * 0x1p-24 * (1.0 + std::abs(expected[i]) + std::abs(states[i]) + std::abs(readouts[i])))
          << update.name << ": x = " << states[i] << ", u = " << readouts[i];
  }
}

TEST(CudaFormulasTest, UpdatesKeepNaN) {
  const std::vector<float> bad = {std::numeric_limits<float>::quiet_NaN()};
  for (const NamedUpdate& update : all_updates())
    EXPECT_TRUE(std::isnan(device_update(update.update, bad, bad).front())) << update.name;
}

TEST(CudaFormulasTest, EnergyRuleHaltsWhereTheHostsDoes) {
  const std::vector<double> energies = {-1.0, -2.0, -2.00001, -2.5, -2.50001, -2.50002, -2.50002, -2.50002};
  for (const int patience : {1, 2, 3, 9}) {
    const Halting rule = energy_stable({.absolute = 1e-5F, .relative = 1e-5F, .patience = patience});
    HaltingMonitor monitor;
    const int expected =
        host_halt(energies, [&](int t, double energy) { return monitor.energy_halts(rule, t, energy); });

    EXPECT_EQ(device_energy_halt(rule, energies), expected) << "patience " << patience;
  }
}

TEST(CudaFormulasTest, StateRuleHaltsWhereTheHostsDoes) {
  const std::vector<double> changes = {1e-9, 1.0, 1e-7, 1e-9, 0.0};
  for (const int patience : {1, 2, 3}) {
    const Halting rule = state_stable(1e-3F, patience);
    HaltingMonitor monitor;
    const int expected = host_halt(changes, [&](int t, double change) { return monitor.state_halts(rule, t, change); });

    EXPECT_EQ(device_state_halt(rule, changes), expected) << "patience " << patience;
  }
}

}  // namespace
}  // namespace attractor::test
