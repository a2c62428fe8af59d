/// The best patterns of rows of scores on a CUDA device, in the order that sorting gives, and their shares of the
/// weights that settled rows have, to the bit. From rough scores too.

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/cuda.hpp>
#include <attractor/memory.hpp>
#include <attractor/retrieval.hpp>
#include <attractor/separation.hpp>

#include "kernels/cuda/device/device_matrix.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/streamed/rank.hpp"
#include "kernels/cuda/streamed/rough_rank.hpp"
#include "kernels/cuda/streamed/settle.hpp"
#include "tests/support/data.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

template <class T>
std::vector<T> read(const cuda::DeviceArray<T>& array) {
  std::vector<T> values(array.size());
  cuda::check(cudaMemcpy(values.data(), array.data(), array.bytes(), cudaMemcpyDeviceToHost), "cudaMemcpy of results");
  return values;
}

struct Ranking {
  std::vector<Index> best;
  std::vector<float> shares;
};

cuda::DeviceArray<float> upload_scores(const Matrix<float>& scores) {
  return cuda::upload(std::span<const float>(scores.data(), static_cast<std::size_t>(scores.size())), "scores");
}

Ranking rank(const NormalisedSeparation& separation, const Matrix<float>& scores, Index count, bool has_shares = true) {
  const cuda::DeviceArray<float> given = upload_scores(scores);
  const auto size = static_cast<std::size_t>(scores.rows() * count);
  const cuda::DeviceArray<Index> best = cuda::upload(std::span<const Index>(std::vector<Index>(size, -7)), "patterns");
  const cuda::DeviceArray<float> shares =
      cuda::upload(std::span<const float>(std::vector<float>(size, -7.0F)), "shares");
  cuda::launch_rank(separation,
                    {.rows = static_cast<int>(scores.rows()),
                     .patterns = static_cast<int>(scores.columns()),
                     .scores = given.data(),
                     .stride = scores.columns(),
                     .best = {best.data(), scores.rows(), count},
                     .shares = {has_shares ? shares.data() : nullptr, scores.rows(), count}},
                    nullptr);
  Ranking ranking{.best = read(best), .shares = read(shares)};
  EXPECT_TRUE(has_shares || ranking.shares == std::vector<float>(size, -7.0F));
  return ranking;
}

/// By sorting, and by the weights that are there once rows are settled.
Ranking expected_ranking(const NormalisedSeparation& separation, const Matrix<float>& scores, Index count) {
  const cuda::DeviceArray<float> settled = upload_scores(scores);
  const auto rows = static_cast<std::size_t>(scores.rows());
  const cuda::DeviceArray<float> origins(rows, "origins");
  const cuda::DeviceArray<double> sums(rows, "sums");
  const cuda::DeviceArray<double> potentials(rows, "potentials");
  cuda::launch_settle(separation,
                      {.rows = static_cast<int>(scores.rows()),
                       .patterns = static_cast<int>(scores.columns()),
                       .scores = settled.data(),
                       .stride = scores.columns(),
                       .origins = origins.data(),
                       .sums = sums.data(),
                       .potentials = potentials.data()},
                      nullptr);
  const std::vector<float> weights = read(settled);
  const std::vector<double> totals = read(sums);
  Ranking expected;
  for (Index row = 0; row < scores.rows(); ++row) {
    const float* const own = scores.row(row);
    std::vector<Index> order(static_cast<std::size_t>(scores.columns()));
    std::iota(order.begin(), order.end(), 0);
    order.erase(std::remove_if(order.begin(), order.end(), [&](Index i) { return !(own[i] > -infinity); }),
                order.end());
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return own[a] > own[b]; });
    order.resize(static_cast<std::size_t>(count), -1);
    for (const Index pattern : order) {
      const float share =
          pattern < 0 ? nan
                      : static_cast<float>(double{weights[static_cast<std::size_t>(row * scores.columns() + pattern)]} /
                                           totals[static_cast<std::size_t>(row)]);
      expected.best.push_back(std::isfinite(share) ? pattern : -1);
      expected.shares.push_back(share);
    }
  }
  return expected;
}

void expect_ranking(const NormalisedSeparation& separation, const Matrix<float>& scores, Index count) {
  SCOPED_TRACE(std::to_string(scores.columns()) + " patterns, best " + std::to_string(count));
  const Ranking expected = expected_ranking(separation, scores, count);

  const Ranking found = rank(separation, scores, count);

  EXPECT_EQ(found.best, expected.best);
  ASSERT_EQ(found.shares.size(), expected.shares.size());
  for (std::size_t i = 0; i < found.shares.size(); ++i)
    EXPECT_TRUE(found.shares[i] == expected.shares[i] ||
                (std::isnan(found.shares[i]) && std::isnan(expected.shares[i])))
        << i << ": " << found.shares[i] << ", not " << expected.shares[i];
  EXPECT_EQ(rank(separation, scores, count, false).best, expected.best);
}

