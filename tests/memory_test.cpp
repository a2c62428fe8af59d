/// Memories as values: what they store, how they grow and forget, and which form they choose.

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

/// Whether two memories answer the same queries, at least one near each pattern, with the same bits.
testing::AssertionResult same_answers(const Memory& a, const Memory& b) {
  Rng rng(1);
  const Matrix<float> queries = noisy_copies(a.patterns(), std::max<Index>(a.pattern_count(), 12), 0.2F, 1.0F, rng);
  const RelaxerOptions options{.update = tanh_update(), .max_steps = 3};
  return same_results(Relaxer(a, options).relax(queries), Relaxer(b, options).relax(queries));
}

class MemoryTest : public testing::TestWithParam<SystemKind> {
 protected:
  Memory make(MatrixView<const float> patterns) const { return GetParam().memory(patterns); }

  Rng rng_{3};
  Matrix<float> patterns_ = random_gaussian(5, 33, rng_);
};

TEST_P(MemoryTest, ReadsItsPatternsBackBitForBit) {
  Matrix<float> given = copy(patterns_);
  const Memory memory = make(given);
  given(0, 0) += 1.0F;

  EXPECT_TRUE(same_bits(memory.patterns(), patterns_));
  EXPECT_EQ(memory.dimension(), 33);
  EXPECT_EQ(memory.pattern_count(), 5);
  EXPECT_EQ(memory.device(), test_device());
  EXPECT_TRUE(memory.contents().empty());
}

TEST_P(MemoryTest, TakesStridedPatterns) {
  const Matrix<float> wide = random_gaussian(5, 40, rng_);
  const MatrixView<const float> left(wide.data(), 5, 33, 40);

  const Memory memory = make(left);

  EXPECT_TRUE(same_bits(memory.patterns(), left));
  EXPECT_TRUE(same_answers(memory, make(copy(left))));
}

TEST_P(MemoryTest, ImprintEqualsStoringAllAtOnce) {
  const Matrix<float> more = random_gaussian(4, 33, rng_);
  const Matrix<float> all = stack(patterns_, more);
  Memory memory = make(patterns_);

  memory.imprint(more);

  EXPECT_TRUE(same_bits(memory.patterns(), all));
  EXPECT_TRUE(same_answers(memory, make(all)));
}

TEST_P(MemoryTest, GrowsByAnyNumberAtATime) {
  if (test_device().kind() == Device::Kind::cuda) GTEST_SKIP() << "memories are made anew there, which others see";
  Matrix<float> all = copy(patterns_);
  Memory memory = make(patterns_);
  for (const Index count : {1, 2, 9, 3}) {
    const Matrix<float> more = random_gaussian(count, 33, rng_);
    all = stack(all, more);

    memory.imprint(more);

    EXPECT_TRUE(same_bits(memory.patterns(), all));
    EXPECT_TRUE(same_answers(memory, make(all)));
  }
}

TEST_P(MemoryTest, OthersKeepTheMemoryThatGrows) {
  const Matrix<float> more = random_gaussian(4, 33, rng_);
  const Matrix<float> queries = noisy_copies(patterns_, 20, 0.2F, 0.5F, rng_);
  Memory memory = make(patterns_);
  const Relaxer relaxer(memory);
  const Memory before = memory;

  memory.imprint(more);

  EXPECT_EQ(memory.pattern_count(), 9);
  EXPECT_TRUE(same_bits(before.patterns(), patterns_));
  EXPECT_TRUE(same_answers(before, make(patterns_)));
  EXPECT_TRUE(same_results(relaxer.relax(queries), Relaxer(make(patterns_)).relax(queries)));
}

TEST_P(MemoryTest, ForgetEqualsNeverHavingStored) {
  const std::vector<Index> kept = {1, 2, 4};
  const std::vector<Index> forgotten = {3, 0};
  Memory memory = make(patterns_);

  memory.forget(forgotten);

  EXPECT_TRUE(same_bits(memory.patterns(), select(patterns_, kept)));
  EXPECT_TRUE(same_answers(memory, make(select(patterns_, kept))));
}

/// Numbers [0, count) but for these.
std::vector<Index> others(Index count, const std::vector<Index>& without) {
  std::vector<Index> result;
  for (Index i = 0; i < count; ++i)
    if (std::find(without.begin(), without.end(), i) == without.end()) result.push_back(i);
  return result;
}

