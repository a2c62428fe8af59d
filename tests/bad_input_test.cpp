/// Unusable arguments: a clear exception before any work, and nothing changed.

#include <array>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

constexpr Index dimension = 12;
constexpr Index query_count = 5;

Matrix<float> some_patterns() {
  Rng rng(70);
  return random_gaussian(4, dimension, rng);
}

/// Each way to make a memory from patterns.
class BadPatternsTest : public testing::TestWithParam<std::function<Memory(MatrixView<const float>)>> {
 protected:
  void expect_refused(MatrixView<const float> patterns, std::initializer_list<std::string> words) const {
    expect_invalid([&] { static_cast<void>(GetParam()(patterns)); }, words);
  }

  Matrix<float> patterns_ = some_patterns();
};

TEST_P(BadPatternsTest, NullData) { expect_refused({nullptr, 4, dimension}, {"patterns", "null"}); }

TEST_P(BadPatternsTest, NoDimension) { expect_refused({}, {"patterns", "[0, 0]", "positive"}); }

TEST_P(BadPatternsTest, SizesThatAreNotPositive) {
  expect_refused({patterns_.data(), 4, 0}, {"patterns", "[4, 0]", "positive"});
  expect_refused({patterns_.data(), -1, dimension}, {"patterns", "[-1, 12]", "positive"});
  expect_refused({patterns_.data(), 4, -3, dimension}, {"patterns", "[4, -3]", "positive"});
}

TEST_P(BadPatternsTest, StrideBelowTheColumns) {
  expect_refused({patterns_.data(), 4, dimension, 11}, {"patterns", "stride", "11", "12"});
  expect_refused({patterns_.data(), 4, dimension, -12}, {"patterns", "stride", "-12", "12"});
}

TEST_P(BadPatternsTest, SizesBeyondAnyMemory) {
  constexpr Index huge = std::numeric_limits<Index>::max() / 4;
  expect_refused({patterns_.data(), huge, dimension, dimension}, {"patterns", std::to_string(huge), "larger"});
}

TEST_P(BadPatternsTest, ValuesThatAreNotFinite) {
  for (const float value : {nan_value, infinity, -infinity}) {
    Matrix<float> patterns = copy(patterns_);
    patterns(2, 7) = value;
    expect_refused(patterns, {"patterns", "finite", "2", "7", std::isnan(value) ? "nan" : "inf"});
  }
}

INSTANTIATE_TEST_SUITE_P(
    , BadPatternsTest,
    testing::Values([](MatrixView<const float> patterns) { return Memory::hebbian(test_device(), patterns); },
                    [](MatrixView<const float> patterns) { return Memory::projection(test_device(), patterns); },
                    [](MatrixView<const float> patterns) { return Memory::modern_hopfield(test_device(), patterns); },
                    [](MatrixView<const float> patterns) {
                      Memory memory = Memory::hebbian(test_device(), some_patterns());
                      memory.imprint(patterns);
                      return memory;
                    }));

TEST(BadMemoryOptionsTest, Ridge) {
  const Matrix<float> patterns = some_patterns();
  const auto make = [&](float ridge) {
    return [&, ridge] { static_cast<void>(Memory::projection(test_device(), patterns, {.ridge = ridge})); };
  };

  expect_invalid(make(-0.5F), {"ridge", "-0.5"});
  expect_invalid(make(nan_value), {"ridge", "nan"});
  expect_invalid(make(infinity), {"ridge", "inf"});
}

TEST(BadMemoryOptionsTest, RateAndDecay) {
  const Matrix<float> patterns = some_patterns();
  const auto make = [&](const HebbianOptions& options) {
    return [&, options] { static_cast<void>(Memory::hebbian(test_device(), patterns, options)); };
  };

  for (const auto& [value, text] : {std::pair(-0.5F, "-0.5"), std::pair(0.0F, "0"), std::pair(nan_value, "nan")}) {
    expect_invalid(make({.rate = value}), {"learning rate", text, "positive"});
    expect_invalid(make({.decay = value}), {"decay", text, "(0, 1]"});
  }
  expect_invalid(make({.decay = 1.5F}), {"decay", "1.5"});
}

