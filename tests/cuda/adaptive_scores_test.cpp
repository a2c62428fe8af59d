/// Adaptive scores on a CUDA device against the reference in double precision, and what the launcher's header promises
/// of bits and of states that aren't finite.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/reference/similarity.hpp"
#include "kernels/cuda/adaptive/adaptive_scores.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "tests/support/data.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

/// What device memory holds before: no score looks like it.
constexpr float untouched = -12345.0F;

std::size_t size(Index count) { return static_cast<std::size_t>(count); }

/// Rows padded with NaN to a multiple of four.
cuda::DeviceArray<float> upload_padded(MatrixView<const float> values, const std::string& purpose) {
  const Index stride = (values.columns + 3) / 4 * 4;
  std::vector<float> rows(size(values.rows * stride), nan);
  for (Index i = 0; i < values.rows; ++i) std::copy_n(values.row(i), values.columns, rows.data() + i * stride);
  return cuda::upload(std::span<const float>(rows), purpose);
}

/// Rank weights as the launcher takes them.
struct DeviceWeights {
  DeviceWeights(std::span<const float> weights, float beta, Index ranks)
      : stride(cuda::padded_ranks(static_cast<int>(ranks))), rows(static_cast<Index>(weights.size()) / ranks) {
    std::vector<float> padded(size(rows * stride), 0.0F);
    for (Index row = 0; row < rows; ++row)
      for (Index rank = 0; rank < ranks; ++rank)
        padded[size(row * stride + rank)] = beta * weights[size(row * ranks + rank)];
    values = cuda::upload(std::span<const float>(padded), "rank weights");
  }
  [[nodiscard]] cuda::RankWeights view() const { return {values.data(), rows > 1 ? stride : 0}; }

  Index stride;
  Index rows;
  cuda::DeviceArray<float> values;
};

/// [states × patterns], in rows that are longer by one.
Matrix<float> device_scores(const AdaptiveSimilarity& similarity, MatrixView<const float> patterns,
                            MatrixView<const float> states) {
  const Index ranks = rank_count(patterns.columns, similarity.groups);
  const cuda::DeviceArray<float> a = upload_padded(patterns, "patterns");
  const cuda::DeviceArray<float> x = upload_padded(states, "states");
  const DeviceWeights distance(similarity.squared_distance, similarity.beta_squared_distance, ranks);
  const DeviceWeights dot(similarity.dot, similarity.beta_dot, ranks);
  const cuda::DeviceArray<float> prior = cuda::upload(std::span<const float>(similarity.log_prior), "log-priors");
  Matrix<float> scores(states.rows, patterns.rows + 1);
  std::fill_n(scores.data(), scores.size(), untouched);
  const cuda::DeviceArray<float> s = cuda::upload(std::span<const float>(scores.data(), size(scores.size())), "scores");

  cuda::AdaptiveScores job;
  job.pairs.states = x.data();
  job.pairs.state_stride = (states.columns + 3) / 4 * 4;
  job.pairs.rows = static_cast<int>(states.rows);
  job.pairs.patterns = a.data();
  job.pairs.pattern_stride = job.pairs.state_stride;
  job.pairs.pattern_count = static_cast<int>(patterns.rows);
  job.pairs.dimension = static_cast<int>(patterns.columns);
  job.pairs.groups = static_cast<int>(similarity.groups);
  job.squared_distance = distance.view();
  job.dot = dot.view();
  job.log_prior = prior.data();
  job.scores = s.data();
  job.score_stride = scores.columns();
  cuda::launch_adaptive_scores(job, nullptr);
  cuda::check(cudaMemcpy(scores.data(), s.data(), s.bytes(), cudaMemcpyDeviceToHost), "cudaMemcpy of scores");
  return scores;
}

std::vector<double> widened(std::span<const float> values) { return {values.begin(), values.end()}; }

