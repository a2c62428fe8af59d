/// Fitting: the weights that come out are where the oracle's loss has its minimum, and they retrieve better.

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "core/reference/similarity.hpp"
#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

Matrix<double> widen(MatrixView<const float> values) {
  Matrix<double> result(values.rows, values.columns);
  for (Index i = 0; i < values.rows; ++i) std::copy_n(values.row(i), values.columns, result.row(i));
  return result;
}

SimilarityGradient zero_gradient(const AdaptiveSimilarity& similarity) {
  return {.squared_distance = std::vector<double>(similarity.squared_distance.size(), 0.0),
          .dot = std::vector<double>(similarity.dot.size(), 0.0),
          .log_prior = std::vector<double>(similarity.log_prior.size(), 0.0)};
}

/// The oracle's mean loss.
double mean_loss(const AdaptiveSimilarity& similarity, MatrixView<const float> patterns, const Variants& pairs,
                 SimilarityGradient& gradient) {
  const auto count = static_cast<double>(pairs.origins.size());
  const double loss =
      reference::cross_entropy(similarity, widen(patterns), widen(pairs.queries), pairs.origins, gradient);
  for (std::vector<double>* const part : {&gradient.squared_distance, &gradient.dot, &gradient.log_prior})
    for (double& value : *part) value /= count;
  return loss / count;
}

double mean_loss(const AdaptiveSimilarity& similarity, MatrixView<const float> patterns, const Variants& pairs) {
  SimilarityGradient gradient = zero_gradient(similarity);
  return mean_loss(similarity, patterns, pairs, gradient);
}

/// The share of queries whose origin has the largest score.
double accuracy(const AdaptiveSimilarity& similarity, MatrixView<const float> patterns, const Variants& pairs) {
  const Retrieval found = retrieve(Memory::adaptive(test_device(), patterns, similarity), pairs.queries);
  int right = 0;
  for (std::size_t i = 0; i < found.pattern.size(); ++i)
    if (found.pattern[i] == pairs.origins[i]) ++right;
  return right / static_cast<double>(found.pattern.size());
}

/// β times the plain similarity.
AdaptiveSimilarity plain(FootprintBase base, Index dimension, float beta) {
  const std::vector<float> weights(at(dimension), beta);
  return base == FootprintBase::dot ? AdaptiveSimilarity{.dot = weights}
                                    : AdaptiveSimilarity{.squared_distance = weights};
}

testing::AssertionResult same_weights(const AdaptiveSimilarity& a, const AdaptiveSimilarity& b) {
  for (const auto part :
       {&AdaptiveSimilarity::squared_distance, &AdaptiveSimilarity::dot, &AdaptiveSimilarity::log_prior}) {
    const testing::AssertionResult same = same_bits(std::span<const float>(a.*part), std::span<const float>(b.*part));
    if (!same) return same;
  }
  return testing::AssertionSuccess();
}

/// Everything to the minimum: no penalty, no pair held out.
FitOptions to_the_minimum() { return {.epochs = 1000, .l2 = 0.0F, .pattern_l2 = 0.0F, .held_out = 0.0F}; }

Matrix<float> some_patterns(Index count, Index dimension) {
  Rng rng(17);
  return random_gaussian(count, dimension, rng);
}

struct Model {
  std::string name;
  FitOptions options;
};

std::ostream& operator<<(std::ostream& out, const Model& model) { return out << model.name; }

std::vector<Model> all_models() {
  std::vector<Model> models = {{"SquaredDistance", {.dot = false}},
                               {"Dot", {.squared_distance = false}},
                               {"Both", {}},
                               {"Groups", {.groups = 3}},
                               {"Prior", {.log_prior = true}},
                               {"PerPattern", {.dot = false, .per_pattern = true}},
                               {"Everything", {.groups = 2, .per_pattern = true, .log_prior = true}}};
  for (Model& model : models) {
    const FitOptions minimum = to_the_minimum();
    model.options.epochs = minimum.epochs;
    model.options.l2 = minimum.l2;
    model.options.pattern_l2 = minimum.pattern_l2;
    model.options.held_out = minimum.held_out;
  }
  return models;
}

