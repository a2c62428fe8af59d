/// The loss that similarities are fitted by and its gradient, on a CUDA device, against the oracle in double precision;
/// and that their bits are the same in every call.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/error.hpp>

#include "core/reference/similarity.hpp"
#include "kernels/cuda/fit/cross_entropy.hpp"
#include "kernels/sizes.hpp"
#include "tests/support/data.hpp"

namespace attractor::test {
namespace {

std::size_t size(Index count) { return static_cast<std::size_t>(count); }

Matrix<double> widen(const Matrix<float>& values) {
  Matrix<double> result(values.rows(), values.columns());
  std::copy_n(values.data(), values.size(), result.data());
  return result;
}

std::vector<double> widened(std::span<const float> values) { return {values.begin(), values.end()}; }

struct Shape {
  Index dimension;
  Index patterns;
  Index queries;
  Index groups = 1;
  bool own_weights = false;
  Index batch_queries = 0;  ///< 0: as many as the library takes
};

struct Problem {
  AdaptiveSimilarity similarity;
  Matrix<float> patterns;
  Matrix<float> queries;
  std::vector<Index> origins;
};

std::vector<float> random_values(Index count, float deviation, Rng& rng) {
  std::normal_distribution<float> normal(0.0F, deviation);
  std::vector<float> values(size(count));
  for (float& value : values) value = normal(rng);
  return values;
}

/// Weights of both signs, small enough that many patterns share the posterior.
Problem random_problem(const Shape& shape, Rng& rng) {
  const Index weights = rank_count(shape.dimension, shape.groups) * (shape.own_weights ? shape.patterns : 1);
  const float deviation = 1.0F / static_cast<float>(shape.dimension);
  Problem problem{.similarity = {.squared_distance = random_values(weights, deviation, rng),
                                 .dot = random_values(weights, deviation, rng),
                                 .beta_squared_distance = 0.7F,
                                 .beta_dot = -1.3F,
                                 .log_prior = random_values(shape.patterns, 1.0F, rng),
                                 .groups = shape.groups},
                  .patterns = random_gaussian(shape.patterns, shape.dimension, rng),
                  .queries = random_gaussian(shape.queries, shape.dimension, rng),
                  .origins = std::vector<Index>(size(shape.queries))};
  for (Index& origin : problem.origins) origin = static_cast<Index>(rng() % static_cast<std::uint64_t>(shape.patterns));
  return problem;
}

SimilarityGradient like(const AdaptiveSimilarity& similarity) {
  return {.squared_distance = std::vector<double>(similarity.squared_distance.size()),
          .dot = std::vector<double>(similarity.dot.size()),
          .log_prior = std::vector<double>(similarity.log_prior.size())};
}

struct Result {
  double loss = 0.0;
  SimilarityGradient gradient;
};

Result on_device(const Problem& problem, Index batch_queries = 0) {
  const Index batch_scores =
      batch_queries == 0 ? detail::sizes().fit_batch_scores : batch_queries * problem.patterns.rows();
  cuda::CrossEntropy cross_entropy(0, problem.patterns, problem.similarity.groups, batch_scores);
  Result result{.gradient = like(problem.similarity)};
  result.loss = cross_entropy(problem.similarity, problem.queries, problem.origins, &result.gradient);
  return result;
}

/// By weights that include β, as on the device.
Result expected_of(const Problem& problem) {
  Result result{.gradient = like(problem.similarity)};
  result.loss = reference::cross_entropy(problem.similarity, widen(problem.patterns), widen(problem.queries),
                                         problem.origins, result.gradient);
  for (double& derivative : result.gradient.squared_distance)
    derivative /= static_cast<double>(problem.similarity.beta_squared_distance);
  for (double& derivative : result.gradient.dot) derivative /= static_cast<double>(problem.similarity.beta_dot);
  return result;
}

constexpr double unit_roundoff = 0x1p-24;

/// One base of a problem.
struct Base {
  FootprintBase base;
  const std::vector<float>& weights;
  double beta;
  std::vector<double>& bounds;
};

/// How far a result may be from the oracle's, each part of it from each, with u = 2⁻²⁴.
class Bounds {
 public:
  explicit Bounds(const Problem& problem)
      : problem_(problem),
        groups_(static_cast<double>(problem.similarity.groups)),
        bounds_{.gradient = like(problem.similarity)} {
    const Matrix<double> patterns = widen(problem.patterns);
    for (Index query = 0; query < problem.queries.rows(); ++query)
      add_query(patterns, widened(row_of(problem.queries, query)), problem.origins[size(query)]);
  }

  [[nodiscard]] const Result& bounds() const { return bounds_; }

