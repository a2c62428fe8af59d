/// Similarities without parameters, priors, what a call says of patterns, and retrieval of several patterns: their
/// definitions written out.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

const std::vector<std::pair<Similarity, float>> similarities_and_betas = {{Similarity::dot, 0.3F},
                                                                          {Similarity::squared_distance, 0.3F},
                                                                          {Similarity::manhattan, 0.5F},
                                                                          {Similarity::cosine, 4.0F}};

Memory make_memory(MatrixView<const float> patterns, const ModernHopfieldOptions& options) {
  return Memory::modern_hopfield(test_device(), patterns, options);
}

reference::SoftmaxModel model_of(MatrixView<const float> patterns, const ModernHopfieldOptions& options) {
  reference::SoftmaxModel model =
      reference::modern_hopfield(patterns, static_cast<double>(options.beta), options.separation);
  model.similarity = options.similarity;
  model.log_prior = options.log_prior;
  return model;
}

/// One step of readouts.
Relaxation step(const Memory& memory, MatrixView<const float> queries, const RelaxCall& call = {}) {
  return Relaxer(memory, {.update = readout_update(), .halting = fixed_steps(), .max_steps = 1, .energies = true})
      .relax(queries, call);
}

std::vector<float> as_prior(std::span<const std::uint8_t> valid) {
  std::vector<float> prior;
  for (const std::uint8_t is_valid : valid) prior.push_back(is_valid != 0 ? 0.0F : -infinity);
  return prior;
}

TEST(SimilarityTest, WeightsAreThoseOfTheDefinitions) {
  Rng rng(400);
  for (const auto& [count, dimension] : {std::pair<Index, Index>{1, 1}, {9, 7}, {33, 65}, {40, 131}})
    for (const auto& [similarity, beta] : similarities_and_betas)
      for (const NormalisedSeparation& separation : {softmax(), entmax(), top(2)}) {
        const Matrix<float> patterns = random_gaussian(count, dimension, rng);
        const Matrix<float> queries = noisy_copies(patterns, 35, 0.1F, 1.5F, rng);
        const ModernHopfieldOptions options{.beta = beta, .similarity = similarity, .separation = separation};
        const Memory memory = make_memory(patterns, options);
        const reference::SoftmaxModel model = model_of(patterns, options);

        const Retrieval found = retrieve(memory, queries, {.count = count});

        for (Index i = 0; i < queries.rows(); ++i) {
          const reference::Vector p = reference::weights(model, to_double(row_of(queries, i)));
          for (Index r = 0; r < count; ++r) {
            const auto at = static_cast<std::size_t>(i * count + r);
            ASSERT_GE(found.pattern[at], 0) << memory.rule();
            EXPECT_NEAR(static_cast<double>(found.posterior[at]), p[static_cast<std::size_t>(found.pattern[at])], 2e-5)
                << memory.rule() << " query " << i << " rank " << r;
          }
        }
      }
}

/// The posterior of an isotropic Gaussian around each pattern, and its mean: what diffusion's denoisers compute.
TEST(SimilarityTest, SquaredDistancesMakeThePosteriorOfGaussians) {
  const Matrix<float> patterns = matrix({{0.0F, 0.0F}, {2.0F, 0.0F}, {0.0F, 3.0F}});
  const Matrix<float> query = matrix({{0.5F, 1.0F}});
  const double variance = 0.8;
  double total = 0.0;
  double mean[2] = {};
  for (Index mu = 0; mu < 3; ++mu) {
    double squared = 0.0;
    for (Index k = 0; k < 2; ++k) squared += std::pow(static_cast<double>(patterns(mu, k) - query(0, k)), 2.0);
    const double density = std::exp(-squared / (2.0 * variance));
    total += density;
    for (Index k = 0; k < 2; ++k) mean[k] += density * static_cast<double>(patterns(mu, k));
  }

  const Relaxation result =
      step(make_memory(patterns, {.beta = 1.0F / 0.8F, .similarity = Similarity::squared_distance}), query);

  for (Index k = 0; k < 2; ++k) EXPECT_NEAR(static_cast<double>(result.states(0, k)), mean[k] / total, 1e-6);
}