class EachModelTest : public testing::TestWithParam<Model> {
 protected:
  const FitOptions& options() const { return GetParam().options; }

  Matrix<float> patterns_ = some_patterns(4, 7);
  // So noisy that no weights tell all origins: the minimum is finite.
  Variants pairs_ = make_variants(patterns_, 250, {.severity = 0.9F, .spread = 3.0F, .seed = 3});
};

TEST_P(EachModelTest, TheOraclesGradientIsThatOfItsLoss) {
  if (test_device().kind() != Device::Kind::cpu) GTEST_SKIP() << "the oracle is the host's, whatever the device";
  const Fit fit = fit_similarity(test_device(), patterns_, pairs_.queries, pairs_.origins, options());
  SimilarityGradient gradient = zero_gradient(fit.similarity);
  AdaptiveSimilarity similarity = fit.similarity;
  for (float& weight : similarity.dot) weight += 0.05F;  // away from the minimum
  for (float& weight : similarity.squared_distance) weight += 0.05F;
  mean_loss(similarity, patterns_, pairs_, gradient);
  const auto expect_slope = [&](std::vector<float> AdaptiveSimilarity::*part, const std::vector<double>& derivatives) {
    for (std::size_t i = 0; i < derivatives.size(); ++i) {
      AdaptiveSimilarity more = similarity;
      AdaptiveSimilarity less = similarity;
      (more.*part)[i] += 0x1p-17F;
      (less.*part)[i] -= 0x1p-17F;
      const double distance = static_cast<double>((more.*part)[i]) - static_cast<double>((less.*part)[i]);
      const double slope = (mean_loss(more, patterns_, pairs_) - mean_loss(less, patterns_, pairs_)) / distance;
      EXPECT_NEAR(derivatives[i], slope, 1e-5);
    }
  };
  expect_slope(&AdaptiveSimilarity::squared_distance, gradient.squared_distance);
  expect_slope(&AdaptiveSimilarity::dot, gradient.dot);
  expect_slope(&AdaptiveSimilarity::log_prior, gradient.log_prior);
}

TEST_P(EachModelTest, EndsWhereTheOraclesGradientVanishes) {
  const Fit fit = fit_similarity(test_device(), patterns_, pairs_.queries, pairs_.origins, options());

  EXPECT_TRUE(fit.converged);
  EXPECT_EQ(fit.similarity.squared_distance.empty(), !options().squared_distance);
  EXPECT_EQ(fit.similarity.dot.empty(), !options().dot);
  EXPECT_EQ(fit.similarity.log_prior.empty(), !options().log_prior);
  EXPECT_EQ(fit.similarity.groups, options().groups);
  SimilarityGradient gradient = zero_gradient(fit.similarity);
  const double loss = mean_loss(fit.similarity, patterns_, pairs_, gradient);
  EXPECT_NEAR(fit.history.back().loss, loss, 1e-5);
  for (const std::vector<double>* const part : {&gradient.squared_distance, &gradient.dot, &gradient.log_prior})
    for (const double derivative : *part) EXPECT_NEAR(derivative, 0.0, 5e-3);
}

TEST_P(EachModelTest, LbfgsIsAtLeastAsLowAsAdam) {
  if (test_device().kind() != Device::Kind::cpu) GTEST_SKIP() << "minimisers run on the host, whatever the device";
  FitOptions adam = options();
  adam.optimiser = Optimiser::adam;
  adam.epochs = 200;
  FitOptions lbfgs = options();
  lbfgs.epochs = 200;

  const Fit a = fit_similarity(test_device(), patterns_, pairs_.queries, pairs_.origins, adam);
  const Fit b = fit_similarity(test_device(), patterns_, pairs_.queries, pairs_.origins, lbfgs);

  EXPECT_LE(mean_loss(b.similarity, patterns_, pairs_), mean_loss(a.similarity, patterns_, pairs_) + 1e-6);
  EXPECT_LT(b.history.size(), a.history.size());
}

