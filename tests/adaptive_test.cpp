/// Adaptive similarity: footprints, scores, retrieval and the loss that weights are fitted by, against the
/// oracle; weights and priors of each pattern; and what growing and forgetting do to them.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>
#include <attractor/fit.hpp>

#include "core/reference/similarity.hpp"
#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

constexpr double unit_roundoff = 0.5 * std::numeric_limits<float>::epsilon();

std::vector<float> random_weights(Index count, Rng& rng) {
  std::normal_distribution<float> normal(0.1F, 0.3F);
  std::vector<float> weights(static_cast<std::size_t>(count));
  for (float& weight : weights) weight = normal(rng);
  return weights;
}

double largest_magnitude(MatrixView<const float> matrix) {
  double largest = 0.0;
  for (Index i = 0; i < matrix.rows; ++i)
    for (Index j = 0; j < matrix.columns; ++j) largest = std::max(largest, std::abs(static_cast<double>(matrix(i, j))));
  return largest;
}

/// The oracle's footprint of one pair.
std::vector<double> expected_footprint(MatrixView<const float> patterns, MatrixView<const float> queries,
                                       const FootprintPair& pair, FootprintBase base, bool cumulative) {
  const auto d = static_cast<std::size_t>(patterns.columns);
  const std::vector<double> pattern = to_double({patterns.row(pair.pattern), d});
  const std::vector<double> query = to_double({queries.row(pair.query), d});
  return cumulative ? reference::footprint(base, pattern, query) : reference::ranked_terms(base, pattern, query);
}

/// A ranked term errs by 3u of the largest, a running sum of k of them by k times as much and its own rounding.
void expect_footprint(std::span<const float> actual, const std::vector<double>& expected, double largest_term,
                      bool cumulative) {
  for (std::size_t k = 0; k < expected.size(); ++k) {
    const double terms = cumulative ? static_cast<double>(k) + 1.0 : 1.0;
    EXPECT_NEAR(static_cast<double>(actual[k]), expected[k],
                unit_roundoff * (3.0 * terms * largest_term + 2.0 * std::abs(expected[k])))
        << "rank " << k;
  }
}

class FootprintTest : public testing::TestWithParam<std::pair<FootprintBase, bool>> {
 protected:
  void expect_footprints(Index dimension, Index pattern_count, Index query_count) {
    SCOPED_TRACE(testing::Message() << "D=" << dimension << " P=" << pattern_count << " B=" << query_count);
    const auto [base, cumulative] = GetParam();
    const Matrix<float> patterns = random_gaussian(pattern_count, dimension, rng_);
    const Matrix<float> queries = random_gaussian(query_count, dimension, rng_);
    const double reach = largest_magnitude(patterns) + largest_magnitude(queries);

    const Matrix<float> result =
        footprint(test_device(), patterns, queries, {.base = base, .cumulative = cumulative, .threads = 2});

    ASSERT_EQ(result.rows(), query_count * pattern_count);
    ASSERT_EQ(result.columns(), dimension);
    for (const Index row : sample_rows(result.rows(), 20, rng_)) {
      const FootprintPair pair{row / pattern_count, row % pattern_count};
      expect_footprint(row_of(result, row), expected_footprint(patterns, queries, pair, base, cumulative),
                       reach * reach, cumulative);
    }
  }

  Rng rng_{31};
};

TEST_P(FootprintTest, AgreesWithTheReference) {
  for (const Index dimension : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 255, 256, 257})
    if (!HasFailure()) expect_footprints(dimension, 3, 7);
  for (const Index dimension : {511, 513, 784, 1024, 2049, 4096})
    if (!HasFailure()) expect_footprints(dimension, 2, 2);
  expect_footprints(5, 40, 41);
}

TEST_P(FootprintTest, ChosenPairsAreTheSameRows) {
  const auto [base, cumulative] = GetParam();
  const Matrix<float> patterns = random_gaussian(9, 21, rng_);
  const Matrix<float> queries = random_gaussian(5, 21, rng_);
  const FootprintOptions options{.base = base, .cumulative = cumulative};
  const Matrix<float> all = footprint(test_device(), patterns, queries, options);
  std::vector<FootprintPair> pairs;
  for (int i = 0; i < 37; ++i) pairs.push_back({static_cast<Index>(rng_() % 5), static_cast<Index>(rng_() % 9)});

  const Matrix<float> chosen = footprint(test_device(), patterns, queries, pairs, options);

  for (std::size_t i = 0; i < pairs.size(); ++i)
    EXPECT_TRUE(same_bits(row_of(chosen, static_cast<Index>(i)), row_of(all, pairs[i].query * 9 + pairs[i].pattern)));
}

