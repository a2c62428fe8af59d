/// Exact scores of softmax memories, of the patterns alone that rough ones leave in question: the results of all exact
/// scores, bit for bit.

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "kernels/cpu/matrix_unit/byte_products.hpp"
#include "kernels/cpu/matrix_unit/matrix_unit.hpp"
#include "kernels/sizes.hpp"
#include "tests/support/data.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"

namespace attractor::test {
namespace {

using cpu::ByteUnit;

constexpr float infinity = std::numeric_limits<float>::infinity();

/// The units that this machine has.
std::vector<ByteUnit> byte_units() {
  std::vector<ByteUnit> units = {ByteUnit::plain};
  // A processor that has tiles has the vectors, too.
  if (cpu::best_byte_unit() != ByteUnit::none) units.push_back(ByteUnit::vectors);
  if (cpu::best_byte_unit() == ByteUnit::tiles) units.push_back(ByteUnit::tiles);
  return units;
}

detail::Sizes screening(float listed_share) {
  detail::Sizes sizes = detail::sizes();
  sizes.rough_patterns = sizes.rough_columns = 1;
  sizes.listed_share = listed_share;
  return sizes;
}

/// The scope of a test in which memories are screened, up to a share of scores that may matter; 0: they aren't.
class ScreenScope {
 public:
  explicit ScreenScope(float listed_share, ByteUnit unit = ByteUnit::plain) : sizes_(screening(listed_share)) {
    cpu::byte_unit() = unit;
    // It would make scores of some of these memories itself.
    cpu::matrix_unit() = cpu::MatrixUnit::none;
  }
  ScreenScope(const ScreenScope&) = delete;
  ScreenScope& operator=(const ScreenScope&) = delete;
  ~ScreenScope() {
    cpu::byte_unit() = byte_unit_;
    cpu::matrix_unit() = matrix_unit_;
  }

