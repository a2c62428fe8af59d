/// Queries and results as floats of 16 bits, and queries of any format in calls that aren't relaxations: what the
/// floats that they stand for give.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/results.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

template <class Narrow>
Matrix<Narrow> narrowed(MatrixView<const float> values) {
  Matrix<Narrow> result(values.rows, values.columns);
  for (Index i = 0; i < values.rows; ++i)
    for (Index k = 0; k < values.columns; ++k) result(i, k) = Narrow(values(i, k));
  return result;
}

template <class Narrow>
Matrix<float> widened(MatrixView<const Narrow> values) {
  Matrix<float> result(values.rows, values.columns);
  for (Index i = 0; i < values.rows; ++i)
    for (Index k = 0; k < values.columns; ++k) result(i, k) = static_cast<float>(values(i, k));
  return result;
}

/// What a format can say.
template <class Narrow>
Matrix<float> rounded(MatrixView<const float> values) {
  const Matrix<Narrow> narrow = narrowed<Narrow>(values);
  return widened(narrow.view());
}

/// Sign, exponent and mantissa of a format, by the definition.
struct Layout {
  int mantissa_bits;
  int bias;
};
template <class Narrow>
constexpr Layout layout{10, 15};
template <>
constexpr Layout layout<BFloat16>{7, 127};

template <class Narrow>
double value_of(std::uint16_t bits) {
  const auto [mantissa_bits, bias] = layout<Narrow>;
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const int exponent = (bits & 0x7fff) >> mantissa_bits;
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, 1 - bias - mantissa_bits)
                                         : std::ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

template <class Narrow>
class NarrowFloatTest : public testing::Test {};
using NarrowFloats = testing::Types<Float16, BFloat16>;
struct NarrowFloatNames {
  template <class Narrow>
  static std::string GetName(int /*index*/) {  // NOLINT(readability-identifier-naming): GoogleTest's
    return std::is_same_v<Narrow, Float16> ? "Float16" : "BFloat16";
  }
};
TYPED_TEST_SUITE(NarrowFloatTest, NarrowFloats, NarrowFloatNames);

TYPED_TEST(NarrowFloatTest, IsWhatItsBitsSay) {
  const std::uint16_t beyond = TypeParam(infinity).bits;
  for (int bits = 0; bits < 0x10000; ++bits) {
    const auto narrow = std::bit_cast<TypeParam>(static_cast<std::uint16_t>(bits));
    const auto wide = static_cast<float>(narrow);
    if ((bits & 0x7fff) > beyond) {
      EXPECT_TRUE(std::isnan(wide)) << bits;
      EXPECT_TRUE(std::isnan(static_cast<float>(TypeParam(wide)))) << bits;
      continue;
    }
    if ((bits & 0x7fff) == beyond)
      EXPECT_EQ(wide, bits < 0x8000 ? infinity : -infinity);
    else
      EXPECT_EQ(static_cast<double>(wide), value_of<TypeParam>(static_cast<std::uint16_t>(bits))) << bits;
    EXPECT_EQ(TypeParam(wide).bits, bits);
  }
}

/// Between two neighbours the nearer, or that of the even bits; past the last, ∞ from half a step on.
TYPED_TEST(NarrowFloatTest, IsTheNearest) {
  const int beyond = TypeParam(infinity).bits;
  for (int bits = 0; bits < beyond; ++bits) {
    const double low = value_of<TypeParam>(static_cast<std::uint16_t>(bits));
    const double high = value_of<TypeParam>(static_cast<std::uint16_t>(bits + 1));
    const auto middle = static_cast<float>(0.5 * (low + high));
    if (static_cast<double>(middle) != 0.5 * (low + high)) continue;  // Below what floats can say.
    const int even = bits % 2 == 0 ? bits : bits + 1;
    EXPECT_EQ(TypeParam(middle).bits, even);
    EXPECT_EQ(TypeParam(std::nextafter(middle, 0.0F)).bits, bits);
    EXPECT_EQ(TypeParam(std::nextafter(middle, infinity)).bits, bits + 1);
    EXPECT_EQ(TypeParam(-middle).bits, even | 0x8000);
  }
  EXPECT_EQ(TypeParam(std::numeric_limits<float>::max()).bits, beyond);
}

