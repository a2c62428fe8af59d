/// Patterns and contents stored as float16 and bfloat16: how they are rounded, and that memories of them are those of
/// the rounded ones, bit for bit.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"

namespace attractor::test {
namespace {

using View = MatrixView<const float>;

/// A kind of float of 16 bits, by what IEEE 754 says of such.
struct Kind {
  std::string name;
  PatternStorage storage;
  int digits;           ///< of a mantissa, after the first one
  int least_exponent;   ///< of a normal number
  double most;          ///< the largest
  std::uint16_t codes;  ///< of finite numbers that aren't negative
};

std::ostream& operator<<(std::ostream& out, const Kind& kind) { return out << kind.name; }

const Kind half{"float16", PatternStorage::float16, 10, -14, 65504.0, 0x7c00};
const Kind brain{"bfloat16", PatternStorage::bfloat16, 7, -126, 0x1.fep127, 0x7f80};

/// To the nearest number of this kind, ties to that whose last digit is 0.
float rounded(const Kind& kind, float value) {
  int exponent = 0;
  std::frexp(static_cast<double>(value), &exponent);
  const double unit = std::ldexp(1.0, std::max(exponent - 1, kind.least_exponent) - kind.digits);
  return static_cast<float>(std::nearbyint(static_cast<double>(value) / unit) * unit);
}

Matrix<float> rounded(const Kind& kind, View values) {
  Matrix<float> result(values.rows, values.columns);
  for (Index i = 0; i < values.rows; ++i)
    for (Index k = 0; k < values.columns; ++k) result(i, k) = rounded(kind, values(i, k));
  return result;
}

/// The n-th number that isn't negative.
float number(const Kind& kind, int n) {
  const int steps = 1 << kind.digits;
  const int exponent = std::max(n / steps, 1);
  return static_cast<float>(std::ldexp(n - (exponent - 1) * steps, exponent - 1 + kind.least_exponent - kind.digits));
}

/// All numbers of a kind, in rows whose numbers are about as large.
Matrix<float> all_numbers(const Kind& kind) {
  constexpr Index columns = 64;
  Matrix<float> result(Index{2} * kind.codes / columns, columns);
  for (int n = 0; n < kind.codes; ++n) {
    result.data()[n] = number(kind, n);
    result.data()[kind.codes + n] = -number(kind, n);
  }
  return result;
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "nothing was refused";
}

/// Whether everything that can be asked of two memories has the same answer.
void expect_same(const Memory& a, const Memory& b, View queries, int threads) {
  for (const Update& update : std::initializer_list<Update>{readout_update(), sign_update(), blend_update(0.5F)}) {
    const RelaxerOptions options{
        .update = update, .max_steps = 6, .energies = true, .energy_trace = true, .threads = threads};
    EXPECT_TRUE(same_results(Relaxer(a, options).relax(queries), Relaxer(b, options).relax(queries)));
  }
  EXPECT_TRUE(same_bits(recall(a, queries, {.threads = threads}).contents.view(),
                        recall(b, queries, {.threads = threads}).contents.view()));
  for (const Index count : {Index{1}, std::min<Index>(a.pattern_count(), 7)}) {
    const Retrieval one = retrieve(a, queries, {.count = count, .threads = threads});
    const Retrieval other = retrieve(b, queries, {.count = count, .threads = threads});
    EXPECT_EQ(one.pattern, other.pattern);
    EXPECT_TRUE(same_bits(one.posterior, other.posterior));
  }
}

class PatternStorageTest : public testing::TestWithParam<Kind> {
 protected:
  [[nodiscard]] static ModernHopfieldOptions stored(ModernHopfieldOptions options) {
    options.storage = GetParam().storage;
    return options;
  }

  /// The same of their contents.
  [[nodiscard]] static ModernHopfieldOptions with_contents(ModernHopfieldOptions options, View contents) {
    options.contents = contents;
    options.content_storage = GetParam().storage;
    return options;
  }

  /// Whether a memory of these patterns keeps contents as their rounded ones, and is the memory of those.
  static void expect_contents_rounded(View patterns, View contents, ModernHopfieldOptions options, View queries,
                                      int threads) {
    const Matrix<float> exact = rounded(GetParam(), contents);
    const Memory memory = Memory::modern_hopfield(test_device(), patterns, with_contents(options, contents));
    options.contents = exact;
    EXPECT_TRUE(same_bits(memory.contents(), exact));
    expect_same(memory, Memory::modern_hopfield(test_device(), patterns, options), queries, threads);
  }

