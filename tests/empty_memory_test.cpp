/// Memories without patterns: what they answer, how they come about, and that they grow like any other.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>
#include <stop_token>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

constexpr Index dimension = 19;
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

std::vector<Index> first_indices(Index count) {
  std::vector<Index> result(static_cast<std::size_t>(count));
  std::iota(result.begin(), result.end(), Index{0});
  return result;
}

bool all_are(std::span<const float> values, float value) {
  return std::all_of(values.begin(), values.end(), [=](float own) { return own == value; });
}

/// Whether two memories answer the same queries with the same bits.
testing::AssertionResult same_answers(const Memory& a, const Memory& b) {
  Rng rng(900);
  const Matrix<float> queries = random_gaussian(70, dimension, rng);
  const RelaxerOptions options{.update = tanh_update(), .max_steps = 6};
  return same_results(Relaxer(a, options).relax(queries), Relaxer(b, options).relax(queries));
}

class EmptyKindTest : public testing::TestWithParam<SystemKind> {
 protected:
  Memory make(MatrixView<const float> patterns) const { return GetParam().memory(patterns); }

  Rng rng_{901};
  Matrix<float> queries_ = random_gaussian(70, dimension, rng_);
  Matrix<float> patterns_ = random_gaussian(5, dimension, rng_);
  Memory empty_ = make({nullptr, 0, dimension});
};

TEST_P(EmptyKindTest, HasADimensionAndNoPatterns) {
  EXPECT_EQ(empty_.pattern_count(), 0);
  EXPECT_EQ(empty_.dimension(), dimension);
  EXPECT_EQ(empty_.content_dimension(), 0);
  EXPECT_EQ(empty_.patterns().rows, 0);
  EXPECT_EQ(empty_.patterns().columns, dimension);
  EXPECT_EQ(empty_.device(), test_device());
  EXPECT_NE(empty_.evaluation(), Evaluation::automatic);
}

TEST_P(EmptyKindTest, StatesStayUnderEveryUpdate) {
  for (const NamedUpdate& update : all_updates()) {
    const Relaxation result = Relaxer(empty_, {.update = update.update, .energies = true}).relax(queries_);

    EXPECT_TRUE(same_bits(result.states, queries_)) << update.name;
    EXPECT_TRUE(all_are(result.energies, 0.0F)) << update.name;
    for (std::size_t i = 0; i < 70; ++i) {
      EXPECT_EQ(result.steps[i], 2) << update.name;
      EXPECT_EQ(result.status[i], Status::converged) << update.name;
    }
  }
}

TEST_P(EmptyKindTest, GrowsLikeAnyOther) {
  Memory memory = empty_;

  memory.imprint({nullptr, 0, dimension});
  EXPECT_EQ(memory.pattern_count(), 0);
  memory.imprint(patterns_);

  EXPECT_TRUE(same_bits(memory.patterns(), patterns_));
  EXPECT_TRUE(same_answers(memory, make(patterns_)));
  EXPECT_EQ(memory.evaluation(), make(patterns_).evaluation());
  EXPECT_EQ(empty_.pattern_count(), 0);
}

TEST_P(EmptyKindTest, IsWhatForgettingAllLeaves) {
  Memory memory = make(patterns_);
  const Relaxer before(memory);

  memory.forget(first_indices(5));

  EXPECT_EQ(memory.pattern_count(), 0);
  EXPECT_EQ(memory.evaluation(), empty_.evaluation());
  EXPECT_TRUE(same_answers(memory, empty_));
  EXPECT_TRUE(same_results(before.relax(queries_), Relaxer(make(patterns_)).relax(queries_)));
  memory.imprint(patterns_);
  EXPECT_TRUE(same_answers(memory, make(patterns_)));
}

INSTANTIATE_TEST_SUITE_P(, EmptyKindTest, testing::ValuesIn(systems_with_rounding()),
                         [](const auto& test) { return test.param.name; });

class EmptyMemoryTest : public testing::Test {
 protected:
  Rng rng_{902};
  Matrix<float> queries_ = random_gaussian(37, dimension, rng_);
  Matrix<float> patterns_ = random_gaussian(5, dimension, rng_);
  Matrix<float> contents_ = random_gaussian(5, 3, rng_);
  Memory softmax_ = Memory::modern_hopfield(test_device(), {nullptr, 0, dimension});
  Memory hebbian_ = Memory::hebbian(test_device(), {nullptr, 0, dimension});
};

TEST_F(EmptyMemoryTest, HaltsAsSoonAsARuleMay) {
  const auto steps = [&](const Halting& halting, std::span<const float> betas = {}) {
    const Relaxation result = Relaxer(softmax_, {.halting = halting, .max_steps = 9}).relax(queries_, {.betas = betas});
    EXPECT_TRUE(same_bits(result.states, queries_));
    return result.steps.front();
  };
  const std::vector<float> betas = {0.5F, 1.0F, 2.0F, 4.0F};

  EXPECT_EQ(steps(energy_stable({.absolute = 0.0F, .relative = 0.0F, .patience = 3})), 4);
  EXPECT_EQ(steps(state_stable(0.0F, 3)), 3);
  EXPECT_EQ(steps(energy_stable(), betas), 4);
  EXPECT_EQ(steps(fixed_steps()), 9);
}

