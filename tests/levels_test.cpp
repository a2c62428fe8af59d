/// Adaptive memories whose patterns have few values at each entry are scored by losses that are sorted once for all
/// patterns: scores of sorting networks, bit for bit, and of the oracle.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "kernels/cpu/adaptive/key_sort.hpp"
#include "kernels/cpu/adaptive/levels.hpp"
#include "kernels/sizes.hpp"
#include "tests/support/data.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// Levels are taken whatever they cost or never, and all patterns are scored.
detail::Sizes levels(bool on) {
  detail::Sizes sizes = detail::sizes();
  sizes.level_cost = on ? 0.0F : infinity;
  sizes.exact_cost = 0.0F;
  return sizes;
}

/// Rounded terms show first which scores matter.
detail::Sizes screened_levels() {
  detail::Sizes sizes = detail::sizes();
  sizes.screened_entries = 0;
  sizes.level_cost = 1e-6F;
  sizes.exact_cost = 1e12F;
  return sizes;
}

/// Entries that take `count` values each, in steps of ½ about 0, or of a third where `uneven`, which rounds.
Matrix<float> few_valued(Index rows, Index columns, Index count, bool uneven, Rng& rng) {
  Matrix<float> result(rows, columns);
  const float step = uneven ? 1.0F / 3.0F : 0.5F;
  std::uniform_int_distribution<Index> level(0, count - 1);
  for (Index i = 0; i < result.size(); ++i)
    result.data()[i] = step * static_cast<float>(2 * level(rng) - (count - 1)) + (uneven ? 0.1F : 0.0F);
  return result;
}

struct Shape {
  std::string name;
  Index dimension;
  Index patterns;
  Index values;  ///< of an entry, at most; 2: ±½
  Index queries = 70;
  float weight = 1.0F;
  bool squared_distance = true;
  bool dot = true;
  bool per_pattern = false;
  bool priors = false;
  Index groups = 1;
};

/// How GoogleTest shows a parameter.
std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.name; }

AdaptiveSimilarity random_similarity(const Shape& shape, Rng& rng) {
  std::normal_distribution<float> normal(0.3F, 0.5F);
  const auto weights = [&] {
    const Index ranks = rank_count(shape.dimension, shape.groups);
    std::vector<float> result(static_cast<std::size_t>(ranks * (shape.per_pattern ? shape.patterns : 1)));
    for (float& weight : result) weight = shape.weight * normal(rng);
    return result;
  };
  AdaptiveSimilarity similarity{.beta_squared_distance = 0.7F, .beta_dot = 1.3F, .groups = shape.groups};
  if (shape.squared_distance) similarity.squared_distance = weights();
  if (shape.dot) similarity.dot = weights();
  if (shape.priors)
    for (Index i = 0; i < shape.patterns; ++i) similarity.log_prior.push_back(i % 5 == 3 ? -infinity : normal(rng));
  return similarity;
}

class LevelsTest : public testing::TestWithParam<Shape> {
 protected:
  [[nodiscard]] Memory make(const detail::Sizes& sizes) const {
    const SizesScope scope(sizes);
    return Memory::adaptive(Device::cpu(), patterns_, similarity_);
  }

  /// Copies of the patterns with noise, without, far away, and what isn't finite.
  [[nodiscard]] Matrix<float> make_queries() {
    const Shape& shape = GetParam();
    Matrix<float> queries = noisy_copies(patterns_, shape.queries, 0.1F, 2.0F, rng_);
    const std::array<float, 9> factors = {0.0F, -0.0F, 1e3F, 1e10F, 1e18F, 1e25F, 1e-12F, 1e-30F, 1e-40F};
    for (Index i = 0; i < shape.queries; ++i) {
      float* const row = queries.row(i);
      if (i % 3 == 1) std::copy_n(patterns_.row(i % shape.patterns), shape.dimension, row);  // Losses that are equal.
      if (i % 3 == 2)
        for (Index k = 0; k < shape.dimension; ++k) row[k] *= factors[static_cast<std::size_t>(i / 3) % factors.size()];
    }
    if (shape.queries > 60) {
      queries(40, shape.dimension / 2) = not_a_number;
      queries(51, shape.dimension - 1) = infinity;
      queries(52, 0) = -infinity;
    }
    return queries;
  }

