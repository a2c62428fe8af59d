/// One call of relax: where results go, progress, cancellation, and the options around it.

#include <atomic>
#include <cmath>
#include <limits>
#include <stdexcept>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

class CallTest : public testing::Test {
 protected:
  Rng rng_{40};
  Matrix<float> patterns_ = random_bipolar(6, 50, rng_);
  Memory memory_ = Memory::hebbian(test_device(), patterns_);
};

TEST_F(CallTest, DefaultUpdatesFollowTheMemory) {
  const Memory modern = Memory::modern_hopfield(test_device(), patterns_);
  const Memory projection = Memory::projection(test_device(), patterns_);

  EXPECT_TRUE(std::holds_alternative<SignUpdate>(*Relaxer(memory_).options().update));
  EXPECT_TRUE(std::holds_alternative<SignUpdate>(*Relaxer(projection).options().update));
  EXPECT_TRUE(std::holds_alternative<ReadoutUpdate>(*Relaxer(modern).options().update));
}

TEST_F(CallTest, OptionsAndMemoryReadBack) {
  const Relaxer relaxer(memory_, {.update = tanh_update(0.25F),
                                  .halting = state_stable(0.125F, 3),
                                  .max_steps = 17,
                                  .energies = true,
                                  .threads = 2});

  EXPECT_EQ(std::get<TanhUpdate>(*relaxer.options().update).gain, 0.25F);
  EXPECT_EQ(relaxer.options().halting->watch, Halting::Watch::state);
  EXPECT_EQ(relaxer.options().halting->absolute, 0.125F);
  EXPECT_EQ(relaxer.options().halting->patience, 3);
  EXPECT_EQ(relaxer.options().max_steps, 17);
  EXPECT_TRUE(relaxer.options().energies);
  EXPECT_FALSE(relaxer.options().energy_trace);
  EXPECT_EQ(relaxer.options().threads, 2);
  EXPECT_TRUE(same_bits(relaxer.memory().patterns(), patterns_));
}

TEST_F(CallTest, EmptyBracesAreDefaults) {
  const Relaxation expected = Relaxer(memory_).relax(patterns_);

  EXPECT_TRUE(same_results(Relaxer(memory_, {}).relax(patterns_, {}), expected));
  if (test_device().kind() == Device::Kind::cpu) {
    EXPECT_TRUE(
        same_bits(footprint(test_device(), patterns_, patterns_, {}), footprint(test_device(), patterns_, patterns_)));
  }
}

TEST_F(CallTest, ListsMayBeWrittenInBraces) {
  const Device device = test_device();
  const std::vector<Index> indices = {0, 3};
  Memory expected = memory_;
  expected.forget(indices);

  Memory memory = memory_;
  memory.forget({0, 3});

  EXPECT_TRUE(same_bits(memory.patterns(), expected.patterns()));
  memory.forget({0});
  EXPECT_EQ(memory.pattern_count(), 3);
  memory.forget({});
  EXPECT_EQ(memory.pattern_count(), 3);
  const std::vector<Device> devices = {device};
  const Relaxation result = Relaxer(memory_).relax(patterns_);
  EXPECT_TRUE(same_results(Relaxer(memory_, {device}).relax(patterns_), result));
  EXPECT_TRUE(same_results(Relaxer(memory_, devices).relax(patterns_), result));
  EXPECT_TRUE(same_results(Relaxer(memory_, std::span(devices), {}).relax(patterns_), result));
  EXPECT_EQ(Relaxer(memory_, {device}, {.max_steps = 7}).options().max_steps, 7);
  EXPECT_THROW(Relaxer(memory_, {device, device}), InvalidArgument) << "named twice, or no CUDA device";
  EXPECT_THROW(Relaxer(memory_, std::vector<Device>()), InvalidArgument);
  if (device.kind() == Device::Kind::cpu) {
    const std::vector<FootprintPair> pairs = {{1, 2}, {0, 5}};
    EXPECT_TRUE(same_bits(footprint(device, patterns_, patterns_, {{1, 2}, {0, 5}}),
                          footprint(device, patterns_, patterns_, pairs)));
  }
}

