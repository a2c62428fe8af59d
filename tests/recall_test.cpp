/// Contents: what memories read out for queries as they are, and at the end of a relaxation; what the literature says
/// of correlation-matrix memories and of Minerva 2.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

using View = MatrixView<const float>;

testing::AssertionResult same_recall(const Recall& a, const Recall& b) {
  if (testing::AssertionResult same = same_bits(a.contents.view(), b.contents.view()); !same) return same;
  return same_bits(a.intensity, b.intensity);
}

struct Shape {
  Index dimension;
  Index patterns;
  Index contents;  ///< 0: none
  Index queries;
};

class RecallTest : public testing::TestWithParam<SystemKind> {
 protected:
  static bool weighs_freely() { return !GetParam().weights_sum_to_one; }

  Matrix<float> draw_patterns(Index count, Index dimension) {
    if (GetParam().independent_patterns) count = std::min(count, (dimension + 1) / 2);
    return random_gaussian(count, dimension, rng_);
  }

  static void expect_row(const Bounded& expected, std::span<const float> row) {
    ASSERT_EQ(expected.values.size(), row.size());
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (std::isinf(expected.bounds[i])) continue;  // Whether a pattern has a weight hangs on rounding.
      if (std::isnan(expected.values[i])) {
        EXPECT_TRUE(std::isnan(row[i])) << "entry " << i << " is " << row[i];
      } else {
        EXPECT_NEAR(static_cast<double>(row[i]), expected.values[i], expected.bounds[i]) << "entry " << i;
      }
    }
  }

  void expect_agreement(const Shape& shape) {
    const Matrix<float> patterns = draw_patterns(shape.patterns, shape.dimension);
    const Matrix<float> contents = random_gaussian(patterns.rows(), shape.contents, rng_);
    const Matrix<float> queries = noisy_copies(patterns, shape.queries, 0.2F, 1.5F, rng_);
    const ContentSystem system = GetParam().contents(patterns, shape.contents > 0 ? contents.view() : View());

    const Recall result = recall(system.memory, queries, {.threads = 1 + static_cast<int>(shape.queries % 2)});

    ASSERT_EQ(result.contents.rows(), shape.queries);
    ASSERT_EQ(result.contents.columns(), shape.contents > 0 ? shape.contents : shape.dimension);
    ASSERT_EQ(std::ssize(result.intensity), weighs_freely() ? shape.queries : 0);
    const ContentSystem sum = GetParam().contents(patterns, filled(patterns.rows(), 1, 1.0F));
    for (const Index i : sample_rows(shape.queries, 10, rng_)) {
      SCOPED_TRACE(testing::Message() << "D=" << shape.dimension << " P=" << patterns.rows() << " M=" << shape.contents
                                      << " B=" << shape.queries << " query " << i);
      const reference::Vector query = to_double(row_of(queries, i));
      expect_row(system.recall(query), row_of(result.contents, i));
      if (weighs_freely()) expect_row(sum.recall(query), {&result.intensity[static_cast<std::size_t>(i)], 1});
    }
  }

  Rng rng_{150};
};

INSTANTIATE_TEST_SUITE_P(, RecallTest, testing::ValuesIn(content_systems()),
                         [](const auto& test) { return test.param.name; });

TEST_P(RecallTest, AgreesWithTheOracle) {
  const std::vector<Shape> many = {{1, 1, 1, 1},     {2, 1, 0, 65},     {17, 9, 3, 64},   {16, 8, 0, 63},
                                   {64, 33, 129, 5}, {129, 65, 7, 130}, {128, 64, 0, 128}};
  const std::vector<Shape> few = {{1, 1, 1, 1},     {2, 1, 0, 65},   {17, 9, 3, 4},  {16, 8, 0, 33},
                                  {64, 33, 129, 5}, {129, 65, 7, 9}, {128, 64, 0, 8}};
  for (const Shape& shape : test_device_is_slow() ? few : many)
    if (!HasFailure()) expect_agreement(shape);
}