TEST_P(MemoryTest, ForgetsAndGrowsInTurn) {
  if (test_device().kind() == Device::Kind::cuda) GTEST_SKIP() << "memories are made anew there, which others see";
  Matrix<float> all = random_gaussian(29, 33, rng_);
  Memory memory = make(all);
  const std::vector<std::vector<Index>> turns = {{28}, {0},          {25, 26}, {3, 11, 4, 19, 7}, {16, 17, 18, 0, 1, 2},
                                                 {1},  {0, 12, 3, 5}};
  for (const std::vector<Index>& forgotten : turns) {
    all = select(all, others(all.rows(), forgotten));
    memory.forget(forgotten);
    EXPECT_TRUE(same_bits(memory.patterns(), all));
    EXPECT_TRUE(same_answers(memory, make(all)));

    const Matrix<float> more = random_gaussian(2, 33, rng_);
    all = stack(all, more);
    memory.imprint(more);
    EXPECT_TRUE(same_answers(memory, make(all)));
  }
}

TEST_P(MemoryTest, OthersKeepTheMemoryThatForgets) {
  const Matrix<float> queries = noisy_copies(patterns_, 20, 0.2F, 0.5F, rng_);
  Memory memory = make(patterns_);
  const Relaxer relaxer(memory);
  const Memory before = memory;

  memory.forget({4});

  EXPECT_TRUE(same_answers(memory, make(patterns_.view().slice(0, 4))));
  EXPECT_TRUE(same_answers(before, make(patterns_)));
  EXPECT_TRUE(same_results(relaxer.relax(queries), Relaxer(make(patterns_)).relax(queries)));
}

TEST_P(MemoryTest, ForgetsAllButOne) {
  const std::vector<Index> forgotten = {0, 1, 2, 3};
  Memory memory = make(patterns_);

  memory.forget(forgotten);

  EXPECT_TRUE(same_answers(memory, make(patterns_.view().slice(4, 1))));
}

TEST_P(MemoryTest, ForgettingNothingChangesNothing) {
  Memory memory = make(patterns_);

  memory.forget({});

  EXPECT_TRUE(same_bits(memory.patterns(), patterns_));
  EXPECT_TRUE(same_answers(memory, make(patterns_)));
}

TEST_P(MemoryTest, CopiesAreIndependent) {
  const std::vector<Index> first = {0};
  const Memory original = make(patterns_);
  Memory changed = original;

  changed.forget(first);

  EXPECT_EQ(changed.pattern_count(), 4);
  EXPECT_TRUE(same_bits(original.patterns(), patterns_));
  EXPECT_TRUE(same_answers(original, make(patterns_)));
}

TEST_P(MemoryTest, ARelaxerKeepsTheMemoryItWasMadeWith) {
  const std::vector<Index> first = {0};
  const Matrix<float> queries = noisy_copies(patterns_, 20, 0.2F, 0.5F, rng_);
  Memory memory = make(patterns_);
  const Relaxer relaxer(memory);
  const Relaxation before = relaxer.relax(queries);

  memory.forget(first);

  EXPECT_EQ(relaxer.memory().pattern_count(), 5);
  EXPECT_TRUE(same_results(relaxer.relax(queries), before));
}

INSTANTIATE_TEST_SUITE_P(, MemoryTest, testing::ValuesIn(systems_with_rounding()),
                         [](const auto& test) { return test.param.name; });

TEST(ImprintTest, TakesAViewOfTheMemorysOwnPatterns) {
  Rng rng(2);
  const Matrix<float> patterns = random_gaussian(5, 33, rng);
  const Device device = test_device();
  for (Memory memory : {Memory::hebbian(device, patterns), Memory::projection(device, patterns, {.ridge = 0.5F}),
                        Memory::modern_hopfield(device, patterns)}) {
    memory.imprint(memory.patterns());

    EXPECT_TRUE(same_bits(memory.patterns(), stack(patterns, patterns)));
  }
}

TEST(ImprintTest, TakesAViewOfADenseMemorysOwnPatterns) {
  Rng rng(25);
  const Matrix<float> patterns = random_bipolar(5, 33, rng);
  for (const bool alone : {true, false}) {
    Memory memory = Memory::hebbian(test_device(), patterns, {.evaluation = Evaluation::dense, .contents = patterns});
    Matrix<float> all = copy(patterns);
    for (int i = 0; i < 3; ++i) {
      const Memory held = alone ? Memory::hebbian(test_device(), patterns) : memory;
      memory.imprint(memory.patterns(), memory.contents());
      all = stack(all, all);

      EXPECT_TRUE(same_bits(memory.patterns(), all));
      EXPECT_TRUE(same_bits(memory.contents(), all));
      EXPECT_TRUE(same_answers(
          memory, Memory::hebbian(test_device(), all, {.evaluation = Evaluation::dense, .contents = all})));
    }
  }
}