TEST(BadMemoryOptionsTest, Thresholds) {
  const Matrix<float> patterns = some_patterns();
  constexpr auto columns = static_cast<std::size_t>(dimension);
  std::vector<float> thresholds(columns + 1, 0.5F);
  const auto make = [&] { static_cast<void>(Memory::storkey(test_device(), patterns, {.thresholds = thresholds})); };
  expect_invalid(make, {"thresholds", std::to_string(columns + 1), std::to_string(columns)});
  thresholds.resize(columns);
  EXPECT_NO_THROW(make());
  thresholds.back() = infinity;
  expect_invalid(make, {"thresholds", "inf"});
  const auto resident = [&] {
    static_cast<void>(Memory::hebbian(test_device(), patterns,
                                      {.thresholds = std::vector<float>(columns), .placement = Placement::resident}));
  };
  EXPECT_THROW(resident(), NotSupported);
}

TEST(BadMemoryOptionsTest, Layers) {
  const Matrix<float> patterns = some_patterns();
  const Index all = patterns.columns();
  for (const Index first : {Index{-1}, Index{0}, all, all + 1})
    expect_invalid([&] { static_cast<void>(Memory::bidirectional(test_device(), patterns, {.first = first})); },
                   {"first layer", std::to_string(first)});
}

TEST(BadMemoryOptionsTest, Order) {
  const Matrix<float> patterns = some_patterns();
  for (const int order : {-3, 1, 31})
    expect_invalid([&] { static_cast<void>(Memory::dense_associative(test_device(), patterns, {.order = order})); },
                   {"order", std::to_string(order), "[2, 30]"});
}

TEST(BadMemoryOptionsTest, Beta) {
  const Matrix<float> patterns = some_patterns();
  const auto make = [&](float beta) {
    return [&, beta] { static_cast<void>(Memory::modern_hopfield(test_device(), patterns, {.beta = beta})); };
  };

  expect_invalid(make(0.0F), {"beta", "0"});
  expect_invalid(make(-2.0F), {"beta", "-2"});
  expect_invalid(make(nan_value), {"beta", "nan"});
  expect_invalid(make(infinity), {"beta", "inf"});
}

TEST(BadMemoryOptionsTest, Contents) {
  const Matrix<float> patterns = some_patterns();
  Matrix<float> contents = matrix({{1, 2}, {3, 4}, {5, 6}, {7, 8}});
  using View = MatrixView<const float>;
  const Device device = test_device();
  const std::vector<std::function<Memory(View)>> makers = {
      [&](View given) { return Memory::hebbian(device, patterns, {.contents = given}); },
      [&](View given) { return Memory::projection(device, patterns, {.ridge = 1.0F, .contents = given}); },
      [&](View given) { return Memory::dense_associative(device, patterns, {.contents = given}); },
      [&](View given) { return Memory::minerva(device, patterns, {.contents = given}); },
      [&](View given) { return Memory::modern_hopfield(device, patterns, {.contents = given}); }};
  for (const auto& maker : makers) {
    const auto make = [&](View given) { return [&, given] { static_cast<void>(maker(given)); }; };
    expect_invalid(make(contents.view().slice(0, 3)), {"contents", "3", "4 patterns"});
    expect_invalid(make({nullptr, 4, 2}), {"contents", "null"});
    expect_invalid(make({contents.data(), 4, 0}), {"contents", "[4, 0]"});
    expect_invalid(make({contents.data(), 4, 2, 1}), {"contents", "stride", "1", "2"});
    contents(1, 1) = nan_value;
    expect_invalid(make(contents), {"contents", "finite", "nan"});
    contents(1, 1) = 4.0F;
  }
}

class BadChangeTest : public testing::Test {
 protected:
  /// The failing call must leave the memory's patterns and answers as they were.
  static void expect_unchanged(Memory memory, const std::function<void(Memory&)>& change,
                               std::initializer_list<std::string> words) {
    const Matrix<float> patterns = copy(memory.patterns());
    const Relaxation before = Relaxer(memory).relax(patterns);

    expect_invalid([&] { change(memory); }, words);

    EXPECT_TRUE(same_bits(memory.patterns(), patterns));
    EXPECT_TRUE(same_results(Relaxer(memory).relax(patterns), before));
  }

  Matrix<float> patterns_ = some_patterns();
  Memory plain_ = Memory::hebbian(test_device(), patterns_);
  Matrix<float> contents_ = matrix({{1, 2}, {3, 4}, {5, 6}, {7, 8}});
  Memory hetero_ = Memory::modern_hopfield(test_device(), patterns_, {.contents = contents_.view()});
  Matrix<float> one_ = matrix({{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}});
};