TEST_P(FootprintTest, TiesAndSignedZeros) {
  const auto [base, cumulative] = GetParam();
  const Matrix<float> patterns = matrix({{0.0F, -0.0F, 1, 1, -1, -1, 2, 2, 0.0F}});
  const Matrix<float> queries = matrix({{1, 1, 1, 1, -1, -1, -2, 2, -0.0F}, {0, 0, 0, 0, 0, 0, 0, 0, 0}});
  const Matrix<float> result = footprint(test_device(), patterns, queries, {.base = base, .cumulative = cumulative});

  for (Index i = 0; i < 2; ++i) {
    const std::vector<double> expected = expected_footprint(patterns, queries, {i, 0}, base, cumulative);
    EXPECT_EQ(to_double(row_of(result, i)), expected) << "small integers are exact";
  }
}

INSTANTIATE_TEST_SUITE_P(, FootprintTest,
                         testing::Values(std::pair(FootprintBase::squared_distance, true),
                                         std::pair(FootprintBase::squared_distance, false),
                                         std::pair(FootprintBase::dot, true), std::pair(FootprintBase::dot, false)));

/// A similarity with everything there is, random.
struct SimilarityShape {
  bool squared_distance = true;
  bool dot = true;
  bool per_pattern = false;
  bool priors = false;
  Index groups = 1;
  TermPrecision precision = TermPrecision::full;
};

AdaptiveSimilarity random_similarity(const SimilarityShape& shape, Index pattern_count, Index dimension, Rng& rng) {
  const Index groups = std::min(shape.groups, dimension);
  const Index weights = rank_count(dimension, groups) * (shape.per_pattern ? pattern_count : 1);
  AdaptiveSimilarity similarity{
      .beta_squared_distance = 0.8F, .beta_dot = 1.3F, .groups = groups, .precision = shape.precision};
  if (shape.squared_distance) similarity.squared_distance = random_weights(weights, rng);
  if (shape.dot) similarity.dot = random_weights(weights, rng);
  if (shape.priors) similarity.log_prior = random_weights(pattern_count, rng);
  return similarity;
}

const std::vector<SimilarityShape>& shapes() {
  static const std::vector<SimilarityShape> all = {
      {},
      {.dot = false},
      {.squared_distance = false},
      {.per_pattern = true},
      {.priors = true},
      {.groups = 3},
      {.dot = false, .per_pattern = true, .priors = true, .groups = 16},
      {.precision = TermPrecision::bits16},
      {.per_pattern = true, .priors = true, .groups = 3, .precision = TermPrecision::bits16},
      {.precision = TermPrecision::bits8},
      {.squared_distance = false, .per_pattern = true, .precision = TermPrecision::bits8},
  };
  return all;
}

class AdaptiveSimilarityTest : public testing::TestWithParam<SimilarityShape> {
 protected:
  Rng rng_{32};
};

Matrix<double> exact(MatrixView<const float> values) {
  Matrix<double> result(values.rows, values.columns);
  for (Index i = 0; i < values.rows; ++i) std::copy_n(values.row(i), values.columns, result.row(i));
  return result;
}

