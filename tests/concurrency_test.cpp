/// One memory and one relaxer in many threads at once.

#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

constexpr int thread_count = 4;

template <class Work>
void in_threads(Work work) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < thread_count; ++i) threads.emplace_back(work, i);
}

class ConcurrencyTest : public testing::TestWithParam<Evaluation> {
 protected:
  Rng rng_{50};
  Matrix<float> patterns_ = random_bipolar(8, 96, rng_);
  Matrix<float> queries_ = noisy_copies(patterns_, 500, 0.2F, 2.0F, rng_);
  Memory memory_ = Memory::hebbian(test_device(), patterns_, {.evaluation = GetParam()});
};

TEST_P(ConcurrencyTest, OneRelaxerServesManyThreads) {
  const Relaxer relaxer(memory_, {.update = tanh_update(), .threads = 2});
  const Relaxation expected = relaxer.relax(queries_);
  std::vector<Relaxation> results(thread_count);

  in_threads([&](int i) { results[static_cast<std::size_t>(i)] = relaxer.relax(queries_); });

  for (const Relaxation& result : results) EXPECT_TRUE(same_results(result, expected));
}

TEST_P(ConcurrencyTest, OneMemoryServesManyRelaxersWhileItsCopiesChange) {
  const std::vector<Index> first = {0};
  const RelaxerOptions options{.update = tanh_update(), .threads = 2};
  Memory smaller = memory_;
  smaller.forget(first);
  const Relaxation expected = Relaxer(memory_, options).relax(queries_);
  const Relaxation expected_smaller = Relaxer(smaller, options).relax(queries_);
  std::vector<Relaxation> results(thread_count);

  in_threads([&](int i) {
    Memory own = memory_;
    if (i % 2 == 1) own.forget(first);
    results[static_cast<std::size_t>(i)] = Relaxer(own, options).relax(queries_);
  });

  for (int i = 0; i < thread_count; ++i)
    EXPECT_TRUE(same_results(results[static_cast<std::size_t>(i)], i % 2 == 1 ? expected_smaller : expected));
}

TEST_P(ConcurrencyTest, TheFirstRelaxationsAreAtOnce) {
  const Relaxation expected = Relaxer(memory_, {.update = sign_update()}).relax(queries_);
  for (int round = 0; round < 5; ++round) {
    const Memory fresh = Memory::hebbian(test_device(), patterns_, {.evaluation = GetParam()});
    std::vector<Relaxation> results(thread_count);

    in_threads([&](int i) {
      const Update update = i % 2 == 0 ? sign_update() : tanh_update();
      results[static_cast<std::size_t>(i)] = Relaxer(fresh, {.update = update, .threads = 1}).relax(queries_);
    });

    for (int i = 0; i < thread_count; i += 2) EXPECT_TRUE(same_results(results[static_cast<std::size_t>(i)], expected));
  }
}

INSTANTIATE_TEST_SUITE_P(, ConcurrencyTest, testing::Values(Evaluation::factored, Evaluation::dense));

TEST(ModernHopfieldConcurrencyTest, AMemoryGrowsAsSoonAsAnotherThreadHasLetGoOfIt) {
  Rng rng(52);
  const Matrix<float> patterns = random_gaussian(60, 32, rng);
  const Matrix<float> queries = noisy_copies(patterns, 20, 0.2F, 1.0F, rng);
  const Relaxation expected = Relaxer(Memory::modern_hopfield(test_device(), patterns)).relax(queries);
  for (int round = 0; round < 5; ++round) {
    Memory memory = Memory::modern_hopfield(test_device(), patterns.view().slice(0, 20));
    {
      const std::jthread other([copy = memory, &queries]() mutable {
        const Memory own = std::move(copy);
        EXPECT_EQ(Relaxer(own, {.threads = 1}).relax(queries).states.rows(), queries.rows());
      });
      for (Index i = 20; i < 60; ++i) memory.imprint(patterns.view().slice(i, 1));
    }
    EXPECT_TRUE(same_results(Relaxer(memory).relax(queries), expected));
  }
}

TEST(ModernHopfieldConcurrencyTest, OneRelaxerServesManyThreads) {
  Rng rng(51);
  const Matrix<float> patterns = random_gaussian(40, 32, rng);
  const Matrix<float> queries = noisy_copies(patterns, 500, 0.2F, 1.0F, rng);
  const Relaxer relaxer(Memory::modern_hopfield(test_device(), patterns, {.contents = patterns.view()}),
                        {.threads = 2});
  const Relaxation expected = relaxer.relax(queries);
  std::vector<Relaxation> results(thread_count);

  in_threads([&](int i) { results[static_cast<std::size_t>(i)] = relaxer.relax(queries); });

  for (const Relaxation& result : results) EXPECT_TRUE(same_results(result, expected));
}

TEST(CancellationTest, AnotherThreadMayStopACall) {
  Rng rng(52);
  const Matrix<float> patterns = random_bipolar(8, 64, rng);
  const Matrix<float> queries = noisy_copies(patterns, 2000, 0.2F, 2.0F, rng);
  const Relaxer relaxer(Memory::hebbian(test_device(), patterns), {.update = tanh_update(), .threads = 2});
  const Relaxation expected = relaxer.relax(queries);
  std::stop_source source;
  std::jthread stopper([&] { source.request_stop(); });

  const Relaxation result = relaxer.relax(queries, {.stop = source.get_token()});

  for (Index i = 0; i < queries.rows(); ++i)
    if (result.status[static_cast<std::size_t>(i)] != Status::cancelled) {
      EXPECT_TRUE(same_row(result, i, expected, i));
    }
}

}  // namespace
}  // namespace attractor::test