class CudaRankingTest : public testing::TestWithParam<std::pair<const char*, NormalisedSeparation>> {
 protected:
  /// A few values that many patterns share, zeros of both signs among them.
  [[nodiscard]] Matrix<float> crowded_values(Index rows, Index patterns) {
    Matrix<float> scores = random_gaussian(rows, patterns, rng_);
    for (Index i = 0; i < scores.size(); ++i) scores.data()[i] = std::round(2.0F * scores.data()[i]) / 4.0F;
    return scores;
  }

  void expect_rankings(const Matrix<float>& scores, std::initializer_list<Index> counts) const {
    for (const Index count : counts)
      if (count <= scores.columns()) expect_ranking(GetParam().second, scores, count);
  }

  Rng rng_{950};
};

INSTANTIATE_TEST_SUITE_P(Separations, CudaRankingTest,
                         testing::Values(std::pair{"softmax", NormalisedSeparation(SoftmaxSeparation{})},
                                         std::pair{"sparsemax", NormalisedSeparation(sparsemax())},
                                         std::pair{"normmax", NormalisedSeparation(normmax())},
                                         std::pair{"top", NormalisedSeparation(top(3))},
                                         std::pair{"epanechnikov", NormalisedSeparation(epanechnikov())}),
                         [](const auto& named) { return named.param.first; });

TEST_P(CudaRankingTest, IsThatOfSorting) {
  for (const Index patterns : {1, 2, 31, 129, 500, 1100})
    expect_rankings(random_gaussian(3, patterns, rng_), {1, 2, 4, 5, 10, 33, 128, 129, 500});
}

TEST_P(CudaRankingTest, OfEqualScoresTheFirstComesFirst) {
  for (const Index patterns : {40, 300, 2000}) expect_rankings(crowded_values(3, patterns), {1, 4, 7, 40, 128, 140});
  expect_rankings(filled(2, 1500, -0.25F), {1, 6, 64, 200});
  expect_rankings(filled(2, 1500, 0.0F), {3});
}

/// The best patterns are those of a few threads, so that no bound keeps others from being listed.
TEST_P(CudaRankingTest, WhereverTheBestLie) {
  for (const Index of_each : {1, 5, 32, 64}) {
    Matrix<float> scores = random_gaussian(3, 3000, rng_);
    for (Index row = 0; row < 3; ++row)
      for (Index i = 0; i < 3000; ++i)
        if (i % 128 < of_each) scores(row, i) += 20.0F;
    expect_rankings(scores, {2, 5, 17, 90});
  }
  Matrix<float> sorted = random_gaussian(2, 2500, rng_);
  for (Index row = 0; row < 2; ++row) std::sort(sorted.row(row), sorted.row(row) + 2500);
  expect_rankings(sorted, {2, 9, 70});
  for (Index row = 0; row < 2; ++row) std::reverse(sorted.row(row), sorted.row(row) + 2500);
  expect_rankings(sorted, {2, 9, 70});
}

/// What lists hold to the last, and one more. The best is the last warp's, the next ones the last of the first warp's;
/// the bound is what the other two warps have.
TEST_P(CudaRankingTest, ListsMayBeFull) {
  for (const Index listed : {511, 512, 513, 514}) {
    Matrix<float> scores = filled(1, 3000, -1.0F);
    Index left = listed - 3;
    for (Index i = 0; left > 0; ++i)
      if (i % 128 < 32) scores(0, i) = 1.0F - 0.001F * static_cast<float>(left--);
    scores(0, 32) = scores(0, 64) = -0.5F;
    scores(0, 96) = 2.0F;
    expect_rankings(scores, {2, 4});
  }
}

TEST_P(CudaRankingTest, PatternsMayHaveNoScore) {
  for (const Index patterns : {20, 1000, 2600})
    for (const Index kept : {0, 1, 3, 9, 100}) {
      Matrix<float> scores = filled(2, patterns, -infinity);
      for (Index row = 0; row < 2; ++row)
        for (Index i = 0; i < kept; ++i) scores(row, (i * 37 + 11) % patterns) = 0.1F * static_cast<float>(i % 7);
      expect_rankings(scores, {1, 2, 8, 20, 150});
    }
}

/// None is the best where the scores are no numbers; other rows are ranked as ever.
TEST_P(CudaRankingTest, RowsThatAreNoNumbersHaveNoBest) {
  for (const Index patterns : {7, 700, 3000})
    for (const float bad : {nan, infinity}) {
      Matrix<float> scores = random_gaussian(4, patterns, rng_);
      scores(1, 5) = bad;
      scores(3, patterns - 1) = bad;
      expect_rankings(scores, {1, 2, 7, 40});
      const std::vector<Index> best = rank(GetParam().second, scores, 2, false).best;
      for (const std::size_t i : {2U, 3U, 6U, 7U}) EXPECT_EQ(best[i], -1) << i;
      for (const std::size_t i : {0U, 4U}) EXPECT_GE(best[i], 0) << i;
    }
}

