/// Queries and states as packed bits and in int8: the results of the same floats, bit for bit.

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

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

constexpr std::uint8_t untouched = 0xA5;
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// Rows of bits or int8 with bytes between them.
struct Rows {
  Rows(Index row_count, Index column_count, Index row_bytes)
      : columns(column_count), used(row_bytes), bytes(filled<std::uint8_t>(row_count, row_bytes + 3, untouched)) {}

  std::int8_t* integers() { return static_cast<std::int8_t*>(static_cast<void*>(bytes.data())); }
  MatrixView<std::int8_t> as_int8() { return {integers(), bytes.rows(), columns, bytes.columns()}; }
  BitView<std::uint8_t> as_bits() { return {bytes.data(), bytes.rows(), columns, bytes.columns()}; }

  /// Nothing was written between rows.
  [[nodiscard]] bool kept_apart() const {
    for (Index i = 0; i < bytes.rows(); ++i)
      for (Index k = used; k < bytes.columns(); ++k)
        if (bytes(i, k) != untouched) return false;
    return true;
  }

  Index columns;
  Index used;
  Matrix<std::uint8_t> bytes;
};

Rows int8_rows(Index rows, Index columns) { return {rows, columns, columns}; }
Rows bit_rows(Index rows, Index columns) { return {rows, columns, (columns + 7) / 8}; }

Rows in_int8(MatrixView<const float> values) {
  Rows rows = int8_rows(values.rows, values.columns);
  for (Index i = 0; i < values.rows; ++i)
    for (Index k = 0; k < values.columns; ++k) rows.as_int8()(i, k) = static_cast<std::int8_t>(values(i, k));
  return rows;
}

/// As NumPy has it, with the bits past the last set or not as they come.
Rows in_bits(MatrixView<const float> values) {
  Rows rows = bit_rows(values.rows, values.columns);
  for (Index i = 0; i < values.rows; ++i)
    for (Index k = 0; k < values.columns; ++k) {
      std::uint8_t& byte = rows.bytes(i, k / 8);
      const auto bit = static_cast<std::uint8_t>(128U >> static_cast<unsigned>(k % 8));
      byte = static_cast<std::uint8_t>(values(i, k) > 0.0F ? byte | bit : byte & ~bit);
    }
  return rows;
}

Matrix<float> floats_of(Rows& rows, bool bits) {
  Matrix<float> values(rows.bytes.rows(), rows.columns);
  for (Index i = 0; i < values.rows(); ++i)
    for (Index k = 0; k < values.columns(); ++k)
      values(i, k) = bits ? (rows.bytes(i, k / 8) >> static_cast<unsigned>(7 - k % 8) & 1U) != 0 ? 1.0F : -1.0F
                          : static_cast<float>(rows.as_int8()(i, k));
  return values;
}

/// Bits past the last entry are 0, where a row has been written.
bool pads_with_zeros(const Rows& rows) {
  if (rows.columns % 8 == 0) return true;
  for (Index i = 0; i < rows.bytes.rows(); ++i) {
    const std::uint8_t last = rows.bytes(i, rows.used - 1);
    if (last != untouched && (last & (0xFFU >> static_cast<unsigned>(rows.columns % 8))) != 0) return false;
  }
  return true;
}

enum class Format { floats, int8, bits };

/// What a call gives for these queries in one format, with states in another.
Relaxation relax_as(const Relaxer& relaxer, MatrixView<const float> queries, Format from, Format to,
                    const RelaxCall& call = {}) {
  const auto count = static_cast<std::size_t>(queries.rows);
  const RelaxerOptions& options = relaxer.options();
  const Index content_columns = relaxer.memory().content_dimension();
  Relaxation result{
      .states = Matrix<float>(queries.rows, queries.columns),
      .steps = std::vector<std::int32_t>(count),
      .energies = std::vector<float>(options.energies ? count : 0),
      .status = std::vector<Status>(count),
      .energy_trace = options.energy_trace ? Matrix<float>(queries.rows, options.max_steps) : Matrix<float>(),
      .contents = content_columns > 0 ? Matrix<float>(queries.rows, content_columns) : Matrix<float>()};
  RelaxationView view{.steps = result.steps,
                      .energies = result.energies,
                      .status = result.status,
                      .energy_trace = result.energy_trace,
                      .contents = result.contents};
  Rows states = to == Format::bits ? bit_rows(queries.rows, queries.columns) : int8_rows(queries.rows, queries.columns);
  if (to == Format::bits)
    view.states = states.as_bits();
  else if (to == Format::int8)
    view.states = states.as_int8();
  else
    view.states = result.states;
  if (from == Format::bits)
    relaxer.relax(in_bits(queries).as_bits(), view, call);
  else if (from == Format::int8)
    relaxer.relax(in_int8(queries).as_int8(), view, call);
  else
    relaxer.relax(queries, view, call);
  if (to != Format::floats) {
    EXPECT_TRUE(states.kept_apart());
    EXPECT_TRUE(to == Format::int8 || pads_with_zeros(states));
    result.states = floats_of(states, to == Format::bits);
  }
  return result;
}

