/// The resident kernel against the oracle: every form, update and halting rule, sizes around the edges of its tiles.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/reference/relaxation.hpp"
#include "kernels/cuda/device/capacity.hpp"
#include "kernels/cuda/resident/bipolar.hpp"
#include "kernels/cuda/resident/resident.hpp"
#include "tests/support/data.hpp"
#include "tests/support/sizes_scope.hpp"

namespace attractor::test {
namespace {

constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

enum class Form { factored, dense };

/// A Hebbian memory on the device beside its oracle.
struct Subject {
  std::optional<cuda::ResidentMemory> memory;
  reference::Model model;
};

Subject make_subject(MatrixView<const float> patterns, Form form, bool self_coupling) {
  reference::LinearModel model = reference::hebbian(patterns, self_coupling);
  const auto scale = static_cast<float>(model.scale);
  const std::vector<float> resolution(model.resolution.begin(), model.resolution.end());
  const Index d = patterns.columns;
  if (form == Form::dense) {
    Matrix<float> weights(d, d);
    std::copy_n(model.weights.data(), weights.size(), weights.data());
    return {.memory = cuda::make_resident_dense(weights.view(), resolution, scale), .model = std::move(model)};
  }
  std::vector<float> diagonal(static_cast<std::size_t>(d), 0.0F);
  for (Index k = 0; !self_coupling && k < d; ++k)
    for (Index i = 0; i < patterns.rows; ++i) diagonal[static_cast<std::size_t>(k)] += patterns(i, k) * patterns(i, k);
  return {.memory = cuda::make_resident_factored(patterns, diagonal, resolution, scale), .model = std::move(model)};
}

/// Shared memory that the tests' largest memories take: every one is there where a block may have as much.
constexpr int ample_shared_bytes = 227 << 10;

int shared_bytes_of_block() {
  int device = 0;
  int bytes = 0;
  cuda::check(cudaGetDevice(&device), "cudaGetDevice");
  cuda::check(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
              "cudaDeviceGetAttribute");
  return bytes;
}

/// Skips a test whose memory is too large for the shared memory of this device.
#define SKIP_UNLESS_IT_FITS(fits)                                                                         \
  if (!(fits)) {                                                                                          \
    ASSERT_LT(shared_bytes_of_block(), ample_shared_bytes) << "refused in spite of ample shared memory";  \
    GTEST_SKIP() << "too large for the " << shared_bytes_of_block() << " bytes of shared memory a block"; \
  }                                                                                                       \
  static_assert(true)

/// For updates of any kind.
#define SKIP_WITHOUT_ROOM(subject) SKIP_UNLESS_IT_FITS((subject).memory && (subject).memory->floats)

struct Rules {
  Update update = tanh_update();
  Halting halting = energy_stable();
  int max_steps = 30;
  bool energies = true;
  bool trace = false;
};

struct Results {
  Matrix<float> states;
  std::vector<std::int32_t> steps;
  std::vector<float> energies;
  std::vector<Status> status;
  Matrix<float> trace;
};

template <class T>
std::vector<T> download(const cuda::DeviceArray<T>& array) {
  std::vector<T> values(array.size());
  cuda::check(cudaMemcpy(values.data(), array.data(), array.bytes(), cudaMemcpyDeviceToHost), "cudaMemcpy");
  return values;
}

/// Rows `stride` apart on the device, the first `offset` elements into an array.
template <class T>
cuda::DeviceArray<T> upload_strided(MatrixView<const T> values, Index stride, Index offset) {
  std::vector<T> padded(static_cast<std::size_t>(offset + values.rows * stride), T{77});
  for (Index i = 0; i < values.rows; ++i)
    std::copy_n(values.row(i), values.columns, padded.data() + offset + i * stride);
  return cuda::upload(std::span<const T>(padded), "rows");
}

/// How far apart rows lie, and how far from the start of an array.
struct Spread {
  Index gap = 0;
  Index offset = 0;
  bool in_place = false;  ///< queries are where states will be
};

Results relax(const cuda::ResidentMemory& memory, const Rules& rules, MatrixView<const float> queries,
              MatrixView<const std::uint8_t> clamped = {}, Spread spread = {},
              Index most_queries = cuda::launch_queries) {
  const Index b = queries.rows;
  const Index d = queries.columns;
  const Index stride = d + spread.gap;
  const auto count = static_cast<std::size_t>(b);
  const auto q = upload_strided(queries, stride, spread.offset);
  const auto c = clamped.empty() ? cuda::DeviceArray<std::uint8_t>() : upload_strided(clamped, stride, spread.offset);
  const std::vector<float> untouched(static_cast<std::size_t>(spread.offset + b * stride), 55.0F);
  const auto states = spread.in_place ? upload_strided(queries, stride, spread.offset)
                                      : cuda::upload(std::span<const float>(untouched), "states");
  const cuda::DeviceArray<std::int32_t> steps(count, "steps");
  const cuda::DeviceArray<float> energies(count, "energies");
  const cuda::DeviceArray<Status> status(count, "status");
  const cuda::DeviceArray<float> trace(rules.trace ? count * static_cast<std::size_t>(rules.max_steps) : 0, "trace");
  const cuda::DeviceArray<std::byte> workspace(cuda::resident_workspace_bytes(memory, b), "workspace");
  const cuda::Job job{.queries = {(spread.in_place ? states : q).data() + spread.offset, b, d, stride},
                      .clamped = {c.data() == nullptr ? nullptr : c.data() + spread.offset, b, d, stride},
                      .states = {states.data() + spread.offset, b, d, stride},
                      .steps = steps.data(),
                      .energies = energies.data(),
                      .status = status.data(),
                      .energy_trace = {trace.data(), b, rules.max_steps},
                      .halting = rules.halting,
                      .update = cuda::to_rule(rules.update),
                      .max_steps = rules.max_steps,
                      .wants_energy = rules.energies || rules.trace || rules.halting.watch == Halting::Watch::energy};
  cuda::launch_resident(memory, job, workspace.data(), nullptr, most_queries);
  cuda::check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");

  const std::vector<float> padded = download(states);
  Results results{.states = Matrix<float>(b, d),
                  .steps = download(steps),
                  .energies = download(energies),
                  .status = download(status),
                  .trace = Matrix<float>(rules.trace ? b : 0, rules.max_steps)};
  for (Index i = 0; i < b; ++i) {
    const float* const row = padded.data() + spread.offset + i * stride;
    std::copy_n(row, d, results.states.row(i));
    EXPECT_EQ(std::count(row + d, row + stride, 55.0F), spread.gap) << "written past row " << i;
  }
  if (rules.trace) {
    const std::vector<float> values = download(trace);
    std::copy(values.begin(), values.end(), results.trace.data());
  }
  return results;
}

bool same_bits(const float* a, const float* b, Index count) {
  return std::memcmp(a, b, static_cast<std::size_t>(count) * sizeof(float)) == 0;
}

/// Row `i` of `a` is row `j` of `b`, bit for bit.
bool same_row(const Results& a, Index i, const Results& b, Index j) {
  const auto s = static_cast<std::size_t>(i);
  const auto t = static_cast<std::size_t>(j);
  return a.steps[s] == b.steps[t] && a.status[s] == b.status[t] && same_bits(&a.energies[s], &b.energies[t], 1) &&
         same_bits(a.states.row(i), b.states.row(j), a.states.columns()) &&
         (a.trace.empty() || same_bits(a.trace.row(i), b.trace.row(j), a.trace.columns()));
}

reference::Outcome oracle(const Subject& subject, const Rules& rules, const Matrix<float>& queries, Index i,
                          const Matrix<std::uint8_t>& clamped = {}) {
  std::span<const std::uint8_t> mask;
  if (!clamped.empty()) mask = row_of(clamped, i);
  return reference::relax(subject.model,
                          {.update = rules.update, .halting = rules.halting, .max_steps = rules.max_steps},
                          row_of(queries, i), mask);
}

struct Shape {
  Index patterns;
  Index dimension;
  Index queries;
};

/// Patterns, neurons and queries of one, odd, and around the edges of tiles and passes.
const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all = {{1, 1, 7},    {1, 2, 1},     {3, 63, 70},   {8, 64, 64},
                                         {9, 65, 65},  {17, 100, 90}, {33, 127, 33}, {5, 128, 150},
                                         {7, 129, 40}, {40, 200, 40}, {70, 256, 33}};
  return all;
}

class ResidentTest : public testing::TestWithParam<std::tuple<Form, Shape>> {
 protected:
  [[nodiscard]] Form form() const { return std::get<Form>(GetParam()); }
  [[nodiscard]] Shape shape() const { return std::get<Shape>(GetParam()); }

  /// Real weights take twice the room of integers, which are exact in half precision.
  [[nodiscard]] bool real_weights_fit() const { return form() == Form::factored || shape().dimension <= 192; }