TEST_F(CallTest, NoQueriesGiveNoResults) {
  const Relaxation result = Relaxer(memory_, {.energy_trace = true}).relax(MatrixView<const float>(nullptr, 0, 50));

  EXPECT_EQ(result.states.rows(), 0);
  EXPECT_EQ(result.states.columns(), 50);
  EXPECT_TRUE(result.steps.empty());
  EXPECT_TRUE(result.energies.empty());
  EXPECT_TRUE(result.status.empty());
  EXPECT_NO_THROW(
      Relaxer(memory_).relax(MatrixView<const float>(nullptr, 0, 50), {.states = MatrixView<float>(nullptr, 0, 50)}));
}

TEST_F(CallTest, PartsThatWereNotAskedForStayEmpty) {
  const Relaxation bare = Relaxer(memory_, {.halting = fixed_steps(), .max_steps = 3}).relax(patterns_);
  const Relaxation full =
      Relaxer(memory_, {.halting = fixed_steps(), .max_steps = 3, .energy_trace = true}).relax(patterns_);

  EXPECT_TRUE(bare.energies.empty());
  EXPECT_TRUE(bare.energy_trace.empty());
  EXPECT_TRUE(bare.contents.empty());
  EXPECT_EQ(full.energies.size(), 6U);
  EXPECT_EQ(full.energy_trace.rows(), 6);
  EXPECT_EQ(full.energy_trace.columns(), 3);
}

TEST_F(CallTest, AskingForEnergiesChangesNothingElse) {
  const Matrix<float> queries = noisy_copies(patterns_, 100, 0.2F, 1.5F, rng_);
  for (const Halting& rule : {energy_stable(), state_stable(0.1F), fixed_steps()}) {
    const RelaxerOptions plain{.update = tanh_update(), .halting = rule, .max_steps = 10};
    RelaxerOptions traced = plain;
    traced.energy_trace = true;

    const Relaxation a = Relaxer(memory_, plain).relax(queries);
    const Relaxation b = Relaxer(memory_, traced).relax(queries);

    EXPECT_TRUE(same_bits(a.states.view(), b.states.view()));
    EXPECT_EQ(a.steps, b.steps);
    EXPECT_EQ(a.status, b.status);
  }
}

TEST_F(CallTest, WritesIntoStridedBuffersAndLeavesThePaddingAlone) {
  const Index padding = 5;
  const Index count = 70;
  const float untouched = -123.0F;
  const Matrix<float> contents = random_gaussian(6, 7, rng_);
  const Memory memory = Memory::modern_hopfield(test_device(), patterns_, {.beta = 0.3F, .contents = contents.view()});
  const Matrix<float> queries = noisy_copies(patterns_, count, 0.2F, 1.5F, rng_);
  const Relaxer relaxer(memory, {.max_steps = 9, .energy_trace = true});
  const Relaxation expected = relaxer.relax(queries);
  Matrix<float> states(count, 50 + padding);
  Matrix<float> trace(count, 9 + padding);
  Matrix<float> recalled(count, 7 + padding);
  for (Matrix<float>* buffer : {&states, &trace, &recalled}) std::fill_n(buffer->data(), buffer->size(), untouched);
  std::vector<std::int32_t> steps(count);
  std::vector<float> energies(count);
  std::vector<Status> status(count);

  relaxer.relax(queries, {.states = {states.data(), count, 50, states.columns()},
                          .steps = steps,
                          .energies = energies,
                          .status = status,
                          .energy_trace = {trace.data(), count, 9, trace.columns()},
                          .contents = {recalled.data(), count, 7, recalled.columns()}});

  EXPECT_TRUE(same_bits(MatrixView<const float>(states.data(), count, 50, states.columns()), expected.states));
  EXPECT_TRUE(same_bits(MatrixView<const float>(trace.data(), count, 9, trace.columns()), expected.energy_trace));
  EXPECT_TRUE(same_bits(MatrixView<const float>(recalled.data(), count, 7, recalled.columns()), expected.contents));
  EXPECT_EQ(steps, expected.steps);
  EXPECT_TRUE(same_bits(energies, expected.energies));
  EXPECT_EQ(status, expected.status);
  for (const Matrix<float>* buffer : {&states, &trace, &recalled})
    for (Index i = 0; i < count; ++i)
      for (const float value : row_of(*buffer, i).last(padding)) EXPECT_EQ(value, untouched);
}