  Rng rng_{211};
  Matrix<float> patterns_ =
      few_valued(GetParam().patterns, GetParam().dimension, GetParam().values, GetParam().values % 2 == 1, rng_);
  AdaptiveSimilarity similarity_ = random_similarity(GetParam(), rng_);
  Matrix<float> queries_ = make_queries();
};

/// Energies of states beside a single pattern are its scores.
TEST_P(LevelsTest, ScoresAreThoseOfNetworks) {
  Matrix<std::uint8_t> one(queries_.rows(), patterns_.rows());
  const Memory by_levels = make(levels(true));
  const Memory by_networks = make(levels(false));
  for (Index first = 0; first < std::min<Index>(patterns_.rows(), 3); ++first) {
    std::fill_n(one.data(), one.size(), std::uint8_t{0});
    for (Index i = 0; i < one.rows(); ++i) one(i, (7 * i + first) % patterns_.rows()) = 1;
    const auto work = [&](const Memory& memory) {
      return Relaxer(memory, {.update = blend_update(0.3F), .max_steps = 3, .energies = true, .energy_trace = true})
          .relax(queries_, {.valid_patterns = one});
    };
    EXPECT_TRUE(same_results(work(by_levels), work(by_networks)));
  }
}

TEST_P(LevelsTest, RetrievesAndRelaxesTheSame) {
  const Memory by_networks = make(levels(false));
  for (const detail::Sizes& sizes : {levels(true), screened_levels()}) {
    const Memory by_levels = make(sizes);
    for (const Index count : {Index{1}, std::min<Index>(3, patterns_.rows()), patterns_.rows()})
      for (const bool posteriors : {false, true}) {
        const auto work = [&](const Memory& memory) {
          return retrieve(memory, queries_, {.count = count, .posteriors = posteriors, .threads = 1});
        };
        const Retrieval expected = work(by_networks);
        const SizesScope scope(sizes);
        const Retrieval found = work(by_levels);
        EXPECT_EQ(found.pattern, expected.pattern);
        EXPECT_TRUE(same_bits(found.posterior, expected.posterior));
      }
    const auto relax = [&](const Memory& memory) {
      return Relaxer(memory, {.max_steps = 4, .energies = true, .threads = 2}).relax(queries_);
    };
    const Relaxation expected = relax(by_networks);
    const SizesScope scope(sizes);
    EXPECT_TRUE(same_results(relax(by_levels), expected));
  }
}

TEST_P(LevelsTest, BitsDontDependOnTheBatch) {
  const Memory memory = make(levels(true));
  const Retrieval all = retrieve(memory, queries_);
  for (Index first = 0; first < queries_.rows(); first += 9) {
    const Index count = std::min<Index>(first % 2 == 0 ? 1 : 20, queries_.rows() - first);
    const Retrieval some = retrieve(memory, queries_.view().slice(first, count));
    EXPECT_TRUE(std::equal(some.pattern.begin(), some.pattern.end(), all.pattern.begin() + first));
    EXPECT_TRUE(
        same_bits(some.posterior,
                  std::span(all.posterior).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count))));
  }
}