/// The oracle's posterior of the pattern found, and whether no other is better beyond rounding: a better one would have
/// a log-posterior larger by more than twice the bound on a score's error.
TEST_P(AdaptiveSimilarityTest, RetrievesTheMostLikelyPattern) {
  for (const auto& [dimension, pattern_count, query_count] :
       {std::tuple<Index, Index, Index>{1, 1, 1}, {3, 2, 70}, {16, 33, 9}, {64, 50, 65}, {70, 7, 33}, {300, 20, 3}}) {
    SCOPED_TRACE(testing::Message() << "D=" << dimension << " P=" << pattern_count << " B=" << query_count);
    const Matrix<float> patterns = random_gaussian(pattern_count, dimension, rng_);
    const Matrix<float> queries = noisy_copies(patterns, query_count, 0.2F, 1.0F, rng_);
    const AdaptiveSimilarity similarity = random_similarity(GetParam(), pattern_count, dimension, rng_);
    const Memory memory = Memory::adaptive(test_device(), patterns, similarity);
    const System system{memory, reference::adaptive(patterns, similarity)};

    const Retrieval result = retrieve(memory, queries, {.threads = 2});

    for (Index i = 0; i < query_count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const reference::Vector state = to_double(row_of(queries, i));
      const reference::Vector expected =
          reference::log_posteriors(std::get<reference::AdaptiveModel>(system.model), state);
      const double bound = rounding_bound(system, state).weights;
      ASSERT_GE(result.pattern[at], 0);
      ASSERT_LT(result.pattern[at], pattern_count);
      const double found = expected[static_cast<std::size_t>(result.pattern[at])];
      EXPECT_GE(found, *std::max_element(expected.begin(), expected.end()) - bound);
      EXPECT_NEAR(static_cast<double>(result.posterior[at]), std::exp(found), bound * std::exp(found));
    }
  }
}

TEST_P(AdaptiveSimilarityTest, CrossEntropyAndItsGradientAgree) {
  for (const auto& [dimension, pattern_count, query_count] :
       {std::tuple<Index, Index, Index>{1, 2, 3}, {5, 4, 17}, {20, 6, 40}, {66, 3, 5}}) {
    SCOPED_TRACE(testing::Message() << "D=" << dimension << " P=" << pattern_count << " B=" << query_count);
    const Matrix<float> patterns = random_gaussian(pattern_count, dimension, rng_);
    const Matrix<float> queries = noisy_copies(patterns, query_count, 0.5F, 1.5F, rng_);
    std::vector<Index> origins(static_cast<std::size_t>(query_count));
    for (std::size_t i = 0; i < origins.size(); ++i) origins[i] = static_cast<Index>(i) % pattern_count;
    const AdaptiveSimilarity similarity = random_similarity(GetParam(), pattern_count, dimension, rng_);
    const auto zeros = [](const std::vector<float>& like) { return std::vector<double>(like.size()); };
    SimilarityGradient expected{zeros(similarity.squared_distance), zeros(similarity.dot), zeros(similarity.log_prior)};
    const double loss = reference::cross_entropy(similarity, exact(patterns), exact(queries), origins, expected);

    SimilarityGradient gradient;
    const double result = cross_entropy(test_device(), patterns, similarity, queries, origins, &gradient, 2);

    EXPECT_NEAR(result, loss, 1e-5 * (loss + static_cast<double>(query_count)));
    const auto expect_near = [](const std::vector<double>& actual, const std::vector<double>& reference) {
      // A residual p − 1 of floats errs by 6e-8 however small it is, and multiplies terms of size 10.
      double scale = 0.5;
      for (const double value : reference) scale = std::max(scale, std::abs(value));
      for (std::size_t i = 0; i < reference.size(); ++i) EXPECT_NEAR(actual[i], reference[i], 2e-5 * scale) << i;
    };
    expect_near(gradient.squared_distance, expected.squared_distance);
    expect_near(gradient.dot, expected.dot);
    expect_near(gradient.log_prior, expected.log_prior);
  }
}

