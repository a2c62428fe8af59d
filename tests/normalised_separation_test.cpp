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
  const Index count = test_device_is_slow() ? 3000 : 70001;
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
            "modern_hopfield(beta = 2, similarity = dot, separation = softmax, storage = float32, content_storage = "
            "float32, precision = full)");
  EXPECT_EQ(make_memory(patterns, sparsemax()).rule(),
            "modern_hopfield(beta = 1, similarity = dot, separation = entmax(2), storage = float32, content_storage = "
            "float32, precision = full)");
  EXPECT_EQ(make_memory(patterns, entmax(1.25F)).rule(),
            "modern_hopfield(beta = 1, similarity = dot, separation = entmax(1.25), storage = float32, content_storage "
            "= float32, precision = full)");
  EXPECT_EQ(make_memory(patterns, top(7)).rule(),
            "modern_hopfield(beta = 1, similarity = dot, separation = top(7), storage = float32, content_storage = "
            "float32, precision = full)");
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
  const auto ball_complaint = [](float epsilon, Similarity similarity) -> std::string {
    try {
      Memory::modern_hopfield(test_device(), axes(2), {.similarity = similarity, .separation = epanechnikov(epsilon)});
    } catch (const InvalidArgument& error) {
      return error.what();
    }
    return "none";
  };
  for (const float epsilon : {0.0F, -1.0F, 1.5F, std::numeric_limits<float>::quiet_NaN()})
    EXPECT_NE(ball_complaint(epsilon, Similarity::manhattan).find("it must be in (0, 1]"), std::string::npos);
  EXPECT_EQ(ball_complaint(0.0F, Similarity::squared_distance),
            "the epsilon of epanechnikov is 0; it must be in (0, 1]");
  EXPECT_EQ(ball_complaint(0.5F, Similarity::dot),
            "the separation epanechnikov(0.5) goes by how far patterns are: the similarity must be squared_distance or "
            "manhattan; it is dot");
  EXPECT_EQ(ball_complaint(0.5F, Similarity::cosine),
            "the separation epanechnikov(0.5) goes by how far patterns are: the similarity must be squared_distance or "
            "manhattan; it is cosine");
  EXPECT_EQ(ball_complaint(1.0F, Similarity::manhattan), "none");
}

Memory make_balls(MatrixView<const float> patterns, float beta, std::vector<float> log_prior = {},
                  MatrixView<const float> contents = {}) {
  return Memory::modern_hopfield(test_device(), patterns,
                                 {.beta = beta,
                                  .similarity = Similarity::squared_distance,
                                  .separation = epanechnikov(),
                                  .log_prior = std::move(log_prior),
                                  .contents = contents});
}

constexpr double outside = -13.815510557964274;  ///< log ε

/// Energies of states that don't move.
std::vector<float> energies_at(const Memory& memory, MatrixView<const float> states) {
  Matrix<std::uint8_t> clamped(states.rows, states.columns);
  std::fill_n(clamped.data(), clamped.size(), std::uint8_t{1});
  const Relaxer relaxer(memory,
                        {.update = readout_update(), .halting = fixed_steps(), .max_steps = 1, .energies = true});
  return relaxer.relax(states, {.clamped = clamped.view()}).energies;
}

/// Hoover et al. 2025: −β⁻¹ log(ε + [1 − ½β‖x − ξ‖²]₊).
TEST(EpanechnikovTest, OnePatternIsTheBottomOfItsBall) {
  const Matrix<float> pattern = matrix({{2.0F, -1.0F, 0.5F}});
  const Memory memory = make_balls(pattern, 0.5F);  // Of radius 2.
  const Matrix<float> queries =
      matrix({{2.0F, -1.0F, 0.5F}, {3.0F, -1.0F, 0.5F}, {3.0F, 0.0F, 1.5F}, {2.0F, 0.99F, 0.5F}, {2.0F, 1.01F, 0.5F}});

  const std::vector<float> energies = energies_at(memory, queries);
  const Matrix<float> read = read_out(memory, queries);

  const std::vector<double> excess = {1.0, 0.75, 0.25, 1.0 - 0.25 * 1.99 * 1.99, 0.0};
  for (Index i = 0; i < 5; ++i) {
    EXPECT_NEAR(static_cast<double>(energies[static_cast<std::size_t>(i)]),
                -2.0 * std::log(1e-6 + excess[static_cast<std::size_t>(i)]), 1e-4)
        << "query " << i;
    EXPECT_TRUE(same_bits(row_of(read, i), i < 4 ? row_of(pattern, 0) : row_of(queries, i))) << "query " << i;
  }
}