TEST(ImprintTest, TakesTheContentsOfAMemoryWithoutAny) {
  Rng rng(14);
  const Matrix<float> patterns = random_gaussian(5, 33, rng);
  for (Memory memory : {Memory::hebbian(test_device(), patterns), Memory::modern_hopfield(test_device(), patterns)}) {
    memory.imprint(patterns, memory.contents());
    memory.imprint(patterns, memory.contents());

    EXPECT_EQ(memory.pattern_count(), 15);
    EXPECT_TRUE(memory.contents().empty());
  }
}

/// Whether a memory is that of these patterns.
void expect_same(const Memory& memory, MatrixView<const float> patterns, const ModernHopfieldOptions& options,
                 MatrixView<const float> queries) {
  const Memory whole = Memory::modern_hopfield(test_device(), patterns, options);
  EXPECT_TRUE(same_results(Relaxer(memory).relax(queries), Relaxer(whole).relax(queries))) << patterns.rows;
  const RetrievalOptions two{.count = std::min<Index>(patterns.rows, 2)};
  EXPECT_EQ(retrieve(memory, queries, two).posterior, retrieve(whole, queries, two).posterior) << patterns.rows;
}

/// Makes a memory of the first pattern, then grows it to all of them, one at a time, and forgets them again from either
/// end.
void expect_growth_of(MatrixView<const float> patterns, const ModernHopfieldOptions& options) {
  Memory grown = Memory::modern_hopfield(test_device(), patterns.slice(0, 1), options);
  for (Index i = 1; i < patterns.rows; ++i) {
    grown.imprint(patterns.slice(i, 1));
    expect_same(grown, patterns.slice(0, i + 1), options, patterns);
  }
  Memory shrunk = grown;
  for (Index left = patterns.rows - 1; left > 0; --left) {
    grown.forget({0});
    expect_same(grown, patterns.slice(patterns.rows - left, left), options, patterns);
    shrunk.forget({left});
    expect_same(shrunk, patterns.slice(0, left), options, patterns);
  }
}

TEST(GrowthTest, OfPatternsThatBecomeShorterAndLonger) {
  if (test_device().kind() == Device::Kind::cuda) GTEST_SKIP() << "memories are made anew there, which others see";
  Rng rng(12);
  Matrix<float> patterns = random_gaussian(12, 17, rng);
  const std::vector<float> lengths = {1.0F, 1.0F, 0.5F, 3.0F, 0.25F, 1.0F, 1.0F, 4.0F, 0.01F, 1.0F, 0.01F, 8.0F};
  for (Index i = 0; i < 12; ++i)
    for (Index k = 0; k < 17; ++k) patterns(i, k) *= lengths[static_cast<std::size_t>(i)];

  for (const Similarity similarity :
       {Similarity::dot, Similarity::squared_distance, Similarity::manhattan, Similarity::cosine})
    expect_growth_of(patterns, {.beta = 0.5F, .similarity = similarity});
}

TEST(GrowthTest, OfColumnsWhoseMeanBecomesLargeAgainstTheirSpreadAndSmallAgain) {
  if (test_device().kind() == Device::Kind::cuda) GTEST_SKIP() << "memories are made anew there, which others see";
  Rng rng(13);
  Matrix<float> patterns = random_gaussian(16, 17, rng);
  // Alone, then off the middle, at the middle, and beyond a quarter of the largest.
  for (Index i = 0; i < 16; ++i)
    for (Index k = 0; k < 17; ++k) patterns(i, k) += i < 5 ? 100.0F : i < 13 ? 66.0F : 0.0F;

  for (const Similarity similarity : {Similarity::dot, Similarity::squared_distance})
    expect_growth_of(patterns, {.beta = 0.01F, .similarity = similarity});
}

TEST(GrowthTest, OfPatternsOfTwoValues) {
  if (test_device().kind() == Device::Kind::cuda) GTEST_SKIP() << "memories are made anew there, which others see";
  Rng rng(15);
  const Matrix<float> patterns = random_bipolar(12, 17, rng);

  for (const Similarity similarity : {Similarity::dot, Similarity::squared_distance})
    expect_growth_of(patterns, {.beta = 0.5F, .similarity = similarity});
}

TEST(GrowthTest, OfHebbianMemoriesUnderSignUpdates) {
  if (test_device().kind() == Device::Kind::cuda) GTEST_SKIP() << "memories are made anew there, which others see";
  Rng rng(21);
  for (const Matrix<float>& patterns : {random_bipolar(12, 65, rng), random_gaussian(12, 65, rng)}) {
    const Matrix<float> queries = flipped_copies(patterns, 40, 0.2, rng);
    const auto expect_same_signs = [&](const Memory& memory, MatrixView<const float> stored) {
      const Memory whole = Memory::hebbian(test_device(), stored);
      EXPECT_TRUE(same_results(Relaxer(memory).relax(queries), Relaxer(whole).relax(queries))) << stored.rows;
    };
    Memory memory = Memory::hebbian(test_device(), patterns.view().slice(0, 2));
    for (Index i = 2; i < 12; ++i) {
      memory.imprint(patterns.view().slice(i, 1));
      expect_same_signs(memory, patterns.view().slice(0, i + 1));
    }
    for (Index left = 11; left > 0; --left) {
      memory.forget({0});
      expect_same_signs(memory, patterns.view().slice(12 - left, left));
    }
  }
}