/// The same recall, whoever asks.
TEST_P(RecallTest, IsWhatARelaxationReadsOutInTheEnd) {
  const Matrix<float> patterns = draw_patterns(9, 40);
  const Matrix<float> contents = random_gaussian(patterns.rows(), 5, rng_);
  const Matrix<float> queries = noisy_copies(patterns, test_device_is_slow() ? 35 : 75, 0.2F, 1.5F, rng_);
  const Memory memory = GetParam().contents(patterns, contents).memory;

  const Relaxation relaxed = Relaxer(memory, {.update = tanh_update(), .max_steps = 4}).relax(queries);

  EXPECT_TRUE(same_bits(relaxed.contents.view(), recall(memory, relaxed.states).contents.view()));
}

TEST_P(RecallTest, DoesNotDependOnTheBatch) {
  const Matrix<float> patterns = draw_patterns(30, 70);
  const Matrix<float> contents = random_gaussian(patterns.rows(), 9, rng_);
  const Matrix<float> queries = noisy_copies(patterns, test_device_is_slow() ? 40 : 150, 0.2F, 1.5F, rng_);
  for (const View given : {contents.view(), View()}) {
    const Memory memory = GetParam().contents(patterns, given).memory;
    const Recall together = recall(memory, queries, {.threads = 1});

    EXPECT_TRUE(same_recall(recall(memory, queries, {.threads = 3}), together));
    for (const Index count : {1, 9, 33})
      for (const Index row : sample_rows(queries.rows(), 2, rng_)) {
        const Index first = std::min(row, queries.rows() - count);
        const Recall few = recall(memory, queries.view().slice(first, count));
        for (Index i = 0; i < count; ++i) {
          EXPECT_TRUE(same_bits(row_of(few.contents, i), row_of(together.contents, first + i)))
              << "query " << first + i;
          if (weighs_freely()) {
            EXPECT_EQ(few.intensity[static_cast<std::size_t>(i)],
                      together.intensity[static_cast<std::size_t>(first + i)]);
          }
        }
      }
  }
}

TEST_P(RecallTest, ImprintingAndForgettingFollowContents) {
  const Matrix<float> patterns = draw_patterns(7, 33);
  const Matrix<float> contents = random_gaussian(7, 5, rng_);
  const Matrix<float> queries = noisy_copies(patterns, 20, 0.2F, 1.5F, rng_);
  const auto make = [](View rows, View given) { return GetParam().contents(rows, given).memory; };
  const std::vector<Index> kept = {1, 2, 4, 6};
  Memory memory = make(patterns.view().slice(0, 4), contents.view().slice(0, 4));

  memory.imprint(patterns.view().slice(4, 3), contents.view().slice(4, 3));

  EXPECT_TRUE(same_bits(memory.contents(), contents));
  EXPECT_TRUE(same_recall(recall(memory, queries), recall(make(patterns, contents), queries)));
  const Memory before = memory;

  memory.forget({5, 0, 3});

  EXPECT_TRUE(same_bits(memory.contents(), select(contents, kept)));
  EXPECT_TRUE(
      same_recall(recall(memory, queries), recall(make(select(patterns, kept), select(contents, kept)), queries)));
  EXPECT_TRUE(same_recall(recall(before, queries), recall(make(patterns, contents), queries)));
}

/// A query that isn't finite, or whose scores aren't, reads out no numbers and disturbs nobody.
TEST_P(RecallTest, OfQueriesThatAreNotFiniteIsNotANumber) {
  const Matrix<float> patterns = draw_patterns(9, 20);
  const Matrix<float> contents = random_gaussian(patterns.rows(), 3, rng_);
  Matrix<float> queries = noisy_copies(patterns, 24, 0.2F, 1.5F, rng_);
  for (const View given : {contents.view(), View()}) {
    const Memory memory = GetParam().contents(patterns, given).memory;
    Matrix<float> spoilt = copy(queries);
    spoilt(7, 3) = std::numeric_limits<float>::quiet_NaN();
    spoilt(20, 0) = -std::numeric_limits<float>::infinity();

    const Recall clean = recall(memory, queries);
    const Recall result = recall(memory, spoilt);

    for (Index i = 0; i < 24; ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (i == 7 || i == 20) {
        for (const float value : row_of(result.contents, i)) EXPECT_TRUE(std::isnan(value)) << "query " << i;
        if (weighs_freely()) {
          EXPECT_TRUE(std::isnan(result.intensity[at])) << "query " << i;
        }
        continue;
      }
      EXPECT_TRUE(same_bits(row_of(result.contents, i), row_of(clean.contents, i))) << "query " << i;
      if (weighs_freely()) {
        EXPECT_EQ(result.intensity[at], clean.intensity[at]) << "query " << i;
      }
    }
  }
}

