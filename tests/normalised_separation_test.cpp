/// Normalised separations other than softmax, and exponential memories: what the literature says of them, and their
/// formulas written out.

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

Memory make_memory(MatrixView<const float> patterns, NormalisedSeparation separation, float beta = 1.0F) {
  return Memory::modern_hopfield(test_device(), patterns, {.beta = beta, .separation = separation});
}

/// Readouts of one step.
Matrix<float> read_out(const Memory& memory, MatrixView<const float> queries) {
  const Relaxer relaxer(memory, {.update = readout_update(), .halting = fixed_steps(), .max_steps = 1});
  return relaxer.relax(queries).states;
}

/// The patterns are the axes: scores are the query's entries, readouts the weights.
Matrix<float> axes(Index count) {
  Matrix<float> result(count, count);
  for (Index i = 0; i < count; ++i)
    for (Index j = 0; j < count; ++j) result(i, j) = i == j ? 1.0F : 0.0F;
  return result;
}

/// Martins, Astudillo 2016, §2.2: of two scores, p = ½(1 + s₁ − s₂) between 0 and 1.
TEST(NormalisedSeparationTest, SparsemaxOfTwoScoresIsAClippedLine) {
  const Memory memory = make_memory(axes(2), sparsemax());
  for (const float difference : {-3.0F, -1.0F, -0.999F, -0.25F, 0.0F, 0.5F, 0.99F, 1.0F, 40.0F}) {
    const Matrix<float> p = read_out(memory, matrix({{difference + 0.125F, 0.125F}}));

    const double expected = std::min(std::max(0.5 + 0.5 * static_cast<double>(difference), 0.0), 1.0);
    EXPECT_NEAR(static_cast<double>(p(0, 0)), expected, 2e-7) << difference;
    EXPECT_NEAR(static_cast<double>(p(0, 1)), 1.0 - expected, 2e-7) << difference;
  }
}

/// Peters, Niculae, Martins 2019: of two scores, with y² + (y − ½(s₁ − s₂))² = 1, p = y².
TEST(NormalisedSeparationTest, EntmaxOfTwoScoresSolvesItsQuadratic) {
  const Memory memory = make_memory(axes(2), entmax(1.5F));
  for (const float difference : {0.0F, 0.25F, 1.0F, 1.75F, 1.999F, 2.0F, 7.0F}) {
    const Matrix<float> p = read_out(memory, matrix({{difference, 0.0F}}));

    const double half = 0.5 * std::min(static_cast<double>(difference), 2.0);
    const double y = 0.5 * (half + std::sqrt(2.0 - half * half));
    EXPECT_NEAR(static_cast<double>(p(0, 0)), y * y, 3e-7) << difference;
    EXPECT_NEAR(static_cast<double>(p(0, 1)), 1.0 - y * y, 3e-7) << difference;
  }
}

/// Blondel, Martins, Niculae 2020: of two scores, with y₁ − y₂ their difference and y₁² + y₂² = 1, p ∝ y.
TEST(NormalisedSeparationTest, NormmaxOfTwoScoresSolvesItsQuadratic) {
  const Memory memory = make_memory(axes(2), normmax());
  for (const float difference : {0.0F, 0.25F, 0.75F, 0.999F, 1.0F, 3.0F}) {
    const Matrix<float> p = read_out(memory, matrix({{difference, 0.0F}}));

    const double d = std::min(static_cast<double>(difference), 1.0);
    const double y = 0.5 * (d + std::sqrt(2.0 - d * d));
    EXPECT_NEAR(static_cast<double>(p(0, 0)), y / (2.0 * y - d), 3e-7) << difference;
    EXPECT_NEAR(static_cast<double>(p(0, 1)), 1.0 - y / (2.0 * y - d), 3e-7) << difference;
  }
}

/// Closer than the margin of the separation, 1/(α−1), to a pattern, one step ends on it, bit for bit (Hu et al. 2023;
/// Santos et al. 2024, proposition 3); softmax always keeps a trace of the others.
TEST(NormalisedSeparationTest, PatternsAreRetrievedExactly) {
  Rng rng(300);
  const Matrix<float> patterns = random_gaussian(50, 40, rng);
  for (const NormalisedSeparation& separation :
       {sparsemax(), entmax(1.5F), entmax(1.3F), normmax(), normmax(1.3F), top(1)}) {
    const Relaxer relaxer(make_memory(patterns, separation),
                          {.update = readout_update(), .halting = state_stable(0.0F), .max_steps = 9});

    const Relaxation result = relaxer.relax(patterns);

    EXPECT_TRUE(same_bits(result.states, patterns));
    for (std::size_t i = 0; i < 50; ++i) {
      EXPECT_EQ(result.status[i], Status::converged);
      EXPECT_LE(result.steps[i], 2);
    }
  }
  EXPECT_FALSE(same_bits(read_out(make_memory(patterns, softmax(), 0.1F), patterns), patterns));
}