/// A dense memory that random turns of imprint and forget change, beside the patterns and contents that it has then.
class DenseGrowth {
 public:
  using Make = std::function<Memory(MatrixView<const float>, MatrixView<const float>)>;
  using Draw = std::function<Matrix<float>(Index, Index)>;

  DenseGrowth(Index dimension, Index content_dimension, Draw draw, Make make)
      : draw_(std::move(draw)),
        make_(std::move(make)),
        patterns_(draw_(5, dimension)),
        contents_(draw_(5, content_dimension)),
        memory_(make_(patterns_, contents_)) {}

  void imprint(const Matrix<float>& more) {
    const Matrix<float> contents = draw_(more.rows(), contents_.columns());
    patterns_ = stack(patterns_, more);
    contents_ = stack(contents_, contents);
    memory_.imprint(more, contents.columns() > 0 ? contents.view() : MatrixView<const float>());
  }
  void imprint(Index count) { imprint(draw_(count, patterns_.columns())); }

  void forget(const std::vector<Index>& forgotten) {
    const std::vector<Index> kept = others(patterns_.rows(), forgotten);
    patterns_ = select(patterns_, kept);
    contents_ = select(contents_, kept);
    memory_.forget(forgotten);
  }

  void expect_as_if_made_at_once(Rng& rng) const {
    const Memory whole = made_at_once();
    EXPECT_TRUE(same_bits(memory_.patterns(), patterns_));
    EXPECT_TRUE(same_bits(memory_.contents(), whole.contents()));
    EXPECT_EQ(memory_.evaluation(), Evaluation::dense);
    EXPECT_TRUE(same_answers(memory_, whole)) << memory_.rule() << ", " << patterns_.rows();
    const Matrix<float> queries = flipped_copies(random_bipolar(7, patterns_.columns(), rng), 40, 0.2, rng);
    const RelaxerOptions options{.max_steps = 4, .energies = true};
    EXPECT_TRUE(same_results(Relaxer(memory_, options).relax(queries), Relaxer(whole, options).relax(queries)))
        << memory_.rule() << ", " << patterns_.rows();
    if (!memory_.rule().starts_with("hebbian")) return;
    const Recall own = recall(memory_, queries);
    const Recall all = recall(whole, queries);
    EXPECT_TRUE(same_bits(own.contents, all.contents)) << memory_.rule() << ", " << patterns_.rows();
    EXPECT_TRUE(same_bits(own.intensity, all.intensity)) << memory_.rule() << ", " << patterns_.rows();
  }

  [[nodiscard]] const Memory& memory() const { return memory_; }
  [[nodiscard]] Memory made_at_once() const { return make_(patterns_, contents_); }
  [[nodiscard]] Index count() const { return patterns_.rows(); }

 private:
  Draw draw_;
  Make make_;
  Matrix<float> patterns_;
  Matrix<float> contents_;
  Memory memory_;
};

/// Random turns, and one with entries that let sums round, which goes again. Others hold some of the states between.
void expect_dense_growth(DenseGrowth growth, const Matrix<float>& rounding, Rng& rng) {
  std::vector<std::pair<Memory, Memory>> held;
  for (int turn = 0; turn < 12; ++turn) {
    if (turn % 4 == 3) held.emplace_back(growth.memory(), growth.made_at_once());
    growth.imprint(static_cast<Index>(1 + rng() % (turn == 5 ? 90 : 3)));
    growth.expect_as_if_made_at_once(rng);
    std::vector<Index> forgotten;
    for (Index i = 0; i < growth.count(); ++i)
      if (rng() % 4 == 0 && i + 1 < growth.count()) forgotten.push_back(i);
    growth.forget(forgotten);
    growth.expect_as_if_made_at_once(rng);
    if (turn != 7) continue;
    growth.imprint(rounding);
    growth.expect_as_if_made_at_once(rng);
    growth.forget({growth.count() - 1});
    growth.expect_as_if_made_at_once(rng);
  }
  for (const auto& [memory, whole] : held) EXPECT_TRUE(same_answers(memory, whole)) << memory.rule();
}