TEST_P(EachModelTest, IsReproducible) {
  FitOptions options = GetParam().options;
  options.epochs = 5;
  options.held_out = 0.2F;
  const auto fit = [&](int threads, std::uint64_t seed) {
    options.threads = threads;
    options.seed = seed;
    return fit_similarity(test_device(), patterns_, pairs_.queries, pairs_.origins, options);
  };
  const Fit once = fit(1, 1);

  EXPECT_TRUE(same_weights(fit(1, 1).similarity, once.similarity));
  EXPECT_TRUE(same_weights(fit(3, 1).similarity, once.similarity));
  EXPECT_FALSE(same_weights(fit(1, 2).similarity, once.similarity));
}

INSTANTIATE_TEST_SUITE_P(, EachModelTest, testing::ValuesIn(all_models()),
                         [](const auto& test) { return test.param.name; });

TEST(FitTest, TakesTheSmallestShapes) {
  for (const Index count : {1, 2})
    for (const Index dimension : {1, 2}) {
      const Matrix<float> patterns = some_patterns(count, dimension);
      for (const Index pairs : {1, 2, 3}) {
        const Fit fit = fit_similarity(test_device(), patterns, VariantOptions{.severity = 0.5F}, pairs,
                                       {.per_pattern = true, .log_prior = true});
        EXPECT_EQ(fit.similarity.dot.size(), at(count * dimension));
        EXPECT_EQ(fit.similarity.log_prior.size(), at(count));
        for (const float weight : fit.similarity.dot) EXPECT_TRUE(std::isfinite(weight));
      }
    }
}

TEST(FitTest, TakesPatternsAndQueriesThatAreStrided) {
  const Matrix<float> wide = some_patterns(40, 12);
  const MatrixView<const float> patterns(wide.data(), 5, 9, 12);
  const MatrixView<const float> queries(wide.row(5), 35, 9, 12);
  std::vector<Index> origins(35);
  for (std::size_t i = 0; i < origins.size(); ++i) origins[i] = static_cast<Index>(i % 5);

  const Fit strided = fit_similarity(test_device(), patterns, queries, origins);
  const Fit dense = fit_similarity(test_device(), copy(patterns), copy(queries), origins);

  EXPECT_TRUE(same_weights(strided.similarity, dense.similarity));
}

TEST(FitTest, VariantsAreThoseOfTheGenerator) {
  const Matrix<float> patterns = some_patterns(5, 9);
  const VariantOptions variants{.severity = 0.7F, .seed = 5};
  const Variants pairs = make_variants(patterns, 60, variants);

  EXPECT_TRUE(same_weights(fit_similarity(test_device(), patterns, variants, 60).similarity,
                           fit_similarity(test_device(), patterns, pairs.queries, pairs.origins).similarity));
}

TEST(FitTest, EqualTermsGetFiniteWeights) {
  // Every dot of entries is 1 or −1 and every squared distance 0 or 4; with one pattern none of them varies.
  Rng rng(2);
  const Matrix<float> patterns = random_bipolar(6, 8, rng);
  const Matrix<float> same = matrix({{1, 1, 1, 1}, {1, 1, 1, 1}});
  for (const Fit& fit : {fit_similarity(test_device(), patterns, VariantOptions{.severity = 0.0F}, 60),
                         fit_similarity(test_device(), same, VariantOptions{.severity = 0.0F}, 60)})
    for (const float weight : fit.similarity.dot) EXPECT_TRUE(std::isfinite(weight));
}

TEST(FitTest, ScaleOfTheDataDoesNotMatter) {
  const Matrix<float> patterns = some_patterns(6, 10);
  const Variants pairs = make_variants(patterns, 200, {.severity = 0.8F});
  const double loss = fit_similarity(test_device(), patterns, pairs.queries, pairs.origins).history.back().loss;
  for (const float scale : {0x1p-12F, 0x1p12F}) {
    Matrix<float> scaled_patterns = copy(patterns);
    Matrix<float> scaled_queries = copy(pairs.queries);
    for (Matrix<float>* const values : {&scaled_patterns, &scaled_queries})
      for (Index i = 0; i < values->size(); ++i) values->data()[i] *= scale;
    const Fit fit = fit_similarity(test_device(), scaled_patterns, scaled_queries, pairs.origins);
    EXPECT_NEAR(fit.history.back().loss, loss, 1e-4);
  }
}