TEST_F(BadChangeTest, ImprintOfAnotherDimension) {
  expect_unchanged(plain_, [](Memory& memory) { memory.imprint(matrix({{1, 2, 3}})); }, {"patterns", "3", "12"});
}

TEST_F(BadChangeTest, ImprintWithContentsThatDoNotFit) {
  const auto imprint = [&](MatrixView<const float> contents) {
    return [&, contents](Memory& memory) { memory.imprint(one_, contents); };
  };
  const Matrix<float> good = matrix({{1, 2}});
  const Matrix<float> wide = matrix({{1, 2, 3}});
  const Matrix<float> two_rows = matrix({{1, 2}, {3, 4}});

  expect_unchanged(plain_, imprint(good), {"contents", "none"});
  expect_unchanged(hetero_, imprint({}), {"contents", "none"});
  expect_unchanged(hetero_, imprint(wide), {"contents", "3", "2"});
  expect_unchanged(hetero_, imprint(two_rows), {"contents", "2", "1"});
}

TEST_F(BadChangeTest, Forget) {
  const auto forget = [](const std::vector<Index>& indices) { return [=](Memory& memory) { memory.forget(indices); }; };

  expect_unchanged(plain_, forget({4}), {"pattern 4", "4 patterns"});
  expect_unchanged(plain_, forget({-1}), {"pattern -1", "4 patterns"});
  expect_unchanged(plain_, forget({1, 2, 1}), {"pattern 1", "twice"});
  expect_unchanged(hetero_, forget({0, 9}), {"pattern 9", "4 patterns"});
}

TEST_F(BadChangeTest, Replace) {
  const Matrix<float> two = stack(one_, one_);
  const auto replace = [](const std::vector<Index>& indices, MatrixView<const float> patterns,
                          MatrixView<const float> contents = {}) {
    return [=](Memory& memory) { memory.replace(indices, patterns, contents); };
  };
  const Matrix<float> narrow = matrix({{1, 2, 3}});
  const Matrix<float> not_finite = filled(1, dimension, infinity);

  expect_unchanged(plain_, replace({4}, one_), {"pattern 4", "replaced", "4 patterns"});
  expect_unchanged(plain_, replace({-1}, one_), {"pattern -1", "replaced"});
  expect_unchanged(plain_, replace({1, 1}, two), {"pattern 1", "twice"});
  expect_unchanged(plain_, replace({1}, two), {"2 patterns", "replace 1"});
  expect_unchanged(plain_, replace({1, 2}, one_), {"1 patterns", "replace 2"});
  expect_unchanged(plain_, replace({1}, narrow), {"patterns", "3", "12"});
  expect_unchanged(plain_, replace({1}, not_finite), {"patterns", "finite", "inf"});
  expect_unchanged(plain_, replace({1}, one_, contents_.view().slice(0, 1)), {"contents", "none"});
  expect_unchanged(hetero_, replace({1}, one_), {"contents", "none"});
  expect_unchanged(hetero_, replace({1}, one_, contents_), {"contents", "4", "1"});
}

TEST_F(BadChangeTest, IdentifiersOfPatternsThatAreNotThere) {
  expect_invalid([&] { static_cast<void>(plain_.identifier_of(4)); }, {"pattern 4", "4"});
  expect_invalid([&] { static_cast<void>(plain_.identifier_of(-1)); }, {"pattern -1"});
}