  Rng rng_{40};
};

/// Bipolar patterns and queries: every product, sum and energy is an integer that float holds, so states, steps and
/// statuses are those of the oracle, and energies are them but for the scale's rounding.
TEST_P(ResidentTest, BipolarRelaxationsAreTheOracles) {
  const auto [p, d, b] = shape();
  const Matrix<float> patterns = random_bipolar(p, d, rng_);
  const Matrix<float> queries = flipped_copies(patterns, b, 0.3, rng_);
  const Matrix<std::uint8_t> mask = random_mask(b, d, 0.2, rng_);
  // Each halting rule with and without clamped neurons, self-coupling with and without them.
  int turn = 0;
  for (const bool self_coupling : {false, true}) {
    const Subject s = make_subject(patterns, form(), self_coupling);
    SKIP_WITHOUT_ROOM(s);
    for (const Halting& halting :
         {energy_stable(), energy_stable({.patience = 3}), state_stable(0.5F), state_stable(0.5F, 2), fixed_steps()}) {
      const bool clamp = turn++ % 2 == 0;
      const Rules rules{.update = sign_update(), .halting = halting, .max_steps = 6, .trace = self_coupling};
      const Spread spread{.gap = clamp ? 3 : 0, .offset = clamp ? 1 : 0};

      const Matrix<std::uint8_t> none;
      const Matrix<std::uint8_t>& clamped = clamp ? mask : none;
      const Results results = relax(*s.memory, rules, queries.view(), clamped.view(), spread);

      for (Index i = 0; i < b; ++i) {
        const reference::Outcome expected = oracle(s, rules, queries, i, clamped);
        const auto at = static_cast<std::size_t>(i);
        ASSERT_EQ(results.steps[at], expected.steps) << "query " << i;
        ASSERT_EQ(results.status[at], expected.status) << "query " << i;
        ASSERT_NEAR(results.energies[at], expected.energy, 2e-7 * std::abs(expected.energy)) << "query " << i;
        for (Index k = 0; k < d; ++k)
          ASSERT_EQ(results.states(i, k), expected.state[static_cast<std::size_t>(k)]) << i << ", " << k;
        for (int t = 0; rules.trace && t < rules.max_steps; ++t) {
          if (t < expected.steps) {
            const double energy = expected.trace[static_cast<std::size_t>(t)];
            ASSERT_NEAR(results.trace(i, t), energy, 2e-7 * std::abs(energy));
          } else {
            ASSERT_TRUE(std::isnan(results.trace(i, t)));
          }
        }
      }
    }
  }
}

/// Three steps of every update on real numbers. A float sum of n products errs by at most n·2⁻²⁴ of the sum of their
/// magnitudes; a few steps of these updates carry that on without growth worth mentioning.
TEST_P(ResidentTest, EveryUpdateFollowsTheOracle) {
  const auto [p, d, b] = shape();
  if (!real_weights_fit()) GTEST_SKIP();
  const Matrix<float> patterns = random_gaussian(p, d, rng_);
  const Matrix<float> queries = random_gaussian(b, d, rng_);
  const Matrix<std::uint8_t> clamped = random_mask(b, d, 0.1, rng_);
  const Subject s = make_subject(patterns, form(), false);
  SKIP_WITHOUT_ROOM(s);
  // Every two of update, halting and energies.
  bool fixed_has_energies = false;
  for (const Update& update : {tanh_update(0.5F), readout_update(), blend_update(0.3F)}) {
    fixed_has_energies = !fixed_has_energies;
    for (const bool energies : {false, true}) {
      const Halting halting = energies == fixed_has_energies ? fixed_steps() : state_stable(1e-30F);
      const Rules rules{.update = update, .halting = halting, .max_steps = 3, .energies = energies};

      const Results results = relax(*s.memory, rules, queries.view(), clamped.view());

      for (Index i = 0; i < b; ++i) {
        const reference::Outcome expected = oracle(s, rules, queries, i, clamped);
        const auto at = static_cast<std::size_t>(i);
        double size = 1.0;
        for (const double x : expected.state) size = std::max(size, std::abs(x));
        const double error = 1e-5 * size * std::sqrt(static_cast<double>(d * p));
        // Without a partner a neuron's state becomes 0 at once: the change of 0 after it depends on rounding.
        if (d > 1) {
          ASSERT_EQ(results.steps[at], expected.steps);
          ASSERT_EQ(results.status[at], expected.status);
        }
        for (Index k = 0; k < d; ++k)
          ASSERT_NEAR(results.states(i, k), expected.state[static_cast<std::size_t>(k)], error) << i << ", " << k;
        if (energies) {
          ASSERT_NEAR(results.energies[at], expected.energy, error * size * static_cast<double>(d));
        } else {
          ASSERT_TRUE(std::isnan(results.energies[at]));
        }
      }
    }
  }
}

/// Where an energy changes by nearly the tolerance, rounding may move the halt by a step.
TEST_P(ResidentTest, EnergyHaltingStopsWhereTheOracleDoes) {
  const auto [p, d, b] = shape();
  if (d == 1) GTEST_SKIP() << "one neuron without self-coupling has no energy";
  const Matrix<float> patterns = random_bipolar(p, d, rng_);
  const Matrix<float> queries = noisy_copies(patterns, b, 0.2F, 1.5F, rng_);
  const Subject s = make_subject(patterns, form(), false);
  SKIP_WITHOUT_ROOM(s);
  const Rules rules{.max_steps = 60};

  const Results results = relax(*s.memory, rules, queries.view());

  Index moved = 0;
  for (Index i = 0; i < b; ++i) {
    const reference::Outcome expected = oracle(s, rules, queries, i);
    const auto at = static_cast<std::size_t>(i);
    if (results.steps[at] != expected.steps) {
      ++moved;
      continue;
    }
    EXPECT_EQ(results.status[at], expected.status);
    EXPECT_NEAR(results.energies[at], expected.energy, 1e-4 * std::abs(expected.energy) + 1e-5);
  }
  EXPECT_LE(moved, 1 + b / 50);
}

TEST_P(ResidentTest, ResultsDontDependOnTheBatch) {
  const auto [p, d, b] = shape();
  if (!real_weights_fit()) GTEST_SKIP();
  const Matrix<float> patterns = random_gaussian(p, d, rng_);
  const Index count = b + 70;
  const Matrix<float> queries = noisy_copies(patterns, count, 0.2F, 2.0F, rng_);
  const std::vector<Index> order = random_permutation(count, rng_);
  const Matrix<float> shuffled = select(queries, order);
  const Subject s = make_subject(patterns, form(), false);
  SKIP_WITHOUT_ROOM(s);
  const Rules rules{.max_steps = 15, .trace = true};

  const Results all = relax(*s.memory, rules, queries.view());
  const Results other = relax(*s.memory, rules, shuffled.view());
  const Results few = relax(*s.memory, rules, queries.view().slice(0, b), {}, {.gap = 5, .offset = 3});

  for (Index i = 0; i < count; ++i)
    ASSERT_TRUE(same_row(other, i, all, order[static_cast<std::size_t>(i)])) << "query " << i;
  for (Index i = 0; i < b; ++i) ASSERT_TRUE(same_row(few, i, all, i)) << "query " << i;
}

TEST_P(ResidentTest, BadQueriesStayAmongThemselves) {
  const auto [p, d, b] = shape();
  const Matrix<float> patterns = random_bipolar(p, d, rng_);
  Matrix<float> queries = noisy_copies(patterns, b + 30, 0.2F, 1.5F, rng_);
  const Subject s = make_subject(patterns, form(), false);
  SKIP_WITHOUT_ROOM(s);
  for (const Halting& halting : {energy_stable(), state_stable(1e-3F), fixed_steps()}) {
    const Rules rules{.halting = halting, .max_steps = 8, .energies = false};
    const Results clean = relax(*s.memory, rules, queries.view());
    Matrix<float> poisoned = copy(queries);
    constexpr std::array poisons = {nan_value, infinity};
    for (Index i = 0; i < poisoned.rows(); i += 5) poisoned(i, d - 1) = poisons.at(static_cast<std::size_t>(i % 2));

    const Results results = relax(*s.memory, rules, poisoned.view());

    for (Index i = 0; i < poisoned.rows(); ++i) {
      if (i % 5 != 0) {
        ASSERT_TRUE(same_row(results, i, clean, i)) << "query " << i;
        continue;
      }
      const auto at = static_cast<std::size_t>(i);
      ASSERT_EQ(results.status[at], Status::diverged);
      ASSERT_EQ(results.steps[at], 0);
      ASSERT_TRUE(std::isnan(results.energies[at]));
      ASSERT_TRUE(same_bits(results.states.row(i), poisoned.row(i), d));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, ResidentTest,
                         testing::Combine(testing::Values(Form::factored, Form::dense), testing::ValuesIn(shapes())),
                         [](const auto& test) {
                           const Shape shape = std::get<Shape>(test.param);
                           return std::string(std::get<Form>(test.param) == Form::dense ? "dense" : "factored") + "_" +
                                  std::to_string(shape.patterns) + "x" + std::to_string(shape.dimension);
                         });

/// Each readout multiplies the second query by 1e6, so that it leaves the range of float after a few steps.
TEST(ResidentDivergenceTest, OverflowsDiverge) {
  Matrix<float> pattern(1, 16);
  std::fill_n(pattern.data(), pattern.size(), 1000.0F);
  Matrix<float> queries(70, 16);
  std::fill_n(queries.data(), queries.size(), 0.0F);
  std::fill_n(queries.row(33), 16, 1.0F);
  for (const Form form : {Form::factored, Form::dense})
    for (const float rate : {0.5F, 1.0F})
      for (const Halting& halting : {energy_stable(), state_stable(0.5F), fixed_steps()}) {
        const Subject s = make_subject(pattern, form, true);

        const Results results = relax(*s.memory,
                                      {.update = blend_update(rate),
                                       .halting = halting,
                                       .max_steps = 20,
                                       .energies = false,
                                       .trace = halting.watch == Halting::Watch::state},
                                      queries.view());

        EXPECT_EQ(results.status[33], Status::diverged);
        EXPECT_GE(results.steps[33], 1);
        EXPECT_LE(results.steps[33], 8);
        EXPECT_EQ(std::count(results.status.begin(), results.status.end(), Status::diverged), 1);
        for (Index i = 0; i < queries.rows(); ++i)
          if (i != 33) {
            EXPECT_TRUE(same_bits(results.states.row(i), queries.row(i), 16)) << "query " << i;
          }
      }
}

/// A pattern of 1e20 and queries around 1, or of 1e15 so that weights are numbers and 1e10, followed by more or less
/// padding: the readout of query 33 overflows, its state under tanh or sign doesn't.
void expect_divergence(float pattern_entry, float state_entry) {
  for (const Form form : {Form::factored, Form::dense})
    for (const Index d : {15, 16, 17, 24, 64, 65, 129}) {
      Matrix<float> pattern(1, d);
      std::fill_n(pattern.data(), pattern.size(), pattern_entry);
      const Subject s = make_subject(pattern, form, true);
      const bool fits = s.memory && s.memory->floats;
      if (!fits && shared_bytes_of_block() < ample_shared_bytes) continue;
      const bool overflows_elsewhere = form == Form::dense && std::isinf(pattern_entry * pattern_entry);
      Matrix<float> queries(35, d);
      std::fill_n(queries.data(), queries.size(), 1e-10F * state_entry);
      std::fill_n(queries.row(33), d, state_entry);
      Matrix<std::uint8_t> all_clamped(35, d);
      std::fill_n(all_clamped.data(), all_clamped.size(), std::uint8_t{1});
      const Matrix<std::uint8_t> none;
      for (const Update& update : {tanh_update(), sign_update(), readout_update(), blend_update(0.5F)})
        for (const Halting& halting : {state_stable(0.5F), fixed_steps()})
          for (const bool energies : {false, true}) {
            const bool clamp = energies == (halting.watch == Halting::Watch::state);
            const Rules rules{.update = update, .halting = halting, .max_steps = 1, .energies = energies};

            const Results results = relax(*s.memory, rules, queries.view(), clamp ? all_clamped.view() : none.view());

            EXPECT_EQ(results.status[33], Status::diverged) << "D=" << d << " energies " << energies;
            EXPECT_EQ(results.steps[33], 1);
            const cuda::UpdateRule::Kind kind = cuda::to_rule(update).kind;
            const bool stays_small = kind == cuda::UpdateRule::Kind::tanh || kind == cuda::UpdateRule::Kind::sign;
            if (stays_small && !overflows_elsewhere) {
              EXPECT_EQ(std::count(results.status.begin(), results.status.end(), Status::diverged), 1) << "D=" << d;
            }
          }
    }
}

TEST(ResidentDivergenceTest, ReadoutsThatOverflowShowWhateverTheUpdateAndWhateverIsAskedFor) {
  expect_divergence(1e20F, 1.0F);
}
TEST(ResidentDivergenceTest, ReadoutsOfFiniteWeightsThatOverflowShowLikewise) { expect_divergence(1e15F, 1e10F); }

/// Patterns of 1e5 and states of 1e18: scores and readouts are within the range of float, energies and their terms not.
TEST(ResidentDivergenceTest, EnergiesReachFurtherThanFloatSums) {
  Rng rng(47);
  for (const Form form : {Form::factored, Form::dense})
    for (const bool self_coupling : {false, true}) {
      Matrix<float> patterns = random_bipolar(3, 64, rng);
      for (Index i = 0; i < patterns.size(); ++i) patterns.data()[i] *= 1e5F;
      const Subject s = make_subject(patterns, form, self_coupling);
      Matrix<float> queries = random_bipolar(70, 64, rng);
      for (Index i = 0; i < queries.rows(); i += 2)
        for (Index k = 0; k < 64; ++k) queries(i, k) *= 1e18F;
      Matrix<std::uint8_t> clamped(70, 64);
      std::fill_n(clamped.data(), clamped.size(), std::uint8_t{1});
      for (const Halting& halting : {fixed_steps(), energy_stable()}) {
        const Rules rules{.update = tanh_update(), .halting = halting, .max_steps = 3};

        const Results results = relax(*s.memory, rules, queries.view(), clamped.view());

        for (Index i = 0; i < queries.rows(); ++i) {
          const reference::Outcome expected = oracle(s, rules, queries, i, clamped);
          const auto at = static_cast<std::size_t>(i);
          EXPECT_EQ(results.status[at], expected.status) << "query " << i;
          EXPECT_EQ(results.steps[at], expected.steps) << "query " << i;
          const bool overflows = std::abs(expected.energy) > 3e38;
          EXPECT_EQ(std::isinf(results.energies[at]), overflows) << results.energies[at] << ", " << expected.energy;
          if (!overflows) {
            EXPECT_NEAR(results.energies[at], expected.energy, 1e-4 * std::abs(expected.energy)) << "query " << i;
          }
        }
      }
    }
}

/// Integer fields: cycles from the start or after a while, fixed points that patience waits for, entries of queries
/// that aren't ±1, clamped neurons. Steps, statuses and states are the oracle's, whatever else is asked for.
TEST(ResidentCycleTest, SignUpdatesHaltWhereTheOracleDoes) {
  Rng rng(48);
  int oscillating = 0;
  for (const Form form : {Form::factored, Form::dense})
    for (const Index d : {2, 9, 64, 70}) {
      const Matrix<float> patterns = random_bipolar(d / 6 + 1, d, rng);
      Matrix<float> queries = flipped_copies(patterns, 70, 0.5, rng);
      for (Index i = 0; i < queries.rows(); i += 3) queries(i, 0) = 0.25F;
      const Matrix<std::uint8_t> mask = random_mask(queries.rows(), d, 0.2, rng);
      const Matrix<std::uint8_t> none;
      const Subject s = make_subject(patterns, form, false);
      for (const int patience : {1, 3})
        for (const bool energies : {false, true}) {
          const bool clamp = energies == (patience > 1);
          const Matrix<std::uint8_t>& clamped = clamp ? mask : none;
          const Rules rules{
              .update = sign_update(), .halting = state_stable(0.0F, patience), .max_steps = 12, .energies = energies};

          const Results results = relax(*s.memory, rules, queries.view(), clamped.view());

          for (Index i = 0; i < queries.rows(); ++i) {
            const reference::Outcome expected = oracle(s, rules, queries, i, clamped);
            const auto at = static_cast<std::size_t>(i);
            ASSERT_EQ(results.status[at], expected.status) << "query " << i << " D=" << d;
            ASSERT_EQ(results.steps[at], expected.steps) << "query " << i << " D=" << d;
            for (Index k = 0; k < d; ++k)
              ASSERT_EQ(results.states(i, k), expected.state[static_cast<std::size_t>(k)]) << i << ", " << k;
            oscillating += expected.status == Status::oscillating ? 1 : 0;
          }
        }
    }
  EXPECT_GT(oscillating, 100);
}

/// One warp of one block, so that a few dozen queries follow one another, in integers or not.
detail::Sizes one_warp(bool in_integers) {
  detail::Sizes sizes = detail::sizes();
  sizes.resident_blocks = 1;
  sizes.bipolar_warps = 1;
  if (!in_integers) sizes.packed_terms = 0;
  return sizes;
}

/// Patterns with neurons turned over, and between them what isn't ±1: everywhere, at one neuron, as NaN.
Matrix<float> mixed_queries(const Matrix<float>& patterns, Index count, Rng& rng) {
  Matrix<float> queries = flipped_copies(patterns, count, 0.3, rng);
  const Matrix<float> real = noisy_copies(patterns, count, 0.5F, 3.0F, rng);
  const std::array<float, 4> others{0.0F, 1.5F, nan_value, -infinity};
  for (Index i = 1; i < count; i += 3) {
    const auto k = static_cast<Index>(rng() % static_cast<std::uint64_t>(patterns.columns()));
    const std::size_t other = rng() % 5;
    if (other < others.size())
      queries(i, k) = others[other];
    else
      std::copy_n(real.row(i), real.columns(), queries.row(i));
  }
  return queries;
}

/// Sizes around the edges of groups of patterns, blocks of neurons, and of what a digit holds.
class ResidentIntegersTest : public testing::TestWithParam<Shape> {
 protected:
  Subject subject(bool self_coupling) const {
    const SizesScope scope(one_warp(true));
    return make_subject(patterns_, Form::factored, self_coupling);
  }

  Rng rng_{52};
  Matrix<float> patterns_ = random_bipolar(GetParam().patterns, GetParam().dimension, rng_);
  Matrix<float> queries_ = mixed_queries(patterns_, GetParam().queries, rng_);
};

TEST_P(ResidentIntegersTest, GiveTheBitsOfFloats) {
  const Matrix<std::uint8_t> mask = random_mask(queries_.rows(), queries_.columns(), 0.3, rng_);
  const Matrix<std::uint8_t> none;
  const std::array<Halting, 4> rules{state_stable(0.0F), state_stable(2.5F, 2), energy_stable(), fixed_steps()};
  int turn = 0;
  for (const bool self_coupling : {false, true}) {
    const Subject s = subject(self_coupling);
    SKIP_WITHOUT_ROOM(s);
    ASSERT_TRUE(s.memory->bipolar.has_value());
    for (const AtZero at_zero : {AtZero::keep, AtZero::plus})
      for (const Halting& halting : rules) {
        ++turn;
        SCOPED_TRACE(turn);
        const Matrix<std::uint8_t>& clamped = turn % 3 == 0 ? mask : none;
        const Rules rule{.update = sign_update(at_zero),
                         .halting = halting,
                         .max_steps = 7,
                         .energies = turn % 2 == 0,
                         .trace = turn % 5 == 0};
        const Spread spread{.gap = turn % 4, .offset = turn % 2};
        const auto relax_in = [&](bool in_integers) {
          const SizesScope scope(one_warp(in_integers));
          return relax(*s.memory, rule, queries_.view(), clamped.view(), spread);
        };
        const Results integers = relax_in(true);
        const Results floats = relax_in(false);
        for (Index i = 0; i < queries_.rows(); ++i) ASSERT_TRUE(same_row(integers, i, floats, i)) << "query " << i;
      }
  }
}

/// Alone, in any order, over any number of launches and blocks.
TEST_P(ResidentIntegersTest, GiveTheSameBitsInEveryBatch) {
  const Subject s = subject(false);
  SKIP_WITHOUT_ROOM(s);
  const Rules rules{.update = sign_update(), .halting = state_stable(0.0F), .max_steps = 7};
  const Results all = relax(*s.memory, rules, queries_.view());
  const std::vector<Index> order = random_permutation(queries_.rows(), rng_);
  const Results shuffled = relax(*s.memory, rules, select(queries_, order), {}, {}, 37);
  for (Index i = 0; i < queries_.rows(); ++i)
    ASSERT_TRUE(same_row(shuffled, i, all, order[static_cast<std::size_t>(i)])) << "query " << i;
  for (const Index i : sample_rows(queries_.rows(), 6, rng_))
    ASSERT_TRUE(same_row(relax(*s.memory, rules, queries_.view().slice(i, 1)), 0, all, i)) << "query " << i;
}

/// The kernel itself takes all queries of ±1, and no others.
TEST_P(ResidentIntegersTest, TakeQueriesOfSigns) {
  const Subject s = subject(false);
  SKIP_WITHOUT_ROOM(s);
  const auto queries =
      cuda::upload(std::span<const float>(queries_.data(), static_cast<std::size_t>(queries_.size())), "queries");
  const std::vector<float> untouched(static_cast<std::size_t>(queries_.size()), 55.0F);
  const auto states = cuda::upload(std::span<const float>(untouched), "states");
  const auto left = cuda::DeviceArray<unsigned>(static_cast<std::size_t>(queries_.rows()), "queries that are left");
  const std::vector<cuda::QueryCounter> no_query{0};
  const auto next_query = cuda::upload(std::span(no_query), "the next query");
  const std::vector<unsigned> none{0};
  const auto count = cuda::upload(std::span(none), "how many are left");
  const cuda::Job job{.queries = {queries.data(), queries_.rows(), queries_.columns()},
                      .clamped = {},
                      .states = {states.data(), queries_.rows(), queries_.columns()},
                      .energy_trace = {},
                      .halting = fixed_steps(),
                      .update = cuda::to_rule(sign_update())};
  ASSERT_TRUE(cuda::takes_job(*s.memory->bipolar, job));

  cuda::launch_bipolar(*s.memory->bipolar, job, {.next_query = next_query.data(), .left = {left.data(), count.data()}},
                       nullptr);

  std::vector<unsigned> others;
  for (Index i = 0; i < queries_.rows(); ++i) {
    const std::span<const float> row = row_of(queries_, i);
    if (std::any_of(row.begin(), row.end(), [](float x) { return std::abs(x) != 1.0F; }))
      others.push_back(static_cast<unsigned>(i));
  }
  ASSERT_FALSE(others.empty());
  ASSERT_EQ(download(count).front(), others.size());
  std::vector<unsigned> listed(others.size());
  cuda::check(cudaMemcpy(listed.data(), left.data(), listed.size() * sizeof(unsigned), cudaMemcpyDeviceToHost),
              "cudaMemcpy");
  std::sort(listed.begin(), listed.end());
  EXPECT_EQ(listed, others);
  const std::vector<float> written = download(states);
  for (const unsigned i : others)
    EXPECT_TRUE(same_bits(written.data() + Index{i} * queries_.columns(), untouched.data(), queries_.columns())) << i;
  EXPECT_EQ(std::count(written.begin(), written.end(), 55.0F), static_cast<Index>(others.size()) * queries_.columns());
}

/// Where neurons keep what isn't ±1 a query starts again from itself.
TEST_P(ResidentIntegersTest, RelaxInPlace) {
  const Subject s = subject(false);
  SKIP_WITHOUT_ROOM(s);
  const Matrix<std::uint8_t> mask = random_mask(queries_.rows(), queries_.columns(), 0.3, rng_);
  const Rules rules{.update = sign_update(), .halting = state_stable(0.0F), .max_steps = 7};
  const Results apart = relax(*s.memory, rules, queries_.view(), mask.view());
  const Results in_place = relax(*s.memory, rules, queries_.view(), mask.view(), {.in_place = true});
  for (Index i = 0; i < queries_.rows(); ++i) ASSERT_TRUE(same_row(in_place, i, apart, i)) << "query " << i;
}

/// Both neurons of a state change at each step, so that it is that of two steps before; what was there before the first
/// isn't.
TEST(ResidentIntegersCycleTest, StatesComeBackToThoseAfterTheFirstStep) {
  Matrix<float> pattern(1, 2);
  std::fill_n(pattern.data(), 2, 1.0F);
  const SizesScope scope(one_warp(true));
  const Subject s = make_subject(pattern, Form::factored, false);
  SKIP_WITHOUT_ROOM(s);
  Matrix<float> queries(150, 2);
  for (Index i = 0; i < queries.rows(); ++i) {
    queries(i, 0) = 0.5F;
    queries(i, 1) = -0.25F;
  }
  const Rules rules{.update = sign_update(), .halting = state_stable(0.0F), .max_steps = 9, .energies = false};
  const Results results = relax(*s.memory, rules, queries.view());
  for (Index i = 0; i < queries.rows(); ++i) {
    EXPECT_EQ(results.status[static_cast<std::size_t>(i)], Status::oscillating) << i;
    EXPECT_EQ(results.steps[static_cast<std::size_t>(i)], 3) << i;
  }
}

/// Queries of any values that a step has made ±1, and no others: not those of neurons that keep what they have, nor
/// those so large that more counts as 0.
TEST_P(ResidentIntegersTest, TakeStatesAfterTheirFirstStep) {
  const Subject s = subject(false);
  SKIP_WITHOUT_ROOM(s);
  Matrix<float> queries = noisy_copies(patterns_, 40, 0.5F, 3.0F, rng_);
  queries(3, 0) = nan_value;
  queries(5, 0) = 4.0F * s.memory->bipolar->scale / s.memory->bipolar->resolution;
  Matrix<std::uint8_t> clamped(40, queries.columns());
  std::fill_n(clamped.data(), clamped.size(), std::uint8_t{0});
  clamped(7, 0) = 1;
  const Rules one_step{
      .update = sign_update(AtZero::plus), .halting = fixed_steps(), .max_steps = 1, .energies = false};
  const Rules five_steps{
      .update = sign_update(AtZero::plus), .halting = fixed_steps(), .max_steps = 5, .energies = false};
  const auto by_floats = [&](const Rules& rules) {
    const SizesScope scope(one_warp(false));
    return relax(*s.memory, rules, queries.view(), clamped.view());
  };
  const Results first = by_floats(one_step);
  const Results last = by_floats(five_steps);
  const auto size = static_cast<std::size_t>(queries.size());
  const auto asked = cuda::upload(std::span<const float>(queries.data(), size), "queries");
  const auto states = cuda::upload(std::span<const float>(first.states.data(), size), "states");
  const auto mask = cuda::upload(std::span<const std::uint8_t>(clamped.data(), size), "clamped");
  const std::vector<unsigned> some{1, 3, 5, 7, 8, 39};
  const auto listed = cuda::upload(std::span(some), "queries that have stepped");
  const std::vector<unsigned> some_count{static_cast<unsigned>(some.size())};
  const auto listed_count = cuda::upload(std::span(some_count), "how many have stepped");
  const auto left = cuda::DeviceArray<unsigned>(some.size(), "queries that are left");
  const std::vector<unsigned> none{0};
  const auto count = cuda::upload(std::span(none), "how many are left");
  const std::vector<cuda::QueryCounter> no_query{0};
  const auto next_query = cuda::upload(std::span(no_query), "the next query");
  const cuda::Job job{.queries = {asked.data(), 40, queries.columns()},
                      .clamped = {mask.data(), 40, queries.columns()},
                      .states = {states.data(), 40, queries.columns()},
                      .energy_trace = {},
                      .halting = fixed_steps(),
                      .update = cuda::to_rule(five_steps.update),
                      .max_steps = five_steps.max_steps};
  ASSERT_TRUE(cuda::takes_first_states(*s.memory->bipolar, job));

  cuda::launch_bipolar(*s.memory->bipolar, job,
                       {.next_query = next_query.data(),
                        .queries = {listed.data(), listed_count.data()},
                        .left = {left.data(), count.data()},
                        .stepped = true},
                       nullptr);

  const std::vector<unsigned> expected{3, 5, 7};
  ASSERT_EQ(download(count).front(), expected.size());
  std::vector<unsigned> others = download(left);
  others.resize(expected.size());
  std::sort(others.begin(), others.end());
  EXPECT_EQ(others, expected);
  const std::vector<float> written = download(states);
  for (const unsigned i : {1U, 8U, 39U})
    EXPECT_TRUE(same_bits(written.data() + Index{i} * queries.columns(), last.states.row(i), queries.columns())) << i;
  for (const unsigned i : {0U, 2U, 3U, 5U, 7U})
    EXPECT_TRUE(same_bits(written.data() + Index{i} * queries.columns(), first.states.row(i), queries.columns())) << i;
}

INSTANTIATE_TEST_SUITE_P(, ResidentIntegersTest,
                         testing::Values(Shape{1, 1, 40}, Shape{1, 2, 40}, Shape{3, 63, 70}, Shape{32, 64, 70},
                                         Shape{33, 127, 70}, Shape{5, 128, 100}, Shape{7, 129, 70}, Shape{9, 254, 40},
                                         Shape{9, 255, 40}, Shape{65, 100, 40}, Shape{65, 256, 40}, Shape{64, 512, 40},
                                         Shape{2, 700, 40}),
                         [](const auto& test) {
                           return std::to_string(test.param.patterns) + "_patterns_" +
                                  std::to_string(test.param.dimension) + "_neurons";
                         });

/// One team, so that a few dozen queries follow one another.
detail::Sizes one_team() {
  detail::Sizes sizes = detail::sizes();
  sizes.resident_blocks = 1;
  sizes.team_warps = 1;
  return sizes;
}

/// Whether the device has tensor cores, and shared memory for all that the tests have teams relax.
bool has_room_for_teams() { return cuda::has_tensor_cores() && shared_bytes_of_block() >= ample_shared_bytes; }

/// Sizes around the edges of groups of patterns, of passes, and of what a warp has of the neurons and goes through;
/// patterns of ±1, which one fp16 term holds, and their weights, and others.
class ResidentTeamsTest : public testing::TestWithParam<std::tuple<Form, bool, Shape>> {
 protected:
  [[nodiscard]] Shape shape() const { return std::get<Shape>(GetParam()); }
  [[nodiscard]] bool is_bipolar() const { return std::get<bool>(GetParam()); }

  /// One neuron has nothing but itself.
  Subject subject() const { return make_subject(patterns_, std::get<Form>(GetParam()), shape().dimension == 1); }

  /// Of any magnitudes.
  Matrix<float> make_queries() {
    Matrix<float> queries = noisy_copies(patterns_, shape().queries, 0.2F, 2.0F, rng_);
    for (Index i = 0; i < queries.rows(); i += 2)
      for (Index k = 0; k < queries.columns(); ++k) queries(i, k) *= std::pow(10.0F, static_cast<float>(i % 26 - 12));
    return queries;
  }

  Rng rng_{57};
  Matrix<float> patterns_ = is_bipolar() ? random_bipolar(shape().patterns, shape().dimension, rng_)
                                         : random_gaussian(shape().patterns, shape().dimension, rng_);
};

TEST_P(ResidentTeamsTest, TakeMemories) {
  if (!has_room_for_teams()) GTEST_SKIP();
  const Subject s = subject();
  ASSERT_TRUE(s.memory.has_value());
  ASSERT_TRUE(s.memory->teams.has_value());
  // One neuron's pattern is a power of two times 2⁰ to 2¹, its weight a float.
  EXPECT_EQ(s.memory->teams->layout.planes, is_bipolar() ? 1 : 2);
}

/// Errors of a readout of dense weights: two fp16 terms leave 2⁻²² of a state and of a weight, and their third product
/// as much; each of the 3N/16 products that a sum goes through may cut off 2⁻²² of it. All in all this is at most
/// (3 + 3N/16)·2⁻²² of the sum of magnitudes, which at a weight's mean magnitude √P and a scale of 1/N is below
/// 1.3e-5·√P of the state's at N = 256, half of it after the gain: 10⁻⁶·√(NP) leaves as much for two more steps. So it
/// is at fewer neurons, and factored, where there are P terms where a weight has one.
TEST_P(ResidentTeamsTest, FollowTheOracle) {
  const Subject s = subject();
  SKIP_UNLESS_IT_FITS(s.memory);
  const Matrix<float> queries = make_queries();
  const Matrix<std::uint8_t> mask = random_mask(queries.rows(), queries.columns(), 0.1, rng_);
  const Matrix<std::uint8_t> none;
  for (const Matrix<std::uint8_t>* const clamped : {&none, &mask}) {
    const Rules rules{.update = tanh_update(0.5F), .halting = fixed_steps(), .max_steps = 3};

    const Results results = relax(*s.memory, rules, queries.view(), clamped->view());

    for (Index i = 0; i < queries.rows(); ++i) {
      const reference::Outcome expected = oracle(s, rules, queries, i, *clamped);
      double size = 1.0;
      for (const double x : expected.state) size = std::max(size, std::abs(x));
      const double error = 1e-6 * size * std::sqrt(static_cast<double>(patterns_.size()));
      const auto at = static_cast<std::size_t>(i);
      ASSERT_EQ(results.steps[at], expected.steps);
      ASSERT_EQ(results.status[at], expected.status);
      for (Index k = 0; k < queries.columns(); ++k)
        ASSERT_NEAR(results.states(i, k), expected.state[static_cast<std::size_t>(k)], error) << i << ", " << k;
      ASSERT_NEAR(results.energies[at], expected.energy, error * size * static_cast<double>(queries.columns()));
    }
  }
}

/// Rows at any address, clamps of nothing, energies and changes that are watched: kernels differ, and bits don't.
TEST_P(ResidentTeamsTest, GiveTheSameBitsWhateverIsAskedFor) {
  const Subject s = subject();
  SKIP_UNLESS_IT_FITS(s.memory);
  const Matrix<float> queries = make_queries();
  Matrix<std::uint8_t> nothing(queries.rows(), queries.columns());
  std::fill_n(nothing.data(), nothing.size(), std::uint8_t{0});
  const Rules with_energies{.halting = fixed_steps(), .max_steps = 5, .trace = true};
  Rules without = with_energies;
  without.energies = without.trace = false;
  Rules watching = with_energies;
  watching.halting = state_stable(0.0F, 9);

  const Results all = relax(*s.memory, with_energies, queries.view());
  const Results plain = relax(*s.memory, without, queries.view());
  const std::vector<Results> others = [&] {
    std::vector<Results> results;
    results.push_back(relax(*s.memory, with_energies, queries.view(), {}, {.gap = 1, .offset = 1}));
    results.push_back(relax(*s.memory, with_energies, queries.view(), nothing.view()));
    results.push_back(relax(*s.memory, watching, queries.view()));
    return results;
  }();

  for (Index i = 0; i < queries.rows(); ++i) {
    ASSERT_TRUE(same_bits(plain.states.row(i), all.states.row(i), queries.columns())) << "query " << i;
    for (const Results& other : others) ASSERT_TRUE(same_row(other, i, all, i)) << "query " << i;
  }
}

TEST_P(ResidentTeamsTest, GiveTheSameBitsInEveryBatch) {
  const Matrix<float> queries = make_queries();
  const Rules rules{.max_steps = 20, .trace = true};
  const Subject many = subject();
  SKIP_UNLESS_IT_FITS(many.memory);
  const Results all = relax(*many.memory, rules, queries.view());
  const std::vector<Index> order = random_permutation(queries.rows(), rng_);

  const SizesScope scope(one_team());
  const Subject one = subject();
  ASSERT_EQ(one.memory->teams.has_value(), many.memory->teams.has_value());
  const Results shuffled = relax(*one.memory, rules, select(queries, order));

  for (Index i = 0; i < queries.rows(); ++i)
    ASSERT_TRUE(same_row(shuffled, i, all, order[static_cast<std::size_t>(i)])) << "query " << i;
  for (const Index i : sample_rows(queries.rows(), 4, rng_))
    ASSERT_TRUE(same_row(relax(*one.memory, rules, queries.view().slice(i, 1)), 0, all, i)) << "query " << i;
}

/// A query that halts has what as many steps give.
TEST_P(ResidentTeamsTest, HaltWithTheBitsOfFixedSteps) {
  const Subject s = subject();
  SKIP_UNLESS_IT_FITS(s.memory);
  const Matrix<float> queries = make_queries();
  for (const Halting& halting : {energy_stable(), state_stable(1e-3F)}) {
    const Results halted = relax(*s.memory, {.halting = halting, .max_steps = 12}, queries.view());
    std::set<int> lengths(halted.steps.begin(), halted.steps.end());
    EXPECT_GE(*lengths.begin(), 1);
    for (const int steps : lengths) {
      const Results fixed = relax(*s.memory, {.halting = fixed_steps(), .max_steps = steps}, queries.view());
      for (Index i = 0; i < queries.rows(); ++i) {
        const auto at = static_cast<std::size_t>(i);
        if (halted.steps[at] != steps) continue;
        ASSERT_TRUE(same_bits(halted.states.row(i), fixed.states.row(i), queries.columns())) << i << " after " << steps;
        ASSERT_TRUE(same_bits(&halted.energies[at], &fixed.energies[at], 1)) << i << " after " << steps;
      }
    }
  }
}

/// And others beside them are as they would be.
TEST_P(ResidentTeamsTest, GiveBackWhatIsNotFinite) {
  const Subject s = subject();
  SKIP_UNLESS_IT_FITS(s.memory);
  Matrix<float> queries = make_queries();
  const Results clean = relax(*s.memory, {}, queries.view());
  for (Index i = 1; i < queries.rows(); i += 3) queries(i, i % queries.columns()) = nan_value;
  for (Index i = 2; i < queries.rows(); i += 3) queries(i, (5 * i) % queries.columns()) = -infinity;

  const Results results = relax(*s.memory, {}, queries.view());

  for (Index i = 0; i < queries.rows(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (i % 3 == 0) {
      ASSERT_TRUE(same_row(results, i, clean, i)) << "query " << i;
      continue;
    }
    ASSERT_EQ(results.status[at], Status::diverged) << "query " << i;
    ASSERT_EQ(results.steps[at], 0) << "query " << i;
    ASSERT_TRUE(std::isnan(results.energies[at])) << "query " << i;
    ASSERT_TRUE(same_bits(results.states.row(i), queries.row(i), queries.columns())) << "query " << i;
  }
}

/// Of values so far apart that no scale has all of them within the range of float.
TEST_P(ResidentTeamsTest, KeepClampedNeurons) {
  const Subject s = subject();
  SKIP_UNLESS_IT_FITS(s.memory);
  Matrix<float> queries = make_queries();
  const Matrix<std::uint8_t> mask = random_mask(queries.rows(), queries.columns(), 0.5, rng_);
  for (Index i = 0; i < queries.rows(); ++i)
    for (Index k = 0; k < queries.columns(); ++k)
      queries(i, k) *= std::pow(10.0F, static_cast<float>((i + 7 * k) % 60 - 45));
  for (const bool in_place : {false, true}) {
    const Rules rules{.halting = fixed_steps(), .max_steps = 2};

    const Results results = relax(*s.memory, rules, queries.view(), mask.view(), {.in_place = in_place});

    for (Index i = 0; i < queries.rows(); ++i) {
      ASSERT_EQ(results.status[static_cast<std::size_t>(i)], Status::max_steps) << "query " << i;
      for (Index k = 0; k < queries.columns(); ++k)
        ASSERT_TRUE(mask(i, k) == 0 || same_bits(&results.states(i, k), &queries(i, k), 1)) << i << ", " << k;
    }
  }
}

std::string name_of(const testing::TestParamInfo<std::tuple<Form, bool, Shape>>& test) {
  const auto [form, bipolar, shape] = test.param;
  return std::string(bipolar ? "bipolar" : "real") + "_" + std::to_string(shape.patterns) + "x" +
         std::to_string(shape.dimension);
}

INSTANTIATE_TEST_SUITE_P(Factored, ResidentTeamsTest,
                         testing::Combine(testing::Values(Form::factored), testing::Bool(),
                                          testing::Values(Shape{8, 128, 40}, Shape{17, 113, 35}, Shape{33, 129, 33},
                                                          Shape{48, 256, 50}, Shape{70, 300, 20}, Shape{16, 384, 33},
                                                          Shape{40, 512, 35}, Shape{24, 32, 35}, Shape{9, 161, 33})),
                         name_of);
/// Of which no card holds the floats.
INSTANTIATE_TEST_SUITE_P(Large, ResidentTeamsTest,
                         testing::Values(std::tuple(Form::factored, true, Shape{48, 1024, 16}),
                                         std::tuple(Form::factored, true, Shape{70, 1024, 16}),
                                         std::tuple(Form::factored, true, Shape{170, 512, 16}),
                                         std::tuple(Form::factored, false, Shape{60, 768, 16}),
                                         std::tuple(Form::dense, true, Shape{24, 270, 16})),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Dense, ResidentTeamsTest,
                         testing::Combine(testing::Values(Form::dense), testing::Bool(),
                                          testing::Values(Shape{2, 1, 17}, Shape{2, 15, 20}, Shape{3, 16, 33},
                                                          Shape{4, 17, 1}, Shape{7, 33, 35}, Shape{9, 64, 40},
                                                          Shape{8, 127, 21}, Shape{8, 128, 40}, Shape{9, 130, 33},
                                                          Shape{12, 145, 18}, Shape{17, 192, 33})),
                         name_of);
/// Weights of one term, which are half as large.
INSTANTIATE_TEST_SUITE_P(LargeDense, ResidentTeamsTest,
                         testing::Combine(testing::Values(Form::dense), testing::Values(true),
                                          testing::Values(Shape{20, 240, 20}, Shape{13, 255, 18}, Shape{24, 256, 40})),
                         name_of);

/// Of magnitudes that fp16 terms of states below 1 know little of, or nothing: as near to the oracle as others are to
/// theirs, and they become patterns in time.
TEST(ResidentTeamsFaintTest, QueriesFollowTheOracle) {
  Rng rng(58);
  for (const Form form : {Form::factored, Form::dense})
    for (const Index d : {100, 128, 256}) {
      const Matrix<float> patterns = random_bipolar(6, d, rng);
      Matrix<float> queries = noisy_copies(patterns, 36, 0.1F, 0.5F, rng);
      for (Index i = 0; i < queries.rows(); ++i)
        for (Index k = 0; k < d; ++k) queries(i, k) *= std::ldexp(1.0F, static_cast<int>(-i * 5 / 2));
      const Matrix<std::uint8_t> mask = random_mask(queries.rows(), d, 0.1, rng);
      const Matrix<std::uint8_t> none;
      const Subject s = make_subject(patterns, form, d == 128);
      SKIP_UNLESS_IT_FITS(s.memory);
      for (const Matrix<std::uint8_t>* const clamped : {&none, &mask}) {
        const Rules few{.halting = fixed_steps(), .max_steps = 3};
        const Results results = relax(*s.memory, few, queries.view(), clamped->view());
        for (Index i = 0; i < queries.rows(); ++i) {
          const reference::Outcome expected = oracle(s, few, queries, i, *clamped);
          double size = 0.0;
          for (const double x : expected.state) size = std::max(size, std::abs(x));
          for (Index k = 0; k < d; ++k)
            ASSERT_NEAR(results.states(i, k), expected.state[static_cast<std::size_t>(k)], 1e-4 * size)
                << i << ", " << k;
          // Below that float has fewer digits, and then 0.
          if (std::abs(expected.energy) > 1e-36) {
            ASSERT_NEAR(results.energies[static_cast<std::size_t>(i)] / expected.energy, 1.0, 1e-3) << i;
          }
        }
      }

      const Results ended = relax(*s.memory, {.max_steps = 400}, queries.view());

      for (Index i = 0; i < queries.rows(); ++i) {
        const reference::Outcome expected = oracle(s, {.max_steps = 400}, queries, i);
        const auto at = static_cast<std::size_t>(i);
        ASSERT_EQ(ended.status[at], expected.status) << i;
        ASSERT_NEAR(ended.steps[at], expected.steps, 1) << i;
        for (Index k = 0; k < d; ++k)
          ASSERT_NEAR(ended.states(i, k), expected.state[static_cast<std::size_t>(k)], 0.05) << i << ", " << k;
      }
    }
}

/// States that only become faint lose three quarters of themselves in a step, and stay at the scale of all others
/// whether or not there is a query that came faint beside them.
TEST(ResidentTeamsFaintTest, QueriesBesideOthersLeaveTheirBits) {
  Rng rng(59);
  const Matrix<float> pattern = filled(1, 16, 1.0F);
  Matrix<float> queries = random_gaussian(12, 16, rng);
  for (Index i = 0; i < queries.rows(); ++i) {
    float* const row = queries.row(i);
    const float mean = std::accumulate(row, row + 16, 0.0F) / 16.0F;
    const auto centred = [&](float x) { return x - mean; };
    std::transform(row, row + 16, row, centred);
    const float most =
        std::abs(*std::max_element(row, row + 16, [](float a, float b) { return std::abs(a) < std::abs(b); }));
    for (Index k = 0; k < 16; ++k) row[k] *= 0x1.4p-11F / most;
  }
  Matrix<float> faint = copy(queries);
  for (Index i = 0; i < faint.size(); ++i) faint.data()[i] *= 0x1p-20F;
  const Matrix<float> together = stack(queries.view(), faint.view());
  const Rules rules{.update = tanh_update(12.0F), .halting = fixed_steps(), .max_steps = 6};
  const SizesScope scope(one_team());
  for (const Form form : {Form::factored, Form::dense}) {
    const Subject s = make_subject(pattern, form, false);
    SKIP_UNLESS_IT_FITS(s.memory);

    const Results apart = relax(*s.memory, rules, queries.view());
    const Results beside = relax(*s.memory, rules, together.view());

    for (Index i = 0; i < queries.rows(); ++i) ASSERT_TRUE(same_row(beside, i, apart, i)) << "query " << i;
  }
}

/// Symmetric, with a diagonal, as no patterns make them.
Matrix<double> random_weights(Index d, bool whole, Rng& rng) {
  const Matrix<float> values = random_gaussian(d, d, rng);
  Matrix<double> weights(d, d);
  for (Index i = 0; i < d; ++i)
    for (Index k = 0; k <= i; ++k) {
      const double value = whole ? std::round(8.0 * values(i, k)) : double{values(i, k)};
      weights(i, k) = weights(k, i) = value;
    }
  return weights;
}

Subject make_dense_subject(Matrix<double> weights, float scale) {
  Matrix<float> rounded(weights.rows(), weights.columns());
  std::transform(weights.data(), weights.data() + weights.size(), rounded.data(),
                 [](double value) { return static_cast<float>(value); });
  const std::vector<float> resolution(static_cast<std::size_t>(weights.rows()), 0.0F);
  return {.memory = cuda::make_resident_dense(rounded.view(), resolution, scale),
          .model = reference::LinearModel{.weights = std::move(weights),
                                          .scale = scale,
                                          .resolution = reference::Vector(resolution.begin(), resolution.end())}};
}

/// Energies of both signs, whose terms take each other away: errors are those of their magnitudes.
TEST(ResidentTeamsDenseTest, AnySymmetricWeightsFollowTheOracle) {
  Rng rng(59);
  for (const bool whole : {true, false})
    for (const Index d : {1, 31, 128, 131, 192}) {
      SCOPED_TRACE(d);
      Matrix<double> weights = random_weights(d, whole, rng);
      if (d == 1) weights(0, 0) = whole ? 2.0 : 2.1F;
      const double magnitude = whole ? 8.0 : 1.0;
      const Subject s = make_dense_subject(std::move(weights), static_cast<float>(1.0 / std::sqrt(d) / magnitude));
      if (!s.memory && !has_room_for_teams()) continue;
      ASSERT_TRUE(s.memory.has_value());
      if (has_room_for_teams()) {
        ASSERT_TRUE(s.memory->teams.has_value());
        EXPECT_EQ(s.memory->teams->layout.planes, whole ? 1 : 2);
      }
      const Matrix<float> queries = random_gaussian(35, d, rng);
      const Rules rules{.update = tanh_update(0.5F), .halting = fixed_steps(), .max_steps = 3, .trace = true};

      const Results results = relax(*s.memory, rules, queries.view());

      for (Index i = 0; i < queries.rows(); ++i) {
        const reference::Outcome expected = oracle(s, rules, queries, i);
        // As in FollowTheOracle, where the scale is 1/N: sums of magnitudes are √N of a state's. Tanh and float's last
        // place are the rest.
        const double error = 1e-6 * (static_cast<double>(d) + 1.0);
        for (Index k = 0; k < d; ++k)
          ASSERT_NEAR(results.states(i, k), expected.state[static_cast<std::size_t>(k)], error) << i << ", " << k;
        for (int t = 0; t < rules.max_steps; ++t)
          ASSERT_NEAR(results.trace(i, t), expected.trace[static_cast<std::size_t>(t)],
                      error * std::sqrt(static_cast<double>(d)));
      }
    }
}

/// What two fp16 terms don't hold as floats do, or aren't numbers.
TEST(ResidentTeamsDenseTest, OtherWeightsGoByFloats) {
  Rng rng(60);
  const auto has_teams = [&](float entry) {
    Matrix<double> weights = random_weights(40, false, rng);
    for (Index k = 0; k < 40; ++k) weights(7, k) = weights(k, 7) = double{entry};
    const Subject s = make_dense_subject(std::move(weights), 1.0F);
    EXPECT_TRUE(s.memory.has_value());
    return s.memory->teams.has_value();
  };
  EXPECT_EQ(has_teams(0.0F), cuda::has_tensor_cores());
  EXPECT_EQ(has_teams(0x1p-9F), cuda::has_tensor_cores());
  EXPECT_FALSE(has_teams(0x1p-12F));
  EXPECT_FALSE(has_teams(infinity));
  EXPECT_FALSE(has_teams(nan_value));
  EXPECT_FALSE(make_dense_subject(filled<double>(3, 3, 0.0), 1.0F).memory->teams.has_value());
}

/// Patterns whose squares are far from 1: their diagonals have a unit of their own.
class ResidentTeamsMagnitudesTest : public testing::TestWithParam<Form> {};

TEST_P(ResidentTeamsMagnitudesTest, EnergiesOfPatternsOfAnyMagnitudeFollowTheOracle) {
  Rng rng(58);
  constexpr Shape shape{9, 130, 20};
  const Matrix<float> unscaled = random_gaussian(shape.patterns, shape.dimension, rng);
  const Matrix<float> queries = noisy_copies(unscaled, shape.queries, 0.2F, 2.0F, rng);
  for (const int exponent : {-60, -25, 25, 50}) {
    Matrix<float> patterns(shape.patterns, shape.dimension);
    std::transform(unscaled.data(), unscaled.data() + unscaled.size(), patterns.data(),
                   [&](float x) { return std::ldexp(x, exponent); });
    const Subject s = make_subject(patterns, GetParam(), false);
    SKIP_UNLESS_IT_FITS(s.memory);
    const Rules rules{.update = tanh_update(0.5F), .halting = fixed_steps(), .max_steps = 3};

    const Results results = relax(*s.memory, rules, queries.view());

    double squares = 0.0;
    for (Index i = 0; i < patterns.size(); ++i) squares += double{patterns.data()[i]} * double{patterns.data()[i]};
    for (Index i = 0; i < queries.rows(); ++i) {
      const reference::Outcome expected = oracle(s, rules, queries, i, {});
      const double error = 1e-6 * squares;
      ASSERT_NEAR(results.energies[static_cast<std::size_t>(i)], expected.energy, error) << exponent << ", " << i;
      for (Index k = 0; k < queries.columns(); ++k)
        ASSERT_NEAR(results.states(i, k), expected.state[static_cast<std::size_t>(k)], 1e-4) << exponent << ", " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, ResidentTeamsMagnitudesTest, testing::Values(Form::factored, Form::dense),
                         [](const auto& test) { return test.param == Form::dense ? "dense" : "factored"; });

TEST(ResidentDivergenceTest, AWholeBatchOfNansEnds) {
  Rng rng(41);
  Matrix<float> queries(300, 16);
  std::fill_n(queries.data(), queries.size(), nan_value);
  const Subject s = make_subject(random_bipolar(3, 16, rng), Form::factored, false);

  const Results results = relax(*s.memory, {}, queries.view());

  EXPECT_EQ(std::count(results.status.begin(), results.status.end(), Status::diverged), 300);
}

TEST(ResidentLaunchTest, NoQueriesIsNoWork) {
  Rng rng(42);
  const Subject s = make_subject(random_bipolar(3, 16, rng), Form::factored, false);
  EXPECT_NO_THROW(relax(*s.memory, {}, Matrix<float>(0, 16).view()));
}

/// Clamped, traced, apart from each other: every part of the results is cut where the queries are.
TEST(ResidentLaunchTest, ManyLaunchesGiveTheBitsOfOne) {
  Rng rng(47);
  const Matrix<float> patterns = random_gaussian(3, 20, rng);
  const Matrix<float> queries = noisy_copies(patterns, 40, 0.2F, 2.0F, rng);
  const Matrix<std::uint8_t> clamped = random_mask(40, 20, 0.2, rng);
  const Rules rules{.max_steps = 5, .trace = true};
  for (const Form form : {Form::factored, Form::dense}) {
    const Subject s = make_subject(patterns, form, false);
    const Results one = relax(*s.memory, rules, queries.view(), clamped.view());
    for (const Index most_queries : {1, 7, 20, 39, 40}) {
      SCOPED_TRACE(most_queries);
      const Results many =
          relax(*s.memory, rules, queries.view(), clamped.view(), {.gap = 3, .offset = 1}, most_queries);
      for (Index i = 0; i < queries.rows(); ++i) ASSERT_TRUE(same_row(many, i, one, i)) << "query " << i;
    }
  }
}

/// Far more queries than slots, in one order and another, and the same ones in small calls.
TEST(ResidentLaunchTest, ManyQueriesGiveTheBitsOfSmallCalls) {
  detail::Sizes few_blocks = detail::sizes();
  few_blocks.resident_blocks = 2;
  few_blocks.team_warps = 1;  // So that a team reserves several queries at a time.
  const SizesScope scope(few_blocks);
  Rng rng(46);
  const Matrix<float> patterns = random_gaussian(3, 20, rng);
  const Matrix<float> queries = noisy_copies(patterns, 500, 0.2F, 2.0F, rng);
  const std::vector<Index> order = random_permutation(queries.rows(), rng);
  const Rules rules;  // Queries halt one by one.
  for (const Form form : {Form::factored, Form::dense}) {
    const Subject s = make_subject(patterns, form, false);
    const Results all = relax(*s.memory, rules, queries.view());

    const Results shuffled = relax(*s.memory, rules, select(queries, order));
    for (Index i = 0; i < queries.rows(); ++i)
      ASSERT_TRUE(same_row(shuffled, i, all, order[static_cast<std::size_t>(i)])) << "query " << i;
    for (const Index count : {1, 7, 200}) {
      const Index first = queries.rows() - 1 - count;
      const Results few = relax(*s.memory, rules, queries.view().slice(first, count));
      for (Index i = 0; i < count; ++i) ASSERT_TRUE(same_row(few, i, all, first + i)) << i << " of " << count;
    }
  }
}

TEST(ResidentLaunchTest, ASmallMemoryLeavesALargeOneUsable) {
  Rng rng(45);
  const Matrix<float> patterns = random_bipolar(8, 256, rng);
  const Subject large = make_subject(patterns, Form::factored, false);
  const Subject small = make_subject(random_bipolar(3, 16, rng), Form::factored, false);

  const Results results = relax(*large.memory, {.update = sign_update()}, patterns);

  EXPECT_TRUE(same_bits(results.states.data(), patterns.data(), patterns.size()));
}

/// Which is what larger ones have.
TEST(ResidentLaunchTest, TeamsAloneGiveTheBitsOfTeamsBesideFloats) {
  if (!cuda::has_tensor_cores()) GTEST_SKIP();
  Rng rng(59);
  // Small enough for the floats of dense weights on any card.
  const Matrix<float> patterns = random_gaussian(9, 50, rng);
  const Matrix<float> queries = noisy_copies(patterns, 40, 0.2F, 2.0F, rng);
  detail::Sizes no_floats = detail::sizes();
  no_floats.float_bytes = 0;
  for (const Form form : {Form::factored, Form::dense}) {
    const Subject both = make_subject(patterns, form, false);
    const SizesScope scope(no_floats);

    const Subject alone = make_subject(patterns, form, false);

    ASSERT_TRUE(both.memory->floats.has_value());
    ASSERT_TRUE(alone.memory.has_value());
    ASSERT_FALSE(alone.memory->floats.has_value());
    EXPECT_TRUE(cuda::takes_update(*alone.memory, cuda::to_rule(tanh_update())));
    for (const Update& update : {sign_update(), readout_update(), blend_update(0.5F)}) {
      EXPECT_FALSE(cuda::takes_update(*alone.memory, cuda::to_rule(update)));
      EXPECT_TRUE(cuda::takes_update(*both.memory, cuda::to_rule(update)));
    }
    const Results expected = relax(*both.memory, {}, queries.view());
    const Results results = relax(*alone.memory, {}, queries.view());
    for (Index i = 0; i < queries.rows(); ++i) ASSERT_TRUE(same_row(results, i, expected, i)) << "query " << i;
  }
}

TEST(ResidentLaunchTest, MemoriesThatDontFitAreRefused) {
  Rng rng(43);
  // Eight warps of a team have 1,024 neurons.
  const Subject long_states = make_subject(random_bipolar(1, 1025, rng), Form::factored, false);
  EXPECT_FALSE(long_states.memory && long_states.memory->teams);
  EXPECT_FALSE(make_subject(random_gaussian(400, 256, rng), Form::factored, false).memory.has_value());
  EXPECT_FALSE(make_subject(random_gaussian(2, 257, rng), Form::dense, false).memory.has_value());
}

/// fp16 terms would fit, but don't hold such memories: the reason is what floats need.
TEST(ResidentLaunchTest, ARefusalNamesMoreThanThereIs) {
  Rng rng(45);
  const Matrix<float> even = random_gaussian(90, 512, rng);
  Matrix<float> uneven = copy(even);
  for (Index i = 0; i < uneven.rows(); ++i) uneven(i, 7) *= 1e-6F;
  const auto needed_bytes = [](const Matrix<float>& patterns, float diagonal) {
    const std::string reason = cuda::why_not_resident_factored(patterns.view(), std::vector<float>(512, diagonal));
    const std::string before = "at least ";
    return std::stol(reason.substr(reason.find(before) + before.size()));
  };
  EXPECT_FALSE(make_subject(uneven, Form::factored, false).memory.has_value());
  EXPECT_GT(needed_bytes(uneven, 1.0F), ample_shared_bytes);
  EXPECT_GT(needed_bytes(even, infinity), ample_shared_bytes);
  if (cuda::has_tensor_cores()) {
    EXPECT_LE(needed_bytes(even, 1.0F), ample_shared_bytes);
  }
}

/// Bipolar patterns are exact in half precision, whose matrices are half as large.
TEST(ResidentLaunchTest, HalvesHoldLargerMemoriesExactly) {
  Rng rng(44);
  const Matrix<float> patterns = random_bipolar(150, 320, rng);
  const Matrix<float> queries = flipped_copies(patterns, 40, 0.2, rng);
  const Subject s = make_subject(patterns, Form::factored, false);
  SKIP_WITHOUT_ROOM(s);
  ASSERT_EQ(s.memory->floats->layout.storage, cuda::resident::Storage::half);
  const Rules rules{.update = sign_update(), .max_steps = 10};

  const Results results = relax(*s.memory, rules, queries.view());

  for (Index i = 0; i < queries.rows(); ++i) {
    const reference::Outcome expected = oracle(s, rules, queries, i);
    ASSERT_EQ(results.steps[static_cast<std::size_t>(i)], expected.steps);
    for (Index k = 0; k < 320; ++k) ASSERT_EQ(results.states(i, k), expected.state[static_cast<std::size_t>(k)]);
  }
}

}  // namespace
}  // namespace attractor::test
