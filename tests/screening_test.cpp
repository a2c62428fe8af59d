/// Exact scores of adaptive memories, of the patterns alone that rounded terms leave in question: the results of all
/// exact scores, bit for bit.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "kernels/sizes.hpp"
#include "tests/support/data.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"

namespace attractor::test {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

detail::Sizes screening(bool on) {
  detail::Sizes sizes = detail::sizes();
  sizes.screened_entries = 0;
  sizes.exact_cost = on ? 1e9F : 0.0F;  // Whatever it costs, or never.
  return sizes;
}

/// A memory that can be screened, however small.
Memory screenable(MatrixView<const float> patterns, const AdaptiveSimilarity& similarity,
                  const AdaptiveOptions& options = {}) {
  const SizesScope scope(screening(true));
  return Memory::adaptive(Device::cpu(), patterns, similarity, options);
}

/// What `work` returns without screening.
template <class Work>
auto exactly(const Work& work) {
  const SizesScope scope(screening(false));
  return work();
}

template <class Work>
auto screened(const Work& work) {
  const SizesScope scope(screening(true));
  return work();
}

struct Shape {
  std::string name;
  Index dimension;
  Index patterns;
  Index queries;
  float weight = 1.0F;  ///< how sharp the memory is
  bool squared_distance = true;
  bool dot = true;
  bool mixed_signs = false;
  bool per_pattern = false;
  bool priors = false;
  Index groups = 1;
};

/// How GoogleTest shows a parameter.
std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.name; }

/// Weights that fall from rank to rank, or of any sign.
std::vector<float> weights(const Shape& shape, Rng& rng) {
  std::normal_distribution<float> normal;
  const Index ranks = rank_count(shape.dimension, shape.groups);
  std::vector<float> result(static_cast<std::size_t>(ranks * (shape.per_pattern ? shape.patterns : 1)));
  for (std::size_t i = 0; i < result.size(); ++i) {
    const float share = 1.0F - static_cast<float>(static_cast<Index>(i) % ranks) / static_cast<float>(ranks);
    result[i] = shape.weight * (shape.mixed_signs ? normal(rng) : share + 0.1F * std::abs(normal(rng)));
  }
  return result;
}

class ScreeningTest : public testing::TestWithParam<Shape> {
 protected:
  ScreeningTest() {
    const Shape& shape = GetParam();
    std::uniform_real_distribution<float> prior(-9.0F, 0.0F);
    AdaptiveSimilarity similarity{.groups = shape.groups};
    if (shape.squared_distance) similarity.squared_distance = weights(shape, rng_);
    if (shape.dot) similarity.dot = weights(shape, rng_);
    if (shape.priors) {
      for (Index i = 0; i < shape.patterns; ++i) similarity.log_prior.push_back(i % 5 == 3 ? -infinity : prior(rng_));
    }
    const Matrix<float> contents = random_gaussian(shape.patterns, 3, rng_);
    memory_.emplace(screenable(patterns_, similarity, {.contents = contents.view()}));
    queries_ = noisy_copies(patterns_, shape.queries, 0.1F, 2.0F, rng_);
    // Far from everything, at the edges of the range of floats, and none at all.
    const std::array<float, 8> factors = {1e3F, 1e10F, 1e17F, 3e18F, 1e25F, 1e-12F, 0.0F, -1.0F};
    for (std::size_t i = 0; i < factors.size() && 3 * static_cast<Index>(i) < shape.queries; ++i)
      for (Index k = 0; k < shape.dimension; ++k) queries_(3 * static_cast<Index>(i), k) *= factors[i];
    if (shape.queries > 30) {
      queries_(26, 0) = std::numeric_limits<float>::quiet_NaN();
      queries_(29, shape.dimension - 1) = infinity;
    }
    valid_ = random_mask(shape.queries, shape.patterns, 0.3, rng_);
    std::fill_n(valid_.row(0), shape.patterns, std::uint8_t{0});  // This one has no pattern.
    log_prior_ = random_gaussian(shape.queries, shape.patterns, rng_);
    for (Index i = 0; i < log_prior_.size(); i += 7) log_prior_.data()[i] = i % 2 == 0 ? -infinity : 40.0F;
  }

