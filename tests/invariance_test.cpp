/// Batch invariance, bit for bit: a query's result does not depend on which queries share its batch, on its place in it
/// or on the number of threads. (Halting equivalence, its twin, is in halting_reference_test.)

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

struct Job {
  std::string name;
  SystemKind kind;
  RelaxerOptions options;
  Index dimension = 100;
  Index patterns = 9;
  Index queries = 140;
};

std::ostream& operator<<(std::ostream& out, const Job& job) { return out << job.name; }

/// Every system with every update, halting rules in turn.
std::vector<Job> jobs() {
  const std::vector<Halting> rules = {energy_stable(), state_stable(0.01F),
                                      energy_stable({.relative = 1e-3F, .patience = 2})};
  std::vector<Job> result;
  for (const SystemKind& kind : systems_with_rounding())
    for (const NamedUpdate& update : all_updates()) {
      if (!kind.bears(update.update)) continue;
      const bool traced = result.size() % 2 == 0;
      result.push_back({kind.name + "_" + update.name,
                        kind,
                        {.update = update.update,
                         .halting = rules[result.size() % rules.size()],
                         .max_steps = 20,
                         .energies = true,
                         .energy_trace = traced}});
    }
  if (test_device().kind() == Device::Kind::cuda) {
    // A tile of 32 lanes and a part of one, as every step costs several launches.
    for (Job& job : result) {
      job.queries = 37;
      job.options.max_steps = 4;
    }
    return result;
  }
  // Enough patterns and dimensions for several blocks of every kernel.
  for (Job job : std::vector<Job>(result)) {
    if (!job.name.ends_with(job.kind.bounded_updates ? "_sign" : "_readout") || job.kind.independent_patterns) continue;
    if (job.kind.name.starts_with("storkey")) continue;  // Learns for long; its weights are as dense as others.
    job.name += "_large";
    // Those sort the losses of each pair of a state and a pattern.
    const bool sorted = job.kind.name.starts_with("adaptive");
    job.dimension = sorted ? 270 : 520;
    job.patterns = sorted ? 140 : 300;
    job.queries = 70;
    job.options.max_steps = 3;
    result.push_back(job);
  }
  return result;
}

class BatchInvarianceTest : public testing::TestWithParam<Job> {
 protected:
  Relaxation relax(MatrixView<const float> queries, int threads = 1) const {
    RelaxerOptions options = GetParam().options;
    options.threads = threads;
    return Relaxer(memory_, options).relax(queries);
  }

  /// Of all queries: the same in each test of a job, so relaxed once.
  const Relaxation& together() const {
    static std::map<std::string, Relaxation> relaxed;
    const auto [entry, is_new] = relaxed.try_emplace(GetParam().name);
    if (is_new) entry->second = relax(queries_);
    return entry->second;
  }

  Rng rng_{13};
  Matrix<float> patterns_ = random_gaussian(GetParam().patterns, GetParam().dimension, rng_);
  Memory memory_ = GetParam().kind.memory(patterns_);
  Matrix<float> queries_ = noisy_copies(patterns_, GetParam().queries, 0.1F, 2.0F, rng_);
};

TEST_P(BatchInvarianceTest, AloneAndInSmallBatches) {
  const std::vector<Index> counts =
      test_device_is_slow() ? std::vector<Index>{1, 17} : std::vector<Index>{1, 2, 1, 9, 17};
  const std::vector<Index> rows = sample_rows(queries_.rows(), std::ssize(counts), rng_);
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const Index first = std::min(rows[k], queries_.rows() - counts[k]);
    const Relaxation few = relax(queries_.view().slice(first, counts[k]));
    for (Index i = 0; i < counts[k]; ++i)
      EXPECT_TRUE(same_row(few, i, together(), first + i)) << "query " << first + i << " among " << counts[k];
  }
}

TEST_P(BatchInvarianceTest, InAnotherOrder) {
  const std::vector<Index> order = random_permutation(queries_.rows(), rng_);

  const Relaxation permuted = relax(select(queries_, order));

  for (Index i = 0; i < queries_.rows(); ++i)
    EXPECT_TRUE(same_row(permuted, i, together(), order[static_cast<std::size_t>(i)])) << "query " << i;
}