/// Of a single pattern, whose energy is its score.
TEST_P(AdaptiveSimilarityTest, ScoresOfAllSizesAgree) {
  for (const Index dimension : {1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 96, 127, 128, 129, 257, 784}) {
    SCOPED_TRACE(testing::Message() << "D=" << dimension);
    const Matrix<float> pattern = random_gaussian(1, dimension, rng_);
    const Matrix<float> queries = noisy_copies(pattern, 40, 0.1F, 2.0F, rng_);
    const AdaptiveSimilarity similarity = random_similarity(GetParam(), 1, dimension, rng_);
    const System system{Memory::adaptive(test_device(), pattern, similarity), reference::adaptive(pattern, similarity)};

    const Relaxation result =
        Relaxer(system.memory,
                {.update = blend_update(0.1F), .halting = fixed_steps(), .max_steps = 1, .energies = true})
            .relax(queries);

    for (Index i = 0; i < queries.rows(); ++i) {
      const reference::Vector state = to_double(row_of(result.states, i));
      EXPECT_NEAR(static_cast<double>(result.energies[static_cast<std::size_t>(i)]),
                  reference::energy(system.model, state), rounding_bound(system, state).energy)
          << "query " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, AdaptiveSimilarityTest, testing::ValuesIn(shapes()));

TEST(AdaptiveGradientTest, TheOraclesDerivativesAreDifferences) {
  Rng rng(33);
  const Matrix<float> patterns = random_gaussian(4, 6, rng);
  const Matrix<float> queries = noisy_copies(patterns, 8, 0.5F, 1.0F, rng);
  const std::vector<Index> origins = {0, 1, 2, 3, 0, 1, 2, 3};
  AdaptiveSimilarity similarity = random_similarity({.per_pattern = true, .priors = true, .groups = 2}, 4, 6, rng);
  const Matrix<double> a = exact(patterns);
  const Matrix<double> x = exact(queries);
  const auto loss = [&] {
    SimilarityGradient unused{std::vector<double>(similarity.squared_distance.size()),
                              std::vector<double>(similarity.dot.size()),
                              std::vector<double>(similarity.log_prior.size())};
    return std::pair(reference::cross_entropy(similarity, a, x, origins, unused), unused);
  };
  const SimilarityGradient gradient = loss().second;
  const auto expect_differences = [&](std::vector<float>& parameters, const std::vector<double>& derivatives) {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const float middle = parameters[i];
      // A power of two, so that the step is exact up to the rounding of the sum.
      parameters[i] = middle + 0x1p-8F;
      const float high = parameters[i];
      const double above = loss().first;
      parameters[i] = middle - 0x1p-8F;
      const double width = static_cast<double>(high) - static_cast<double>(parameters[i]);
      const double below = loss().first;
      parameters[i] = middle;
      EXPECT_NEAR(derivatives[i], (above - below) / width, 2e-3 * (1.0 + std::abs(derivatives[i]))) << i;
    }
  };

  expect_differences(similarity.squared_distance, gradient.squared_distance);
  expect_differences(similarity.dot, gradient.dot);
  expect_differences(similarity.log_prior, gradient.log_prior);
}

TEST(CrossEntropyTest, TheBitsDontDependOnThreads) {
  Rng rng(34);
  const Matrix<float> patterns = random_gaussian(40, 24, rng);
  const Matrix<float> queries = noisy_copies(patterns, 700, 0.5F, 1.5F, rng);
  std::vector<Index> origins(700);
  for (std::size_t i = 0; i < origins.size(); ++i) origins[i] = static_cast<Index>(i) % 40;
  const AdaptiveSimilarity similarity = random_similarity({.priors = true}, 40, 24, rng);
  const auto run = [&](int threads) {
    SimilarityGradient gradient;
    const double loss = cross_entropy(test_device(), patterns, similarity, queries, origins, &gradient, threads);
    return std::pair(loss, gradient);
  };

  const auto [loss, gradient] = run(1);

  for (const int threads : {2, 3, 5}) {
    const auto [other_loss, other] = run(threads);
    EXPECT_EQ(other_loss, loss);
    EXPECT_EQ(other.squared_distance, gradient.squared_distance);
    EXPECT_EQ(other.dot, gradient.dot);
    EXPECT_EQ(other.log_prior, gradient.log_prior);
  }
}

TEST(CrossEntropyTest, BadInputIsRefused) {
  const Matrix<float> patterns = matrix({{1, -1, 1}, {1, 1, 1}});
  const AdaptiveSimilarity similarity{.dot = {1, 1, 1}};
  const std::vector<Index> origins = {0, 1};
  const auto compute = [&](MatrixView<const float> a, MatrixView<const float> x, std::span<const Index> of,
                           int threads = 0) {
    return cross_entropy(test_device(), a, similarity, x, of, nullptr, threads);
  };
  EXPECT_TRUE(std::isfinite(compute(patterns, patterns, origins)));
  EXPECT_EQ(compute(patterns, patterns.view().slice(0, 0), {}), 0.0);
  EXPECT_THROW(compute(patterns, matrix({{1, 2}, {3, 4}}), origins), InvalidArgument);
  EXPECT_THROW(compute(patterns, patterns, std::span(origins).first(1)), InvalidArgument);
  EXPECT_THROW(compute(patterns, patterns, std::vector<Index>{0, 2}), InvalidArgument);
  EXPECT_THROW(compute(patterns, patterns, origins, -1), InvalidArgument);
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e19F, -1e19F}) {
    Matrix<float> bad = copy(patterns);
    bad(1, 2) = value;
    EXPECT_THROW(compute(bad, patterns, origins), InvalidArgument) << value;
    EXPECT_THROW(compute(patterns, bad, origins), InvalidArgument) << value;
  }
}