  /// On this thread: two would find their own ways. Every two of the options meet.
  [[nodiscard]] std::vector<RetrievalOptions> retrievals() const {
    std::vector<RetrievalOptions> all;
    for (const Index count : {Index{1}, Index{3}, memory_->pattern_count()})
      for (const bool posteriors : {false, true}) {
        const RetrievalOptions plain{
            .count = std::min(count, memory_->pattern_count()), .posteriors = posteriors, .threads = 1};
        all.insert(all.end(), 2, plain);
        if (posteriors == (count == 3)) {
          all[all.size() - 1].valid_patterns = valid_;
        } else {
          all[all.size() - 1].log_prior = log_prior_;
          all[all.size() - 2].valid_patterns = valid_.view().slice(valid_.rows() - 1, 1);
        }
      }
    return all;
  }

  Rng rng_{83};
  Matrix<float> patterns_ = random_gaussian(GetParam().patterns, GetParam().dimension, rng_);
  std::optional<Memory> memory_;
  Matrix<float> queries_;
  Matrix<std::uint8_t> valid_;
  Matrix<float> log_prior_;
};

TEST_P(ScreeningTest, RetrievesTheSame) {
  for (const RetrievalOptions& options : retrievals()) {
    SCOPED_TRACE(testing::Message() << "count " << options.count << " posteriors " << options.posteriors);
    const auto work = [&] { return retrieve(*memory_, queries_, options); };
    const Retrieval expected = exactly(work);
    const Retrieval found = screened(work);
    EXPECT_EQ(found.pattern, expected.pattern);
    EXPECT_TRUE(same_bits(found.posterior, expected.posterior));
  }
}

TEST_P(ScreeningTest, RelaxesTheSame) {
  for (const Update& update : {readout_update(), blend_update(0.3F), sign_update()})
    for (const bool terms : {false, true}) {
      SCOPED_TRACE(testing::Message() << "update " << update.index() << " terms " << terms);
      const auto work = [&] {
        const RelaxerOptions options{
            .update = update, .max_steps = 4, .energies = true, .energy_trace = true, .threads = 1};
        RelaxCall call;
        if (terms) call = {.valid_patterns = valid_, .log_prior = log_prior_};
        return Relaxer(*memory_, options).relax(queries_, call);
      };
      EXPECT_TRUE(same_results(screened(work), exactly(work)));
    }
}

TEST_P(ScreeningTest, BitsDontDependOnTheBatch) {
  const SizesScope scope(screening(true));
  const RetrievalOptions options{.count = 1, .threads = 1};
  const Retrieval all = retrieve(*memory_, queries_, options);
  for (Index first = 0; first < queries_.rows(); first += 5) {
    const Index count = std::min<Index>(first % 2 == 0 ? 1 : 11, queries_.rows() - first);
    const Retrieval some = retrieve(*memory_, queries_.view().slice(first, count), options);
    const auto at = static_cast<std::ptrdiff_t>(first);
    EXPECT_TRUE(std::equal(some.pattern.begin(), some.pattern.end(), all.pattern.begin() + at));
    EXPECT_TRUE(
        same_bits(some.posterior,
                  std::span(all.posterior).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count))));
  }
}

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all = {
      {.name = "sharp", .dimension = 64, .patterns = 150, .queries = 70, .weight = 8.0F},
      {.name = "flat", .dimension = 64, .patterns = 150, .queries = 70, .weight = 0.01F},
      {.name = "between", .dimension = 64, .patterns = 150, .queries = 70, .weight = 0.3F},
      {.name = "any_signs", .dimension = 40, .patterns = 130, .queries = 80, .mixed_signs = true},
      {.name = "distance", .dimension = 33, .patterns = 90, .queries = 40, .weight = 3.0F, .dot = false},
      {.name = "dot", .dimension = 100, .patterns = 77, .queries = 50, .weight = 2.0F, .squared_distance = false},
      {.name = "own_weights",
       .dimension = 20,
       .patterns = 100,
       .queries = 60,
       .mixed_signs = true,
       .per_pattern = true},
      {.name = "priors", .dimension = 24, .patterns = 101, .queries = 64, .weight = 2.0F, .priors = true},
      {.name = "groups", .dimension = 50, .patterns = 64, .queries = 65, .priors = true, .groups = 7},
      {.name = "long", .dimension = 300, .patterns = 40, .queries = 33, .weight = 0.5F},
      {.name = "tiny", .dimension = 1, .patterns = 3, .queries = 17, .weight = 5.0F},
      {.name = "alone", .dimension = 5, .patterns = 1, .queries = 9},
      {.name = "huge_weights", .dimension = 9, .patterns = 30, .queries = 40, .weight = 1e33F},
      {.name = "tiny_weights", .dimension = 9, .patterns = 30, .queries = 40, .weight = 1e-36F},
  };
  return all;
}

