/// Sums whose number of terms grows with the memory: they don't drift, and terms without weight leave no trace in them.
/// The sizes that cut them are set small, so that small memories have as many parts as large ones.

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "core/reference/relaxation.hpp"
#include "kernels/cuda/engine/memory.hpp"
#include "kernels/cuda/engine/relax.hpp"
#include "tests/support/data.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"

namespace attractor::test {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

detail::Sizes small_cuts(Index splits_of) {
  detail::Sizes sizes;
  sizes.softmax_chunk = 8;
  sizes.split_patterns = splits_of;
  sizes.run_patterns = 32;
  return sizes;
}

/// Results of a call without contents or traces.
struct Results {
  explicit Results(MatrixView<const float> queries)
      : states(queries.rows, queries.columns),
        steps(size(queries.rows)),
        energies(size(queries.rows)),
        status(size(queries.rows)) {}
  static std::size_t size(Index count) { return static_cast<std::size_t>(count); }

  Matrix<float> states;
  std::vector<std::int32_t> steps;
  std::vector<float> energies;
  std::vector<Status> status;
  Matrix<float> contents;
};

/// `content_columns`: 0 where the memory has none.
Results relax(const cuda::DeviceMemory& memory, const RelaxerOptions& options, MatrixView<const float> queries,
              Index content_columns = 0) {
  Results results(queries);
  if (content_columns > 0) results.contents = Matrix<float>(queries.rows, content_columns);
  const cuda::DeviceMemory* const replica = &memory;
  cuda::relax({&replica, 1}, options, queries,
              {.states = results.states.view(),
               .steps = results.steps,
               .energies = options.energies ? std::span<float>(results.energies) : std::span<float>(),
               .status = results.status,
               .contents = results.contents.view()},
              {});
  return results;
}

struct Found {
  std::vector<Index> pattern;
  std::vector<float> posterior;
};

Found retrieve(const cuda::DeviceMemory& memory, MatrixView<const float> queries) {
  Found found{.pattern = std::vector<Index>(Results::size(queries.rows)),
              .posterior = std::vector<float>(Results::size(queries.rows))};
  memory.retrieve({.queries = queries,
                   .patterns = {found.pattern.data(), queries.rows, 1},
                   .posteriors = {found.posterior.data(), queries.rows, 1}});
  return found;
}

cuda::DeviceMemory softmax(MatrixView<const float> patterns, float beta, MatrixView<const float> contents = {}) {
  return cuda::DeviceMemory::softmax(0, patterns, contents, {}, {.beta = beta});
}

cuda::DeviceMemory adaptive(MatrixView<const float> patterns, const AdaptiveSimilarity& similarity) {
  return cuda::DeviceMemory::adaptive(0, patterns, {}, {}, similarity);
}

RelaxerOptions fixed(int steps) {
  return {.update = readout_update(), .halting = fixed_steps(), .max_steps = steps, .energies = true};
}

/// One pattern 0, all others −1, or the other way round; a query x has scores 0 and −x.
Matrix<float> one_among_many(Index count) {
  Matrix<float> patterns(count, 1);
  std::fill_n(patterns.data(), count, -1.0F);
  patterns(0, 0) = 0.0F;
  return patterns;
}

constexpr Index many = 20000;

/// Weighs pattern 0 against the others together: theirs is (P − 1)e^−x.
double share_of_first(double x) { return 1.0 / (1.0 + static_cast<double>(many - 1) * std::exp(-x)); }

TEST(CudaSumsTest, PosteriorsDontDriftWithTheNumberOfPatterns) {
  const SizesScope scope(small_cuts(1024));
  const Matrix<float> patterns = one_among_many(many);
  const Matrix<float> queries = matrix({{11.0F}, {12.5F}, {16.0F}});
  const cuda::DeviceMemory dot = softmax(patterns, 1.0F);
  const cuda::DeviceMemory ranked = adaptive(patterns, {.dot = {1.0F}});
  for (const cuda::DeviceMemory* const memory : {&dot, &ranked}) {
    const Found result = retrieve(*memory, queries);
    for (Index i = 0; i < queries.rows(); ++i) {
      EXPECT_EQ(result.pattern[static_cast<std::size_t>(i)], 0);
      EXPECT_NEAR(result.posterior[static_cast<std::size_t>(i)], share_of_first(queries(i, 0)), 1e-6) << "query " << i;
    }
  }
}

/// The readout is −(1 − share), in splits of the scan, in one of them, and where scores are kept.
TEST(CudaSumsTest, ReadoutsDontDriftWithTheNumberOfPatterns) {
  const Matrix<float> patterns = one_among_many(many);
  const Matrix<float> queries = matrix({{11.0F}, {12.5F}, {16.0F}});
  for (const Index splits_of : {Index{1024}, many}) {
    const SizesScope scope(small_cuts(splits_of));
    const cuda::DeviceMemory dot = softmax(patterns, 1.0F);
    const cuda::DeviceMemory ranked = adaptive(patterns, {.dot = {1.0F}});
    for (const cuda::DeviceMemory* const memory : {&dot, &ranked}) {
      const Results result = relax(*memory, fixed(1), queries);
      for (Index i = 0; i < queries.rows(); ++i)
        EXPECT_NEAR(result.states(i, 0), share_of_first(queries(i, 0)) - 1.0, 1e-6) << "query " << i;
    }
  }
}

/// Maxima that rise from chunk to chunk and from run to run, contents of their own: as with everything in one part.
TEST(CudaSumsTest, PartsGiveWhatTheWholeGives) {
  Rng rng(120);
  for (const Index dimension : {5, 300}) {
    Matrix<float> patterns = random_gaussian(203, dimension, rng);
    for (Index i = 0; i < patterns.rows(); ++i)
      for (Index k = 0; k < dimension; ++k) patterns(i, k) *= 0.02F * static_cast<float>(i);
    const Matrix<float> contents = random_gaussian(203, 70, rng);
    const Matrix<float> queries = noisy_copies(patterns, 40, 0.1F, 0.4F, rng);
    const float beta = 2.0F / static_cast<float>(dimension);
    const Results whole = relax(softmax(patterns, beta, contents), fixed(2), queries, 70);
    for (const Index splits_of : {Index{8}, Index{1024}}) {
      const SizesScope scope(small_cuts(splits_of));
      const Results parts = relax(softmax(patterns, beta, contents), fixed(2), queries, 70);
      for (Index i = 0; i < queries.rows(); ++i) {
        EXPECT_NEAR(parts.energies[static_cast<std::size_t>(i)], whole.energies[static_cast<std::size_t>(i)],
                    1e-5 * std::abs(whole.energies[static_cast<std::size_t>(i)]) + 1e-4);
        for (Index k = 0; k < dimension; ++k)
          EXPECT_NEAR(parts.states(i, k), whole.states(i, k), 2e-4) << i << ", " << k;
        for (Index k = 0; k < 70; ++k) EXPECT_NEAR(parts.contents(i, k), whole.contents(i, k), 2e-4) << i << ", " << k;
      }
    }
  }
}

/// Longer states than the fused scan takes, so that library products score and read out in chunks.
TEST(CudaSumsTest, ChunksOfLongPatternsGiveWhatTheWholeGives) {
  Rng rng(121);
  const Matrix<float> patterns = random_gaussian(41, 2501, rng);
  const Matrix<float> queries = noisy_copies(patterns, 6, 0.1F, 1.0F, rng);
  const Results whole = relax(softmax(patterns, 0.002F), fixed(1), queries);
  const SizesScope scope(small_cuts(8));

  const Results parts = relax(softmax(patterns, 0.002F), fixed(1), queries);

  for (Index i = 0; i < queries.rows(); ++i)
    for (Index k = 0; k < 2501; ++k) EXPECT_NEAR(parts.states(i, k), whole.states(i, k), 1e-4) << i << ", " << k;
}

/// Whole chunks of −∞ before and after the only patterns that count.
TEST(CudaSumsTest, PatternsWithAPriorOfZeroAreNeverRetrieved) {
  Rng rng(122);
  const SizesScope scope(small_cuts(8));
  const Matrix<float> patterns = random_gaussian(60, 6, rng);
  const std::vector<float> weights(6, 1.0F);
  for (const Index first : {0, 20, 57}) {
    std::vector<float> log_prior(60, -infinity);
    for (Index i = first; i < first + 3; ++i) log_prior[static_cast<std::size_t>(i)] = 2.0F;
    const cuda::DeviceMemory all = adaptive(patterns, {.squared_distance = weights, .log_prior = log_prior});
    const cuda::DeviceMemory few =
        adaptive(patterns.view().slice(first, 3), {.squared_distance = weights, .log_prior = {2.0F, 2.0F, 2.0F}});
    RelaxerOptions options = fixed(20);
    options.halting = energy_stable({.absolute = 1e-4F, .relative = 0.0F});

    const Found found = retrieve(all, patterns);
    const Results result = relax(all, options, patterns);

    const Found expected = retrieve(few, patterns);
    const Results expected_result = relax(few, options, patterns);
    for (std::size_t i = 0; i < 60; ++i) {
      EXPECT_EQ(found.pattern[i], expected.pattern[i] + first);
      EXPECT_NEAR(found.posterior[i], expected.posterior[i], 1e-6);
      EXPECT_EQ(result.status[i], expected_result.status[i]);
      EXPECT_EQ(result.steps[i], expected_result.steps[i]);
      EXPECT_NEAR(result.energies[i], expected_result.energies[i], 1e-5);
      for (Index k = 0; k < 6; ++k)
        EXPECT_NEAR(result.states(static_cast<Index>(i), k), expected_result.states(static_cast<Index>(i), k), 1e-5);
    }
  }
}

cuda::DeviceMemory streamed(const reference::LinearModel& model, const Matrix<float>& patterns, bool dense) {
  const std::vector<float> resolution(model.resolution.begin(), model.resolution.end());
  const auto scale = static_cast<float>(model.scale);
  const std::vector<float> diagonal(resolution.size(), static_cast<float>(patterns.rows()));
  if (!dense)
    return cuda::DeviceMemory::factored(0, patterns, diagonal, {.resolution = resolution}, scale, cuda::Tier::streamed);
  Matrix<float> weights(model.weights.rows(), model.weights.columns());
  std::copy_n(model.weights.data(), weights.size(), weights.data());
  return cuda::DeviceMemory::dense(0, weights, {.resolution = resolution}, scale, cuda::Tier::streamed);
}

/// Streamed sign updates: queries that leave early make the others move together, and waiting ones take their places.
TEST(CudaStreamedCycleTest, SignUpdatesHaltWhereTheOracleDoes) {
  Rng rng(123);
  detail::Sizes few_slots;
  few_slots.most_slots = 20;
  few_slots.least_slots = 4;
  int oscillating = 0;
  for (const detail::Sizes& sizes : {detail::Sizes{}, few_slots})
    for (const bool dense : {false, true})
      for (const bool energies : {false, true}) {
        const SizesScope scope(sizes);
        const Matrix<float> patterns = random_bipolar(11, 66, rng);
        const Matrix<float> queries = flipped_copies(patterns, 150, 0.5, rng);
        const reference::Model model = reference::hebbian(patterns);
        const cuda::DeviceMemory memory = streamed(std::get<reference::LinearModel>(model), patterns, dense);
        const Halting halting = state_stable(0.0F, 2);

        const Results result = relax(
            memory, {.update = sign_update(), .halting = halting, .max_steps = 30, .energies = energies}, queries);

        for (Index i = 0; i < queries.rows(); ++i) {
          const auto at = static_cast<std::size_t>(i);
          const reference::Outcome expected = reference::relax(
              model, {.update = sign_update(), .halting = halting, .max_steps = 30}, row_of(queries, i));
          EXPECT_EQ(result.status[at], expected.status) << "query " << i;
          EXPECT_EQ(result.steps[at], expected.steps) << "query " << i;
          for (Index k = 0; k < 66; ++k)
            EXPECT_EQ(result.states(i, k), expected.state[static_cast<std::size_t>(k)]) << "query " << i;
          oscillating += expected.status == Status::oscillating ? 1 : 0;
        }
      }
  EXPECT_GT(oscillating, 50);
}

}  // namespace
}  // namespace attractor::test
