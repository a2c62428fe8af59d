/// Retrieval on the caller's streams, of data on the device: the bits of a waiting call, its refusals, CUDA graphs.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.h>
#include <attractor/attractor.hpp>
#include <attractor/cuda.hpp>
#include <attractor/error.hpp>

#include "kernels/cuda/device/graph.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "tests/cuda/support_data.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"

namespace attractor::test {
namespace {

/// Memories whose scores or weights are made in ways of their own, with whatever number of patterns and neurons.
struct Kind {
  std::string name;
  Memory (*make)(const Device& device, MatrixView<const float> patterns);
  bool has_beta = true;
};

template <Similarity similarity>
Memory scored_by(const Device& device, MatrixView<const float> patterns) {
  return Memory::modern_hopfield(device, patterns, {.beta = 0.4F, .similarity = similarity});
}

Memory make_separated(const Device& device, MatrixView<const float> patterns, const NormalisedSeparation& separation) {
  return Memory::modern_hopfield(device, patterns, {.beta = 0.4F, .separation = separation});
}

Memory make_adaptive(const Device& device, MatrixView<const float> patterns, Index groups) {
  const auto ranks = static_cast<std::size_t>(rank_count(patterns.columns, groups));
  std::vector<float> log_prior(static_cast<std::size_t>(patterns.rows), 0.1F);
  log_prior.front() = -0.3F;
  return Memory::adaptive(device, patterns,
                          {.squared_distance = std::vector<float>(ranks, -0.2F),
                           .dot = std::vector<float>(ranks, 0.15F),
                           .log_prior = log_prior,
                           .groups = groups});
}

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"dot", &scored_by<Similarity::dot>},
      {"cosine", &scored_by<Similarity::cosine>},
      {"squared_distance", &scored_by<Similarity::squared_distance>},
      {"manhattan", &scored_by<Similarity::manhattan>},
      {"entmax", [](const Device& device, auto patterns) { return make_separated(device, patterns, entmax()); }},
      {"sparsemax", [](const Device& device, auto patterns) { return make_separated(device, patterns, sparsemax()); }},
      {"normmax", [](const Device& device, auto patterns) { return make_separated(device, patterns, normmax()); }},
      {"top", [](const Device& device, auto patterns) { return make_separated(device, patterns, top(1)); }},
      {"epanechnikov",
       [](const Device& device, auto patterns) {
         return Memory::modern_hopfield(
             device, patterns,
             {.beta = 0.05F, .similarity = Similarity::squared_distance, .separation = epanechnikov()});
       }},
      {"exponential", [](const Device& device, auto patterns) { return Memory::exponential(device, patterns); }},
      {"adaptive", [](const Device& device, auto patterns) { return make_adaptive(device, patterns, 1); }, false},
      {"adaptive_in_groups",
       [](const Device& device, auto patterns) {
         return make_adaptive(device, patterns, std::min<Index>(patterns.columns, 3));
       },
       false}};
  return all;
}

std::ostream& operator<<(std::ostream& out, const Kind& kind) { return out << kind.name; }

/// Results on the device, with more between rows than they need.
struct Found {
  Found(Index rows, Index count, Spread spread = {})
      : patterns(Place::device, rows, count, spread), posteriors(Place::device, rows, count, spread) {}

  [[nodiscard]] RetrievalView view() const { return {.pattern = patterns.view(), .posterior = posteriors.view()}; }

  PlacedRows<Index> patterns;
  PlacedRows<float> posteriors;
};

testing::AssertionResult same_patterns(const Matrix<Index>& found, const std::vector<Index>& expected) {
  const std::vector<Index> values(found.data(), found.data() + found.size());
  if (values == expected) return testing::AssertionSuccess();
  return testing::AssertionFailure() << testing::PrintToString(values) << " != " << testing::PrintToString(expected);
}

void expect_same(const Found& found, const Retrieval& expected) {
  EXPECT_TRUE(same_patterns(found.patterns.read(), expected.pattern));
  const Matrix<float> posteriors = found.posteriors.read();
  EXPECT_TRUE(same_bits({posteriors.data(), expected.posterior.size()}, expected.posterior));
  EXPECT_TRUE(found.patterns.margins_are_untouched());
  EXPECT_TRUE(found.posteriors.margins_are_untouched());
}