/// One base's share of the largest error of a score, with u = 2⁻²⁴. A term errs by 3u of itself at most, and because
/// sorting is 1-Lipschitz a ranked one by 3u of the largest term. Weighing R of them in each group adds (R + groups +
/// 4)u of what is added up, the product of v and β one u more.
double base_bound(const AdaptiveSimilarity& similarity, FootprintBase base, Index pattern_index,
                  std::span<const double> pattern, std::span<const double> state) {
  const bool dot = base == FootprintBase::dot;
  const std::vector<float>& weights = dot ? similarity.dot : similarity.squared_distance;
  if (weights.empty()) return 0.0;
  double largest = 0.0;
  for (std::size_t i = 0; i < state.size(); ++i)
    largest = std::max(largest, std::abs(dot ? pattern[i] * state[i] : std::pow(pattern[i] - state[i], 2)));
  const std::vector<double> terms = reference::ranked_terms(base, pattern, state, similarity.groups);
  const auto ranks = static_cast<Index>(terms.size());
  const Index first = static_cast<Index>(weights.size()) > ranks ? pattern_index * ranks : 0;
  const double beta = dot ? similarity.beta_dot : similarity.beta_squared_distance;
  const auto groups = static_cast<double>(similarity.groups);
  double weight = 0.0;
  double magnitude = 0.0;
  for (Index rank = 0; rank < ranks; ++rank) {
    const double v = std::abs(beta * static_cast<double>(weights[size(first + rank)]));
    weight += v;
    magnitude += v * (similarity.groups == 1 ? std::abs(terms[size(rank)]) : groups * largest);
  }
  return 0x1p-24 * (3.0 * groups * largest * weight + (static_cast<double>(ranks) + groups + 5.0) * magnitude);
}

void expect_agreement(const AdaptiveSimilarity& similarity, const Matrix<float>& patterns,
                      const Matrix<float>& states) {
  const Matrix<float> scores = device_scores(similarity, patterns, states);
  Matrix<double> exact_patterns(patterns.rows(), patterns.columns());
  std::copy_n(patterns.data(), patterns.size(), exact_patterns.data());
  for (Index row = 0; row < states.rows(); ++row) {
    const std::vector<double> state = widened(row_of(states, row));
    const std::vector<double> expected = reference::adaptive_scores(similarity, exact_patterns.view(), state);
    for (Index mu = 0; mu < patterns.rows(); ++mu) {
      const std::vector<double> pattern = widened(row_of(patterns, mu));
      const double bound = base_bound(similarity, FootprintBase::squared_distance, mu, pattern, state) +
                           base_bound(similarity, FootprintBase::dot, mu, pattern, state) +
                           0x1p-23 * std::abs(expected[size(mu)]);
      ASSERT_NEAR(scores(row, mu), expected[size(mu)], bound) << "state " << row << ", pattern " << mu;
    }
    ASSERT_EQ(scores(row, patterns.rows()), untouched) << "past the scores of state " << row;
  }
}

struct Shape {
  Index dimension;
  Index patterns;
  Index states;
  Index groups = 1;
  bool own_weights = false;
};

std::vector<float> random_values(Index count, Rng& rng) {
  const Matrix<float> values = random_gaussian(1, count, rng);
  return {values.data(), values.data() + count};
}

/// Weights and priors of both signs.
AdaptiveSimilarity random_similarity(const Shape& shape, Rng& rng) {
  const Index weights = rank_count(shape.dimension, shape.groups) * (shape.own_weights ? shape.patterns : 1);
  return {.squared_distance = random_values(weights, rng),
          .dot = random_values(weights, rng),
          .beta_squared_distance = 0.7F,
          .beta_dot = -1.3F,
          .log_prior = random_values(shape.patterns, rng),
          .groups = shape.groups};
}

class CudaAdaptiveScoresShapeTest : public testing::TestWithParam<Shape> {};

TEST_P(CudaAdaptiveScoresShapeTest, AgreesWithDoublePrecision) {
  const Shape& shape = GetParam();
  Rng rng(1);
  const AdaptiveSimilarity similarity = random_similarity(shape, rng);
  const Matrix<float> patterns = random_gaussian(shape.patterns, shape.dimension, rng);
  expect_agreement(similarity, patterns, random_gaussian(shape.states, shape.dimension, rng));
}