TEST_P(RecallTest, OfNoQueriesIsEmpty) {
  const Matrix<float> patterns = draw_patterns(3, 8);
  const Recall result =
      recall(GetParam().contents(patterns, filled(patterns.rows(), 5, 1.0F)).memory, View(nullptr, 0, 8));

  EXPECT_EQ(result.contents.rows(), 0);
  EXPECT_EQ(result.contents.columns(), 5);
  EXPECT_TRUE(result.intensity.empty());
}

/// The rows of Sylvester's Hadamard matrix are orthogonal.
Matrix<float> hadamard_rows(Index first, Index count, Index order) {
  Matrix<float> result(count, order);
  for (Index i = 0; i < count; ++i)
    for (Index k = 0; k < order; ++k) {
      const auto common = static_cast<unsigned>((first + i) & k);
      result(i, k) = std::popcount(common) % 2 == 0 ? 1.0F : -1.0F;
    }
  return result;
}

/// With orthonormal keys a correlation matrix recalls without crosstalk (Kohonen 1972): ξᵀξ/D = 1, all sums are exact.
TEST(CorrelationMatrixTest, RecallsTheContentsOfOrthonormalKeysExactly) {
  Rng rng(160);
  const Matrix<float> keys = hadamard_rows(3, 11, 64);
  const Matrix<float> contents = random_bipolar(11, 37, rng);
  for (const Evaluation evaluation : {Evaluation::factored, Evaluation::dense}) {
    const Memory memory = Memory::hebbian(test_device(), keys, {.evaluation = evaluation, .contents = contents.view()});

    const Recall result = recall(memory, keys);

    EXPECT_TRUE(same_bits(result.contents.view(), contents.view()));
    for (const float intensity : result.intensity) EXPECT_EQ(intensity, 1.0F);
    // The state stays, and so do its contents; without its diagonal W lowers a key's own field, not its contents.
    EXPECT_TRUE(same_bits(Relaxer(memory).relax(keys).contents.view(), contents.view()));
  }
}

/// What orthogonal keys leave to the others of a correlation matrix comes back as crosstalk, Σ_ν c_ν ξ_ν·x/D.
TEST(CorrelationMatrixTest, AddsCrosstalkOfKeysThatOverlap) {
  const Matrix<float> keys = matrix({{1, 1, 1, 1}, {1, 1, 1, -1}});
  const Memory memory = Memory::hebbian(test_device(), keys, {.contents = matrix({{8, 0}, {0, 8}})});

  const Recall result = recall(memory, keys);

  EXPECT_TRUE(same_bits(result.contents.view(), matrix({{8, 4}, {4, 8}})));
  EXPECT_EQ(result.intensity, std::vector<float>({1.5F, 1.5F}));
}

/// Amari's and Nakano's readout are the signs; a noisy key gives the contents that go with it.
TEST(CorrelationMatrixTest, SignsOfContentsForgiveNoise) {
  Rng rng(161);
  const Matrix<float> keys = random_bipolar(8, 256, rng);
  const Matrix<float> contents = random_bipolar(8, 40, rng);
  const Matrix<float> queries = flipped_copies(keys, 80, 0.15, rng);
  const Memory memory = Memory::hebbian(test_device(), keys, {.contents = contents.view()});

  const Recall result = recall(memory, queries);

  Index right = 0;
  for (Index i = 0; i < 80; ++i)
    for (Index k = 0; k < 40; ++k) right += (result.contents(i, k) > 0.0F) == (contents(i % 8, k) > 0.0F) ? 1 : 0;
  EXPECT_GE(right, 80 * 40 * 99 / 100);
}

