/// What sign updates make of a field that is 0: on patterns and states of ±1 and 0, whose fields often are.

#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

/// Bipolar states with about a third of zeros.
Matrix<float> with_zeros(Matrix<float> states, Rng& rng) {
  for (Index i = 0; i < states.size(); ++i)
    if (rng() % 3 == 0) states.data()[i] = 0.0F;
  return states;
}

/// One of each form of every tier.
std::vector<SystemKind> forms() {
  std::vector<SystemKind> kinds = all_systems();
  std::erase_if(kinds, [](const SystemKind& kind) {
    const auto is = [&](const char* name) { return kind.name.starts_with(name); };
    return !is("hebbian_factored") && !is("hebbian_dense") && !is("bidirectional") && !is("exponential") &&
           kind.name != "dense_associative_3";
  });
  return kinds;
}

class SignOfZeroTest : public testing::TestWithParam<AtZero> {
 protected:
  void expect_paths(const SystemKind& kind, const Matrix<float>& patterns, const Halting& halting,
                    const Update& update);

  Rng rng_{700};
};

void SignOfZeroTest::expect_paths(const SystemKind& kind, const Matrix<float>& patterns, const Halting& halting,
                                  const Update& update) {
  const System system = kind.system(patterns);
  const Matrix<float> queries = with_zeros(flipped_copies(patterns, 40, 0.4, rng_), rng_);
  const Relaxer relaxer(system.memory, {.update = update, .halting = halting, .max_steps = 9, .energies = true});

  const Relaxation result = relaxer.relax(queries);

  for (Index i = 0; i < queries.rows(); ++i) {
    const reference::Outcome expected =
        reference::relax(system.model, {.update = update, .halting = halting, .max_steps = 9}, row_of(queries, i));
    const auto at = static_cast<std::size_t>(i);
    ASSERT_EQ(result.steps[at], expected.steps) << kind.name << " D = " << patterns.columns() << " query " << i;
    EXPECT_EQ(result.status[at], expected.status) << kind.name;
    for (Index k = 0; k < patterns.columns(); ++k)
      ASSERT_EQ(static_cast<double>(result.states(i, k)), expected.state[static_cast<std::size_t>(k)])
          << kind.name << " D = " << patterns.columns() << " query " << i << " neuron " << k;
    EXPECT_NEAR(static_cast<double>(result.energies[at]), expected.energy,
                rounding_bound(system, expected.state).energy + 1e-6 * std::abs(expected.energy))
        << kind.name;
  }
}

/// Dimensions that pad rows; halting that would notice what padding does.
TEST_P(SignOfZeroTest, SynchronousPathsFollowTheOracle) {
  for (const SystemKind& kind : forms())
    for (const auto& [count, dimension] : {std::pair<Index, Index>{2, 5}, {4, 33}, {8, 70}}) {
      const Matrix<float> patterns = random_bipolar(count, dimension, rng_);
      for (const Halting& halting : {state_stable(0.0F), state_stable(0.5F, 3), energy_stable({.absolute = 1e-3F})})
        expect_paths(kind, patterns, halting, sign_update(GetParam()));
    }
}

TEST_P(SignOfZeroTest, AsynchronousPathsFollowTheOracle) {
  if (GetParam() == AtZero::zero) GTEST_SKIP() << "asynchronous updates have no such states";
  for (const SystemKind& kind : forms()) {
    if (kind.name.starts_with("exponential")) continue;
    for (const auto& [count, dimension] : {std::pair<Index, Index>{2, 5}, {4, 33}}) {
      const Matrix<float> patterns = random_bipolar(count, dimension, rng_);
      expect_paths(kind, patterns, state_stable(0.0F), asynchronous_sign_update(3, GetParam()));
    }
  }
}

/// The textbook case: of two patterns that disagree on a neuron, a cue that can't tell them apart.
TEST_P(SignOfZeroTest, NeuronsOnWhichPatternsDisagree) {
  const Matrix<float> patterns = matrix({{1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, -1, -1}});
  const Matrix<float> query = matrix({{1, 1, 1, 1, -1, 1}});
  const Memory memory = Memory::hebbian(test_device(), patterns, {.self_coupling = true});

  const Relaxation result = Relaxer(memory, {.update = sign_update(GetParam())}).relax(query);

  const float low = GetParam() == AtZero::keep ? -1.0F : GetParam() == AtZero::zero ? 0.0F : 1.0F;
  const float high = GetParam() == AtZero::zero ? 0.0F : 1.0F;
  EXPECT_TRUE(same_bits(result.states, matrix({{1, 1, 1, 1, low, high}})));
  EXPECT_EQ(result.status[0], Status::converged);
}

/// Two neurons that each want the other's state: with zeros no engine looks for cycles.
TEST(ZeroSignTest, CyclesWithZerosRunToTheirEnd) {
  const Memory memory = Memory::hebbian(test_device(), matrix({{1, 1}}));
  const Relaxation result =
      Relaxer(memory, {.update = sign_update(AtZero::zero), .max_steps = 7}).relax(matrix({{1, 0}}));
  EXPECT_EQ(result.status[0], Status::max_steps);
  EXPECT_TRUE(same_bits(result.states, matrix({{0, 1}})));
}

INSTANTIATE_TEST_SUITE_P(, SignOfZeroTest, testing::Values(AtZero::keep, AtZero::zero, AtZero::plus),
                         [](const auto& param_info) {
                           return std::string(param_info.param == AtZero::keep   ? "keep"
                                              : param_info.param == AtZero::zero ? "zero"
                                                                                 : "plus");
                         });

}  // namespace
}  // namespace attractor::test