INSTANTIATE_TEST_SUITE_P(, ScreeningTest, testing::ValuesIn(shapes()),
                         [](const testing::TestParamInfo<Shape>& shape) { return shape.param.name; });

/// Many patterns within rounding of the best: near ties of every closeness.
TEST(ScreeningOfTiesTest, FindsTheBest) {
  Rng rng(84);
  constexpr Index dimension = 64;
  constexpr Index count = 200;
  std::normal_distribution<float> normal;
  const Matrix<float> centre = random_gaussian(1, dimension, rng);
  const Matrix<float> far = random_gaussian(8, dimension, rng);
  for (const float spread : {1e-1F, 1e-3F, 1e-4F, 1e-5F, 1e-6F}) {
    SCOPED_TRACE(testing::Message() << "spread " << spread);
    Matrix<float> near(count, dimension);
    for (Index i = 0; i < count; ++i)
      for (Index k = 0; k < dimension; ++k) near(i, k) = centre(0, k) + spread * normal(rng);
    const Matrix<float> patterns = stack(near, far);
    const Matrix<float> queries = noisy_copies(patterns, 70, 0.1F, 1.0F, rng);
    // So sharp that a digit decides.
    const AdaptiveSimilarity similarity{.squared_distance = std::vector<float>(dimension, 1e4F / spread),
                                        .dot = std::vector<float>(dimension, 3e3F / spread)};
    const Memory memory = screenable(patterns, similarity);
    for (const bool posteriors : {false, true}) {
      const auto work = [&] { return retrieve(memory, queries, {.posteriors = posteriors, .threads = 1}); };
      const Retrieval expected = exactly(work);
      const Retrieval found = screened(work);
      EXPECT_EQ(found.pattern, expected.pattern);
      EXPECT_TRUE(same_bits(found.posterior, expected.posterior));
    }
  }
}

/// Whether scores of this precision take the second to last pattern for the best, though the last one is.
bool misleads(TermPrecision precision, MatrixView<const float> patterns, MatrixView<const float> query,
              AdaptiveSimilarity similarity) {
  similarity.precision = precision;
  return retrieve(Memory::adaptive(Device::cpu(), patterns, similarity), query).pattern[0] == patterns.rows - 2;
}

bool finds_the_last(MatrixView<const float> patterns, MatrixView<const float> query,
                    const AdaptiveSimilarity& similarity) {
  Matrix<float> queries(40, query.columns);  // Some are scored by 8 bits, others by 16.
  for (Index i = 0; i < 40; ++i) std::copy_n(query.row(0), query.columns, queries.row(i));
  const Memory memory = screenable(patterns, similarity);
  for (const bool posteriors : {false, true}) {
    const Retrieval found =
        screened([&] { return retrieve(memory, queries, {.posteriors = posteriors, .threads = 1}); });
    if (found.pattern != std::vector<Index>(40, patterns.rows - 1)) return false;
  }
  return true;
}

