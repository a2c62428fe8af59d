/// Memories whose scores the matrix unit makes: the processor's, where there is one, and its emulation.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "core/reference/relaxation.hpp"
#include "kernels/cpu/matrix_unit/byte_products.hpp"
#include "kernels/cpu/matrix_unit/matrix_unit.hpp"
#include "tests/support/data.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"

namespace attractor::cpu {

std::ostream& operator<<(std::ostream& out, MatrixUnit unit) {
  return out << (unit == MatrixUnit::processor ? "processor" : "emulated");
}

}  // namespace attractor::cpu

namespace attractor::test {
namespace {

using cpu::MatrixUnit;
using View = MatrixView<const float>;

/// The sizes in use, but that the unit scores memories of any size.
detail::Sizes sizes_for_unit() {
  detail::Sizes sizes = detail::sizes();
  sizes.unit_patterns = sizes.unit_columns = 1;
  sizes.unit_factor = sizes.least_unit_factor_rows = 1;
  return sizes;
}

/// The unit in use for the scope of a test, whatever the size of memories.
class UnitScope {
 public:
  explicit UnitScope(MatrixUnit unit) : before_(cpu::matrix_unit()), sizes_(sizes_for_unit()) {
    cpu::matrix_unit() = unit;
  }
  UnitScope(const UnitScope&) = delete;
  UnitScope& operator=(const UnitScope&) = delete;
  ~UnitScope() { cpu::matrix_unit() = before_; }

 private:
  MatrixUnit before_;
  SizesScope sizes_;
};

/// That of this process before any test.
const MatrixUnit own_unit = cpu::matrix_unit();

/// Whether the processor has a unit that the instruction set in use goes with.
bool has_processors_unit() {
  return own_unit == MatrixUnit::processor && Device::cpu().description().find("AVX3") != std::string::npos;
}

struct Shape {
  Index patterns;
  Index dimension;
};

/// Around blocks, spans, windows and chunks of steps.
constexpr Shape shapes[] = {{1, 1}, {8, 33}, {17, 31}, {33, 32}, {127, 64}, {129, 9}, {300, 130}};

ModernHopfieldOptions options_with(float beta, Similarity similarity = Similarity::dot) {
  ModernHopfieldOptions options;
  options.beta = beta;
  options.similarity = similarity;
  return options;
}

Memory memory_of(View patterns, const ModernHopfieldOptions& options) {
  return Memory::modern_hopfield(Device::cpu(), patterns, options);
}

/// Memories whose products the unit makes both, with updates that make floats of states.
struct FactoredCase {
  const char* name;
  Memory (*memory)(View patterns);
  Update update;
};

Memory hebbian_of(View patterns) {
  return Memory::hebbian(Device::cpu(), patterns, {.self_coupling = false, .evaluation = Evaluation::factored});
}
Memory cubic_of(View patterns) { return Memory::dense_associative(Device::cpu(), patterns, {.order = 3}); }

const FactoredCase factored_cases[] = {{"hebbian, tanh", hebbian_of, TanhUpdate{.gain = 1.5F}},
                                       {"hebbian, sign", hebbian_of, SignUpdate{}},
                                       {"cubic, tanh", cubic_of, TanhUpdate{.gain = 1.5F}},
                                       {"cubic, sign", cubic_of, SignUpdate{}}};

Relaxation relax(const FactoredCase& factored, const Memory& memory, View queries, int threads = 1, int steps = 6) {
  return Relaxer(memory, {.update = factored.update, .max_steps = steps, .energies = true, .threads = threads})
      .relax(queries);
}

/// The posteriors of all patterns, from the best on.
std::vector<float> posteriors(const Memory& memory, View queries, int threads = 1) {
  return retrieve(memory, queries, {.count = memory.pattern_count(), .threads = threads}).posterior;
}

class MatrixUnitTest : public testing::TestWithParam<MatrixUnit> {
 protected:
  void SetUp() override {
    if (GetParam() == MatrixUnit::processor && !has_processors_unit())
      GTEST_SKIP() << "this processor has no matrix unit";
    scope_.emplace(GetParam());
  }

  Rng rng_{12};