TEST(BadRelaxerOptionsTest, AreNamedWithTheirValue) {
  const Memory memory = Memory::hebbian(test_device(), some_patterns());
  const auto make = [&](const RelaxerOptions& options) {
    return [&, options] { const Relaxer relaxer(memory, options); };
  };

  expect_invalid(make({.max_steps = 0}), {"max_steps", "0", "at least 1"});
  expect_invalid(make({.max_steps = -5}), {"max_steps", "-5"});
  expect_invalid(make({.threads = -1}), {"threads", "-1"});
  expect_invalid(make({.halting = energy_stable({.patience = 0})}), {"patience", "0", "at least 1"});
  expect_invalid(make({.halting = state_stable(0.1F, -2)}), {"patience", "-2"});
  for (const auto& [value, text] :
       {std::pair(-0.5F, "-0.5"), std::pair(nan_value, "nan"), std::pair(infinity, "inf")}) {
    expect_invalid(make({.update = tanh_update(value)}), {"gain", text});
    expect_invalid(make({.update = blend_update(value)}), {"rate", text});
    expect_invalid(make({.halting = energy_stable({.absolute = value})}), {"absolute", "tolerance", text});
    expect_invalid(make({.halting = energy_stable({.relative = value})}), {"relative", "tolerance", text});
    expect_invalid(make({.halting = state_stable(value)}), {"tolerance", text});
  }
  expect_invalid(make({.update = sign_update(AtZero{3})}), {"at_zero", "3"});
  expect_invalid(make({.update = asynchronous_sign_update({}, AtZero::zero)}), {"at_zero", "1", "keep or plus"});
  expect_invalid(make({.update = blend_update(0.0F)}), {"rate", "0", "(0, 1]"});
  expect_invalid(make({.update = blend_update(1.5F)}), {"rate", "1.5", "(0, 1]"});
}

TEST(BadRelaxerOptionsTest, BoundsThemselvesAreAccepted) {
  const Memory memory = Memory::hebbian(test_device(), some_patterns());

  EXPECT_NO_THROW(Relaxer(memory, {.update = tanh_update(0.0F)}));
  EXPECT_NO_THROW(Relaxer(memory, {.update = blend_update(1.0F)}));
  EXPECT_NO_THROW(Relaxer(memory, {.halting = energy_stable({.absolute = 0.0F, .relative = 0.0F}), .max_steps = 1}));
}

/// A call whose every buffer lies in one arena, so that any two can be made to overlap.
class BadCallTest : public testing::Test {
 protected:
  static constexpr Index max_steps = 3;
  static constexpr Index content_columns = 2;
  static constexpr unsigned char untouched = 0xA5;
  static constexpr std::size_t part_bytes = 1024;

  BadCallTest() {
    arena_.fill(untouched);
    std::copy_n(good_queries_.data(), good_queries_.size(), queries_.data);
    for (Index i = 0; i < query_count; ++i) std::fill_n(clamped_.row(i), dimension, std::uint8_t{0});
  }

  template <class T>
  T* part(std::size_t i) {
    void* start = arena_.data() + i * part_bytes;
    return static_cast<T*>(start);
  }

  /// Expects both overloads' common checks to refuse the call and leave the whole arena alone.
  void expect_refused(std::initializer_list<std::string> words) { expect_refused(relaxer_, words); }

  void expect_refused(const Relaxer& relaxer, std::initializer_list<std::string> words) {
    const auto before = arena_;
    expect_invalid([&] { relaxer.relax(queries_, results_, {.clamped = clamped_}); }, words);
    EXPECT_TRUE(arena_ == before) << "a refused call wrote results";
  }

  Matrix<float> patterns_ = some_patterns();
  Matrix<float> good_queries_ = stack(patterns_, patterns_.view().slice(0, 1));
  Matrix<float> contents_ = matrix({{1, 2}, {3, 4}, {5, 6}, {7, 8}});
  Memory memory_ = Memory::modern_hopfield(test_device(), patterns_, {.contents = contents_.view()});
  Relaxer relaxer_{memory_, {.max_steps = max_steps, .energy_trace = true}};
  alignas(64) std::array<unsigned char, 8 * part_bytes> arena_{};
  MatrixView<float> queries_{part<float>(0), query_count, dimension};
  MatrixView<std::uint8_t> clamped_{part<std::uint8_t>(1), query_count, dimension};
  RelaxationView results_{.states = {part<float>(2), query_count, dimension},
                          .steps = {part<std::int32_t>(3), query_count},
                          .energies = {part<float>(4), query_count},
                          .status = {part<Status>(5), query_count},
                          .energy_trace = {part<float>(6), query_count, max_steps},
                          .contents = {part<float>(7), query_count, content_columns}};
};

TEST_F(BadCallTest, TheUnspoiltCallIsAccepted) {
  EXPECT_NO_THROW(relaxer_.relax(queries_, results_, {.clamped = clamped_}));
  EXPECT_GE(results_.steps[0], 2);
}

TEST_F(BadCallTest, QueriesOfAnotherDimension) {
  queries_.columns = 11;
  expect_refused({"queries", "11", "columns", "dimension", "12"});
  queries_ = {queries_.data, 1, 13};
  expect_refused({"queries", "13", "columns", "dimension", "12"});
}