TEST(NormalisedSeparationTest, TopTakesThoseStoredFirst) {
  Matrix<float> patterns(7, 2);
  for (Index i = 0; i < 7; ++i) {
    patterns(i, 0) = i == 4 ? 2.0F : 1.0F;
    patterns(i, 1) = static_cast<float>(i);
  }
  const Matrix<float> query = matrix({{1.0F, 0.0F}});  // One score of 2, six of 1.

  EXPECT_TRUE(same_bits(read_out(make_memory(patterns, top(1)), query), matrix({{2.0F, 4.0F}})));
  const double e = std::exp(1.0);
  const Matrix<float> three = read_out(make_memory(patterns, top(3)), query);
  EXPECT_NEAR(static_cast<double>(three(0, 0)), (2.0 * e + 2.0) / (e + 2.0), 5e-7);
  EXPECT_NEAR(static_cast<double>(three(0, 1)), (4.0 * e + 0.0 + 1.0) / (e + 2.0), 5e-7);
  const Matrix<float> all = read_out(make_memory(patterns, softmax()), query);
  for (const int count : {7, 8, std::numeric_limits<int>::max()}) {
    const Matrix<float> read = read_out(make_memory(patterns, top(count)), query);
    for (Index k = 0; k < 2; ++k) EXPECT_NEAR(read(0, k), all(0, k), 1e-6F) << count;
  }
}

/// Of equal scores all weights are 1/P, also where float has hardly a threshold left for them.
TEST(NormalisedSeparationTest, ManyEqualScoresShareAlike) {
  const Index count = test_device().kind() == Device::Kind::cuda ? 3000 : 70001;
  Rng rng(301);
  const Matrix<float> patterns = random_bipolar(count, 3, rng);
  const Matrix<float> query = matrix({{0.0F, 0.0F, 0.0F}});
  std::array<double, 3> means{};
  for (Index i = 0; i < count; ++i)
    for (Index k = 0; k < 3; ++k) means.at(static_cast<std::size_t>(k)) += static_cast<double>(patterns(i, k));
  for (const NormalisedSeparation& separation :
       {sparsemax(), entmax(1.5F), entmax(1.05F), normmax(), normmax(1.1F), top(1 << 30)}) {
    const Memory memory = make_memory(patterns, separation);

    const Retrieval found = retrieve(memory, query);
    const Matrix<float> mean = read_out(memory, query);

    EXPECT_EQ(found.pattern[0], 0);
    EXPECT_NEAR(static_cast<double>(found.posterior[0]) * static_cast<double>(count), 1.0, 1e-5) << memory.rule();
    for (Index k = 0; k < 3; ++k)
      EXPECT_NEAR(static_cast<double>(mean(0, k)), means.at(static_cast<std::size_t>(k)) / static_cast<double>(count),
                  1e-6)
          << memory.rule();
  }
}

/// What there is room for shows in no bit: whether the candidates of all patterns are kept, early ones are dropped
/// again as scores rise along the patterns, or all scores are made anew for every round.
TEST(NormalisedSeparationTest, RoomForCandidatesChangesNoBits) {
  Rng rng(302);
  Matrix<float> patterns = random_gaussian(500, 20, rng);
  for (Index i = 0; i < 500; ++i) patterns(i, 0) = 0.25F * static_cast<float>(i);
  Matrix<float> queries = noisy_copies(patterns, 9, 0.1F, 1.0F, rng);
  for (Index i = 0; i < 9; ++i) queries(i, 0) = static_cast<float>(i % 3);  // Flat, rising, rising steeply.
  std::fill_n(queries.row(0), 20, 0.0F);
  detail::Sizes sizes = detail::sizes();
  sizes.pattern_block = 16;
  for (const NormalisedSeparation& separation : {sparsemax(), entmax(1.5F), entmax(1.1F), top(1), top(2), top(40)})
    for (const float beta : {0.2F, 1.0F}) {
      const Memory memory = make_memory(patterns, separation, beta);
      const auto relax = [&](MatrixView<const float> some, Index room) {
        sizes.segment_patterns = room;
        const SizesScope scope(sizes);
        const Relaxer relaxer(
            memory, {.update = readout_update(), .halting = fixed_steps(), .max_steps = 2, .energy_trace = true});
        return relaxer.relax(some);
      };
      const Relaxation all = relax(queries, 65536);

      for (const Index room : {16, 64, 128, 400}) EXPECT_TRUE(same_results(all, relax(queries, room))) << memory.rule();
      // A steep query alone needs little room.
      const Matrix<float> steep = select(queries, std::vector<Index>{2, 5, 8});
      const Relaxation apart = relax(steep, 64);
      for (Index i = 0; i < 3; ++i) EXPECT_TRUE(same_row(apart, i, all, 3 * i + 2)) << memory.rule();
    }
}