/// All losses of one pattern are rounded down by as much as 8 bits can, all of another one, which is better by little,
/// up: by rounded scores it is worse by nearly twice the bound of one.
TEST(ScreeningOfTiesTest, HoldsAtTheBoundOf8Bits) {
  constexpr Index dimension = 128;
  // With queries of 0 between patterns of ±1 a loss of l steps is that of this entry.
  const auto entry = [](double steps) { return static_cast<float>(std::sqrt(65536.0 * steps) / 32760.0); };
  Matrix<float> patterns(4, dimension);
  for (Index k = 0; k < dimension; ++k) {
    const float sign = k % 2 == 0 ? 1.0F : -1.0F;
    patterns(0, k) = 1.0F;
    patterns(1, k) = -1.0F;
    patterns(2, k) = sign * entry(64.0 * 21 - 5.0);  // Rounded to 64 · 20.5.
    patterns(3, k) = sign * entry(64.0 * 20 + 5.0);  // Also.
  }
  patterns(2, 0) = 0.0F;
  patterns(3, 0) = entry(54.0 * 127 - 100.0);
  const Matrix<float> query = filled(1, dimension, 0.0F);
  const AdaptiveSimilarity similarity{.squared_distance = std::vector<float>(dimension, 1e5F)};

  EXPECT_TRUE(finds_the_last(patterns, query, similarity));
  if (!misleads(TermPrecision::full, patterns, query, similarity) &&
      !misleads(TermPrecision::bits8, patterns, query, similarity))
    GTEST_SKIP() << "there are no rounded scores on this instruction set";
}

/// The same of products and 16 bits, which are off by half a step each for one pattern, and not at all for the other.
TEST(ScreeningOfTiesTest, HoldsAtTheBoundOf16Bits) {
  constexpr Index dimension = 128;
  // With queries of 1 and patterns up to 1 an entry of m/32760 has a loss of −m · 32760/65536 steps, rounded to the
  // middle between integers: the first one's ends just below one, the second one's in the middle.
  const auto loss = [](int m) { return -m * (32760.0 / 65536.0); };
  int m = 8000;
  while (loss(m) - std::floor(loss(m)) < 0.985) ++m;
  Matrix<float> patterns(3, dimension);
  for (Index k = 0; k < dimension; ++k) {
    patterns(0, k) = -1.0F;
    patterns(1, k) = static_cast<float>(m / 32760.0);
    patterns(2, k) = static_cast<float>((m - 1) / 32760.0);
  }
  patterns(1, 0) = 0.0F;
  const double lead = 1.5;  // In steps.
  patterns(2, 0) = static_cast<float>((127.0 * (loss(m - 1) - loss(m)) + lead) * (65536.0 / 32760.0) / 32760.0);
  const Matrix<float> query = filled(1, dimension, 1.0F);
  const AdaptiveSimilarity similarity{.dot = std::vector<float>(dimension, 1e5F)};

  EXPECT_TRUE(finds_the_last(patterns, query, similarity));
  if (!misleads(TermPrecision::full, patterns, query, similarity) &&
      !misleads(TermPrecision::bits16, patterns, query, similarity))
    GTEST_SKIP() << "there are no rounded scores on this instruction set";
}

/// The loss of largest rank overflows, and its weight is 0.
TEST(ScreeningOfOverflowTest, AScoreThatIsNoNumberIsNotMissed) {
  const Matrix<float> patterns = matrix({{9e18F, 9e18F}, {-9e18F, -9e18F}, {8e18F, 8e18F}});
  const Matrix<float> queries = stack(filled(20, 2, 1e18F), stack(matrix({{8e18F, 1.2e19F}}), filled(20, 2, 9e18F)));
  const Memory memory = screenable(patterns, {.squared_distance = {1e-36F, 0.0F}});
  for (const bool posteriors : {false, true}) {
    const auto work = [&] { return retrieve(memory, queries, {.posteriors = posteriors, .threads = 1}); };
    const Retrieval found = screened(work);
    EXPECT_EQ(found.pattern, exactly(work).pattern);
    EXPECT_EQ(found.pattern[20], -1);
    EXPECT_EQ(found.pattern[21], 0);
  }
}