/// Computed in another way.
void expect_alike(const Found& found, const Retrieval& expected) {
  EXPECT_TRUE(same_patterns(found.patterns.read(), expected.pattern));
  const Matrix<float> posteriors = found.posteriors.read();
  for (std::size_t i = 0; i < expected.posterior.size(); ++i)
    if (expected.pattern[i] < 0)
      EXPECT_TRUE(std::isnan(posteriors.data()[i])) << i;
    else
      EXPECT_NEAR(posteriors.data()[i], expected.posterior[i], 1e-4F) << i;
}

void synchronise(const cuda::Stream& stream) {
  cuda::check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
}

class Workspace {
 public:
  /// What was there before is NaN wherever it is read as floats.
  explicit Workspace(std::size_t bytes)
      : bytes_(bytes), data_(allocate(Place::device, std::max<std::size_t>(bytes, 1))) {
    cuda::check(cudaMemset(data_.get(), 0xFF, bytes), "cudaMemset");
  }
  Workspace(const Memory& memory, Index queries, Index count)
      : Workspace(retrieval_workspace_bytes(memory, queries, count)) {}
  [[nodiscard]] std::span<std::byte> span() const { return {static_cast<std::byte*>(data_.get()), bytes_}; }

 private:
  std::size_t bytes_;
  std::shared_ptr<void> data_;
};

class CudaRetrievalTest : public testing::TestWithParam<Kind> {
 protected:
  [[nodiscard]] Memory memory(MatrixView<const float> patterns) const {
    return GetParam().make(Device::cuda(), patterns);
  }

  Rng rng_{900};
  Matrix<float> patterns_ = random_gaussian(21, 10, rng_);
  Matrix<float> queries_ = noisy_copies(patterns_, 17, 0.1F, 2.0F, rng_);
  cuda::Stream stream_ = cuda::make_stream();
};