/// All sizes of networks, lanes and their edges; patterns and states around the tiles' edges.
INSTANTIATE_TEST_SUITE_P(Shapes, CudaAdaptiveScoresShapeTest,
                         testing::Values(Shape{1, 1, 1}, Shape{2, 2, 3}, Shape{3, 31, 5}, Shape{7, 32, 31},
                                         Shape{8, 33, 32}, Shape{9, 5, 33}, Shape{16, 64, 2}, Shape{17, 65, 4},
                                         Shape{24, 3, 3}, Shape{31, 34, 35}, Shape{33, 40, 6}, Shape{40, 3, 7},
                                         Shape{48, 33, 1}, Shape{50, 7, 3}, Shape{63, 35, 3}, Shape{64, 100, 40},
                                         Shape{65, 17, 5}, Shape{100, 33, 3}, Shape{128, 16, 9}, Shape{129, 9, 2},
                                         Shape{255, 8, 4}, Shape{256, 10, 3}, Shape{257, 4, 5}, Shape{784, 3, 5},
                                         Shape{1024, 3, 2}, Shape{2048, 2, 1}, Shape{2049, 2, 1}, Shape{4096, 1, 2}));

/// Groups of one size and of two, which the tiles and the lanes take.
INSTANTIATE_TEST_SUITE_P(Groups, CudaAdaptiveScoresShapeTest,
                         testing::Values(Shape{1, 3, 2, 1}, Shape{7, 33, 5, 2}, Shape{7, 2, 2, 7}, Shape{64, 34, 33, 4},
                                         Shape{100, 33, 3, 3}, Shape{256, 5, 9, 16}, Shape{130, 5, 3, 2},
                                         Shape{300, 9, 5, 3}, Shape{2100, 2, 3, 3}, Shape{4099, 2, 1, 2}));

INSTANTIATE_TEST_SUITE_P(OwnWeights, CudaAdaptiveScoresShapeTest,
                         testing::Values(Shape{5, 70, 3, 1, true}, Shape{64, 65, 34, 1, true},
                                         Shape{100, 17, 5, 1, true}, Shape{100, 35, 2, 2, true},
                                         Shape{2050, 2, 2, 1, true}));

TEST(CudaAdaptiveScoresTest, EitherBaseAlone) {
  for (const Index dimension : {20, 150}) {
    Rng rng(2);
    const AdaptiveSimilarity both = random_similarity({dimension, 40, 7}, rng);
    const Matrix<float> patterns = random_gaussian(40, dimension, rng);
    const Matrix<float> states = random_gaussian(7, dimension, rng);
    expect_agreement({.squared_distance = both.squared_distance}, patterns, states);
    expect_agreement({.dot = both.dot, .log_prior = both.log_prior}, patterns, states);
  }
}

/// Entries −1, −0, 0 and 1, so that most terms are equal.
TEST(CudaAdaptiveScoresTest, TiesAndZerosOfEitherSign) {
  for (const Index dimension : {12, 64, 200}) {
    Rng rng(3);
    const auto draw = [&](Index rows) {
      Matrix<float> values(rows, dimension);
      std::uniform_int_distribution<std::size_t> any(0, 3);
      for (Index i = 0; i < values.size(); ++i) values.data()[i] = std::array{-1.0F, -0.0F, 0.0F, 1.0F}[any(rng)];
      return values;
    };
    const Matrix<float> patterns = draw(20);
    expect_agreement(random_similarity({dimension, 20, 9}, rng), patterns, draw(9));
  }
}

/// With all weights 1 nothing depends on the order.
TEST(CudaAdaptiveScoresTest, EqualWeightsAreTheDotProduct) {
  Rng rng(4);
  const Matrix<float> patterns = random_bipolar(50, 64, rng);
  const Matrix<float> states = random_bipolar(10, 64, rng);
  const Matrix<float> scores = device_scores({.dot = std::vector<float>(64, 1.0F)}, patterns, states);
  for (Index row = 0; row < 10; ++row)
    for (Index mu = 0; mu < 50; ++mu)
      EXPECT_EQ(scores(row, mu), std::inner_product(states.row(row), states.row(row) + 64, patterns.row(mu), 0.0F));
}

/// The largest terms that the header promises, beside the values that stand in for missing ones.
TEST(CudaAdaptiveScoresTest, LargeTermsKeepTheirRanks) {
  for (const Index dimension : {5, 70}) {
    Rng rng(5);
    Matrix<float> patterns = random_gaussian(3, dimension, rng);
    Matrix<float> states = random_gaussian(2, dimension, rng);
    for (Index mu = 0; mu < 3; ++mu) patterns(mu, 2) = 0x1.fp61F;
    states(0, 2) = 0x1.fp61F;
    states(1, 2) = -0x1.fp61F;
    AdaptiveSimilarity similarity = random_similarity({dimension, 3, 2}, rng);
    for (float& weight : similarity.squared_distance) weight *= 0x1p-10F;
    for (float& weight : similarity.dot) weight *= 0x1p-10F;
    expect_agreement(similarity, patterns, states);
  }
}