/// Every pair of formats that can hold these queries and their states gives what floats give.
void expect_same(const Relaxer& relaxer, MatrixView<const float> queries, Format least_query, Format least_state,
                 const RelaxCall& call = {}) {
  const Relaxation expected = relaxer.relax(queries, call);
  for (const Format from : {Format::int8, Format::bits})
    for (const Format to : {Format::floats, Format::int8, Format::bits}) {
      if (from > least_query || to > least_state || to > from) continue;
      EXPECT_TRUE(same_results(relax_as(relaxer, queries, from, to, call), expected))
          << "from " << static_cast<int>(from) << " to " << static_cast<int>(to);
    }
}

void expect_same_on_bits_and_floats(const Relaxer& relaxer, MatrixView<const float> queries, Format least_query,
                                    Format least_state, const RelaxCall& call = {}) {
  expect_same(relaxer, queries, least_query, least_state, call);
  detail::Sizes sizes = detail::sizes();
  sizes.packed_terms = 0;
  const SizesScope scope(sizes);
  SCOPED_TRACE("states of floats");
  expect_same(relaxer, queries, least_query, least_state, call);
}

Format narrowest(AtZero at_zero) { return at_zero == AtZero::zero ? Format::int8 : Format::bits; }

/// Whole numbers: some rows of ±1, some with a few other values, some of any.
Matrix<float> whole_numbers(Matrix<float> bipolar, Rng& rng) {
  for (Index i = 0; i < bipolar.rows(); ++i) {
    const Index others = i % 3 == 0 ? 0 : i % 3 == 1 ? 1 : bipolar.columns();
    for (Index n = 0; n < others; ++n) {
      const auto k = static_cast<Index>(rng() % static_cast<std::uint64_t>(bipolar.columns()));
      bipolar(i, k) = static_cast<float>(static_cast<int>(rng() % 256) - 128) * (rng() % 3 == 0 ? 0.0F : 1.0F) + 0.0F;
    }
  }
  return bipolar;
}

class PackedStatesTest : public testing::TestWithParam<Index> {
 protected:
  Index neurons() const { return GetParam(); }

  Rng rng_{2100};
  Matrix<float> patterns_ = random_bipolar(std::max<Index>(2, neurons() / 16), neurons(), rng_);
  Matrix<float> queries_ = flipped_copies(patterns_, 70, 0.3, rng_);
  Memory memory_ = Memory::hebbian(test_device(), patterns_, {.evaluation = Evaluation::factored});
};

TEST_P(PackedStatesTest, AreThoseOfFloatsUnderEveryRule) {
  for (const AtZero at_zero : {AtZero::keep, AtZero::plus, AtZero::zero})
    for (const Halting& halting : {state_stable(0.0F), fixed_steps(), energy_stable()})
      for (const bool traced : {false, true}) {
        SCOPED_TRACE(static_cast<int>(at_zero));
        SCOPED_TRACE(static_cast<int>(halting.watch));
        const Relaxer relaxer(memory_, {.update = sign_update(at_zero),
                                        .halting = halting,
                                        .max_steps = 5,
                                        .energies = traced,
                                        .energy_trace = traced,
                                        .threads = 1});
        expect_same_on_bits_and_floats(relaxer, queries_, Format::bits, narrowest(at_zero));
      }
}