/// Infinite scores have no differences.
TEST(CrossEntropyTest, ScoresThatOverflowGiveNaN) {
  const Matrix<float> patterns = matrix({{8, 8}, {-8, -8}});
  const std::vector<Index> origins = {0};
  SimilarityGradient gradient;
  const double loss =
      cross_entropy(test_device(), patterns, {.dot = {3e38F, 3e38F}}, matrix({{8, 8}}), origins, &gradient);
  EXPECT_TRUE(std::isnan(loss));
  EXPECT_TRUE(std::isnan(gradient.dot[0]));
}

TEST(RankWeightsTest, AreSumsOfFootprintWeights) {
  EXPECT_EQ(rank_weights(std::vector<float>{1, 2, 3}), (std::vector<float>{6, 5, 3}));
  EXPECT_TRUE(rank_weights({}).empty());
}

/// Σ w_k footprint_k is Σ v_i q̃_i.
TEST(RankWeightsTest, ScoreAsFootprintsDo) {
  Rng rng(35);
  const Matrix<float> patterns = random_gaussian(5, 12, rng);
  const Matrix<float> queries = random_gaussian(1, 12, rng);
  const std::vector<float> weights = random_weights(12, rng);
  const Memory memory = Memory::adaptive(test_device(), patterns, {.squared_distance = rank_weights(weights)});
  const Matrix<float> footprints = footprint(test_device(), patterns, queries);
  std::vector<double> scores(5);
  for (std::size_t p = 0; p < 5; ++p)
    for (std::size_t k = 0; k < 12; ++k)
      scores[p] += static_cast<double>(weights[k]) *
                   static_cast<double>(footprints(static_cast<Index>(p), static_cast<Index>(k)));
  const double largest = *std::max_element(scores.begin(), scores.end());
  double normaliser = 0.0;
  for (const double score : scores) normaliser += std::exp(score - largest);

  const Retrieval result = retrieve(memory, queries);

  EXPECT_EQ(scores[static_cast<std::size_t>(result.pattern[0])], largest);
  EXPECT_NEAR(static_cast<double>(result.posterior[0]), 1.0 / normaliser, 1e-4);
}

TEST(AdaptiveMemoryTest, UnitWeightsArePlainSimilarities) {
  Rng rng(36);
  const Matrix<float> patterns = random_gaussian(30, 20, rng);
  const Matrix<float> queries = noisy_copies(patterns, 50, 0.3F, 2.0F, rng);
  const std::vector<float> ones(20, 1.0F);
  const Retrieval by_dot = retrieve(Memory::adaptive(test_device(), patterns, {.dot = ones}), queries);
  const Retrieval hopfield = retrieve(Memory::modern_hopfield(test_device(), patterns), queries);

  EXPECT_EQ(by_dot.pattern, hopfield.pattern);
  for (std::size_t i = 0; i < 50; ++i) EXPECT_NEAR(by_dot.posterior[i], hopfield.posterior[i], 1e-4F);
}

TEST(AdaptiveMemoryTest, ReadsContentsOut) {
  Rng rng(37);
  const Matrix<float> patterns = random_gaussian(6, 10, rng);
  const Matrix<float> contents = random_gaussian(6, 3, rng);
  const Matrix<float> queries = noisy_copies(patterns, 20, 0.3F, 1.0F, rng);
  const AdaptiveSimilarity similarity = random_similarity({.priors = true}, 6, 10, rng);
  const Memory memory = Memory::adaptive(test_device(), patterns, similarity, {.contents = contents.view()});
  const reference::AdaptiveModel model = reference::adaptive(patterns, similarity);

  const Relaxation result = Relaxer(memory, {.halting = fixed_steps(), .max_steps = 1}).relax(queries);

  for (Index i = 0; i < 20; ++i) {
    const reference::Vector expected = reference::recall(model, contents, to_double(row_of(result.states, i)));
    for (Index j = 0; j < 3; ++j)
      EXPECT_NEAR(static_cast<double>(result.contents(i, j)), expected[static_cast<std::size_t>(j)], 1e-4);
  }
}