 private:
  std::optional<UnitScope> scope_;
};

/// How far the unit's arithmetic may take −log Σ exp(βAx)/β: a step's sums are two chains of 16 multiply-adds, and
/// three of them are added for every 32 entries.
double energy_bound(View patterns, std::span<const float> state, double energy, double beta) {
  double size = 0.0;
  for (Index p = 0; p < patterns.rows; ++p) {
    double sum = 0.0;
    for (Index k = 0; k < patterns.columns; ++k)
      sum += std::abs(static_cast<double>(patterns(p, k)) * static_cast<double>(state[static_cast<std::size_t>(k)]));
    size = std::max(size, sum);
  }
  const double roundings = 3.0 * std::ceil(static_cast<double>(patterns.columns) / 32.0) + 17.0;
  // The score's own rounding, and those of the sum of exponentials.
  return 0x1p-24 * ((roundings + 2.0) * size + std::abs(energy) + 16.0 / beta);
}

TEST_P(MatrixUnitTest, EnergiesAreTheOracles) {
  for (const Shape& shape : shapes)
    for (const PatternStorage storage : {PatternStorage::float32, PatternStorage::float16, PatternStorage::bfloat16}) {
      const float beta = 0.7F / std::sqrt(static_cast<float>(shape.dimension));
      const Matrix<float> given = storage == PatternStorage::bfloat16
                                      ? random_gaussian(shape.patterns, shape.dimension, rng_)
                                      : random_bipolar(shape.patterns, shape.dimension, rng_);
      const Memory memory = Memory::exponential(Device::cpu(), given, {.beta = beta, .storage = storage});
      const Matrix<float> patterns = copy(memory.patterns());
      const reference::Model oracle = reference::exponential(patterns, static_cast<double>(beta));
      const Relaxation result = Relaxer(memory, {.max_steps = 1, .energies = true, .threads = 1})
                                    .relax(noisy_copies(patterns, 70, 0.1F, 1.5F, rng_));
      for (Index b = 0; b < 70; ++b) {
        const auto state = row_of(result.states, b);
        const double expected = reference::energy(oracle, std::vector<double>(state.begin(), state.end()));
        EXPECT_NEAR(static_cast<double>(result.energies[static_cast<std::size_t>(b)]), expected,
                    energy_bound(patterns, state, expected, static_cast<double>(beta)))
            << "P=" << shape.patterns << " D=" << shape.dimension << " storage " << static_cast<int>(storage)
            << " query " << b;
      }
    }
}

TEST_P(MatrixUnitTest, QueriesAreTheSameAloneAndInBatches) {
  for (const Shape& shape : shapes)
    for (const Similarity similarity : {Similarity::dot, Similarity::cosine}) {
      const Matrix<float> patterns = random_bipolar(shape.patterns, shape.dimension, rng_);
      const Memory memory = memory_of(patterns, options_with(0.4F, similarity));
      const Matrix<float> queries = noisy_copies(patterns, 70, 0.1F, 2.0F, rng_);
      const Relaxer relaxer(memory, {.max_steps = 5, .energies = true, .threads = 1});
      const std::vector<float> all = posteriors(memory, queries, 2);
      const Relaxation relaxed = relaxer.relax(queries);
      for (const Index count : {1, 2, 3, 15, 16, 17, 33, 48, 63})
        for (const Index first : {Index{0}, 70 - count}) {
          SCOPED_TRACE(testing::Message() << "P=" << shape.patterns << " D=" << shape.dimension << " " << count
                                          << " queries from " << first);
          const View few = queries.view().slice(first, count);
          const auto from = all.begin() + first * shape.patterns;
          EXPECT_TRUE(same_bits(posteriors(memory, few), std::vector<float>(from, from + count * shape.patterns)));
          const Relaxation some = relaxer.relax(few);
          EXPECT_TRUE(same_bits(some.states.view(), relaxed.states.view().slice(first, count)));
          EXPECT_TRUE(same_bits(some.energies, std::vector<float>(relaxed.energies.begin() + first,
                                                                  relaxed.energies.begin() + first + count)));
        }
    }
}

/// As a product's exponents are: times a power of two, as the inverse temperature is divided by it, all stays as it is.
TEST_P(MatrixUnitTest, QueriesOfAnySize) {
  const Matrix<float> patterns = random_bipolar(40, 37, rng_);
  const Matrix<float> queries = noisy_copies(patterns, 20, 0.1F, 2.0F, rng_);
  const std::vector<float> expected = posteriors(memory_of(patterns, options_with(0.25F)), queries);
  for (const int exponent : {-112, -91, -90, -89, -60, 60, 100}) {
    Matrix<float> scaled = copy(queries);
    for (Index i = 0; i < scaled.size(); ++i) scaled.data()[i] = std::ldexp(scaled.data()[i], exponent);
    const Memory memory = memory_of(patterns, options_with(std::ldexp(0.25F, -exponent)));
    for (const Index count : {1, 20}) {
      const std::vector<float> actual = posteriors(memory, scaled.view().slice(0, count));
      EXPECT_TRUE(same_bits(actual, std::vector<float>(expected.begin(), expected.begin() + std::ssize(actual))))
          << "times 2^" << exponent << ", " << count << " queries";
    }
  }
}

/// Where what the unit takes for 0 makes a difference: scores are sums of denormal numbers.
TEST_P(MatrixUnitTest, TinyEntriesBesideALargeOneAreTheSameAloneAndInBatches) {
  Matrix<float> patterns = random_bipolar(40, 70, rng_);
  Matrix<float> queries = noisy_copies(patterns, 20, 0.1F, 2.0F, rng_);
  for (Index i = 0; i < queries.size(); ++i) queries.data()[i] *= 0x1p-124F;
  for (Index p = 0; p < 40; ++p) patterns(p, 0) = 0.0F;
  for (Index b = 0; b < 20; ++b) queries(b, 0) = 1.0F;
  const Memory memory = memory_of(patterns, options_with(0x1p121F));
  const std::vector<float> all = posteriors(memory, queries);

  for (Index b = 0; b < 20; ++b)
    EXPECT_TRUE(same_bits(posteriors(memory, queries.view().slice(b, 1)),
                          std::vector<float>(all.begin() + b * 40, all.begin() + (b + 1) * 40)));
}

TEST_P(MatrixUnitTest, TheLargestEntriesOverflowNoEarlierThanFloats) {
  const Matrix<float> patterns = matrix({{0x1p-127F * 0x1p10F, 0.0F}, {0.0F, 0x1p-127F * 0x1p10F}});
  const Matrix<float> query = matrix({{0x1.fffffep127F, 0x1p127F}});

  EXPECT_EQ(retrieve(memory_of(patterns, options_with(0x1p-10F)), query).pattern[0], 0);
}

TEST_P(MatrixUnitTest, QueriesThatAreNotNumbersHarmNoOthers) {
  const Matrix<float> patterns = random_bipolar(50, 40, rng_);
  const Memory memory = memory_of(patterns, options_with(0.2F));
  Matrix<float> queries = noisy_copies(patterns, 40, 0.1F, 1.0F, rng_);
  const std::vector<float> before = posteriors(memory, queries);
  queries(3, 5) = std::numeric_limits<float>::quiet_NaN();
  queries(20, 0) = std::numeric_limits<float>::infinity();
  const Retrieval after = retrieve(memory, queries, {.count = 50, .threads = 1});

  for (Index b = 0; b < 40; ++b)
    for (Index i = 0; i < 50; ++i) {
      const auto at = static_cast<std::size_t>(b * 50 + i);
      if (b == 3 || b == 20)
        EXPECT_EQ(after.pattern[at], -1) << b;
      else
        EXPECT_EQ(after.posterior[at], before[at]) << b;
    }
}

/// Whatever a memory held before.
TEST_P(MatrixUnitTest, PatternsThatItDoesNotTakeComeAndGo) {
  const Matrix<float> bipolar = random_bipolar(30, 20, rng_);
  const Matrix<float> others = random_gaussian(2, 20, rng_);
  const Matrix<float> queries = noisy_copies(bipolar, 20, 0.1F, 1.0F, rng_);
  const ModernHopfieldOptions options = options_with(0.3F);
  Memory memory = memory_of(bipolar, options);
  const std::vector<float> before = posteriors(memory, queries);

  memory.imprint(others);
  EXPECT_TRUE(same_bits(posteriors(memory, queries), posteriors(memory_of(stack(bipolar, others), options), queries)));
  memory.forget(std::vector<Index>{30});
  EXPECT_TRUE(same_bits(posteriors(memory, queries),
                        posteriors(memory_of(stack(bipolar, others.view().slice(1, 1)), options), queries)));
  memory.forget(std::vector<Index>{30});
  EXPECT_TRUE(same_bits(posteriors(memory, queries), before));
}

/// Steps reach into several chunks and lanes are taken by newcomers, for there are more queries than lanes.
/// Entries of −1, 0 and 1.
Matrix<float> random_signs(Index rows, Index columns, Rng& rng) {
  Matrix<float> result(rows, columns);
  for (Index i = 0; i < result.size(); ++i) result.data()[i] = static_cast<float>(rng() % 3) - 1.0F;
  return result;
}

/// What `work` returns where no lane is dealt with by itself but where there are few.
template <class Work>
auto in_blocks(const Work& work) {
  detail::Sizes sizes = detail::sizes();
  sizes.lane_patterns = 0;
  const SizesScope scope(sizes);
  return work();
}

/// One step: the readouts.
Matrix<float> step(const Memory& memory, View queries) {
  return Relaxer(memory, {.halting = fixed_steps(), .max_steps = 1, .threads = 1}).relax(queries).states;
}

/// Σ p a at double precision.
std::vector<double> readout(View patterns, std::span<const float> query, double beta) {
  std::vector<double> scores(static_cast<std::size_t>(patterns.rows));
  for (Index p = 0; p < patterns.rows; ++p)
    for (Index k = 0; k < patterns.columns; ++k)
      scores[static_cast<std::size_t>(p)] +=
          beta * static_cast<double>(patterns(p, k)) * static_cast<double>(query[static_cast<std::size_t>(k)]);
  const double largest = *std::max_element(scores.begin(), scores.end());
  double normaliser = 0.0;
  std::vector<double> sums(static_cast<std::size_t>(patterns.columns));
  for (Index p = 0; p < patterns.rows; ++p) {
    const double weight = std::exp(scores[static_cast<std::size_t>(p)] - largest);
    normaliser += weight;
    for (std::size_t k = 0; k < sums.size(); ++k)
      sums[k] += weight * static_cast<double>(patterns(p, static_cast<Index>(k)));
  }
  for (double& sum : sums) sum /= normaliser;
  return sums;
}

/// How far readouts in units may be off. A score is off by δ: as in energy_bound, and by its own roundings and that of
/// its distance from the largest. So is a weight, relatively, and by those of the exponential, 1.2·2⁻²³; of shares of
/// them that add up to 1 twice the largest such error remains. Weights in units add half a unit each to sums of at
/// least 1, and sums are rounded once for each block of patterns, which are three here at most, and three times at the
/// end.
double readout_bound(View patterns, std::span<const float> query, double beta) {
  double size = 0.0;
  for (const float x : query) size += std::abs(static_cast<double>(x));
  const double roundings = 3.0 * std::ceil(static_cast<double>(patterns.columns) / 32.0) + 17.0;
  const double score = 0x1p-24 * (roundings + 6.0) * beta * size;
  return 2.0 * (score + 1.2 * 0x1p-23) + 0x1p-30 * static_cast<double>(patterns.rows) + 6.0 * 0x1p-24;
}

TEST_P(MatrixUnitTest, ReadoutsInUnitsAreTheOracles) {
  constexpr Shape wide_and_deep[] = {{2049, 5}, {1030, 65}, {64, 129}};
  std::vector<Shape> all(std::begin(shapes), std::end(shapes));
  all.insert(all.end(), std::begin(wide_and_deep), std::end(wide_and_deep));
  for (const Shape& shape : all)
    for (const float sharpness : {0.01F, 0.3F, 3.0F}) {
      const float beta = sharpness / std::sqrt(static_cast<float>(shape.dimension));
      const Matrix<float> patterns = random_signs(shape.patterns, shape.dimension, rng_);
      const Matrix<float> queries = noisy_copies(patterns, 40, 0.1F, 4.0F, rng_);
      const Matrix<float> states = step(memory_of(patterns, options_with(beta)), queries);
      for (Index b = 0; b < 40; ++b) {
        const std::vector<double> expected = readout(patterns, row_of(queries, b), static_cast<double>(beta));
        const double bound = readout_bound(patterns, row_of(queries, b), static_cast<double>(beta));
        for (Index k = 0; k < shape.dimension; ++k)
          ASSERT_NEAR(static_cast<double>(states(b, k)), expected[static_cast<std::size_t>(k)], bound)
              << "P=" << shape.patterns << " D=" << shape.dimension << " beta=" << beta << " query " << b;
      }
    }
}

/// Sizes with which lanes are read out each by itself, term by term and row by row.
constexpr std::pair<Index, float> ways_to_read_out[] = {{65536, 6.0F}, {0, 0.0F}, {0, 1e9F}};

/// The largest sums there may be are exact.
TEST_P(MatrixUnitTest, ReadoutsOfEqualPatternsAreThese) {
  const Matrix<float> one = random_bipolar(1, 40, rng_);
  Matrix<float> patterns(2500, 40);
  for (Index p = 0; p < patterns.rows(); ++p) std::copy_n(one.row(0), 40, patterns.row(p));
  const Memory memory = memory_of(patterns, options_with(0.1F));
  const Matrix<float> queries = noisy_copies(one, 40, 0.1F, 1.0F, rng_);
  for (const auto& [lane_patterns, term_cost] : ways_to_read_out) {
    detail::Sizes sizes = detail::sizes();
    sizes.lane_patterns = lane_patterns;
    sizes.term_cost = term_cost;
    const SizesScope scope(sizes);
    for (const Index count : {1, 40}) {
      const Matrix<float> states = step(memory, queries.view().slice(0, count));
      for (Index b = 0; b < count; ++b)
        EXPECT_TRUE(same_bits(states.view().slice(b, 1), one.view())) << count << " queries, " << term_cost;
    }
  }
}

/// Lane by lane, where all but some may matter or nearly none, or from candidates of blocks of lanes.
TEST_P(MatrixUnitTest, StatesAndEnergiesAreTheSameLaneByLane) {
  for (const Shape& shape :
       {Shape{1, 1}, Shape{64, 32}, Shape{65, 33}, Shape{300, 130}, Shape{1030, 40}, Shape{2500, 64}})
    for (const float beta : {0.02F, 0.2F, 0.5F, 2.0F})
      for (const PatternStorage storage : {PatternStorage::float32, PatternStorage::bfloat16}) {
        const Matrix<float> patterns = random_signs(shape.patterns, shape.dimension, rng_);
        Matrix<float> queries = noisy_copies(patterns, 150, 0.1F, 3.0F, rng_);
        std::fill_n(queries.row(7), shape.dimension, 0.0F);
        ModernHopfieldOptions options = options_with(beta);
        options.storage = storage;
        const Memory memory = memory_of(patterns, options);
        // After one step states still show every unit of a weight.
        for (const auto& [halting, steps] : {std::pair(fixed_steps(), 1), std::pair(energy_stable(), 4)}) {
          const Relaxer relaxer(memory, {.halting = halting, .max_steps = steps, .energies = true, .threads = 2});
          EXPECT_TRUE(same_results(relaxer.relax(queries), in_blocks([&] { return relaxer.relax(queries); })))
              << "P=" << shape.patterns << " D=" << shape.dimension << " beta=" << beta;
        }
      }
}

/// States that lanes aren't taken with, beside others; and clamped ones, which are.
TEST_P(MatrixUnitTest, UnusualStatesAreTheSameLaneByLane) {
  const Matrix<float> patterns = random_signs(700, 40, rng_);
  const Memory memory = memory_of(patterns, options_with(0.2F));
  const Relaxer relaxer(memory, {.update = blend_update(0.5F), .max_steps = 4, .energies = true, .threads = 1});
  Matrix<std::uint8_t> clamped(70, 40);
  for (Index i = 0; i < clamped.size(); ++i) clamped.data()[i] = static_cast<std::uint8_t>(rng_() % 8 == 0);
  for (const float factor : {0x1p-100F, 0x1p-70F, 0x1p50F, 0x1p70F, 0x1p126F}) {
    Matrix<float> queries = noisy_copies(patterns, 70, 0.1F, 1.0F, rng_);
    for (Index k = 0; k < 40; ++k) queries(33, k) *= factor;
    const auto relax = [&] { return relaxer.relax(queries, {.clamped = clamped.view()}); };
    EXPECT_TRUE(same_results(relax(), in_blocks(relax))) << factor;
  }
}

TEST_P(MatrixUnitTest, CallsWithTermsOfTheirOwnAreTheSameLaneByLane) {
  const Matrix<float> patterns = random_signs(300, 40, rng_);
  const Memory memory = memory_of(patterns, options_with(0.2F));
  const Matrix<float> queries = noisy_copies(patterns, 70, 0.1F, 2.0F, rng_);
  const Relaxer relaxer(memory, {.max_steps = 3, .energies = true, .threads = 1});
  const std::vector<float> betas = {0.2F};
  Matrix<float> prior(1, 300);
  std::fill_n(prior.data(), prior.size(), 0.0F);
  const Relaxation plain = relaxer.relax(queries);

  EXPECT_TRUE(same_results(relaxer.relax(queries, {.betas = betas}), plain));
  EXPECT_TRUE(same_results(relaxer.relax(queries, {.log_prior = prior.view()}), plain));
}

/// Row by row or term by term, in strips of any size, by any unit of bytes.
TEST_P(MatrixUnitTest, ReadoutsInUnitsAreTheSameHoweverTheyAreSummed) {
  const cpu::ByteUnit own = cpu::byte_unit();
  for (const Shape& shape : {Shape{1, 1}, Shape{63, 33}, Shape{300, 65}, Shape{1030, 40}})
    for (const float beta : {0.02F, 0.3F}) {
      const Matrix<float> patterns = random_signs(shape.patterns, shape.dimension, rng_);
      const Matrix<float> queries = noisy_copies(patterns, 67, 0.1F, 3.0F, rng_);
      const Memory memory = memory_of(patterns, options_with(beta));
      const Matrix<float> expected = step(memory, queries);
      for (const cpu::ByteUnit unit : {cpu::ByteUnit::plain, cpu::ByteUnit::vectors, cpu::ByteUnit::tiles}) {
        if (unit != cpu::ByteUnit::plain && unit > cpu::best_byte_unit()) continue;
        cpu::byte_unit() = unit;
        EXPECT_TRUE(same_bits(step(memory, queries).view(), expected.view())) << "unit " << static_cast<int>(unit);
        for (const float term_cost : {0.0F, 1e9F})
          for (const Index steps : {1, 4}) {
            detail::Sizes sizes = detail::sizes();
            sizes.lane_patterns = 0;
            sizes.term_cost = term_cost;
            sizes.readout_steps = steps;
            const SizesScope scope(sizes);
            EXPECT_TRUE(same_bits(step(memory, queries).view(), expected.view()))
                << "P=" << shape.patterns << " D=" << shape.dimension << " beta=" << beta << " unit "
                << static_cast<int>(unit) << " " << term_cost << " " << steps;
          }
      }
      cpu::byte_unit() = own;
    }
}

TEST_P(MatrixUnitTest, ReadoutsOfQueriesThatAreNotNumbersHarmNoOthers) {
  const Matrix<float> patterns = random_signs(300, 40, rng_);
  const Memory memory = memory_of(patterns, options_with(0.2F));
  Matrix<float> queries = noisy_copies(patterns, 40, 0.1F, 3.0F, rng_);
  const Matrix<float> before = step(memory, queries);
  queries(3, 5) = std::numeric_limits<float>::quiet_NaN();
  queries(20, 0) = std::numeric_limits<float>::infinity();
  for (const auto& [lane_patterns, term_cost] : ways_to_read_out) {
    detail::Sizes sizes = detail::sizes();
    sizes.lane_patterns = lane_patterns;
    sizes.term_cost = term_cost;
    const SizesScope scope(sizes);
    const Relaxation after = Relaxer(memory, {.halting = fixed_steps(), .max_steps = 1, .threads = 1}).relax(queries);
    for (Index b = 0; b < 40; ++b)
      if (b == 3 || b == 20)
        EXPECT_EQ(after.status[static_cast<std::size_t>(b)], Status::diverged) << b;
      else
        EXPECT_TRUE(same_bits(after.states.view().slice(b, 1), before.view().slice(b, 1))) << b;
  }
}

/// Sums of many blocks of patterns.
TEST_P(MatrixUnitTest, QueriesOfManyPatternsAreTheSameAloneAndInBatches) {
  const Matrix<float> patterns = random_signs(20000, 65, rng_);
  const Matrix<float> queries = noisy_copies(patterns, 35, 0.1F, 3.0F, rng_);
  const Memory memory = memory_of(patterns, options_with(0.1F));
  const Matrix<float> all = step(memory, queries);
  for (const Index b : {0, 34}) {
    EXPECT_TRUE(same_bits(step(memory, queries.view().slice(b, 1)).view(), all.view().slice(b, 1))) << b;
    const std::vector<double> expected = readout(patterns, row_of(queries, b), static_cast<double>(0.1F));
    for (Index k = 0; k < 65; ++k)
      EXPECT_NEAR(static_cast<double>(all(b, k)), expected[static_cast<std::size_t>(k)],
                  readout_bound(patterns, row_of(queries, b), static_cast<double>(0.1F)) + 0x1p-24 * 20.0)
          << b;
  }
}

/// Weights of patterns that lie beyond the cutoff would be some in units where there are few.
TEST_P(MatrixUnitTest, QueriesOfFewPatternsAreTheSameAloneAndInBatches) {
  for (const Index count : {1, 5, 9, 20})
    for (int trial = 0; trial < 5; ++trial) {
      const Matrix<float> patterns = random_signs(count, 45, rng_);
      const Matrix<float> queries = noisy_copies(patterns, 70, 0.2F, 0.5F, rng_);
      const Memory memory = memory_of(patterns, options_with(0.4F));
      const Matrix<float> all = step(memory, queries);
      for (Index b = 0; b < queries.rows(); ++b)
        EXPECT_TRUE(same_bits(step(memory, queries.view().slice(b, 1)).view(), all.view().slice(b, 1)))
            << "P=" << count << " query " << b;
    }
}

/// Patterns that aren't signs come and go.
TEST_P(MatrixUnitTest, PatternsWithOtherEntriesThanSignsComeAndGo) {
  const Matrix<float> signs = random_signs(70, 20, rng_);
  Matrix<float> others = random_signs(3, 20, rng_);
  others(1, 19) = 2.0F;
  const Matrix<float> queries = noisy_copies(signs, 40, 0.1F, 2.0F, rng_);
  const ModernHopfieldOptions options = options_with(0.2F);
  Memory memory = memory_of(signs, options);
  step(memory, queries);

  memory.imprint(others);
  EXPECT_TRUE(same_bits(step(memory, queries).view(), step(memory_of(stack(signs, others), options), queries).view()));
  memory.forget(std::vector<Index>{0, 71});
  const Matrix<float> left =
      stack(signs.view().slice(1, 69), stack(others.view().slice(0, 1), others.view().slice(2, 1)));
  EXPECT_TRUE(same_bits(step(memory, queries).view(), step(memory_of(left, options), queries).view()));
  memory.forget(std::vector<Index>{69, 70});
  memory.imprint(signs.view().slice(0, 1));
  const Matrix<float> moved = stack(signs.view().slice(1, 69), signs.view().slice(0, 1));
  EXPECT_TRUE(same_bits(step(memory, queries).view(), step(memory_of(moved, options), queries).view()));
}

TEST_P(MatrixUnitTest, QueriesOfFactoredMemoriesAreTheSameAloneAndInBatches) {
  for (const Shape& shape : shapes)
    for (const FactoredCase& factored : factored_cases) {
      const Matrix<float> patterns = random_bipolar(shape.patterns, shape.dimension, rng_);
      const Matrix<float> queries = noisy_copies(patterns, 80, 0.1F, 2.0F, rng_);
      const Memory memory = factored.memory(patterns);
      const Relaxation all = relax(factored, memory, queries, 2);
      for (const Index count : {1, 2, 17, 33})
        for (const Index first : {Index{0}, 80 - count}) {
          const Relaxation some = relax(factored, memory, queries.view().slice(first, count));
          for (Index i = 0; i < count; ++i)
            ASSERT_TRUE(same_row(some, i, all, first + i))
                << factored.name << " P=" << shape.patterns << " D=" << shape.dimension << " query " << i << " of "
                << count << " from " << first;
        }
    }
}

/// What is packed at a time changes nothing.
TEST_P(MatrixUnitTest, FactoredMemoriesAreTheSameInChunks) {
  const Matrix<float> patterns = random_bipolar(40, 200, rng_);
  const Matrix<float> queries = noisy_copies(patterns, 70, 0.1F, 2.0F, rng_);
  for (const FactoredCase& factored : factored_cases) {
    const Memory memory = factored.memory(patterns);
    detail::Sizes sizes = detail::sizes();
    sizes.unit_buffer = 40;
    const auto expected = [&] {
      const SizesScope scope(sizes);
      return relax(factored, memory, queries);
    }();
    for (const Index buffer : {1, 2, 6}) {
      sizes.unit_buffer = buffer;
      const SizesScope scope(sizes);
      EXPECT_TRUE(same_results(relax(factored, memory, queries), expected)) << factored.name << " buffer " << buffer;
    }
  }
}

/// A field's sign is that of the field times any power of two.
TEST_P(MatrixUnitTest, QueriesOfAnySizeOfFactoredMemories) {
  const Matrix<float> patterns = random_bipolar(40, 37, rng_);
  const Matrix<float> queries = noisy_copies(patterns, 20, 0.1F, 2.0F, rng_);
  const Memory memory = hebbian_of(patterns);
  const Relaxer relaxer(memory, {.halting = fixed_steps(), .max_steps = 1, .threads = 1});
  const Relaxation expected = relaxer.relax(queries);
  for (const int exponent : {-112, -91, -90, -89, -60, 60, 100}) {
    Matrix<float> scaled = copy(queries);
    for (Index i = 0; i < scaled.size(); ++i) scaled.data()[i] = std::ldexp(scaled.data()[i], exponent);
    for (const Index count : {1, 20})
      EXPECT_TRUE(
          same_bits(relaxer.relax(scaled.view().slice(0, count)).states, expected.states.view().slice(0, count)))
          << "times 2^" << exponent << ", " << count << " queries";
  }
}

TEST_P(MatrixUnitTest, QueriesOfFactoredMemoriesThatAreNotNumbersHarmNoOthers) {
  const Matrix<float> patterns = random_bipolar(50, 40, rng_);
  Matrix<float> queries = noisy_copies(patterns, 100, 0.1F, 1.0F, rng_);
  for (const FactoredCase& factored : factored_cases) {
    const Memory memory = factored.memory(patterns);
    const Relaxation before = relax(factored, memory, queries);
    Matrix<float> broken = copy(queries);
    broken(3, 5) = std::numeric_limits<float>::quiet_NaN();
    broken(70, 0) = std::numeric_limits<float>::infinity();
    const Relaxation after = relax(factored, memory, broken);
    for (Index b = 0; b < 100; ++b) {
      if (b == 3 || b == 70)
        EXPECT_EQ(after.status[static_cast<std::size_t>(b)], Status::diverged) << factored.name << " " << b;
      else
        EXPECT_TRUE(same_row(after, b, before, b)) << factored.name << " " << b;
    }
  }
}

/// By one step, for then states still show how sums were made.
TEST_P(MatrixUnitTest, FactorsThatItDoesNotTakeComeAndGo) {
  const Matrix<float> bipolar = random_bipolar(30, 20, rng_);
  const Matrix<float> others = random_gaussian(2, 20, rng_);
  const Matrix<float> queries = noisy_copies(bipolar, 20, 0.1F, 1.0F, rng_);
  for (const FactoredCase& factored : factored_cases) {
    const auto step = [&](const Memory& memory) { return relax(factored, memory, queries, 1, 1); };
    Memory memory = factored.memory(bipolar);
    const Relaxation before = step(memory);

    memory.imprint(others);
    EXPECT_TRUE(same_results(step(memory), step(factored.memory(stack(bipolar, others))))) << factored.name;
    memory.forget(std::vector<Index>{30, 31});
    EXPECT_TRUE(same_results(step(memory), before)) << factored.name;
    memory.forget(std::vector<Index>{0});
    EXPECT_TRUE(same_results(step(memory), step(factored.memory(bipolar.view().slice(1, 29))))) << factored.name;
  }
}

INSTANTIATE_TEST_SUITE_P(, MatrixUnitTest, testing::Values(MatrixUnit::emulated, MatrixUnit::processor),
                         testing::PrintToStringParamName());

/// The emulation is the unit, bit for bit, so that what is tested by one holds for the other.
TEST(UnitEmulationTest, IsTheProcessorsUnit) {
  if (!has_processors_unit()) GTEST_SKIP() << "this processor has no matrix unit";
  Rng rng(3);
  for (const Shape& shape : shapes) {
    const Matrix<float> patterns = random_bipolar(shape.patterns, shape.dimension, rng);
    const Matrix<float> queries = noisy_copies(patterns, 70, 0.1F, 2.0F, rng);
    const Memory memory = memory_of(patterns, options_with(0.1F));
    for (const Index count : {1, 2, 9, 70}) {
      const auto by = [&](MatrixUnit unit) {
        const UnitScope scope(unit);
        return posteriors(memory, queries.view().slice(0, count));
      };
      EXPECT_TRUE(same_bits(by(MatrixUnit::processor), by(MatrixUnit::emulated)))
          << "P=" << shape.patterns << " D=" << shape.dimension << " " << count << " queries";
    }
  }
}

TEST(UnitEmulationTest, IsTheProcessorsUnitForFactoredMemories) {
  if (!has_processors_unit()) GTEST_SKIP() << "this processor has no matrix unit";
  Rng rng(5);
  for (const Shape& shape : shapes)
    for (const FactoredCase& factored : factored_cases) {
      const Matrix<float> patterns = random_bipolar(shape.patterns, shape.dimension, rng);
      const Matrix<float> queries = noisy_copies(patterns, 70, 0.1F, 2.0F, rng);
      for (const Index count : {1, 17, 70}) {
        const auto by = [&](MatrixUnit unit) {
          const UnitScope scope(unit);
          return relax(factored, factored.memory(patterns), queries.view().slice(0, count));
        };
        EXPECT_TRUE(same_results(by(MatrixUnit::processor), by(MatrixUnit::emulated)))
            << factored.name << " P=" << shape.patterns << " D=" << shape.dimension << " " << count << " queries";
      }
    }
}

/// What these tests are about happens: the unit's sums are not those of vectors.
TEST(UnitEmulationTest, ReadsOutInUnitsWhereItSuits) {
  if (cpu::best_byte_unit() == cpu::ByteUnit::none) GTEST_SKIP() << "this processor multiplies no bytes";
  Rng rng(14);
  const auto differs = [&](const Matrix<float>& patterns) {
    const UnitScope scope(MatrixUnit::emulated);
    const Matrix<float> queries = noisy_copies(patterns, 40, 0.5F, 3.0F, rng);
    const Memory memory = memory_of(patterns, options_with(0.1F));
    const Matrix<float> in_units = step(memory, queries);
    const cpu::ByteUnit own = cpu::byte_unit();
    cpu::byte_unit() = cpu::ByteUnit::none;
    const Matrix<float> in_floats = step(memory, queries);
    cpu::byte_unit() = own;
    return !same_bits(in_units.view(), in_floats.view());
  };
  Matrix<float> signs = random_signs(100, 40, rng);
  EXPECT_TRUE(differs(signs));
  signs(99, 39) = 2.0F;
  EXPECT_FALSE(differs(signs));
}

TEST(UnitEmulationTest, IsInUseWhereItSuits) {
  Rng rng(4);
  const Matrix<float> bipolar = random_bipolar(64, 100, rng);
  const Matrix<float> gaussian = random_gaussian(64, 100, rng);
  const Matrix<float> queries = noisy_copies(bipolar, 64, 0.1F, 2.0F, rng);
  const auto by = [&](MatrixUnit unit, View patterns, PatternStorage storage) {
    const UnitScope scope(unit);
    ModernHopfieldOptions options = options_with(0.1F);
    options.storage = storage;
    return posteriors(memory_of(patterns, options), queries);
  };
  const auto differs = [&](View patterns, PatternStorage storage) {
    return !same_bits(by(MatrixUnit::emulated, patterns, storage), by(MatrixUnit::none, patterns, storage));
  };

  EXPECT_TRUE(differs(bipolar, PatternStorage::float32));
  EXPECT_TRUE(differs(bipolar, PatternStorage::float16));
  EXPECT_TRUE(differs(gaussian, PatternStorage::bfloat16));
  EXPECT_FALSE(differs(gaussian, PatternStorage::float32));
}

TEST(UnitEmulationTest, IsInUseWhereItSuitsFactors) {
  Rng rng(6);
  const Matrix<float> bipolar = random_bipolar(64, 100, rng);
  const Matrix<float> gaussian = random_gaussian(64, 100, rng);
  const Matrix<float> queries = noisy_copies(bipolar, 64, 0.1F, 2.0F, rng);
  const auto differs = [&](const FactoredCase& factored, View patterns) {
    const auto by = [&](MatrixUnit unit) {
      const UnitScope scope(unit);
      return relax(factored, factored.memory(patterns), queries, 1, 1).energies;
    };
    return !same_bits(by(MatrixUnit::emulated), by(MatrixUnit::none));
  };

  for (const FactoredCase& factored : {factored_cases[0], factored_cases[2]}) {
    EXPECT_TRUE(differs(factored, bipolar)) << factored.name;
    EXPECT_FALSE(differs(factored, gaussian)) << factored.name;
  }
}

}  // namespace
}  // namespace attractor::test