 private:
  [[nodiscard]] std::array<Base, 2> bases() {
    const AdaptiveSimilarity& similarity = problem_.similarity;
    return {{{FootprintBase::squared_distance, similarity.squared_distance,
              static_cast<double>(similarity.beta_squared_distance), bounds_.gradient.squared_distance},
             {FootprintBase::dot, similarity.dot, static_cast<double>(similarity.beta_dot), bounds_.gradient.dot}}};
  }

  [[nodiscard]] static double largest_term(FootprintBase base, std::span<const double> pattern,
                                           std::span<const double> state) {
    double largest = 0.0;
    for (std::size_t i = 0; i < state.size(); ++i)
      largest = std::max(
          largest, base == FootprintBase::dot ? std::abs(pattern[i] * state[i]) : std::pow(pattern[i] - state[i], 2));
    return largest;
  }

  /// A score errs by 3u of the largest term for each weight, and by (R + groups + 5)u in adding up R products of each
  /// group, no term larger than the largest.
  [[nodiscard]] double score_bound(std::span<const double> pattern, Index mu, std::span<const double> state) {
    double bound = 0.0;
    for (const Base& used : bases()) {
      if (used.weights.empty()) continue;
      const auto ranks = size(rank_count(static_cast<Index>(state.size()), problem_.similarity.groups));
      const std::size_t first = used.weights.size() > ranks ? size(mu) * ranks : 0;
      double weight = 0.0;
      for (std::size_t rank = 0; rank < ranks; ++rank)
        weight += std::abs(used.beta * static_cast<double>(used.weights[first + rank]));
      bound += unit_roundoff * (static_cast<double>(ranks) + groups_ + 8.0) * groups_ * weight *
               largest_term(used.base, pattern, state);
    }
    return bound;
  }

  /// A posterior errs by twice the largest error of a score, relatively, and by a few roundings of its own, one of them
  /// of the score's distance from the largest. So does the residual of the origin, which is the others' sum.
  void add_query(const Matrix<double>& patterns, const std::vector<double>& state, Index origin) {
    const std::vector<double> scores = reference::adaptive_scores(problem_.similarity, patterns.view(), state);
    const double normaliser = reference::log_sum_exp(scores);
    const auto [least, largest] = std::minmax_element(scores.begin(), scores.end());
    double score_error = 0.0;
    for (Index mu = 0; mu < patterns.rows(); ++mu)
      score_error = std::max(
          score_error, score_bound(row_of(patterns, mu), mu, state) + 2.0 * unit_roundoff * std::abs(scores[size(mu)]));
    const double relative = 2.0 * score_error + unit_roundoff * (16.0 + 2.0 * (*largest - *least));
    bounds_.loss += relative;
    for (Index mu = 0; mu < patterns.rows(); ++mu) {
      const double posterior = std::exp(scores[size(mu)] - normaliser);
      add_pair(row_of(patterns, mu), mu, state, mu == origin ? 1.0 - posterior : posterior, relative);
    }
  }

  /// Terms err by 3u, and few dozen of each group are added up in floats. Negligible residuals may be left out.
  void add_pair(std::span<const double> pattern, Index mu, std::span<const double> state, double residual,
                double relative) {
    constexpr double negligible = 1e-10;
    if (!bounds_.gradient.log_prior.empty()) bounds_.gradient.log_prior[size(mu)] += residual * relative + negligible;
    const auto ranks = size(rank_count(static_cast<Index>(state.size()), problem_.similarity.groups));
    for (const Base& used : bases()) {
      if (used.weights.empty()) continue;
      const double term = groups_ * largest_term(used.base, pattern, state);
      const double bound = term * (residual * (relative + unit_roundoff * (16.0 * groups_ + 16.0)) + negligible);
      const std::size_t first = used.bounds.size() > ranks ? size(mu) * ranks : 0;
      for (std::size_t rank = 0; rank < ranks; ++rank) used.bounds[first + rank] += bound;
    }
  }