TEST_P(PackedStatesTest, AreThoseOfFloatsForOtherWholeNumbers) {
  const Matrix<float> queries = whole_numbers(copy(queries_), rng_);
  for (const AtZero at_zero : {AtZero::keep, AtZero::plus, AtZero::zero})
    expect_same_on_bits_and_floats(Relaxer(memory_, {.update = sign_update(at_zero), .max_steps = 6, .threads = 1}),
                                   queries, Format::int8, Format::int8);
}

TEST_P(PackedStatesTest, AreThoseOfFloatsWithClamps) {
  const Matrix<std::uint8_t> clamped = random_mask(70, neurons(), 0.3, rng_);
  const Relaxer relaxer(memory_, {.update = sign_update(), .max_steps = 6, .energies = true, .threads = 1});
  expect_same_on_bits_and_floats(relaxer, queries_, Format::bits, Format::bits, {.clamped = clamped});
  expect_same_on_bits_and_floats(relaxer, whole_numbers(copy(queries_), rng_), Format::int8, Format::int8,
                                 {.clamped = clamped});
}

TEST_P(PackedStatesTest, AreThoseOfFloatsInBatchesOfAnySizeOnAnyNumberOfThreads) {
  for (const Index count : {0, 1, 3, 64, 65, 70})
    for (const int threads : {1, 3}) {
      SCOPED_TRACE(count);
      expect_same_on_bits_and_floats(Relaxer(memory_, {.update = sign_update(), .threads = threads}),
                                     queries_.view().slice(0, count), Format::bits, Format::bits);
    }
}

TEST_P(PackedStatesTest, MayTakeThePlaceOfTheirQueries) {
  const Relaxer relaxer(memory_, {.threads = 2});
  const Relaxation expected = relaxer.relax(queries_);
  Rows bits = in_bits(queries_);
  Rows numbers = in_int8(queries_);

  relaxer.relax(bits.as_bits(), {.states = bits.as_bits()});
  relaxer.relax(numbers.as_int8(), {.states = numbers.as_int8()});

  EXPECT_TRUE(same_bits(floats_of(bits, true), expected.states));
  EXPECT_TRUE(same_bits(floats_of(numbers, false), expected.states));
}

TEST_P(PackedStatesTest, AreThoseOfFloatsOneNeuronAfterAnother) {
  for (const AtZero at_zero : {AtZero::keep, AtZero::plus})
    for (const Halting& halting : {state_stable(0.0F), energy_stable()})
      expect_same(
          Relaxer(memory_,
                  {.update = asynchronous_sign_update(7, at_zero), .halting = halting, .max_steps = 4, .threads = 1}),
          queries_.view().slice(0, 60), Format::bits, Format::bits);
}

INSTANTIATE_TEST_SUITE_P(, PackedStatesTest, testing::Values(1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 130, 1024),
                         testing::PrintToStringParamName());

/// What counts as 0 grows with the query: here to fields of one unit.
TEST(PackedMagnitudeTest, CountsAsThatOfFloats) {
  Rng rng(2108);
  const Matrix<float> patterns = random_bipolar(300, 1024, rng);
  Matrix<float> queries = flipped_copies(patterns, 60, 0.3, rng);
  std::for_each(queries.data(), queries.data() + queries.size(), [](float& entry) { entry *= 127.0F; });
  const Memory memory = Memory::hebbian(test_device(), patterns, {.evaluation = Evaluation::factored});
  const Relaxer relaxer(memory, {.update = sign_update(AtZero::plus), .max_steps = 5, .threads = 1});
  expect_same_on_bits_and_floats(relaxer, queries, Format::int8, Format::int8);
}

class PackedSystemsTest : public testing::TestWithParam<SystemKind> {
 protected:
  Rng rng_{2101};
  Index dimension_ = std::max<Index>(45, GetParam().least_dimension);
  Matrix<float> patterns_ = random_bipolar(9, dimension_, rng_);
  Memory memory_ = GetParam().memory(patterns_);
  Matrix<float> queries_ = flipped_copies(patterns_, 140, 0.2, rng_);
};