struct RoughCase {
  Matrix<float> patterns;
  Matrix<float> states;
  float beta = 0.7F;
  double error = 1e-3;

  [[nodiscard]] double length(const float* row) const {
    return std::sqrt(std::inner_product(row, row + patterns.columns(), row, 0.0));
  }
  [[nodiscard]] double longest_pattern() const {
    double longest = 0.0;
    for (Index i = 0; i < patterns.rows(); ++i) longest = std::max(longest, length(patterns.row(i)));
    return longest;
  }

  /// In floats, in the order of the entries.
  [[nodiscard]] Matrix<float> exact_scores() const {
    Matrix<float> scores(states.rows(), patterns.rows());
    for (Index row = 0; row < states.rows(); ++row)
      for (Index i = 0; i < patterns.rows(); ++i) {
        float sum = 0.0F;
        for (Index k = 0; k < patterns.columns(); ++k) sum = std::fma(patterns(i, k), states(row, k), sum);
        scores(row, i) = sum * beta;
      }
    return scores;
  }
};

std::vector<Index> rank_roughly(const RoughCase& given, const Matrix<float>& rough_scores, Index count) {
  const cuda::DeviceMatrix patterns(given.patterns, "patterns");
  const cuda::DeviceMatrix states(given.states, "states");
  const cuda::DeviceArray<float> scores = upload_scores(rough_scores);
  const cuda::DeviceArray<Index> best = cuda::upload(
      std::span<const Index>(std::vector<Index>(static_cast<std::size_t>(given.states.rows() * count), -7)),
      "patterns");
  cuda::launch_rough_rank({.rows = static_cast<int>(given.states.rows()),
                           .states = states.data.data(),
                           .patterns = &patterns,
                           .scores = scores.data(),
                           .stride = rough_scores.columns(),
                           .beta = given.beta,
                           .length = given.longest_pattern(),
                           .error = given.error,
                           .best = {best.data(), given.states.rows(), count}},
                          nullptr);
  return read(best);
}

/// The best have the scores that speak least for them, and all others those that speak most.
Matrix<float> worst_scores(const RoughCase& given, const Matrix<float>& exact, const std::vector<Index>& best) {
  Matrix<float> scores = copy(exact);
  const auto count = static_cast<Index>(best.size()) / exact.rows();
  const double beta_length = static_cast<double>(given.beta) * given.longest_pattern();
  for (Index row = 0; row < exact.rows(); ++row) {
    const auto error = static_cast<float>(0.999 * given.error * beta_length * given.length(given.states.row(row)));
    for (Index i = 0; i < exact.columns(); ++i) scores(row, i) += error;
    for (Index rank = 0; rank < count; ++rank) {
      const Index pattern = best[static_cast<std::size_t>(row * count + rank)];
      scores(row, pattern) = exact(row, pattern) - error;
    }
  }
  return scores;
}

/// Few candidates, hundreds of them, and more than lists hold.
TEST(CudaRoughRankTest, FindsTheBestWhateverTheErrors) {
  Rng rng(960);
  for (const Index patterns : {1, 30, 700, 2000})
    for (const double error : {1e-6, 1e-3, 0.03, 0.5}) {
      RoughCase given{
          .patterns = random_gaussian(patterns, 23, rng), .states = random_gaussian(4, 23, rng), .error = error};
      const Matrix<float> exact = given.exact_scores();
      for (const Index count : {1, 2, 6, 30, 129}) {
        if (count > patterns) continue;
        SCOPED_TRACE(std::to_string(patterns) + " patterns, error " + std::to_string(error) + ", best " +
                     std::to_string(count));
        const std::vector<Index> expected = expected_ranking(SoftmaxSeparation{}, exact, count).best;
        EXPECT_EQ(rank_roughly(given, worst_scores(given, exact, expected), count), expected);
      }
    }
}

/// The best has the least of what its score may be, and of the others each warp has one with the most.
TEST(CudaRoughRankTest, ErrorsOfTwoScoresMayAddUp) {
  for (const Index best : {0, 77, 399}) {
    RoughCase given{.patterns = filled(400, 1, 0.999F), .states = filled(1, 1, 1.0F), .error = 0.01};
    given.patterns(best, 0) = 1.0F;
    const std::vector<Index> expected = {best};
    EXPECT_EQ(rank_roughly(given, worst_scores(given, given.exact_scores(), expected), 1), expected);
  }
}