/// A term of −∞ keeps its rank, and so its weight, before what stands in for missing ones; other pairs don't notice.
TEST(CudaAdaptiveScoresTest, TermsThatOverflowAreInfinite) {
  for (const Index dimension : {2, 7, 8, 60, 64, 65, 70, 128, 130, 2060})
    for (const Index groups : {1, 2}) {
      Rng rng(9);
      Matrix<float> patterns = random_gaussian(3, dimension, rng);
      Matrix<float> states = random_gaussian(3, dimension, rng);
      patterns(1, dimension - 1) = -1e20F;
      states(2, 0) = 1e20F;
      patterns(2, 0) = 1e20F;
      const auto ranks = size(rank_count(dimension, groups));
      const AdaptiveSimilarity similarity{.squared_distance = std::vector<float>(ranks, 0x1p-20F), .groups = groups};

      const Matrix<float> scores = device_scores(similarity, patterns, states);

      for (Index row = 0; row < 3; ++row)
        for (Index mu = 0; mu < 3; ++mu) {
          const bool near = mu != 1 && (row == 2) == (mu == 2);
          if (near)
            EXPECT_TRUE(std::isfinite(scores(row, mu))) << dimension << ": " << row << ", " << mu;
          else
            EXPECT_EQ(scores(row, mu), -infinity) << dimension << ": " << row << ", " << mu;
        }
    }
}

TEST(CudaAdaptiveScoresTest, BitsDependOnThePairAlone) {
  for (const Index dimension : {33, 64, 150})
    for (const Index groups : {1, 2}) {
      Rng rng(6);
      AdaptiveSimilarity similarity = random_similarity({dimension, 150, 70, groups}, rng);
      similarity.log_prior.clear();
      const Matrix<float> patterns = random_gaussian(150, dimension, rng);
      const Matrix<float> states = random_gaussian(70, dimension, rng);
      const Matrix<float> all = device_scores(similarity, patterns, states);
      const std::vector<Index> some_states = {69, 3, 31};
      const std::vector<Index> some_patterns = {149, 0, 77, 32};
      const Matrix<float> some =
          device_scores(similarity, select(patterns, some_patterns), select(states, some_states));
      for (std::size_t i = 0; i < some_states.size(); ++i)
        for (std::size_t j = 0; j < some_patterns.size(); ++j)
          EXPECT_EQ(some(static_cast<Index>(i), static_cast<Index>(j)), all(some_states[i], some_patterns[j]));
    }
}

TEST(CudaAdaptiveScoresTest, StatesThatAreNotFiniteStayAlone) {
  for (const Index dimension : {20, 64, 200})
    for (const Index groups : {1, 3})
      for (const float bad : {nan, infinity, -infinity}) {
        Rng rng(7);
        const AdaptiveSimilarity similarity = random_similarity({dimension, 40, 35, groups}, rng);
        const Matrix<float> patterns = random_gaussian(40, dimension, rng);
        Matrix<float> states = random_gaussian(35, dimension, rng);
        const Matrix<float> clean = device_scores(similarity, patterns, states);
        states(33, dimension - 1) = bad;
        const Matrix<float> scores = device_scores(similarity, patterns, states);
        for (Index row = 0; row < 35; ++row)
          for (Index mu = 0; mu < 40; ++mu)
            if (row == 33)
              EXPECT_TRUE(std::isnan(scores(row, mu))) << bad << ", pattern " << mu;
            else
              EXPECT_EQ(scores(row, mu), clean(row, mu));
      }
}

TEST(CudaAdaptiveScoresTest, NoStatesAreNoWork) {
  Rng rng(8);
  const Matrix<float> patterns = random_gaussian(4, 6, rng);
  cuda::AdaptiveScores job;
  job.pairs.patterns = patterns.data();
  job.pairs.pattern_count = 4;
  job.pairs.dimension = 6;
  EXPECT_NO_THROW(cuda::launch_adaptive_scores(job, nullptr));
}

}  // namespace
}  // namespace attractor::test