/// Scores that differ: the threshold must be as exact as the smallest of many weights.
TEST(NormalisedSeparationTest, WideSupportsAreAsExactAsNarrowOnes) {
  const Index count = 20000;
  Matrix<float> patterns(count, 1);
  for (Index i = 0; i < count; ++i) patterns(i, 0) = static_cast<float>(i % 4096) * 0x1p-24F;
  const Matrix<float> query = matrix({{1.0F}});
  for (const NormalisedSeparation& separation : {sparsemax(), entmax(1.5F)}) {
    const Memory memory = make_memory(patterns, separation);
    const reference::Vector p =
        reference::weights(reference::modern_hopfield(patterns, 1.0, separation), reference::Vector{1.0});

    const Retrieval found = retrieve(memory, query);

    EXPECT_EQ(found.pattern[0], 4095);
    EXPECT_NEAR(static_cast<double>(found.posterior[0]) / p[4095], 1.0, 2e-5) << memory.rule();
  }
}

/// Potentials are convex with the weights as their gradient: readout updates are those of the concave–convex procedure.
TEST(NormalisedSeparationTest, ReadoutsNeverRaiseTheEnergy) {
  Rng rng(303);
  const Matrix<float> patterns = random_gaussian(60, 24, rng);
  const Matrix<float> queries = noisy_copies(patterns, 70, 0.5F, 3.0F, rng);
  for (const NormalisedSeparation& separation : {sparsemax(), entmax(1.5F), entmax(1.2F), top(5), top(1)}) {
    const Relaxer relaxer(
        make_memory(patterns, separation, 0.2F),
        {.update = readout_update(), .halting = fixed_steps(), .max_steps = 12, .energy_trace = true});

    const Relaxation result = relaxer.relax(queries);

    for (Index i = 0; i < queries.rows(); ++i) {
      EXPECT_GE(result.energy_trace(i, 11), -1e-4F);
      for (Index t = 1; t < 12; ++t)
        EXPECT_LE(result.energy_trace(i, t), result.energy_trace(i, t - 1) + 2e-5F) << "query " << i << " step " << t;
    }
  }
}

TEST(NormalisedSeparationTest, ContentsAndPosteriorsAreThoseOfTheWeights) {
  Rng rng(304);
  const Matrix<float> patterns = random_gaussian(30, 12, rng);
  const Matrix<float> contents = random_gaussian(30, 5, rng);
  const Matrix<float> queries = noisy_copies(patterns, 40, 0.1F, 1.5F, rng);
  for (const NormalisedSeparation& separation : {sparsemax(), entmax(1.5F), top(4)}) {
    const Memory memory = Memory::modern_hopfield(test_device(), patterns,
                                                  {.beta = 0.3F, .separation = separation, .contents = contents});
    const reference::SoftmaxModel model = reference::modern_hopfield(patterns, static_cast<double>(0.3F), separation);
    const Relaxer relaxer(memory, {.update = blend_update(0.5F), .halting = fixed_steps(), .max_steps = 2});

    const Relaxation result = relaxer.relax(queries);
    const Retrieval found = retrieve(memory, queries);

    for (Index i = 0; i < queries.rows(); ++i) {
      const reference::Vector recalled = reference::recall(model, contents, to_double(row_of(result.states, i)));
      for (Index k = 0; k < 5; ++k)
        EXPECT_NEAR(static_cast<double>(result.contents(i, k)), recalled[static_cast<std::size_t>(k)], 1e-5)
            << memory.rule() << " query " << i;
      const reference::Vector p = reference::weights(model, to_double(row_of(queries, i)));
      const auto best = static_cast<Index>(std::max_element(p.begin(), p.end()) - p.begin());
      const auto at = static_cast<std::size_t>(i);
      EXPECT_EQ(found.pattern[at], best) << memory.rule() << " query " << i;
      EXPECT_NEAR(static_cast<double>(found.posterior[at]), p[static_cast<std::size_t>(best)], 1e-5)
          << memory.rule() << " query " << i;
    }
  }
}