TEST_F(BadCallTest, TheOwningOverloadChecksQueriesToo) {
  expect_invalid([&] { static_cast<void>(relaxer_.relax({queries_.data, query_count, 11})); }, {"queries", "11", "12"});
  expect_invalid([&] { static_cast<void>(relaxer_.relax(MatrixView<const float>(nullptr, query_count, dimension))); },
                 {"queries", "null"});
}

TEST_F(BadCallTest, QueriesWithNullData) {
  queries_.data = nullptr;
  expect_refused({"queries", "null"});
}

TEST_F(BadCallTest, QueriesWithANegativeNumberOfRows) {
  queries_.rows = -1;
  expect_refused({"queries", "[-1, 12]"});
}

TEST_F(BadCallTest, QueriesWithAStrideBelowTheColumns) {
  queries_.row_stride = 11;
  expect_refused({"queries", "stride", "11", "12"});
}

TEST_F(BadCallTest, ClampsOfAnotherShape) {
  clamped_.rows = 4;
  expect_refused({"clamped", "[4, 12]", "[5, 12]"});
  clamped_ = {clamped_.data, query_count, 11};
  expect_refused({"clamped", "[5, 11]", "[5, 12]"});
  clamped_ = {clamped_.data, query_count, dimension, 7};
  expect_refused({"clamped", "stride", "7", "12"});
  clamped_ = {nullptr, query_count, dimension};
  expect_refused({"clamped", "null"});
}

TEST_F(BadCallTest, StatesAreRequired) {
  results_.states = {};
  expect_refused({"states", "[0, 0]", "[5, 12]"});
  results_.states = MatrixView<float>(nullptr, query_count, dimension);
  expect_refused({"states", "null"});
}

TEST_F(BadCallTest, ResultsOfTheWrongShape) {
  const RelaxationView good = results_;
  const auto spoil = [&](auto change, std::initializer_list<std::string> words) {
    results_ = good;
    change(results_);
    expect_refused(words);
  };

  auto* const states = part<float>(2);
  spoil([=](RelaxationView& r) { r.states = {states, 6, dimension}; }, {"states", "[6, 12]", "[5, 12]"});
  spoil([=](RelaxationView& r) { r.states = {states, query_count, 11, 12}; }, {"states", "[5, 11]", "[5, 12]"});
  spoil([=](RelaxationView& r) { r.states = {states, query_count, dimension, 11}; }, {"states", "stride", "11", "12"});
  spoil([](RelaxationView& r) { r.steps = r.steps.first(4); }, {"steps", "4", "5"});
  spoil([](RelaxationView& r) { r.energies = r.energies.first(4); }, {"energies", "4", "5"});
  spoil([](RelaxationView& r) { r.status = r.status.first(4); }, {"status", "4", "5"});
  spoil([](RelaxationView& r) { r.energy_trace.columns = 2; }, {"trace", "[5, 2]", "[5, 3]"});
  spoil([](RelaxationView& r) { r.energy_trace.rows = 4; }, {"trace", "[4, 3]", "[5, 3]"});
  spoil([](RelaxationView& r) { r.energy_trace.row_stride = 2; }, {"trace", "stride", "2", "3"});
  spoil([](RelaxationView& r) { r.energy_trace.data = nullptr; }, {"trace", "null"});
  auto* const contents = part<float>(7);
  spoil([=](RelaxationView& r) { r.contents = {contents, query_count, 1, 2}; }, {"contents", "[5, 1]", "[5, 2]"});
  spoil([](RelaxationView& r) { r.contents = MatrixView<float>(nullptr, query_count, content_columns); },
        {"contents", "null"});
}

TEST_F(BadCallTest, ResultsThatTheOptionsDoNotProduce) {
  const Relaxer untraced(memory_, {.max_steps = max_steps});
  expect_refused(untraced, {"trace", "options"});

  results_.energy_trace = {};
  const Relaxer without_energies(memory_, {.halting = fixed_steps(), .max_steps = max_steps});
  expect_refused(without_energies, {"energies", "options"});

  results_.energies = {};
  const Relaxer auto_associative(Memory::hebbian(test_device(), patterns_), {.max_steps = max_steps});
  expect_refused(auto_associative, {"contents", "memory has none"});
}

