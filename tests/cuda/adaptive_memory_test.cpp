/// Adaptive memories on a CUDA device where they have more patterns than one chunk of scores holds, and what they alone
/// promise there: bits that don't depend on the batch.

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "core/reference/similarity.hpp"
#include "kernels/cuda/adaptive/adaptive_scores.hpp"
#include "tests/support/data.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

constexpr Index dimension = 10;
constexpr Index columns = 70;

std::size_t size(Index count) { return static_cast<std::size_t>(count); }

/// Three chunks, the last of one pattern.
struct LargeMemory {
  Rng rng{1};
  Matrix<float> patterns = random_gaussian(2049, dimension, rng);
  Matrix<float> contents = random_gaussian(2049, columns, rng);
  AdaptiveSimilarity similarity = {.squared_distance = {1, 1, 1, 1, 1, 1, 1, 1, 0.5F, 0.25F},
                                   .log_prior = std::vector<float>(2049, -1.0F)};
  Memory memory = Memory::adaptive(Device::cuda(), patterns, similarity, {.contents = contents.view()});
  Matrix<float> queries = noisy_copies(patterns, 70, 0.1F, 1.0F, rng);
};

/// softmax(s) of a state and what it reads out, in double precision.
struct Expected {
  Expected(const LargeMemory& large, const float* state)
      : weights(reference::adaptive_scores(large.similarity, widened(large.patterns).view(),
                                           std::vector<double>(state, state + dimension))) {
    const double log_sum = reference::log_sum_exp(weights);
    for (double& weight : weights) weight = std::exp(weight - log_sum);
  }

  static Matrix<double> widened(const Matrix<float>& values) {
    Matrix<double> result(values.rows(), values.columns());
    std::copy_n(values.data(), values.size(), result.data());
    return result;
  }
  [[nodiscard]] double readout(const Matrix<float>& values, Index column) const {
    double sum = 0.0;
    for (Index mu = 0; mu < values.rows(); ++mu) sum += weights[size(mu)] * static_cast<double>(values(mu, column));
    return sum;
  }

  std::vector<double> weights;
};

/// Scores are below 50 and err by less than 20u · 50, so weights relatively by less than 2⁻¹³; readouts are of values
/// below 5.
constexpr double tolerance = 5.0 * 0x1p-13;

RelaxerOptions one_step() { return {.halting = fixed_steps(), .max_steps = 1}; }

TEST(CudaAdaptiveMemoryTest, ReadsOutAllChunks) {
  const LargeMemory large;
  const Relaxation result = Relaxer(large.memory, one_step()).relax(large.queries);
  for (Index row = 0; row < large.queries.rows(); row += 7) {
    const Expected step(large, large.queries.row(row));
    for (Index k = 0; k < dimension; ++k)
      EXPECT_NEAR(result.states(row, k), step.readout(large.patterns, k), tolerance);
    const Expected recall(large, result.states.row(row));
    for (Index k = 0; k < columns; ++k)
      EXPECT_NEAR(result.contents(row, k), recall.readout(large.contents, k), tolerance);
  }
}

TEST(CudaAdaptiveMemoryTest, RetrievesFromAllChunks) {
  const LargeMemory large;
  const Retrieval result = retrieve(large.memory, large.queries);
  for (Index row = 0; row < large.queries.rows(); row += 7) {
    const Expected expected(large, large.queries.row(row));
    const double largest = *std::max_element(expected.weights.begin(), expected.weights.end());
    EXPECT_NEAR(result.posterior[size(row)], largest, 0x1p-13);
    EXPECT_NEAR(expected.weights.at(size(result.pattern[size(row)])), largest, 0x1p-13);
  }
  EXPECT_EQ(retrieve(large.memory, large.patterns.view().slice(2048, 1)).pattern, std::vector<Index>{2048});
}

TEST(CudaAdaptiveMemoryTest, BitsDontDependOnTheBatch) {
  const LargeMemory large;
  const Relaxer relaxer(large.memory, {.max_steps = 20});
  const Relaxation all = relaxer.relax(large.queries);
  for (const Index row : {0, 33, 69})
    EXPECT_TRUE(same_row(relaxer.relax(large.queries.view().slice(row, 1)), 0, all, row)) << row;
}

TEST(CudaAdaptiveMemoryTest, MoreRanksThanAWarpSortsAreRefused) {
  const Index entries = cuda::most_ranks + 2;
  const Matrix<float> patterns = filled(1, entries, 0.5F);
  const std::vector<float> weights(size(entries), 1.0F);
  EXPECT_THROW(Memory::adaptive(Device::cuda(), patterns, {.dot = weights}), NotSupported);
  EXPECT_THROW(static_cast<void>(footprint(Device::cuda(), patterns, patterns)), NotSupported);
  const std::vector<float> halves(weights.begin(), weights.begin() + entries / 2);
  EXPECT_NO_THROW(Memory::adaptive(Device::cuda(), patterns, {.dot = halves, .groups = 2}));
}

}  // namespace
}  // namespace attractor::test