TEST(FittedWeightsTest, AreAtLeastAsGoodAsThePlainDistanceUnderGaussianNoise) {
  // Where the distance of the right β is the true model.
  const Matrix<float> patterns = some_patterns(16, 12);
  const VariantOptions noise{.variant = Variant::noisy, .severity = 1.0F};
  const Variants pairs = make_variants(patterns, test_device_is_slow() ? 1000 : 1500, noise);
  VariantOptions unseen = noise;
  unseen.seed = 99;
  const Variants test = make_variants(patterns, 400, unseen);

  const Fit fit = fit_similarity(test_device(), patterns, pairs.queries, pairs.origins, {.held_out = 0.0F});

  const AdaptiveSimilarity distance = plain(FootprintBase::squared_distance, 12, 0.5F);
  EXPECT_LE(mean_loss(fit.similarity, patterns, pairs), mean_loss(distance, patterns, pairs));
  EXPECT_GE(accuracy(fit.similarity, patterns, test), accuracy(distance, patterns, test) - 0.01);
}

TEST(FittedWeightsTest, GainUnderTheMixture) {
  const Matrix<float> patterns = some_patterns(60, 24);
  const VariantOptions mixture{.severity = 0.4F};
  const Variants pairs = make_variants(patterns, test_device_is_slow() ? 400 : 1000, mixture);
  VariantOptions unseen = mixture;
  unseen.seed = 99;
  const Variants test = make_variants(patterns, test_device_is_slow() ? 400 : 1000, unseen);

  const Fit fit = fit_similarity(test_device(), patterns, pairs.queries, pairs.origins);

  const double fixed = std::max(accuracy(plain(FootprintBase::squared_distance, 24, 1.0F), patterns, test),
                                accuracy(plain(FootprintBase::dot, 24, 1.0F), patterns, test));
  EXPECT_GE(accuracy(fit.similarity, patterns, test), fixed + 0.1);
}

TEST(PerPatternTest, ShrinksToSharedWeights) {
  const Matrix<float> patterns = some_patterns(4, 6);
  const Variants pairs = make_variants(patterns, 200, {.severity = 1.0F});
  const auto fit = [&](bool per_pattern, float pattern_l2) {
    FitOptions options = to_the_minimum();
    options.dot = false;
    options.per_pattern = per_pattern;
    options.pattern_l2 = pattern_l2;
    return fit_similarity(test_device(), patterns, pairs.queries, pairs.origins, options);
  };
  const Fit shared = fit(false, 0.0F);
  const Fit shrunk = fit(true, 1e5F);
  const Fit loose = fit(true, 1e-2F);

  const auto spread = [&](const Fit& own) {
    float largest = 0.0F;
    for (std::size_t i = 0; i < own.similarity.squared_distance.size(); ++i)
      largest =
          std::max(largest, std::abs(own.similarity.squared_distance[i] - shared.similarity.squared_distance[i % 6]));
    return largest;
  };
  EXPECT_LT(spread(shrunk), 1e-2F);
  EXPECT_GT(spread(loose), 0.1F);
  EXPECT_LT(loose.history.back().loss, shrunk.history.back().loss);
}

TEST(PriorTest, LearnsAnUnequalDistributionOfOrigins) {
  const Matrix<float> patterns = some_patterns(4, 6);
  const std::vector<int> counts = {240, 100, 40, 20};
  std::vector<Index> origins;
  for (Index origin = 0; origin < 4; ++origin) origins.insert(origins.end(), at(counts[at(origin)]), origin);
  // Queries that say nothing of their origin leave its frequency as all there is to know.
  Rng rng(4);
  const Matrix<float> queries = random_gaussian(400, 6, rng);
  FitOptions options = to_the_minimum();
  options.log_prior = true;
  options.l2 = 10.0F;

  const Fit fit = fit_similarity(test_device(), patterns, queries, origins, options);

  for (std::size_t i = 1; i < 4; ++i) {
    const double expected = std::log(static_cast<double>(counts[i]) / counts[0]);
    EXPECT_NEAR(static_cast<double>(fit.similarity.log_prior[i] - fit.similarity.log_prior[0]), expected, 0.05);
  }
}

/// 30 pairs and 24 weights are soon learned by heart.
class EarlyStopTest : public testing::Test {
 protected:
  Fit fit(const FitOptions& options) const {
    return fit_similarity(test_device(), patterns_, pairs_.queries, pairs_.origins, options);
  }