TEST_P(LevelsTest, AgreesWithTheReference) {
  const System system{make(levels(true)), reference::adaptive(patterns_, similarity_)};
  const Matrix<float> queries = noisy_copies(patterns_, 30, 0.1F, 2.0F, rng_);
  const Relaxation result =
      Relaxer(system.memory, {.update = blend_update(0.1F), .halting = fixed_steps(), .max_steps = 1, .energies = true})
          .relax(queries);
  for (Index i = 0; i < queries.rows(); ++i) {
    const reference::Vector state = to_double(row_of(result.states, i));
    EXPECT_NEAR(static_cast<double>(result.energies[static_cast<std::size_t>(i)]),
                reference::energy(system.model, state), rounding_bound(system, state).energy);
  }
}

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all = {
      {.name = "one_entry", .dimension = 1, .patterns = 2, .values = 2},
      {.name = "one_value", .dimension = 5, .patterns = 3, .values = 1},
      {.name = "one_pattern", .dimension = 33, .patterns = 1, .values = 2},
      {.name = "bipolar", .dimension = 64, .patterns = 300, .values = 2},
      {.name = "odd", .dimension = 37, .patterns = 65, .values = 3, .weight = 0.1F},
      {.name = "below_a_vector", .dimension = 15, .patterns = 32, .values = 2},
      {.name = "a_vector", .dimension = 16, .patterns = 33, .values = 4},
      {.name = "above_a_vector", .dimension = 17, .patterns = 31, .values = 2},
      {.name = "above_two_runs", .dimension = 65, .patterns = 64, .values = 2, .weight = 0.1F},
      {.name = "grey", .dimension = 40, .patterns = 290, .values = 256, .weight = 1e-3F},
      {.name = "distance", .dimension = 100, .patterns = 70, .values = 2, .weight = 0.1F, .dot = false},
      {.name = "dot", .dimension = 129, .patterns = 70, .values = 2, .weight = 0.1F, .squared_distance = false},
      {.name = "own_weights", .dimension = 50, .patterns = 99, .values = 2, .weight = 0.1F, .per_pattern = true},
      {.name = "priors", .dimension = 24, .patterns = 130, .values = 3, .priors = true},
      {.name = "batches", .dimension = 9, .patterns = 700, .values = 2, .priors = true},
      {.name = "groups", .dimension = 50, .patterns = 40, .values = 2, .groups = 7},
      {.name = "long", .dimension = 257, .patterns = 40, .values = 2, .weight = 0.02F},
      {.name = "glyphs", .dimension = 784, .patterns = 70, .values = 2, .queries = 40, .weight = 0.01F},
      {.name = "huge_weights", .dimension = 9, .patterns = 30, .values = 2, .weight = 1e33F},
  };
  return all;
}

INSTANTIATE_TEST_SUITE_P(, LevelsTest, testing::ValuesIn(shapes()),
                         [](const testing::TestParamInfo<Shape>& shape) { return shape.param.name; });

/// Patterns with values that there were, with others, and again with ones that there were.
TEST(LevelsOfGrowthTest, KeepTheBits) {
  Rng rng(212);
  const Index dimension = 40;
  std::vector<Matrix<float>> parts;
  parts.push_back(few_valued(30, dimension, 2, false, rng));
  parts.push_back(few_valued(5, dimension, 2, false, rng));
  parts.push_back(few_valued(50, dimension, 2, false, rng));
  parts.push_back(few_valued(3, dimension, 4, false, rng));
  parts.push_back(few_valued(3, dimension, 2, false, rng));
  parts.push_back(few_valued(90, dimension, 4, false, rng));
  parts.push_back(random_gaussian(2, dimension, rng));
  const AdaptiveSimilarity similarity{.squared_distance = std::vector<float>(dimension, 0.3F),
                                      .dot = std::vector<float>(dimension, 0.1F)};
  const SizesScope scope(levels(true));
  Memory memory = Memory::adaptive(Device::cpu(), parts[0], similarity);
  Matrix<float> all = copy(parts[0]);
  for (std::size_t i = 1; i < parts.size(); ++i) {
    SCOPED_TRACE(i);
    memory.imprint(parts[i]);
    all = stack(all, parts[i]);
    const Matrix<float> queries = noisy_copies(all, 80, 0.1F, 2.0F, rng);
    const SizesScope networks(levels(false));
    const Memory expected = Memory::adaptive(Device::cpu(), all, similarity);
    const auto work = [&](const Memory& m) { return retrieve(m, queries, {.count = 5}); };
    EXPECT_EQ(work(memory).pattern, work(expected).pattern);
    EXPECT_TRUE(same_bits(work(memory).posterior, work(expected).posterior));
  }
}