TEST(SimilarityTest, SquaredDistancesDescendTheirEnergy) {
  Rng rng(401);
  const Matrix<float> patterns = random_gaussian(60, 24, rng);
  const Matrix<float> queries = noisy_copies(patterns, 70, 0.5F, 3.0F, rng);
  for (const Update& update : {readout_update(), blend_update(0.3F)})
    for (const NormalisedSeparation& separation : {softmax(), sparsemax(), entmax(1.5F), top(5)}) {
      const Memory memory =
          make_memory(patterns, {.beta = 0.2F, .similarity = Similarity::squared_distance, .separation = separation});
      const Relaxer relaxer(memory,
                            {.update = update, .halting = fixed_steps(), .max_steps = 12, .energy_trace = true});

      const Relaxation result = relaxer.relax(queries);

      for (Index i = 0; i < queries.rows(); ++i)
        for (Index t = 1; t < 12; ++t)
          EXPECT_LE(result.energy_trace(i, t), result.energy_trace(i, t - 1) + 2e-5F)
              << memory.rule() << " query " << i << " step " << t;
    }
}

/// Distances don't change with the origin, also where that is far away.
TEST(SimilarityTest, DistancesDontDependOnTheOrigin) {
  Rng rng(402);
  const Matrix<float> patterns = random_bipolar(30, 20, rng);
  const Matrix<float> queries = random_bipolar(40, 20, rng);
  const auto moved = [](const Matrix<float>& matrix) {
    Matrix<float> result = copy(matrix);
    for (Index i = 0; i < result.size(); ++i) result.data()[i] += 1024.0F;
    return result;
  };
  for (const Similarity similarity : {Similarity::squared_distance, Similarity::manhattan}) {
    const ModernHopfieldOptions options{.beta = 0.25F, .similarity = similarity};
    const Retrieval here = retrieve(make_memory(patterns, options), queries);
    const Retrieval there = retrieve(make_memory(moved(patterns), options), moved(queries));

    EXPECT_EQ(here.pattern, there.pattern);
    for (std::size_t i = 0; i < here.posterior.size(); ++i) EXPECT_NEAR(here.posterior[i], there.posterior[i], 2e-3F);
  }
}

TEST(SimilarityTest, CosinesDontDependOnLengths) {
  Rng rng(403);
  const Matrix<float> patterns = random_gaussian(30, 20, rng);
  const Matrix<float> queries = noisy_copies(patterns, 40, 0.2F, 1.0F, rng);
  Matrix<float> longer = copy(patterns);
  for (Index i = 0; i < 30; ++i)
    for (Index k = 0; k < 20; ++k) longer(i, k) *= static_cast<float>(i + 1);
  const ModernHopfieldOptions options{.beta = 8.0F, .similarity = Similarity::cosine};
  const Retrieval expected = retrieve(make_memory(patterns, options), queries);
  for (const float length : {1e-18F, 0.01F, 100.0F, 1e18F}) {
    Matrix<float> scaled = copy(queries);
    for (Index i = 0; i < scaled.size(); ++i) scaled.data()[i] *= length;

    const Retrieval found = retrieve(make_memory(longer, options), scaled);

    EXPECT_EQ(found.pattern, expected.pattern);
    for (std::size_t i = 0; i < found.posterior.size(); ++i)
      EXPECT_NEAR(found.posterior[i], expected.posterior[i], 2e-6F) << length;
  }
}

TEST(SimilarityTest, CosinesOfZerosAreZero) {
  const Matrix<float> patterns = matrix({{0.0F, 0.0F}, {1.0F, 0.0F}, {0.0F, -2.0F}});
  const Memory memory = make_memory(patterns, {.beta = 1.0F, .similarity = Similarity::cosine});

  const Retrieval found = retrieve(memory, matrix({{0.0F, 0.0F}, {0.0F, -5.0F}}), {.count = 3});

  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(found.pattern[i], static_cast<Index>(i));
    EXPECT_NEAR(found.posterior[i], 1.0F / 3.0F, 1e-6F);
  }
  EXPECT_EQ(found.pattern[3], 2);
  EXPECT_NEAR(static_cast<double>(found.posterior[3]), std::exp(1.0) / (std::exp(1.0) + 2.0), 1e-6);
}

