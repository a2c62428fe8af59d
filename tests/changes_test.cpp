/// Memories whose patterns come, go and are replaced: what patterns go by meanwhile, and that the memory is one made of
/// what is left at once.

#include <algorithm>
#include <functional>
#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

constexpr Index dimension = 40;

using Rows = MatrixView<const float>;

struct Kind {
  std::string name;
  std::function<Memory(Rows patterns, Rows contents)> make;
  bool has_contents = false;
  bool may_grow = true;  ///< not with priors or weights for each pattern
};

std::ostream& operator<<(std::ostream& out, const Kind& kind) { return out << kind.name; }

AdaptiveSimilarity own_weights(Index patterns) {
  Rng rng(5);
  const Matrix<float> weights = random_gaussian(patterns, dimension, rng);
  return {.dot = std::vector<float>(weights.data(), weights.data() + weights.size())};
}

std::vector<Kind> all_kinds() {
  return {
      {"FactoredHebbian",
       [](Rows patterns, Rows contents) {
         return Memory::hebbian(test_device(), patterns, {.evaluation = Evaluation::factored, .contents = contents});
       },
       true},
      {"DenseHebbian",
       [](Rows patterns, Rows) { return Memory::hebbian(test_device(), patterns, {.evaluation = Evaluation::dense}); }},
      {"FadingHebbian", [](Rows patterns, Rows) { return Memory::hebbian(test_device(), patterns, {.decay = 0.75F}); }},
      {"Projection", [](Rows patterns, Rows) { return Memory::projection(test_device(), patterns); }},
      {"Storkey", [](Rows patterns, Rows) { return Memory::storkey(test_device(), patterns); }},
      {"DenseAssociative", [](Rows patterns, Rows) { return Memory::dense_associative(test_device(), patterns); }},
      {"ModernHopfield",
       [](Rows patterns, Rows contents) {
         return Memory::modern_hopfield(test_device(), patterns, {.beta = 0.25F, .contents = contents});
       },
       true},
      {"ModernHopfieldWithPriors",
       [](Rows patterns, Rows) {
         std::vector<float> priors(static_cast<std::size_t>(patterns.rows));
         for (std::size_t i = 0; i < priors.size(); ++i) priors[i] = 0.125F * static_cast<float>(i);
         return Memory::modern_hopfield(test_device(), patterns, {.beta = 0.25F, .log_prior = priors});
       },
       false, false},
      {"AdaptiveWithOwnWeights",
       [](Rows patterns, Rows) { return Memory::adaptive(test_device(), patterns, own_weights(patterns.rows)); }, false,
       false},
  };
}

class ChangesTest : public testing::TestWithParam<Kind> {
 protected:
  /// A memory beside what it should hold.
  struct Model {
    std::vector<Index> identifiers;
    Matrix<float> patterns;
    Matrix<float> contents;
    Index next = 0;
  };

  [[nodiscard]] Rows contents_of(const Matrix<float>& contents) const {
    return GetParam().has_contents ? contents.view() : Rows();
  }

  Model make_model(Index count) {
    Model model{.identifiers = {},
                .patterns = random_bipolar(count, dimension, rng_),
                .contents = random_gaussian(count, 3, rng_),
                .next = count};
    for (Index i = 0; i < count; ++i) model.identifiers.push_back(i);
    return model;
  }

  void expect_agrees(const Memory& memory, const Model& model) {
    ASSERT_TRUE(same_bits(memory.patterns(), model.patterns));
    for (Index i = 0; i < memory.pattern_count(); ++i)
      EXPECT_EQ(memory.identifier_of(i), model.identifiers[static_cast<std::size_t>(i)]);
    std::vector<Index> places(static_cast<std::size_t>(model.next), -1);
    for (std::size_t i = 0; i < model.identifiers.size(); ++i)
      places[static_cast<std::size_t>(model.identifiers[i])] = static_cast<Index>(i);
    for (std::size_t i = 0; i < places.size(); ++i) EXPECT_EQ(memory.index_of(static_cast<Index>(i)), places[i]);
    for (const Index never : {Index{-1}, model.next, model.next + 100}) EXPECT_EQ(memory.index_of(never), -1);
    if (model.patterns.rows() == 0) return;
    const Matrix<float> queries = flipped_copies(model.patterns, 12, 0.1, rng_);
    const RelaxerOptions options{.max_steps = 4, .threads = 1};
    EXPECT_TRUE(
        same_results(Relaxer(memory, options).relax(queries),
                     Relaxer(GetParam().make(model.patterns, contents_of(model.contents)), options).relax(queries)));
  }