 private:
  ByteUnit byte_unit_ = cpu::byte_unit();
  cpu::MatrixUnit matrix_unit_ = cpu::matrix_unit();
  SizesScope sizes_;
};

template <class Work>
auto exactly(const Work& work) {
  const ScreenScope scope(0.0F);
  return work();
}

template <class Work>
auto screened(const Work& work, float listed_share = 1.0F, ByteUnit unit = ByteUnit::plain) {
  const ScreenScope scope(listed_share, unit);
  return work();
}

/// A score that is no number counts, even far from all that matter to the queries beside.
TEST(CandidatesTest, ScoresThatAreNoNumbersAreNotLeftOut) {
  Rng rng(203);
  const Matrix<float> patterns = random_gaussian(90, 12, rng);
  Matrix<float> queries(40, 12);
  for (Index i = 0; i < 40; ++i) std::copy_n(patterns.row(0), 12, queries.row(i));
  for (const NormalisedSeparation& separation : {NormalisedSeparation(softmax()), sparsemax(), top(3)}) {
    const Memory memory = Memory::modern_hopfield(Device::cpu(), patterns, {.beta = 20.0F, .separation = separation});
    const Relaxer relaxer(memory, {.max_steps = 2, .energies = true, .threads = 1});
    const Relaxation before = relaxer.relax(queries);
    for (const Index pattern : {5, 50, 89}) {
      Matrix<float> log_prior(40, 90);
      std::fill_n(log_prior.data(), log_prior.size(), 0.0F);
      log_prior(21, pattern) = std::numeric_limits<float>::quiet_NaN();
      const Relaxation after = relaxer.relax(queries, {.log_prior = log_prior.view()});
      for (Index i = 0; i < 40; ++i)
        EXPECT_EQ(after.status[static_cast<std::size_t>(i)],
                  i == 21 ? Status::diverged : before.status[static_cast<std::size_t>(i)])
            << memory.rule() << " pattern " << pattern << " query " << i;
    }
  }
}

class ByteProductTest : public testing::TestWithParam<ByteUnit> {};

TEST_P(ByteProductTest, IsExact) {
  Rng rng(201);
  // Both ends of what bytes may be come often.
  const auto random_byte = [&] {
    return static_cast<std::int8_t>(std::clamp(static_cast<int>(rng() % 400) - 200, -127, 127));
  };
  for (const bool unsigned_columns : {false, true})
    for (const Index steps : {1, 2, 5})
      for (const Index row_blocks : {1, 2, 5})
        for (const Index column_blocks : {1, 2, 3}) {
          const Index depth = steps * cpu::byte_entries;
          Matrix<std::int8_t> rows(row_blocks * cpu::byte_rows, depth);
          Matrix<std::int8_t> columns(column_blocks * cpu::byte_rows, depth);
          for (Index i = 0; i < rows.size(); ++i) rows.data()[i] = random_byte();
          for (Index i = 0; i < columns.size(); ++i) columns.data()[i] = random_byte();
          const auto column = [&](Index j, Index k) {
            return unsigned_columns ? static_cast<std::uint8_t>(columns(j, k)) : std::int32_t{columns(j, k)};
          };
          std::vector<std::int8_t> bytes(static_cast<std::size_t>(rows.size()));
          std::vector<std::int32_t> sums(static_cast<std::size_t>(rows.rows()));
          std::vector<std::int32_t> words(static_cast<std::size_t>(columns.size() / 4));
          for (Index i = 0; i < rows.rows(); ++i)
            for (Index k = 0; k < depth; ++k) {
              const Index block = i / cpu::byte_rows * steps + k / cpu::byte_entries;
              bytes[static_cast<std::size_t>(block * cpu::byte_block + i % cpu::byte_rows * cpu::byte_entries +
                                             k % cpu::byte_entries)] = rows(i, k);
              sums[static_cast<std::size_t>(i)] += rows(i, k);
            }
          for (Index j = 0; j < columns.rows(); ++j)
            for (Index k = 0; k < depth; ++k) {
              const Index block = j / cpu::byte_rows * steps + k / cpu::byte_entries;
              auto& word = words[static_cast<std::size_t>(
                  block * cpu::word_block + k % cpu::byte_entries / 4 * cpu::byte_rows + j % cpu::byte_rows)];
              const auto byte = static_cast<std::uint32_t>(static_cast<std::uint8_t>(columns(j, k)));
              word = static_cast<std::int32_t>(static_cast<std::uint32_t>(word) |
                                               byte << 8U * static_cast<unsigned>(k % 4));
            }
          const Index stride = columns.rows() + cpu::byte_rows;
          std::vector<std::int32_t> found(static_cast<std::size_t>(rows.rows() * stride), -1);
          const ScreenScope scope(1.0F, GetParam());
          cpu::multiply({.rows = bytes.data(),
                         .row_sums = unsigned_columns ? nullptr : sums.data(),
                         .columns = words.data(),
                         .steps = steps,
                         .row_blocks = row_blocks,
                         .column_blocks = column_blocks,
                         .to = found.data(),
                         .stride = stride,
                         .unsigned_columns = unsigned_columns});
          for (Index i = 0; i < rows.rows(); ++i)
            for (Index j = 0; j < columns.rows(); ++j) {
              std::int32_t expected = 0;
              for (Index k = 0; k < depth; ++k) expected += std::int32_t{rows(i, k)} * column(j, k);
              ASSERT_EQ(found[static_cast<std::size_t>(i * stride + j)], expected) << i << ' ' << j;
            }
        }
}

INSTANTIATE_TEST_SUITE_P(, ByteProductTest, testing::ValuesIn(byte_units()),
                         [](const testing::TestParamInfo<ByteUnit>& unit) {
                           return unit.param == ByteUnit::plain     ? "plain"
                                  : unit.param == ByteUnit::vectors ? "vectors"
                                                                    : "tiles";
                         });

struct Shape {
  std::string name;
  Index dimension;
  Index patterns;
  Index queries;
  float beta = 1.0F;
  Similarity similarity = Similarity::dot;
  bool priors = false;
  float magnitude = 1.0F;  ///< of the patterns
};

/// How GoogleTest shows a parameter.
std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.name; }

class RoughScoresTest : public testing::TestWithParam<Shape> {
 protected:
  RoughScoresTest() {
    const Shape& shape = GetParam();
    for (Index i = 0; i < patterns_.size(); ++i) patterns_.data()[i] *= shape.magnitude;
    queries_ = noisy_copies(patterns_, shape.queries, 0.1F * shape.magnitude, shape.magnitude, rng_);
    // Far from everything, at the edges of the range of floats, and none at all.
    const std::array<float, 9> factors = {1e3F, 1e10F, 1e18F, 1e25F, 1e-12F, 1e-32F, 1e-42F, 0.0F, -1.0F};
    for (std::size_t i = 0; i < factors.size() && 3 * static_cast<Index>(i) < shape.queries; ++i)
      for (Index k = 0; k < shape.dimension; ++k) queries_(3 * static_cast<Index>(i), k) *= factors[i];
    if (shape.queries > 30) {
      queries_(28, 0) = std::numeric_limits<float>::quiet_NaN();
      queries_(29, shape.dimension - 1) = infinity;
    }
  }

  [[nodiscard]] ModernHopfieldOptions options() {
    const Shape& shape = GetParam();
    ModernHopfieldOptions result{.beta = shape.beta, .similarity = shape.similarity};
    std::uniform_real_distribution<float> prior(-9.0F, 0.0F);
    if (shape.priors)
      for (Index i = 0; i < shape.patterns; ++i) result.log_prior.push_back(i % 5 == 3 ? -infinity : prior(rng_));
    return result;
  }

