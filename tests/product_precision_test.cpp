/// Softmax memories of fast precision: what their products may be off by, what is full in any case, and who refuses it.

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>
#include <attractor/error.hpp>

#include "core/reference/relaxation.hpp"
#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

ModernHopfieldOptions with_precision(ModernHopfieldOptions options, ProductPrecision precision) {
  options.precision = precision;
  return options;
}

double norm(std::span<const double> values) {
  double squares = 0.0;
  for (const double value : values) squares += value * value;
  return std::sqrt(squares);
}

struct Shape {
  Index dimension;
  Index patterns;
  float beta;
};

class ProductPrecisionTest : public testing::TestWithParam<Shape> {
 protected:
  /// Memory and oracle, and what ProductPrecision says of a score and of a readout.
  void expect_bounded(const System& system, const Matrix<float>& patterns, double beta, Similarity similarity) {
    const Matrix<float> queries = noisy_copies(patterns, 40, 0.2F, 1.0F, rng_);
    const RelaxerOptions options{
        .update = readout_update(), .halting = fixed_steps(), .max_steps = 1, .energies = true};
    const Relaxation result = Relaxer(system.memory, options).relax(queries);

    double longest = 0.0;
    float largest = 0.0F;
    for (Index mu = 0; mu < patterns.rows(); ++mu) longest = std::max(longest, norm(to_double(row_of(patterns, mu))));
    for (Index i = 0; i < patterns.size(); ++i) largest = std::max(largest, std::abs(patterns.data()[i]));
    const auto score_error = [&](std::span<const double> state) {
      return beta * (0x1p-10 + (3.0 * static_cast<double>(state.size()) + 48.0) * 0x1p-24) * longest * norm(state);
    };
    for (Index i = 0; i < queries.rows(); ++i) {
      SCOPED_TRACE(testing::Message() << "query " << i << ", similarity " << static_cast<int>(similarity));
      const reference::Vector state = to_double(row_of(queries, i));
      const reference::Vector next = to_double(row_of(result.states, i));
      const reference::Vector expected = reference::readout(system.model, state);
      const double error = (std::expm1(2.0 * score_error(state)) + 0x1.01p-10) * static_cast<double>(largest);
      const reference::Vector rounding = rounding_bound(system, state).field;
      for (std::size_t k = 0; k < next.size(); ++k) ASSERT_NEAR(next[k], expected[k], error + rounding[k]) << k;
      ASSERT_NEAR(static_cast<double>(result.energies[static_cast<std::size_t>(i)]),
                  reference::energy(system.model, next),
                  score_error(next) / beta + rounding_bound(system, next).energy);
    }
  }

  Rng rng_{77};
  Matrix<float> patterns_ = random_gaussian(GetParam().patterns, GetParam().dimension, rng_);
};

TEST_P(ProductPrecisionTest, StaysWithinItsBound) {
  const float beta = GetParam().beta;
  for (const bool bipolar : {false, true}) {
    const Matrix<float> patterns =
        bipolar ? random_bipolar(GetParam().patterns, GetParam().dimension, rng_) : copy(patterns_);
    for (const Similarity similarity : {Similarity::dot, Similarity::squared_distance}) {
      reference::SoftmaxModel model = reference::modern_hopfield(patterns, static_cast<double>(beta), softmax());
      model.similarity = similarity;
      const Memory memory = Memory::modern_hopfield(
          test_device(), patterns, {.beta = beta, .similarity = similarity, .precision = ProductPrecision::fast});
      expect_bounded({memory, std::move(model)}, patterns, static_cast<double>(beta), similarity);
    }
    const Memory exponential =
        Memory::exponential(test_device(), patterns, {.beta = beta, .precision = ProductPrecision::fast});
    expect_bounded({exponential, reference::exponential(patterns, static_cast<double>(beta))}, patterns,
                   static_cast<double>(beta), Similarity::dot);
  }
}

/// Contents are rounded as patterns are.
TEST_P(ProductPrecisionTest, RecallsWithinItsBound) {
  const Matrix<float> contents = random_gaussian(GetParam().patterns, 37, rng_);
  const ModernHopfieldOptions options{.beta = GetParam().beta, .contents = contents};
  const Matrix<float> queries = noisy_copies(patterns_, 40, 0.2F, 1.0F, rng_);
  const Matrix<float> full = recall(Memory::modern_hopfield(test_device(), patterns_, options), queries).contents;
  const Matrix<float> fast =
      recall(Memory::modern_hopfield(test_device(), patterns_, with_precision(options, ProductPrecision::fast)),
             queries)
          .contents;

  float largest = 0.0F;
  for (Index i = 0; i < contents.size(); ++i) largest = std::max(largest, std::abs(contents.data()[i]));
  double longest = 0.0;
  for (Index mu = 0; mu < patterns_.rows(); ++mu) longest = std::max(longest, norm(to_double(row_of(patterns_, mu))));
  for (Index i = 0; i < queries.rows(); ++i) {
    const double score_error = options.beta * 0x1.1p-10 * longest * norm(to_double(row_of(queries, i)));
    const double error = (std::expm1(2.0 * score_error) + 0x1.1p-10) * largest;
    for (Index k = 0; k < contents.columns(); ++k) ASSERT_NEAR(fast(i, k), full(i, k), error) << i << ", " << k;
  }
}