/// One entry that is badly wrong weighs as much as it is wrong, not its square (Millidge et al. 2022, §4).
TEST(SimilarityTest, ManhattanDistancesBearAnOutlier) {
  const Matrix<float> patterns = matrix({{0, 0, 0, 0, 0, 0, 0, 0}, {2, 2, 2, 2, 2, 2, 2, 7}});
  const Matrix<float> query = matrix({{0, 0, 0, 0, 0, 0, 0, 9}});
  EXPECT_EQ(retrieve(make_memory(patterns, {.similarity = Similarity::manhattan}), query).pattern[0], 0);
  EXPECT_EQ(retrieve(make_memory(patterns, {.similarity = Similarity::squared_distance}), query).pattern[0], 1);
}

TEST(SimilarityTest, FilesKeepSimilaritiesAndPriors) {
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / ("similarity_" + std::to_string(::getpid()) + ".safetensors");
  Rng rng(404);
  const Matrix<float> patterns = random_gaussian(9, 6, rng);
  const Matrix<float> queries = noisy_copies(patterns, 20, 0.1F, 2.0F, rng);
  std::vector<float> prior(9, -1.0F);
  prior[3] = -infinity;
  for (const auto& [similarity, beta] : similarities_and_betas) {
    const Memory memory = make_memory(patterns, {.beta = beta, .similarity = similarity, .log_prior = prior});
    save(memory, path);
    const Memory loaded = load(test_device(), path);

    EXPECT_EQ(loaded.rule(), memory.rule());
    EXPECT_TRUE(same_results(Relaxer(loaded).relax(queries), Relaxer(memory).relax(queries)));
  }
  std::filesystem::remove(path);
}

TEST(SimilarityTest, RulesNameTheirSimilarity) {
  EXPECT_EQ(make_memory(matrix({{1.0F}}), {.similarity = Similarity::manhattan, .separation = top(2)}).rule(),
            "modern_hopfield(beta = 1, similarity = manhattan, separation = top(2), storage = float32, content_storage "
            "= float32, precision = full)");
  EXPECT_THROW(make_memory(matrix({{1.0F}}), {.similarity = static_cast<Similarity>(9)}), InvalidArgument);
}

TEST(PriorTest, PriorsAreAddedToScores) {
  Rng rng(410);
  const Matrix<float> patterns = random_gaussian(25, 10, rng);
  const Matrix<float> queries = noisy_copies(patterns, 35, 0.1F, 1.0F, rng);
  std::vector<float> prior(25);
  for (std::size_t i = 0; i < 25; ++i) prior[i] = static_cast<float>(i % 5) - 2.5F;
  prior[7] = -infinity;
  for (const auto& [similarity, beta] : similarities_and_betas)
    for (const NormalisedSeparation& separation : {softmax(), entmax()}) {
      const ModernHopfieldOptions options{
          .beta = beta, .similarity = similarity, .separation = separation, .log_prior = prior};
      const Memory memory = make_memory(patterns, options);
      const reference::Model model = model_of(patterns, options);

      const Relaxation result = step(memory, queries);
      const Retrieval found = retrieve(memory, queries);

      for (Index i = 0; i < queries.rows(); ++i) {
        const reference::Vector query = to_double(row_of(queries, i));
        const reference::Vector expected = reference::readout(model, query);
        for (Index k = 0; k < 10; ++k)
          EXPECT_NEAR(static_cast<double>(result.states(i, k)), expected[static_cast<std::size_t>(k)], 2e-5);
        EXPECT_NEAR(static_cast<double>(result.energies[static_cast<std::size_t>(i)]),
                    reference::energy(model, to_double(row_of(result.states, i))), 1e-4)
            << memory.rule();
        EXPECT_NE(found.pattern[static_cast<std::size_t>(i)], 7);
      }
    }
}