  const Problem& problem_;
  double groups_;
  Result bounds_;
};

void expect_near(const std::vector<double>& actual, const std::vector<double>& expected,
                 const std::vector<double>& bounds, const std::string& part) {
  ASSERT_EQ(actual.size(), expected.size()) << part;
  for (std::size_t i = 0; i < actual.size(); ++i) ASSERT_NEAR(actual[i], expected[i], bounds[i]) << part << ' ' << i;
}

void expect_agreement(const Problem& problem, Index batch_queries = 0) {
  const Result result = on_device(problem, batch_queries);
  const Result expected = expected_of(problem);
  const Bounds allowed(problem);
  const Result& bounds = allowed.bounds();
  EXPECT_NEAR(result.loss, expected.loss, bounds.loss);
  expect_near(result.gradient.squared_distance, expected.gradient.squared_distance, bounds.gradient.squared_distance,
              "squared distance");
  expect_near(result.gradient.dot, expected.gradient.dot, bounds.gradient.dot, "dot");
  expect_near(result.gradient.log_prior, expected.gradient.log_prior, bounds.gradient.log_prior, "log-prior");
}

class CudaCrossEntropyShapeTest : public testing::TestWithParam<Shape> {};

TEST_P(CudaCrossEntropyShapeTest, AgreesWithDoublePrecision) {
  Rng rng(1);
  expect_agreement(random_problem(GetParam(), rng), GetParam().batch_queries);
}

/// All sizes of networks and their edges; patterns and queries around the edges of tiles, of blocks of rows and of
/// sums.
INSTANTIATE_TEST_SUITE_P(Tiles, CudaCrossEntropyShapeTest,
                         testing::Values(Shape{1, 1, 1}, Shape{1, 129, 3}, Shape{2, 2, 3}, Shape{2, 2050, 2},
                                         Shape{7, 31, 63}, Shape{8, 32, 64}, Shape{9, 33, 65}, Shape{16, 5, 257},
                                         Shape{24, 3, 7}, Shape{31, 3, 255}, Shape{33, 64, 31}, Shape{48, 2, 66},
                                         Shape{50, 35, 3}, Shape{63, 65, 5}, Shape{64, 40, 70}));

INSTANTIATE_TEST_SUITE_P(Lanes, CudaCrossEntropyShapeTest,
                         testing::Values(Shape{65, 17, 33}, Shape{100, 16, 32}, Shape{129, 31, 3}, Shape{256, 9, 31},
                                         Shape{300, 17, 34}, Shape{1025, 2, 3}, Shape{2049, 2, 3}, Shape{4096, 2, 1}));

/// Groups of one size and of two.
INSTANTIATE_TEST_SUITE_P(Groups, CudaCrossEntropyShapeTest,
                         testing::Values(Shape{7, 33, 5, 2}, Shape{7, 2, 2, 7}, Shape{64, 34, 65, 4},
                                         Shape{100, 5, 33, 3}, Shape{130, 17, 9, 2}, Shape{200, 3, 34, 3},
                                         Shape{4099, 2, 2, 2}));

INSTANTIATE_TEST_SUITE_P(OwnWeights, CudaCrossEntropyShapeTest,
                         testing::Values(Shape{5, 70, 258, 1, true}, Shape{64, 33, 65, 1, true},
                                         Shape{22, 5, 6, 3, true}, Shape{70, 17, 257, 1, true},
                                         Shape{140, 5, 6, 2, true}, Shape{300, 9, 4, 1, true},
                                         Shape{2050, 2, 2, 1, true}));

/// The last batch is smaller, or has one query; blocks of rows fill a batch or not.
INSTANTIATE_TEST_SUITE_P(Batches, CudaCrossEntropyShapeTest,
                         testing::Values(Shape{9, 6, 50, 1, false, 7}, Shape{9, 6, 5, 1, false, 1},
                                         Shape{3, 3, 600, 1, false, 300}, Shape{5, 33, 513, 1, true, 256},
                                         Shape{70, 6, 33, 1, false, 32}, Shape{70, 3, 20, 1, true, 6}));

TEST(CudaCrossEntropyTest, EitherBaseAlone) {
  for (const Index dimension : {20, 70}) {
    Rng rng(2);
    Problem problem = random_problem({dimension, 34, 9}, rng);
    problem.similarity.log_prior.clear();
    const std::vector<float> dot = std::exchange(problem.similarity.dot, {});
    expect_agreement(problem);
    problem.similarity.squared_distance.clear();
    problem.similarity.dot = dot;
    expect_agreement(problem);
  }
}

/// Entries −1, −0, 0 and 1, so that most terms are equal.
TEST(CudaCrossEntropyTest, TiesAndZerosOfEitherSign) {
  for (const Index dimension : {12, 100}) {
    Rng rng(3);
    Problem problem = random_problem({dimension, 20, 9}, rng);
    std::uniform_int_distribution<std::size_t> any(0, 3);
    for (Matrix<float>* const values : {&problem.patterns, &problem.queries})
      for (Index i = 0; i < values->size(); ++i) values->data()[i] = std::array{-1.0F, -0.0F, 0.0F, 1.0F}[any(rng)];
    expect_agreement(problem);
  }
}

/// Each query is its origin, which no other pattern is near: most residuals vanish.
TEST(CudaCrossEntropyTest, OriginsBeyondDoubt) {
  for (const Index dimension : {40, 80}) {
    Rng rng(4);
    Problem problem = random_problem({dimension, 40, 40}, rng);
    problem.similarity.squared_distance.assign(size(dimension), 0.5F);
    problem.similarity.dot.assign(size(dimension), 0.0F);
    std::copy_n(problem.patterns.data(), problem.patterns.size(), problem.queries.data());
    std::iota(problem.origins.begin(), problem.origins.end(), Index{0});
    expect_agreement(problem);
  }
}

/// Weights so large that most residuals are negligible, each query's others.
TEST(CudaCrossEntropyTest, FewPatternsShareThePosterior) {
  for (const Shape& shape : {Shape{20, 70, 90}, Shape{30, 40, 70, 1, true}, Shape{64, 34, 130, 3}, Shape{80, 33, 40},
                             Shape{70, 20, 150, 1, true}, Shape{300, 17, 34}}) {
    SCOPED_TRACE(shape.dimension);
    Rng rng(9);
    Problem problem = random_problem(shape, rng);
    for (std::vector<float>* const weights : {&problem.similarity.squared_distance, &problem.similarity.dot})
      for (float& weight : *weights) weight *= 20.0F;
    expect_agreement(problem);
  }
}

TEST(CudaCrossEntropyTest, BitsAreTheSameInEveryCall) {
  for (const Shape& shape : {Shape{40, 70, 300, 1, false, 150}, Shape{9, 5, 70, 2, true}, Shape{80, 20, 40}}) {
    Rng rng(5);
    const Problem problem = random_problem(shape, rng);
    cuda::CrossEntropy cross_entropy(0, problem.patterns, shape.groups);
    const auto run = [&](const Problem& of) {
      Result result{.gradient = like(of.similarity)};
      result.loss = cross_entropy(of.similarity, of.queries, of.origins, &result.gradient);
      return result;
    };
    const Result once = run(problem);
    const Problem larger = random_problem({shape.dimension, shape.patterns, 2 * shape.queries, shape.groups}, rng);
    static_cast<void>(run(larger));  // in scratch of another layout
    const Result again = run(problem);
    EXPECT_EQ(again.loss, once.loss);
    EXPECT_EQ(again.gradient.squared_distance, once.gradient.squared_distance);
    EXPECT_EQ(again.gradient.dot, once.gradient.dot);
    EXPECT_EQ(again.gradient.log_prior, once.gradient.log_prior);
    EXPECT_EQ(cross_entropy(problem.similarity, problem.queries, problem.origins, nullptr), once.loss);
  }
}

TEST(CudaCrossEntropyTest, GivesThePartsThatAreAskedFor) {
  Rng rng(6);
  const Problem problem = random_problem({20, 7, 9}, rng);
  const Result all = on_device(problem);
  cuda::CrossEntropy cross_entropy(0, problem.patterns, 1);
  for (const auto part :
       {&SimilarityGradient::squared_distance, &SimilarityGradient::dot, &SimilarityGradient::log_prior}) {
    SimilarityGradient gradient;
    (gradient.*part).resize((all.gradient.*part).size(), 17.0);
    EXPECT_EQ(cross_entropy(problem.similarity, problem.queries, problem.origins, &gradient), all.loss);
    EXPECT_EQ(gradient.*part, all.gradient.*part);
  }
}

TEST(CudaCrossEntropyTest, NoQueriesHaveNoLoss) {
  Rng rng(7);
  Problem problem = random_problem({6, 3, 1}, rng);
  problem.queries = Matrix<float>(0, 6);
  problem.origins.clear();
  const Result result = on_device(problem);
  EXPECT_EQ(result.loss, 0.0);
  EXPECT_EQ(result.gradient.dot, std::vector<double>(6));
  cuda::CrossEntropy cross_entropy(0, problem.patterns, 1);
  EXPECT_EQ(cross_entropy(problem.similarity, problem.queries, problem.origins, nullptr), 0.0);
}

TEST(CudaCrossEntropyTest, TakesQueriesThatAreStrided) {
  Rng rng(8);
  const Problem problem = random_problem({9, 5, 30}, rng);
  Matrix<float> wide(30, 13);
  for (Index i = 0; i < 30; ++i) std::copy_n(problem.queries.row(i), 9, wide.row(i) + 2);
  cuda::CrossEntropy cross_entropy(0, problem.patterns, 1, 35);
  EXPECT_EQ(cross_entropy(problem.similarity, {wide.data() + 2, 30, 9, 13}, problem.origins, nullptr),
            cross_entropy(problem.similarity, problem.queries, problem.origins, nullptr));
}

TEST(CudaCrossEntropyTest, MoreRanksThanTheKernelsSortAreNamed) {
  const Matrix<float> patterns = filled(1, 8193, 0.5F);
  try {
    const cuda::CrossEntropy cross_entropy(0, patterns, 2);
    ADD_FAILURE() << "accepted";
  } catch (const NotSupported& error) {
    for (const char* const word : {"4096", "8193", "2 groups", "4097"})
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace attractor::test