TEST(AdaptiveMemoryTest, ContentsOfAQueryThatIsntFiniteArentEither) {
  const Matrix<float> patterns = matrix({{1, -1, 1}, {1, 1, -1}});
  const Matrix<float> contents = matrix({{5}, {7}});
  const Matrix<float> queries = matrix({{1, -1, 1}, {1, std::numeric_limits<float>::quiet_NaN(), -1}, {1, 1, -1}});
  for (const TermPrecision precision : {TermPrecision::full, TermPrecision::bits16, TermPrecision::bits8}) {
    const AdaptiveSimilarity similarity{.squared_distance = {9, 9, 9}, .precision = precision};
    const Memory memory = Memory::adaptive(test_device(), patterns, similarity, {.contents = contents.view()});
    const Relaxation result = Relaxer(memory).relax(queries);
    EXPECT_NEAR(result.contents(0, 0), 5.0F, 1e-3F);
    EXPECT_TRUE(std::isnan(result.contents(1, 0)));
    EXPECT_NEAR(result.contents(2, 0), 7.0F, 1e-3F);
  }
}

TEST(AdaptiveMemoryTest, ForgettingKeepsTheRowsOfTheOthers) {
  Rng rng(38);
  const Matrix<float> patterns = random_gaussian(7, 9, rng);
  const AdaptiveSimilarity similarity = random_similarity({.per_pattern = true, .priors = true}, 7, 9, rng);
  Memory memory = Memory::adaptive(test_device(), patterns, similarity);
  const std::vector<Index> forgotten = {1, 6};
  const std::vector<Index> kept = {0, 2, 3, 4, 5};
  memory.forget(forgotten);

  const AdaptiveSimilarity* const left = memory.similarity();

  ASSERT_NE(left, nullptr);
  ASSERT_EQ(left->squared_distance.size(), 45U);
  ASSERT_EQ(left->log_prior.size(), 5U);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const auto row = static_cast<std::size_t>(kept[i]);
    EXPECT_EQ(left->log_prior[i], similarity.log_prior[row]);
    for (std::size_t r = 0; r < 9; ++r) EXPECT_EQ(left->dot[9 * i + r], similarity.dot[9 * row + r]);
  }
}

TEST(AdaptiveMemoryTest, SharedWeightsServeNewPatterns) {
  Rng rng(39);
  const Matrix<float> patterns = random_gaussian(4, 8, rng);
  const Matrix<float> more = random_gaussian(3, 8, rng);
  const AdaptiveSimilarity similarity = random_similarity({}, 4, 8, rng);
  Memory grown = Memory::adaptive(test_device(), patterns, similarity);
  grown.imprint(more);
  const Memory anew = Memory::adaptive(test_device(), stack(patterns, more), similarity);
  const Matrix<float> queries = random_gaussian(40, 8, rng);

  EXPECT_TRUE(same_results(Relaxer(grown).relax(queries), Relaxer(anew).relax(queries)));
}

TEST(AdaptiveMemoryTest, RowsOfItsOwnCantBeMadeUpForNewPatterns) {
  Rng rng(40);
  const Matrix<float> patterns = random_gaussian(4, 8, rng);
  for (const SimilarityShape& shape : {SimilarityShape{.per_pattern = true}, SimilarityShape{.priors = true}}) {
    Memory memory = Memory::adaptive(test_device(), patterns, random_similarity(shape, 4, 8, rng));
    EXPECT_THROW(memory.imprint(patterns), NotSupported);
    EXPECT_EQ(memory.pattern_count(), 4);
  }
}

TEST(AdaptiveMemoryTest, OnlyItHasASimilarity) {
  const Matrix<float> patterns = matrix({{1, -1}});
  EXPECT_EQ(Memory::hebbian(test_device(), patterns).similarity(), nullptr);
  EXPECT_EQ(Memory::adaptive(test_device(), patterns, {.dot = {2.0F, 3.0F}}).similarity()->dot.at(1), 3.0F);
}

