/// Patterns of 0 and 1, and of few active neurons, in linear memories.

#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

/// Entries are 1 with the probability `activity`, else 0.
Matrix<float> random_binary(Index rows, Index columns, double activity, Rng& rng) {
  std::bernoulli_distribution active(activity);
  Matrix<float> result(rows, columns);
  for (Index i = 0; i < result.size(); ++i) result.data()[i] = active(rng) ? 1.0F : 0.0F;
  return result;
}

/// The patterns, `flips` neurons of each turned over.
Matrix<float> with_flips(const Matrix<float>& binary, Index flips, Rng& rng) {
  Matrix<float> result = copy(binary);
  for (Index i = 0; i < result.rows(); ++i)
    for (const Index k : sample_rows(result.columns(), flips, rng)) result(i, k) = 1.0F - result(i, k);
  return result;
}

/// How many of the patterns a memory of them recovers from the queries.
Index recovered(const Matrix<float>& binary, const Matrix<float>& queries, const HebbianOptions& options) {
  const Memory memory = Memory::hebbian(test_device(), to_bipolar(binary), options);
  const Relaxation result = Relaxer(memory).relax(to_bipolar(queries));
  const Matrix<float> states = to_binary(result.states);
  Index count = 0;
  for (Index i = 0; i < binary.rows(); ++i) count += same_bits(row_of(states, i), row_of(binary, i)) ? 1 : 0;
  return count;
}

TEST(BinaryPatternsTest, AreRecovered) {
  Rng rng(160);
  for (const Evaluation evaluation : {Evaluation::factored, Evaluation::dense}) {
    const Matrix<float> patterns = random_binary(3, 64, 0.5, rng);

    EXPECT_EQ(recovered(patterns, with_flips(patterns, 4, rng), {.evaluation = evaluation}), 3);
  }
}

TEST(BinaryPatternsTest, OfFewActiveNeuronsAreRecoveredByTheCentredRule) {
  Rng rng(161);
  const Matrix<float> patterns = random_binary(6, 1500, 0.2, rng);
  const Matrix<float> queries = with_flips(patterns, 40, rng);
  EXPECT_LT(recovered(patterns, queries, {}), 2) << "the plain rule does, too; then this shows nothing";
  for (const Evaluation evaluation : {Evaluation::factored, Evaluation::dense})
    EXPECT_EQ(recovered(patterns, queries, {.centred = true, .evaluation = evaluation}), 6);
}

TEST(BinaryPatternsTest, CentredMemoriesAreThoseOfPatternsLessTheirMeanAndKeepTheirPatterns) {
  Rng rng(162);
  const Matrix<float> patterns = matrix({{1, -1, 1, 1}, {1, 1, 1, -1}});  // Of mean 1/2.
  const Matrix<float> less = matrix({{0.5F, -1.5F, 0.5F, 0.5F}, {0.5F, 0.5F, 0.5F, -1.5F}});
  const Matrix<float> queries = random_gaussian(20, 4, rng);
  const RelaxerOptions options{.update = tanh_update()};
  const Memory centred = Memory::hebbian(test_device(), patterns, {.centred = true});

  EXPECT_TRUE(same_bits(centred.patterns(), patterns));
  EXPECT_TRUE(same_results(Relaxer(centred, options).relax(queries),
                           Relaxer(Memory::hebbian(test_device(), less), options).relax(queries)));
  Memory grown = Memory::hebbian(test_device(), patterns.view().slice(0, 1), {.centred = true});
  grown.imprint(patterns.view().slice(1, 1));
  EXPECT_TRUE(same_results(Relaxer(grown, options).relax(queries), Relaxer(centred, options).relax(queries)));
}

TEST(BipolarTest, ThereAndBack) {
  const Matrix<float> binary = matrix({{0, 1, 1}, {1, 0, 0}});

  EXPECT_TRUE(same_bits(to_bipolar(binary), matrix({{-1, 1, 1}, {1, -1, -1}})));
  EXPECT_TRUE(same_bits(to_binary(to_bipolar(binary)), binary));
  EXPECT_TRUE(same_bits(to_binary(matrix({{0.1F, -0.0F, -3}})), matrix({{1, 0, 0}})));
  EXPECT_THROW(static_cast<void>(to_bipolar(matrix({{0, 0.5F}}))), InvalidArgument);
  EXPECT_THROW(static_cast<void>(to_bipolar(matrix({{-1, 1}}))), InvalidArgument);
  EXPECT_THROW(static_cast<void>(to_binary(matrix({{std::nanf("")}}))), InvalidArgument);
  EXPECT_THROW(static_cast<void>(to_bipolar({nullptr, 1, 2})), InvalidArgument);
}

}  // namespace
}  // namespace attractor::test