/// Where balls overlap their centroid is a minimum that no stored pattern is, deeper than those (Hoover et al. 2025,
/// emergent memories).
TEST(EpanechnikovTest, OverlappingBallsHaveAMemoryOfTheirOwn) {
  const Matrix<float> patterns = matrix({{0.0F, 0.0F}, {1.25F, 0.0F}, {9.0F, 9.0F}});
  const Matrix<float> queries = matrix({{0.1F, 0.05F}, {1.2F, -0.1F}, {0.5F, 0.1F}, {0.75F, -0.3F}, {9.5F, 9.0F}});
  const Matrix<float> expected = matrix({{0.0F, 0.0F}, {1.25F, 0.0F}, {0.625F, 0.0F}, {0.625F, 0.0F}, {9.0F, 9.0F}});
  const Memory memory = make_balls(patterns, 2.0F);  // Of radius 1.

  const Relaxation result =
      Relaxer(memory, {.update = readout_update(), .halting = state_stable(0.0F), .energies = true}).relax(queries);

  EXPECT_TRUE(same_bits(result.states, expected));
  for (std::size_t i = 0; i < 5; ++i) {
    const bool emergent = i == 2 || i == 3;
    EXPECT_EQ(result.status[i], Status::converged);
    EXPECT_EQ(result.steps[i], 2);
    EXPECT_NEAR(static_cast<double>(result.energies[i]),
                -0.5 * std::log(1e-6 + (emergent ? 2.0 * (1.0 - 0.625 * 0.625) : 1.0)), 1e-6)
        << "query " << i;
  }
  EXPECT_TRUE(same_bits(read_out(memory, expected), expected));
}

TEST(EpanechnikovTest, StatesInNoBallStay) {
  Rng rng(320);
  const Matrix<float> patterns = random_gaussian(20, 33, rng);
  Matrix<float> queries = random_gaussian(70, 33, rng);
  for (Index i = 0; i < queries.size(); ++i) queries.data()[i] = 100.0F * queries.data()[i] + 1.0F;
  for (Index k = 0; k < 33; ++k) queries(7, k) = 1e15F;
  const Matrix<float> contents = random_gaussian(20, 3, rng);
  const Memory memory = make_balls(patterns, 0.5F, {}, contents);
  for (const Update& update : {readout_update(), blend_update(0.3F)})
    for (const Halting& halting : {energy_stable(), state_stable(0.0F)}) {
      const Relaxation result =
          Relaxer(memory, {.update = update, .halting = halting, .energies = true}).relax(queries);

      EXPECT_TRUE(same_bits(result.states, queries));
      for (std::size_t i = 0; i < 70; ++i) {
        EXPECT_EQ(result.status[i], Status::converged) << "query " << i;
        EXPECT_EQ(result.steps[i], 2) << "query " << i;
        EXPECT_NEAR(static_cast<double>(result.energies[i]), -2.0 * outside, 1e-5) << "query " << i;
      }
      for (Index i = 0; i < result.contents.size(); ++i) EXPECT_TRUE(std::isnan(result.contents.data()[i]));
    }
  const Retrieval found = retrieve(memory, queries, {.count = 2});
  for (const Index pattern : found.pattern) EXPECT_EQ(pattern, -1);
  for (const float posterior : found.posterior) EXPECT_TRUE(std::isnan(posterior));
  for (const Memory& some : {memory, make_balls(patterns, 0.5F)}) {
    const Recall read = recall(some, queries);
    for (Index i = 0; i < read.contents.size(); ++i) EXPECT_TRUE(std::isnan(read.contents.data()[i]));
  }
  // Signs of states of ±1 stay, tanh goes on from x + αx.
  const Matrix<float> bipolar = random_bipolar(40, 33, rng);
  const Memory far = make_balls(patterns, 1e3F);
  EXPECT_TRUE(same_bits(Relaxer(far, {.update = sign_update()}).relax(bipolar).states, bipolar));
  const Relaxation tanh =
      Relaxer(far, {.update = tanh_update(0.5F), .halting = fixed_steps(), .max_steps = 1}).relax(bipolar);
  for (Index i = 0; i < bipolar.size(); ++i)
    EXPECT_NEAR(tanh.states.data()[i], std::tanh(1.5F * bipolar.data()[i]), 1e-6F);
}