TEST(CorrelationMatrixTest, CentredMemoriesMeasureKeysFromTheirMean) {
  // Mean activity ¼: keys less it are ¾ where active and −¼ elsewhere.
  const Matrix<float> keys = matrix({{1, 0, 0, 0}, {0, 0, 1, 0}});
  for (const Evaluation evaluation : {Evaluation::factored, Evaluation::dense}) {
    const Memory memory = Memory::hebbian(
        test_device(), keys, {.centred = true, .evaluation = evaluation, .contents = matrix({{16}, {32}})});

    const Recall result = recall(memory, keys);

    EXPECT_TRUE(same_bits(result.contents.view(), matrix({{3 - 2}, {-1 + 6}})));
    EXPECT_EQ(result.intensity, std::vector<float>({0.125F, 0.125F}));
  }
}

/// Without contents a memory reads W x out, the diagonal that its relaxation leaves out included.
TEST(CorrelationMatrixTest, AutoAssociativeRecallKeepsTheDiagonal) {
  const Matrix<float> pattern = matrix({{1, -1, 1, 1}});
  for (const Evaluation evaluation : {Evaluation::factored, Evaluation::dense})
    for (const bool self_coupling : {false, true}) {
      const Memory memory =
          Memory::hebbian(test_device(), pattern, {.self_coupling = self_coupling, .evaluation = evaluation});
      EXPECT_TRUE(same_bits(recall(memory, pattern).contents.view(), pattern.view()));
    }
}

/// C(AAᵀ)⁻¹A takes every key to its own contents where keys are independent, however they overlap (Kohonen, Ruohonen
/// 1973).
TEST(OptimalLinearMemoryTest, RecallsTheContentsOfIndependentKeys) {
  Rng rng(162);
  Matrix<float> keys = random_gaussian(40, 100, rng);
  for (Index i = 0; i < 40; ++i)
    for (Index k = 0; k < 100; ++k) keys(i, k) += 1.0F;  // So that every two of them overlap.
  const Matrix<float> contents = random_gaussian(40, 23, rng);
  for (const Evaluation evaluation : {Evaluation::factored, Evaluation::dense}) {
    const Memory optimal =
        Memory::projection(test_device(), keys, {.evaluation = evaluation, .contents = contents.view()});
    const Memory correlation =
        Memory::hebbian(test_device(), keys, {.evaluation = evaluation, .contents = contents.view()});

    const Recall result = recall(optimal, keys);

    for (Index i = 0; i < contents.size(); ++i) EXPECT_NEAR(result.contents.data()[i], contents.data()[i], 2e-5F);
    for (const float intensity : result.intensity) EXPECT_NEAR(intensity, 1.0F, 2e-5F);
    const Recall crosstalk = recall(correlation, keys);
    EXPECT_GT(std::abs(crosstalk.contents(0, 0) - contents(0, 0)), 0.1F);
  }
}

TEST(DenseAssociativeContentsTest, SharpenWithTheOrder) {
  // Overlaps 1 and ½: the other's share of the readout is 2⁻⁽ⁿ⁻¹⁾.
  const Matrix<float> keys = matrix({{1, 1, 1, 1}, {1, 1, 1, -1}});
  for (const int order : {2, 3, 5}) {
    const Memory memory =
        Memory::dense_associative(test_device(), keys, {.order = order, .contents = matrix({{0}, {16}})});
    const Recall result = recall(memory, keys.view().slice(0, 1));
    EXPECT_EQ(result.contents(0, 0), 16.0F * std::pow(0.5F, static_cast<float>(order - 1)));
    EXPECT_EQ(result.intensity[0], 1.0F + std::pow(0.5F, static_cast<float>(order - 1)));
  }
}

float correlation(std::span<const float> a, std::span<const float> b) {
  const float products = std::inner_product(a.begin(), a.end(), b.begin(), 0.0F);
  const float squares =
      std::inner_product(a.begin(), a.end(), a.begin(), 0.0F) * std::inner_product(b.begin(), b.end(), b.begin(), 0.0F);
  return products / std::sqrt(squares);
}