/// Queries may be in any format whatever the update is, states where they are signs.
TEST_P(PackedSystemsTest, TakeQueriesUnderEveryUpdate) {
  const Matrix<float> numbers = whole_numbers(copy(queries_), rng_);
  for (const auto& [name, update] : all_updates()) {
    if (!GetParam().bears(update)) continue;
    SCOPED_TRACE(name);
    const auto* const sign = std::get_if<SignUpdate>(&update);
    const Format state = sign == nullptr ? Format::floats : narrowest(sign->at_zero);
    const Relaxer relaxer(memory_, {.update = update, .max_steps = 5, .energy_trace = true, .threads = 2});
    expect_same(relaxer, queries_, Format::bits, state);
    expect_same(relaxer, numbers, Format::int8, std::min(state, Format::int8));
  }
}

INSTANTIATE_TEST_SUITE_P(, PackedSystemsTest, testing::ValuesIn(all_systems()),
                         [](const auto& test) { return test.param.name; });

class PackedContentsTest : public testing::TestWithParam<SystemKind> {};

/// Contents are read out at the states as they are written.
TEST_P(PackedContentsTest, AreThoseOfFloats) {
  Rng rng(2102);
  const Matrix<float> patterns = random_bipolar(9, 45, rng);
  const Matrix<float> contents = random_gaussian(9, 11, rng);
  const Memory memory = GetParam().contents(patterns, contents).memory;
  const Relaxer relaxer(memory, {.update = sign_update(), .max_steps = 4, .threads = 2});
  expect_same(relaxer, flipped_copies(patterns, 100, 0.2, rng), Format::bits, Format::bits);
}

INSTANTIATE_TEST_SUITE_P(, PackedContentsTest, testing::ValuesIn(content_systems()),
                         [](const auto& test) { return test.param.name; });

TEST(PackedEmptyMemoryTest, KeepsQueriesInTheirFormat) {
  Rng rng(2103);
  const Memory memory = Memory::hebbian(test_device(), MatrixView<const float>(nullptr, 0, 21));
  const Matrix<float> queries = random_bipolar(70, 21, rng);
  const Relaxer relaxer(memory, {.update = sign_update()});
  expect_same(relaxer, queries, Format::bits, Format::bits);
  expect_same(relaxer, whole_numbers(copy(queries), rng), Format::int8, Format::int8);
}

/// A query for which no pattern takes part diverges, and what is no number in its state fits neither format.
TEST(PackedDivergenceTest, LeavesZerosInInt8AndMinusOneInBits) {
  Rng rng(2104);
  const Matrix<float> patterns = random_bipolar(5, 19, rng);
  const Matrix<float> queries = random_bipolar(30, 19, rng);
  Matrix<std::uint8_t> valid = filled<std::uint8_t>(30, 5, 1);
  for (Index i = 0; i < 30; i += 3) std::fill_n(valid.row(i), 5, std::uint8_t{0});
  const Relaxer relaxer(Memory::modern_hopfield(test_device(), patterns), {.update = sign_update()});
  const RelaxCall call{.valid_patterns = valid};
  const Relaxation floats = relaxer.relax(queries, call);
  ASSERT_EQ(floats.status[0], Status::diverged);
  ASSERT_TRUE(std::isnan(floats.states(0, 0)));
  for (const auto& [format, instead] : {std::pair(Format::int8, 0.0F), std::pair(Format::bits, -1.0F)}) {
    const Relaxation result = relax_as(relaxer, queries, Format::bits, format, call);
    EXPECT_EQ(result.status, floats.status);
    EXPECT_EQ(result.steps, floats.steps);
    for (Index i = 0; i < 30; ++i)
      for (Index k = 0; k < 19; ++k)
        EXPECT_EQ(result.states(i, k), std::isnan(floats.states(i, k)) ? instead : floats.states(i, k));
  }
}