TEST(GrowthTest, OfDenseMemories) {
  if (test_device().kind() == Device::Kind::cuda) GTEST_SKIP() << "memories are made anew there, which others see";
  Rng rng(22);
  const auto integers = [&](int most) {
    return [&rng, most](Index rows, Index columns) {
      Matrix<float> result(rows, columns);
      for (Index i = 0; i < result.size(); ++i)
        result.data()[i] = static_cast<float>(static_cast<int>(rng() % (2 * static_cast<unsigned>(most) + 1)) - most);
      return result;
    };
  };
  for (const Index dimension : {2, 7, 8, 33, 75})
    for (const int most : {1, 3, 700}) {
      // Not integers, and integers whose squares float hasn't.
      for (const bool integer : {false, true}) {
        const Matrix<float> rounding = integer ? filled(1, dimension, 5001.0F) : random_gaussian(1, dimension, rng);
        for (const bool self_coupling : {false, true}) {
          const HebbianOptions options{.self_coupling = self_coupling, .rate = 0.75F, .evaluation = Evaluation::dense};
          expect_dense_growth({dimension, 0, integers(most),
                               [=](MatrixView<const float> patterns, MatrixView<const float> /*contents*/) {
                                 return Memory::hebbian(test_device(), patterns, options);
                               }},
                              rounding, rng);
          expect_dense_growth({dimension, 11, integers(most),
                               [=](MatrixView<const float> patterns, MatrixView<const float> contents) {
                                 HebbianOptions own = options;
                                 own.contents = contents;
                                 return Memory::hebbian(test_device(), patterns, own);
                               }},
                              rounding, rng);
        }
        expect_dense_growth({dimension, 0, integers(most),
                             [=](MatrixView<const float> pairs, MatrixView<const float> /*contents*/) {
                               return Memory::bidirectional(test_device(), pairs, {.first = (dimension + 1) / 3});
                             }},
                            rounding, rng);
      }
    }
}

TEST(GrowthTest, OfSumsThatHaveBeenTooLargeForFloat) {
  if (test_device().kind() == Device::Kind::cuda) GTEST_SKIP() << "memories are made anew there, which others see";
  Rng rng(26);
  // Five squares of 2047 are odd and beyond 2²⁴, four are not.
  DenseGrowth growth(
      9, 0, [](Index rows, Index columns) { return filled(rows, columns, 2047.0F); },
      [](MatrixView<const float> patterns, MatrixView<const float> /*contents*/) {
        return Memory::hebbian(test_device(), patterns, {.evaluation = Evaluation::dense});
      });
  growth.expect_as_if_made_at_once(rng);
  growth.forget({2});
  growth.expect_as_if_made_at_once(rng);
  growth.imprint(1);
  growth.expect_as_if_made_at_once(rng);
}

TEST(ProjectionTest, FactorsOfIntegersThatWereDenseAreMadeAnew) {
  // Orthogonal patterns of length √D: their factor has ones.
  Matrix<float> wide = filled(25, 64, 0.0F);
  for (Index i = 0; i < 25; ++i) wide(i, i) = 8.0F;
  Memory memory = Memory::projection(test_device(), wide);
  EXPECT_EQ(memory.evaluation(), Evaluation::dense);

  memory.forget({20, 3});

  const std::vector<Index> kept = others(25, {20, 3});
  EXPECT_EQ(memory.evaluation(), Evaluation::factored);
  EXPECT_TRUE(same_answers(memory, Memory::projection(test_device(), select(wide, kept))));
}

TEST(GrowthTest, OfStorkeyMemories) {
  if (test_device().kind() == Device::Kind::cuda) GTEST_SKIP() << "memories are made anew there, which others see";
  Rng rng(23);
  for (const Index dimension : {1, 7, 33, 75}) {
    const auto draw = [&](Index rows, Index columns) { return random_bipolar(rows, columns, rng); };
    DenseGrowth growth(dimension, 0, draw, [](MatrixView<const float> patterns, MatrixView<const float> /*contents*/) {
      return Memory::storkey(test_device(), patterns);
    });
    for (int turn = 0; turn < 4; ++turn) {
      for (const Index count : {1, 1, 3}) {
        const Memory held = growth.memory();
        const Memory whole = growth.made_at_once();
        growth.imprint(count);
        EXPECT_TRUE(same_answers(held, whole));
        growth.imprint(1);
        growth.expect_as_if_made_at_once(rng);
      }
      growth.forget({0, growth.count() - 1, growth.count() / 2});
      growth.expect_as_if_made_at_once(rng);
    }
  }
}