/// Below the least normal float no error is in proportion to lengths.
TEST(CudaRoughRankTest, SmallSumsAreAllMadeInFloats) {
  RoughCase given{.patterns = filled(400, 1, 1.0F), .states = filled(1, 1, 0x1.8p-148F), .beta = 1.0F};
  given.patterns(200, 0) = 1.5F;
  Matrix<float> scores = filled(1, 400, 0x1p-147F);
  scores(0, 200) = 0x1p-148F;
  EXPECT_EQ(rank_roughly(given, scores, 1), std::vector<Index>{200});
}

/// Whose products leave the range of float, or are all 0, or no numbers.
TEST(CudaRoughRankTest, StatesMayBeOfAnyMagnitude) {
  Rng rng(961);
  RoughCase given{.patterns = random_gaussian(600, 9, rng), .states = random_gaussian(9, 9, rng)};
  const float factors[] = {1.0F, 1e37F, 1e30F, 1e-20F, 1e-38F, 1e-44F, 0.0F, nan, infinity};
  for (Index row = 0; row < 9; ++row)
    for (Index k = 0; k < 9; ++k) given.states(row, k) *= factors[row];
  for (const float beta : {0.7F, 1e-25F, 3e15F}) {
    given.beta = beta;
    const Matrix<float> exact = given.exact_scores();
    for (const Index count : {1, 5}) {
      SCOPED_TRACE("β = " + std::to_string(beta) + ", best " + std::to_string(count));
      EXPECT_EQ(rank_roughly(given, exact, count), rank(SoftmaxSeparation{}, exact, count).best);
    }
  }
}

/// Patterns alone, and as they are found beside posteriors, for which all scores are made in floats.
void expect_the_same_without_posteriors(const Memory& memory, const Matrix<float>& queries) {
  for (const Index count : {1, 2, 7, 50}) {
    SCOPED_TRACE(std::to_string(memory.pattern_count()) + " × " + std::to_string(memory.dimension()) + ", best " +
                 std::to_string(count));
    EXPECT_EQ(retrieve(memory, queries, {.count = count, .posteriors = false}).pattern,
              retrieve(memory, queries, {.count = count}).pattern);
  }
}

/// States of any magnitude among them.
Matrix<float> mixed_queries(const Matrix<float>& patterns, Rng& rng) {
  Matrix<float> queries = noisy_copies(patterns, 40, 0.1F, 2.0F, rng);
  const float factors[] = {0.0F, nan, infinity, 1e30F, 1e-30F, 1e-42F, 3e37F};
  for (std::size_t i = 0; i < std::size(factors); ++i) queries(static_cast<Index>(3 * i), 1) *= factors[i];
  const float row_factors[] = {0.0F, 1e-44F, 1e-40F, 1e-35F, 1e-25F, 1e25F, 1e36F};
  for (std::size_t i = 0; i < std::size(row_factors); ++i) {
    float* const row = queries.row(static_cast<Index>(25 + i));
    std::transform(row, row + queries.columns(), row, [&](float x) { return row_factors[i] * x; });
  }
  return queries;
}

TEST(CudaRoughRetrievalTest, FindsWhatAllScoresDo) {
  Rng rng(962);
  const std::pair<Index, Index> shapes[] = {{256, 32}, {700, 64}, {1100, 100}, {300, 256}, {3000, 40}};
  for (const auto& [patterns, dimension] : shapes) {
    const Matrix<float> stored = random_gaussian(patterns, dimension, rng);
    const Memory memory = Memory::modern_hopfield(Device::cuda(), stored, {.beta = 0.4F});
    // Room for all scores of a query, as only these memories take for one pattern.
    EXPECT_GE(retrieval_workspace_bytes(memory, 1, 1), sizeof(float) * static_cast<std::size_t>(patterns));
    expect_the_same_without_posteriors(memory, mixed_queries(stored, rng));
  }
}

/// Scores that floats tell apart and rough ones don't, of a few patterns and of so many that no list holds them.
TEST(CudaRoughRetrievalTest, TellsPatternsApartThatDifferInABit) {
  Rng rng(963);
  for (const Index kinds : {1, 60}) {
    const Matrix<float> different = random_gaussian(kinds, 48, rng);
    Matrix<float> stored(1200, 48);
    for (Index i = 0; i < 1200; ++i) {
      std::copy_n(different.row(i % kinds), 48, stored.row(i));
      float& entry = stored(i, i * 7 % 48);
      entry += static_cast<float>(i % 5) * 0x1p-22F * entry;
    }
    const Memory memory = Memory::modern_hopfield(Device::cuda(), stored, {.beta = 3.0F});
    expect_the_same_without_posteriors(memory, mixed_queries(stored, rng));
  }
}

}  // namespace
}  // namespace attractor::test