  Rng rng_{202};
  Matrix<float> patterns_ = random_gaussian(GetParam().patterns, GetParam().dimension, rng_);
  Matrix<float> queries_;
};

TEST_P(RoughScoresTest, RelaxesTheSame) {
  const Memory memory = Memory::modern_hopfield(Device::cpu(), patterns_, options());
  for (const Update& update : {readout_update(), blend_update(0.3F), sign_update()})
    for (const int threads : {1, 3})
      for (const bool few : {false, true}) {
        SCOPED_TRACE(testing::Message() << "update " << update.index() << " threads " << threads << " few " << few);
        const auto work = [&] {
          const RelaxerOptions options{
              .update = update, .max_steps = 5, .energies = true, .energy_trace = true, .threads = threads};
          return Relaxer(memory, options).relax(queries_.view().slice(0, few ? 3 : queries_.rows()));
        };
        const Relaxation expected = exactly(work);
        for (const float share : {1.0F, 0.3F, 0.05F})
          EXPECT_TRUE(same_results(screened(work, share), expected)) << share;
        for (const ByteUnit unit : byte_units()) EXPECT_TRUE(same_results(screened(work, 1.0F, unit), expected));
      }
}

TEST_P(RoughScoresTest, RelaxesTheSameAtOtherTemperatures) {
  const Memory memory = Memory::modern_hopfield(Device::cpu(), patterns_, options());
  const std::vector<float> betas = {0.1F * GetParam().beta, GetParam().beta, 7.0F * GetParam().beta};
  const auto work = [&] {
    RelaxCall call;
    call.betas = betas;
    return Relaxer(memory, {.max_steps = 5, .energies = true, .threads = 1}).relax(queries_, call);
  };
  EXPECT_TRUE(same_results(screened(work), exactly(work)));
}

TEST_P(RoughScoresTest, RelaxesTheSameWithTermsOfTheCall) {
  const Memory memory = Memory::modern_hopfield(Device::cpu(), patterns_, options());
  const Matrix<std::uint8_t> valid = random_mask(queries_.rows(), patterns_.rows(), 0.3, rng_);
  const auto work = [&] {
    return Relaxer(memory, {.max_steps = 3, .energies = true, .threads = 1}).relax(queries_, {.valid_patterns = valid});
  };
  EXPECT_TRUE(same_results(screened(work), exactly(work)));
}

TEST_P(RoughScoresTest, RecallsTheSame) {
  ModernHopfieldOptions with_contents = options();
  const Matrix<float> contents = random_gaussian(patterns_.rows(), 3, rng_);
  with_contents.contents = contents.view();
  const Memory memory = Memory::modern_hopfield(Device::cpu(), patterns_, with_contents);
  const auto work = [&] { return recall(memory, queries_).contents; };
  EXPECT_TRUE(same_bits(screened(work), exactly(work)));
}

TEST_P(RoughScoresTest, BitsDontDependOnTheBatch) {
  const ScreenScope scope(1.0F);
  const Relaxer relaxer(Memory::modern_hopfield(Device::cpu(), patterns_, options()),
                        {.max_steps = 4, .energies = true, .threads = 1});
  const Relaxation all = relaxer.relax(queries_);
  for (Index first = 0; first < queries_.rows(); first += 5) {
    const Index count = std::min<Index>(first % 2 == 0 ? 1 : 11, queries_.rows() - first);
    const Relaxation some = relaxer.relax(queries_.view().slice(first, count));
    for (Index i = 0; i < count; ++i) EXPECT_TRUE(same_row(some, i, all, first + i));
  }
}

/// What is kept of patterns follows them as they come and go, in use or not.
TEST_P(RoughScoresTest, FollowsWhatTheMemoryLearnsAndForgets) {
  const Index count = patterns_.rows();
  if (GetParam().priors || count < 12) GTEST_SKIP() << "the others do";
  const auto work = [&](bool looks_between) {
    Memory memory = Memory::modern_hopfield(Device::cpu(), patterns_.view().slice(0, count - 9), options());
    const auto relax = [&] {
      return Relaxer(memory, {.max_steps = 3, .energies = true, .threads = 1}).relax(queries_);
    };
    const std::vector<Index> gone = {2, 5, count - 10};
    std::vector<Relaxation> all;
    all.push_back(relax());
    const auto look = [&] {
      if (looks_between) all.push_back(relax());
    };
    memory.imprint(patterns_.view().slice(count - 9, 7));
    look();
    memory.forget(gone);
    look();
    memory.imprint(patterns_.view().slice(count - 2, 2));
    look();
    memory.forget(std::vector<Index>{memory.pattern_count() - 1});
    all.push_back(relax());
    const Memory copied = memory;
    memory.imprint(queries_.view().slice(queries_.rows() - 1, 1));
    all.push_back(relax());
    all.push_back(Relaxer(copied, {.max_steps = 3, .energies = true, .threads = 1}).relax(queries_));
    return all;
  };
  for (const bool looks_between : {false, true}) {
    const std::vector<Relaxation> expected = exactly([&] { return work(looks_between); });
    const std::vector<Relaxation> found = screened([&] { return work(looks_between); });
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(same_results(found[i], expected[i])) << i;
  }
}

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all = {
      {.name = "sharp", .dimension = 64, .patterns = 300, .queries = 70, .beta = 2.0F},
      {.name = "flat", .dimension = 64, .patterns = 300, .queries = 70, .beta = 0.01F},
      {.name = "between", .dimension = 64, .patterns = 300, .queries = 70, .beta = 0.4F},
      {.name = "cosine",
       .dimension = 40,
       .patterns = 170,
       .queries = 40,
       .beta = 60.0F,
       .similarity = Similarity::cosine},
      {.name = "priors", .dimension = 24, .patterns = 101, .queries = 64, .beta = 2.0F, .priors = true},
      {.name = "long", .dimension = 300, .patterns = 40, .queries = 33, .beta = 0.3F},
      {.name = "tiny", .dimension = 1, .patterns = 3, .queries = 17, .beta = 5.0F},
      {.name = "alone", .dimension = 5, .patterns = 1, .queries = 9},
      {.name = "huge", .dimension = 33, .patterns = 130, .queries = 40, .beta = 1e-30F, .magnitude = 1e15F},
      {.name = "huge_scales", .dimension = 33, .patterns = 130, .queries = 40, .beta = 1e33F},
      {.name = "denormal", .dimension = 33, .patterns = 130, .queries = 40, .beta = 1e33F, .magnitude = 1e-39F},
  };
  return all;
}