TEST(GrowthTest, AStorkeyMemoryIsWhatItWasOnceWeightsWouldLeaveFloat) {
  Rng rng(24);
  const Matrix<float> patterns = random_bipolar(4, 33, rng);
  Memory memory = Memory::storkey(test_device(), patterns.view().slice(0, 2));
  memory.imprint(patterns.view().slice(2, 1));

  EXPECT_THROW(memory.imprint(filled(3, 33, 1e18F)), InvalidArgument);

  EXPECT_EQ(memory.pattern_count(), 3);
  EXPECT_TRUE(same_answers(memory, Memory::storkey(test_device(), patterns.view().slice(0, 3))));
  memory.imprint(patterns.view().slice(3, 1));
  EXPECT_TRUE(same_answers(memory, Memory::storkey(test_device(), patterns)));
}

TEST(ForgetTest, ContentsGoWithTheirPatterns) {
  Rng rng(16);
  const Matrix<float> patterns = random_gaussian(21, 17, rng);
  const Matrix<float> contents = random_gaussian(21, 3, rng);
  const std::vector<Index> kept = {1, 2, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19};
  const auto make = [](MatrixView<const float> a, MatrixView<const float> c) {
    return Memory::modern_hopfield(test_device(), a, {.similarity = Similarity::cosine, .contents = c});
  };
  Memory memory = make(patterns, contents);

  memory.forget({20, 0, 6, 4, 18});

  EXPECT_TRUE(same_bits(memory.contents(), select(contents, kept)));
  EXPECT_TRUE(same_bits(recall(memory, patterns).contents,
                        recall(make(select(patterns, kept), select(contents, kept)), patterns).contents));
}

TEST(ForgetTest, PriorsStayWithTheirPatterns) {
  Rng rng(17);
  const Matrix<float> patterns = random_gaussian(4, 17, rng);
  Memory memory = Memory::modern_hopfield(test_device(), patterns, {.log_prior = {0.0F, 3.0F, -1.0F, 2.0F}});

  memory.forget({1});

  const std::vector<Index> kept = {0, 2, 3};
  EXPECT_TRUE(same_answers(
      memory, Memory::modern_hopfield(test_device(), select(patterns, kept), {.log_prior = {0.0F, -1.0F, 2.0F}})));
}

TEST(ContentsTest, AreReadBackAndFollowTheirPatterns) {
  const Matrix<float> contents = matrix({{1, 10}, {2, 20}, {3, 30}});
  const std::vector<Index> middle = {1};
  Memory memory = Memory::modern_hopfield(test_device(), matrix({{1, 1, 1}, {1, -1, 1}, {-1, 1, 1}}),
                                          {.contents = contents.view()});
  EXPECT_TRUE(same_bits(memory.contents(), contents));

  memory.forget(middle);
  EXPECT_TRUE(same_bits(memory.contents(), matrix({{1, 10}, {3, 30}})));

  memory.imprint(matrix({{-1, -1, 1}}), matrix({{4, 40}}));
  EXPECT_TRUE(same_bits(memory.contents(), matrix({{1, 10}, {3, 30}, {4, 40}})));
  EXPECT_EQ(memory.content_dimension(), 2);
  EXPECT_NEAR(recall(memory, matrix({{-40, -40, 40}})).contents(0, 1), 40, 1e-3);
}

/// Runs `make` and expects it to name `pattern` as the first dependent one.
template <class Make>
void expect_dependent(Make make, const std::string& pattern) {
  try {
    make();
    ADD_FAILURE() << "dependent patterns were accepted";
  } catch (const DependentPatterns& error) {
    EXPECT_NE(std::string(error.what()).find("pattern " + pattern), std::string::npos) << error.what();
  }
}

TEST(ProjectionTest, NamesTheFirstDependentPattern) {
  const Device device = test_device();

  expect_dependent([&] { Memory::projection(device, matrix({{1, 1, 1}, {1, -1, 1}, {1, 1, 1}})); }, "2");
  expect_dependent([&] { Memory::projection(device, matrix({{1, 1, 1}, {-2, -2, -2}, {1, -1, 1}})); }, "1");
  expect_dependent([&] { Memory::projection(device, matrix({{0, 0, 0}, {1, -1, 1}})); }, "0");
}

TEST(ProjectionTest, MorePatternsThanDimensionsAreDependent) {
  Rng rng(4);

  expect_dependent([&] { Memory::projection(test_device(), random_gaussian(9, 6, rng)); }, "6");
}

TEST(ProjectionTest, FindsDependenceAtEveryScale) {
  Rng rng(5);
  const Matrix<float> independent = random_gaussian(40, 100, rng);
  Matrix<float> sum(1, 100);
  for (Index j = 0; j < 100; ++j) sum(0, j) = independent(3, j) + independent(17, j);
  for (const float scale : {1e-3F, 1.0F, 1e3F}) {
    Matrix<float> patterns = stack(independent, sum);
    for (Index i = 0; i < patterns.size(); ++i) patterns.data()[i] *= scale;

    EXPECT_NO_THROW(Memory::projection(test_device(), patterns.view().slice(0, 40)));
    expect_dependent([&] { Memory::projection(test_device(), patterns); }, "40");
  }
}