  Rng rng_{77};
};

TEST_P(PatternStorageTest, EveryNumberOfTheKindStaysAsItIs) {
  const Matrix<float> numbers = all_numbers(GetParam());

  EXPECT_TRUE(same_bits(Memory::modern_hopfield(test_device(), numbers, stored({})).patterns(), numbers));
}

TEST_P(PatternStorageTest, RoundsToNearestTiesToEven) {
  const Kind& kind = GetParam();
  std::vector<float> values;
  for (int n = 0; n + 1 < kind.codes; ++n) {
    const float low = number(kind, n);
    const float high = number(kind, n + 1);
    const float middle = low + 0.5F * (high - low);
    for (const float value : {std::nextafterf(low, high), std::nextafterf(middle, low), middle,
                              std::nextafterf(middle, high), std::nextafterf(high, low)}) {
      values.push_back(value);
      values.push_back(-value);
    }
  }
  const View given(values.data(), 1, std::ssize(values));

  EXPECT_TRUE(
      same_bits(Memory::modern_hopfield(test_device(), given, stored({})).patterns(), rounded(kind, given).view()));
}

TEST_P(PatternStorageTest, TakesWhatRoundsToTheLargestAndNoMore) {
  const Kind& kind = GetParam();
  const auto most = static_cast<float>(kind.most);
  const float beyond = most + std::ldexp(1.0F, std::ilogb(most) - kind.digits - 1);  // Half a unit more.
  const float last = std::nextafterf(beyond, 0.0F);
  Memory memory = Memory::modern_hopfield(test_device(), matrix({{last, -last}}), stored({}));
  EXPECT_TRUE(same_bits(memory.patterns(), matrix({{most, -most}})));
  const Matrix<float> wrong = matrix({{1, 2}, {3, -beyond}});

  for (const std::string& message :
       {message_of([&] { static_cast<void>(Memory::modern_hopfield(test_device(), wrong, stored({}))); }),
        message_of([&] { memory.imprint(wrong); }),
        message_of([&] { static_cast<void>(Memory::exponential(test_device(), wrong, {.storage = kind.storage})); })})
    for (const std::string& word : {kind.name, std::string("row 1, column 1"), std::string("is -")})
      EXPECT_NE(message.find(word), std::string::npos) << message << " lacks " << word;

  EXPECT_TRUE(same_bits(memory.patterns(), matrix({{most, -most}})));
}

std::vector<ModernHopfieldOptions> all_options() {
  std::vector<ModernHopfieldOptions> result;
  for (const Similarity similarity :
       {Similarity::dot, Similarity::squared_distance, Similarity::manhattan, Similarity::cosine})
    for (const NormalisedSeparation& separation : {softmax(), sparsemax(), entmax(1.3F), normmax(2.0F), top(3)})
      result.push_back(
          {.beta = similarity == Similarity::cosine ? 8.0F : 0.5F, .similarity = similarity, .separation = separation});
  for (const Similarity similarity : {Similarity::squared_distance, Similarity::manhattan})
    result.push_back({.beta = 0.1F, .similarity = similarity, .separation = epanechnikov()});
  return result;
}

TEST_P(PatternStorageTest, IsTheMemoryOfTheRoundedPatterns) {
  struct Shape {
    Index patterns;
    Index dimension;
    Index queries;
  };
  for (const Shape& shape : std::initializer_list<Shape>{{1, 1, 1}, {9, 13, 3}, {70, 65, 5}, {200, 24, 70}}) {
    const Matrix<float> patterns = random_gaussian(shape.patterns, shape.dimension, rng_);
    const Matrix<float> queries = noisy_copies(patterns, shape.queries, 0.1F, 1.5F, rng_);
    for (const ModernHopfieldOptions& options : all_options()) {
      SCOPED_TRACE(testing::Message() << "P=" << shape.patterns << " D=" << shape.dimension << " "
                                      << Memory::modern_hopfield(test_device(), patterns, options).rule());
      expect_same(Memory::modern_hopfield(test_device(), patterns, stored(options)),
                  Memory::modern_hopfield(test_device(), rounded(GetParam(), patterns), options), queries,
                  1 + static_cast<int>(shape.queries % 3));
    }
  }
}

TEST_P(PatternStorageTest, IsTheMemoryOfTheRoundedPatternsFarFromZero) {
  Matrix<float> patterns = random_gaussian(50, 37, rng_);
  for (Index i = 0; i < 50; ++i)
    for (Index k = 0; k < 37; k += 2) patterns(i, k) += 40.0F;
  const Matrix<float> queries = noisy_copies(patterns, 40, 0.1F, 0.5F, rng_);
  for (const Similarity similarity : {Similarity::dot, Similarity::squared_distance})
    for (const NormalisedSeparation& separation : {softmax(), entmax(1.5F)}) {
      const ModernHopfieldOptions options{.beta = 0.5F, .similarity = similarity, .separation = separation};
      expect_same(Memory::modern_hopfield(test_device(), patterns, stored(options)),
                  Memory::modern_hopfield(test_device(), rounded(GetParam(), patterns), options), queries, 2);
    }
}

TEST_P(PatternStorageTest, ManyPatternsOfWhichManyHaveWeight) {
  const Matrix<float> patterns = random_gaussian(3000, 20, rng_);
  const Matrix<float> queries = random_gaussian(70, 20, rng_);
  for (const float beta : {0.01F, 0.3F, 2.0F})
    for (const Index count : {1, 4, 5, 70}) {
      const ModernHopfieldOptions options{.beta = beta};
      expect_same(Memory::modern_hopfield(test_device(), patterns, stored(options)),
                  Memory::modern_hopfield(test_device(), rounded(GetParam(), patterns), options),
                  queries.view().slice(0, count), 1);
    }
}

/// Panels are decoded four at a time, wherever scoring begins.
TEST_P(PatternStorageTest, SegmentsThatBeginAtAnyPanel) {
  const Matrix<float> patterns = random_gaussian(300, 20, rng_);
  const Matrix<float> queries = noisy_copies(patterns, 40, 0.1F, 1.5F, rng_);
  for (const Index size : {8, 24, 40, 56}) {
    detail::Sizes sizes;
    sizes.pattern_block = sizes.segment_patterns = sizes.scanned_patterns = size;
    const SizesScope scope(sizes);
    for (const NormalisedSeparation& separation : {softmax(), entmax(1.5F)})
      for (const Index count : {1, 3, 40}) {
        const ModernHopfieldOptions options{.beta = 0.3F, .separation = separation};
        expect_same(Memory::modern_hopfield(test_device(), patterns, stored(options)),
                    Memory::modern_hopfield(test_device(), rounded(GetParam(), patterns), options),
                    queries.view().slice(0, count), 1);
      }
  }
}

/// Posteriors tell the score of a row, and a readout the row itself.
TEST_P(PatternStorageTest, KernelsReadEveryNumber) {
  const Matrix<float> numbers = all_numbers(GetParam());
  for (Index i = 0; i < numbers.rows(); ++i) {
    const View row = numbers.view().slice(i, 1);
    const double largest = std::max(std::abs(row(0, 0)), std::abs(row(0, row.columns - 1)));
    // Scores of about 1, of numbers of any size.
    const double unit = std::min(0.01 / largest, 1e30);
    Matrix<float> patterns = filled(3, row.columns, 0.0F);
    Matrix<float> query(1, row.columns);
    for (Index k = 0; k < row.columns; ++k) {
      patterns(0, k) = row(0, k);
      patterns(2, k) = -row(0, k);
      query(0, k) = static_cast<float>(unit * static_cast<double>(1 + k % 3));
    }
    const ModernHopfieldOptions soft{.beta = static_cast<float>(std::min(0.01 / (largest * unit), 1e8))};
    const ModernHopfieldOptions hard{.beta = soft.beta, .separation = top(1)};
    const auto posteriors = [&](const ModernHopfieldOptions& options) {
      return retrieve(Memory::modern_hopfield(test_device(), patterns, options), query, {.count = 3}).posterior;
    };
    const auto readout = [&](const ModernHopfieldOptions& options) {
      return recall(Memory::modern_hopfield(test_device(), patterns, options), query).contents;
    };
    ASSERT_GT(std::abs(posteriors(soft)[0] - posteriors(soft)[1]), 1e-4F) << i;
    ASSERT_TRUE(same_bits(posteriors(stored(soft)), posteriors(soft))) << i;
    ASSERT_TRUE(same_bits(readout(stored(hard)).view(), readout(hard).view())) << i;
    ASSERT_EQ(std::abs(readout(hard)(0, 5)), std::abs(row(0, 5))) << i;
  }
}

TEST_P(PatternStorageTest, ExponentialMemoriesAndContents) {
  const Matrix<float> patterns = random_gaussian(33, 19, rng_);
  const Matrix<float> contents = random_gaussian(33, 3, rng_);
  const Matrix<float> exact = rounded(GetParam(), patterns);
  const Matrix<float> queries = noisy_copies(patterns, 20, 0.1F, 1.0F, rng_);
  for (const View some : {View(), contents.view()}) {
    expect_same(Memory::exponential(test_device(), patterns, {.storage = GetParam().storage, .contents = some}),
                Memory::exponential(test_device(), exact, {.contents = some}), queries, 1);
    expect_same(Memory::modern_hopfield(test_device(), patterns, stored({.contents = some})),
                Memory::modern_hopfield(test_device(), exact, {.contents = some}), queries, 1);
  }
}

TEST_P(PatternStorageTest, PriorsMasksAndTemperaturesOfCalls) {
  const Matrix<float> patterns = random_gaussian(40, 21, rng_);
  const Matrix<float> queries = noisy_copies(patterns, 30, 0.1F, 1.0F, rng_);
  std::vector<float> prior(40);
  for (std::size_t i = 0; i < prior.size(); ++i)
    prior[i] = i % 7 == 0 ? -std::numeric_limits<float>::infinity() : 0.1F * static_cast<float>(i % 5);
  const Matrix<std::uint8_t> valid = random_mask(30, 40, 0.7, rng_);
  const std::vector<float> betas = {0.2F, 0.7F, 1.5F};
  const ModernHopfieldOptions options{.log_prior = prior};
  const Memory memory = Memory::modern_hopfield(test_device(), patterns, stored(options));
  const Memory plain = Memory::modern_hopfield(test_device(), rounded(GetParam(), patterns), options);
  const RelaxCall call{.valid_patterns = valid, .betas = betas};

  EXPECT_TRUE(same_results(Relaxer(memory).relax(queries, call), Relaxer(plain).relax(queries, call)));
}

TEST_P(PatternStorageTest, AQuerysBitsDependOnNoOther) {
  const Matrix<float> patterns = random_gaussian(150, 33, rng_);
  const Matrix<float> queries = noisy_copies(patterns, 67, 0.1F, 1.5F, rng_);
  for (const NormalisedSeparation& separation : {softmax(), entmax(1.5F)}) {
    const Relaxer relaxer(
        Memory::modern_hopfield(test_device(), patterns, stored({.beta = 0.4F, .separation = separation})));
    const Relaxation all = relaxer.relax(queries);
    for (const Index i : sample_rows(67, 20, rng_))
      EXPECT_TRUE(same_row(all, i, relaxer.relax(queries.view().slice(i, 1)), 0)) << i;
  }
}

/// As if made at once, at each step.
TEST_P(PatternStorageTest, GrowsAndForgets) {
  Matrix<float> patterns = random_gaussian(16, 17, rng_);
  // Alone, then off the middle, at the middle, and beyond a quarter of the largest: they are read less a centre that
  // comes and goes.
  Matrix<float> far = copy(patterns);
  for (Index i = 0; i < 16; ++i)
    for (Index k = 0; k < 17; ++k) far(i, k) += i < 5 ? 100.0F : i < 13 ? 66.0F : 0.0F;
  for (const Matrix<float>* const rows : {&patterns, &far})
    for (const Similarity similarity : {Similarity::dot, Similarity::squared_distance, Similarity::cosine}) {
      const ModernHopfieldOptions options{.beta = 0.02F, .similarity = similarity};
      const Matrix<float> exact = rounded(GetParam(), *rows);
      const auto expect_memory_of = [&](const Memory& memory, View stored_rows) {
        ASSERT_TRUE(same_bits(memory.patterns(), stored_rows));
        expect_same(memory, Memory::modern_hopfield(test_device(), stored_rows, options), *rows, 1);
      };
      Memory grown = Memory::modern_hopfield(test_device(), rows->view().slice(0, 1), stored(options));
      for (Index i = 1; i < 16; ++i) {
        grown.imprint(rows->view().slice(i, 1));
        expect_memory_of(grown, exact.view().slice(0, i + 1));
      }
      Memory shrunk = grown;
      for (Index left = 15; left > 0; --left) {
        grown.forget({0});
        expect_memory_of(grown, exact.view().slice(16 - left, left));
        shrunk.forget({left});
        expect_memory_of(shrunk, exact.view().slice(0, left));
      }
      shrunk.forget({0});
      shrunk.imprint(*rows);
      expect_memory_of(shrunk, exact);
    }
}

TEST_P(PatternStorageTest, IsDescribedAndComesAfterNone) {
  Memory memory = Memory::modern_hopfield(test_device(), View(nullptr, 0, 3), stored({}));
  EXPECT_EQ(memory.rule(), "modern_hopfield(beta = 1, similarity = dot, separation = softmax, storage = " +
                               GetParam().name + ", content_storage = float32, precision = full)");

  memory.imprint(matrix({{0.1F, 0.2F, 0.3F}}));

  EXPECT_TRUE(same_bits(memory.patterns(), rounded(GetParam(), matrix({{0.1F, 0.2F, 0.3F}}))));
}

TEST_P(PatternStorageTest, Heads) {
  const Matrix<float> patterns = random_gaussian(12, 10, rng_);
  const std::vector<float> betas = {0.5F, 2.0F};
  const auto relax_by = [&](View rows, const ModernHopfieldOptions& options) {
    return Heads::modern_hopfield(test_device(), rows, betas, options).relax(patterns).states;
  };

  EXPECT_TRUE(same_bits(relax_by(patterns, stored({})).view(), relax_by(rounded(GetParam(), patterns), {}).view()));
}

TEST_P(PatternStorageTest, IsTheMemoryOfTheRoundedContents) {
  struct Shape {
    Index patterns;
    Index dimension;
    Index contents;
    Index queries;
  };
  for (const Shape& shape :
       std::initializer_list<Shape>{{1, 1, 1, 1}, {9, 13, 3, 3}, {33, 5, 129, 2}, {70, 20, 65, 5}, {200, 24, 17, 70}}) {
    const Matrix<float> patterns = random_gaussian(shape.patterns, shape.dimension, rng_);
    const Matrix<float> contents = random_gaussian(shape.patterns, shape.contents, rng_);
    const Matrix<float> queries = noisy_copies(patterns, shape.queries, 0.1F, 1.5F, rng_);
    for (const ModernHopfieldOptions& options : all_options()) {
      SCOPED_TRACE(testing::Message() << "P=" << shape.patterns << " M=" << shape.contents << " "
                                      << Memory::modern_hopfield(test_device(), patterns, options).rule());
      expect_contents_rounded(patterns, contents, options, queries, 1 + static_cast<int>(shape.queries % 3));
    }
  }
}

/// Each is rounded to its own kind, or not at all.
TEST_P(PatternStorageTest, PatternsAndContentsAreStoredEachInTheirWay) {
  const Matrix<float> patterns = random_gaussian(33, 19, rng_);
  const Matrix<float> contents = random_gaussian(33, 11, rng_);
  const Matrix<float> exact = rounded(GetParam(), contents);
  const Matrix<float> queries = noisy_copies(patterns, 20, 0.1F, 1.0F, rng_);
  for (const PatternStorage storage : {PatternStorage::float32, PatternStorage::float16, PatternStorage::bfloat16}) {
    const Memory modern =
        Memory::modern_hopfield(test_device(), patterns, with_contents({.storage = storage}, contents));
    expect_same(modern, Memory::modern_hopfield(test_device(), patterns, {.storage = storage, .contents = exact}),
                queries, 1);
    const ExponentialOptions options{.storage = storage, .contents = contents, .content_storage = GetParam().storage};
    const Memory exponential = Memory::exponential(test_device(), patterns, options);
    expect_same(exponential, Memory::exponential(test_device(), patterns, {.storage = storage, .contents = exact}),
                queries, 1);
    EXPECT_TRUE(same_bits(exponential.contents(), exact));
    EXPECT_TRUE(same_bits(modern.patterns(), exponential.patterns()));
  }
}

/// Contents are read row by row where most patterns have weight, else term by term.
TEST_P(PatternStorageTest, ContentsOfManyPatternsOfWhichManyHaveWeight) {
  const Matrix<float> patterns = random_gaussian(3000, 20, rng_);
  const Matrix<float> contents = random_gaussian(3000, 27, rng_);
  const Matrix<float> exact = rounded(GetParam(), contents);
  const Matrix<float> queries = random_gaussian(70, 20, rng_);
  for (const float beta : {0.01F, 0.3F, 2.0F})
    for (const NormalisedSeparation& separation : {softmax(), entmax(1.5F), top(5)}) {
      const ModernHopfieldOptions plain{.beta = beta, .separation = separation, .contents = exact};
      const Memory memory = Memory::modern_hopfield(test_device(), patterns, with_contents(plain, contents));
      const Memory expected = Memory::modern_hopfield(test_device(), patterns, plain);
      for (const Index count : {1, 4, 5, 70}) {
        const View some = queries.view().slice(0, count);
        EXPECT_TRUE(same_bits(recall(memory, some).contents.view(), recall(expected, some).contents.view())) << count;
      }
    }
}

TEST_P(PatternStorageTest, ContentsOfBlocksThatBeginAtAnyPanel) {
  const Matrix<float> patterns = random_gaussian(300, 20, rng_);
  const Matrix<float> contents = random_gaussian(300, 75, rng_);
  const Matrix<float> queries = noisy_copies(patterns, 40, 0.1F, 1.5F, rng_);
  for (const Index size : {8, 24, 40, 56}) {
    detail::Sizes sizes;
    sizes.pattern_block = sizes.segment_patterns = sizes.scanned_patterns = size;
    sizes.readout_strip = size / 3;
    const SizesScope scope(sizes);
    for (const NormalisedSeparation& separation : {softmax(), entmax(1.5F)})
      for (const Index count : {1, 3, 40})
        expect_contents_rounded(patterns, contents, {.beta = 0.3F, .separation = separation},
                                queries.view().slice(0, count), 2);
  }
}

TEST_P(PatternStorageTest, KernelsReadEveryNumberOfContents) {
  const Matrix<float> numbers = all_numbers(GetParam());
  const Matrix<float> patterns = matrix({{1}, {0}, {-1}});
  const Matrix<float> queries = filled(40, 1, 0.5F);
  for (Index i = 0; i < numbers.rows(); ++i) {
    Matrix<float> contents = filled(3, numbers.columns(), 0.0F);
    for (Index k = 0; k < numbers.columns(); ++k) {
      contents(0, k) = numbers(i, k);
      contents(2, k) = -numbers(i, k);
    }
    for (const Index count : {1, 40}) {
      const auto readout = [&](const ModernHopfieldOptions& options) {
        return recall(Memory::modern_hopfield(test_device(), patterns, options), queries.view().slice(0, count))
            .contents;
      };
      const ModernHopfieldOptions soft{.contents = contents};
      const ModernHopfieldOptions hard{.separation = top(1), .contents = contents};
      ASSERT_TRUE(same_bits(readout(with_contents(soft, contents)).view(), readout(soft).view())) << i;
      const Matrix<float> read = readout(with_contents(hard, contents));
      for (Index k = 0; k < numbers.columns(); ++k) ASSERT_EQ(read(count - 1, k), numbers(i, k)) << i;
    }
  }
}

TEST_P(PatternStorageTest, ContentsOfCallsWithPriorsMasksAndTemperatures) {
  const Matrix<float> patterns = random_gaussian(40, 21, rng_);
  const Matrix<float> contents = random_gaussian(40, 9, rng_);
  const Matrix<float> exact = rounded(GetParam(), contents);
  const Matrix<float> queries = noisy_copies(patterns, 30, 0.1F, 1.0F, rng_);
  const Matrix<float> prior = random_gaussian(30, 40, rng_);
  const Matrix<std::uint8_t> valid = random_mask(30, 40, 0.7, rng_);
  const std::vector<float> betas = {0.2F, 0.7F, 1.5F};
  const Memory memory = Memory::modern_hopfield(test_device(), patterns, with_contents({}, contents));
  const Memory plain = Memory::modern_hopfield(test_device(), patterns, {.contents = exact});
  const RelaxCall call{.valid_patterns = valid, .log_prior = prior, .betas = betas};
  const RecallOptions options{.valid_patterns = valid, .log_prior = prior};

  EXPECT_TRUE(same_results(Relaxer(memory).relax(queries, call), Relaxer(plain).relax(queries, call)));
  EXPECT_TRUE(
      same_bits(recall(memory, queries, options).contents.view(), recall(plain, queries, options).contents.view()));
}

TEST_P(PatternStorageTest, WhatAQueryRecallsDependsOnNoOther) {
  const Matrix<float> patterns = random_gaussian(150, 33, rng_);
  const Matrix<float> contents = random_gaussian(150, 21, rng_);
  const Matrix<float> queries = noisy_copies(patterns, 67, 0.1F, 1.5F, rng_);
  for (const NormalisedSeparation& separation : {softmax(), entmax(1.5F), top(2)}) {
    const Memory memory = Memory::modern_hopfield(test_device(), patterns,
                                                  with_contents({.beta = 0.4F, .separation = separation}, contents));
    const Matrix<float> all = recall(memory, queries).contents;
    for (const Index count : {1, 9, 33})
      for (const Index row : sample_rows(67, 5, rng_)) {
        const Index first = std::min(row, 67 - count);
        const Matrix<float> few = recall(memory, queries.view().slice(first, count)).contents;
        EXPECT_TRUE(same_bits(few.view(), all.view().slice(first, count))) << first << " " << count;
      }
  }
}

/// As if made at once, at each step, and whoever holds a copy.
TEST_P(PatternStorageTest, ContentsGrowAndAreForgotten) {
  const Matrix<float> patterns = random_gaussian(16, 17, rng_);
  const Matrix<float> contents = random_gaussian(16, 5, rng_);
  const Matrix<float> exact = rounded(GetParam(), contents);
  const auto expect_memory_of = [&](const Memory& memory, Index first, Index count) {
    const View stored_contents = exact.view().slice(first, count);
    const View rows = patterns.view().slice(first, count);
    ASSERT_TRUE(same_bits(memory.contents(), stored_contents));
    expect_same(memory, Memory::modern_hopfield(test_device(), rows, {.contents = stored_contents}), patterns, 1);
  };
  const auto imprint_row = [&](Memory& memory, Index i) {
    memory.imprint(patterns.view().slice(i, 1), contents.view().slice(i, 1));
  };
  Memory grown = Memory::modern_hopfield(test_device(), patterns.view().slice(0, 1),
                                         with_contents({}, contents.view().slice(0, 1)));
  for (Index i = 1; i < 16; ++i) {
    const Memory before = grown;
    if (i % 2 == 0) imprint_row(grown, i);
    Memory copied = before;
    if (i % 2 == 1) imprint_row(copied, i);
    if (i % 2 == 1) grown = copied;
    expect_memory_of(before, 0, i);
    expect_memory_of(grown, 0, i + 1);
  }
  Memory alone = Memory::modern_hopfield(test_device(), patterns.view().slice(0, 1),
                                         with_contents({}, contents.view().slice(0, 1)));
  for (Index i = 1; i < 16; ++i) imprint_row(alone, i);
  expect_memory_of(alone, 0, 16);
  Memory shrunk = grown;
  for (Index left = 15; left > 0; --left) {
    alone.forget({0});
    expect_memory_of(alone, 16 - left, left);
    shrunk.forget({left});
    expect_memory_of(shrunk, 0, left);
  }
  shrunk.forget({0});
  shrunk.imprint(patterns, contents);
  expect_memory_of(shrunk, 0, 16);
  shrunk.imprint(shrunk.patterns(), shrunk.contents());
  EXPECT_TRUE(same_bits(shrunk.contents().slice(16, 16), exact));
}

TEST_P(PatternStorageTest, ContentsBeyondTheRangeAreRefused) {
  const Kind& kind = GetParam();
  const auto most = static_cast<float>(kind.most);
  const float beyond = most + std::ldexp(1.0F, std::ilogb(most) - kind.digits - 1);  // Half a unit more.
  const Matrix<float> patterns = matrix({{1, 2}, {3, 4}});
  const Matrix<float> wrong = matrix({{1}, {-beyond}});
  const Matrix<float> last = matrix({{std::nextafterf(beyond, 0.0F)}, {-std::nextafterf(beyond, 0.0F)}});
  const ModernHopfieldOptions options = with_contents({}, wrong);
  Memory memory = Memory::modern_hopfield(test_device(), patterns, with_contents({}, last));
  EXPECT_TRUE(same_bits(memory.contents(), matrix({{most}, {-most}})));

  for (const std::string& message :
       {message_of([&] { static_cast<void>(Memory::modern_hopfield(test_device(), patterns, options)); }),
        message_of([&] { memory.imprint(patterns, wrong); }), message_of([&] {
          static_cast<void>(
              Memory::exponential(test_device(), patterns, {.contents = wrong, .content_storage = kind.storage}));
        }),
        message_of([&] {
          const std::vector<float> betas = {1.0F};
          static_cast<void>(Heads::modern_hopfield(test_device(), patterns, betas, options));
        })})
    for (const std::string& word :
         {"contents are beyond the range of " + kind.name, std::string("row 1, column 0"), std::string("is -")})
      EXPECT_NE(message.find(word), std::string::npos) << message << " lacks " << word;

  EXPECT_TRUE(same_bits(memory.contents(), matrix({{most}, {-most}})));
  EXPECT_EQ(memory.pattern_count(), 2);
}

TEST_P(PatternStorageTest, ContentsThatAreNotThereAreNotStored) {
  const Kind& kind = GetParam();
  const Matrix<float> patterns = matrix({{1, 2}, {3, 4}});
  const std::vector<float> betas = {1.0F, 2.0F};

  for (const std::string& message :
       {message_of([&] { static_cast<void>(Memory::modern_hopfield(test_device(), patterns, with_contents({}, {}))); }),
        message_of([&] {
          static_cast<void>(Memory::exponential(test_device(), patterns, {.content_storage = kind.storage}));
        }),
        message_of(
            [&] { static_cast<void>(Heads::modern_hopfield(test_device(), patterns, betas, with_contents({}, {}))); })})
    EXPECT_NE(message.find("contents are to be stored as " + kind.name + ", and none were given"), std::string::npos)
        << message;
}

TEST_P(PatternStorageTest, StoredContentsAreDescribedAndComeAfterNone) {
  Memory memory = Memory::modern_hopfield(test_device(), View(nullptr, 0, 3), with_contents({}, View(nullptr, 0, 2)));
  EXPECT_EQ(memory.rule(),
            "modern_hopfield(beta = 1, similarity = dot, separation = softmax, storage = float32, content_storage = " +
                GetParam().name + ", precision = full)");
  EXPECT_EQ(memory.content_dimension(), 2);

  memory.imprint(matrix({{1, 2, 3}}), matrix({{0.1F, 0.2F}}));

  EXPECT_TRUE(same_bits(memory.contents(), rounded(GetParam(), matrix({{0.1F, 0.2F}}))));
}

TEST_P(PatternStorageTest, HeadsWithContents) {
  const Matrix<float> patterns = random_gaussian(12, 10, rng_);
  const Matrix<float> contents = random_gaussian(12, 6, rng_);
  const Matrix<float> exact = rounded(GetParam(), contents);
  const std::vector<float> betas = {0.5F, 2.0F};
  const auto read_out = [&](const ModernHopfieldOptions& options) {
    return Heads::modern_hopfield(test_device(), patterns, betas, options).relax(patterns).contents;
  };

  EXPECT_TRUE(same_bits(read_out(with_contents({}, contents)).view(), read_out({.contents = exact}).view()));
}

INSTANTIATE_TEST_SUITE_P(, PatternStorageTest, testing::Values(half, brain),
                         [](const auto& test) { return test.param.name; });

TEST(PatternStorageNameTest, AStorageWithoutANameIsRefused) {
  const auto unknown = static_cast<PatternStorage>(9);

  EXPECT_THROW(Memory::modern_hopfield(test_device(), matrix({{1}}), {.storage = unknown}), InvalidArgument);
  EXPECT_THROW(
      Memory::modern_hopfield(test_device(), matrix({{1}}), {.contents = matrix({{1}}), .content_storage = unknown}),
      InvalidArgument);
}

}  // namespace
}  // namespace attractor::test