/// Patterns that are forgotten, and others that come after that.
TEST(LevelsOfGrowthTest, KeepTheBitsWherePatternsGo) {
  Rng rng(215);
  const Index dimension = 21;
  const Matrix<float> patterns = few_valued(131, dimension, 3, false, rng);
  const AdaptiveSimilarity similarity{.squared_distance = std::vector<float>(dimension, 0.3F)};
  const SizesScope scope(levels(true));
  for (const std::vector<Index>& gone :
       {std::vector<Index>{0}, {130}, {31, 32, 33}, {64, 3, 127, 128, 90, 5}, {130, 129, 128, 127}}) {
    Memory memory = Memory::adaptive(Device::cpu(), patterns, similarity);
    memory.forget(gone);
    std::vector<Index> left;
    for (Index i = 0; i < patterns.rows(); ++i)
      if (std::find(gone.begin(), gone.end(), i) == gone.end()) left.push_back(i);
    Matrix<float> all = select(patterns, left);
    for (const Index more : {0, 40}) {
      const Matrix<float> added = few_valued(more, dimension, 3, false, rng);
      if (more > 0) memory.imprint(added);
      if (more > 0) all = stack(all, added);
      const Matrix<float> queries = noisy_copies(all, 80, 0.1F, 1.0F, rng);
      const Retrieval found = retrieve(memory, queries, {.count = 5});
      const SizesScope networks(levels(false));
      const Retrieval expected = retrieve(Memory::adaptive(Device::cpu(), all, similarity), queries, {.count = 5});
      EXPECT_EQ(found.pattern, expected.pattern) << gone.size() << " gone, the first " << gone[0];
      EXPECT_TRUE(same_bits(found.posterior, expected.posterior)) << gone.size() << " gone, the first " << gone[0];
    }
  }
}

// What the library keeps to itself.

cpu::Levels found(MatrixView<const float> patterns, MatrixView<const float> more = {}) {
  return cpu::find_levels(cpu::PackedMatrix(patterns), more);
}

TEST(FindLevelsTest, TellsWhichPatternHasWhich) {
  const SizesScope scope(levels(true));
  const Matrix<float> patterns = matrix({{1.0F, 5.0F}, {-1.0F, 5.0F}, {0.0F, 5.0F}, {-0.0F, 5.0F}});
  const Matrix<float> more = matrix({{1.0F, 4.0F}});
  const cpu::Levels result = found(patterns, more);
  ASSERT_EQ(result.first, (std::vector<Index>{0, 3, 5}));
  EXPECT_EQ(std::vector<float>(result.values.data(), result.values.data() + 5),
            (std::vector<float>{-1.0F, 0.0F, 1.0F, 4.0F, 5.0F}));
  EXPECT_EQ(result.bits, (std::vector<std::uint32_t>{0b00010, 0b01100, 0b10001, 0b10000, 0b01111}));
  EXPECT_TRUE(cpu::has_levels(result, matrix({{-1.0F, 4.0F}})));
  EXPECT_FALSE(cpu::has_levels(result, matrix({{-1.0F, 6.0F}})));
  EXPECT_FALSE(cpu::has_levels(result, matrix({{0.5F, 4.0F}})));
}

/// They pay for glyphs, not for few entries or many values.
TEST(FindLevelsTest, OnlyWhereTheyPay) {
  Rng rng(213);
  detail::Sizes sizes = detail::sizes();
  sizes.level_cost = 1.0F;
  const SizesScope scope(sizes);
  const auto pays = [&](Index dimension, Index values) {
    return !found(few_valued(600, dimension, values, false, rng)).empty();
  };
  EXPECT_TRUE(pays(256, 2));
  EXPECT_TRUE(pays(784, 4));
  EXPECT_FALSE(pays(16, 2));
  EXPECT_FALSE(pays(256, 64));
  EXPECT_FALSE(pays(784, 256));
  sizes.level_cost = infinity;
  const SizesScope never(sizes);
  EXPECT_FALSE(pays(256, 2));
}

TEST(KeySorterTest, Sorts) {
  Rng rng(214);
  std::normal_distribution<float> normal;
  cpu::KeySorter sorter(3000);
  for (const Index count : {1, 2, 255, 256, 257, 3000}) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = i % 7 == 0 ? 0.5F : std::ldexp(normal(rng), static_cast<int>(i % 200) - 100);
    if (count > 10) values[3] = infinity, values[4] = -infinity, values[5] = -0.0F, values[6] = 0.0F;
    std::vector<float> sorted = values;
    std::vector<std::uint16_t> order(values.size());
    sorter.sort(sorted.data(), count, order.data());
    EXPECT_TRUE(std::is_sorted(sorted.begin(), sorted.end()));
    std::vector<float> gathered;
    for (const std::uint16_t i : order) gathered.push_back(values[i]);
    EXPECT_TRUE(same_bits(gathered, sorted));
    std::sort(order.begin(), order.end());
    EXPECT_EQ(std::adjacent_find(order.begin(), order.end()), order.end()) << "each of them once";
  }
}

}  // namespace
}  // namespace attractor::test