TEST(ProjectionTest, ImprintOfADuplicateFailsAndChangesNothing) {
  Rng rng(6);
  const Matrix<float> patterns = random_gaussian(3, 16, rng);
  Memory memory = Memory::projection(test_device(), patterns);

  expect_dependent([&] { memory.imprint(patterns.view().slice(1, 1)); }, "3");

  EXPECT_TRUE(same_bits(memory.patterns(), patterns));
  EXPECT_TRUE(same_answers(memory, Memory::projection(test_device(), patterns)));
}

/// Whether a projection memory with contents is that of these patterns.
void expect_projection(const Memory& memory, MatrixView<const float> patterns, MatrixView<const float> contents,
                       float ridge) {
  const Memory whole = Memory::projection(test_device(), patterns, {.ridge = ridge, .contents = contents});
  EXPECT_TRUE(same_bits(memory.patterns(), patterns));
  EXPECT_TRUE(same_bits(memory.contents(), contents));
  EXPECT_EQ(memory.evaluation(), whole.evaluation());
  EXPECT_TRUE(same_answers(memory, whole)) << patterns.rows;
  const Recall own = recall(memory, patterns);
  const Recall all = recall(whole, patterns);
  EXPECT_TRUE(same_bits(own.contents, all.contents)) << patterns.rows;
  EXPECT_TRUE(same_bits(own.intensity, all.intensity)) << patterns.rows;
}

TEST(ProjectionTest, GrowsAndForgetsAsIfMadeAtOnce) {
  if (test_device().kind() == Device::Kind::cuda) GTEST_SKIP() << "memories are made anew there, which others see";
  Rng rng(18);
  const Matrix<float> patterns = random_gaussian(30, 49, rng);
  const Matrix<float> contents = random_gaussian(30, 3, rng);
  for (const float ridge : {0.0F, 0.25F}) {
    Memory memory = Memory::projection(test_device(), patterns.view().slice(0, 2),
                                       {.ridge = ridge, .contents = contents.view().slice(0, 2)});
    Index stored = 2;
    for (const Index more : {1, 1, 5, 9, 1, 11}) {
      memory.imprint(patterns.view().slice(stored, more), contents.view().slice(stored, more));
      stored += more;
      expect_projection(memory, patterns.view().slice(0, stored), contents.view().slice(0, stored), ridge);
    }
    for (const std::vector<Index>& last :
         std::vector<std::vector<Index>>{{29}, {27, 28}, {26}, {25, 20, 22, 23, 24, 21}}) {
      memory.forget(last);
      stored -= static_cast<Index>(last.size());
      expect_projection(memory, patterns.view().slice(0, stored), contents.view().slice(0, stored), ridge);
      memory.imprint(patterns.view().slice(stored, 1), contents.view().slice(stored, 1));
      memory.forget({stored});
    }
    std::vector<Index> kept = others(20, {});
    for (const std::vector<Index>& some : std::vector<std::vector<Index>>{{18}, {9, 3}, {14, 16, 7, 13}, {0}, {1}}) {
      const Memory held = memory;
      const Memory whole =
          Memory::projection(test_device(), memory.patterns(), {.ridge = ridge, .contents = memory.contents()});
      memory.forget(some);
      EXPECT_TRUE(same_answers(held, whole));
      std::vector<Index> left;
      for (const Index i : others(static_cast<Index>(kept.size()), some))
        left.push_back(kept[static_cast<std::size_t>(i)]);
      kept = left;
      expect_projection(memory, select(patterns, kept), select(contents, kept), ridge);
      memory.imprint(patterns.view().slice(25, 1), contents.view().slice(25, 1));
      memory.forget({static_cast<Index>(kept.size())});
      expect_projection(memory, select(patterns, kept), select(contents, kept), ridge);
    }
  }
}

TEST(ProjectionTest, DependentPatternsAmongMoreLeaveAGrownMemoryAsItWas) {
  Rng rng(19);
  const Matrix<float> patterns = random_gaussian(6, 32, rng);
  Memory memory = Memory::projection(test_device(), patterns.view().slice(0, 2));
  memory.imprint(patterns.view().slice(2, 1));

  expect_dependent([&] { memory.imprint(stack(patterns.view().slice(3, 1), patterns.view().slice(1, 1))); }, "4 of 5");

  EXPECT_TRUE(same_answers(memory, Memory::projection(test_device(), patterns.view().slice(0, 3))));
  memory.imprint(patterns.view().slice(3, 3));
  EXPECT_TRUE(same_answers(memory, Memory::projection(test_device(), patterns)));
}

