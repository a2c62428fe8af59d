/// The engine on every instruction set that it has kernels for, not only this machine's best: one step against the
/// oracle, and the range of tanh.

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

/// The sets that this machine runs, as single bits.
std::vector<std::int64_t> runnable_targets() {
  std::vector<std::int64_t> targets;
  for (std::int64_t left = hwy::SupportedTargets(); left != 0; left &= left - 1) targets.push_back(left & -left);
  return targets;
}

class DispatchTest : public testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override { choose(GetParam()); }
  void TearDown() override { choose(0); }

 private:
  /// 0 chooses the best again.
  static void choose(std::int64_t target) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

INSTANTIATE_TEST_SUITE_P(Targets, DispatchTest, testing::ValuesIn(runnable_targets()),
                         [](const auto& info) { return std::string(hwy::TargetName(info.param)); });

TEST_P(DispatchTest, StepAgreesWithTheOracle) {
  Rng rng(11);
  for (const SystemKind& kind : all_systems()) {
    const Matrix<float> patterns = random_gaussian(9, 37, rng);
    const Matrix<float> queries = noisy_copies(patterns.view(), 70, 0.1F, 2.0F, rng);
    const System system = kind.system(patterns.view());
    const Relaxer relaxer(system.memory, {.update = tanh_update(), .halting = fixed_steps(), .max_steps = 1});
    const Relaxation result = relaxer.relax(queries);
    for (Index i = 0; i < queries.rows(); ++i) {
      const reference::Vector state = to_double(row_of(queries, i));
      const reference::Vector field = reference::readout(system.model, state);
      const reference::Vector expected = reference::apply(tanh_update(), state, field);
      const reference::Vector bound = next_state_bound(tanh_update(), rounding_bound(system, state), state, field);
      for (Index j = 0; j < queries.columns(); ++j) {
        const auto at = static_cast<std::size_t>(j);
        ASSERT_NEAR(result.states(i, j), expected[at], bound[at]) << kind.name << ", query " << i << ", neuron " << j;
      }
    }
  }
}

/// With gain 0 the update is tanh(x) alone. The fit's 2.1e-8, ten roundings and the Newton step's 1.5 · 2⁻²³ on the
/// coarsest reciprocal estimate (12 bits) stay below 8 units of 2⁻²⁴.
TEST_P(DispatchTest, TanhIsAccurateOverItsRange) {
  const Index count = 1 << 15;
  const Matrix<float> pattern = matrix({{1.0F}});
  Matrix<float> queries(count, 1);
  for (Index i = 0; i < count; ++i) {
    const double exponent = -30.0 + 40.0 * static_cast<double>(i) / static_cast<double>(count);
    queries(i, 0) = static_cast<float>((i % 2 == 0 ? 1.0 : -1.0) * std::exp2(exponent));
  }
  const Relaxer relaxer(Memory::hebbian(Device::cpu(), pattern.view()),
                        {.update = tanh_update(0.0F), .halting = fixed_steps(), .max_steps = 1});

  const Relaxation result = relaxer.relax(queries);

  for (Index i = 0; i < count; ++i) {
    const double exact = std::tanh(static_cast<double>(queries(i, 0)));
    ASSERT_NEAR(result.states(i, 0), exact, 8.0 * 0x1p-24 * std::abs(exact)) << "tanh(" << queries(i, 0) << ")";
  }
}

}  // namespace
}  // namespace attractor::test