  Matrix<float> patterns_ = some_patterns(5, 12);
  Variants pairs_ = make_variants(patterns_, 40, {.severity = 1.0F, .seed = 3});
};

TEST_F(EarlyStopTest, EndsWhenPatienceDoesAndReturnsTheBest) {
  const FitOptions options{.epochs = 500, .l2 = 0.0F, .held_out = 0.25F, .patience = 4};

  const Fit stopped = fit(options);

  EXPECT_TRUE(stopped.converged);
  const auto& history = stopped.history;
  const auto best = std::min_element(history.begin(), history.end(), [](const FitProgress& a, const FitProgress& b) {
    return a.held_out_loss < b.held_out_loss;
  });
  ASSERT_EQ(history.end() - best, 5);
  FitOptions until_best = options;
  until_best.epochs = best->epoch;
  EXPECT_TRUE(same_weights(fit(until_best).similarity, stopped.similarity));
}

TEST_F(EarlyStopTest, WithNothingHeldOutGoesOn) {
  const Fit ended = fit({.epochs = 30, .l2 = 0.0F, .held_out = 0.0F, .patience = 1});

  EXPECT_EQ(ended.history.size(), 30U);
  EXPECT_FALSE(ended.converged);
  EXPECT_TRUE(std::isnan(ended.history.back().held_out_loss));
}

TEST_F(EarlyStopTest, HistoryIsWhatProgressTold) {
  std::vector<FitProgress> told;
  const Fit ended = fit({.epochs = 6, .progress = [&](const FitProgress& progress) { told.push_back(progress); }});

  ASSERT_EQ(told.size(), 6U);
  ASSERT_EQ(ended.history.size(), 6U);
  EXPECT_FALSE(ended.converged);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(told[i].epoch, static_cast<int>(i) + 1);
    EXPECT_EQ(told[i].epochs, 6);
    EXPECT_EQ(told[i].loss, ended.history[i].loss);
    EXPECT_EQ(told[i].held_out_loss, ended.history[i].held_out_loss);
  }
  EXPECT_LT(told.back().loss, std::log(5.0));
}

TEST_F(EarlyStopTest, StopsWhenAsked) {
  for (const Optimiser optimiser : {Optimiser::lbfgs, Optimiser::adam}) {
    std::stop_source source;
    const Fit stopped = fit({.optimiser = optimiser,
                             .progress =
                                 [&](const FitProgress& progress) {
                                   if (progress.epoch == 3) source.request_stop();
                                 },
                             .stop = source.get_token()});

    EXPECT_EQ(stopped.history.size(), 3U);
    EXPECT_FALSE(stopped.converged);
    EXPECT_EQ(stopped.similarity.dot.size(), 12U);
    EXPECT_TRUE(fit({.stop = source.get_token()}).history.empty());
  }
}

TEST_F(EarlyStopTest, RethrowsWhatProgressThrows) {
  EXPECT_THROW(fit({.progress = [](const FitProgress&) { throw std::out_of_range("enough"); }}), std::out_of_range);
}

TEST(BadFitTest, OptionsAreNamed) {
  const Matrix<float> patterns = some_patterns(3, 5);
  const std::vector<Index> origins = {0, 1, 2};
  const auto expect_refused = [&](const FitOptions& options, std::initializer_list<std::string> words) {
    expect_invalid([&] { fit_similarity(test_device(), patterns, patterns, origins, options); }, words);
    expect_invalid([&] { fit_similarity(test_device(), patterns, VariantOptions{}, 3, options); }, words);
  };
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  expect_refused({.squared_distance = false, .dot = false}, {"squared_distance", "dot"});
  expect_refused({.groups = 0}, {"groups", "0", "[1, 5]"});
  expect_refused({.groups = 6}, {"groups", "6", "[1, 5]"});
  expect_refused({.epochs = 0}, {"epochs", "0"});
  expect_refused({.rate = 0.0F}, {"rate", "0"});
  expect_refused({.rate = nan}, {"rate", "nan"});
  expect_refused({.l2 = -1.0F}, {"l2", "-1"});
  expect_refused({.pattern_l2 = nan}, {"pattern_l2", "nan"});
  expect_refused({.held_out = 1.0F}, {"held-out", "1"});
  expect_refused({.held_out = -0.5F}, {"held-out", "-0.5"});
  expect_refused({.held_out = nan}, {"held-out", "nan"});
  expect_refused({.patience = 0}, {"patience", "0"});
  expect_refused({.threads = -2}, {"threads", "-2"});
}

