/// States of ±1 in linear memories of patterns ±1 are relaxed as bits, or as floats with products in integers where
/// neurons take turns; that shows in no result.

#include <limits>
#include <string>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"

namespace attractor::test {
namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

detail::Sizes without_bits() {
  detail::Sizes sizes = detail::sizes();
  sizes.packed_terms = 0;
  return sizes;
}

detail::Sizes in_spans_of(Index patterns) {
  detail::Sizes sizes = detail::sizes();
  sizes.packed_span = patterns;
  return sizes;
}

/// What a call gives with states of floats throughout.
Relaxation relax_on_floats(const Relaxer& relaxer, MatrixView<const float> queries, const RelaxCall& call = {}) {
  const SizesScope scope(without_bits());
  return relaxer.relax(queries, call);
}

void expect_same_of(const Memory& memory, const RelaxerOptions& options, MatrixView<const float> queries,
                    const RelaxCall& call) {
  const Relaxer relaxer(memory, options);
  const Relaxation expected = relax_on_floats(relaxer, queries, call);
  EXPECT_TRUE(same_results(relaxer.relax(queries, call), expected));
  const SizesScope scope(in_spans_of(6));
  EXPECT_TRUE(same_results(relaxer.relax(queries, call), expected)) << "in spans of 6 patterns";
}

/// By this sign update, and by the asynchronous one that is like it.
void expect_same(const Memory& memory, RelaxerOptions options, MatrixView<const float> queries,
                 const RelaxCall& call = {}) {
  expect_same_of(memory, options, queries, call);
  const AtZero at_zero = std::get<SignUpdate>(*options.update).at_zero;
  if (at_zero == AtZero::zero) return;
  SCOPED_TRACE("asynchronous");
  options.update = AsynchronousSignUpdate{.seed = 5, .at_zero = at_zero};
  expect_same_of(memory, options, queries, call);
}

void scale_rows(Matrix<float>& matrix, Index first, Index end, float factor) {
  for (Index i = first; i < end; ++i)
    for (Index k = 0; k < matrix.columns(); ++k) matrix(i, k) *= factor;
}

/// Patterns with neurons turned over, and between them what isn't ±1: everywhere, at one neuron, as NaN.
Matrix<float> mixed_queries(const Matrix<float>& patterns, Index count, Rng& rng) {
  Matrix<float> queries = flipped_copies(patterns, count, 0.3, rng);
  const Matrix<float> real = noisy_copies(patterns, count, 0.5F, 3.0F, rng);
  for (Index i = 0; i < count; ++i) {
    float* const row = queries.row(i);
    const auto k = static_cast<Index>(rng() % static_cast<std::uint64_t>(patterns.columns()));
    switch (rng() % 8) {
      case 0:
      case 1: std::copy_n(real.row(i), patterns.columns(), row); break;
      case 2: row[k] = 0.0F; break;
      case 3: row[k] = 1.5F; break;
      case 4: row[k] = i % 3 == 0 ? not_a_number : row[k]; break;
      default: break;
    }
  }
  return queries;
}

struct Shape {
  Index neurons;
  Index patterns;
};

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  return out << shape.neurons << "_neurons_" << shape.patterns << "_patterns";
}

class BipolarStatesTest : public testing::TestWithParam<Shape> {
 protected:
  Memory memory(const HebbianOptions& options = {}) const {
    HebbianOptions factored = options;
    factored.evaluation = Evaluation::factored;
    return Memory::hebbian(test_device(), patterns_, factored);
  }

  Rng rng_{1300};
  Matrix<float> patterns_ = random_bipolar(GetParam().patterns, GetParam().neurons, rng_);
};