TEST(ImprintTest, TakesAViewOfAGrownMemorysOwnPatterns) {
  Rng rng(20);
  const Matrix<float> patterns = random_gaussian(3, 64, rng);
  Memory memory = Memory::projection(test_device(), patterns, {.ridge = 0.5F});
  Matrix<float> all = copy(patterns);
  for (int i = 0; i < 3; ++i) {
    memory.imprint(memory.patterns(), memory.contents());
    all = stack(all, all);

    EXPECT_TRUE(same_bits(memory.patterns(), all));
    EXPECT_TRUE(same_answers(memory, Memory::projection(test_device(), all, {.ridge = 0.5F})));
  }
}

TEST(ProjectionTest, RidgeAcceptsDuplicates) {
  Rng rng(7);
  const Matrix<float> patterns = random_gaussian(3, 16, rng);
  const Matrix<float> doubled = stack(patterns, patterns);

  const Memory memory = Memory::projection(test_device(), doubled, {.ridge = 0.01F});

  EXPECT_EQ(memory.pattern_count(), 6);
}

TEST(ProjectionTest, StoresCorrelatedPatterns) {
  // Hebb's rule fails here: every two patterns share three quarters of their entries.
  Rng rng(8);
  Matrix<float> patterns = random_bipolar(12, 128, rng);
  for (Index i = 0; i < 12; ++i) std::fill_n(patterns.row(i), 64, 1.0F);
  const RelaxerOptions options{.update = sign_update()};

  const Relaxation projected = Relaxer(Memory::projection(test_device(), patterns), options).relax(patterns);
  const Relaxation hebbian = Relaxer(Memory::hebbian(test_device(), patterns), options).relax(patterns);

  EXPECT_TRUE(same_bits(projected.states.view(), patterns.view()));
  EXPECT_FALSE(same_bits(hebbian.states.view(), patterns.view()));
}

TEST(EvaluationTest, IsChosenByCost) {
  Rng rng(9);
  const Device device = test_device();
  const Matrix<float> few = random_gaussian(8, 128, rng);
  const Matrix<float> many = random_gaussian(100, 128, rng);

  EXPECT_EQ(Memory::hebbian(device, few).evaluation(), Evaluation::factored);
  EXPECT_EQ(Memory::hebbian(device, many).evaluation(), Evaluation::dense);
  EXPECT_EQ(Memory::projection(device, few).evaluation(), Evaluation::factored);
  EXPECT_EQ(Memory::projection(device, many).evaluation(), Evaluation::dense);
  EXPECT_EQ(Memory::modern_hopfield(device, many).evaluation(), Evaluation::factored);
}

TEST(EvaluationTest, CanBeForced) {
  Rng rng(10);
  const Device device = test_device();
  const Matrix<float> few = random_gaussian(8, 128, rng);
  const Matrix<float> many = random_gaussian(100, 128, rng);

  EXPECT_EQ(Memory::hebbian(device, few, {.evaluation = Evaluation::dense}).evaluation(), Evaluation::dense);
  EXPECT_EQ(Memory::hebbian(device, many, {.evaluation = Evaluation::factored}).evaluation(), Evaluation::factored);
  EXPECT_EQ(Memory::projection(device, few, {.evaluation = Evaluation::dense}).evaluation(), Evaluation::dense);
  EXPECT_EQ(Memory::projection(device, many, {.evaluation = Evaluation::factored}).evaluation(), Evaluation::factored);
}

TEST(EvaluationTest, IsChosenAnewWhenAMemoryGrowsAndKeptWhenForced) {
  Rng rng(11);
  const Matrix<float> few = random_gaussian(8, 128, rng);
  const Matrix<float> many = random_gaussian(100, 128, rng);
  Memory chosen = Memory::hebbian(test_device(), few);
  Memory forced = Memory::hebbian(test_device(), few, {.evaluation = Evaluation::factored});

  chosen.imprint(many);
  forced.imprint(many);

  EXPECT_EQ(chosen.evaluation(), Evaluation::dense);
  EXPECT_EQ(forced.evaluation(), Evaluation::factored);
}

TEST(DeviceTest, NamesItself) {
  EXPECT_EQ(Device::cpu().kind(), Device::Kind::cpu);
  EXPECT_EQ(Device::cpu().description().rfind("cpu", 0), 0U) << Device::cpu().description();
  EXPECT_FALSE(Device::best().description().empty());
}

}  // namespace
}  // namespace attractor::test
