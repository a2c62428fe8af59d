/// Adaptive scores by levels on a CUDA device: of patterns with few values at each entry, against the reference in
/// double precision, and which memories have them.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "core/reference/similarity.hpp"
#include "kernels/cuda/adaptive/adaptive_scores.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/streamed/streamed.hpp"
#include "tests/support/data.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"

namespace attractor::test {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

/// What device memory holds before: no score looks like it.
constexpr float untouched = -12345.0F;

std::size_t size(Index count) { return static_cast<std::size_t>(count); }

/// Levels are taken whatever they cost, or never.
detail::Sizes levels(bool on) {
  detail::Sizes sizes = detail::sizes();
  sizes.level_cost = on ? 0.0F : infinity;
  return sizes;
}

/// Entries that take `count` values each, different ones at each entry.
Matrix<float> few_valued(Index rows, Index columns, Index count, Rng& rng) {
  Matrix<float> result(rows, columns);
  std::uniform_int_distribution<Index> level(0, count - 1);
  for (Index i = 0; i < rows; ++i)
    for (Index k = 0; k < columns; ++k)
      result(i, k) = (0.5F + 0.1F * static_cast<float>(k % 5)) * static_cast<float>(2 * level(rng) - (count - 1));
  return result;
}

/// Patterns with weights on the device.
struct DeviceSide {
  DeviceSide(const Matrix<float>& all, const AdaptiveSimilarity& similarity)
      : patterns(all.view(), "patterns"),
        squared_distance(similarity.squared_distance, similarity.beta_squared_distance, patterns.columns, "weights"),
        dot(similarity.dot, similarity.beta_dot, patterns.columns, "weights"),
        log_prior(cuda::upload(std::span<const float>(similarity.log_prior), "log-priors")) {
    const SizesScope scope(test::levels(true));
    levels = cuda::DeviceLevels(all.view(), similarity);
  }

  /// [states × count] of the patterns from `first` on, in rows that are longer by one.
  [[nodiscard]] Matrix<float> scores(const Matrix<float>& states, Index first, Index count) const {
    const cuda::DeviceMatrix x(states.view(), "states");
    Matrix<float> result(states.rows(), count + 1);
    std::fill_n(result.data(), result.size(), untouched);
    const cuda::DeviceArray<float> s =
        cuda::upload(std::span<const float>(result.data(), size(result.size())), "scores");
    cuda::launch_adaptive_scores({.pairs = {.states = x.data.data(),
                                            .state_stride = x.stride,
                                            .rows = x.rows,
                                            .patterns = patterns.row(first),
                                            .pattern_stride = patterns.stride,
                                            .pattern_count = static_cast<int>(count),
                                            .dimension = patterns.columns},
                                  .squared_distance = squared_distance.view(),
                                  .dot = dot.view(),
                                  .log_prior = log_prior.size() == 0 ? nullptr : log_prior.data() + first,
                                  .levels = levels.from(static_cast<int>(first)),
                                  .scores = s.data(),
                                  .score_stride = result.columns()},
                                 nullptr);
    cuda::check(cudaMemcpy(result.data(), s.data(), s.bytes(), cudaMemcpyDeviceToHost), "cudaMemcpy of scores");
    return result;
  }