TEST_P(BatchInvarianceTest, OnAnyNumberOfThreads) {
  if (test_device().kind() == Device::Kind::cuda) GTEST_SKIP() << "threads are the CPU's";
  for (const int threads : {2, 5})
    EXPECT_TRUE(same_results(relax(queries_, threads), together())) << threads << " threads";
}

TEST_P(BatchInvarianceTest, FromRowsThatLieApart) {
  if (test_device_is_slow()) GTEST_SKIP() << "those that states take the place of lie apart, too";
  Matrix<float> wide(queries_.rows(), queries_.columns() + 3);
  const MatrixView<float> strided(wide.data(), queries_.rows(), queries_.columns(), wide.columns());
  for (Index i = 0; i < queries_.rows(); ++i) std::copy_n(queries_.row(i), queries_.columns(), strided.row(i));

  EXPECT_TRUE(same_results(relax(strided), together()));
}

TEST_P(BatchInvarianceTest, InPlaceOfTheQueries) {
  Matrix<float> wide(queries_.rows(), queries_.columns() + 3);
  const MatrixView<float> rows(wide.data(), queries_.rows(), queries_.columns(), wide.columns());
  for (Index i = 0; i < queries_.rows(); ++i) std::copy_n(queries_.row(i), queries_.columns(), rows.row(i));
  std::fill_n(rows.row(1), rows.columns, std::numeric_limits<float>::quiet_NaN());
  const Relaxation bad = relax(rows.slice(1, 1));
  RelaxerOptions options = GetParam().options;
  options.threads = 2;
  std::vector<std::int32_t> steps(static_cast<std::size_t>(rows.rows));

  Relaxer(memory_, options).relax(rows, {.states = rows, .steps = steps});

  for (Index i = 0; i < rows.rows; ++i) {
    const Relaxation& expected = i == 1 ? bad : together();
    const Index at = i == 1 ? 0 : i;
    EXPECT_TRUE(same_bits(rows.slice(i, 1), expected.states.view().slice(at, 1))) << "query " << i;
    EXPECT_EQ(steps[static_cast<std::size_t>(i)], expected.steps[static_cast<std::size_t>(at)]) << "query " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(, BatchInvarianceTest, testing::ValuesIn(jobs()),
                         [](const auto& test) { return test.param.name; });

/// Enough of them that products are made in blocks of every size, and in several bands.
TEST(StreamedTest, AnyNumberOfQueriesGivesTheSame) {
  if (test_device().kind() == Device::Kind::cpu) GTEST_SKIP() << "nothing is streamed";
  if (detail::sizes().most_slots < 300) GTEST_SKIP() << "so few at a time that all blocks are small";
  detail::Sizes sizes = detail::sizes();
  sizes.product_blocks = 4;
  sizes.part_terms = 64;
  sizes.scratch_bytes = Index{1} << 22;
  const SizesScope scope(sizes);
  Rng rng(16);
  for (const bool bipolar : {true, false})
    for (const Evaluation evaluation : {Evaluation::factored, Evaluation::dense}) {
      const Matrix<float> patterns = bipolar ? random_bipolar(35, 150, rng) : random_gaussian(35, 150, rng);
      const Matrix<float> queries = noisy_copies(patterns, 300, 0.2F, 2.0F, rng);
      const Memory memory =
          Memory::hebbian(test_device(), patterns, {.evaluation = evaluation, .placement = Placement::streamed});
      for (const bool tf32 : {false, true}) {
        const Relaxer relaxer(memory, {.update = tanh_update(), .max_steps = 3, .energy_trace = true, .tf32 = tf32});
        const Relaxation together = relaxer.relax(queries);
        for (const Index count : {1, 17, 129})
          for (const Index first : {Index{0}, 300 - count}) {
            const Relaxation few = relaxer.relax(queries.view().slice(first, count));
            for (Index i = 0; i < count; ++i)
              ASSERT_TRUE(same_row(few, i, together, first + i))
                  << "query " << first + i << " among " << count << (bipolar ? ", bipolar" : ", Gaussian");
          }
      }
    }
}

TEST(WeighedPatternsTest, AnyNumberAtATimeGivesTheSame) {
  if (test_device().kind() == Device::Kind::cuda) GTEST_SKIP() << "the size is the CPU's";
  Rng rng(15);
  const Matrix<float> patterns = random_gaussian(61, 45, rng);
  const Matrix<float> queries = noisy_copies(patterns, 300, 0.2F, 2.0F, rng);
  for (const Memory& memory : {Memory::hebbian(test_device(), patterns, {.evaluation = Evaluation::factored}),
                               Memory::dense_associative(test_device(), patterns, {.order = 4})})
    for (const Update& update : {tanh_update(), sign_update()}) {
      const RelaxerOptions options{.update = update, .max_steps = 12, .energy_trace = true, .threads = 1};
      const Relaxation expected = Relaxer(memory, options).relax(queries);
      for (const Index patterns_at_a_time : {1, 8, 24, 56, 64}) {
        detail::Sizes sizes = detail::sizes();
        sizes.weighed_patterns = patterns_at_a_time;
        const SizesScope scope(sizes);

        EXPECT_TRUE(same_results(Relaxer(memory, options).relax(queries), expected))
            << memory.rule() << " " << patterns_at_a_time;
      }
    }
}

/// Few queries of factored memories are scored, and read out, each by itself.
class FewQueriesTest : public testing::Test {
 protected:
  struct Subject {
    Memory memory;
    std::vector<NamedUpdate> updates;
  };

  /// Gaussian patterns under linear separations and powers, some of which leave the range of float, and patterns of ±1,
  /// whose states soon are bits.
  std::vector<Subject> subjects(Index patterns, Index dimension) {
    const Matrix<float> stored = random_gaussian(patterns, dimension, rng_);
    const std::vector<float> thresholds = threshold_values(dimension);
    std::vector<NamedUpdate> all = all_updates();
    all.push_back({"sign_plus", sign_update(AtZero::plus)});
    all.push_back({"asynchronous", asynchronous_sign_update()});
    const std::vector<NamedUpdate> bounded = {{"tanh", tanh_update()},
                                              {"sign", sign_update()},
                                              {"sign_zero", sign_update(AtZero::zero)},
                                              {"asynchronous", asynchronous_sign_update()}};
    std::vector<Subject> result;
    result.push_back({Memory::hebbian(test_device(), stored, {.evaluation = Evaluation::factored}), all});
    result.push_back(
        {Memory::hebbian(test_device(), stored, {.thresholds = thresholds, .evaluation = Evaluation::factored}), all});
    result.push_back({Memory::dense_associative(test_device(), stored, {.order = 3}), bounded});
    result.push_back({Memory::dense_associative(test_device(), stored, {.order = 30, .rectified = true}), bounded});
    result.push_back({Memory::hebbian(test_device(), random_bipolar(patterns, dimension, rng_),
                                      {.evaluation = Evaluation::factored}),
                      {{"sign", sign_update()}}});
    return result;
  }

  std::vector<float> threshold_values(Index dimension) {
    std::vector<float> values(static_cast<std::size_t>(dimension));
    for (float& value : values) value = std::normal_distribution<float>(0.0F, 0.2F)(rng_);
    return values;
  }

  /// Queries of several magnitudes; powers of the larger ones' scores are no floats.
  Matrix<float> queries_for(Index count, Index dimension) {
    Matrix<float> queries = random_gaussian(count, dimension, rng_);
    for (Index i = 0; i < count; ++i)
      for (Index k = 0; k < dimension; ++k) queries(i, k) *= i % 5 == 0 ? 200.0F : 1.0F;
    return queries;
  }

  static detail::Sizes sizes(Index single_lanes, Index weighed_patterns) {
    detail::Sizes result = detail::sizes();
    result.single_lanes = single_lanes;
    result.weighed_patterns = weighed_patterns;
    if (single_lanes == 0) result.packed_terms = 0;
    result.thread_cost = 1;
    return result;
  }

  /// Expects of `few` queries at a time, `single_lanes` of which may go each by itself, what all together give.
  static void check(const Memory& memory, const RelaxerOptions& options, const Matrix<float>& queries,
                    const Matrix<std::uint8_t>& clamped, const std::vector<Index>& counts) {
    const auto relax = [&](Index first, Index count, int threads) {
      RelaxerOptions own = options;
      own.threads = threads;
      RelaxCall call;
      if (clamped.rows() > 0) call.clamped = clamped.view().slice(first, count);
      return Relaxer(memory, own).relax(queries.view().slice(first, count), call);
    };
    const auto together = [&] {
      const SizesScope scope(sizes(0, 16384));
      return relax(0, queries.rows(), 1);
    }();
    for (const Index single_lanes : {1, 4, 8})
      for (const auto& [weighed_patterns, threads] :
           std::vector<std::pair<Index, int>>{{8, 1}, {24, 3}, {16384, 1}, {16384, 3}})
        for (const Index count : counts) {
          const SizesScope scope(sizes(single_lanes, weighed_patterns));
          const Index first = count * 7 % (queries.rows() - count + 1);
          const Relaxation few = relax(first, count, threads);
          for (Index i = 0; i < count; ++i)
            EXPECT_TRUE(same_row(few, i, together, first + i))
                << memory.rule() << ", " << memory.pattern_count() << " patterns of " << queries.columns()
                << " neurons, " << count << " queries on " << threads << " threads, " << single_lanes
                << " single lanes, " << weighed_patterns << " patterns at a time";
        }
  }

  Rng rng_{20};
};

TEST_F(FewQueriesTest, AnyNumberGivesTheSame) {
  if (test_device().kind() == Device::Kind::cuda) GTEST_SKIP() << "the sizes are the CPU's";
  const Matrix<float> queries = queries_for(40, 45);
  const std::vector<Index> counts = {1, 2, 3, 4, 5, 7, 8, 9, 16, 17};
  for (const Subject& subject : subjects(61, 45))
    for (const NamedUpdate& update : subject.updates) {
      SCOPED_TRACE(update.name);
      check(subject.memory, {.update = update.update, .max_steps = 6, .energy_trace = true}, queries, {}, counts);
    }
}

TEST_F(FewQueriesTest, OfAnyShapeGiveTheSame) {
  if (test_device().kind() == Device::Kind::cuda) GTEST_SKIP() << "the sizes are the CPU's";
  for (const auto& [patterns, dimension] :
       std::vector<std::pair<Index, Index>>{{1, 1}, {1, 9}, {3, 16}, {7, 17}, {8, 8}, {9, 24}, {33, 31}, {40, 130}}) {
    const Matrix<float> queries = queries_for(12, dimension);
    for (const Subject& subject : subjects(patterns, dimension))
      for (const NamedUpdate& update : subject.updates) {
        SCOPED_TRACE(update.name);
        check(subject.memory, {.update = update.update, .max_steps = 4, .energy_trace = true}, queries, {}, {1, 3, 10});
      }
  }
}

TEST_F(FewQueriesTest, ClampedOnesAndThoseThatHaltByTheirStatesGiveTheSame) {
  if (test_device().kind() == Device::Kind::cuda) GTEST_SKIP() << "the sizes are the CPU's";
  const Matrix<float> queries = queries_for(40, 45);
  const Matrix<std::uint8_t> clamped = random_mask(40, 45, 0.3, rng_);
  for (const Subject& subject : subjects(30, 45))
    for (const NamedUpdate& update : subject.updates)
      for (const bool energies : {false, true}) {
        SCOPED_TRACE(update.name);
        check(subject.memory,
              {.update = update.update, .halting = state_stable(0.01F), .max_steps = 9, .energies = energies}, queries,
              clamped, {1, 2, 4, 9});
      }
}

/// Lanes of a tile change places between steps, with all that belongs to their queries.
TEST(OrderedLanesTest, GiveTheSame) {
  if (test_device().kind() == Device::Kind::cuda) GTEST_SKIP() << "the size is the CPU's";
  Rng rng(23);
  const Matrix<float> patterns = random_gaussian(90, 21, rng);
  const Matrix<float> queries = noisy_copies(patterns, 300, 0.5F, 2.0F, rng);
  const Matrix<std::uint8_t> clamped = random_mask(300, 21, 0.2, rng);
  const Matrix<std::uint8_t> valid = random_mask(300, 90, 0.8, rng);
  const Matrix<float> log_prior = random_gaussian(300, 90, rng);
  const std::vector<float> betas = {0.2F, 0.3F, 0.5F, 0.8F};
  const std::vector<std::pair<std::string, RelaxCall>> calls = {{"plain", {}},
                                                                {"clamped", {.clamped = clamped.view()}},
                                                                {"valid", {.valid_patterns = valid.view()}},
                                                                {"prior", {.log_prior = log_prior.view()}},
                                                                {"betas", {.betas = betas}}};
  for (const NormalisedSeparation& separation : {softmax(), entmax()})
    for (const Update& update : {readout_update(), sign_update()})
      for (const Halting& halting : {energy_stable(), state_stable(0.01F)})
        for (const auto& named : calls) {
          const Memory memory =
              Memory::modern_hopfield(test_device(), patterns, {.beta = 0.5F, .separation = separation});
          const RelaxerOptions options{.update = update,
                                       .halting = halting,
                                       .max_steps = 12,
                                       .energies = true,
                                       .energy_trace = true,
                                       .threads = 1};
          const auto relax = [&](Index ordered_patterns) {
            detail::Sizes sizes = detail::sizes();
            sizes.ordered_patterns = ordered_patterns;
            const SizesScope scope(sizes);
            return Relaxer(memory, options).relax(queries, named.second);
          };

          EXPECT_TRUE(same_results(relax(1), relax(1000))) << named.first << " " << memory.rule();
        }
}

/// Readouts go row by row over a block of lanes or term by term, whichever costs less.
TEST(ReadoutTest, RowsAndTermsGiveTheSame) {
  if (test_device().kind() == Device::Kind::cuda) GTEST_SKIP() << "the sizes are the CPU's";
  Rng rng(16);
  const Matrix<float> patterns = random_gaussian(301, 149, rng);
  const Matrix<float> queries = noisy_copies(patterns, 90, 0.2F, 2.0F, rng);
  for (const NormalisedSeparation& separation : {softmax(), entmax(), top(7)})
    for (const float beta : {0.02F, 0.3F}) {
      const Memory memory = Memory::modern_hopfield(test_device(), patterns, {.beta = beta, .separation = separation});
      const RelaxerOptions options{.max_steps = 5, .energy_trace = true, .threads = 1};
      const Relaxation expected = Relaxer(memory, options).relax(queries);
      for (const float term_cost : {0.0F, 1e9F})
        for (const Index strip : {1, 24, 128}) {
          detail::Sizes sizes = detail::sizes();
          sizes.term_cost = term_cost;
          sizes.readout_strip = strip;
          const SizesScope scope(sizes);

          EXPECT_TRUE(same_results(Relaxer(memory, options).relax(queries), expected))
              << memory.rule() << " " << beta << " " << term_cost << " " << strip;
        }
    }
}

/// Few queries are scored each by itself.
TEST(RetrievalTest, FewAtATimeGiveTheSame) {
  Rng rng(17);
  const Matrix<float> patterns = random_gaussian(203, 70, rng);
  const Matrix<float> queries = noisy_copies(patterns, 70, 0.2F, 2.0F, rng);
  for (const Similarity similarity :
       {Similarity::dot, Similarity::squared_distance, Similarity::manhattan, Similarity::cosine})
    for (const NormalisedSeparation& separation : {softmax(), sparsemax()}) {
      const Memory memory = Memory::modern_hopfield(test_device(), patterns,
                                                    {.beta = 0.3F, .similarity = similarity, .separation = separation});
      const auto found = [&](MatrixView<const float> some) {
        return retrieve(memory, some, {.count = 3, .threads = 1});
      };
      const Retrieval together = found(queries);
      for (const Index count : {1, 3, 4, 5})
        for (Index first = 0; first + count <= queries.rows(); first += 13) {
          const Retrieval few = found(queries.view().slice(first, count));
          for (Index i = 0; i < 3 * count; ++i) {
            const auto own = static_cast<std::size_t>(i);
            const auto all = static_cast<std::size_t>(3 * first + i);
            EXPECT_EQ(few.pattern[own], together.pattern[all]) << memory.rule() << " " << count << " from " << first;
            EXPECT_EQ(few.posterior[own], together.posterior[all])
                << memory.rule() << " " << count << " from " << first;
          }
        }
    }
}

/// Whether `few` is the beginning of `all`, bit for bit.
bool begins_alike(const Retrieval& few, const Retrieval& all) {
  const std::size_t count = few.pattern.size();
  return std::equal(few.pattern.begin(), few.pattern.end(), all.pattern.begin()) &&
         same_bits(few.posterior, std::span(all.posterior).first(count));
}

/// Threads share the patterns of a memory among them where queries are too few to keep all of them busy.
TEST(SharedPatternsTest, AnyNumberOfThreadsGivesTheSame) {
  if (test_device().kind() == Device::Kind::cuda) GTEST_SKIP() << "threads are the CPU's";
  Rng rng(18);
  const Matrix<float> patterns = random_gaussian(203, 21, rng);
  const Matrix<float> queries = noisy_copies(patterns, 40, 0.2F, 2.0F, rng);
  const std::vector<float> weights(21, 0.1F);
  std::vector<Memory> memories = {Memory::adaptive(test_device(), patterns, {.squared_distance = weights})};
  for (const NormalisedSeparation& separation : {softmax(), sparsemax(), top(5), epanechnikov()})
    for (const float beta : {0.02F, 1.0F})
      memories.push_back(Memory::modern_hopfield(
          test_device(), patterns,
          {.beta = beta, .similarity = Similarity::squared_distance, .separation = separation}));
  detail::Sizes sizes = detail::sizes();
  sizes.pattern_block = 16;
  sizes.ranked_candidates = 8;
  sizes.scanned_patterns = 24;
  for (const Memory& memory : memories) {
    const auto relax = [&](MatrixView<const float> some, int threads) {
      const SizesScope scope(sizes);
      return Relaxer(memory, {.max_steps = 4, .energy_trace = true, .threads = threads}).relax(some);
    };
    const auto found = [&](MatrixView<const float> some, int threads, Index count) {
      const SizesScope scope(sizes);
      return retrieve(memory, some, {.count = count, .threads = threads});
    };
    for (const Index room : {Index{32}, Index{65536}}) {
      sizes.segment_patterns = room;
      sizes.thread_cost = Index{1} << 40;
      const Relaxation expected = relax(queries, 1);
      const Retrieval best = found(queries, 1, 1);
      const Retrieval three = found(queries, 1, 3);
      sizes.thread_cost = 1;
      sizes.shared_cost = 1;
      for (const int threads : {2, 3, 16})
        for (const Index count : {1, 3, 7, 40}) {
          const MatrixView<const float> some = queries.view().slice(0, count);
          const std::string which = memory.rule() + ", " + std::to_string(threads) + " threads, room for " +
                                    std::to_string(room) + ", " + std::to_string(count) + " queries";

          const Relaxation shared = relax(some, threads);
          const Retrieval first = found(some, threads, 1);
          const Retrieval several = found(some, threads, 3);

          for (Index i = 0; i < count; ++i) EXPECT_TRUE(same_row(shared, i, expected, i)) << which << ", query " << i;
          EXPECT_TRUE(begins_alike(first, best)) << which;
          EXPECT_TRUE(begins_alike(several, three)) << which;
        }
    }
  }
}

/// Patterns that take no part change nothing, be they whole segments of them.
TEST(ExcludedPatternsTest, AreAsIfTheyWerentStored) {
  Rng rng(19);
  const Matrix<float> patterns = random_gaussian(120, 9, rng);
  const Matrix<float> queries = noisy_copies(patterns, 20, 0.2F, 1.0F, rng);
  const std::vector<float> weights(9, 0.3F);
  std::vector<Index> chosen = {101, 103, 104, 118};
  Matrix<std::uint8_t> mask = filled<std::uint8_t>(1, 120, 0);
  for (const Index i : chosen) mask(0, i) = 1;
  detail::Sizes sizes = detail::sizes();
  sizes.segment_patterns = 32;
  sizes.pattern_block = 8;
  sizes.scanned_patterns = 16;
  const SizesScope scope(sizes);
  const auto check = [&](const Memory& all, const Memory& few) {
    const RelaxerOptions options{.max_steps = 3};
    const Relaxation masked = Relaxer(all, options).relax(queries, {.valid_patterns = mask});
    const Relaxation expected = Relaxer(few, options).relax(queries);
    const Retrieval found = retrieve(all, queries, {.valid_patterns = mask});
    const Retrieval right = retrieve(few, queries);
    for (Index i = 0; i < queries.rows(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      EXPECT_EQ(masked.status[at], expected.status[at]) << all.rule() << ", query " << i;
      for (Index k = 0; k < 9; ++k) EXPECT_NEAR(masked.states(i, k), expected.states(i, k), 1e-5F) << all.rule();
      EXPECT_EQ(found.pattern[at], chosen[static_cast<std::size_t>(right.pattern[at])])
          << all.rule() << ", query " << i;
      EXPECT_NEAR(found.posterior[at], right.posterior[at], 1e-5F) << all.rule() << ", query " << i;
    }
  };
  const Matrix<float> few = select(patterns, chosen);
  check(Memory::adaptive(test_device(), patterns, {.squared_distance = weights}),
        Memory::adaptive(test_device(), few, {.squared_distance = weights}));
  for (const NormalisedSeparation& separation : {softmax(), sparsemax(), top(2)})
    check(Memory::modern_hopfield(test_device(), patterns, {.separation = separation}),
          Memory::modern_hopfield(test_device(), few, {.separation = separation}));
}

/// A pattern whose prior is −∞ stays out even where its similarity is no float.
TEST(ExcludedPatternsTest, StayOutWhateverTheirSimilarity) {
  Rng rng(29);
  Matrix<float> patterns = random_gaussian(20, 11, rng);
  for (Index k = 0; k < 11; ++k) patterns(3, k) = k % 2 == 0 ? 1e20F : -1e20F;
  Matrix<float> queries = random_gaussian(40, 11, rng);
  for (Index i = 0; i < 40; ++i)
    for (Index k = 0; k < 11; ++k) queries(i, k) *= 1e20F;
  std::vector<float> log_prior(20, 0.0F);
  log_prior[3] = -std::numeric_limits<float>::infinity();
  const Memory memory = Memory::modern_hopfield(test_device(), patterns, {.log_prior = log_prior});
  const RelaxerOptions options{.halting = state_stable(0.01F), .max_steps = 3, .energies = false};
  for (const Index count : {1, 40}) {
    const Relaxation relaxed = Relaxer(memory, options).relax(queries.view().slice(0, count));
    const Retrieval found = retrieve(memory, queries.view().slice(0, count));
    for (Index i = 0; i < count; ++i) {
      EXPECT_NE(relaxed.status[static_cast<std::size_t>(i)], Status::diverged) << "query " << i << " of " << count;
      EXPECT_NE(found.pattern[static_cast<std::size_t>(i)], 3) << "query " << i << " of " << count;
      EXPECT_GT(found.posterior[static_cast<std::size_t>(i)], 0.0F) << "query " << i << " of " << count;
      for (Index k = 0; k < 11; ++k)
        EXPECT_LT(std::abs(relaxed.states(i, k)), 10.0F) << "query " << i << " of " << count;
    }
  }
}

TEST(LongBatchTest, HoldsForQueriesThatWaitForASlot) {
  Rng rng(14);
  const Matrix<float> patterns = random_bipolar(8, 64, rng);
  const Matrix<float> queries = noisy_copies(patterns, 1000, 0.2F, 2.5F, rng);
  const Memory memory = Memory::hebbian(test_device(), patterns);
  detail::Sizes sizes = detail::sizes();
  sizes.resident_blocks = std::min<Index>(sizes.resident_blocks, 4);
  const SizesScope scope(sizes);
  const auto relax = [&](MatrixView<const float> part, int threads) {
    return Relaxer(memory, {.update = tanh_update(), .threads = threads}).relax(part);
  };

  const Relaxation together = relax(queries, 2);

  if (!test_device_is_slow()) {
    EXPECT_TRUE(same_results(relax(queries, 1), together));
    EXPECT_TRUE(same_results(relax(queries, 3), together));
  }
  for (const Index i : sample_rows(queries.rows(), test_device_is_slow() ? 6 : 20, rng))
    EXPECT_TRUE(same_row(relax(queries.view().slice(i, 1), 1), 0, together, i)) << "query " << i;
}

}  // namespace
}  // namespace attractor::test
