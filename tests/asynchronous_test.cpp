/// Asynchronous sign updates: what the literature says of them, against the oracle that takes energies' word for it.

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "core/sweep_order.hpp"
#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

/// What has asynchronous updates, with its oracle.
std::vector<SystemKind> swept_systems() {
  std::vector<SystemKind> kinds = all_systems();
  std::erase_if(kinds, [](const SystemKind& kind) {
    return !kind.name.starts_with("hebbian") && !kind.name.starts_with("projection") &&
           !kind.name.starts_with("storkey") && !kind.name.starts_with("bidirectional") &&
           !kind.name.starts_with("dense_associative");
  });
  return kinds;
}

const std::vector<std::optional<std::uint64_t>> orders = {std::nullopt, 0, 12345};

double overlap(std::span<const float> a, std::span<const float> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0, std::plus<>(),
                            [](float x, float y) { return static_cast<double>(x) * static_cast<double>(y); });
}

TEST(AsynchronousTest, FollowsTheOracle) {
  Rng rng(500);
  std::size_t turn = 0;
  for (const SystemKind& kind : swept_systems())
    for (const auto& [count, dimension] : {std::pair<Index, Index>{1, 1}, {3, 8}, {5, 33}, {21, 70}}) {
      if (dimension < kind.least_dimension) continue;
      const Matrix<float> patterns =
          random_bipolar(kind.independent_patterns ? std::min(count, dimension / 2 + 1) : count, dimension, rng);
      const System system = kind.system(patterns);
      const Matrix<float> queries = flipped_copies(patterns, test_device_is_slow() ? 15 : 35, 0.3, rng);
      for (const std::optional<std::uint64_t>& seed : orders) {
        if (test_device_is_slow() && turn++ % 2 != 0) continue;
        const Update update = asynchronous_sign_update(seed);
        const Relaxer relaxer(system.memory, {.update = update, .max_steps = 12, .energy_trace = true});

        const Relaxation result = relaxer.relax(queries);

        for (Index i = 0; i < queries.rows(); ++i) {
          const reference::Outcome expected = reference::relax(
              system.model, {.update = update, .halting = state_stable(0.0F), .max_steps = 12}, row_of(queries, i));
          const auto at = static_cast<std::size_t>(i);
          ASSERT_EQ(result.steps[at], expected.steps) << kind.name << " D = " << dimension << " query " << i;
          EXPECT_EQ(result.status[at], expected.status) << kind.name;
          for (Index k = 0; k < dimension; ++k)
            ASSERT_EQ(static_cast<double>(result.states(i, k)), expected.state[static_cast<std::size_t>(k)])
                << kind.name << " query " << i << " neuron " << k;
          const double bound = rounding_bound(system, expected.state).energy;
          EXPECT_NEAR(static_cast<double>(result.energies[at]), expected.energy,
                      bound + 1e-6 * std::abs(expected.energy))
              << kind.name;
        }
      }
    }
}

