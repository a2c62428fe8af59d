/// Memories side by side, against each alone and against attention written out.

#include <cmath>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

/// softmax(β q kᵀ + bias) v of columns [first, first + width), in double.
std::vector<double> attend(const float* query, MatrixView<const float> keys, MatrixView<const float> values,
                           double beta, Index first, Index width, Index value_first, Index value_width,
                           const std::vector<double>& bias) {
  std::vector<double> weights;
  double total = 0.0;
  for (Index i = 0; i < keys.rows; ++i) {
    double score = 0.0;
    for (Index k = first; k < first + width; ++k)
      score += static_cast<double>(query[k]) * static_cast<double>(keys(i, k));
    weights.push_back(std::exp(beta * score + bias[static_cast<std::size_t>(i)]));
    total += weights.back();
  }
  std::vector<double> result(static_cast<std::size_t>(value_width), 0.0);
  for (Index i = 0; i < keys.rows; ++i)
    for (Index k = 0; k < value_width; ++k)
      result[static_cast<std::size_t>(k)] +=
          weights[static_cast<std::size_t>(i)] / total * static_cast<double>(values(i, value_first + k));
  return result;
}

class HeadsTest : public testing::Test {
 protected:
  static constexpr Index width = 16;
  static constexpr Index value_width = 5;
  Rng rng_{800};
  std::vector<float> betas_ = {0.25F, 1.0F, 0.5F};
  Matrix<float> keys_ = random_gaussian(37, 3 * width, rng_);
  Matrix<float> values_ = random_gaussian(37, 3 * value_width, rng_);
  Matrix<float> queries_ = random_gaussian(50, 3 * width, rng_);
};

/// One step is multi-head attention, its bias and mask included; values are read out where the state then is.
TEST_F(HeadsTest, AStepIsMultiHeadAttention) {
  Matrix<float> bias = random_gaussian(1, 37, rng_);
  bias(0, 3) = -INFINITY;
  std::vector<double> bias_of(bias.row(0), bias.row(0) + 37);
  const Heads heads = Heads::modern_hopfield(test_device(), keys_, betas_, {.contents = values_},
                                             {.halting = fixed_steps(), .max_steps = 1});

  const HeadsRelaxation result = heads.relax(queries_, {.log_prior = bias.view()});

  ASSERT_EQ(result.states.columns(), 3 * width);
  ASSERT_EQ(result.contents.columns(), 3 * value_width);
  for (Index i = 0; i < queries_.rows(); ++i)
    for (Index h = 0; h < 3; ++h) {
      const auto beta = static_cast<double>(betas_[static_cast<std::size_t>(h)]);
      const std::vector<double> state =
          attend(queries_.row(i), keys_, keys_, beta, h * width, width, h * width, width, bias_of);
      for (Index k = 0; k < width; ++k)
        EXPECT_NEAR(static_cast<double>(result.states(i, h * width + k)), state[static_cast<std::size_t>(k)], 2e-5);
      const std::vector<double> contents =
          attend(result.states.row(i), keys_, values_, beta, h * width, width, h * value_width, value_width, bias_of);
      for (Index k = 0; k < value_width; ++k)
        EXPECT_NEAR(static_cast<double>(result.contents(i, h * value_width + k)), contents[static_cast<std::size_t>(k)],
                    2e-5);
    }
}

/// Bit for bit, with steps of their own.
TEST_F(HeadsTest, EachIsAsIfAlone) {
  const Heads heads = Heads::modern_hopfield(test_device(), keys_, betas_, {.contents = values_}, {.max_steps = 40});
  Matrix<std::uint8_t> clamped = random_mask(50, 3 * width, 0.2, rng_);

  const HeadsRelaxation result = heads.relax(queries_, {.clamped = clamped.view()});

  for (Index h = 0; h < 3; ++h) {
    const Matrix<float> own = columns(queries_, h * width, width);
    const Relaxation alone = heads.relaxers()[static_cast<std::size_t>(h)].relax(
        own, {.clamped = {clamped.data() + h * width, 50, width, 3 * width}});
    EXPECT_TRUE(same_bits(columns(result.states, h * width, width), alone.states));
    EXPECT_TRUE(same_bits(columns(result.contents, h * value_width, value_width), alone.contents));
    EXPECT_TRUE(same_bits(row_of(result.energies, h), alone.energies));
    for (Index i = 0; i < 50; ++i) {
      EXPECT_EQ(result.steps(h, i), alone.steps[static_cast<std::size_t>(i)]);
      EXPECT_EQ(result.status(h, i), alone.status[static_cast<std::size_t>(i)]);
    }
  }
}

