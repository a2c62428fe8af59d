/// The best patterns of rows of scores on a CUDA device, in the order that sorting gives, and their shares of the
/// weights that settled rows have, to the bit.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/separation.hpp>

#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/streamed/rank.hpp"
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

/// What lists hold to the last, and one more.
TEST_P(CudaRankingTest, ListsMayBeFull) {
  for (const Index best : {510, 511, 512, 513, 514}) {
    Matrix<float> scores = filled(1, 3000, -1.0F);
    Index left = best;
    // All of one warp's threads, whose bound the others' is below.
    for (Index i = 0; i < 3000 && left > 0; ++i)
      if (i % 128 < 32) scores(0, i) = 1.0F + 0.001F * static_cast<float>(left--);
    for (Index i = 32; i < 128; ++i) scores(0, i) = 0.5F;
    expect_rankings(scores, {2, 4, 100});
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

}  // namespace
}  // namespace attractor::test