TEST_F(CallTest, StatesAloneAreEnough) {
  const Matrix<float> queries = noisy_copies(patterns_, 70, 0.2F, 1.5F, rng_);
  const Relaxer relaxer(memory_);
  Matrix<float> states(70, 50);

  relaxer.relax(queries, {.states = states.view()});

  EXPECT_TRUE(same_bits(states.view(), relaxer.relax(queries).states.view()));
}

TEST_F(CallTest, EachPartAloneIsThatOfTheWhole) {
  const Matrix<float> queries = noisy_copies(patterns_, 70, 0.2F, 1.5F, rng_);
  const Relaxer relaxer(memory_, {.update = tanh_update(), .max_steps = 9, .energy_trace = true});
  const Relaxation expected = relaxer.relax(queries);
  Matrix<float> states(70, 50);
  Matrix<float> trace(70, 9);
  std::vector<std::int32_t> steps(70);
  std::vector<float> energies(70);
  std::vector<Status> status(70);

  relaxer.relax(queries, {.states = states.view(), .steps = steps});
  relaxer.relax(queries, {.states = states.view(), .energies = energies});
  relaxer.relax(queries, {.states = states.view(), .status = status});
  relaxer.relax(queries, {.states = states.view(), .energy_trace = trace.view()});

  EXPECT_EQ(steps, expected.steps);
  EXPECT_TRUE(same_bits(energies, expected.energies));
  EXPECT_EQ(status, expected.status);
  EXPECT_TRUE(same_bits(trace.view(), expected.energy_trace.view()));
}

TEST_F(CallTest, ContentsAreTheOraclesReadout) {
  const Matrix<float> contents = random_gaussian(6, 129, rng_);
  const Memory memory = Memory::modern_hopfield(test_device(), patterns_, {.beta = 0.2F, .contents = contents.view()});
  const System system{memory, reference::modern_hopfield(patterns_, static_cast<double>(0.2F))};
  const Matrix<float> queries = noisy_copies(patterns_, 70, 0.5F, 2.0F, rng_);

  const Relaxation result = Relaxer(memory, {.halting = fixed_steps(), .max_steps = 1}).relax(queries);

  ASSERT_EQ(result.contents.rows(), 70);
  ASSERT_EQ(result.contents.columns(), 129);
  for (Index i = 0; i < queries.rows(); ++i) {
    const reference::Vector state = to_double(row_of(result.states, i));
    const reference::Vector expected =
        reference::recall(std::get<reference::SoftmaxModel>(system.model), contents, state);
    // |c| < 5 bounds each content entry.
    const double tolerance = 5.0 * rounding_bound(system, state).weights;
    for (Index j = 0; j < 129; ++j)
      EXPECT_NEAR(static_cast<double>(result.contents(i, j)), expected[static_cast<std::size_t>(j)], tolerance);
  }
}

TEST_F(CallTest, ClampedNeuronsKeepTheQuerysBits) {
  const Index count = 200;
  const Matrix<float> queries = noisy_copies(patterns_, count, 0.2F, 1.5F, rng_);
  const Matrix<std::uint8_t> clamped = random_mask(count, 50, 0.4, rng_);
  const Memory modern = Memory::modern_hopfield(test_device(), patterns_);
  for (const Memory& memory : {memory_, modern})
    for (const NamedUpdate& update : all_updates()) {
      const Relaxation result =
          Relaxer(memory, {.update = update.update, .max_steps = 12}).relax(queries, {.clamped = clamped.view()});

      int changed = 0;
      for (Index i = 0; i < clamped.size(); ++i) {
        if (clamped.data()[i] != 0) {
          ASSERT_EQ(result.states.data()[i], queries.data()[i]) << update.name << " entry " << i;
        }
        changed += result.states.data()[i] != queries.data()[i] ? 1 : 0;
      }
      EXPECT_GT(changed, 0) << update.name;
    }
}