TEST(NormalisedSeparationTest, OverflowingScoresDiverge) {
  const Matrix<float> patterns = matrix({{1e30F, 0.0F}, {0.0F, 1.0F}, {-1e30F, 1e30F}});
  for (const NormalisedSeparation& separation : {sparsemax(), entmax(1.5F), entmax(1.2F), top(1), top(2)}) {
    const Memory memory = make_memory(patterns, separation);
    const Matrix<float> queries = matrix({{1e20F, 1.0F}, {0.0F, 3e-30F}, {-1e20F, 0.0F}, {1e20F, 1e20F}});

    const Retrieval found = retrieve(memory, queries);
    const Relaxation result =
        Relaxer(memory, {.update = readout_update(), .halting = fixed_steps(), .max_steps = 1}).relax(queries);

    for (const std::size_t i : {0U, 2U, 3U}) {
      EXPECT_EQ(found.pattern[i], -1) << memory.rule() << " query " << i;
      EXPECT_TRUE(std::isnan(found.posterior[i])) << memory.rule() << " query " << i;
      EXPECT_EQ(result.status[i], Status::diverged) << memory.rule() << " query " << i;
    }
    EXPECT_EQ(found.pattern[1], 2) << memory.rule();
    EXPECT_NE(result.status[1], Status::diverged) << memory.rule();
  }
}

TEST(NormalisedSeparationTest, RulesNameTheirSeparation) {
  const Matrix<float> patterns = axes(3);

  EXPECT_EQ(make_memory(patterns, softmax(), 2.0F).rule(),
            "modern_hopfield(beta = 2, similarity = dot, separation = softmax)");
  EXPECT_EQ(make_memory(patterns, sparsemax()).rule(),
            "modern_hopfield(beta = 1, similarity = dot, separation = entmax(2))");
  EXPECT_EQ(make_memory(patterns, entmax(1.25F)).rule(),
            "modern_hopfield(beta = 1, similarity = dot, separation = entmax(1.25))");
  EXPECT_EQ(make_memory(patterns, top(7)).rule(), "modern_hopfield(beta = 1, similarity = dot, separation = top(7))");
}

TEST(NormalisedSeparationTest, FilesKeepTheSeparation) {
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / ("separation_" + std::to_string(::getpid()) + ".safetensors");
  Rng rng(305);
  const Matrix<float> patterns = random_gaussian(9, 6, rng);
  const Matrix<float> queries = noisy_copies(patterns, 20, 0.1F, 2.0F, rng);
  for (const NormalisedSeparation& separation : {softmax(), sparsemax(), entmax(1.7F), top(3)}) {
    const Memory memory = make_memory(patterns, separation, 0.4F);
    save(memory, path);
    const Memory loaded = load(test_device(), path);

    EXPECT_EQ(loaded.rule(), memory.rule());
    EXPECT_TRUE(same_results(Relaxer(loaded).relax(queries), Relaxer(memory).relax(queries)));
  }
  std::filesystem::remove(path);
}