INSTANTIATE_TEST_SUITE_P(Kinds, CudaRetrievalTest, testing::ValuesIn(kinds()),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(CudaRetrievalTest, GivesTheBitsOfAWaitingCall) {
  const std::pair<Index, Index> shapes[] = {{1, 1}, {2, 3}, {9, 16}, {33, 7}, {70, 12}, {20, 70}, {5, 131}};
  for (const auto& [pattern_count, dimension] : shapes) {
    const Matrix<float> patterns = random_gaussian(pattern_count, dimension, rng_);
    const Matrix<float> queries = noisy_copies(patterns, 13, 0.1F, 2.0F, rng_);
    const Memory stored = memory(patterns);
    const PlacedRows<float> asked(Place::device, queries.view(), {.gap = 3, .offset = 1});
    for (const Index count : {Index{1}, std::min<Index>(2, pattern_count), pattern_count}) {
      SCOPED_TRACE(testing::Message() << pattern_count << " × " << dimension << ", best " << count);
      const Retrieval expected = retrieve(stored, queries, {.count = count});
      const Workspace workspace(stored, 13, count);
      for (const std::span<std::byte> scratch : {workspace.span(), std::span<std::byte>()}) {
        const Found found(13, count, {.gap = 2, .offset = 1});

        retrieve_async(stored, asked.view(), found.view(), {.stream = stream_.get(), .workspace = scratch});

        synchronise(stream_);
        expect_same(found, expected);
      }
    }
  }
}

TEST_P(CudaRetrievalTest, TakesWhatACallSaysOfPatterns) {
  const Memory stored = memory(patterns_);
  const PlacedRows<float> asked(Place::device, queries_.view());
  for (const Index rows : {1, 17}) {
    const Matrix<std::uint8_t> valid = random_mask(rows, 21, 0.6, rng_);
    const Matrix<float> log_prior = random_gaussian(rows, 21, rng_);
    const PlacedRows<std::uint8_t> placed_valid(Place::device, valid.view(), {.gap = 1, .offset = 1});
    const PlacedRows<float> placed_prior(Place::device, log_prior.view(), {.gap = 5, .offset = 3});
    for (const Index count : {1, 4, 21}) {
      SCOPED_TRACE(testing::Message() << rows << " rows of terms, best " << count);
      const Found found(17, count);

      retrieve_async(
          stored, asked.view(), found.view(),
          {.stream = stream_.get(), .valid_patterns = placed_valid.view(), .log_prior = placed_prior.view()});

      synchronise(stream_);
      expect_same(found, retrieve(stored, queries_, {.count = count, .valid_patterns = valid, .log_prior = log_prior}));
    }
  }
}

TEST_P(CudaRetrievalTest, TakesABeta) {
  const Memory stored = memory(patterns_);
  const PlacedRows<float> asked(Place::device, queries_.view());
  for (const Index count : {1, 3}) {
    const Found found(17, count);
    const auto call = [&] {
      retrieve_async(stored, asked.view(), found.view(), {.stream = stream_.get(), .beta = 0.7F});
      synchronise(stream_);
    };
    if (GetParam().has_beta) {
      call();
      expect_same(found, retrieve(stored, queries_, {.count = count, .beta = 0.7F}));
      expect_alike(found,
                   retrieve(GetParam().make(Device::cpu(), patterns_), queries_, {.count = count, .beta = 0.7F}));
    } else {
      expect_error<NotSupported>(call, {"beta"});
    }
  }
}

TEST_P(CudaRetrievalTest, MayBeAskedForPatternsAlone) {
  const Memory stored = memory(patterns_);
  const PlacedRows<float> asked(Place::managed, queries_.view());
  for (const bool is_rough : {false, true}) {
    detail::Sizes sizes;
    if (is_rough) sizes.rough_patterns = sizes.rough_columns = 1;
    const SizesScope scope(sizes);
    for (const Index count : {1, 3}) {
      const PlacedRows<Index> patterns(Place::managed, 17, count);

      retrieve_async(stored, asked.view(), {.pattern = patterns.view()}, {.stream = stream_.get()});

      synchronise(stream_);
      const Retrieval expected = retrieve(stored, queries_, {.count = count, .posteriors = false});
      EXPECT_TRUE(same_patterns(patterns.read(), expected.pattern));
      EXPECT_TRUE(expected.posterior.empty());
      EXPECT_EQ(expected.pattern, retrieve(stored, queries_, {.count = count}).pattern);
    }
  }
}

/// Whatever queries are and a call says of patterns, in one chunk or many, from rough scores or not.
TEST_P(CudaRetrievalTest, PatternsAloneAreThoseBesidePosteriors) {
  const Memory stored = memory(patterns_);
  Matrix<float> queries = copy(queries_);
  queries(1, 0) = std::numeric_limits<float>::quiet_NaN();
  queries(4, 9) = std::numeric_limits<float>::infinity();
  for (Index k = 0; k < 10; ++k) queries(6, k) *= 1e38F;
  std::fill_n(queries.row(8), 10, 0.0F);
  Matrix<std::uint8_t> valid = random_mask(17, 21, 0.6, rng_);
  std::fill_n(valid.row(10), 21, std::uint8_t{0});
  std::fill_n(valid.row(11), 8, std::uint8_t{0});
  const Matrix<float> log_prior = random_gaussian(1, 21, rng_);
  for (const Index chunk : {8, 1024})
    for (const Index rough : {1, 1000}) {
      detail::Sizes sizes;
      sizes.softmax_chunk = chunk;
      sizes.rough_patterns = sizes.rough_columns = rough;
      const SizesScope scope(sizes);
      for (int what = 0; what < 8; ++what) {
        RetrievalOptions options;
        if ((what & 1) != 0) options.valid_patterns = valid.view();
        if ((what & 2) != 0) options.log_prior = log_prior.view();
        if ((what & 4) != 0) {
          if (!GetParam().has_beta) continue;
          options.beta = 2.5F;
        }
        for (const Index count : {1, 3}) {
          SCOPED_TRACE(testing::Message() << "terms " << what << ", best " << count);
          options.count = count;
          options.posteriors = true;
          const std::vector<Index> expected = retrieve(stored, queries, options).pattern;
          options.posteriors = false;
          EXPECT_EQ(retrieve(stored, queries, options).pattern, expected);
        }
      }
    }
}

/// Each array at a place of its own.
TEST_P(CudaRetrievalTest, AWaitingCallTakesDataWhereverTheyAre) {
  const Memory stored = memory(patterns_);
  const Matrix<std::uint8_t> valid = random_mask(17, 21, 0.6, rng_);
  const Matrix<float> log_prior = random_gaussian(1, 21, rng_);
  detail::Sizes sizes;
  sizes.retrieval_rows = 5;
  const SizesScope scope(sizes);
  for (const Index count : {1, 3}) {
    const Retrieval expected =
        retrieve(stored, queries_, {.count = count, .valid_patterns = valid, .log_prior = log_prior});
    for (std::size_t turn = 0; turn < std::size(all_places); ++turn) {
      const auto place = [&](std::size_t array) { return all_places[(turn + array) % std::size(all_places)]; };
      const PlacedRows<float> asked(place(0), queries_.view(), {.gap = 3});
      const PlacedRows<std::uint8_t> placed_valid(place(1), valid.view(), {.gap = 1, .offset = 1});
      const PlacedRows<float> placed_prior(place(2), log_prior.view());
      const PlacedRows<Index> patterns(place(3), 17, count, {.gap = 1});
      const PlacedRows<float> posteriors(place(turn), 17, count, {.gap = 2, .offset = 1});
      const RetrievalOptions options{.valid_patterns = placed_valid.view(), .log_prior = placed_prior.view()};

      retrieve(stored, asked.view(), {.pattern = patterns.view(), .posterior = posteriors.view()}, options);

      EXPECT_TRUE(same_patterns(patterns.read(), expected.pattern));
      const Matrix<float> read = posteriors.read();
      EXPECT_TRUE(same_bits({read.data(), expected.posterior.size()}, expected.posterior));
      EXPECT_TRUE(patterns.margins_are_untouched() && posteriors.margins_are_untouched());
    }
    const PlacedRows<float> asked(Place::device, queries_.view());
    EXPECT_EQ(retrieve(stored, asked.view(), {.count = count}).pattern,
              retrieve(stored, queries_, {.count = count}).pattern);
  }
}

/// Whatever makes the queries may still be on the default stream.
TEST_P(CudaRetrievalTest, AWaitingCallComesAfterTheDefaultStream) {
  const Memory stored = memory(patterns_);
  const PlacedRows<float> asked(Place::device, 17, 10);
  const PlacedRows<float> source(Place::pinned, queries_.view());
  cuda::check(cudaMemcpyAsync(asked.view().data, source.view().data, 170 * sizeof(float), cudaMemcpyDefault, nullptr),
              "cudaMemcpyAsync");

  const std::vector<Index> found = retrieve(stored, asked.view()).pattern;

  EXPECT_EQ(found, retrieve(stored, queries_).pattern);
}

/// Queries that aren't finite, or whose scores aren't, are answered with nothing, and the others as without them.
TEST_P(CudaRetrievalTest, BadQueriesDisturbNoOther) {
  const Memory stored = memory(patterns_);
  Matrix<float> spoiled = copy(queries_);
  spoiled(2, 3) = std::numeric_limits<float>::quiet_NaN();
  spoiled(3, 0) = std::numeric_limits<float>::infinity();
  spoiled(16, 9) = -std::numeric_limits<float>::infinity();
  std::fill_n(spoiled.row(5), 10, 0.0F);
  const PlacedRows<float> asked(Place::device, spoiled.view());
  for (const Index count : {1, 3}) {
    const Retrieval clean = retrieve(stored, queries_, {.count = count});
    const Found found(17, count);

    retrieve_async(stored, asked.view(), found.view(), {.stream = stream_.get()});

    synchronise(stream_);
    expect_same(found, retrieve(stored, spoiled, {.count = count}));
    const Matrix<Index> patterns = found.patterns.read();
    const Matrix<float> posteriors = found.posteriors.read();
    for (Index i = 0; i < 17; ++i)
      for (Index r = 0; r < count; ++r) {
        const auto at = static_cast<std::size_t>(i * count + r);
        if (i == 2 || i == 3 || i == 16) {
          EXPECT_EQ(patterns(i, r), -1) << i;
          EXPECT_TRUE(std::isnan(posteriors(i, r))) << i;
        } else if (i != 5) {
          EXPECT_EQ(patterns(i, r), clean.pattern[at]) << i;
          EXPECT_TRUE(same_bits({posteriors.row(i) + r, 1}, {clean.posterior.data() + at, 1})) << i;
        }
      }
  }
}

/// Batches of few queries in little scratch, chunks of few patterns.
TEST_P(CudaRetrievalTest, ScratchIsBoundedAndBatchesChangeNothing) {
  const Memory stored = memory(patterns_);
  const PlacedRows<float> asked(Place::device, queries_.view());
  const Matrix<float> log_prior = random_gaussian(17, 21, rng_);
  const PlacedRows<float> placed_prior(Place::device, log_prior.view());
  detail::Sizes sizes;
  sizes.softmax_chunk = 8;
  sizes.retrieval_rows = 5;
  const SizesScope scope(sizes);
  for (const Index count : {1, 3}) {
    const Retrieval expected = retrieve(stored, queries_, {.count = count, .log_prior = log_prior});
    const Workspace workspace(stored, 17, count);
    EXPECT_EQ(workspace.span().size(), retrieval_workspace_bytes(stored, Index{1} << 40, count));
    EXPECT_LT(retrieval_workspace_bytes(stored, 0, count), workspace.span().size());
    const Found found(17, count);

    retrieve_async(stored, asked.view(), found.view(),
                   {.stream = stream_.get(), .workspace = workspace.span(), .log_prior = placed_prior.view()});

    synchronise(stream_);
    expect_same(found, expected);
    for (Index i = 0; i < 17; ++i) {
      const Found alone(1, count);
      retrieve_async(stored, asked.view().slice(i, 1), alone.view(),
                     {.stream = stream_.get(), .log_prior = placed_prior.view().slice(i, 1)});
      synchronise(stream_);
      EXPECT_TRUE(same_patterns(alone.patterns.read(),
                                {expected.pattern.begin() + i * count, expected.pattern.begin() + (i + 1) * count}));
      EXPECT_TRUE(same_bits(alone.posteriors.read().view(), found.posteriors.read().view().slice(i, 1)));
    }
  }
}

TEST_P(CudaRetrievalTest, RunsInTheOrderOfItsStream) {
  const Memory stored = memory(patterns_);
  const Workspace workspace(stored, 17, 2);
  const PlacedRows<float> asked(Place::device, 17, 10);
  const Matrix<float> others = noisy_copies(patterns_, 17, 0.1F, 2.0F, rng_);
  const Found first(17, 2);
  const Found second(17, 2);
  const auto enqueue = [&](const PlacedRows<float>& from, const Found& to) {
    cuda::check(
        cudaMemcpyAsync(asked.view().data, from.view().data, 170 * sizeof(float), cudaMemcpyDefault, stream_.get()),
        "cudaMemcpyAsync");
    retrieve_async(stored, asked.view(), to.view(), {.stream = stream_.get(), .workspace = workspace.span()});
  };
  const PlacedRows<float> one(Place::pinned, queries_.view());
  const PlacedRows<float> other(Place::pinned, others.view());

  enqueue(one, first);
  enqueue(other, second);

  synchronise(stream_);
  expect_same(first, retrieve(stored, queries_, {.count = 2}));
  expect_same(second, retrieve(stored, others, {.count = 2}));
}

TEST_P(CudaRetrievalTest, OfAGraphAnswersTheQueriesOfEachLaunch) {
  for (const Index count : {1, 4}) {
    auto stored = std::make_optional(memory(patterns_));
    const Memory copied = *stored;
    const Workspace workspace(*stored, 17, count);
    const PlacedRows<float> asked(Place::device, 17, 10);
    const Matrix<std::uint8_t> all = filled<std::uint8_t>(1, 21, 1);
    const PlacedRows<std::uint8_t> valid(Place::device, all.view());
    const Found found(17, count);
    cudaGraph_t raw_graph = nullptr;
    cuda::check(cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeGlobal), "cudaStreamBeginCapture");
    retrieve_async(*stored, asked.view(), found.view(),
                   {.stream = stream_.get(), .workspace = workspace.span(), .valid_patterns = valid.view()});
    cuda::check(cudaStreamEndCapture(stream_.get(), &raw_graph), "cudaStreamEndCapture");
    const cuda::Graph graph(raw_graph);
    const cuda::ExecutableGraph executable = cuda::instantiate(graph);
    stored.reset();
    for (int launch = 0; launch < 3; ++launch) {
      const Matrix<float> queries = noisy_copies(patterns_, 17, 0.1F, 2.0F, rng_);
      const Matrix<std::uint8_t> mask = random_mask(1, 21, 0.5, rng_);
      asked.write(queries);
      valid.write(mask);

      cuda::check(cudaGraphLaunch(executable.get(), stream_.get()), "cudaGraphLaunch");

      synchronise(stream_);
      expect_same(found, retrieve(copied, queries, {.count = count, .valid_patterns = mask}));
    }
  }
}