TEST(RetrievalTest, LeavesQueriesOutThatArentFinite) {
  Rng rng(41);
  const Matrix<float> patterns = random_gaussian(9, 12, rng);
  const Matrix<float> queries = noisy_copies(patterns, 80, 0.1F, 0.2F, rng);
  Matrix<float> bad = copy(queries);
  bad(3, 5) = std::numeric_limits<float>::quiet_NaN();
  bad(70, 0) = std::numeric_limits<float>::infinity();
  for (const TermPrecision precision : {TermPrecision::full, TermPrecision::bits16, TermPrecision::bits8}) {
    const Memory memory = Memory::adaptive(test_device(), patterns,
                                           random_similarity({.dot = false, .precision = precision}, 9, 12, rng));
    const Retrieval clean = retrieve(memory, queries);
    const Retrieval result = retrieve(memory, bad);

    for (std::size_t i = 0; i < 80; ++i) {
      if (i == 3 || i == 70) {
        EXPECT_EQ(result.pattern[i], -1);
        EXPECT_TRUE(std::isnan(result.posterior[i]));
      } else {
        EXPECT_EQ(result.pattern[i], clean.pattern[i]);
        EXPECT_EQ(result.posterior[i], clean.posterior[i]);
      }
    }
  }
}

TEST(RetrievalTest, DoesntDependOnTheBatch) {
  Rng rng(42);
  const Matrix<float> patterns = random_gaussian(100, 40, rng);
  const Matrix<float> queries = noisy_copies(patterns, 150, 0.5F, 3.0F, rng);
  const auto adaptive = [&](TermPrecision precision) {
    return Memory::adaptive(test_device(), patterns, random_similarity({.precision = precision}, 100, 40, rng));
  };
  for (const Memory& memory :
       {adaptive(TermPrecision::full), adaptive(TermPrecision::bits16), adaptive(TermPrecision::bits8),
        Memory::modern_hopfield(test_device(), patterns, {.beta = 0.1F})}) {
    const Retrieval all = retrieve(memory, queries, {.threads = 3});
    for (const Index i : {0, 63, 64, 149}) {
      const Retrieval alone = retrieve(memory, queries.view().slice(i, 1));
      EXPECT_EQ(alone.pattern[0], all.pattern[static_cast<std::size_t>(i)]);
      EXPECT_EQ(alone.posterior[0], all.posterior[static_cast<std::size_t>(i)]);
    }
  }
}

/// Patterns and queries that leave rounding no range, or an extreme one.
TEST(RoundedTermsTest, HoldAtTheEdgesOfTheirRange) {
  for (const TermPrecision precision : {TermPrecision::bits16, TermPrecision::bits8}) {
    const AdaptiveSimilarity similarity{.squared_distance = {1, 1}, .dot = {0.5F, 0.25F}, .precision = precision};
    const auto found = [&](MatrixView<const float> patterns, MatrixView<const float> queries) {
      return retrieve(Memory::adaptive(test_device(), patterns, similarity), queries).pattern;
    };
    EXPECT_EQ(found(matrix({{0, 0}}), matrix({{0, 0}, {7, -7}})), (std::vector<Index>{0, 0}));
    EXPECT_EQ(found(matrix({{3, 3}, {3, 3}}), matrix({{3, 3}, {1, 2}})), (std::vector<Index>{0, 0}));
    EXPECT_EQ(found(matrix({{1e-12F, 0}, {0, -1e-12F}}), matrix({{0, -1e-12F}})), std::vector<Index>{1});
    EXPECT_EQ(found(matrix({{1e12F, 0}, {0, -1e12F}}), matrix({{0, -1e12F}, {1e12F, 1}})), (std::vector<Index>{1, 0}));
    EXPECT_EQ(found(matrix({{100, 101}, {101, 100}}), matrix({{100.5F, 100}})), std::vector<Index>{1});
  }
}

/// An entry far outside coarsens its own query's terms, nobody else's.
TEST(RoundedTermsTest, AQuerysRangeIsItsOwn) {
  Rng rng(43);
  const Matrix<float> patterns = random_gaussian(20, 16, rng);
  const Matrix<float> queries = noisy_copies(patterns, 64, 0.1F, 0.3F, rng);
  Matrix<float> changed = copy(queries);
  changed(5, 3) = 1e6F;
  for (const TermPrecision precision : {TermPrecision::bits16, TermPrecision::bits8}) {
    const Memory memory =
        Memory::adaptive(test_device(), patterns, random_similarity({.precision = precision}, 20, 16, rng));
    const Retrieval before = retrieve(memory, queries);
    const Retrieval after = retrieve(memory, changed);
    for (std::size_t i = 0; i < 64; ++i) {
      if (i == 5) continue;
      EXPECT_EQ(after.pattern[i], before.pattern[i]);
      EXPECT_EQ(after.posterior[i], before.posterior[i]);
    }
  }
}