/// What the exception says of a separation that is out of range.
std::string complaint(NormalisedSeparation separation) {
  try {
    make_memory(axes(2), separation);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "none";
}

TEST(NormalisedSeparationTest, BadParametersAreNamed) {
  EXPECT_EQ(complaint(entmax(1.0F)), "the alpha of entmax is 1; it must be in [1.05, 2]");
  EXPECT_EQ(complaint(entmax(2.5F)), "the alpha of entmax is 2.5; it must be in [1.05, 2]");
  EXPECT_EQ(complaint(entmax(std::numeric_limits<float>::quiet_NaN())),
            "the alpha of entmax is nan; it must be in [1.05, 2]");
  EXPECT_EQ(complaint(normmax(1.0F)), "the gamma of normmax is 1; it must be in [1.1, 2]");
  EXPECT_EQ(complaint(normmax(2.5F)), "the gamma of normmax is 2.5; it must be in [1.1, 2]");
  EXPECT_EQ(complaint(normmax(1.1F)), "none");
  EXPECT_EQ(complaint(top(0)), "the number of top patterns is 0; it must be at least 1");
  EXPECT_EQ(complaint(entmax(1.05F)), "none");
  EXPECT_EQ(complaint(sparsemax()), "none");
}

/// The field of a sign update is that of exp(βξ·x): the sum written out, where it doesn't overflow.
TEST(ExponentialTest, SignsAreThoseOfTheExponentialSum) {
  Rng rng(310);
  const Matrix<float> patterns = random_bipolar(60, 21, rng);
  const Matrix<float> queries = random_bipolar(300, 21, rng);
  const Relaxer relaxer(Memory::exponential(test_device(), patterns, {.beta = 0.25F}),
                        {.halting = fixed_steps(), .max_steps = 1, .energies = true});

  const Relaxation result = relaxer.relax(queries);

  const auto overlap = [&](Index mu, std::span<const float> state) {
    double sum = 0.0;
    for (std::size_t k = 0; k < state.size(); ++k)
      sum += static_cast<double>(patterns.row(mu)[k]) * static_cast<double>(state[k]);
    return sum;
  };
  for (Index i = 0; i < queries.rows(); ++i) {
    double energy = 0.0;
    for (Index mu = 0; mu < 60; ++mu) energy -= std::exp(0.25 * overlap(mu, row_of(result.states, i)));
    // The logarithm of the usual energy, in units of 1/β.
    EXPECT_NEAR(static_cast<double>(result.energies[static_cast<std::size_t>(i)]), -4.0 * std::log(-energy), 1e-5);
    for (Index k = 0; k < 21; ++k) {
      double field = 0.0;
      for (Index mu = 0; mu < 60; ++mu)
        field += std::exp(0.25 * overlap(mu, row_of(queries, i))) * static_cast<double>(patterns(mu, k));
      EXPECT_EQ(result.states(i, k), field > 0.0 ? 1.0F : -1.0F) << "query " << i << " neuron " << k;
    }
  }
}

/// Capacity grows exponentially with D (Demircigil et al. 2017): far more patterns than neurons, at overlaps whose
/// exponentials no float holds.
TEST(ExponentialTest, HoldsManyPatternsOfAnyDimension) {
  for (const auto& [count, dimension] : {std::pair<Index, Index>{2000, 64}, {500, 1000}}) {
    Rng rng(311);
    const Matrix<float> patterns = random_bipolar(count, dimension, rng);
    const Matrix<float> queries = flipped_copies(patterns, 200, 0.1, rng);

    const Relaxation result = Relaxer(Memory::exponential(test_device(), patterns)).relax(queries);

    for (Index i = 0; i < 200; ++i) {
      EXPECT_TRUE(same_bits(row_of(result.states, i), row_of(patterns, i % count))) << "query " << i;
      EXPECT_EQ(result.status[static_cast<std::size_t>(i)], Status::converged);
    }
  }
}

TEST(ExponentialTest, SignUpdatesNeverRaiseTheEnergy) {
  Rng rng(312);
  const Matrix<float> patterns = random_bipolar(90, 31, rng);
  const Relaxer relaxer(Memory::exponential(test_device(), patterns, {.beta = 0.1F}),
                        {.max_steps = 30, .energy_trace = true});

  const Relaxation result = relaxer.relax(random_bipolar(100, 31, rng));

  for (Index i = 0; i < 100; ++i) {
    const auto at = static_cast<std::size_t>(i);
    EXPECT_EQ(result.status[at], Status::converged) << "query " << i;
    for (Index t = 1; t < result.steps[at]; ++t)
      EXPECT_LE(result.energy_trace(i, t), result.energy_trace(i, t - 1) + 1e-4F) << "query " << i;
  }
}

TEST(ExponentialTest, RetrievesAndRecallsAsAModernHopfieldMemoryDoes) {
  Rng rng(313);
  const Matrix<float> patterns = random_gaussian(30, 12, rng);
  const Matrix<float> contents = random_gaussian(30, 4, rng);
  const Matrix<float> queries = noisy_copies(patterns, 50, 0.1F, 1.0F, rng);
  const Memory exponential = Memory::exponential(test_device(), patterns, {.beta = 0.5F, .contents = contents});
  const Memory modern = Memory::modern_hopfield(test_device(), patterns, {.beta = 0.5F, .contents = contents});
  const RelaxerOptions options{.update = readout_update(), .halting = fixed_steps(), .max_steps = 2};

  EXPECT_EQ(retrieve(exponential, queries).pattern, retrieve(modern, queries).pattern);
  const Relaxation one = Relaxer(exponential, options).relax(queries);
  const Relaxation other = Relaxer(modern, options).relax(queries);
  for (Index i = 0; i < one.contents.size(); ++i) EXPECT_NEAR(one.contents.data()[i], other.contents.data()[i], 1e-5F);
  EXPECT_EQ(exponential.rule(), "exponential(beta = 0.5)");
}

}  // namespace
}  // namespace attractor::test