TEST(BadFitTest, PairsAreNamed) {
  const Matrix<float> patterns = some_patterns(3, 5);
  const std::vector<Index> origins = {0, 1, 2};
  const auto expect_refused = [&](MatrixView<const float> given, MatrixView<const float> queries,
                                  std::span<const Index> of, std::initializer_list<std::string> words) {
    expect_invalid([&] { fit_similarity(test_device(), given, queries, of); }, words);
  };
  const MatrixView<const float> view = patterns;
  expect_refused({nullptr, 3, 5}, view, origins, {"patterns", "null"});
  expect_refused(view, {nullptr, 3, 5}, origins, {"queries", "null"});
  expect_refused(view.slice(0, 0), view, origins, {"patterns", "[0, 5]"});
  expect_refused(view, view.slice(0, 0), {}, {"queries", "[0, 5]"});
  expect_refused(view, {patterns.data(), 3, 4, 5}, origins, {"4 columns", "patterns 5"});
  expect_refused(view, view, std::span(origins).first(2), {"2 origins", "3 queries"});
  expect_refused(view, view, std::vector<Index>{0, 3, 1}, {"origin 1", "3", "3 patterns"});
  expect_refused(view, view, std::vector<Index>{0, 1, -1}, {"origin 2", "-1"});
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Matrix<float> bad = copy(patterns);
    bad(1, 2) = value;
    expect_refused(bad, view, origins, {"patterns", "finite", "1", "2"});
    expect_refused(view, bad, origins, {"queries", "finite", "1", "2"});
  }
  Matrix<float> large = copy(patterns);
  large(1, 2) = -1e19F;
  expect_refused(view, large, origins, {"1e+19", "overflow"});
  expect_invalid([&] { fit_similarity(test_device(), patterns, VariantOptions{.severity = -1.0F}, 3); }, {"severity"});
  expect_invalid([&] { fit_similarity(test_device(), patterns, VariantOptions{}, 0); }, {"queries", "[0, 5]"});
  expect_invalid([&] { fit_similarity(test_device(), patterns, VariantOptions{}, -1); }, {"variants", "-1"});
}

TEST(BadFitTest, MoreRanksThanACudaDeviceSortsAreNamed) {
  if (test_device().kind() != Device::Kind::cuda) GTEST_SKIP() << "the CPU sorts any number";
  Rng rng(18);
  const Matrix<float> patterns = random_gaussian(2, 4097, rng);
  const std::vector<Index> origins = {0, 1};
  try {
    static_cast<void>(fit_similarity(test_device(), patterns, patterns, origins));
    ADD_FAILURE() << "accepted";
  } catch (const NotSupported& error) {
    EXPECT_NE(std::string(error.what()).find("4097"), std::string::npos) << error.what();
  }
}

TEST(CrossEntropyTest, RefusesPriorsThatDontFit) {
  const Matrix<float> patterns = matrix({{1.0F, 0.0F}, {0.0F, 1.0F}, {1.0F, 1.0F}});
  const std::vector<Index> origins = {2};
  const auto loss = [&](const std::vector<float>& prior) {
    return cross_entropy(test_device(), patterns, {.dot = {1.0F, 1.0F}, .log_prior = prior},
                         patterns.view().slice(2, 1), origins, nullptr);
  };
  constexpr float infinity = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isfinite(loss({0.0F, -infinity, 0.0F})));
  EXPECT_THROW(static_cast<void>(loss({0.0F})), InvalidArgument);
  EXPECT_THROW(static_cast<void>(loss({0.0F, infinity, 0.0F})), InvalidArgument);
  EXPECT_THROW(static_cast<void>(loss({0.0F, std::nanf(""), 0.0F})), InvalidArgument);
}

}  // namespace
}  // namespace attractor::test