TEST_F(EmptyMemoryTest, ThresholdsClampsAndNeuronsInTurnMoveNothing) {
  const std::vector<float> thresholds(dimension, 0.5F);
  const Memory memory = Memory::hebbian(test_device(), {nullptr, 0, dimension}, {.thresholds = thresholds});
  const Matrix<std::uint8_t> clamped = random_mask(37, dimension, 0.3, rng_);

  for (const Update& update : {sign_update(AtZero::plus), asynchronous_sign_update()})
    EXPECT_TRUE(same_bits(Relaxer(memory, {.update = update}).relax(queries_, {.clamped = clamped}).states, queries_));
}

TEST_F(EmptyMemoryTest, TracesAreZerosUntilAQueryHalts) {
  const Relaxation result = Relaxer(softmax_, {.max_steps = 4, .energy_trace = true}).relax(queries_);

  for (Index i = 0; i < 37; ++i) {
    EXPECT_EQ(result.energy_trace(i, 0), 0.0F);
    EXPECT_EQ(result.energy_trace(i, 1), 0.0F);
    EXPECT_TRUE(std::isnan(result.energy_trace(i, 2)));
  }
}

TEST_F(EmptyMemoryTest, QueriesThatAreNotFiniteDiverge) {
  queries_(3, 7) = not_a_number;
  queries_(30, 0) = std::numeric_limits<float>::infinity();
  const Memory memory = Memory::modern_hopfield(test_device(), {nullptr, 0, dimension}, {.contents = {nullptr, 0, 3}});

  const Relaxation result = Relaxer(memory).relax(queries_);
  const Recall read = recall(memory, queries_);

  for (Index i = 0; i < 37; ++i) {
    const bool finite = i != 3 && i != 30;
    EXPECT_EQ(result.status[static_cast<std::size_t>(i)], finite ? Status::converged : Status::diverged);
    for (Index k = 0; k < 3; ++k) {
      EXPECT_EQ(std::isnan(result.contents(i, k)), !finite);
      EXPECT_EQ(std::isnan(read.contents(i, k)), !finite);
    }
  }
}

TEST_F(EmptyMemoryTest, RetrievesNothing) {
  const Retrieval found = retrieve(softmax_, queries_);
  const Nearest nearest_pattern = nearest(hebbian_, queries_);

  ASSERT_EQ(found.pattern.size(), 37U);
  for (std::size_t i = 0; i < 37; ++i) {
    EXPECT_EQ(found.pattern[i], -1);
    EXPECT_TRUE(std::isnan(found.posterior[i]));
    EXPECT_EQ(nearest_pattern.pattern[i], -1);
    EXPECT_TRUE(std::isnan(nearest_pattern.overlap[i]));
  }
  EXPECT_EQ(retrieve(softmax_, queries_, {.posteriors = false}).pattern.front(), -1);
  EXPECT_THROW(static_cast<void>(retrieve(softmax_, queries_, {.count = 2})), InvalidArgument);
  EXPECT_THROW(static_cast<void>(nearest(softmax_, queries_, {.count = 2})), InvalidArgument);
  EXPECT_THROW(static_cast<void>(retrieve(hebbian_, queries_)), NotSupported);
}

TEST_F(EmptyMemoryTest, RecallsZeros) {
  const Memory hetero = Memory::minerva(test_device(), {nullptr, 0, dimension}, {.contents = {nullptr, 0, 3}});

  const Recall own = recall(hebbian_, queries_);
  const Recall read = recall(hetero, queries_);

  EXPECT_TRUE(same_bits(own.contents, filled(37, dimension, 0.0F)));
  EXPECT_TRUE(same_bits(read.contents, filled(37, 3, 0.0F)));
  EXPECT_TRUE(same_bits(read.intensity, std::vector<float>(37, 0.0F)));
  EXPECT_TRUE(recall(softmax_, queries_).intensity.empty());
  EXPECT_TRUE(same_bits(Relaxer(hetero).relax(queries_).contents, filled(37, 3, 0.0F)));
}

TEST_F(EmptyMemoryTest, KeepsTheWidthOfItsContents) {
  Memory memory = Memory::modern_hopfield(test_device(), patterns_, {.contents = contents_.view()});

  memory.forget(first_indices(5));

  EXPECT_EQ(memory.content_dimension(), 3);
  EXPECT_THROW(memory.imprint(patterns_), InvalidArgument);
  EXPECT_THROW(memory.imprint(patterns_, patterns_), InvalidArgument);
  memory.imprint({nullptr, 0, dimension}, {nullptr, 0, 3});
  memory.imprint(patterns_, contents_);
  EXPECT_TRUE(same_bits(memory.contents(), contents_));
  EXPECT_TRUE(same_bits(
      recall(memory, queries_).contents,
      recall(Memory::modern_hopfield(test_device(), patterns_, {.contents = contents_.view()}), queries_).contents));
}