/// The parts of a call, in the arena's order, and how an error names them.
constexpr std::array<const char*, 8> part_names = {"queries",  "clamped", "states", "steps",
                                                   "energies", "status",  "trace",  "contents"};

/// Every two parts of which the second is an output; but states may take the queries' place.
class OverlapTest : public BadCallTest, public testing::WithParamInterface<std::pair<std::size_t, std::size_t>> {
 protected:
  /// Moves an output to where another part begins.
  void move_output(std::size_t output, std::size_t to) {
    switch (output) {
      case 2: results_.states = {part<float>(to), query_count, dimension}; break;
      case 3: results_.steps = {part<std::int32_t>(to), query_count}; break;
      case 4: results_.energies = {part<float>(to), query_count}; break;
      case 5: results_.status = {part<Status>(to), query_count}; break;
      case 6: results_.energy_trace.data = part<float>(to); break;
      default: results_.contents = {part<float>(to), query_count, content_columns}; break;
    }
  }
};

TEST_P(OverlapTest, IsRefused) {
  const auto [first, second] = GetParam();
  move_output(second, first);

  expect_refused({"overlap", part_names.at(first), part_names.at(second)});
}

std::vector<std::pair<std::size_t, std::size_t>> pairs_with_an_output() {
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  for (std::size_t second = 2; second < part_names.size(); ++second)
    for (std::size_t first = second == 2 ? 1 : 0; first < second; ++first) pairs.emplace_back(first, second);
  return pairs;
}

INSTANTIATE_TEST_SUITE_P(, OverlapTest, testing::ValuesIn(pairs_with_an_output()));

TEST_F(BadCallTest, AnOverlapOfOneElementIsRefused) {
  results_.states = {queries_.data + query_count * dimension - 1, query_count, dimension};
  expect_refused({"overlap", "queries", "states"});
}

TEST_F(BadCallTest, StatesInPlaceOfOtherQueriesAreRefused) {
  results_.states = {queries_.data + dimension, query_count, dimension};
  expect_refused({"overlap", "queries", "states"});
  results_.states = {queries_.data, query_count, dimension, dimension + 1};
  expect_refused({"overlap", "queries", "states"});
}

TEST_F(BadCallTest, WhatOverlapsQueriesInPlaceIsRefused) {
  results_.states = queries_;
  results_.steps = {part<std::int32_t>(0), query_count};
  expect_refused({"overlap", "steps", "states"});
}

TEST_F(BadCallTest, NeighboursDoNotOverlap) {
  results_.states = {queries_.data + query_count * dimension, query_count, dimension};

  EXPECT_NO_THROW(relaxer_.relax(queries_, results_, {}));
}

/// Queries and results in 16 bits are for memories on the CPU, and so are others that aren't floats where nothing is
/// relaxed.
TEST(QueryFormatTest, NeedsTheCpu) {
  Rng rng(31);
  const Matrix<float> patterns = random_bipolar(3, 20, rng);
  const BitMatrix queries = to_bits(patterns);
  Matrix<float> states(3, 20);
  Matrix<Float16> narrow_queries(3, 20);
  Matrix<Float16> narrow_states(3, 20);
  Matrix<BFloat16> narrow_contents(3, 2);
  const Matrix<float> contents = random_gaussian(3, 2, rng);
  const Memory memory = Memory::modern_hopfield(test_device(), patterns, {.contents = contents});
  const Relaxer relaxer(memory);
  const std::vector<std::function<void()>> calls = {
      [&] { relaxer.relax(narrow_queries, {.states = states}); },
      [&] { relaxer.relax(patterns, {.states = narrow_states}); },
      [&] { relaxer.relax(patterns, {.states = states, .contents = narrow_contents}); },
      [&] { static_cast<void>(relaxer.relax(narrow_queries)); },
      [&] { static_cast<void>(recall(memory, queries)); },
      [&] { static_cast<void>(retrieve(memory, queries)); }};
  for (const std::function<void()>& call : calls) {
    if (test_device().kind() == Device::Kind::cpu)
      EXPECT_NO_THROW(call());
    else
      EXPECT_THROW(call(), NotSupported);
  }
  EXPECT_NO_THROW(relaxer.relax(queries, {.states = states}));
}

}  // namespace
}  // namespace attractor::test