/// Of queries beyond the range of squares no distance is a number.
TEST(EpanechnikovTest, OverflowingDistancesDiverge) {
  const Memory memory = make_balls(axes(3), 1.0F);
  const Matrix<float> queries = matrix({{1e25F, 0.0F, 0.0F}, {0.9F, 0.0F, 0.0F}, {0.0F, -3e38F, 3e38F}});

  const Relaxation result = Relaxer(memory).relax(queries);

  EXPECT_EQ(result.status, (std::vector<Status>{Status::diverged, Status::converged, Status::diverged}));
  EXPECT_EQ(retrieve(memory, queries).pattern, (std::vector<Index>{-1, 0, -1}));
}

/// Each step of mean shift descends: Σ [1 + s]₊ of a state is that of parabolas whose top is the readout.
TEST(EpanechnikovTest, EnergiesNeverRise) {
  Rng rng(321);
  const Matrix<float> patterns = random_gaussian(200, 6, rng);
  const Matrix<float> queries = noisy_copies(patterns, 150, 0.3F, 1.5F, rng);
  for (const float beta : {0.1F, 0.3F, 1.0F, 4.0F})
    for (const Update& update : {readout_update(), blend_update(0.4F), blend_update(1.0F)}) {
      const Relaxer relaxer(make_balls(patterns, beta),
                            {.update = update, .halting = fixed_steps(), .max_steps = 15, .energy_trace = true});

      const Relaxation result = relaxer.relax(queries);

      int descents = 0;
      const std::vector<float> first = energies_at(relaxer.memory(), queries);
      for (Index i = 0; i < queries.rows(); ++i) {
        for (Index t = 0; t < 15; ++t) {
          const float before = t == 0 ? first[static_cast<std::size_t>(i)] : result.energy_trace(i, t - 1);
          // Of the sum of those that a state is in, more than 0.01 but for some near a border.
          EXPECT_LE(result.energy_trace(i, t), before + 1e-4F / beta)
              << "beta " << beta << " query " << i << " step " << t;
          descents += result.energy_trace(i, t) < before - 1e-3F / beta ? 1 : 0;
        }
      }
      EXPECT_GT(descents, 10) << "beta " << beta;
    }
}

