/// Values at the ends of float's range and beyond, for every memory and every kind of call: a query's results are those
/// that it has alone, ordinary queries beside it have theirs, and what is tiny agrees with the oracle.

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/results.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

using reference::Vector;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float largest = std::numeric_limits<float>::max();
constexpr float denormal = std::numeric_limits<float>::denorm_min();
constexpr Index dimension = 17;

/// Rows that only a few calls can make something of: one value throughout, with signs that alternate, or in one entry.
Matrix<float> special_rows() {
  const std::vector<float> values = {NAN,    infinity, -infinity, largest, 1e30F, 1e19F,
                                     1e-30F, 1e-39F,   denormal,  -0.0F,   0.0F};
  Matrix<float> rows(3 * static_cast<Index>(values.size()), dimension);
  for (Index i = 0; i < rows.rows(); ++i) {
    const float value = values[static_cast<std::size_t>(i / 3)];
    for (Index j = 0; j < dimension; ++j)
      rows(i, j) = i % 3 == 0 ? value : i % 3 == 1 ? (j % 2 == 0 ? value : -value) : (j == 5 ? value : 0.5F);
  }
  return rows;
}

bool is_finite(std::span<const float> row) {
  return std::all_of(row.begin(), row.end(), [](float value) { return std::isfinite(value); });
}

class ValuesTest : public testing::TestWithParam<SystemKind> {
 protected:
  /// Ordinary queries, and behind each of the first ones a special one.
  [[nodiscard]] static Matrix<float> mixed(const Matrix<float>& ordinary, const Matrix<float>& special) {
    Matrix<float> rows(ordinary.rows() + special.rows(), dimension);
    for (Index i = 0; i < special.rows(); ++i) {
      std::copy_n(ordinary.row(i), dimension, rows.row(2 * i));
      std::copy_n(special.row(i), dimension, rows.row(2 * i + 1));
    }
    for (Index i = special.rows(); i < ordinary.rows(); ++i)
      std::copy_n(ordinary.row(i), dimension, rows.row(special.rows() + i));
    return rows;
  }

  Rng rng_{710};
  Matrix<float> patterns_ = random_gaussian(5, dimension, rng_);
  Matrix<float> special_ = special_rows();
  Matrix<float> queries_ = mixed(noisy_copies(patterns_, 40, 0.2F, 1.5F, rng_), special_);
  Memory memory_ = GetParam().memory(patterns_);
};

TEST_P(ValuesTest, RelaxationsAreThoseOfEachQueryAlone) {
  for (const NamedUpdate& update : all_updates()) {
    const Relaxer relaxer(memory_, {.update = update.update, .max_steps = 4, .energy_trace = true});
    const Relaxation batch = relaxer.relax(queries_);
    for (Index i = 0; i < queries_.rows(); ++i) {
      ASSERT_TRUE(same_row(batch, i, relaxer.relax(queries_.view().slice(i, 1)), 0)) << update.name << " query " << i;
      const auto at = static_cast<std::size_t>(i);
      const bool diverged = batch.status[at] == Status::diverged;
      EXPECT_TRUE(diverged || is_finite(row_of(batch.states, i))) << update.name << " query " << i;
      EXPECT_TRUE(is_finite(row_of(queries_, i)) || (diverged && batch.steps[at] == 0)) << "query " << i;
    }
  }
}

TEST_P(ValuesTest, RecallIsThatOfEachQueryAlone) {
  if (!GetParam().contents) GTEST_SKIP() << "the memory has no weights of patterns";
  const Recall batch = recall(memory_, queries_);
  for (Index i = 0; i < queries_.rows(); ++i) {
    const Recall alone = recall(memory_, queries_.view().slice(i, 1));
    ASSERT_TRUE(same_bits(row_of(batch.contents, i), row_of(alone.contents, 0))) << "query " << i;
    EXPECT_TRUE(batch.intensity.empty() ||
                same_bits({&batch.intensity[static_cast<std::size_t>(i)], 1}, alone.intensity))
        << "query " << i;
    EXPECT_TRUE(is_finite(row_of(queries_, i)) || std::isnan(batch.contents(i, 0))) << "query " << i;
  }
}