TEST_F(CallTest, AnyNonzeroByteClampsAndAnEmptyMaskClampsNothing) {
  const Matrix<float> queries = noisy_copies(patterns_, 9, 0.5F, 1.5F, rng_);
  Matrix<std::uint8_t> all(9, 50);
  std::fill_n(all.data(), all.size(), std::uint8_t{128});
  Matrix<std::uint8_t> none(9, 50);
  std::fill_n(none.data(), none.size(), std::uint8_t{0});
  const Relaxer relaxer(memory_);

  EXPECT_TRUE(same_bits(relaxer.relax(queries, {.clamped = all.view()}).states.view(), queries.view()));
  EXPECT_TRUE(same_results(relaxer.relax(queries, {.clamped = none.view()}), relaxer.relax(queries)));
}

TEST_F(CallTest, MasksMayLieApart) {
  const Matrix<float> queries = noisy_copies(patterns_, 90, 0.5F, 1.5F, rng_);
  const Matrix<std::uint8_t> wide = random_mask(90, 64, 0.4, rng_);
  Matrix<std::uint8_t> narrow(90, 50);
  for (Index i = 0; i < 90; ++i) std::copy_n(wide.row(i), 50, narrow.row(i));
  const Relaxer relaxer(memory_);

  const Relaxation apart = relaxer.relax(queries, {.clamped = {wide.data(), 90, 50, 64}});

  EXPECT_TRUE(same_results(apart, relaxer.relax(queries, {.clamped = narrow.view()})));
}

/// Thousands of queries, so that calls have a middle.
class LongCallTest : public CallTest {
 protected:
  static constexpr float sentinel = -123.0F;

  /// What a CUDA device reports at a time.
  static detail::Sizes small_chunks() {
    detail::Sizes sizes;
    sizes.least_chunk = 300;
    return sizes;
  }
  static Index query_count() { return test_device_is_slow() ? 1500 : 20000; }

  /// Relaxes into buffers that are full of sentinels.
  Relaxation relax_over_sentinels(const RelaxCall& call) const {
    const auto count = static_cast<std::size_t>(queries_.rows());
    Relaxation result{.states = Matrix<float>(queries_.rows(), queries_.columns()),
                      .steps = std::vector<std::int32_t>(count, -1),
                      .energies = std::vector<float>(count, sentinel),
                      .status = std::vector<Status>(count, Status::converged),
                      .energy_trace = {},
                      .contents = {}};
    std::fill_n(result.states.data(), result.states.size(), sentinel);
    relaxer_.relax(
        queries_,
        {.states = result.states, .steps = result.steps, .energies = result.energies, .status = result.status}, call);
    return result;
  }

  static bool is_untouched(const Relaxation& result, Index i) {
    const auto row = row_of(result.states, i);
    return std::count(row.begin(), row.end(), sentinel) == std::ssize(row);
  }

  /// The state of a cancelled query is the one after as many steps as were taken.
  void expect_reached(const Relaxation& result, Index i) const {
    const int steps = result.steps[static_cast<std::size_t>(i)];
    ASSERT_LE(steps, undisturbed_.steps[static_cast<std::size_t>(i)]) << "query " << i;
    if (steps == 0) {
      ASSERT_TRUE(same_bits(row_of(result.states, i), row_of(queries_, i))) << "query " << i;
      return;
    }
    const Relaxer as_far(memory_, {.update = tanh_update(), .halting = fixed_steps(), .max_steps = steps});
    const Relaxation expected = as_far.relax(queries_.view().slice(i, 1));
    ASSERT_TRUE(same_bits(row_of(result.states, i), row_of(expected.states, 0))) << "query " << i;
  }

  SizesScope sizes_{small_chunks()};
  Matrix<float> queries_ = noisy_copies(patterns_, query_count(), 0.2F, 2.0F, rng_);
  Relaxer relaxer_{memory_, {.update = tanh_update(), .energies = true, .threads = 2}};
  Relaxation undisturbed_ = relaxer_.relax(queries_);
};

TEST_F(LongCallTest, ProgressIsMonotoneNeverConcurrentAndEndsAtTheTotal) {
  std::atomic<int> inside = 0;
  std::vector<Index> finished;

  const Relaxation result = relaxer_.relax(queries_, {.progress = [&](const Progress& progress) {
                                             EXPECT_EQ(inside++, 0) << "two threads at a time";
                                             EXPECT_EQ(progress.total, query_count());
                                             finished.push_back(progress.finished);
                                             --inside;
                                           }});

  ASSERT_FALSE(finished.empty());
  EXPECT_TRUE(std::is_sorted(finished.begin(), finished.end()));
  EXPECT_EQ(finished.back(), query_count());
  EXPECT_GT(finished.size(), 1U) << "a long call reports on its way, too";
  EXPECT_TRUE(same_results(result, undisturbed_));
}