/// With elements between rows.
template <class Narrow>
MatrixView<Narrow> wide_rows(Matrix<Narrow>& storage, Index columns) {
  return {storage.data(), storage.rows(), columns, storage.columns()};
}

/// Relaxes narrow queries, states narrow or not, and expects what their floats give.
template <class Narrow>
void expect_as_floats(const Relaxer& relaxer, MatrixView<const float> queries) {
  const Matrix<float> floats = rounded<Narrow>(queries);
  const Relaxation expected = relaxer.relax(floats);
  const Index count = queries.rows;
  const Index columns = queries.columns;
  Matrix<Narrow> storage(count, columns + 3);
  for (Index i = 0; i < count; ++i) std::copy_n(narrowed<Narrow>(queries.slice(i, 1)).data(), columns, storage.row(i));
  const MatrixView<Narrow> narrow = wide_rows(storage, columns);
  EXPECT_TRUE(same_results(relaxer.relax(narrow), expected));

  Matrix<Narrow> states(count, columns + 5);
  std::fill_n(states.data(), states.size(), Narrow(7.0F));
  std::vector<std::int32_t> steps(static_cast<std::size_t>(count));
  std::vector<Status> status(steps.size());
  for (const QueryView& from : {QueryView(narrow), QueryView(floats)}) {
    relaxer.relax(from, {.states = wide_rows(states, columns), .steps = steps, .status = status});
    EXPECT_EQ(steps, expected.steps);
    EXPECT_EQ(status, expected.status);
    for (Index i = 0; i < count; ++i) {
      for (Index k = 0; k < columns; ++k) {
        const Narrow nearest(expected.states(i, k));
        EXPECT_TRUE(states(i, k).bits == nearest.bits || std::isnan(expected.states(i, k))) << i << ", " << k;
      }
      for (Index k = columns; k < states.columns(); ++k) EXPECT_EQ(states(i, k).bits, Narrow(7.0F).bits);
    }
  }
}

class NarrowSystemsTest : public testing::TestWithParam<SystemKind> {
 protected:
  Rng rng_{2200};
  Index dimension_ = std::max<Index>(45, GetParam().least_dimension);
  Matrix<float> patterns_ = random_bipolar(9, dimension_, rng_);
  Memory memory_ = GetParam().memory(patterns_);
};

TEST_P(NarrowSystemsTest, RelaxAsFloatsDo) {
  Matrix<float> queries = flipped_copies(patterns_, 70, 0.2, rng_);
  const Matrix<float> noise = random_gaussian(70, dimension_, rng_);
  for (Index i = 0; i < 50; ++i)
    for (Index k = 0; k < dimension_; ++k) queries(i, k) += 0.3F * noise(i, k);
  queries(3, 5) = not_a_number;
  queries(4, 6) = -infinity;
  for (const auto& [name, update] : all_updates()) {
    if (!GetParam().bears(update)) continue;
    SCOPED_TRACE(name);
    const Relaxer relaxer(memory_, {.update = update, .max_steps = 4, .threads = 2});
    expect_as_floats<Float16>(relaxer, queries);
    expect_as_floats<BFloat16>(relaxer, queries);
  }
}

INSTANTIATE_TEST_SUITE_P(, NarrowSystemsTest, testing::ValuesIn(all_systems()),
                         [](const auto& test) { return test.param.name; });

/// A query set in every format that can say it, with the floats that it stands for.
struct Formats {
  explicit Formats(Matrix<float> values)
      : floats(std::move(values)),
        halves(narrowed<Float16>(floats)),
        bfloats(narrowed<BFloat16>(floats)),
        integers(floats.rows(), floats.columns()),
        bits(to_bits(floats)) {
    std::transform(floats.data(), floats.data() + floats.size(), integers.data(),
                   [](float value) { return static_cast<std::int8_t>(value); });
  }

  [[nodiscard]] std::vector<QueryView> views() const { return {halves, bfloats, integers, bits}; }

  Matrix<float> floats;
  Matrix<Float16> halves;
  Matrix<BFloat16> bfloats;
  Matrix<std::int8_t> integers;
  BitMatrix bits;
};