TEST_P(BipolarStatesTest, GiveTheSameUnderEveryRule) {
  const Matrix<float> queries = mixed_queries(patterns_, 70, rng_);
  for (const AtZero at_zero : {AtZero::keep, AtZero::plus, AtZero::zero})
    for (const Halting& halting : {state_stable(0.0F), state_stable(2.5F, 2), fixed_steps(), energy_stable()})
      for (const bool traced : {false, true}) {
        const bool self_coupling = traced != (at_zero == AtZero::plus);
        SCOPED_TRACE(self_coupling);
        SCOPED_TRACE(static_cast<int>(at_zero));
        SCOPED_TRACE(static_cast<int>(halting.watch));
        SCOPED_TRACE(traced);
        expect_same(memory({.self_coupling = self_coupling}),
                    {.update = sign_update(at_zero),
                     .halting = halting,
                     .max_steps = 7,
                     .energies = traced,
                     .energy_trace = traced,
                     .threads = 1},
                    queries);
      }
}

TEST_P(BipolarStatesTest, GiveTheSameInBatchesOfAnySizeAndOnAnyNumberOfThreads) {
  const Matrix<float> queries = mixed_queries(patterns_, 200, rng_);
  for (const Index count : {1, 3, 63, 64, 65, 200})
    for (const int threads : {1, 3}) {
      SCOPED_TRACE(count);
      expect_same(memory(), {.update = sign_update(), .threads = threads}, queries.view().slice(0, count));
    }
}

TEST_P(BipolarStatesTest, GiveTheSameWithClamps) {
  const Matrix<float> queries = mixed_queries(patterns_, 90, rng_);
  const Matrix<std::uint8_t> clamped = random_mask(90, GetParam().neurons, 0.3, rng_);
  for (const AtZero at_zero : {AtZero::keep, AtZero::plus})
    expect_same(memory({.rate = 0.7F}),
                {.update = sign_update(at_zero), .max_steps = 9, .energy_trace = true, .threads = 1}, queries,
                {.clamped = clamped});
}

/// What counts as 0 grows with the query: to fields of several units.
TEST_P(BipolarStatesTest, GiveTheSameAfterLargeQueries) {
  Matrix<float> queries = noisy_copies(patterns_, 120, 0.5F, 3.0F, rng_);
  scale_rows(queries, 0, 30, 300.0F);
  scale_rows(queries, 30, 60, 1e4F);
  scale_rows(queries, 60, 90, 1e5F);
  scale_rows(queries, 90, 110, 1e7F);
  scale_rows(queries, 110, 120, 1e30F);
  for (const bool self_coupling : {false, true})
    for (const AtZero at_zero : {AtZero::keep, AtZero::plus})
      expect_same(memory({.self_coupling = self_coupling}),
                  {.update = sign_update(at_zero), .max_steps = 9, .energies = true, .threads = 1}, queries);
}

INSTANTIATE_TEST_SUITE_P(, BipolarStatesTest,
                         testing::Values(Shape{1, 1}, Shape{1, 4}, Shape{2, 3}, Shape{63, 1}, Shape{63, 5},
                                         Shape{64, 2}, Shape{65, 7}, Shape{130, 64}, Shape{257, 33}, Shape{520, 130},
                                         Shape{1024, 64}, Shape{1023, 65}),
                         [](const auto& test) { return testing::PrintToString(test.param); });

/// The largest fields there are: at the borders of 16 bits, and past them. Some of the patterns are turned over, which
/// changes no field.
TEST(BipolarFieldsTest, OfPatternsThatAreAllAlike) {
  Rng rng(1301);
  for (const Index neurons : {1024, 1023, 2048})
    for (const Index count : {31, 32, 63, 64, 65, 128, 300})
      for (const Index turned : {Index{0}, count / 2}) {
        SCOPED_TRACE(neurons);
        SCOPED_TRACE(count);
        SCOPED_TRACE(turned);
        const Matrix<float> pattern = random_bipolar(1, neurons, rng);
        Matrix<float> patterns = flipped_copies(pattern, count, 0.0, rng);
        scale_rows(patterns, 0, turned, -1.0F);
        Matrix<float> queries = flipped_copies(pattern, 9, 0.002, rng);
        for (Index i = 0; i < 3; ++i) std::copy_n(pattern.row(0), neurons, queries.row(i));
        scale_rows(queries, 1, 5, -1.0F);
        for (const bool self_coupling : {false, true})
          expect_same(Memory::hebbian(test_device(), patterns,
                                      {.self_coupling = self_coupling, .evaluation = Evaluation::factored}),
                      {.update = sign_update(), .threads = 1}, queries);
      }
}