TEST_F(EmptyMemoryTest, RefusesWhatDoesNotFit) {
  const Device device = test_device();
  EXPECT_THROW(Memory::storkey(device, {nullptr, 0, 0}), InvalidArgument);
  EXPECT_THROW(Memory::hebbian(device, {nullptr, 0, dimension}, {.contents = contents_.view()}), InvalidArgument);
  EXPECT_THROW(Memory::modern_hopfield(device, {nullptr, 0, dimension}, {.log_prior = {0.0F}}), InvalidArgument);
  EXPECT_THROW(Memory::adaptive(device, {nullptr, 0, dimension}, {}), InvalidArgument);
  EXPECT_THROW(softmax_.imprint({nullptr, 0, dimension + 1}), InvalidArgument);
  EXPECT_THROW(softmax_.forget({0}), InvalidArgument);
  softmax_.forget({});
  EXPECT_EQ(softmax_.pattern_count(), 0);
}

TEST_F(EmptyMemoryTest, TakesWhatACallSaysOfNoPatterns) {
  const std::uint8_t none = 0;
  const float no_prior = 0.0F;
  const Relaxation result =
      Relaxer(softmax_).relax(queries_, {.valid_patterns = {&none, 1, 0}, .log_prior = {&no_prior, 37, 0}});

  EXPECT_TRUE(same_bits(result.states, queries_));
  EXPECT_THROW(static_cast<void>(Relaxer(softmax_).relax(queries_, {.valid_patterns = {&none, 1, 1}})),
               InvalidArgument);
  EXPECT_THROW(static_cast<void>(Relaxer(softmax_).relax(queries_, {.valid_patterns = {&none, 2, 0}})),
               InvalidArgument);
}

TEST_F(EmptyMemoryTest, PriorsGoWithTheirPatternsButWeightsOfRanksStay) {
  Memory prior = Memory::modern_hopfield(test_device(), patterns_.view().slice(0, 1), {.log_prior = {-1.0F}});
  prior.forget({0});
  prior.imprint(patterns_);
  EXPECT_TRUE(same_answers(prior, Memory::modern_hopfield(test_device(), patterns_)));

  Memory shared = Memory::adaptive(test_device(), patterns_, {.dot = std::vector<float>(dimension, 1.0F)});
  shared.forget(first_indices(5));
  EXPECT_EQ(shared.similarity()->dot.size(), static_cast<std::size_t>(dimension));

  Memory own = Memory::adaptive(test_device(), patterns_, {.dot = std::vector<float>(5 * dimension, 1.0F)});
  EXPECT_THROW(own.forget(first_indices(5)), NotSupported);
  EXPECT_EQ(own.pattern_count(), 5);
}

TEST_F(EmptyMemoryTest, ReportsProgressAndStops) {
  Progress last;
  const RelaxCall call{.progress = [&](const Progress& progress) { last = progress; }};
  static_cast<void>(Relaxer(softmax_).relax(queries_, call));
  EXPECT_EQ(last.finished, 37);
  EXPECT_EQ(last.total, 37);

  std::stop_source stop;
  stop.request_stop();
  for (const Status status : Relaxer(softmax_).relax(queries_, {.stop = stop.get_token()}).status)
    EXPECT_EQ(status, Status::cancelled);
}

TEST_F(EmptyMemoryTest, ComesBackFromAFile) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "attractor.empty.safetensors";
  const Memory hetero =
      Memory::modern_hopfield(test_device(), {nullptr, 0, dimension}, {.beta = 3.0F, .contents = {nullptr, 0, 3}});
  for (const Memory& memory : {hebbian_, softmax_, hetero}) {
    save(memory, path);
    Memory loaded = load(test_device(), path);

    EXPECT_EQ(loaded.pattern_count(), 0);
    EXPECT_EQ(loaded.dimension(), dimension);
    EXPECT_EQ(loaded.content_dimension(), memory.content_dimension());
    EXPECT_EQ(loaded.rule(), memory.rule());
    EXPECT_TRUE(same_answers(loaded, memory));
  }
  std::filesystem::remove(path);
}

TEST_F(EmptyMemoryTest, GoesToAnotherDevice) {
  const Memory copy = hebbian_.copy_to(Device::cpu());

  EXPECT_EQ(copy.device(), Device::cpu());
  EXPECT_TRUE(same_answers(copy, hebbian_));
  EXPECT_TRUE(same_answers(copy.copy_to(test_device()), hebbian_));
}

TEST_F(EmptyMemoryTest, MayBeAHead) {
  const std::vector<float> betas = {1.0F, 2.0F};
  const Matrix<float> queries = random_gaussian(9, 2 * dimension, rng_);
  const Heads heads = Heads::modern_hopfield(test_device(), {nullptr, 0, 2 * dimension}, betas);

  EXPECT_TRUE(same_bits(heads.relax(queries).states, queries));
}

}  // namespace
}  // namespace attractor::test