class NarrowContentsTest : public testing::TestWithParam<SystemKind> {
 protected:
  Rng rng_{2201};
  Matrix<float> patterns_ = random_bipolar(9, 45, rng_);
  Matrix<float> contents_ = random_gaussian(9, 11, rng_);
  Memory memory_ = GetParam().contents(patterns_, contents_).memory;
  Formats queries_ = Formats(flipped_copies(patterns_, 70, 0.2, rng_));
};

TEST_P(NarrowContentsTest, AreRecalledAsByFloats) {
  const Recall expected = recall(memory_, queries_.floats);
  for (const QueryView& queries : queries_.views()) {
    const Recall result = recall(memory_, queries);
    EXPECT_TRUE(same_bits(result.contents, expected.contents));
    EXPECT_TRUE(same_bits(std::span<const float>(result.intensity), std::span<const float>(expected.intensity)));
  }
}

/// Contents of a relaxation are rounded as states are, and read out at the states as they are written.
TEST_P(NarrowContentsTest, AreRounded) {
  const Relaxer relaxer(memory_, {.update = tanh_update(0.5F), .max_steps = 3});
  Matrix<float> states(70, 45);
  Matrix<BFloat16> narrow_states(70, 45);
  Matrix<Float16> contents(70, 11);
  relaxer.relax(queries_.bfloats, {.states = states, .contents = contents});
  EXPECT_TRUE(same_bits(widened(std::as_const(contents).view()), rounded<Float16>(recall(memory_, states).contents)));
  relaxer.relax(queries_.bfloats, {.states = narrow_states, .contents = contents});
  EXPECT_TRUE(
      same_bits(widened(std::as_const(contents).view()), rounded<Float16>(recall(memory_, narrow_states).contents)));
}

INSTANTIATE_TEST_SUITE_P(, NarrowContentsTest, testing::ValuesIn(content_systems()),
                         [](const auto& test) { return test.param.name; });

TEST(QueryFormatsTest, NameTheSameNearestPatterns) {
  Rng rng(2202);
  const Matrix<float> patterns = random_bipolar(9, 45, rng);
  const Formats states(flipped_copies(patterns, 40, 0.3, rng));
  for (const Memory& memory : {Memory::hebbian(test_device(), patterns), Memory::minerva(test_device(), patterns)}) {
    const Nearest expected = nearest(memory, states.floats, {.count = 3});
    for (const QueryView& queries : states.views()) {
      const Nearest result = nearest(memory, queries, {.count = 3});
      EXPECT_EQ(result.pattern, expected.pattern);
      EXPECT_TRUE(same_bits(std::span<const float>(result.overlap), std::span<const float>(expected.overlap)));
    }
  }
}

TEST(QueryFormatsTest, RetrieveTheSamePatterns) {
  Rng rng(2203);
  const Matrix<float> patterns = random_bipolar(30, 45, rng);
  const Formats queries(flipped_copies(patterns, 40, 0.3, rng));
  for (const bool posteriors : {false, true}) {
    const Memory memory = Memory::modern_hopfield(test_device(), patterns);
    const RetrievalOptions options{.count = 3, .posteriors = posteriors};
    const Retrieval expected = retrieve(memory, queries.floats, options);
    for (const QueryView& view : queries.views()) {
      const Retrieval result = retrieve(memory, view, options);
      EXPECT_EQ(result.pattern, expected.pattern);
      EXPECT_TRUE(same_bits(std::span<const float>(result.posterior), std::span<const float>(expected.posterior)));
    }
  }
}

/// What isn't finite in any format retrieves nothing and recalls nothing.
TEST(QueryFormatsTest, FindNothingForWhatIsNotFinite) {
  const Memory memory = Memory::modern_hopfield(test_device(), matrix({{1, -1}, {-1, 1}}));
  const Matrix<float> queries = matrix({{1, 0}, {not_a_number, 0}, {0, infinity}, {0, -infinity}});
  const auto expect = [&](const QueryView& view) {
    EXPECT_EQ(retrieve(memory, view).pattern, (std::vector<Index>{0, -1, -1, -1}));
    const Recall recalled = recall(memory, view);
    for (Index i = 0; i < 4; ++i) EXPECT_EQ(std::isnan(recalled.contents(i, 1)), i > 0);
    EXPECT_EQ(nearest(memory, view).pattern, (std::vector<Index>{0, -1, -1, -1}));
  };
  expect(queries);
  expect(narrowed<Float16>(queries));
  expect(narrowed<BFloat16>(queries));
}