/// So large that sums of float need not be exact: energies first, then those that bits add up.
TEST(BipolarFieldsTest, OfManyNeurons) {
  Rng rng(1302);
  for (const Index neurons : {1447, 1449, 2896, 2898, 10922, 10923}) {
    SCOPED_TRACE(neurons);
    const Matrix<float> patterns = random_bipolar(10, neurons, rng);
    const Matrix<float> queries = flipped_copies(patterns, 12, 0.3, rng);
    for (const bool energies : {false, true})
      expect_same(Memory::hebbian(test_device(), patterns),
                  {.update = sign_update(), .max_steps = 5, .energies = energies, .threads = 1}, queries);
  }
}

/// Scales at the ends of float's range: fields that overflow or vanish.
TEST(BipolarFieldsTest, OfAnyRate) {
  Rng rng(1303);
  const Matrix<float> patterns = random_bipolar(9, 100, rng);
  const Matrix<float> queries = mixed_queries(patterns, 50, rng);
  for (const float rate : {1e-44F, 1e-37F, 0.3F, 3e35F, 2e37F, 3e38F}) {
    SCOPED_TRACE(rate);
    expect_same(Memory::hebbian(test_device(), patterns, {.rate = rate}),
                {.update = sign_update(), .max_steps = 5, .energies = true, .threads = 1}, queries);
  }
}

/// What isn't a plain sum of scores of ±1 stays with floats.
TEST(BipolarFieldsTest, OfOtherMemories) {
  Rng rng(1304);
  const Matrix<float> patterns = random_bipolar(9, 100, rng);
  const Matrix<float> queries = mixed_queries(patterns, 50, rng);
  const std::vector<float> thresholds(100, 0.03F);
  const RelaxerOptions options{.update = sign_update(), .max_steps = 9, .energies = true, .threads = 1};
  expect_same(Memory::hebbian(test_device(), patterns, {.thresholds = thresholds}), options, queries);
  expect_same(Memory::hebbian(test_device(), patterns, {.centred = true}), options, queries);
  expect_same(Memory::hebbian(test_device(), patterns, {.decay = 0.9F}), options, queries);
  expect_same(Memory::projection(test_device(), patterns), options, queries);
  expect_same(Memory::dense_associative(test_device(), patterns), options, queries);
  expect_same(Memory::hebbian(test_device(), patterns, {.evaluation = Evaluation::dense}), options, queries);
}

/// Those under way when a call is cancelled have what they reached.
TEST(BipolarFieldsTest, LeaveStatesThatAreWhatTheyReachedWhenCancelled) {
  Rng rng(1305);
  const Matrix<float> patterns = random_bipolar(20, 130, rng);
  const Matrix<float> queries = mixed_queries(patterns, 500, rng);
  const Memory memory = Memory::hebbian(test_device(), patterns);
  std::stop_source stop;
  const RelaxCall call{.progress =
                           [&](const Progress& done) {
                             if (done.finished > 100) stop.request_stop();
                           },
                       .stop = stop.get_token()};

  const Relaxation result = Relaxer(memory, {.update = sign_update(), .threads = 1}).relax(queries, call);

  Index under_way = 0;
  for (Index i = 0; i < queries.rows(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (result.status[at] != Status::cancelled || result.steps[at] == 0) continue;
    ++under_way;
    const Relaxer alone(memory, {.update = sign_update(), .halting = fixed_steps(), .max_steps = result.steps[at]});
    EXPECT_TRUE(
        same_bits(row_of(result.states, i), row_of(relax_on_floats(alone, queries.view().slice(i, 1)).states, 0)));
  }
  EXPECT_GT(under_way, 0);
}

}  // namespace
}  // namespace attractor::test