/// Hopfield 1982: each change lowers the energy, so that there are no cycles, also where synchronous updates have one.
TEST(AsynchronousTest, EnergiesNeverRiseAndEveryQueryEndsInAFixedPoint) {
  Rng rng(501);
  const Matrix<float> patterns = random_bipolar(40, 60, rng);  // Far above capacity.
  const Matrix<float> queries = random_bipolar(test_device_is_slow() ? 15 : 40, 60, rng);
  for (const SystemKind& kind : swept_systems()) {
    const Memory memory = kind.memory(patterns);
    const Relaxer relaxer(memory, {.update = asynchronous_sign_update(7), .max_steps = 200, .energy_trace = true});

    const Relaxation result = relaxer.relax(queries);
    const Relaxation again =
        Relaxer(memory, {.update = asynchronous_sign_update(7), .halting = fixed_steps(), .max_steps = 1})
            .relax(result.states);

    EXPECT_TRUE(same_bits(again.states, result.states)) << kind.name;
    for (Index i = 0; i < queries.rows(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      EXPECT_EQ(result.status[at], Status::converged) << kind.name;
      for (Index t = 1; t < result.steps[at]; ++t)
        EXPECT_LE(result.energy_trace(i, t),
                  result.energy_trace(i, t - 1) + 1e-5F * std::abs(result.energy_trace(i, t - 1)))
            << kind.name << " query " << i << " step " << t;
    }
  }
}

/// Two neurons that each want the other's state: synchronous updates swap them for ever.
TEST(AsynchronousTest, SettlesWhatOscillatesOtherwise) {
  const Matrix<float> patterns = matrix({{1.0F, 1.0F}});
  const Matrix<float> query = matrix({{1.0F, -1.0F}});
  const Memory memory = Memory::hebbian(test_device(), patterns);

  EXPECT_EQ(Relaxer(memory).relax(query).status[0], Status::oscillating);
  const Relaxation result = Relaxer(memory, {.update = asynchronous_sign_update()}).relax(query);

  EXPECT_EQ(result.status[0], Status::converged);
  EXPECT_TRUE(same_bits(result.states, matrix({{-1.0F, -1.0F}})));  // The first neuron goes first.
}

/// Krotov, Hopfield 2016, eq. 3, written out: the sign of Σ F with the neuron up less Σ F with it down.
TEST(AsynchronousTest, DenseAssociativeFlipsAreThoseOfTheEnergy) {
  Rng rng(502);
  const Matrix<float> patterns = random_bipolar(50, 32, rng);
  const Matrix<float> queries = random_bipolar(test_device_is_slow() ? 20 : 100, 32, rng);
  for (const bool rectified : {false, true})
    for (const int order : {2, 3, 5, 30}) {
      const Memory memory =
          Memory::dense_associative(test_device(), patterns, {.order = order, .rectified = rectified});
      const Relaxation result =
          Relaxer(memory, {.update = asynchronous_sign_update(), .halting = fixed_steps(), .max_steps = 1})
              .relax(queries);
      for (Index i = 0; i < queries.rows(); ++i) {
        std::vector<float> state(queries.row(i), queries.row(i) + 32);
        for (std::size_t k = 0; k < 32; ++k) {
          const auto power = [&](Index mu, float own) {
            state[k] = own;
            const double h = overlap(row_of(patterns, mu), state) / 32.0;
            return std::pow(rectified ? std::max(h, 0.0) : h, order);
          };
          const float before = state[k];
          double difference = 0.0;
          double size = 0.0;
          for (Index mu = 0; mu < 50; ++mu) {
            const double term = power(mu, 1.0F) - power(mu, -1.0F);
            difference += term;
            size += std::abs(term);
          }
          const bool told = std::abs(difference) > 0x1p-21 * order * size;
          state[k] = told ? (difference > 0.0 ? 1.0F : -1.0F) : before;
        }
        EXPECT_TRUE(same_bits(row_of(result.states, i), state)) << memory.rule() << " query " << i;
      }
    }
}

/// More patterns than neurons (Krotov, Hopfield 2016: about Dⁿ⁻¹ of them).
TEST(AsynchronousTest, DenseAssociativeMemoriesRecallManyPatterns) {
  Rng rng(503);
  const Matrix<float> patterns = random_bipolar(200, 64, rng);
  const Matrix<float> queries = flipped_copies(patterns, test_device_is_slow() ? 30 : 200, 0.1, rng);
  const Relaxation result =
      Relaxer(Memory::dense_associative(test_device(), patterns, {.order = 4}), {.update = asynchronous_sign_update()})
          .relax(queries);
  EXPECT_TRUE(same_bits(result.states, patterns.view().slice(0, queries.rows())));
}

/// As large dimensions have: differences of powers would be lost.
TEST(AsynchronousTest, TiesKeepTheStateAtAnyDimension) {
  Rng rng(504);
  for (const Index dimension : {7, 300, 900})
    for (const int order : {2, 3, 8}) {
      Matrix<float> patterns(2, dimension);
      const Matrix<float> one = random_bipolar(1, dimension, rng);
      for (Index k = 0; k < dimension; ++k) {
        patterns(0, k) = one(0, k);
        patterns(1, k) = k % 2 == 0 ? one(0, k) : -one(0, k);
      }
      // As near to one as to the other, in the entries where they differ; where their fields cancel, a neuron stays.
      Matrix<float> query(1, dimension);
      for (Index k = 0; k < dimension; ++k) query(0, k) = k % 2 == 0 ? patterns(0, k) : 0.0F;

      const Relaxation result =
          Relaxer(Memory::dense_associative(test_device(), patterns, {.order = order}),
                  {.update = asynchronous_sign_update(), .halting = fixed_steps(), .max_steps = 1})
              .relax(query);

      for (Index k = 0; k < dimension; ++k)
        EXPECT_EQ(result.states(0, k), k % 2 == 0 ? patterns(0, k) : 0.0F) << dimension << " order " << order;
    }
}

/// Nor may rounding add up while neurons change: between two patterns ties are exact, and many.
TEST(AsynchronousTest, TiesKeepTheStateAfterManyChanges) {
  Rng rng(507);
  const Matrix<float> patterns = random_bipolar(2, 1001, rng);
  const Matrix<float> queries = random_bipolar(7, 1001, rng);
  const Update update = asynchronous_sign_update();
  for (const int order : {2, 3, 6}) {
    const Relaxation result = Relaxer(Memory::dense_associative(test_device(), patterns, {.order = order}),
                                      {.update = update, .halting = fixed_steps(), .max_steps = 2})
                                  .relax(queries);
    const reference::Model model = reference::dense_associative(patterns, {.order = order});
    for (Index i = 0; i < queries.rows(); ++i) {
      const reference::Outcome expected =
          reference::relax(model, {.update = update, .halting = fixed_steps(), .max_steps = 2}, row_of(queries, i));
      Index different = 0;
      for (Index k = 0; k < 1001; ++k)
        different += static_cast<double>(result.states(i, k)) != expected.state[static_cast<std::size_t>(k)] ? 1 : 0;
      EXPECT_EQ(different, 0) << "order " << order << " query " << i;
    }
  }
}

TEST(AsynchronousTest, ClampedNeuronsStayAndAreSeen) {
  Rng rng(505);
  const Matrix<float> patterns = random_bipolar(6, 50, rng);
  const Matrix<float> queries = flipped_copies(patterns, test_device_is_slow() ? 20 : 70, 0.4, rng);
  const Matrix<std::uint8_t> clamped = random_mask(queries.rows(), 50, 0.3, rng);
  for (const SystemKind& kind : swept_systems()) {
    const System system = kind.system(patterns);
    const Relaxation result = Relaxer(system.memory, {.update = asynchronous_sign_update(3), .max_steps = 20})
                                  .relax(queries, {.clamped = clamped});
    for (Index i = 0; i < queries.rows(); ++i) {
      const reference::Outcome expected = reference::relax(
          system.model, {.update = asynchronous_sign_update(3), .halting = state_stable(0.0F), .max_steps = 20},
          row_of(queries, i), row_of(clamped, i));
      for (Index k = 0; k < 50; ++k) {
        if (clamped(i, k) != 0) {
          EXPECT_EQ(result.states(i, k), queries(i, k));
        }
        ASSERT_EQ(static_cast<double>(result.states(i, k)), expected.state[static_cast<std::size_t>(k)])
            << kind.name << " query " << i << " neuron " << k;
      }
    }
  }
}

TEST(AsynchronousTest, BitsDependOnTheQueryAlone) {
  Rng rng(506);
  const Matrix<float> patterns = random_gaussian(30, 41, rng);
  const Matrix<float> queries = noisy_copies(patterns, test_device_is_slow() ? 40 : 80, 0.2F, 3.0F, rng);
  std::vector<Index> order = random_permutation(queries.rows(), rng);
  order.resize(order.size() / 2);
  for (const SystemKind& kind : swept_systems()) {
    const Memory memory = kind.memory(patterns);
    const RelaxerOptions options{.update = asynchronous_sign_update(9), .max_steps = 30, .energy_trace = true};
    const Relaxer relaxer(memory, options);
    const Relaxation all = relaxer.relax(queries);
    const Relaxation some = relaxer.relax(select(queries, order));
    EXPECT_GT(*std::max_element(all.steps.begin(), all.steps.end()),
              *std::min_element(all.steps.begin(), all.steps.end()));
    for (Index i = 0; i < std::ssize(order); ++i)
      EXPECT_TRUE(same_row(some, i, all, order[static_cast<std::size_t>(i)])) << kind.name << " row " << i;

    // Halting is relaxing as long.
    const auto at = static_cast<std::size_t>(order[0]);
    RelaxerOptions fixed = options;
    fixed.halting = fixed_steps();
    fixed.max_steps = all.steps[at];
    const Relaxation alone = Relaxer(memory, fixed).relax(queries.view().slice(order[0], 1));
    EXPECT_TRUE(same_bits(row_of(alone.states, 0), row_of(all.states, order[0]))) << kind.name;
  }
}

TEST(AsynchronousTest, OrdersArePermutationsThatTheSeedDecides) {
  for (const Index dimension : {1, 2, 50}) {
    std::vector<int> numbers(static_cast<std::size_t>(dimension));
    std::iota(numbers.begin(), numbers.end(), 0);
    EXPECT_EQ(detail::sweep_order({}, dimension), numbers);
    std::vector<int> shuffled = detail::sweep_order({.seed = 5}, dimension);
    EXPECT_EQ(shuffled, detail::sweep_order({.seed = 5}, dimension));
    if (dimension == 50) {
      EXPECT_NE(shuffled, numbers);
      EXPECT_NE(shuffled, detail::sweep_order({.seed = 6}, dimension));
    }
    std::sort(shuffled.begin(), shuffled.end());
    EXPECT_EQ(shuffled, numbers);
  }
}

TEST(AsynchronousTest, BadStatesDivergeAlone) {
  const Matrix<float> patterns = matrix({{1e20F, 1.0F, -1.0F}, {-1.0F, 1.0F, 1.0F}});
  const Matrix<float> queries = matrix({{1e30F, 1.0F, 1.0F}, {1.0F, 1.0F, 1.0F}});
  const Relaxation result =
      Relaxer(Memory::hebbian(test_device(), patterns), {.update = asynchronous_sign_update(), .max_steps = 5})
          .relax(queries);
  EXPECT_EQ(result.status[0], Status::diverged);
  EXPECT_EQ(result.status[1], Status::converged);
}

/// Weights that leave the range of float: what a query ends with depends on it alone, also where it diverges.
TEST(AsynchronousTest, InfiniteWeightsTouchNoNeighbours) {
  const Matrix<float> patterns = matrix({{1e20F, 1e20F, 1e20F}});
  const Matrix<float> queries = matrix({{1.0F, 1.0F, -1.0F}, {-1.0F, 1.0F, 1.0F}, {0.0F, 0.0F, 0.0F}});
  for (const Evaluation evaluation : {Evaluation::dense, Evaluation::factored}) {
    const Relaxer relaxer(Memory::hebbian(test_device(), patterns, {.evaluation = evaluation}),
                          {.update = asynchronous_sign_update(), .halting = fixed_steps(), .max_steps = 1});
    const Relaxation together = relaxer.relax(queries);
    for (Index i = 0; i < 3; ++i)
      EXPECT_TRUE(same_row(relaxer.relax(queries.view().slice(i, 1)), 0, together, i)) << "query " << i;
  }
}

TEST(AsynchronousTest, MemoriesWithoutASumOverPatternsRefuse) {
  const Matrix<float> patterns = matrix({{1.0F, -1.0F}});
  const RelaxerOptions options{.update = asynchronous_sign_update()};
  EXPECT_THROW(Relaxer(Memory::modern_hopfield(test_device(), patterns), options), NotSupported);
  EXPECT_THROW(Relaxer(Memory::exponential(test_device(), patterns), options), NotSupported);
}

}  // namespace
}  // namespace attractor::test