INSTANTIATE_TEST_SUITE_P(, RoughScoresTest, testing::ValuesIn(shapes()),
                         [](const testing::TestParamInfo<Shape>& shape) { return shape.param.name; });

/// The pattern that a step from the query leads to, where others come close; −1: none.
Index found_by_a_step(MatrixView<const float> patterns, MatrixView<const float> query, float beta) {
  const ScreenScope scope(1.0F);
  const Memory memory = Memory::modern_hopfield(Device::cpu(), patterns, {.beta = beta});
  const Relaxation step = Relaxer(memory, {.max_steps = 1, .threads = 1}).relax(query);
  for (Index i = 0; i < patterns.rows; ++i)
    if (std::equal(step.states.row(0), step.states.row(0) + query.columns, patterns.row(i))) return i;
  return -1;
}

/// Entries of the state where the best pattern is are rounded down by as much as bytes can, all where another one is
/// up: by rough scores that is better by nearly as much as the bounds of both leave in question.
TEST(BoundOfRoughScoresTest, HoldsForStates) {
  constexpr Index support = 128;
  Matrix<float> patterns(40, 2 * support + 1);
  std::fill_n(patterns.data(), patterns.size(), 0.0F);
  Matrix<float> query(1, patterns.columns());
  query(0, 2 * support) = 127.0F;
  for (Index k = 0; k < support; ++k) {
    patterns(9, k) = 1.0F;
    patterns(38, support + k) = 1.0F;
    query(0, k) = 20.499F;
    query(0, support + k) = 20.501F;
  }
  patterns(9, 2 * support) = 1.0F / 127.0F;
  EXPECT_EQ(found_by_a_step(patterns, query, 1e4F), 9);
}

/// The same of patterns that are rounded, in places where the state isn't.
TEST(BoundOfRoughScoresTest, HoldsForPatterns) {
  constexpr Index support = 128;
  Matrix<float> patterns(40, support + 1);
  std::fill_n(patterns.data(), patterns.size(), 0.0F);
  Matrix<float> query = filled(1, support + 1, 1.0F);
  query(0, support) = 1.0F / 127.0F;
  for (Index k = 0; k < support; ++k) {
    patterns(9, k) = 20.499F / 127.0F;
    patterns(20, k) = 20.501F / 127.0F;
  }
  patterns(9, support) = 0.4F;
  patterns(20, support) = 0.0F;
  // The largest entry is that of others in the same panels.
  for (const Index other : {8, 21}) patterns(other, support) = 1.0F;
  EXPECT_EQ(found_by_a_step(patterns, query, 1e6F), 9);
}

}  // namespace
}  // namespace attractor::test