TEST_F(HeadsTest, MayBeUnlike) {
  const Matrix<float> patterns = random_bipolar(3, 20, rng_);
  std::vector<Relaxer> relaxers;
  relaxers.emplace_back(Memory::hebbian(test_device(), patterns));
  relaxers.emplace_back(Memory::modern_hopfield(test_device(), columns(keys_, 0, 7), {.contents = values_}));
  const Heads heads(std::move(relaxers));
  Matrix<float> queries = random_gaussian(4, 27, rng_);
  for (Index i = 0; i < 4; ++i) std::copy_n(patterns.row(i % 3), 20, queries.row(i));

  const HeadsRelaxation result = heads.relax(queries);

  EXPECT_EQ(result.contents.columns(), 3 * value_width);
  for (Index i = 0; i < 4; ++i) {
    EXPECT_TRUE(same_bits(std::span(result.states.row(i), 20), row_of(patterns, i % 3)));
    EXPECT_TRUE(std::isnan(result.energies(0, i)));  // Signs halt by their state.
    EXPECT_FALSE(std::isnan(result.energies(1, i)));
  }
}

TEST_F(HeadsTest, ProgressCountsEachQueryOnceAHead) {
  const Heads heads = Heads::modern_hopfield(test_device(), keys_, betas_, {}, {.max_steps = 3});
  Index last = 0;
  static_cast<void>(heads.relax(queries_, {.progress = [&](const Progress& progress) {
                                  EXPECT_EQ(progress.total, 150);
                                  EXPECT_GE(progress.finished, last);
                                  last = progress.finished;
                                }}));
  EXPECT_EQ(last, 150);
}

TEST_F(HeadsTest, BadInputIsNamed) {
  EXPECT_THROW(Heads({}), InvalidArgument);
  EXPECT_THROW(static_cast<void>(Heads::modern_hopfield(test_device(), keys_, {})), InvalidArgument);
  const std::vector<float> five(5, 1.0F);
  EXPECT_THROW(static_cast<void>(Heads::modern_hopfield(test_device(), keys_, five)), InvalidArgument);
  EXPECT_THROW(
      static_cast<void>(Heads::modern_hopfield(test_device(), keys_, betas_, {.contents = columns(values_, 0, 4)})),
      InvalidArgument);
  const Heads heads = Heads::modern_hopfield(test_device(), keys_, betas_);
  EXPECT_THROW(static_cast<void>(heads.relax(columns(queries_, 0, 47))), InvalidArgument);
  const Matrix<std::uint8_t> few = filled<std::uint8_t>(1, 36, 1);
  EXPECT_THROW(static_cast<void>(heads.relax(queries_, {.valid_patterns = few.view()})), InvalidArgument);
  EXPECT_EQ(heads.relax(queries_.view().slice(0, 0)).states.rows(), 0);
  EXPECT_EQ(heads.relax(MatrixView<const float>(nullptr, 0, 3 * width)).states.rows(), 0);
  EXPECT_THROW(static_cast<void>(Heads::modern_hopfield(test_device(), keys_, betas_, {}, {.energy_trace = true})),
               InvalidArgument);
}

/// What the second head refuses, before the first has begun.
TEST_F(HeadsTest, AllHeadsAreAskedBeforeAnyRelaxes) {
  std::vector<Relaxer> relaxers;
  relaxers.emplace_back(Memory::modern_hopfield(test_device(), columns(keys_, 0, 7)));
  relaxers.emplace_back(Memory::hebbian(test_device(), random_bipolar(37, 20, rng_)));
  const Heads heads(std::move(relaxers));
  const Matrix<float> queries = random_gaussian(4, 27, rng_);
  const Matrix<std::uint8_t> valid = filled<std::uint8_t>(1, 37, 1);
  const std::vector<float> betas = {2.0F};
  bool began = false;
  const auto progress = [&](const Progress& /*progress*/) { began = true; };
  EXPECT_THROW(static_cast<void>(heads.relax(queries, {.valid_patterns = valid.view(), .progress = progress})),
               NotSupported);
  EXPECT_THROW(static_cast<void>(heads.relax(queries, {.betas = betas, .progress = progress})), NotSupported);
  EXPECT_FALSE(began);
}

}  // namespace
}  // namespace attractor::test
