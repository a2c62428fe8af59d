/// What the theory of these systems says of every relaxation.

#include <cmath>
#include <tuple>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

/// The update u of modern Hopfield networks is a concave-convex procedure (Ramsauer et al. 2020, theorem 1): u
/// minimises a convex majorant of the energy that touches it at x. The majorant falls all the way from x to u, so
/// blending descends too.
TEST(ModernHopfieldTest, EnergyNeverRises) {
  Rng rng(20);
  for (const float beta : {0.05F, 1.0F, 4.0F})
    for (const Update& update : {readout_update(), blend_update(0.5F)}) {
      const Matrix<float> patterns = random_gaussian(30, 40, rng);
      const System system{Memory::modern_hopfield(test_device(), patterns, {.beta = beta}),
                          reference::modern_hopfield(patterns, static_cast<double>(beta))};
      const Matrix<float> queries = noisy_copies(patterns, 90, 0.1F, 2.0F, rng);
      const Relaxer relaxer(system.memory,
                            {.update = update, .halting = fixed_steps(), .max_steps = 12, .energy_trace = true});

      const Relaxation result = relaxer.relax(queries);

      double descent = 0.0;
      for (Index i = 0; i < queries.rows(); ++i) {
        const double rounding = rounding_bound(system, to_double(row_of(result.states, i))).energy;
        for (Index t = 1; t < 12; ++t)
          EXPECT_LE(result.energy_trace(i, t), result.energy_trace(i, t - 1) + static_cast<float>(2.0 * rounding))
              << "query " << i << " step " << t + 1 << " beta " << beta;
        descent += static_cast<double>(result.energy_trace(i, 0) - result.energy_trace(i, 11));
      }
      EXPECT_GT(descent, 0.0) << "no energy descended, so the data tests nothing";
    }
}

/// Synchronous updates may raise −½xᵀWx, but −x_tᵀWx_{t−1} never rises, so every trajectory ends in a cycle of length
/// at most 2 (Goles and Olivos 1981).
TEST(HopfieldTest, SynchronousSignEndsInAFixedPointOrATwoCycle) {
  Rng rng(21);
  const Matrix<float> patterns = random_bipolar(20, 63, rng);
  const Matrix<float> queries = random_bipolar(200, 63, rng);
  const Memory memory = Memory::hebbian(test_device(), patterns);
  const auto after = [&](int steps) {
    return Relaxer(memory, {.halting = fixed_steps(), .max_steps = steps}).relax(queries).states;
  };

  const Matrix<float> late = after(300);

  EXPECT_TRUE(same_bits(late.view(), after(302).view()));
  EXPECT_FALSE(same_bits(late.view(), after(301).view())) << "no query ended in a 2-cycle";
}

class FixedPointTest : public testing::TestWithParam<std::tuple<Evaluation, bool>> {};

TEST_P(FixedPointTest, StoredPatternsStay) {
  const auto [evaluation, self_coupling] = GetParam();
  Rng rng(22);
  const Matrix<float> patterns = random_bipolar(6, 200, rng);
  const Device device = test_device();
  const Memory hebbian = Memory::hebbian(device, patterns, {.self_coupling = self_coupling, .evaluation = evaluation});
  const Memory projection =
      Memory::projection(device, patterns, {.self_coupling = self_coupling, .evaluation = evaluation});

  for (const Memory& memory : {hebbian, projection}) {
    const Relaxation result = Relaxer(memory).relax(patterns);

    EXPECT_TRUE(same_bits(result.states.view(), patterns.view()));
    for (const Status status : result.status) EXPECT_EQ(status, Status::converged);
    for (const int steps : result.steps) EXPECT_EQ(steps, 2);
  }
}

INSTANTIATE_TEST_SUITE_P(, FixedPointTest,
                         testing::Combine(testing::Values(Evaluation::factored, Evaluation::dense), testing::Bool()));

TEST(ModernHopfieldTest, StoredPatternsStay) {
  Rng rng(23);
  const Matrix<float> patterns = random_bipolar(50, 64, rng);

  const Relaxation result = Relaxer(Memory::modern_hopfield(test_device(), patterns, {.beta = 2.0F})).relax(patterns);

  for (Index i = 0; i < patterns.rows(); ++i)
    for (Index j = 0; j < patterns.columns(); ++j) EXPECT_NEAR(result.states(i, j), patterns(i, j), 1e-5F);
}

/// With the diagonal kept, W is the projector onto the patterns: projecting twice is projecting once.
TEST(ProjectionTest, ReadoutIsIdempotent) {
  Rng rng(24);
  const Matrix<float> patterns = random_gaussian(10, 60, rng);
  const Matrix<float> queries = random_gaussian(30, 60, rng);
  const Memory memory = Memory::projection(test_device(), patterns, {.self_coupling = true});
  const auto after = [&](int steps) {
    return Relaxer(memory, {.update = readout_update(), .halting = fixed_steps(), .max_steps = steps})
        .relax(queries)
        .states;
  };

  const Matrix<float> once = after(1);
  const Matrix<float> twice = after(2);

  for (Index i = 0; i < once.size(); ++i) EXPECT_NEAR(twice.data()[i], once.data()[i], 2e-5F);
}

TEST(RecoveryTest, NoisyPatternsAreRecovered) {
  Rng rng(25);
  const Matrix<float> patterns = random_bipolar(8, 256, rng);
  const Matrix<float> queries = flipped_copies(patterns, 400, 0.15, rng);
  const Device device = test_device();

  for (const Memory& memory : {Memory::hebbian(device, patterns), Memory::projection(device, patterns)}) {
    const Relaxation result = Relaxer(memory, {.halting = state_stable(0.0F)}).relax(queries);
    for (Index i = 0; i < queries.rows(); ++i)
      EXPECT_TRUE(same_bits(row_of(result.states, i), row_of(patterns, i % 8))) << "query " << i;
  }
}

/// blend(1) is readout up to the rounding of x + (u − x), to which energies and steps are blind here.
TEST(UpdateTest, BlendAtRateOneIsReadout) {
  Rng rng(26);
  const Matrix<float> patterns = random_gaussian(12, 48, rng);
  const Matrix<float> queries = noisy_copies(patterns, 50, 0.1F, 1.0F, rng);
  const Memory memory = Memory::modern_hopfield(test_device(), patterns);
  const RelaxerOptions once{.halting = fixed_steps(), .max_steps = 1};
  RelaxerOptions blended = once;
  blended.update = blend_update(1.0F);

  const Relaxation readout = Relaxer(memory, once).relax(queries);
  const Relaxation blend = Relaxer(memory, blended).relax(queries);

  for (Index i = 0; i < readout.states.size(); ++i)
    EXPECT_NEAR(blend.states.data()[i], readout.states.data()[i], 4e-6F);
}

}  // namespace
}  // namespace attractor::test
