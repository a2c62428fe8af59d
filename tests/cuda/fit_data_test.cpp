/// Footprints and fits of data that lie on the device have the bits of those of the same data on the host.

#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>
#include <attractor/error.hpp>

#include "kernels/cuda/device/resources.hpp"
#include "tests/cuda/support_data.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"

namespace attractor::test {
namespace {

using Rows = MatrixView<const float>;

/// Rows that kernels can take as they lie, where columns are a multiple of four, and such that they can't.
constexpr std::array<Spread, 5> spreads = {
    {{}, {.gap = 4, .offset = 8}, {.gap = 3}, {.offset = 1}, {.gap = 1, .offset = 2}}};

class CudaFootprintDataTest : public testing::TestWithParam<bool> {
 protected:
  static detail::Sizes sizes() { return GetParam() ? detail::Sizes::tiny() : detail::Sizes(); }

  SizesScope sizes_{sizes()};
  Device device_ = Device::cuda();
};

INSTANTIATE_TEST_SUITE_P(Sizes, CudaFootprintDataTest, testing::Bool(),
                         [](const auto& tiny) { return tiny.param ? "tiny" : "usual"; });

TEST_P(CudaFootprintDataTest, HasTheBitsOfTheHosts) {
  Rng rng(1);
  const std::vector<FootprintPair> pairs = {{1, 0}, {0, 2}, {1, 2}};
  for (const Index dimension : {1, 7, 8, 64, 260}) {
    SCOPED_TRACE(dimension);
    const Matrix<float> patterns = random_gaussian(3, dimension, rng);
    const Matrix<float> queries = random_gaussian(2, dimension, rng);
    for (const FootprintOptions& options :
         {FootprintOptions{}, {.base = FootprintBase::dot}, {.base = FootprintBase::dot, .cumulative = false}}) {
      const Matrix<float> expected = footprint(device_, patterns, queries, options);
      const Matrix<float> expected_pairs = footprint(device_, patterns, queries, pairs, options);
      for (const Spread& spread : spreads) {
        SCOPED_TRACE(std::to_string(spread.gap) + " between rows, from " + std::to_string(spread.offset));
        const PlacedRows<float> own_patterns(Place::device, patterns.view(), spread);
        const PlacedRows<float> own_queries(Place::device, queries.view(), spread);
        const PlacedRows<float> results(Place::device, 6, dimension, spread);
        const PlacedRows<float> chosen(Place::device, 3, dimension, spread);
        EXPECT_TRUE(
            same_bits(footprint(device_, own_patterns.view(), own_queries.view(), options).view(), expected.view()));
        footprint(device_, own_patterns.view(), own_queries.view(), results.view(), options);
        footprint(device_, own_patterns.view(), own_queries.view(), pairs, chosen.view(), options);
        EXPECT_TRUE(same_bits(results.read().view(), expected.view()));
        EXPECT_TRUE(same_bits(chosen.read().view(), expected_pairs.view()));
        EXPECT_TRUE(results.margins_are_untouched());
        EXPECT_TRUE(chosen.margins_are_untouched());
      }
    }
  }
}

TEST_P(CudaFootprintDataTest, MayBeAnywhere) {
  Rng rng(2);
  const Matrix<float> patterns = random_gaussian(5, 12, rng);
  const Matrix<float> queries = random_gaussian(4, 12, rng);
  const Matrix<float> expected = footprint(device_, patterns, queries);
  for (const Place patterns_place : all_places)
    for (const Place queries_place : all_places)
      for (const Place results_place : all_places) {
        SCOPED_TRACE(to_string(patterns_place) + ", " + to_string(queries_place) + ", " + to_string(results_place));
        const PlacedRows<float> own_patterns(patterns_place, patterns.view());
        const PlacedRows<float> own_queries(queries_place, queries.view());
        const PlacedRows<float> results(results_place, 20, 12, {.gap = 4});
        footprint(device_, own_patterns.view(), own_queries.view(), results.view());
        EXPECT_TRUE(same_bits(results.read().view(), expected.view()));
        EXPECT_TRUE(results.margins_are_untouched());
      }
}

TEST(CudaFootprintPlaceTest, MayStillBeOnTheirWayOnTheDefaultStream) {
  Rng rng(3);
  const Matrix<float> patterns = random_gaussian(3, 8, rng);
  const Matrix<float> queries = random_gaussian(4, 8, rng);
  const Matrix<float> expected = footprint(Device::cuda(), patterns, queries);
  const PlacedRows<float> sources(Place::device, queries.view());
  const PlacedRows<float> late(Place::device, filled(4, 8, 0.0F).view());
  const PlacedRows<float> results(Place::device, 12, 8);
  for (const cudaStream_t stream : {cudaStreamLegacy, cudaStreamPerThread}) {
    late.write(filled(4, 8, 0.0F).view());
    cuda::check(
        cudaMemcpyAsync(late.view().data, sources.view().data, 32 * sizeof(float), cudaMemcpyDeviceToDevice, stream),
        "cudaMemcpyAsync");
    // What is still to be done with the results comes before they are there.
    cuda::check(cudaMemsetAsync(results.view().data, 0, 96 * sizeof(float), stream), "cudaMemsetAsync");
    footprint(Device::cuda(), patterns, late.view(), results.view());
    EXPECT_TRUE(same_bits(results.read().view(), expected.view()));
  }
}

TEST(CudaFootprintPlaceTest, NamesWhatIsElsewhere) {
  if (Device::cuda_count() < 2) GTEST_SKIP() << "needs two CUDA devices";
  Rng rng(4);
  const Matrix<float> rows = random_gaussian(3, 8, rng);
  Matrix<float> results(9, 8);
  const cuda::DeviceScope scope(1);
  const PlacedRows<float> far(Place::device, rows.view());
  const PlacedRows<float> far_results(Place::device, 9, 8);
  const Device device = Device::cuda(0);
  const std::string there = " are on CUDA device 1, this call works on device 0";
  expect_invalid([&] { footprint(device, far.view(), rows, results); }, {"patterns" + there});
  expect_invalid([&] { footprint(device, rows, far.view(), results); }, {"queries" + there});
  expect_invalid([&] { footprint(device, rows, rows, far_results.view()); }, {"footprints" + there});
}

TEST(CudaFootprintPlaceTest, RefusesRoomThatWontDo) {
  Rng rng(5);
  const Matrix<float> host = random_gaussian(3, 8, rng);
  const PlacedRows<float> placed(Place::device, host.view());
  const PlacedRows<float> room(Place::device, filled(9, 8, 0.0F).view());
  const Device device = Device::cuda();
  const auto refused = [&](const std::string& words, Rows queries, MatrixView<float> results) {
    expect_invalid([&] { footprint(device, host, queries, results); }, {words});
  };
  refused("footprints have the shape [8, 8]; this call gives [9, 8]", host, room.view().slice(0, 8));
  refused("footprints have the shape [9, 7]; this call gives [9, 8]", host, {room.view().data, 9, 7, 8});
  refused("footprints have null data", host, {nullptr, 9, 8});
  refused("footprints have a row stride of 4, below their 8 columns", host, {room.view().data, 9, 8, 4});
  refused("the footprints overlap the queries", Rows(room.view()).slice(2, 3), room.view());
  const std::vector<FootprintPair> outside = {{0, 3}};
  expect_invalid([&] { footprint(device, host, placed.view(), outside, room.view().slice(0, 1)); },
                 {"pair 0 is of query 0 and pattern 3; there are 3 queries and 3 patterns"});
  Matrix<float> odd = copy(host);
  odd(2, 5) = std::numeric_limits<float>::quiet_NaN();
  const PlacedRows<float> placed_odd(Place::device, odd.view(), {.gap = 3});
  refused("queries must be finite; row 2, column 5 is nan", placed_odd.view(), room.view());
  expect_invalid([&] { footprint(device, placed_odd.view(), host, room.view()); },
                 {"patterns must be finite; row 2, column 5 is nan"});
  EXPECT_TRUE(same_bits(room.read().view(), filled(9, 8, 0.0F).view())) << "nothing is written before all is checked";
}

TEST(CudaFootprintPlaceTest, NoQueriesHaveNone) {
  Rng rng(6);
  const PlacedRows<float> patterns(Place::device, random_gaussian(3, 8, rng).view());
  EXPECT_NO_THROW(footprint(Device::cuda(), patterns.view(), {nullptr, 0, 8}, MatrixView<float>(nullptr, 0, 8)));
  EXPECT_EQ(footprint(Device::cuda(), patterns.view(), patterns.view().slice(1, 0)).rows(), 0);
}

/// Pairs of a query and its origin, and a similarity with weights for them.
struct Problem {
  Matrix<float> patterns;
  Matrix<float> queries = {};
  std::vector<Index> origins = {};
  AdaptiveSimilarity similarity = {};
};

Problem make_problem(Index pattern_count, Index query_count, Index dimension) {
  Rng rng(7);
  Problem problem{.patterns = random_gaussian(pattern_count, dimension, rng)};
  problem.queries = noisy_copies(problem.patterns, query_count, 0.1F, 1.0F, rng);
  for (Index i = 0; i < query_count; ++i) problem.origins.push_back(i % pattern_count);
  const auto ranks = static_cast<std::size_t>(dimension);
  problem.similarity = {.squared_distance = std::vector<float>(ranks, 0.2F),
                        .dot = std::vector<float>(ranks, 0.1F),
                        .log_prior = std::vector<float>(static_cast<std::size_t>(pattern_count), 0.3F)};
  return problem;
}

/// A problem's data, each at a place of its own.
struct PlacedProblem {
  PlacedProblem(const Problem& of, std::array<Place, 3> places, Spread spread = {})
      : patterns(places[0], of.patterns.view(), spread),
        queries(places[1], of.queries.view(), spread),
        origins(places[2], MatrixView<const Index>(of.origins.data(), static_cast<Index>(of.origins.size()), 1)) {}