TEST_P(ValuesTest, RetrievalIsThatOfEachQueryAlone) {
  if (!GetParam().weights_sum_to_one) GTEST_SKIP() << "weights are no probabilities";
  for (const bool posteriors : {true, false}) {
    const RetrievalOptions options{.count = 2, .posteriors = posteriors};
    const Retrieval batch = retrieve(memory_, queries_, options);
    for (Index i = 0; i < queries_.rows(); ++i) {
      const Retrieval alone = retrieve(memory_, queries_.view().slice(i, 1), options);
      const auto at = static_cast<std::size_t>(2 * i);
      ASSERT_TRUE(std::equal(alone.pattern.begin(), alone.pattern.end(), &batch.pattern[at])) << "query " << i;
      EXPECT_TRUE(!posteriors || same_bits({&batch.posterior[at], 2}, alone.posterior)) << "query " << i;
      EXPECT_TRUE(is_finite(row_of(queries_, i)) || alone.pattern[0] == -1) << "query " << i;
    }
  }
}

TEST_P(ValuesTest, NearestPatternsAreThoseOfEachStateAlone) {
  const Nearest batch = nearest(memory_, queries_, {.count = 2});
  for (Index i = 0; i < queries_.rows(); ++i) {
    const Nearest alone = nearest(memory_, queries_.view().slice(i, 1), {.count = 2});
    const auto at = static_cast<std::size_t>(2 * i);
    ASSERT_TRUE(std::equal(alone.pattern.begin(), alone.pattern.end(), &batch.pattern[at])) << "state " << i;
    EXPECT_TRUE(same_bits({&batch.overlap[at], 2}, alone.overlap)) << "state " << i;
    EXPECT_EQ(alone.pattern[0] < 0, !is_finite(row_of(queries_, i))) << "state " << i;
  }
}

/// Lengths don't matter to overlaps: those of the largest and the smallest floats, all digits of which are there.
TEST_P(ValuesTest, OverlapsAreFoundAtTheEndsOfTheRange) {
  Matrix<float> states(2, dimension);
  for (Index j = 0; j < dimension; ++j) {
    states(0, j) = patterns_(3, j) * 1e38F / 4.0F;
    states(1, j) = patterns_(3, j) * 1e-37F;
  }
  const Nearest found = nearest(memory_, states);
  for (const std::size_t i : {0U, 1U}) {
    EXPECT_EQ(found.pattern[i], 3);
    EXPECT_NEAR(found.overlap[i], 1.0F, 1e-6F);
  }
}

/// States far below 1, down to those with no digits left.
TEST_P(ValuesTest, TinyStatesFollowTheOracle) {
  const System system = GetParam().system(patterns_);
  const Matrix<float> directions = random_gaussian(4, dimension, rng_);
  for (const NamedUpdate& update : all_updates()) {
    if (std::holds_alternative<SignUpdate>(update.update)) continue;  // Its resolution isn't meant for these.
    const Relaxer relaxer(system.memory, {.update = update.update, .halting = fixed_steps(), .max_steps = 1});
    // Cosines are promised from lengths of 1e-18 on.
    const bool cosine = GetParam().name.find("cosine") != std::string::npos;
    for (const float size : {1e-15F, cosine ? 1e-16F : 1e-30F, cosine ? 1e-17F : 1e-38F, cosine ? 1e-17F : 1e-43F}) {
      Matrix<float> states = copy(directions);
      for (Index i = 0; i < states.size(); ++i) states.data()[i] *= size;
      const Relaxation result = relaxer.relax(states);
      for (Index i = 0; i < states.rows(); ++i) {
        const Vector state = to_double(row_of(states, i));
        const Vector field = reference::readout(system.model, state);
        const Vector expected = reference::apply(update.update, state, field);
        const RoundingBound bound = rounding_bound(system, state);
        const Vector tolerance = next_state_bound(update.update, bound, state, field);
        for (std::size_t j = 0; j < state.size(); ++j)
          // What is lost below the smallest normal number.
          ASSERT_NEAR(static_cast<double>(result.states(i, static_cast<Index>(j))), expected[j], tolerance[j] + 1e-42)
              << update.name << " size " << size << " neuron " << j;
      }
    }
  }
}