/// Hintzman 1984: S = Σ probe·trace/N, A = S³, I = Σ A, C = Σ A·trace, for a probe with features of −1, 0 and 1.
TEST(MinervaTest, EchoesAsPublished) {
  const Matrix<float> traces = matrix({{1, 1, -1, 1}, {1, -1, -1, -1}});
  const Memory memory = Memory::minerva(test_device(), traces);

  const Recall echo = recall(memory, matrix({{1, 1, -1, 1}, {1, 1, 0, -1}}));

  // Similarities 1 and 0, then ¼ and ¼.
  EXPECT_EQ(echo.intensity, std::vector<float>({1.0F, 0.03125F}));
  EXPECT_TRUE(same_bits(echo.contents.view(), matrix({{1, 1, -1, 1}, {0.03125F, 0, -0.03125F, 0}})));
  EXPECT_EQ(memory.rule(), "minerva()");
}

/// Schema abstraction (Hintzman 1986): of a category that was only seen in exemplars, the prototype that they vary
/// comes back, closer to it than to any of them.
TEST(MinervaTest, AbstractsAPrototypeFromItsExemplars) {
  Rng rng(163);
  const Matrix<float> prototypes = random_bipolar(3, 200, rng);
  const Matrix<float> exemplars = flipped_copies(prototypes, 30, 0.2, rng);
  const Memory memory = Memory::minerva(test_device(), exemplars);

  const Recall echo = recall(memory, prototypes);

  for (Index i = 0; i < 3; ++i) {
    const float to_prototype = correlation(row_of(echo.contents, i), row_of(prototypes, i));
    EXPECT_GT(to_prototype, 0.9F);
    for (Index trace = 0; trace < 30; ++trace)
      EXPECT_GT(to_prototype, correlation(row_of(echo.contents, i), row_of(exemplars, trace)));
  }
}

/// Recognition: what was studied echoes louder than what wasn't, the more often the louder.
TEST(MinervaTest, OldItemsEchoLouder) {
  Rng rng(164);
  const Matrix<float> old_items = random_bipolar(20, 120, rng);
  const Matrix<float> new_items = random_bipolar(20, 120, rng);
  Memory memory = Memory::minerva(test_device(), old_items);
  memory.imprint(old_items.view().slice(0, 5));  // Studied twice.

  const std::vector<float> old_echoes = recall(memory, old_items).intensity;
  const std::vector<float> new_echoes = recall(memory, new_items).intensity;

  const float loudest_new = *std::max_element(new_echoes.begin(), new_echoes.end());
  const float softest_once = *std::min_element(old_echoes.begin() + 5, old_echoes.end());
  const float loudest_once = *std::max_element(old_echoes.begin() + 5, old_echoes.end());
  EXPECT_GT(softest_once, loudest_new + 0.5F);
  EXPECT_GT(*std::min_element(old_echoes.begin(), old_echoes.begin() + 5), loudest_once + 0.5F);
}

/// Cued recall: probe and contents are different parts of an event.
TEST(MinervaTest, ReadsContentsOutByTheCubesOfSimilarities) {
  const Matrix<float> cues = matrix({{1, 1, 1, 1}, {1, 1, 1, -1}});
  const Memory memory = Memory::minerva(test_device(), cues, {.contents = matrix({{8, 0, 8}, {0, 8, 8}})});

  const Recall echo = recall(memory, cues);

  EXPECT_TRUE(same_bits(echo.contents.view(), matrix({{8, 1, 9}, {1, 8, 9}})));
  EXPECT_EQ(echo.intensity, std::vector<float>({1.125F, 1.125F}));
}

TEST(MinervaTest, IsTheDenseAssociativeMemoryOfOrderFour) {
  Rng rng(165);
  const Matrix<float> traces = random_bipolar(30, 50, rng);
  const Matrix<float> probes = flipped_copies(traces, 70, 0.2, rng);
  const RelaxerOptions options{.energies = true};

  EXPECT_TRUE(
      same_results(Relaxer(Memory::minerva(test_device(), traces), options).relax(probes),
                   Relaxer(Memory::dense_associative(test_device(), traces, {.order = 4}), options).relax(probes)));
}