  PlacedRows<float> patterns;
  PlacedRows<float> queries;
  PlacedRows<Index> origins;
};

constexpr std::array all_on_device = {Place::device, Place::device, Place::device};

struct Loss {
  double value = 0.0;
  SimilarityGradient gradient = {};
};

Loss loss_of(const AdaptiveSimilarity& similarity, Rows patterns, Rows queries, std::span<const Index> origins) {
  Loss loss;
  loss.value = cross_entropy(Device::cuda(), patterns, similarity, queries, origins, &loss.gradient);
  return loss;
}

void expect_same(const Loss& loss, const Loss& expected) {
  EXPECT_EQ(loss.value, expected.value);
  EXPECT_EQ(loss.gradient.squared_distance, expected.gradient.squared_distance);
  EXPECT_EQ(loss.gradient.dot, expected.gradient.dot);
  EXPECT_EQ(loss.gradient.log_prior, expected.gradient.log_prior);
}

void expect_same(const Fit& fit, const Fit& expected) {
  EXPECT_EQ(fit.similarity.squared_distance, expected.similarity.squared_distance);
  EXPECT_EQ(fit.similarity.dot, expected.similarity.dot);
  EXPECT_EQ(fit.similarity.log_prior, expected.similarity.log_prior);
  EXPECT_EQ(fit.converged, expected.converged);
  ASSERT_EQ(fit.history.size(), expected.history.size());
  for (std::size_t i = 0; i < fit.history.size(); ++i) {
    EXPECT_EQ(fit.history[i].loss, expected.history[i].loss) << i;
    if (!std::isnan(expected.history[i].held_out_loss)) {
      EXPECT_EQ(fit.history[i].held_out_loss, expected.history[i].held_out_loss) << i;
    }
  }
}

TEST(CudaFitDataTest, LossesHaveTheBitsOfTheHosts) {
  for (const Index dimension : {1, 7, 8, 70})
    for (const bool tiny : {false, true}) {
      SCOPED_TRACE(std::to_string(dimension) + (tiny ? " in parts" : ""));
      const SizesScope sizes(tiny ? detail::Sizes::tiny() : detail::Sizes());
      const Problem problem = make_problem(5, 43, dimension);
      const Loss expected = loss_of(problem.similarity, problem.patterns, problem.queries, problem.origins);
      for (const Spread& spread : spreads) {
        const PlacedProblem placed(problem, all_on_device, spread);
        expect_same(loss_of(problem.similarity, placed.patterns.view(), placed.queries.view(), placed.origins.column()),
                    expected);
        expect_same(loss_of(problem.similarity, problem.patterns, placed.queries.view(), problem.origins), expected);
        expect_same(loss_of(problem.similarity, placed.patterns.view(), problem.queries, problem.origins), expected);
      }
    }
}

TEST(CudaFitDataTest, LossesMayBeOfDataAnywhere) {
  const Problem problem = make_problem(4, 9, 12);
  const Loss expected = loss_of(problem.similarity, problem.patterns, problem.queries, problem.origins);
  for (const Place first : all_places)
    for (const Place second : all_places)
      for (const Place third : all_places) {
        SCOPED_TRACE(to_string(first) + ", " + to_string(second) + ", " + to_string(third));
        const PlacedProblem placed(problem, {first, second, third});
        expect_same(loss_of(problem.similarity, placed.patterns.view(), placed.queries.view(), placed.origins.column()),
                    expected);
      }
}

/// Of fewer and of more queries than are sampled, with and without pairs held out.
TEST(CudaFitDataTest, FitsHaveTheBitsOfTheHosts) {
  for (const Index count : {3, 60, 1500})
    for (const float held_out : {0.0F, 0.3F}) {
      SCOPED_TRACE(std::to_string(count) + " queries, held out: " + std::to_string(held_out));
      const Problem problem = make_problem(3, count, 6);
      const FitOptions options{.log_prior = true, .epochs = count > 100 ? 2 : 6, .held_out = held_out, .seed = 5};
      const Fit expected = fit_similarity(Device::cuda(), problem.patterns, problem.queries, problem.origins, options);
      const PlacedProblem placed(problem, all_on_device, {.gap = 3, .offset = 1});
      expect_same(fit_similarity(Device::cuda(), placed.patterns.view(), placed.queries.view(), placed.origins.column(),
                                 options),
                  expected);
      expect_same(fit_similarity(Device::cuda(), problem.patterns, placed.queries.view(), problem.origins, options),
                  expected);
    }
}

/// Queries on the host that would take too much of the device come there in each epoch, with the same result.
TEST(CudaFitDataTest, FitsOfTooManyQueriesHaveTheSameBits) {
  const Problem problem = make_problem(4, 50, 6);
  const auto fit = [&] {
    return fit_similarity(Device::cuda(), problem.patterns, problem.queries, problem.origins, {.epochs = 5});
  };
  const Fit expected = fit();
  detail::Sizes sizes;
  sizes.fit_query_share = Index{1} << 62;
  const SizesScope scope(sizes);
  expect_same(fit(), expected);
}

/// Each loss takes its pairs, which are some of the queries, in several batches.
TEST(CudaFitDataTest, FitsInBatchesHaveTheBitsOfTheHosts) {
  const Problem problem = make_problem(3, 300, 6);
  const PlacedProblem placed(problem, all_on_device);
  const SizesScope sizes(detail::Sizes::tiny());
  const FitOptions options{.epochs = 3, .held_out = 0.4F};
  const Fit expected = fit_similarity(Device::cuda(), problem.patterns, problem.queries, problem.origins, options);
  expect_same(
      fit_similarity(Device::cuda(), placed.patterns.view(), placed.queries.view(), placed.origins.column(), options),
      expected);
  detail::Sizes streaming = detail::Sizes::tiny();
  streaming.fit_query_share = Index{1} << 62;
  const SizesScope streaming_sizes(streaming);
  expect_same(fit_similarity(Device::cuda(), problem.patterns, problem.queries, problem.origins, options), expected);
}

TEST(CudaFitDataTest, VariantsOfPatternsThereAreThoseOfTheHosts) {
  const Problem problem = make_problem(6, 1, 10);
  const PlacedRows<float> placed(Place::device, problem.patterns.view(), {.gap = 2});
  const VariantOptions variants{.severity = 0.4F};
  const FitOptions options{.epochs = 4};
  expect_same(fit_similarity(Device::cuda(), placed.view(), variants, 40, options),
              fit_similarity(Device::cuda(), problem.patterns, variants, 40, options));
}

TEST(CudaFitDataTest, MayStillBeOnTheirWayOnTheDefaultStream) {
  const Problem problem = make_problem(3, 5, 8);
  const Loss expected = loss_of(problem.similarity, problem.patterns, problem.queries, problem.origins);
  const PlacedProblem source(problem, all_on_device);
  PlacedProblem late(problem, all_on_device);
  const auto move = [](const auto& from, const auto& to, cudaStream_t stream) {
    const std::size_t bytes = cuda::elements(to.rows, to.columns) * sizeof(*to.data);
    cuda::check(cudaMemcpyAsync(to.data, from.data, bytes, cudaMemcpyDeviceToDevice, stream), "cudaMemcpyAsync");
  };
  for (const cudaStream_t stream : {cudaStreamLegacy, cudaStreamPerThread}) {
    late.queries.write(filled(5, 8, 0.0F).view());
    late.patterns.write(filled(3, 8, 0.0F).view());
    late.origins.write(filled<Index>(5, 1, 0).view());
    move(source.queries.view(), late.queries.view(), stream);
    move(source.patterns.view(), late.patterns.view(), stream);
    move(source.origins.view(), late.origins.view(), stream);
    expect_same(loss_of(problem.similarity, late.patterns.view(), late.queries.view(), late.origins.column()),
                expected);
  }
}

TEST(CudaFitDataTest, BadDataAreRefusedAsThoseOfTheHost) {
  const Problem problem = make_problem(3, 40, 35);
  const PlacedProblem placed(problem, all_on_device);
  const Device device = Device::cuda();
  const auto refused = [&](const std::string& words, Rows patterns, Rows queries, std::span<const Index> origins) {
    expect_invalid([&] { static_cast<void>(fit_similarity(device, patterns, queries, origins)); }, {words});
    expect_invalid([&] { cross_entropy(device, patterns, problem.similarity, queries, origins); }, {words});
  };
  std::vector<Index> outside = problem.origins;
  outside[39] = 3;
  const PlacedRows<Index> placed_outside(Place::device, MatrixView<const Index>(outside.data(), 40, 1));
  const std::string no_pattern = "origin 39 is 3; there are 3 patterns";
  refused(no_pattern, placed.patterns.view(), placed.queries.view(), outside);
  refused(no_pattern, placed.patterns.view(), placed.queries.view(), placed_outside.column());
  refused("there are 39 origins for 40 queries", placed.patterns.view(), placed.queries.view(),
          placed.origins.column().first(39));
  const auto with = [](const Matrix<float>& rows, float value) {
    Matrix<float> result = copy(rows);
    result(2, 34) = value;
    return PlacedRows<float>(Place::device, result.view(), {.gap = 1});
  };
  const float infinity = std::numeric_limits<float>::infinity();
  refused("queries must be finite; row 2, column 34 is inf", placed.patterns.view(),
          with(problem.queries, infinity).view(), problem.origins);
  refused("patterns must be finite; row 2, column 34 is -inf", with(problem.patterns, -infinity).view(),
          placed.queries.view(), problem.origins);
  refused("values as large as 1e+19, whose squares overflow", placed.patterns.view(),
          with(problem.queries, -1e19F).view(), problem.origins);
  refused("values as large as 1e+19, whose squares overflow", with(problem.patterns, 1e19F).view(), problem.queries,
          problem.origins);
}

TEST(CudaFitDataTest, DataElsewhereAreNamed) {
  if (Device::cuda_count() < 2) GTEST_SKIP() << "needs two CUDA devices";
  const Problem problem = make_problem(3, 4, 8);
  const cuda::DeviceScope scope(1);
  const PlacedProblem far(problem, all_on_device);
  const auto refused = [&](const std::string& name, Rows patterns, Rows queries, std::span<const Index> origins) {
    const std::string words = name + " are on CUDA device 1, this call works on device 0";
    expect_invalid([&] { static_cast<void>(fit_similarity(Device::cuda(0), patterns, queries, origins)); }, {words});
    expect_invalid([&] { cross_entropy(Device::cuda(0), patterns, problem.similarity, queries, origins); }, {words});
  };
  refused("patterns", far.patterns.view(), problem.queries, problem.origins);
  refused("queries", problem.patterns, far.queries.view(), problem.origins);
  refused("origins", problem.patterns, problem.queries, far.origins.column());
}

}  // namespace
}  // namespace attractor::test