TEST_P(ValuesTest, TheSignOfAZeroIsNoMatter) {
  Matrix<float> plus = noisy_copies(patterns_, 20, 0.2F, 1.5F, rng_);
  for (Index i = 0; i < plus.size(); i += 3) plus.data()[i] = 0.0F;
  Matrix<float> minus = copy(plus);
  for (Index i = 0; i < minus.size(); i += 3) minus.data()[i] = -0.0F;
  for (const NamedUpdate& update : all_updates()) {
    const Relaxer relaxer(memory_, {.update = update.update, .max_steps = 5});
    const Relaxation a = relaxer.relax(plus);
    const Relaxation b = relaxer.relax(minus);
    EXPECT_EQ(a.steps, b.steps) << update.name;
    EXPECT_EQ(a.status, b.status) << update.name;
    EXPECT_TRUE(std::equal(a.states.data(), a.states.data() + a.states.size(), b.states.data())) << update.name;
  }
}

/// Patterns that leave the range of float, or its digits, wherever they are multiplied: they are refused, or each query
/// has a result that is the same alone.
TEST_P(ValuesTest, ExtremePatternsAreRefusedOrServed) {
  for (const float size : {1e-42F, 1e-30F, 1e18F, 1e30F, largest / 8.0F}) {
    Matrix<float> patterns = copy(patterns_);
    for (Index i = 0; i < patterns.size(); ++i) patterns.data()[i] = std::clamp(patterns.data()[i], -4.0F, 4.0F) * size;
    try {
      const Memory memory = GetParam().memory(patterns);
      for (const NamedUpdate& update : all_updates()) {
        const Relaxer relaxer(memory, {.update = update.update, .max_steps = 3, .energies = true});
        const Relaxation batch = relaxer.relax(queries_);
        for (Index i = 0; i < queries_.rows(); i += 5) {
          ASSERT_TRUE(same_row(batch, i, relaxer.relax(queries_.view().slice(i, 1)), 0)) << size << " query " << i;
          EXPECT_TRUE(batch.status[static_cast<std::size_t>(i)] == Status::diverged ||
                      is_finite(row_of(batch.states, i)))
              << update.name << " of size " << size << " query " << i;
        }
      }
    } catch (const InvalidArgument& refusal) {
      EXPECT_STRNE(refusal.what(), "");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, ValuesTest, testing::ValuesIn(systems_with_rounding()),
                         [](const auto& test) { return test.param.name; });

/// Temperatures that make scores overflow, or all alike.
TEST(BetaValuesTest, ExtremeOnesAreServed) {
  Rng rng(711);
  const Matrix<float> patterns = random_gaussian(5, dimension, rng);
  const Matrix<float> queries = noisy_copies(patterns, 40, 0.2F, 1.0F, rng);
  for (const Memory& memory :
       {Memory::modern_hopfield(Device::cpu(), patterns), Memory::exponential(Device::cpu(), patterns),
        Memory::modern_hopfield(Device::cpu(), patterns, {.similarity = Similarity::squared_distance}),
        Memory::modern_hopfield(Device::cpu(), patterns, {.separation = entmax()})})
    for (const float beta : {1e-30F, 1e-5F, 1e10F, 1e30F, 1e37F}) {
      const Relaxer relaxer(memory, {.update = readout_update(), .max_steps = 3});
      const std::vector<float> betas = {beta};
      const Relaxation batch = relaxer.relax(queries, {.betas = betas});
      for (Index i = 0; i < queries.rows(); ++i) {
        ASSERT_TRUE(same_row(batch, i, relaxer.relax(queries.view().slice(i, 1), {.betas = betas}), 0)) << beta;
        const auto at = static_cast<std::size_t>(i);
        EXPECT_TRUE(batch.status[at] == Status::diverged || is_finite(row_of(batch.states, i))) << beta;
        EXPECT_TRUE(beta > 1e30F || batch.status[at] != Status::diverged) << memory.rule() << " at " << beta;
        const Retrieval found = retrieve(memory, queries.view().slice(i, 1), {.beta = beta});
        EXPECT_TRUE(beta > 1e30F || found.pattern[0] >= 0) << memory.rule() << " at " << beta;
      }
    }
}

}  // namespace
}  // namespace attractor::test