/// Where the device has the products, they are rounded; elsewhere fast is full, to the last bit.
TEST_P(ProductPrecisionTest, RoundsOnTensorCoresAlone) {
  const Matrix<float> queries = noisy_copies(patterns_, 40, 0.2F, 1.0F, rng_);
  const RelaxerOptions options{.halting = fixed_steps(), .max_steps = 2, .energies = true};
  const auto relaxed = [&](ProductPrecision precision) {
    return Relaxer(Memory::modern_hopfield(test_device(), patterns_, {.beta = GetParam().beta, .precision = precision}),
                   options)
        .relax(queries);
  };
  const Relaxation fast = relaxed(ProductPrecision::fast);
  const Relaxation full = relaxed(ProductPrecision::full);
  if (test_device().kind() == Device::Kind::cpu) {
    EXPECT_TRUE(same_results(fast, full));
  } else if (test_device().description().find("compute capability 7.") != std::string::npos) {
    GTEST_SKIP() << "this device's tensor cores don't multiply 16 × 16 by 16 × 8";
  } else {
    EXPECT_FALSE(same_bits(fast.states, full.states));
  }
}

TEST_P(ProductPrecisionTest, RetrievesAtFullPrecision) {
  const Matrix<float> queries = noisy_copies(patterns_, 40, 0.2F, 1.0F, rng_);
  const auto found = [&](ProductPrecision precision, Index count) {
    return retrieve(
        Memory::modern_hopfield(test_device(), patterns_, {.beta = GetParam().beta, .precision = precision}), queries,
        {.count = count});
  };
  for (const Index count : {Index{1}, std::min<Index>(3, patterns_.rows())}) {
    const Retrieval fast = found(ProductPrecision::fast, count);
    const Retrieval full = found(ProductPrecision::full, count);
    EXPECT_EQ(fast.pattern, full.pattern);
    EXPECT_EQ(fast.posterior, full.posterior);
  }
}

INSTANTIATE_TEST_SUITE_P(, ProductPrecisionTest,
                         testing::Values(Shape{5, 9, 1.0F}, Shape{20, 70, 0.3F}, Shape{64, 130, 0.1F},
                                         Shape{150, 65, 0.05F}, Shape{256, 40, 0.03F}, Shape{300, 70, 0.03F}),
                         [](const auto& test) {
                           return "D" + std::to_string(test.param.dimension) + "P" +
                                  std::to_string(test.param.patterns);
                         });

/// Four entries that add up to 0 under equal weights, but not once they are rounded: the neuron keeps its state.
TEST(FastPrecisionTest, FieldsWithinItsRoundingAreZero) {
  Matrix<float> patterns = filled(4, 20, 1.0F);
  for (Index mu = 0; mu < 4; ++mu) patterns(mu, 4) = mu == 0 ? 0.3F : -0.1F;
  const Memory memory =
      Memory::exponential(test_device(), patterns, {.beta = 1e-9F, .precision = ProductPrecision::fast});
  Matrix<float> queries = filled(2, 20, 1.0F);
  queries(1, 4) = -1.0F;

  const Relaxation result = Relaxer(memory, {.halting = fixed_steps(), .max_steps = 1}).relax(queries);

  EXPECT_EQ(result.states(0, 4), 1.0F);
  EXPECT_EQ(result.states(1, 4), -1.0F);
}

TEST(FastPrecisionTest, IsNamedSavedAndKept) {
  const Matrix<float> patterns = matrix({{1, 2, 0.5F}, {-3, 0.5F, 1}});
  Memory memory = Memory::make(test_device(), "modern_hopfield(precision = fast)", patterns);
  const std::string rule = memory.rule();
  EXPECT_TRUE(rule.ends_with(", precision = fast)")) << rule;
  EXPECT_EQ(Memory::exponential(test_device(), patterns, {.precision = ProductPrecision::fast}).rule(),
            "exponential(beta = 1, storage = float32, content_storage = float32, precision = fast)");

  memory.imprint(matrix({{0.1F, 0.2F, 0.3F}}));
  memory.forget({0});
  EXPECT_EQ(memory.rule(), rule);
  EXPECT_EQ(memory.copy_to(Device::cpu()).rule(), rule);
  const std::vector<float> betas = {1.0F};
  EXPECT_EQ(Heads::modern_hopfield(test_device(), patterns, betas, {.precision = ProductPrecision::fast})
                .relaxers()
                .front()
                .memory()
                .rule(),
            rule);
}

TEST(FastPrecisionTest, IsForSoftmaxOfProducts) {
  const Matrix<float> patterns = matrix({{1, 2}, {-3, 0.5F}});
  const auto message = [&](const ModernHopfieldOptions& options) {
    try {
      static_cast<void>(
          Memory::modern_hopfield(test_device(), patterns, with_precision(options, ProductPrecision::fast)));
    } catch (const InvalidArgument& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string wanted = "the precision fast is for softmax over dot products or squared distances; the ";
  EXPECT_EQ(message({.separation = sparsemax()}), wanted + "separation is entmax(2)");
  EXPECT_EQ(message({.separation = top(1)}), wanted + "separation is top(1)");
  EXPECT_EQ(message({.similarity = Similarity::manhattan}), wanted + "similarity is manhattan");
  EXPECT_EQ(message({.similarity = Similarity::cosine}), wanted + "similarity is cosine");
  EXPECT_THROW(Memory::modern_hopfield(test_device(), patterns, {.precision = static_cast<ProductPrecision>(9)}),
               InvalidArgument);
  EXPECT_THROW(Memory::make(test_device(), "modern_hopfield(precision = quick)", patterns), InvalidArgument);
  EXPECT_THROW(Memory::make(test_device(), "hebbian(precision = fast)", patterns), InvalidArgument);
}

}  // namespace
}  // namespace attractor::test