TEST(PriorTest, ConstantsCommonToAllChangeNoBits) {
  Rng rng(411);
  const Matrix<float> patterns = random_gaussian(25, 10, rng);
  const Matrix<float> queries = noisy_copies(patterns, 35, 0.1F, 1.0F, rng);
  std::vector<float> prior(25);
  for (std::size_t i = 0; i < 25; ++i) prior[i] = static_cast<float>(i % 4);
  std::vector<float> raised = prior;
  for (float& value : raised) value += 4096.0F;

  const Relaxation one = Relaxer(make_memory(patterns, {.log_prior = prior})).relax(queries);
  const Relaxation other = Relaxer(make_memory(patterns, {.log_prior = raised})).relax(queries);

  EXPECT_TRUE(same_bits(one.states, other.states));
  EXPECT_EQ(one.steps, other.steps);
}

TEST(PriorTest, MemoriesWithPriorsForgetButTakeNoMore) {
  const Matrix<float> patterns = matrix({{1.0F, 0.0F}, {0.0F, 1.0F}, {1.0F, 1.0F}});
  Memory memory = make_memory(patterns, {.log_prior = {0.0F, -infinity, 2.0F}});
  EXPECT_THROW(memory.imprint(matrix({{2.0F, 2.0F}})), NotSupported);
  EXPECT_THROW(memory.forget({0, 2}), InvalidArgument);

  memory.forget({0});

  EXPECT_EQ(retrieve(memory, matrix({{0.0F, 9.0F}})).pattern[0], 1);
  EXPECT_EQ(retrieve(memory, matrix({{0.0F, 9.0F}})).posterior[0], 1.0F);
}