/// One step of cross-attention, with its masks and biases.
TEST(NormalisedRecallTest, TakesValidPatternsAndPriors) {
  const Matrix<float> keys = matrix({{1, 0}, {0, 1}, {-1, 0}});
  const Matrix<float> values = matrix({{1, 10}, {2, 20}, {3, 30}});
  const Memory memory = Memory::modern_hopfield(test_device(), keys, {.beta = 1.0F, .contents = values.view()});
  const Matrix<float> query = matrix({{0, 0}, {0, 0}});
  Matrix<std::uint8_t> valid(2, 3);
  std::copy_n(std::array<std::uint8_t, 6>{1, 1, 0, 0, 1, 0}.data(), 6, valid.data());
  const float log3 = std::log(3.0F);
  const Matrix<float> log_prior = matrix({{log3, 0, 0}});

  const Recall all = recall(memory, query);
  const Recall some = recall(memory, query, {.valid_patterns = valid.view(), .log_prior = log_prior.view()});

  EXPECT_NEAR(all.contents(0, 1), 20.0F, 1e-5F);
  EXPECT_NEAR(some.contents(0, 0), 1.25F, 1e-6F);
  EXPECT_NEAR(some.contents(0, 1), 12.5F, 1e-5F);
  EXPECT_NEAR(some.contents(1, 1), 20.0F, 1e-5F);
}

/// Of more patterns than are weighed at a time, sums go on where they were.
TEST(WeighedPatternsTest, AnyNumberAtATimeRecallsTheSame) {
  if (test_device().kind() == Device::Kind::cuda) GTEST_SKIP() << "the size is the CPU's";
  Rng rng(166);
  const Matrix<float> patterns = random_gaussian(61, 45, rng);
  const Matrix<float> contents = random_gaussian(61, 19, rng);
  const Matrix<float> queries = noisy_copies(patterns, 100, 0.2F, 2.0F, rng);
  for (const Memory& memory :
       {Memory::hebbian(test_device(), patterns, {.evaluation = Evaluation::factored, .contents = contents.view()}),
        Memory::minerva(test_device(), patterns, {.contents = contents.view()})}) {
    const Recall expected = recall(memory, queries);
    for (const Index patterns_at_a_time : {1, 8, 24, 56, 64}) {
      detail::Sizes sizes = detail::sizes();
      sizes.weighed_patterns = patterns_at_a_time;
      const SizesScope scope(sizes);

      EXPECT_TRUE(same_recall(recall(memory, queries), expected)) << memory.rule() << " " << patterns_at_a_time;
    }
  }
}

class BadRecallTest : public testing::Test {
 protected:
  Matrix<float> patterns_ = matrix({{1, 1, -1}, {1, -1, 1}});
  Memory memory_ = Memory::hebbian(test_device(), patterns_, {.contents = matrix({{1}, {2}})});
};

TEST_F(BadRecallTest, OfStorkeysRuleIsNotSupported) {
  const Memory storkey = Memory::storkey(test_device(), patterns_);
  expect_error<NotSupported>([&] { static_cast<void>(recall(storkey, patterns_)); }, {"storkey", "no weights"});
}

TEST_F(BadRecallTest, OfOtherShapesIsRefused) {
  const auto refuse = [&](View queries, std::initializer_list<std::string> words) {
    expect_error<InvalidArgument>([&] { static_cast<void>(recall(memory_, queries)); }, words);
  };
  refuse(matrix({{1, 1}}), {"queries", "2", "3"});
  refuse({nullptr, 2, 3}, {"queries", "null"});
  refuse({patterns_.data(), 1, 3, 2}, {"queries", "stride"});
  expect_error<InvalidArgument>([&] { static_cast<void>(recall(memory_, patterns_, {.threads = -1})); },
                                {"threads", "-1"});
}

TEST_F(BadRecallTest, TermsOfPatternsAreForWeightsThatSumToOne) {
  const Matrix<float> log_prior = matrix({{0, 0}});
  expect_error<NotSupported>([&] { static_cast<void>(recall(memory_, patterns_, {.log_prior = log_prior.view()})); },
                             {"hebbian", "log-priors"});
  const Memory modern = Memory::modern_hopfield(test_device(), patterns_);
  expect_error<InvalidArgument>([&] { static_cast<void>(recall(modern, patterns_, {.log_prior = matrix({{0}})})); },
                                {"log-priors", "[1, 1]", "[1, 2]"});
}

}  // namespace
}  // namespace attractor::test