TEST_P(CudaRetrievalTest, NeedsAWorkspaceInAGraph) {
  const Memory stored = memory(patterns_);
  const PlacedRows<float> asked(Place::device, queries_.view());
  const Found found(17, 2);
  cudaGraph_t raw_graph = nullptr;
  cuda::check(cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  expect_invalid([&] { retrieve_async(stored, asked.view(), found.view(), {.stream = stream_.get()}); },
                 {"a retrieval within a CUDA graph needs a workspace of " +
                  std::to_string(retrieval_workspace_bytes(stored, 17, 2)) + " bytes"});
  cuda::check(cudaStreamEndCapture(stream_.get(), &raw_graph), "cudaStreamEndCapture");
  const cuda::Graph graph(raw_graph);
  std::size_t nodes = 1;
  cuda::check(cudaGraphGetNodes(graph.get(), nullptr, &nodes), "cudaGraphGetNodes");
  EXPECT_EQ(nodes, 0U);
}

TEST_P(CudaRetrievalTest, NoQueriesAreNoWork) {
  const Memory stored = memory(patterns_);

  retrieve_async(stored, {nullptr, 0, 10}, {.pattern = {nullptr, 0, 2}, .posterior = {nullptr, 0, 2}},
                 {.stream = stream_.get()});

  EXPECT_EQ(cudaStreamQuery(stream_.get()), cudaSuccess);
}

TEST_P(CudaRetrievalTest, AnEmptyMemoryAnswersWithNothing) {
  const Memory stored = memory(patterns_);
  Memory empty = stored;
  std::vector<Index> all(21);
  for (Index i = 0; i < 21; ++i) all[static_cast<std::size_t>(i)] = i;
  empty.forget(all);
  const PlacedRows<float> asked(Place::device, queries_.view());
  const Found found(17, 1, {.gap = 2, .offset = 1});
  EXPECT_EQ(retrieval_workspace_bytes(empty, 17), 0U);

  retrieve_async(empty, asked.view(), found.view(), {.stream = stream_.get()});

  synchronise(stream_);
  EXPECT_TRUE(same_patterns(found.patterns.read(), retrieve(empty, queries_).pattern));
  const Matrix<float> posteriors = found.posteriors.read();
  for (Index i = 0; i < 17; ++i) EXPECT_TRUE(std::isnan(posteriors(i, 0)));
  EXPECT_TRUE(found.patterns.margins_are_untouched() && found.posteriors.margins_are_untouched());
  expect_invalid([&] { retrieve_async(empty, queries_.view(), found.view()); }, {"the queries are on the host"});
}

TEST_P(CudaRetrievalTest, RefusesWhatDoesNotFit) {
  const Memory stored = memory(patterns_);
  const PlacedRows<float> asked(Place::device, queries_.view());
  const PlacedRows<float> wide(Place::device, 17, 11);
  const Found found(17, 22);
  const MatrixView<Index> patterns(found.patterns.view().data, 17, 2, 22);
  const MatrixView<float> posteriors(found.posteriors.view().data, 17, 2, 22);
  const auto refuse = [&](const std::string& words, MatrixView<const float> queries, const RetrievalView& results,
                          const CudaRetrieval& call = {}) {
    expect_invalid([&] { retrieve_async(stored, queries, results, call); }, {words});
  };
  refuse("queries have 11 columns, the memory's dimension is 10", wide.view(), {patterns, posteriors});
  refuse("22 patterns were asked for; the memory has 21", asked.view(), found.view());
  refuse("queries have null data", {nullptr, 17, 10}, {patterns, posteriors});
  refuse("retrieved patterns have null data", asked.view(), {{nullptr, 17, 2}, posteriors});
  refuse("retrieved patterns have the shape [16, 2]; this call has 17 queries", asked.view(),
         {patterns.slice(0, 16), posteriors});
  refuse("posteriors have the shape [16, 2]; this call gives [17, 2]", asked.view(),
         {patterns, posteriors.slice(0, 16)});
  refuse("posteriors have null data", asked.view(), {patterns, {nullptr, 17, 2}});
  refuse("retrieved patterns have a row stride of 1, below their 2 columns", asked.view(),
         {{patterns.data, 17, 2, 1}, posteriors});
  refuse("the posteriors overlap the queries", asked.view(), {patterns, {asked.view().data, 17, 2}});
  const PlacedRows<std::uint8_t> valid(Place::device, 3, 21);
  refuse("valid patterns have the shape [3, 21]; it must be [1, 21] or [17, 21]", asked.view(), {patterns, posteriors},
         {.valid_patterns = valid.view()});
  const Matrix<float> log_prior(1, 21);
  refuse("the log-priors are on the host", asked.view(), {patterns, posteriors}, {.log_prior = log_prior.view()});
  if (GetParam().has_beta) refuse("betas[0] is -1", asked.view(), {patterns, posteriors}, {.beta = -1.0F});
  expect_invalid([&] { static_cast<void>(retrieval_workspace_bytes(stored, 17, 22)); }, {"22 patterns"});
  expect_invalid([&] { static_cast<void>(retrieval_workspace_bytes(stored, -1)); }, {"-1 queries"});
  EXPECT_EQ(cudaStreamQuery(nullptr), cudaSuccess);
}

TEST_P(CudaRetrievalTest, RefusesDataOnTheHost) {
  const Memory stored = memory(patterns_);
  const PlacedRows<float> asked(Place::device, queries_.view());
  const Matrix<std::uint8_t> valid = filled<std::uint8_t>(1, 21, 1);
  const Found found(17, 2);
  for (const Place place : {Place::pageable, Place::pinned}) {
    const PlacedRows<float> queries(place, queries_.view());
    const PlacedRows<Index> patterns(place, 17, 2);
    const PlacedRows<float> posteriors(place, 17, 2);
    const PlacedRows<std::uint8_t> mask(place, valid.view());
    const auto refuse = [&](const std::string& name, const PlacedRows<float>& from, const RetrievalView& results,
                            const CudaRetrieval& call = {}) {
      expect_invalid([&] { retrieve_async(stored, from.view(), results, call); }, {"the " + name + " are on the host"});
    };
    refuse("queries", queries, found.view());
    refuse("retrieved patterns", asked, {patterns.view(), found.posteriors.view()});
    refuse("posteriors", asked, {found.patterns.view(), posteriors.view()});
    refuse("valid patterns", asked, found.view(), {.valid_patterns = mask.view()});
  }
}

TEST_P(CudaRetrievalTest, RefusesAWorkspaceThatItCannotUse) {
  const Memory stored = memory(patterns_);
  const PlacedRows<float> asked(Place::device, queries_.view());
  const Found found(17, 2);
  const std::size_t needed = retrieval_workspace_bytes(stored, 17, 2);
  const Workspace workspace(needed + 4);
  std::vector<std::byte> host(needed);
  const auto refuse = [&](std::span<std::byte> scratch, const std::string& words) {
    expect_invalid(
        [&] { retrieve_async(stored, asked.view(), found.view(), {.stream = stream_.get(), .workspace = scratch}); },
        {words});
  };
  refuse(workspace.span().first(needed - 1), "this call needs " + std::to_string(needed));
  refuse(workspace.span().subspan(4), "no multiple of 256");
  refuse(host, "is on the host");
}

TEST_P(CudaRetrievalTest, RefusesAMemoryOnTheCpu) {
  const Memory stored = GetParam().make(Device::cpu(), patterns_);
  const PlacedRows<float> asked(Place::device, queries_.view());
  const Found found(17, 2);
  const std::string words = "this one is on " + Device::cpu().description();
  expect_error<NotSupported>([&] { retrieve_async(stored, asked.view(), found.view()); }, {words});
  expect_error<NotSupported>([&] { static_cast<void>(retrieval_workspace_bytes(stored, 1)); }, {words});
}

/// The library for C, which has tensors where they are.
TEST(CudaRetrievalOfOthersTest, TheLibraryForCTakesTensorsOnTheDevice) {
  Rng rng(903);
  Matrix<float> patterns = random_gaussian(9, 12, rng);
  const Matrix<float> queries = noisy_copies(patterns, 7, 0.1F, 2.0F, rng);
  const PlacedRows<float> asked(Place::device, queries.view());
  const Found found(7, 3);
  const auto tensor = [](void* data, std::int32_t device_type, std::uint8_t code, std::uint8_t bits,
                         std::array<std::int64_t, 2>& shape) {
    return attractor_tensor{.data = data,
                            .device_type = device_type,
                            .device_id = 0,
                            .ndim = 2,
                            .type_code = code,
                            .type_bits = bits,
                            .type_lanes = 1,
                            .shape = shape.data(),
                            .strides = nullptr,
                            .byte_offset = 0};
  };
  std::array<std::int64_t, 2> pattern_shape = {9, 12};
  std::array<std::int64_t, 2> query_shape = {7, 12};
  std::array<std::int64_t, 2> found_shape = {7, 3};
  const attractor_tensor stored = tensor(patterns.data(), 1, 2, 32, pattern_shape);
  const attractor_tensor query_tensor = tensor(asked.view().data, 2, 2, 32, query_shape);
  const attractor_tensor best = tensor(found.patterns.view().data, 2, 0, 64, found_shape);
  const attractor_tensor shares = tensor(found.posteriors.view().data, 2, 2, 32, found_shape);
  attractor_memory* memory = nullptr;
  ASSERT_EQ(attractor_memory_make("cuda:0", "modern_hopfield", &stored, nullptr, &memory), ATTRACTOR_OK);

  EXPECT_EQ(attractor_retrieve(memory, &query_tensor, &best, &shares, 0.5F, 0), ATTRACTOR_OK) << attractor_last_error();

  expect_same(found, retrieve(Memory::modern_hopfield(Device::cuda(), patterns), queries, {.count = 3, .beta = 0.5F}));
  attractor_memory_free(memory);
}

TEST(CudaRetrievalOfOthersTest, RefusesMemoriesWhoseWeightsAreNoProbabilities) {
  Rng rng(901);
  const Matrix<float> patterns = random_bipolar(4, 16, rng);
  const PlacedRows<float> asked(Place::device, patterns.view());
  const Found found(4, 1);
  for (const Memory& memory :
       {Memory::hebbian(Device::cuda(), patterns), Memory::dense_associative(Device::cuda(), patterns)}) {
    expect_error<NotSupported>([&] { retrieve_async(memory, asked.view(), found.view()); }, {"are no probabilities"});
    expect_error<NotSupported>([&] { static_cast<void>(retrieval_workspace_bytes(memory, 1)); },
                               {"are no probabilities"});
  }
}

TEST(CudaRetrievalOfOthersTest, RefusesDataOnAnotherDevice) {
  const std::vector<Device> devices = Device::cuda_devices();
  if (devices.size() < 2) GTEST_SKIP() << "needs two CUDA devices";
  Rng rng(902);
  const Matrix<float> patterns = random_gaussian(4, 16, rng);
  const Memory memory = Memory::modern_hopfield(devices.front(), patterns);
  const cuda::DeviceScope scope(devices.back().index());
  const PlacedRows<float> asked(Place::device, patterns.view());
  const Found found(4, 1);
  expect_invalid([&] { retrieve_async(memory, asked.view(), found.view()); },
                 {"the queries are on CUDA device " + std::to_string(devices.back().index())});
}

}  // namespace
}  // namespace attractor::test