/// Random data have minima where the patterns in reach are several, and most queries end in one exactly.
TEST(EpanechnikovTest, RestsAtCentroids) {
  Rng rng(322);
  const Matrix<float> patterns = random_gaussian(60, 4, rng);
  const Matrix<float> queries = noisy_copies(patterns, 120, 0.1F, 0.8F, rng);
  const Memory memory = make_balls(patterns, 1.5F);
  const Relaxer relaxer(memory, {.update = readout_update(), .halting = state_stable(0.0F)});

  const Relaxation result = relaxer.relax(queries);

  const Retrieval at_rest = retrieve(memory, result.states);
  int stored = 0;
  int emergent = 0;
  for (Index i = 0; i < queries.rows(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    EXPECT_EQ(result.status[at], Status::converged) << "query " << i;
    if (at_rest.pattern[at] < 0) continue;
    const bool is_stored = same_bits(row_of(result.states, i), row_of(patterns, at_rest.pattern[at]));
    stored += is_stored ? 1 : 0;
    emergent += is_stored ? 0 : 1;
  }
  EXPECT_GT(stored, 5);
  EXPECT_GT(emergent, 5);
}

TEST(EpanechnikovTest, PosteriorsAreUniformInReach) {
  const Matrix<float> patterns = matrix({{0.0F}, {1.0F}, {3.0F}, {1.5F}, {-0.25F}});
  const Memory memory = make_balls(patterns, 2.0F);

  const Retrieval found = retrieve(memory, matrix({{0.75F}, {3.5F}, {-1.3F}}), {.count = 5});

  const auto expect_row = [&](std::size_t row, const std::vector<Index>& order, const std::vector<float>& posteriors) {
    for (std::size_t r = 0; r < 5; ++r) {
      EXPECT_EQ(found.pattern[5 * row + r], order[r]) << "query " << row << " rank " << r;
      if (order[r] >= 0) {
        EXPECT_EQ(found.posterior[5 * row + r], posteriors[r]) << "query " << row << " rank " << r;
      } else {
        EXPECT_TRUE(std::isnan(found.posterior[5 * row + r]));
      }
    }
  };
  expect_row(0, {1, 0, 3, 4, 2}, {1.0F / 3.0F, 1.0F / 3.0F, 1.0F / 3.0F, 0.0F, 0.0F});
  expect_row(1, {2, 3, 1, 0, 4}, {1.0F, 0.0F, 0.0F, 0.0F, 0.0F});
  expect_row(2, {-1, -1, -1, -1, -1}, {});
}

/// A prior b makes a ball of radius √(2(1 + b)/β), none from −1 down, whether the memory has it or a call.
TEST(EpanechnikovTest, PriorsAreThePatternsOwnReach) {
  const Matrix<float> patterns = matrix({{0.0F, 0.0F}, {10.0F, 0.0F}, {20.0F, 0.0F}, {30.0F, 0.0F}});
  const std::vector<float> prior = {0.0F, 3.0F, -1.0F, -std::numeric_limits<float>::infinity()};
  const Matrix<float> queries =
      matrix({{0.0F, 0.9F}, {0.0F, 1.1F}, {10.0F, 1.9F}, {10.0F, -2.1F}, {20.0F, 0.0F}, {30.0F, 0.0F}});
  const Matrix<float> expected =
      matrix({{0.0F, 0.0F}, {0.0F, 1.1F}, {10.0F, 0.0F}, {10.0F, -2.1F}, {20.0F, 0.0F}, {30.0F, 0.0F}});
  const Memory plain = make_balls(patterns, 2.0F);
  const Memory with_prior = make_balls(patterns, 2.0F, prior);
  const Relaxer relaxer(plain,
                        {.update = readout_update(), .halting = fixed_steps(), .max_steps = 1, .energies = true});
  const Matrix<float> call_prior = matrix({{0.0F, 3.0F, -1.0F, -std::numeric_limits<float>::infinity()}});

  const Relaxation called = relaxer.relax(queries, {.log_prior = call_prior});

  EXPECT_TRUE(same_bits(read_out(with_prior, queries), expected));
  EXPECT_TRUE(same_bits(called.states, expected));
  EXPECT_TRUE(same_bits(energies_at(with_prior, expected), called.energies));
  EXPECT_NEAR(static_cast<double>(called.energies[2]), -0.5 * std::log(4.0), 1e-6);
  EXPECT_EQ(retrieve(with_prior, queries).pattern, (std::vector<Index>{0, -1, 1, -1, -1, -1}));
  EXPECT_EQ(retrieve(plain, queries, {.log_prior = call_prior}).pattern, (std::vector<Index>{0, -1, 1, -1, -1, -1}));

  Matrix<std::uint8_t> valid(6, 4);
  std::fill_n(valid.data(), valid.size(), std::uint8_t{1});
  valid(0, 0) = 0;
  std::fill_n(valid.row(2), 4, std::uint8_t{0});
  const Relaxation masked = relaxer.relax(queries, {.valid_patterns = valid.view()});
  EXPECT_TRUE(same_bits(row_of(masked.states, 0), row_of(queries, 0)));
  EXPECT_EQ(masked.status[0], Status::max_steps);
  EXPECT_EQ(masked.status[2], Status::diverged) << "no pattern takes part";
  EXPECT_TRUE(same_bits(row_of(masked.states, 4), row_of(patterns, 2)));
  // Nor where no other query has a pattern in reach, and no energy tells.
  const Relaxer silent(plain, {.update = readout_update(), .halting = fixed_steps(), .max_steps = 1});
  const Relaxation alone = silent.relax(queries.view().slice(2, 1), {.valid_patterns = valid.view().slice(2, 1)});
  EXPECT_EQ(alone.status[0], Status::diverged);
}

/// Far below the largest score, but in reach.
TEST(EpanechnikovTest, WideBallsDontHideNarrowOnes) {
  const Memory memory = make_balls(matrix({{0.0F}, {1.0F}, {2.0F}}), 2.0F, {8.0F, 0.0F, 0.0F});

  const Matrix<float> read = read_out(memory, matrix({{0.5F}}));
  const Retrieval found = retrieve(memory, matrix({{0.5F}}), {.count = 3});

  EXPECT_EQ(read(0, 0), 0.5F);
  EXPECT_EQ(found.posterior, (std::vector<float>{0.5F, 0.5F, 0.0F}));
}

TEST(EpanechnikovTest, TemperaturesOfACallAreTheBallsOwn) {
  const Matrix<float> patterns = matrix({{0.0F, 0.0F}, {1.5F, 0.0F}});
  const Matrix<float> query = matrix({{0.25F, 0.0F}});
  const Relaxer relaxer(make_balls(patterns, 0.5F),
                        {.update = readout_update(), .halting = state_stable(0.0F), .energies = true});
  const std::vector<float> wide = {0.1F};
  const std::vector<float> narrow = {2.0F};
  const std::vector<float> narrowing = {0.1F, 8.0F};

  EXPECT_TRUE(same_bits(relaxer.relax(query, {.betas = wide}).states, matrix({{0.75F, 0.0F}})));
  EXPECT_TRUE(same_bits(relaxer.relax(query, {.betas = narrow}).states, matrix({{0.0F, 0.0F}})));
  // In both, then in neither.
  const Relaxation left = relaxer.relax(query, {.betas = narrowing});
  EXPECT_TRUE(same_bits(left.states, matrix({{0.75F, 0.0F}})));
  EXPECT_NEAR(static_cast<double>(left.energies[0]), -outside / 8.0, 1e-5);
  EXPECT_EQ(retrieve(relaxer.memory(), query, {.beta = 2.0F}).posterior[0], 1.0F);
  EXPECT_EQ(retrieve(relaxer.memory(), query, {.beta = 0.1F}).posterior[0], 0.5F);
}

/// Steps and energies against the oracle at several temperatures, with priors, for either distance.
TEST(EpanechnikovTest, SchedulesFollowTheOracle) {
  Rng rng(323);
  const std::vector<float> betas = {0.05F, 0.2F, 0.11F, 0.3F};
  std::vector<float> prior(50);
  for (std::size_t i = 0; i < 50; ++i) prior[i] = 0.05F * static_cast<float>(i % 11) - 0.3F;
  for (const Similarity similarity : {Similarity::squared_distance, Similarity::manhattan}) {
    const Matrix<float> patterns = random_gaussian(50, 7, rng);
    const Memory memory = Memory::modern_hopfield(
        test_device(), patterns,
        {.beta = 0.2F, .similarity = similarity, .separation = epanechnikov(1e-3F), .log_prior = prior});
    const Matrix<float> queries = noisy_copies(patterns, 40, 0.3F, 2.0F, rng);
    int moved = 0;
    Matrix<float> states = copy(queries);
    for (int t = 1; t <= 5; ++t) {
      const Relaxer relaxer(memory,
                            {.update = blend_update(0.5F), .halting = fixed_steps(), .max_steps = t, .energies = true});
      Relaxation result = relaxer.relax(queries, {.betas = betas});
      const auto model_after = [&](int steps) {
        const float beta = betas[std::min<std::size_t>(static_cast<std::size_t>(steps), 3)];
        reference::SoftmaxModel model =
            reference::modern_hopfield(patterns, static_cast<double>(beta), epanechnikov(1e-3F));
        model.similarity = similarity;
        model.log_prior = prior;
        return model;
      };
      for (Index i = 0; i < 40; ++i) {
        const reference::Vector state = to_double(row_of(states, i));
        const reference::Vector expected = reference::apply(
            blend_update(0.5F), state, reference::readout(reference::Model(model_after(t - 1)), state));
        for (Index k = 0; k < 7; ++k)
          EXPECT_NEAR(static_cast<double>(result.states(i, k)), expected[static_cast<std::size_t>(k)], 1e-5)
              << "query " << i << " step " << t;
        moved += result.states(i, 0) != states(i, 0) ? 1 : 0;
        const reference::Model next = model_after(t);
        EXPECT_NEAR(static_cast<double>(result.energies[static_cast<std::size_t>(i)]),
                    reference::energy(next, to_double(row_of(result.states, i))),
                    1e-3 / std::get<reference::SoftmaxModel>(next).beta)
            << "query " << i << " step " << t;
      }
      states = std::move(result.states);
    }
    EXPECT_GT(moved, 20);
  }
}

/// Far from the origin, where products of floats have no digits left for a distance.
TEST(EpanechnikovTest, DistancesKeepTheirDigits) {
  Matrix<float> patterns(3, 64);
  Matrix<float> queries(6, 64);
  for (Index k = 0; k < 64; ++k) {
    const float far = 4096.0F * static_cast<float>(k % 5 - 2);
    for (Index i = 0; i < 3; ++i) patterns(i, k) = far + 0.25F * static_cast<float>(i);
    for (Index i = 0; i < 6; ++i) queries(i, k) = far + 0.125F * static_cast<float>(i);
  }
  // ½β‖a − x‖² = (difference/0.2)², so that neighbours at 0.125 are in reach, those at 0.25 aren't.
  const Memory memory = make_balls(patterns, 2.0F / (64.0F * 0.04F));

  const Matrix<float> read = read_out(memory, queries);

  for (Index k = 0; k < 64; ++k) {
    const float far = 4096.0F * static_cast<float>(k % 5 - 2);
    const std::array<float, 6> expected = {0.0F, 0.125F, 0.25F, 0.375F, 0.5F, 0.5F};
    for (Index i = 0; i < 6; ++i)
      EXPECT_EQ(read(i, k), far + expected.at(static_cast<std::size_t>(i))) << "query " << i;
  }
}

TEST(EpanechnikovTest, ManhattanDistancesHaveTheirBalls) {
  const Matrix<float> patterns = matrix({{0.0F, 0.0F}, {2.0F, 2.0F}});
  const Memory memory = Memory::modern_hopfield(
      test_device(), patterns, {.beta = 0.5F, .similarity = Similarity::manhattan, .separation = epanechnikov(1e-6F)});
  const Matrix<float> queries = matrix({{0.75F, -1.0F}, {1.5F, -1.0F}, {1.25F, 2.0F}});

  const std::vector<float> energies = energies_at(memory, queries);

  EXPECT_TRUE(same_bits(read_out(memory, queries), matrix({{0.0F, 0.0F}, {1.5F, -1.0F}, {2.0F, 2.0F}})));
  EXPECT_NEAR(static_cast<double>(energies[0]), -2.0 * std::log(1e-6 + 0.125), 1e-5);
  EXPECT_NEAR(static_cast<double>(energies[1]), -2.0 * outside, 1e-5);
  EXPECT_NEAR(static_cast<double>(energies[2]), -2.0 * std::log(1e-6 + 0.625), 1e-5);
}

/// However little room there is for those in reach, and however many patterns are read out at a time.
TEST(EpanechnikovTest, RoomForCandidatesChangesNoBits) {
  Rng rng(324);
  const Matrix<float> patterns = random_gaussian(500, 5, rng);
  const Matrix<float> queries = noisy_copies(patterns, 40, 0.1F, 3.0F, rng);
  detail::Sizes sizes = detail::sizes();
  sizes.pattern_block = 16;
  for (const float beta : {0.02F, 0.3F, 2.0F}) {
    const Memory memory = make_balls(patterns, beta);
    const auto relax = [&](Index room) {
      sizes.segment_patterns = room;
      const SizesScope scope(sizes);
      const Relaxer relaxer(
          memory, {.update = readout_update(), .halting = fixed_steps(), .max_steps = 3, .energy_trace = true});
      return relaxer.relax(queries);
    };
    const Relaxation all = relax(65536);

    for (const Index room : {16, 64, 128, 400}) EXPECT_TRUE(same_results(all, relax(room))) << "beta " << beta;
  }
}

TEST(EpanechnikovTest, IsSavedNamedAndOfHeads) {
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / ("balls_" + std::to_string(::getpid()) + ".safetensors");
  Rng rng(325);
  const Matrix<float> patterns = random_gaussian(30, 6, rng);
  const Matrix<float> queries = noisy_copies(patterns, 40, 0.1F, 1.0F, rng);
  const Memory memory = make_balls(patterns, 0.5F);

  save(memory, path);
  const Memory loaded = load(test_device(), path);
  std::filesystem::remove(path);

  EXPECT_EQ(memory.rule(),
            "modern_hopfield(beta = 0.5, similarity = squared_distance, separation = epanechnikov(1e-06), storage = "
            "float32, content_storage = float32, precision = full)");
  EXPECT_EQ(loaded.rule(), memory.rule());
  EXPECT_TRUE(same_results(Relaxer(loaded).relax(queries), Relaxer(memory).relax(queries)));

  const std::vector<float> betas = {0.5F, 2.0F};
  const ModernHopfieldOptions options{.similarity = Similarity::squared_distance, .separation = epanechnikov()};
  const HeadsRelaxation together = Heads::modern_hopfield(test_device(), patterns, betas, options).relax(queries);
  for (const Index h : {0, 1}) {
    const auto columns = [&](const Matrix<float>& all) {
      return MatrixView<const float>(all.data() + 3 * h, all.rows(), 3, all.columns());
    };
    const Memory own = make_balls(columns(patterns), betas[static_cast<std::size_t>(h)]);
    EXPECT_TRUE(same_bits(columns(together.states), Relaxer(own).relax(columns(queries)).states)) << "head " << h;
  }
  EXPECT_THROW(Heads::modern_hopfield(test_device(), patterns, betas, {.separation = epanechnikov()}), InvalidArgument);
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
  using Shapes = std::array<std::pair<Index, Index>, 2>;
  const bool slow = test_device_is_slow();
  for (const auto& [count, dimension] : slow ? Shapes{{{500, 64}, {120, 300}}} : Shapes{{{2000, 64}, {500, 1000}}}) {
    Rng rng(311);
    const Matrix<float> patterns = random_bipolar(count, dimension, rng);
    const Matrix<float> queries = flipped_copies(patterns, slow ? 20 : 200, 0.1, rng);

    const Relaxation result = Relaxer(Memory::exponential(test_device(), patterns)).relax(queries);

    for (Index i = 0; i < queries.rows(); ++i) {
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
  EXPECT_EQ(exponential.rule(),
            "exponential(beta = 0.5, storage = float32, content_storage = float32, precision = full)");
}

}  // namespace
}  // namespace attractor::test
