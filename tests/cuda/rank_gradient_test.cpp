/// The gradient by rank weights of residuals that most pairs don't have: exactly the sum over the pairs that do.
/// Entries and residuals are small integers, which floats add up in any order without an error.

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/cuda/adaptive/rank_layout.hpp"
#include "kernels/cuda/device/device_matrix.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/fit/rank_gradient.hpp"
#include "kernels/negligible.hpp"
#include "tests/support/data.hpp"

namespace attractor::test {
namespace {

std::size_t size(Index count) { return static_cast<std::size_t>(count); }

struct Case {
  Index dimension;
  Index patterns;
  Index rows;
  int groups = 1;
};

struct Problem {
  Matrix<float> patterns;
  Matrix<float> states;
  Matrix<float> residuals;  ///< [rows × patterns]
  int groups = 1;
};

Matrix<float> random_integers(Index rows, Index columns, int largest, Rng& rng) {
  Matrix<float> values(rows, columns);
  std::uniform_int_distribution<int> any(-largest, largest);
  for (Index i = 0; i < values.size(); ++i) values.data()[i] = static_cast<float>(any(rng));
  return values;
}

Problem make_problem(const Case& of) {
  Rng rng(1);
  return {.patterns = random_integers(of.patterns, of.dimension, 3, rng),
          .states = random_integers(of.rows, of.dimension, 3, rng),
          .residuals = filled(of.rows, of.patterns, 0.0F),
          .groups = of.groups};
}

/// Terms of a pair by rank, added up over the groups.
std::vector<double> ranked_terms(const Problem& problem, FootprintBase base, Index row, Index pattern) {
  const Index dimension = problem.patterns.columns();
  std::vector<double> ranked(size(rank_count(dimension, problem.groups)), 0.0);
  for (Index group = 0; group < problem.groups; ++group) {
    std::vector<double> terms;
    for (Index i = 0; i < dimension; ++i) {
      if (rank_group(i, problem.groups) != group) continue;
      const auto entry = static_cast<double>(problem.patterns(pattern, i));
      const auto state = static_cast<double>(problem.states(row, i));
      terms.push_back(base == FootprintBase::dot ? entry * state : -(entry - state) * (entry - state));
    }
    std::sort(terms.begin(), terms.end(), std::greater<>());
    for (std::size_t rank = 0; rank < terms.size(); ++rank) ranked[rank] += terms[rank];
  }
  return ranked;
}

/// [1 or patterns × ranks]
std::vector<double> expected_of(const Problem& problem, FootprintBase base, bool per_pattern) {
  const auto ranks = size(rank_count(problem.patterns.columns(), problem.groups));
  std::vector<double> gradient(ranks * (per_pattern ? size(problem.patterns.rows()) : 1), 0.0);
  for (Index row = 0; row < problem.states.rows(); ++row)
    for (Index pattern = 0; pattern < problem.patterns.rows(); ++pattern) {
      const float residual = problem.residuals(row, pattern);
      if (std::abs(residual) < detail::negligible) continue;
      const std::vector<double> terms = ranked_terms(problem, base, row, pattern);
      double* const sums = gradient.data() + (per_pattern ? size(pattern) * ranks : 0);
      for (std::size_t rank = 0; rank < ranks; ++rank) sums[rank] += static_cast<double>(residual) * terms[rank];
    }
  return gradient;
}

std::vector<double> on_device(const Problem& problem, FootprintBase base, bool per_pattern) {
  const cuda::DeviceScope scope(0);
  const cuda::Stream stream = cuda::make_stream();
  const cuda::DeviceMatrix patterns(problem.patterns, "patterns");
  const cuda::DeviceMatrix states(problem.states, "states");
  const cuda::DeviceMatrix residuals(problem.residuals, "residuals");
  cuda::RankGradient job{.pairs = {.states = states.data.data(),
                                   .state_stride = states.stride,
                                   .rows = states.rows,
                                   .patterns = patterns.data.data(),
                                   .pattern_stride = patterns.stride,
                                   .pattern_count = patterns.rows,
                                   .dimension = patterns.columns,
                                   .groups = problem.groups},
                         .base = base,
                         .per_pattern = per_pattern,
                         .residuals = residuals.data.data(),
                         .residual_stride = residuals.stride};
  const std::size_t count = size(job.pairs.ranks()) * (per_pattern ? size(patterns.rows) : 1);
  const cuda::DeviceArray<double> parts(size(cuda::gradient_parts(job)) * count, "parts");
  job.parts = parts.data();
  cuda::launch_rank_gradient(job, stream.get());
  const std::vector<double> all = cuda::download(parts, stream.get(), "parts");
  std::vector<double> sums(count, 0.0);
  for (std::size_t i = 0; i < all.size(); ++i) sums[i % count] += all[i];
  return sums;
}

void expect_sums(const Problem& problem) {
  for (const FootprintBase base : {FootprintBase::squared_distance, FootprintBase::dot})
    for (const bool per_pattern : {false, true}) {
      SCOPED_TRACE(std::string(base == FootprintBase::dot ? "dot" : "squared distance") +
                   (per_pattern ? ", weights of each pattern" : ""));
      EXPECT_EQ(on_device(problem, base, per_pattern), expected_of(problem, base, per_pattern));
    }
}

class CudaRankGradientTest : public testing::TestWithParam<Case> {
 protected:
  Problem problem_ = make_problem(GetParam());
};

/// Networks of all kinds; rows and patterns around the edges of tiles, of blocks and of what is looked through at a
/// time.
INSTANTIATE_TEST_SUITE_P(Tiles, CudaRankGradientTest,
                         testing::Values(Case{1, 1, 1}, Case{5, 33, 65}, Case{8, 31, 257}, Case{9, 40, 64},
                                         Case{24, 32, 63}, Case{33, 3, 300}, Case{63, 34, 70}, Case{64, 32, 66},
                                         Case{22, 35, 130, 3}));
INSTANTIATE_TEST_SUITE_P(Lanes, CudaRankGradientTest,
                         testing::Values(Case{65, 17, 33}, Case{100, 16, 131}, Case{129, 18, 31}, Case{257, 5, 40},
                                         Case{513, 3, 5}, Case{1025, 2, 3}, Case{2049, 2, 2}, Case{140, 17, 35, 2}));

TEST_P(CudaRankGradientTest, NoPairMatters) {
  problem_.residuals = filled(problem_.residuals.rows(), problem_.residuals.columns(), 0.9F * detail::negligible);
  expect_sums(problem_);
}

TEST_P(CudaRankGradientTest, AllMatterOrAllButOne) {
  const Index rows = problem_.residuals.rows();
  const Index patterns = problem_.residuals.columns();
  problem_.residuals = filled(rows, patterns, -1.0F);
  expect_sums(problem_);
  problem_.residuals(rows / 2, patterns / 2) = 0.0F;
  expect_sums(problem_);
}

TEST_P(CudaRankGradientTest, OnePairMatters) {
  const Index rows = problem_.residuals.rows();
  const Index patterns = problem_.residuals.columns();
  for (const Index row : {Index{0}, rows / 2, rows - 1})
    for (const Index pattern : {Index{0}, patterns - 1}) {
      SCOPED_TRACE(std::to_string(row) + ", " + std::to_string(pattern));
      problem_.residuals(row, pattern) = 2.0F;
      expect_sums(problem_);
      problem_.residuals(row, pattern) = 0.0F;
    }
}

/// Of one state, of one pattern, and few of all: with weights of each pattern some have many states and some have none.
TEST_P(CudaRankGradientTest, FewPairsMatter) {
  Matrix<float>& residuals = problem_.residuals;
  for (Index pattern = 0; pattern < residuals.columns(); ++pattern) residuals(residuals.rows() / 3, pattern) = -1.0F;
  expect_sums(problem_);
  for (Index row = 0; row < residuals.rows(); ++row) residuals(row, residuals.columns() / 2) = 1.0F;
  expect_sums(problem_);
  Rng rng(2);
  for (const unsigned share : {50U, 10U, 2U}) {
    SCOPED_TRACE("one in " + std::to_string(share));
    for (Index i = 0; i < residuals.size(); ++i)
      residuals.data()[i] = rng() % share == 0 ? static_cast<float>(rng() % 2) * 2.0F - 1.0F : 0.0F;
    expect_sums(problem_);
  }
}

/// To the last bit, of sums that no float is.
TEST_P(CudaRankGradientTest, WhatDoesntMatterLeavesNoTrace) {
  Rng rng(3);
  std::normal_distribution<float> normal;
  for (Matrix<float>* const values : {&problem_.patterns, &problem_.states})
    for (Index i = 0; i < values->size(); ++i) values->data()[i] = normal(rng);
  Matrix<float>& residuals = problem_.residuals;
  for (Index i = 0; i < residuals.size(); ++i) residuals.data()[i] = rng() % 4 == 0 ? normal(rng) : 0.0F;
  for (const bool per_pattern : {false, true}) {
    const std::vector<double> gradient = on_device(problem_, FootprintBase::dot, per_pattern);
    EXPECT_EQ(on_device(problem_, FootprintBase::dot, per_pattern), gradient);
    if (rank_count(problem_.patterns.columns(), problem_.groups) > cuda::tile_ranks) continue;
    for (Index i = 0; i < residuals.size(); ++i)
      if (std::abs(residuals.data()[i]) < detail::negligible) residuals.data()[i] = 0.9F * detail::negligible;
    EXPECT_EQ(on_device(problem_, FootprintBase::dot, per_pattern), gradient);
  }
}

/// What is infinitely far away and has no weight leaves no trace; a residual that is not a number does, and in no other
/// pattern's weights.
TEST_P(CudaRankGradientTest, WhatDoesntMatterMayBeAnything) {
  const Index last = problem_.patterns.rows() - 1;
  for (Index row = 0; row < problem_.residuals.rows(); row += 2)
    for (Index pattern = 0; pattern < last; ++pattern) problem_.residuals(row, pattern) = 1.0F;
  problem_.patterns(last, 0) = 3e38F;
  if (problem_.states.rows() > 1) problem_.states(1, 0) = -3e38F;
  expect_sums(problem_);
  if (last == 0) return;
  problem_.residuals(0, 0) = std::numeric_limits<float>::quiet_NaN();
  const std::vector<double> gradient = on_device(problem_, FootprintBase::dot, true);
  const auto ranks = static_cast<std::ptrdiff_t>(rank_count(problem_.patterns.columns(), problem_.groups));
  EXPECT_TRUE(std::all_of(gradient.begin(), gradient.begin() + ranks, [](double x) { return std::isnan(x); }));
  EXPECT_TRUE(std::none_of(gradient.begin() + ranks, gradient.end(), [](double x) { return std::isnan(x); }));
}

}  // namespace
}  // namespace attractor::test
