/// Memories of rules in words: the same memories as those of the named functions, and words that mean nothing are
/// refused.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

class RuleWordsTest : public testing::Test {
 protected:
  [[nodiscard]] Memory make(std::string_view rule, const RuleArrays& arrays = {}) const {
    return Memory::make(Device::cpu(), rule, patterns_, arrays);
  }
  [[nodiscard]] std::string rule_of(std::string_view rule) const { return make(rule).rule(); }

  void expect_refused(std::string_view rule, std::initializer_list<std::string> words) const {
    expect_invalid([&] { static_cast<void>(make(rule)); }, words);
  }

  Rng rng_{5};
  Matrix<float> patterns_ = random_bipolar(3, 12, rng_);
  Matrix<float> queries_ = random_gaussian(4, 12, rng_);
};

TEST_F(RuleWordsTest, DescriptionsMakeTheSameMemories) {
  const Device cpu = Device::cpu();
  const std::vector<Memory> memories = {
      Memory::hebbian(cpu, patterns_, {.self_coupling = true, .rate = 0.1F, .decay = 0.75F}),
      Memory::projection(cpu, patterns_, {.ridge = 0.3F, .evaluation = Evaluation::dense}),
      Memory::storkey(cpu, patterns_),
      Memory::bidirectional(cpu, patterns_, {.first = 5}),
      Memory::dense_associative(cpu, patterns_, {.order = 4, .rectified = true}),
      Memory::minerva(cpu, patterns_),
      Memory::modern_hopfield(cpu, patterns_, {.beta = 0.3F, .separation = entmax(1.25F)}),
      Memory::modern_hopfield(cpu, patterns_, {.similarity = Similarity::manhattan, .separation = epanechnikov(0.5F)}),
      Memory::exponential(cpu, patterns_, {.beta = 2.0F, .storage = PatternStorage::bfloat16})};
  for (const Memory& memory : memories) {
    const Memory made = make(memory.rule());
    EXPECT_EQ(made.rule(), memory.rule());
    EXPECT_EQ(made.kind(), memory.rule().substr(0, memory.rule().find('(')));
    EXPECT_TRUE(same_results(Relaxer(made).relax(queries_), Relaxer(memory).relax(queries_))) << memory.rule();
  }
}

TEST_F(RuleWordsTest, WhatIsNotNamedHasItsDefault) {
  EXPECT_EQ(rule_of("hebbian"), Memory::hebbian(Device::cpu(), patterns_).rule());
  EXPECT_EQ(rule_of(" hebbian ( ) "), Memory::hebbian(Device::cpu(), patterns_).rule());
  EXPECT_EQ(rule_of("projection(ridge=0.5)"), Memory::projection(Device::cpu(), patterns_, {.ridge = 0.5F}).rule());
  EXPECT_EQ(rule_of("modern_hopfield(separation = top(2), beta = 8)"),
            Memory::modern_hopfield(Device::cpu(), patterns_, {.beta = 8.0F, .separation = top(2)}).rule());
  EXPECT_EQ(
      rule_of("modern_hopfield(\n  beta = 8,\n  storage = float16\n)"),
      Memory::modern_hopfield(Device::cpu(), patterns_, {.beta = 8.0F, .storage = PatternStorage::float16}).rule());
}

TEST_F(RuleWordsTest, ArraysAreThoseOfTheOptions) {
  const std::vector<float> thresholds(12, 0.25F);
  const std::vector<float> log_prior = {0.0F, -1.0F, 0.5F};
  const Matrix<float> contents = random_gaussian(3, 4, rng_);
  EXPECT_TRUE(
      same_results(Relaxer(make("hebbian", {.thresholds = thresholds})).relax(queries_),
                   Relaxer(Memory::hebbian(Device::cpu(), patterns_, {.thresholds = thresholds})).relax(queries_)));
  EXPECT_TRUE(same_results(
      Relaxer(make("modern_hopfield", {.log_prior = log_prior, .contents = contents})).relax(queries_),
      Relaxer(Memory::modern_hopfield(Device::cpu(), patterns_, {.log_prior = log_prior, .contents = contents}))
          .relax(queries_)));
  expect_invalid([&] { static_cast<void>(make("minerva", {.thresholds = thresholds})); },
                 {"minerva", "thresholds", "12"});
  expect_invalid([&] { static_cast<void>(make("hebbian", {.log_prior = log_prior})); }, {"hebbian", "log-priors", "3"});
  expect_invalid([&] { static_cast<void>(make("storkey", {.contents = contents})); }, {"storkey", "contents"});
}

TEST_F(RuleWordsTest, WordsThatMeanNothingAreRefused) {
  expect_refused("", {"known are", "hebbian", "adaptive"});
  expect_refused("hopfield", {"\"hopfield\"", "modern_hopfield"});
  expect_refused("Hebbian", {"known are"});
  expect_refused("hebbian(", {"parenthesis"});
  expect_refused("hebbian(rate = 1", {"parenthesis"});
  expect_refused("hebbian(rate = 1) x", {"parenthesis"});
  expect_refused("hebbian(1)", {"\"1\"", "name = value"});
  expect_refused("hebbian(rate = 1,)", {"name = value"});
  expect_refused("hebbian(,)", {"name = value"});
  expect_refused("hebbian(speed = 1)", {"\"speed\"", "self_coupling", "rate"});
  expect_refused("minerva(rate = 1)", {"\"rate\"", "it takes none"});
  expect_refused("hebbian(rate = 1, rate = 1)", {"\"rate\"", "twice"});
  expect_refused("hebbian(rate = fast)", {"\"fast\"", "rate"});
  expect_refused("hebbian(rate = 1x)", {"\"1x\""});
  expect_refused("hebbian(rate = )", {"\"\"", "rate"});
  expect_refused("hebbian(self_coupling = yes)", {"\"yes\""});
  expect_refused("hebbian(rate = -1)", {"learning rate", "-1"});
  expect_refused("modern_hopfield(separation = entmax(1.5)", {"separation", "\"entmax(1.5\""});
  expect_refused("modern_hopfield(separation = entmax(1.5, 2))", {"has \"entmax(1.5, 2)\" for separation"});
  expect_refused("modern_hopfield(separation = hardmax)", {"\"hardmax\""});
  EXPECT_THROW(static_cast<void>(make("adaptive(groups = 1)")), NotSupported);
}

TEST_F(RuleWordsTest, MemoriesTellWhatTheyBear) {
  const Memory hebbian = make("hebbian");
  const Memory hopfield = make("modern_hopfield");
  EXPECT_EQ(hebbian.kind(), "hebbian");
  EXPECT_EQ(hopfield.kind(), "modern_hopfield");
  EXPECT_FALSE(hebbian.is_normalised());
  EXPECT_TRUE(hopfield.is_normalised());
  EXPECT_TRUE(std::holds_alternative<SignUpdate>(hebbian.default_update()));
  EXPECT_TRUE(std::holds_alternative<ReadoutUpdate>(hopfield.default_update()));
  EXPECT_NO_THROW(static_cast<void>(Relaxer(hebbian, {.update = asynchronous_sign_update()})));
  EXPECT_THROW(Relaxer(hopfield, {.update = asynchronous_sign_update()}), NotSupported);
  EXPECT_NO_THROW(static_cast<void>(retrieve(hopfield, queries_)));
  EXPECT_THROW(static_cast<void>(retrieve(hebbian, queries_)), NotSupported);
}

}  // namespace
}  // namespace attractor::test