TEST(PriorTest, BadPriorsAreNamed) {
  const Matrix<float> patterns = matrix({{1.0F}, {2.0F}});
  const auto complaint = [&](const std::vector<float>& prior) -> std::string {
    try {
      make_memory(patterns, {.log_prior = prior});
    } catch (const InvalidArgument& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_EQ(complaint({0.0F}), "a memory has 1 log-priors for 2 patterns");
  EXPECT_EQ(complaint({0.0F, infinity}),
            "log-priors must be finite, or -inf for patterns that are never retrieved; one is inf");
  EXPECT_EQ(complaint({0.0F, std::nanf("")}),
            "log-priors must be finite, or -inf for patterns that are never retrieved; one is nan");
  EXPECT_EQ(complaint({-infinity, -infinity}), "all 2 log-priors are -inf; one pattern must have some probability");
}

/// Memories of every kind of scores and weights.
std::vector<Memory> normalised_memories(MatrixView<const float> patterns, MatrixView<const float> contents) {
  std::vector<Memory> memories;
  for (const auto& [similarity, beta] : similarities_and_betas)
    for (const NormalisedSeparation& separation : {softmax(), entmax(), top(3)})
      memories.push_back(make_memory(
          patterns, {.beta = beta, .similarity = similarity, .separation = separation, .contents = contents}));
  memories.push_back(Memory::exponential(test_device(), patterns, {.beta = 0.2F, .contents = contents}));
  memories.push_back(
      Memory::adaptive(test_device(), patterns,
                       {.squared_distance = std::vector<float>(static_cast<std::size_t>(patterns.columns), 0.3F)},
                       {.contents = contents}));
  return memories;
}

const RelaxerOptions two_steps{
    .update = readout_update(), .halting = fixed_steps(), .max_steps = 2, .energy_trace = true};

/// Queries, each with the patterns that are valid for it and priors of its own.
struct CallTerms {
  Matrix<float> patterns;
  Matrix<float> contents;
  Matrix<float> queries;
  Matrix<std::uint8_t> valid;
  Matrix<float> log_prior;
};

CallTerms make_call_terms(Index count, Index dimension, Index queries) {
  Rng rng(420);
  CallTerms terms{.patterns = random_gaussian(count, dimension, rng),
                  .contents = random_gaussian(count, 5, rng),
                  .queries = Matrix<float>(queries, dimension),
                  .valid = random_mask(queries, count, 0.4, rng),
                  .log_prior = random_gaussian(queries, count, rng)};
  terms.queries = noisy_copies(terms.patterns, queries, 0.1F, 1.0F, rng);
  for (Index i = 0; i < queries; ++i) terms.valid(i, i % count) = 1;
  return terms;
}

/// As if the other patterns weren't stored: a memory without them, which sums up less and so may round otherwise.
TEST(CallTermsTest, InvalidPatternsAreAsIfNotStored) {
  const CallTerms terms = make_call_terms(30, 12, 40);
  for (const Memory& memory : normalised_memories(terms.patterns, terms.contents)) {
    const Relaxation result = Relaxer(memory, two_steps).relax(terms.queries, {.valid_patterns = terms.valid});
    const Retrieval found = retrieve(memory, terms.queries, {.count = 4, .valid_patterns = terms.valid});
    for (Index i = 0; i < terms.queries.rows(); i += 7) {
      std::vector<Index> kept;
      std::vector<Index> others;
      for (Index mu = 0; mu < 30; ++mu) (terms.valid(i, mu) != 0 ? kept : others).push_back(mu);
      Memory rest = memory;
      rest.forget(others);

      const Relaxation expected = Relaxer(rest, two_steps).relax(terms.queries.view().slice(i, 1));
      const Retrieval expected_patterns = retrieve(rest, terms.queries.view().slice(i, 1));

      for (Index k = 0; k < 12; ++k)
        EXPECT_NEAR(result.states(i, k), expected.states(0, k), 1e-5F) << memory.rule() << " query " << i;
      for (Index k = 0; k < 5; ++k)
        EXPECT_NEAR(result.contents(i, k), expected.contents(0, k), 1e-5F) << memory.rule() << " query " << i;
      const auto at = static_cast<std::size_t>(4 * i);
      EXPECT_EQ(found.pattern[at], kept[static_cast<std::size_t>(expected_patterns.pattern[0])]);
      EXPECT_NEAR(found.posterior[at], expected_patterns.posterior[0], 1e-5F) << memory.rule();
      for (std::size_t r = 0; r < 4; ++r)
        if (found.pattern[at + r] >= 0) {
          EXPECT_NE(terms.valid(i, found.pattern[at + r]), 0);
        }
    }
  }
}

TEST(CallTermsTest, PriorsOfACallAreAddedToScores) {
  const CallTerms terms = make_call_terms(21, 9, 35);
  for (const auto& [similarity, beta] : similarities_and_betas)
    for (const NormalisedSeparation& separation : {softmax(), entmax(), top(3)}) {
      const ModernHopfieldOptions options{.beta = beta, .similarity = similarity, .separation = separation};
      const Relaxation result =
          step(make_memory(terms.patterns, options), terms.queries, {.log_prior = terms.log_prior});
      for (Index i = 0; i < terms.queries.rows(); ++i) {
        reference::SoftmaxModel with_prior = model_of(terms.patterns, options);
        with_prior.log_prior.assign(terms.log_prior.row(i), terms.log_prior.row(i) + 21);
        const reference::Model model = std::move(with_prior);
        const reference::Vector expected = reference::readout(model, to_double(row_of(terms.queries, i)));
        for (Index k = 0; k < 9; ++k)
          EXPECT_NEAR(static_cast<double>(result.states(i, k)), expected[static_cast<std::size_t>(k)], 2e-5)
              << " query " << i;
        EXPECT_NEAR(static_cast<double>(result.energies[static_cast<std::size_t>(i)]),
                    reference::energy(model, to_double(row_of(result.states, i))), 1e-4);
      }
    }
}

/// One row for all queries is that row for each, a mask is a prior of 0 or −∞, and a mask of ones is none.
TEST(CallTermsTest, WaysToSayTheSameGiveTheSameBits) {
  const CallTerms terms = make_call_terms(70, 12, 70);
  const std::vector<float> prior = as_prior(row_of(terms.valid, 0));
  const MatrixView<const float> prior_row(prior.data(), 1, 70);
  Matrix<std::uint8_t> repeated(70, 70);
  Matrix<std::uint8_t> ones(1, 70);
  for (Index i = 0; i < 70; ++i) {
    std::copy_n(terms.valid.row(0), 70, repeated.row(i));
    ones(0, i) = 3;
  }
  for (const Memory& memory : normalised_memories(terms.patterns, terms.contents)) {
    const Relaxer relaxer(memory, two_steps);
    const Relaxation one = relaxer.relax(terms.queries, {.valid_patterns = terms.valid.view().slice(0, 1)});

    EXPECT_TRUE(same_results(one, relaxer.relax(terms.queries, {.valid_patterns = repeated}))) << memory.rule();
    EXPECT_TRUE(same_results(one, relaxer.relax(terms.queries, {.log_prior = prior_row}))) << memory.rule();
    EXPECT_FALSE(same_results(one, relaxer.relax(terms.queries))) << memory.rule();
    EXPECT_TRUE(same_results(relaxer.relax(terms.queries), relaxer.relax(terms.queries, {.valid_patterns = ones})))
        << memory.rule();
    const Retrieval shared = retrieve(memory, terms.queries, {.valid_patterns = terms.valid.view().slice(0, 1)});
    const Retrieval own = retrieve(memory, terms.queries, {.valid_patterns = repeated});
    EXPECT_EQ(shared.pattern, own.pattern);
    EXPECT_TRUE(same_bits(shared.posterior, own.posterior));
  }
}

/// Batch invariance and halting equivalence with terms: each query keeps its own, wherever it is, and however long
/// those before it take.
TEST(CallTermsTest, BitsDependOnTheQueryAndItsTermsAlone) {
  const CallTerms terms = make_call_terms(70, 12, 90);
  Rng rng(421);
  std::vector<Index> order = random_permutation(90, rng);
  order.resize(37);
  Matrix<std::uint8_t> valid(37, 70);
  for (Index i = 0; i < 37; ++i) std::copy_n(terms.valid.row(order[static_cast<std::size_t>(i)]), 70, valid.row(i));
  const Matrix<float> prior = select(terms.log_prior, order);
  for (const Memory& memory : normalised_memories(terms.patterns, terms.contents)) {
    const Relaxer relaxer(memory, {.update = blend_update(0.5F),
                                   .halting = energy_stable({.absolute = 1e-3F}),
                                   .max_steps = 15,
                                   .energy_trace = true});
    const Relaxation all = relaxer.relax(terms.queries, {.valid_patterns = terms.valid, .log_prior = terms.log_prior});

    const Relaxation some = relaxer.relax(select(terms.queries, order), {.valid_patterns = valid, .log_prior = prior});

    EXPECT_GT(*std::max_element(all.steps.begin(), all.steps.end()),
              *std::min_element(all.steps.begin(), all.steps.end()));
    for (Index i = 0; i < 37; ++i)
      EXPECT_TRUE(same_row(some, i, all, order[static_cast<std::size_t>(i)])) << memory.rule() << " row " << i;
  }
}

TEST(CallTermsTest, AQueryWithoutPatternsDivergesAlone) {
  const CallTerms terms = make_call_terms(30, 12, 40);
  Matrix<std::uint8_t> valid(40, 30);
  std::copy_n(terms.valid.data(), valid.size(), valid.data());
  std::fill_n(valid.row(5), 30, std::uint8_t{0});
  for (const Memory& memory : normalised_memories(terms.patterns, terms.contents)) {
    const Relaxer relaxer(memory, two_steps);
    const Relaxation with = relaxer.relax(terms.queries, {.valid_patterns = valid});
    const Relaxation without = relaxer.relax(terms.queries, {.valid_patterns = terms.valid});
    const Retrieval found = retrieve(memory, terms.queries, {.count = 2, .valid_patterns = valid});

    for (Index i = 0; i < 40; ++i) {
      if (i == 5) continue;
      EXPECT_TRUE(same_row(with, i, without, i)) << memory.rule();
      EXPECT_GE(found.pattern[static_cast<std::size_t>(2 * i)], 0) << memory.rule();
    }
    EXPECT_EQ(with.status[5], Status::diverged) << memory.rule();
    for (const std::size_t at : {10U, 11U}) {
      EXPECT_EQ(found.pattern[at], -1) << memory.rule();
      EXPECT_TRUE(std::isnan(found.posterior[at])) << memory.rule();
    }
  }
}

/// Nor does what a pattern that takes no part would have scored: not even an infinity.
TEST(CallTermsTest, InvalidPatternsMayOverflow) {
  const Matrix<float> patterns = matrix({{1e30F}, {1.0F}, {0.5F}});
  const Matrix<float> query = matrix({{1e10F}});
  const std::vector<float> prior = {-infinity, 0.0F, 0.0F};
  Matrix<std::uint8_t> valid(1, 3);
  for (Index i = 0; i < 3; ++i) valid(0, i) = i > 0 ? 1 : 0;
  const MatrixView<const float> prior_row(prior.data(), 1, 3);
  for (const NormalisedSeparation& separation : {softmax(), entmax(), top(2)}) {
    const Memory memory = make_memory(patterns, {.separation = separation});
    const Memory with_prior = make_memory(patterns, {.separation = separation, .log_prior = prior});
    for (const Relaxation& result : {step(memory, query, {.valid_patterns = valid}),
                                     step(memory, query, {.log_prior = prior_row}), step(with_prior, query)}) {
      EXPECT_EQ(result.status[0], Status::max_steps);
      EXPECT_EQ(result.states(0, 0), 1.0F);
    }
    EXPECT_EQ(retrieve(memory, query, {.valid_patterns = valid}).pattern[0], 1);
    EXPECT_EQ(retrieve(with_prior, query).pattern[0], 1);
  }
}

TEST(CallTermsTest, BadTermsAreRefused) {
  const CallTerms terms = make_call_terms(30, 12, 40);
  const Relaxer relaxer(make_memory(terms.patterns, {}));
  const auto complaint = [&](const RelaxCall& call) -> std::string {
    try {
      static_cast<void>(relaxer.relax(terms.queries, call));
    } catch (const InvalidArgument& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_EQ(complaint({.valid_patterns = terms.valid.view().slice(0, 2)}),
            "valid patterns have the shape [2, 30]; it must be [1, 30] or [40, 30]");
  EXPECT_EQ(complaint({.log_prior = {terms.log_prior.data(), 40, 29}}),
            "log-priors have the shape [40, 29]; it must be [1, 30] or [40, 30]");
  EXPECT_EQ(complaint({.log_prior = {nullptr, 1, 30}}), "log-priors have null data");
  EXPECT_THROW(static_cast<void>(Relaxer(Memory::hebbian(test_device(), terms.patterns))
                                     .relax(terms.queries, {.valid_patterns = terms.valid})),
               NotSupported);
}

TEST(RetrievalTest, SeveralPatternsComeInTheOrderOfTheirScores) {
  Rng rng(430);
  const Matrix<float> patterns = random_gaussian(90, 12, rng);
  const Matrix<float> queries = noisy_copies(patterns, 70, 0.1F, 1.0F, rng);
  for (const auto& [similarity, beta] : similarities_and_betas)
    for (const NormalisedSeparation& separation : {softmax(), sparsemax(), top(3)})
      for (const Index count : {2, 7, 90}) {
        const ModernHopfieldOptions options{.beta = beta, .similarity = similarity, .separation = separation};
        const Memory memory = make_memory(patterns, options);
        const reference::SoftmaxModel model = model_of(patterns, options);

        const Retrieval found = retrieve(memory, queries, {.count = count});
        const Retrieval first = retrieve(memory, queries);

        for (Index i = 0; i < queries.rows(); ++i) {
          const auto row = static_cast<std::size_t>(i * count);
          EXPECT_EQ(found.pattern[row], first.pattern[static_cast<std::size_t>(i)]);
          EXPECT_FLOAT_EQ(found.posterior[row], first.posterior[static_cast<std::size_t>(i)]) << memory.rule();
          const reference::Vector scores = reference::scores(model, to_double(row_of(queries, i)));
          std::vector<std::size_t> order(90);
          std::iota(order.begin(), order.end(), std::size_t{0});
          std::stable_sort(order.begin(), order.end(),
                           [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
          for (Index r = 0; r < count; ++r) {
            const auto pattern = static_cast<std::size_t>(found.pattern[row + static_cast<std::size_t>(r)]);
            EXPECT_NEAR(scores[pattern], scores[order[static_cast<std::size_t>(r)]], 1e-5)
                << memory.rule() << " query " << i << " rank " << r;
          }
        }
      }
}

TEST(RetrievalTest, EqualScoresComeInTheOrderOfThePatterns) {
  const Matrix<float> patterns = matrix({{1, 0}, {2, 0}, {1, 1}, {2, 1}, {1, 2}, {0, 0}});
  const Matrix<float> query = matrix({{1.0F, 0.0F}});
  for (const NormalisedSeparation& separation : {softmax(), sparsemax(), top(2)}) {
    const Retrieval found = retrieve(make_memory(patterns, {.separation = separation}), query, {.count = 6});
    EXPECT_EQ(found.pattern, (std::vector<Index>{1, 3, 0, 2, 4, 5}));
  }
}

TEST(RetrievalTest, NamesPatternsWithoutTheirPosteriors) {
  Rng rng(417);
  const Matrix<float> patterns = random_gaussian(90, 12, rng);
  Matrix<float> queries = noisy_copies(patterns, 70, 0.1F, 1.0F, rng);
  queries(5, 3) = std::numeric_limits<float>::quiet_NaN();
  const AdaptiveSimilarity adaptive{.squared_distance = std::vector<float>(12, 2.0F)};
  for (const Memory& memory :
       {make_memory(patterns, {}), make_memory(patterns, {.separation = sparsemax()}),
        make_memory(patterns, {.separation = top(3)}), Memory::adaptive(test_device(), patterns, adaptive)})
    for (const Index count : {1, 4}) {
      const Retrieval with = retrieve(memory, queries, {.count = count});
      const Retrieval without = retrieve(memory, queries, {.count = count, .posteriors = false});
      EXPECT_EQ(without.pattern, with.pattern) << memory.rule();
      EXPECT_TRUE(without.posterior.empty()) << memory.rule();
    }
}

TEST(RetrievalTest, RefusesCountsThatThereAreNot) {
  const Matrix<float> patterns = matrix({{1, 0}, {2, 0}});
  for (const Index count : {-1, 0, 3})
    EXPECT_THROW(static_cast<void>(retrieve(make_memory(patterns, {}), patterns, {.count = count})), InvalidArgument);
}

/// What they lie below the largest score is the same in float.
TEST(RetrievalTest, ScoresFarBelowTheLargestKeepTheirOrder) {
  const Matrix<float> patterns = matrix({{1e8F}, {0.1F}, {0.2F}, {-0.0F}, {0.0F}});
  for (const NormalisedSeparation& separation : {softmax(), entmax(), top(2)}) {
    const Retrieval found = retrieve(make_memory(patterns, {.separation = separation}), matrix({{1.0F}}), {.count = 5});
    EXPECT_EQ(found.pattern, (std::vector<Index>{0, 2, 1, 3, 4}));
  }
}

TEST(RetrievalTest, RanksWithoutAPatternAreEmpty) {
  const Matrix<float> patterns = matrix({{1, 0}, {2, 0}, {3, 0}});
  const Matrix<float> query = matrix({{1.0F, 0.0F}});
  Matrix<std::uint8_t> valid(1, 3);
  std::fill_n(valid.data(), 3, std::uint8_t{0});
  valid(0, 1) = 1;
  for (const NormalisedSeparation& separation : {softmax(), entmax(), top(2)}) {
    const Retrieval found =
        retrieve(make_memory(patterns, {.separation = separation}), query, {.count = 3, .valid_patterns = valid});
    EXPECT_EQ(found.pattern, (std::vector<Index>{1, -1, -1}));
    EXPECT_EQ(found.posterior[0], 1.0F);
    EXPECT_TRUE(std::isnan(found.posterior[1]));
    EXPECT_TRUE(std::isnan(found.posterior[2]));
  }
}

}  // namespace
}  // namespace attractor::test