  cuda::DeviceMatrix patterns;
  cuda::DeviceRankWeights squared_distance;
  cuda::DeviceRankWeights dot;
  cuda::DeviceArray<float> log_prior;
  cuda::DeviceLevels levels;
};

std::vector<double> widened(std::span<const float> values) { return {values.begin(), values.end()}; }

/// One base's share of the largest error of a score, with u = 2⁻²⁴. A term errs by 3u of itself at most, and because
/// sorting is 1-Lipschitz a ranked one by 3u of the largest term. Weighing adds 18u of what is added up: 16 products in
/// a sum, those compensated, and then rounded; the product of v and β one u more.
double base_bound(const AdaptiveSimilarity& similarity, FootprintBase base, std::span<const double> pattern,
                  std::span<const double> state) {
  const bool dot = base == FootprintBase::dot;
  const std::vector<float>& weights = dot ? similarity.dot : similarity.squared_distance;
  if (weights.empty()) return 0.0;
  const std::vector<double> terms = reference::ranked_terms(base, pattern, state);
  const double beta = dot ? similarity.beta_dot : similarity.beta_squared_distance;
  const double largest = std::max(std::abs(terms.front()), std::abs(terms.back()));
  double weight = 0.0;
  double magnitude = 0.0;
  for (std::size_t rank = 0; rank < terms.size(); ++rank) {
    const double v = std::abs(beta * static_cast<double>(weights[rank]));
    weight += v;
    magnitude += v * std::abs(terms[rank]);
  }
  return 0x1p-24 * (3.0 * largest * weight + 19.0 * magnitude);
}

/// Of the patterns from `first` on.
void expect_agreement(const AdaptiveSimilarity& similarity, const Matrix<float>& patterns, const Matrix<float>& states,
                      Index first, Index count) {
  const Matrix<float> scores = DeviceSide(patterns, similarity).scores(states, first, count);
  Matrix<double> exact_patterns(patterns.rows(), patterns.columns());
  std::copy_n(patterns.data(), patterns.size(), exact_patterns.data());
  for (Index row = 0; row < states.rows(); ++row) {
    const std::vector<double> state = widened(row_of(states, row));
    const std::vector<double> expected = reference::adaptive_scores(similarity, exact_patterns.view(), state);
    for (Index mu = 0; mu < count; ++mu) {
      const std::vector<double> pattern = widened(row_of(patterns, first + mu));
      const double bound = base_bound(similarity, FootprintBase::squared_distance, pattern, state) +
                           base_bound(similarity, FootprintBase::dot, pattern, state) +
                           0x1p-23 * std::abs(expected[size(first + mu)]);
      ASSERT_NEAR(scores(row, mu), expected[size(first + mu)], bound) << "state " << row << ", pattern " << first + mu;
    }
    ASSERT_EQ(scores(row, count), untouched) << "past the scores of state " << row;
  }
}

struct Shape {
  Index dimension;
  Index patterns;
  Index states;
  Index values = 2;
  Index first = 0;  ///< of the patterns that are scored
  Index left = 0;   ///< patterns behind those
};

std::vector<float> random_values(Index count, Rng& rng) {
  const Matrix<float> values = random_gaussian(1, count, rng);
  return {values.data(), values.data() + count};
}

/// Weights and priors of both signs.
AdaptiveSimilarity random_similarity(Index dimension, Index patterns, Rng& rng) {
  return {.squared_distance = random_values(dimension, rng),
          .dot = random_values(dimension, rng),
          .beta_squared_distance = 0.7F,
          .beta_dot = -1.3F,
          .log_prior = random_values(patterns, rng)};
}

class CudaAdaptiveLevelsShapeTest : public testing::TestWithParam<Shape> {};

TEST_P(CudaAdaptiveLevelsShapeTest, AgreesWithDoublePrecision) {
  const Shape& shape = GetParam();
  Rng rng(1);
  const AdaptiveSimilarity similarity = random_similarity(shape.dimension, shape.patterns, rng);
  const Matrix<float> patterns = few_valued(shape.patterns, shape.dimension, shape.values, rng);
  expect_agreement(similarity, patterns, random_gaussian(shape.states, shape.dimension, rng), shape.first,
                   shape.patterns - shape.first - shape.left);
}

/// Counts of levels around runs and powers of two, patterns around the edges of words, warps and blocks.
INSTANTIATE_TEST_SUITE_P(Shapes, CudaAdaptiveLevelsShapeTest,
                         testing::Values(Shape{1, 1, 1}, Shape{1, 2, 3}, Shape{2, 3, 3, 1}, Shape{8, 31, 5},
                                         Shape{9, 32, 3}, Shape{15, 33, 4, 1}, Shape{16, 127, 2}, Shape{17, 128, 3},
                                         Shape{31, 129, 3}, Shape{32, 255, 2, 3}, Shape{33, 257, 2}, Shape{64, 300, 9},
                                         Shape{65, 40, 5, 4}, Shape{100, 1025, 2, 7}, Shape{256, 70, 3},
                                         Shape{257, 9, 2, 5}, Shape{784, 20, 2}, Shape{2047, 1, 1}, Shape{2048, 3, 1}));

/// Parts of the patterns, with edges at words and between.
INSTANTIATE_TEST_SUITE_P(Parts, CudaAdaptiveLevelsShapeTest,
                         testing::Values(Shape{10, 300, 3, 2, 1, 0}, Shape{10, 300, 3, 2, 32, 268 - 32},
                                         Shape{10, 300, 3, 3, 31, 37}, Shape{10, 300, 2, 2, 128, 0},
                                         Shape{10, 300, 3, 2, 130, 1}, Shape{10, 1400, 2, 2, 127, 120},
                                         Shape{10, 300, 3, 2, 299, 0}));

/// So many states that lanes take several patterns each.
INSTANTIATE_TEST_SUITE_P(ManyStates, CudaAdaptiveLevelsShapeTest,
                         testing::Values(Shape{20, 130, 700}, Shape{5, 1200, 400, 4}, Shape{12, 300, 600, 3, 70, 50}));

TEST(CudaAdaptiveLevelsTest, EitherBaseAlone) {
  for (const Index dimension : {20, 150}) {
    Rng rng(2);
    const AdaptiveSimilarity both = random_similarity(dimension, 40, rng);
    const Matrix<float> patterns = few_valued(40, dimension, 2, rng);
    const Matrix<float> states = random_gaussian(7, dimension, rng);
    expect_agreement({.squared_distance = both.squared_distance}, patterns, states, 0, 40);
    expect_agreement({.dot = both.dot, .log_prior = both.log_prior}, patterns, states, 0, 40);
  }
}

/// Entries −1, −0, 0 and 1, so that most terms are equal.
TEST(CudaAdaptiveLevelsTest, TiesAndZerosOfEitherSign) {
  for (const Index dimension : {12, 64, 200}) {
    Rng rng(3);
    const auto draw = [&](Index rows) {
      Matrix<float> values(rows, dimension);
      std::uniform_int_distribution<std::size_t> any(0, 3);
      for (Index i = 0; i < values.size(); ++i) values.data()[i] = std::array{-1.0F, -0.0F, 0.0F, 1.0F}[any(rng)];
      return values;
    };
    const Matrix<float> patterns = draw(20);
    expect_agreement(random_similarity(dimension, 20, rng), patterns, draw(9), 0, 20);
  }
}

/// The largest terms that the launcher's header promises.
TEST(CudaAdaptiveLevelsTest, LargeTermsKeepTheirRanks) {
  Rng rng(5);
  Matrix<float> patterns = few_valued(3, 20, 2, rng);
  Matrix<float> states = random_gaussian(2, 20, rng);
  for (Index mu = 0; mu < 3; ++mu) patterns(mu, 2) = 0x1.fp61F;
  states(0, 2) = 0x1.fp61F;
  states(1, 2) = -0x1.fp61F;
  AdaptiveSimilarity similarity = random_similarity(20, 3, rng);
  for (float& weight : similarity.squared_distance) weight *= 0x1p-10F;
  for (float& weight : similarity.dot) weight *= 0x1p-10F;
  expect_agreement(similarity, patterns, states, 0, 3);
}

/// A large term and so many small ones that none of their runs would change a plain sum.
TEST(CudaAdaptiveLevelsTest, SumsAreCompensated) {
  const Index dimension = 2000;
  std::vector<float> weights(size(dimension), 0.05625F);
  weights[0] = 1.0F;
  Matrix<float> state = filled(1, dimension, 1.0F);
  state(0, 7) = 0x1p24F;
  const Matrix<float> scores = DeviceSide(filled(1, dimension, 1.0F), {.dot = weights}).scores(state, 0, 1);
  EXPECT_NEAR(scores(0, 0), 0x1p24 + 1999 * 0.05625, 4.0);
}

/// A term of −∞ has its rank, and so its weight; other pairs don't notice.
TEST(CudaAdaptiveLevelsTest, TermsThatOverflowAreInfinite) {
  for (const Index dimension : {1, 8, 16, 60, 130}) {
    Rng rng(9);
    Matrix<float> patterns = few_valued(3, dimension, 2, rng);
    Matrix<float> states = random_gaussian(3, dimension, rng);
    patterns(1, dimension - 1) = -1e20F;
    states(2, 0) = 1e20F;
    patterns(2, 0) = 1e20F;
    const std::vector<float> weights(size(dimension), 0x1p-20F);
    const Matrix<float> scores = DeviceSide(patterns, {.squared_distance = weights}).scores(states, 0, 3);
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

/// Neither on other states nor on which patterns are scored together, or how many a lane takes.
TEST(CudaAdaptiveLevelsTest, BitsDependOnThePairAlone) {
  for (const Index dimension : {33, 150}) {
    Rng rng(6);
    const Matrix<float> patterns = few_valued(300, dimension, 2, rng);
    const DeviceSide device(patterns, random_similarity(dimension, 300, rng));
    const Matrix<float> states = random_gaussian(500, dimension, rng);
    const Matrix<float> all = device.scores(states, 0, 300);
    const std::vector<Index> few = {499, 3, 31};
    for (const Index first : {0, 5, 130, 299}) {
      const Index count = std::min<Index>(150, 300 - first);
      const Matrix<float> some = device.scores(select(states, few), first, count);
      for (std::size_t i = 0; i < few.size(); ++i)
        for (Index mu = 0; mu < count; ++mu)
          ASSERT_EQ(some(static_cast<Index>(i), mu), all(few[i], first + mu)) << few[i] << ", " << first + mu;
    }
  }
}

TEST(CudaAdaptiveLevelsTest, StatesThatAreNotFiniteStayAlone) {
  for (const Index dimension : {20, 300})
    for (const float bad : {nan, infinity, -infinity}) {
      Rng rng(7);
      const Matrix<float> patterns = few_valued(40, dimension, 2, rng);
      const DeviceSide device(patterns, random_similarity(dimension, 40, rng));
      Matrix<float> states = random_gaussian(35, dimension, rng);
      const Matrix<float> clean = device.scores(states, 0, 40);
      states(33, dimension - 1) = bad;
      const Matrix<float> scores = device.scores(states, 0, 40);
      for (Index row = 0; row < 35; ++row)
        for (Index mu = 0; mu < 40; ++mu)
          if (row == 33)
            EXPECT_TRUE(std::isnan(scores(row, mu))) << bad << ", pattern " << mu;
          else
            EXPECT_EQ(scores(row, mu), clean(row, mu));
      EXPECT_EQ(scores(33, 40), untouched);
    }
}

/// A pattern without weight, whatever the terms.
TEST(CudaAdaptiveLevelsTest, PriorsOfNoWeight) {
  Rng rng(8);
  AdaptiveSimilarity similarity = random_similarity(30, 5, rng);
  similarity.log_prior[3] = -infinity;
  const Matrix<float> scores =
      DeviceSide(few_valued(5, 30, 2, rng), similarity).scores(random_gaussian(4, 30, rng), 0, 5);
  for (Index row = 0; row < 4; ++row)
    for (Index mu = 0; mu < 5; ++mu) EXPECT_EQ(scores(row, mu) == -infinity, mu == 3) << row << ", " << mu;
}

// Which memories have levels.

AdaptiveSimilarity equal_weights(Index dimension) {
  return {.squared_distance = std::vector<float>(size(dimension), 0.5F), .dot = std::vector<float>(size(dimension), 1)};
}

Index level_count(const Matrix<float>& patterns, const AdaptiveSimilarity& similarity) {
  return cuda::DeviceLevels(patterns.view(), similarity).from(0).count;
}

/// They pay for glyphs, not for few entries or many values.
TEST(CudaDeviceLevelsTest, OnlyWhereTheyPay) {
  Rng rng(10);
  detail::Sizes sizes = detail::sizes();
  sizes.level_cost = 1.0F;
  sizes.softmax_chunk = 1024;
  const SizesScope scope(sizes);
  const auto count = [&](Index dimension, Index values, Index patterns = 1000) {
    return level_count(few_valued(patterns, dimension, values, rng), equal_weights(dimension));
  };
  EXPECT_EQ(count(64, 2), 128);
  EXPECT_EQ(count(256, 2), 512);
  EXPECT_EQ(count(784, 4), 4 * 784);
  EXPECT_EQ(count(8, 2), 0);
  EXPECT_EQ(count(64, 8), 0);
  EXPECT_EQ(count(64, 2, 10), 0);
  EXPECT_EQ(count(784, 6), 0);
  const SizesScope never(levels(false));
  EXPECT_EQ(count(256, 2), 0);
}

TEST(CudaDeviceLevelsTest, OfOneGroupAndSharedWeights) {
  Rng rng(11);
  const SizesScope scope(levels(true));
  const Matrix<float> patterns = few_valued(60, 20, 2, rng);
  AdaptiveSimilarity similarity = equal_weights(20);
  EXPECT_EQ(level_count(patterns, similarity), 40);
  similarity.dot.resize(60 * 20, 1.0F);
  similarity.squared_distance.clear();
  EXPECT_EQ(level_count(patterns, similarity), 0);
  EXPECT_EQ(level_count(patterns, {.dot = std::vector<float>(10, 1.0F), .groups = 2}), 0);
  // As many weights as entries, of two patterns.
  const Matrix<float> two = few_valued(2, 20, 2, rng);
  EXPECT_EQ(level_count(two, {.dot = std::vector<float>(20, 1.0F), .groups = 2}), 0);
}

/// By levels and by networks memories do the same, up to rounding, also where they learn, forget and are masked.
TEST(CudaAdaptiveLevelMemoryTest, DoesWhatNetworksDo) {
  Rng rng(12);
  const Index dimension = 40;
  const Matrix<float> patterns = few_valued(300, dimension, 2, rng);
  const Matrix<float> more = few_valued(70, dimension, 4, rng);
  const Matrix<float> queries = noisy_copies(stack(patterns, more), 150, 0.1F, 1.0F, rng);
  AdaptiveSimilarity similarity{.squared_distance = random_values(dimension, rng),
                                .dot = random_values(dimension, rng)};
  for (float& weight : similarity.squared_distance) weight = 0.1F * std::abs(weight);
  for (float& weight : similarity.dot) weight = 0.1F * std::abs(weight);
  const auto retrieve_all = [&](bool on) {
    const SizesScope scope(levels(on));
    Memory memory = Memory::adaptive(Device::cuda(), patterns, similarity);
    std::vector<Retrieval> results;
    const auto look = [&] { results.push_back(retrieve(memory, queries, {.count = 3})); };
    look();
    memory.imprint(more);
    look();
    memory.forget(std::vector<Index>{0, 31, 32, 128, 369});
    look();
    Matrix<std::uint8_t> valid(queries.rows(), 365);
    for (Index i = 0; i < valid.size(); ++i) valid.data()[i] = i % 3 != 0 ? 1 : 0;
    results.push_back(retrieve(memory, queries, {.count = 3, .valid_patterns = valid}));
    return results;
  };
  const std::vector<Retrieval> by_levels = retrieve_all(true);
  const std::vector<Retrieval> by_networks = retrieve_all(false);
  for (std::size_t i = 0; i < by_levels.size(); ++i)
    for (std::size_t j = 0; j < by_levels[i].posterior.size(); ++j)
      EXPECT_NEAR(by_levels[i].posterior[j], by_networks[i].posterior[j], 1e-4) << i << ", " << j;
}

TEST(CudaAdaptiveLevelMemoryTest, BitsDontDependOnTheBatch) {
  Rng rng(13);
  const SizesScope scope(levels(true));
  const Matrix<float> patterns = few_valued(200, 50, 2, rng);
  const Memory memory = Memory::adaptive(Device::cuda(), patterns, equal_weights(50));
  const Matrix<float> queries = noisy_copies(patterns, 500, 0.1F, 1.0F, rng);
  const Relaxer relaxer(memory, {.max_steps = 20});
  const Relaxation all = relaxer.relax(queries);
  for (const Index row : {0, 33, 499})
    EXPECT_TRUE(same_row(relaxer.relax(queries.view().slice(row, 1)), 0, all, row)) << row;
}

}  // namespace
}  // namespace attractor::test