/// Those under way have what they reached, those taken but not begun their query, the others what was there.
TEST(PackedCancellationTest, LeavesStatesThatAreWhatTheyReached) {
  Rng rng(2105);
  const Matrix<float> patterns = random_bipolar(20, 130, rng);
  const Matrix<float> queries = flipped_copies(patterns, 500, 0.3, rng);
  const Memory memory = Memory::hebbian(test_device(), patterns);
  for (const Format format : {Format::int8, Format::bits}) {
    std::stop_source stop;
    const RelaxCall call{.progress =
                             [&](const Progress& done) {
                               if (done.finished > 100) stop.request_stop();
                             },
                         .stop = stop.get_token()};
    const Relaxation result =
        relax_as(Relaxer(memory, {.update = sign_update(), .threads = 1}), queries, Format::bits, format, call);
    Index under_way = 0;
    Index unstarted = 0;
    Index unwritten = 0;
    for (Index i = 0; i < queries.rows(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      const Relaxer alone(memory, {.update = sign_update(),
                                   .halting = fixed_steps(),
                                   .max_steps = std::max(result.steps[at], std::int32_t{1})});
      const Relaxation reached = alone.relax(queries.view().slice(i, 1));
      if (result.steps[at] > 0) {
        EXPECT_TRUE(same_bits(row_of(result.states, i), row_of(reached.states, 0))) << i;
        if (result.status[at] == Status::cancelled) ++under_way;
      } else if (same_bits(row_of(result.states, i), row_of(queries, i))) {
        ++unstarted;
      } else {
        ++unwritten;
        EXPECT_EQ(result.states(i, 0), format == Format::bits ? 1.0F : -91.0F) << "0xA5";
      }
    }
    EXPECT_GT(under_way, 0);
    EXPECT_GT(unstarted, 0);
    EXPECT_GT(unwritten, 0);
  }
}

TEST(BitsTest, AreThoseOfNumPy) {
  const Matrix<float> states = matrix({{1, -1, 1, 1, -1, -1, -1, 1, 1}, {-1, -1, -1, -1, -1, -1, -1, 1, -1}});

  const BitMatrix bits = to_bits(states);

  EXPECT_EQ(bits.rows(), 2);
  EXPECT_EQ(bits.columns(), 9);
  EXPECT_EQ(std::vector<int>(bits.data(), bits.data() + 4), (std::vector<int>{0xB1, 0x80, 0x01, 0x00}));
  EXPECT_TRUE(bits(0, 8));
  EXPECT_FALSE(bits(1, 8));
  EXPECT_TRUE(same_bits(from_bits(bits), states));
}

TEST(BitsTest, ComeFromStridedRows) {
  Rng rng(2106);
  const Matrix<float> states = random_bipolar(7, 29, rng);

  EXPECT_TRUE(same_bits(from_bits(in_bits(states).as_bits()), states));
  EXPECT_TRUE(same_bits(from_bits(to_bits({states.data(), 7, 20, 29})), columns(states, 0, 20)));
}

TEST(BitsTest, AreRefusedWhereThereAreNone) {
  EXPECT_THROW(static_cast<void>(to_bits(matrix({{1, 0}}))), InvalidArgument);
  EXPECT_THROW(static_cast<void>(to_bits(matrix({{1, not_a_number}}))), InvalidArgument);
  EXPECT_THROW(static_cast<void>(to_bits({nullptr, 1, 2})), InvalidArgument);
  EXPECT_THROW(static_cast<void>(from_bits({nullptr, 1, 2})), InvalidArgument);
  const BitMatrix bits(2, 9);
  EXPECT_THROW(static_cast<void>(from_bits({bits.data(), 2, 9, 1})), InvalidArgument);
}

class PackedCallTest : public testing::Test {
 protected:
  using Call = std::function<void()>;

  template <class Queries>
  Call relaxing(const Queries& queries, const RelaxationView& results, const Update& update = sign_update()) {
    return [=, this] { Relaxer(memory_, {.update = update}).relax(queries, results); };
  }

  Rng rng_{2107};
  Matrix<float> patterns_ = random_bipolar(3, 20, rng_);
  Memory memory_ = Memory::hebbian(test_device(), patterns_);
  Matrix<float> states_ = Matrix<float>(3, 20);
  Matrix<std::int8_t> numbers_ = filled<std::int8_t>(3, 20, 1);
  Matrix<std::int8_t> int8_states_ = Matrix<std::int8_t>(3, 20);
  BitMatrix queries_ = to_bits(patterns_);
  BitMatrix bits_ = BitMatrix(3, 20);
};

TEST_F(PackedCallTest, FormatsThatHoldLessThanTheQueries) {
  expect_invalid(relaxing(patterns_.view(), {.states = int8_states_}), {"int8 states", "floats"});
  expect_invalid(relaxing(patterns_.view(), {.states = bits_}), {"bits", "floats"});
  expect_invalid(relaxing(numbers_.view(), {.states = bits_}), {"bits", "int8"});
  EXPECT_NO_THROW(relaxing(numbers_.view(), {.states = int8_states_})());
  EXPECT_NO_THROW(relaxing(queries_.view(), {.states = int8_states_})());
  EXPECT_NO_THROW(relaxing(queries_.view(), {.states = states_})());
}

TEST_F(PackedCallTest, UpdatesThatLeaveOtherStates) {
  expect_invalid(relaxing(queries_.view(), {.states = bits_}, tanh_update()), {"bits", "tanh"});
  expect_invalid(relaxing(queries_.view(), {.states = int8_states_}, blend_update(0.5F)), {"int8", "blend"});
  expect_invalid(relaxing(queries_.view(), {.states = bits_}, readout_update()), {"bits", "readout"});
  expect_invalid(relaxing(queries_.view(), {.states = bits_}, sign_update(AtZero::zero)), {"bits", "zero"});
  EXPECT_NO_THROW(relaxing(queries_.view(), {.states = int8_states_}, sign_update(AtZero::zero))());
  EXPECT_NO_THROW(relaxing(queries_.view(), {.states = bits_}, asynchronous_sign_update())());
}

TEST_F(PackedCallTest, NoStates) { expect_invalid(relaxing(queries_.view(), {}), {"states", "[0, 0]", "[3, 20]"}); }

TEST_F(PackedCallTest, Shapes) {
  const RelaxationView results{.states = bits_};
  expect_invalid(relaxing(BitView<const std::uint8_t>(queries_.data(), 3, 19), results), {"queries", "19", "20"});
  expect_invalid(relaxing(BitView<const std::uint8_t>(queries_.data(), -1, 20), results), {"queries", "[-1, 20]"});
  expect_invalid(relaxing(BitView<const std::uint8_t>(queries_.data(), 3, 20, 2), results),
                 {"queries", "stride of 2", "3 bytes", "20"});
  expect_invalid(relaxing(BitView<const std::uint8_t>(nullptr, 3, 20), results), {"queries", "null"});
  expect_invalid(relaxing(MatrixView<const std::int8_t>(numbers_.data(), 3, 20, 19), {.states = int8_states_}),
                 {"queries", "stride of 19", "20"});
  expect_invalid(relaxing(queries_.view(), {.states = BitView(bits_.data(), 2, 20)}), {"bits", "[2, 20]", "[3, 20]"});
  expect_invalid(relaxing(queries_.view(), {.states = BitView(bits_.data(), 3, 21)}), {"bits", "[3, 21]", "[3, 20]"});
  expect_invalid(relaxing(queries_.view(), {.states = BitView(bits_.data(), 3, 20, 2)}), {"bits", "stride of 2"});
  expect_invalid(relaxing(queries_.view(), {.states = BitView<std::uint8_t>(nullptr, 3, 20)}), {"bits", "null"});
  expect_invalid(relaxing(queries_.view(), {.states = MatrixView<std::int8_t>(nullptr, 3, 20)}),
                 {"int8 states", "null"});
  expect_invalid(relaxing(queries_.view(), {.states = {int8_states_.data(), 3, 19}}), {"int8 states", "[3, 19]"});
}

TEST_F(PackedCallTest, Overlaps) {
  // The last byte of the last row.
  std::uint8_t* const last = queries_.data() + 8;
  expect_invalid(relaxing(queries_.view(), {.states = BitView(last, 3, 20, 3)}), {"bits", "overlap", "queries"});
  expect_invalid(relaxing(numbers_.view().slice(0, 2), {.states = numbers_.view().slice(1, 2)}),
                 {"int8 states", "overlap", "queries"});
  std::vector<std::int32_t> counts(3);
  expect_invalid(relaxing(queries_.view(),
                          {.states = BitView(static_cast<std::uint8_t*>(static_cast<void*>(counts.data())), 3, 20),
                           .steps = counts}),
                 {"overlap", "bits", "steps"});
  BitMatrix both(6, 20);
  std::copy_n(queries_.data(), 9, both.data());
  EXPECT_NO_THROW(relaxing(both.view().slice(0, 3), {.states = both.view().slice(3, 3)})());
}

}  // namespace
}  // namespace attractor::test