  void imprint(Memory& memory, Model& model, Index count) {
    const Matrix<float> patterns = random_bipolar(count, dimension, rng_);
    const Matrix<float> contents = random_gaussian(count, 3, rng_);
    memory.imprint(patterns, contents_of(contents));
    model.patterns = stack(model.patterns, patterns);
    model.contents = stack(model.contents, contents);
    for (Index i = 0; i < count; ++i) model.identifiers.push_back(model.next++);
  }

  static void forget(Memory& memory, Model& model, const std::vector<Index>& indices) {
    memory.forget(indices);
    std::vector<Index> kept;
    std::vector<Index> identifiers;
    for (Index i = 0; i < model.patterns.rows(); ++i) {
      if (std::find(indices.begin(), indices.end(), i) != indices.end()) continue;
      kept.push_back(i);
      identifiers.push_back(model.identifiers[static_cast<std::size_t>(i)]);
    }
    model.patterns = select(model.patterns, kept);
    model.contents = select(model.contents, kept);
    model.identifiers = std::move(identifiers);
  }

  void replace(Memory& memory, Model& model, const std::vector<Index>& indices) {
    const auto count = static_cast<Index>(indices.size());
    const Matrix<float> patterns = random_bipolar(count, dimension, rng_);
    const Matrix<float> contents = random_gaussian(count, 3, rng_);
    memory.replace(indices, patterns, contents_of(contents));
    for (Index i = 0; i < count; ++i) {
      const Index place = indices[static_cast<std::size_t>(i)];
      std::copy_n(patterns.row(i), dimension, model.patterns.row(place));
      std::copy_n(contents.row(i), 3, model.contents.row(place));
    }
  }

  Rng rng_{77};
};

TEST_P(ChangesTest, PatternsKeepTheirIdentifiers) {
  if (!GetParam().may_grow) GTEST_SKIP() << "has priors or weights for each pattern";
  Model model = make_model(5);
  Memory memory = GetParam().make(model.patterns, contents_of(model.contents));
  expect_agrees(memory, model);
  imprint(memory, model, 3);
  expect_agrees(memory, model);
  forget(memory, model, {7, 6});
  expect_agrees(memory, model);
  imprint(memory, model, 2);
  forget(memory, model, {1, 3});
  expect_agrees(memory, model);
  replace(memory, model, {4, 0});
  expect_agrees(memory, model);
  imprint(memory, model, 1);
  expect_agrees(memory, model);

  const Memory before = memory;
  const Model model_before{model.identifiers, copy(model.patterns), copy(model.contents), model.next};
  forget(memory, model, {0, 1, 2, 3, 4, 5, 6});
  EXPECT_EQ(memory.pattern_count(), 0);
  expect_agrees(memory, model);
  expect_agrees(before, model_before);
  imprint(memory, model, 2);
  expect_agrees(memory, model);
}

TEST_P(ChangesTest, ReplacedPatternsAreAsIfTheyHadAlwaysBeenThere) {
  Model model = make_model(6);
  Memory memory = GetParam().make(model.patterns, contents_of(model.contents));
  const Relaxer before(memory);
  const Matrix<float> queries = copy(model.patterns);
  const Relaxation expected = before.relax(queries);

  replace(memory, model, {5, 2});
  expect_agrees(memory, model);
  replace(memory, model, {});
  replace(memory, model, {0});
  expect_agrees(memory, model);

  EXPECT_TRUE(same_results(before.relax(queries), expected)) << "a relaxer keeps the memory that it was made with";
  expect_agrees(memory.copy_to(Device::cpu()).copy_to(test_device()), model);
}

TEST_P(ChangesTest, OthersMayBeTheMemorysOwn) {
  Model model = make_model(6);
  Memory memory = GetParam().make(model.patterns, contents_of(model.contents));
  const std::vector<Index> places = {4, 3};

  memory.replace(places, memory.patterns().slice(3, 2),
                 GetParam().has_contents ? memory.contents().slice(3, 2) : Rows());

  std::swap_ranges(model.patterns.row(3), model.patterns.row(4), model.patterns.row(4));
  std::swap_ranges(model.contents.row(3), model.contents.row(4), model.contents.row(4));
  expect_agrees(memory, model);
}

INSTANTIATE_TEST_SUITE_P(, ChangesTest, testing::ValuesIn(all_kinds()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace attractor::test