class HeadsFormatsTest : public testing::TestWithParam<Index> {};

/// Of bits only where each head begins with a byte.
TEST_P(HeadsFormatsTest, AreThoseOfFloats) {
  Rng rng(2204);
  const Matrix<float> patterns = random_bipolar(6, 3 * GetParam(), rng);
  const Matrix<float> contents = random_gaussian(6, 12, rng);
  const Heads heads =
      Heads::modern_hopfield(test_device(), patterns, std::vector<float>{0.5F, 1.0F, 2.0F}, {.contents = contents});
  const Formats queries(flipped_copies(patterns, 20, 0.3, rng));
  const HeadsRelaxation expected = heads.relax(queries.floats);
  for (const QueryView& view : queries.views()) {
    if (view.as<BitView<const std::uint8_t>>() != nullptr && GetParam() % 8 != 0) {
      EXPECT_THROW(static_cast<void>(heads.relax(view)), InvalidArgument);
      continue;
    }
    const HeadsRelaxation result = heads.relax(view);
    EXPECT_TRUE(same_bits(result.states, expected.states));
    EXPECT_TRUE(same_bits(result.contents, expected.contents));
  }
}

INSTANTIATE_TEST_SUITE_P(, HeadsFormatsTest, testing::Values(11, 12, 16), testing::PrintToStringParamName());

class NarrowCallTest : public testing::Test {
 protected:
  std::function<void()> relaxing(const QueryView& queries, const RelaxationView& results) {
    return [=, this] { Relaxer(memory_, {.update = sign_update()}).relax(queries, results); };
  }

  Rng rng_{2205};
  Matrix<float> patterns_ = random_bipolar(3, 20, rng_);
  Matrix<float> contents_ = random_gaussian(3, 4, rng_);
  Memory memory_ = Memory::hebbian(test_device(), patterns_, {.contents = contents_});
  Matrix<Float16> queries_ = narrowed<Float16>(patterns_);
  Matrix<BFloat16> states_ = Matrix<BFloat16>(3, 20);
  Matrix<std::int8_t> integers_ = Matrix<std::int8_t>(3, 20);
  BitMatrix bits_ = BitMatrix(3, 20);
};

TEST_F(NarrowCallTest, FormatsThatHoldLess) {
  expect_invalid(relaxing(queries_, {.states = integers_}), {"int8 states", "float16"});
  expect_invalid(relaxing(narrowed<BFloat16>(patterns_), {.states = bits_}), {"bits", "bfloat16"});
  Matrix<std::int8_t> narrow_contents(3, 4);
  BitMatrix bit_contents(3, 4);
  expect_invalid(relaxing(queries_, {.states = states_, .contents = narrow_contents}), {"contents", "int8"});
  expect_invalid(relaxing(queries_, {.states = states_, .contents = bit_contents}), {"contents", "bits"});
}

TEST_F(NarrowCallTest, ShapesAndOverlaps) {
  expect_invalid(relaxing(MatrixView<const Float16>(nullptr, 3, 20), {.states = states_}), {"queries", "null"});
  expect_invalid(relaxing({queries_.data(), 3, 19}, {.states = states_}), {"queries", "19", "20"});
  expect_invalid(relaxing({queries_.data(), 3, 20, 19}, {.states = states_}), {"queries", "stride of 19", "20"});
  expect_invalid(relaxing(queries_, {.states = {states_.data(), 2, 20}}), {"bfloat16 states", "[2, 20]", "[3, 20]"});
  expect_invalid(relaxing(queries_, {.states = {queries_.data() + 59, 3, 20}}), {"float16 states", "overlap"});
  expect_invalid(relaxing(queries_, {.states = states_, .contents = {states_.data() + 59, 3, 4}}),
                 {"contents", "overlap", "bfloat16 states"});
  Matrix<Float16> contents(3, 5);
  expect_invalid(relaxing(queries_, {.states = states_, .contents = contents}), {"contents", "[3, 5]", "[3, 4]"});
}

}  // namespace
}  // namespace attractor::test