/// Priors that cancel take digits of the scores with them.
TEST(ScreeningOfPriorsTest, LargeOnesMayCancel) {
  Rng rng(87);
  constexpr Index count = 200;
  const Matrix<float> patterns = random_gaussian(count, 12, rng);
  const Matrix<float> queries = random_gaussian(60, 12, rng);
  AdaptiveSimilarity similarity{.squared_distance = std::vector<float>(12, 0.05F)};
  std::uniform_real_distribution<float> prior(4.5e6F, 8e6F);
  Matrix<float> log_prior(1, count);
  for (Index i = 0; i < count; ++i) {
    log_prior(0, i) = i == 0 ? -infinity : prior(rng);
    similarity.log_prior.push_back(i == 0 ? 0.0F : -log_prior(0, i));
  }
  const Memory memory = screenable(patterns, similarity);
  for (const Index ranks : {1, 5}) {
    const auto work = [&] {
      return retrieve(memory, queries, {.count = ranks, .log_prior = log_prior, .posteriors = false, .threads = 1});
    };
    EXPECT_EQ(screened(work).pattern, exactly(work).pattern);
  }
}

/// Bounds hold for patterns that come later and lie far outside the range of those before.
TEST(ScreeningOfGrowthTest, KeepsItsBounds) {
  Rng rng(86);
  const Matrix<float> patterns = random_gaussian(30, 24, rng);
  for (const float weight : {0.02F, 1.0F}) {
    Memory memory = screenable(
        patterns, {.squared_distance = std::vector<float>(24, weight), .dot = std::vector<float>(24, weight)});
    for (const float factor : {3.0F, 20.0F, 0.1F, 200.0F}) {
      Matrix<float> more = random_gaussian(25, 24, rng);
      for (Index i = 0; i < more.size(); ++i) more.data()[i] = factor * (more.data()[i] + 1.0F);
      {
        const SizesScope scope(screening(true));
        memory.imprint(more);
      }
      const Matrix<float> queries = noisy_copies(memory.patterns(), 90, 0.1F, 2.0F, rng);
      const auto work = [&] { return retrieve(memory, queries, {.count = 3, .threads = 1}); };
      const Retrieval found = screened(work);
      const Retrieval expected = exactly(work);
      EXPECT_EQ(found.pattern, expected.pattern) << factor;
      EXPECT_TRUE(same_bits(found.posterior, expected.posterior)) << factor;
    }
  }
}

/// By itself, where it pays and where it doesn't.
TEST(ScreeningOfCallsTest, NothingShowsWhichWayWasTaken) {
  Rng rng(85);
  const Matrix<float> patterns = random_gaussian(256, 32, rng);
  const Matrix<float> queries = noisy_copies(patterns, 600, 0.1F, 1.5F, rng);
  for (const float weight : {0.01F, 0.3F, 3.0F}) {
    const Memory memory = screenable(patterns, {.squared_distance = std::vector<float>(32, weight)});
    const auto work = [&] { return retrieve(memory, queries, {.count = 2}); };
    const auto relax = [&] { return Relaxer(memory, {.max_steps = 5, .energies = true}).relax(queries); };
    const Retrieval found = work();
    const Retrieval expected = exactly(work);
    EXPECT_EQ(found.pattern, expected.pattern);
    EXPECT_TRUE(same_bits(found.posterior, expected.posterior));
    EXPECT_TRUE(same_results(relax(), exactly(relax)));
  }
}

}  // namespace
}  // namespace attractor::test