TEST_F(LongCallTest, WhatProgressThrowsIsRethrownAndTheRelaxerStillWorks) {
  int calls = 0;
  const RelaxCall call{.progress = [&](const Progress&) {
    ++calls;
    throw std::domain_error("enough");
  }};

  EXPECT_THROW(static_cast<void>(relaxer_.relax(queries_, call)), std::domain_error);

  EXPECT_EQ(calls, 1) << "called again after it had thrown";
  EXPECT_TRUE(same_results(relaxer_.relax(queries_), undisturbed_));
}

TEST_F(LongCallTest, AStopBeforeTheCallCancelsEveryQueryAndWritesNoState) {
  std::stop_source source;
  source.request_stop();
  std::vector<Index> finished;

  const Relaxation result = relax_over_sentinels({
      .progress = [&](const Progress& progress) { finished.push_back(progress.finished); },
      .stop = source.get_token(),
  });

  EXPECT_EQ(finished, std::vector<Index>{0});
  for (Index i = 0; i < queries_.rows(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    ASSERT_EQ(result.status[at], Status::cancelled) << "query " << i;
    ASSERT_EQ(result.steps[at], 0) << "query " << i;
    ASSERT_TRUE(std::isnan(result.energies[at])) << "query " << i;
    ASSERT_TRUE(is_untouched(result, i)) << "query " << i;
  }
}

TEST_F(LongCallTest, AStopOnTheWayKeepsFinishedResultsAndStepsTakenAndLeavesTheRestAlone) {
  std::stop_source source;
  Index reported = 0;

  const Relaxation result = relax_over_sentinels({.progress =
                                                      [&](const Progress& progress) {
                                                        source.request_stop();
                                                        reported = progress.finished;
                                                      },
                                                  .stop = source.get_token()});

  Index finished = 0;
  Index untouched = 0;
  for (Index i = 0; i < queries_.rows(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (is_untouched(result, i)) {
      ++untouched;
      ASSERT_EQ(result.status[at], Status::cancelled) << "query " << i;
      ASSERT_EQ(result.steps[at], 0) << "query " << i;
      continue;
    }
    ASSERT_EQ(untouched, 0) << "query " << i << " comes after one that waited";
    if (result.status[at] == Status::cancelled) {
      expect_reached(result, i);
      continue;
    }
    ++finished;
    ASSERT_TRUE(same_row(result, i, undisturbed_, i)) << "query " << i;
  }
  EXPECT_GT(finished, 0);
  EXPECT_GT(untouched, 0);
  EXPECT_EQ(reported, finished) << "progress counts what was done, and ends there";
}

TEST_F(LongCallTest, AStopLeavesTheContentsOfQueriesThatWaitedAlone) {
  const Matrix<float> contents = random_gaussian(6, 3, rng_);
  const Relaxer relaxer(Memory::modern_hopfield(test_device(), patterns_, {.beta = 0.1F, .contents = contents.view()}));
  Matrix<float> recalled(queries_.rows(), 3);
  std::fill_n(recalled.data(), recalled.size(), sentinel);
  Matrix<float> states(queries_.rows(), 50);
  std::fill_n(states.data(), states.size(), sentinel);
  std::stop_source source;

  relaxer.relax(queries_, {.states = states.view(), .contents = recalled.view()},
                {.progress = [&](const Progress&) { source.request_stop(); }, .stop = source.get_token()});

  Index untouched = 0;
  for (Index i = 0; i < queries_.rows(); ++i) {
    const bool waited = states(i, 0) == sentinel;
    untouched += waited ? 1 : 0;
    ASSERT_EQ(recalled(i, 0) == sentinel, waited) << "query " << i;
  }
  EXPECT_GT(untouched, 0);
}

TEST_F(LongCallTest, ATokenNobodyStopsChangesNothing) {
  const std::stop_source source;

  EXPECT_TRUE(same_results(relaxer_.relax(queries_, {.stop = source.get_token()}), undisturbed_));
}

}  // namespace
}  // namespace attractor::test