TEST(RetrievalTest, TheFirstOfEqualsWins) {
  const Matrix<float> patterns = matrix({{1, 2}, {3, 4}, {3, 4}, {3, 4}});
  const Retrieval result =
      retrieve(Memory::adaptive(test_device(), patterns, {.squared_distance = {1, 1}}), matrix({{3, 4}}));
  EXPECT_EQ(result.pattern[0], 1);
  EXPECT_NEAR(result.posterior[0], 1.0F / 3.0F, 1e-3F);
}

TEST(RetrievalTest, RefusesWhatItCantDo) {
  const Matrix<float> patterns = matrix({{1, -1, 1}});
  EXPECT_THROW(static_cast<void>(retrieve(Memory::hebbian(test_device(), patterns), patterns)), NotSupported);
  const Memory memory = Memory::modern_hopfield(test_device(), patterns);
  EXPECT_THROW(static_cast<void>(retrieve(memory, matrix({{1, 2}}))), InvalidArgument);
  EXPECT_THROW(static_cast<void>(retrieve(memory, patterns, {.threads = -1})), InvalidArgument);
  EXPECT_TRUE(retrieve(memory, patterns.view().slice(0, 0)).pattern.empty());
}

/// What is wrong with a similarity, and what the message says of it.
struct BadSimilarity {
  AdaptiveSimilarity similarity;
  std::string message;
};

TEST(AdaptiveBadInputTest, IsNamed) {
  const Matrix<float> patterns = matrix({{1, -1, 1}, {1, 1, 1}});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const BadSimilarity& bad : {
           BadSimilarity{{}, "needs rank weights of a base"},
           BadSimilarity{{.dot = {1, 2}}, "has 2 rank weights of the dot product; there must be 3"},
           BadSimilarity{{.squared_distance = {1, 2, 3, 4}}, "has 4 rank weights of the squared distance"},
           BadSimilarity{{.dot = {1, nan, 2}}, "must be finite; one is nan"},
           BadSimilarity{{.dot = {1, 2, 3}, .beta_dot = nan}, "beta_dot is nan; it must be finite"},
           BadSimilarity{{.dot = {1, 2, 3}, .beta_squared_distance = nan},
                         "beta_squared_distance is nan; it must be finite"},
           BadSimilarity{{.dot = {1, 2, 3}, .log_prior = {1}}, "has 1 log-priors for 2 patterns"},
           BadSimilarity{{.dot = {1, 2, 3}, .log_prior = {1, nan}}, "log-priors must be finite"},
           BadSimilarity{{.dot = {1, 2, 3}, .groups = 0}, "has 0 groups"},
           BadSimilarity{{.dot = {1}, .groups = 4}, "has 4 groups"},
       }) {
    try {
      static_cast<void>(Memory::adaptive(test_device(), patterns, bad.similarity));
      ADD_FAILURE() << "accepted: " << bad.message;
    } catch (const InvalidArgument& error) {
      EXPECT_NE(std::string(error.what()).find(bad.message), std::string::npos) << error.what();
    }
  }
}

TEST(AdaptiveBadInputTest, OfFootprints) {
  const Matrix<float> patterns = matrix({{1, -1, 1}});
  const Matrix<float> wide = matrix({{1, -1, 1, 1}});
  const Matrix<float> bad = matrix({{1, std::numeric_limits<float>::infinity(), 1}});
  const auto make = [](MatrixView<const float> a, MatrixView<const float> x, const FootprintOptions& options = {}) {
    static_cast<void>(footprint(Device::cpu(), a, x, options));
  };
  EXPECT_THROW(make(patterns, wide), InvalidArgument);
  EXPECT_THROW(make(patterns, bad), InvalidArgument);
  EXPECT_THROW(make(bad, patterns), InvalidArgument);
  EXPECT_THROW(make({}, patterns), InvalidArgument);
  EXPECT_THROW(make(patterns, patterns, {.threads = -1}), InvalidArgument);
  const std::vector<FootprintPair> outside = {{0, 0}, {0, 1}};
  EXPECT_THROW(static_cast<void>(footprint(Device::cpu(), patterns, patterns, outside)), InvalidArgument);
  EXPECT_EQ(footprint(Device::cpu(), patterns, patterns.view().slice(0, 0)).rows(), 0);
}

}  // namespace
}  // namespace attractor::test
