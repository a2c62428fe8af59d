/// Sets of queries larger than 32 bits count, and resident memory over millions of queries and thousands of calls.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <new>
#include <string>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

/// A megabyte again and again, side by side: a large set of queries, or of results, that takes no more memory.
class RepeatedPages {
 public:
  static constexpr std::size_t bytes = std::size_t{1} << 20U;

  explicit RepeatedPages(std::size_t times)
      : size_(times * bytes),
        file_(memfd_create("repeated", 0)),
        start_(mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
    bool mapped = file_ >= 0 && start_ != MAP_FAILED && ftruncate(file_, bytes) == 0;
    for (std::size_t i = 0; mapped && i < times; ++i)
      mapped = mmap(data() + i * bytes, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file_, 0) != MAP_FAILED;
    if (!mapped) throw std::bad_alloc();
  }
  RepeatedPages(const RepeatedPages&) = delete;
  RepeatedPages& operator=(const RepeatedPages&) = delete;
  ~RepeatedPages() {
    munmap(start_, size_);
    close(file_);
  }

  [[nodiscard]] std::int8_t* data() const { return static_cast<std::int8_t*>(start_); }

 private:
  std::size_t size_;
  int file_;
  void* start_;
};

/// Bytes of the process's own memory that are resident; pages that are shared, as those above, don't count.
std::int64_t resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "RssAnon:") {
      std::int64_t kilobytes = 0;
      status >> kilobytes;
      return 1024 * kilobytes;
    }
  return 0;
}

/// Fills the megabyte with ±1.
void fill(const RepeatedPages& pages, Rng& rng) {
  std::generate_n(pages.data(), RepeatedPages::bytes,
                  [&] { return (rng() & 1U) != 0 ? std::int8_t{1} : std::int8_t{-1}; });
}

TEST(LargeSetTest, ElementsMayBeMoreThan32BitsCount) {
  constexpr Index dimension = 4096;
  constexpr Index rows_at_once = static_cast<Index>(RepeatedPages::bytes) / dimension;
  constexpr std::size_t times = 2049;  // Of 2²⁰ elements each.
  Rng rng(730);
  const RepeatedPages queries(times);
  const RepeatedPages states(times);
  fill(queries, rng);
  const Relaxer relaxer(Memory::hebbian(Device::cpu(), random_bipolar(1, dimension, rng)), {.max_steps = 2});
  const MatrixView<const std::int8_t> some(queries.data(), rows_at_once, dimension);
  const Matrix<float> expected = relaxer.relax(some).states;
  const Index rows = static_cast<Index>(times) * rows_at_once;

  relaxer.relax(QueryView(static_cast<const std::int8_t*>(queries.data()), rows, dimension),
                {.states = ResultView(states.data(), rows, dimension)});

  // Each megabyte of them is the same.
  EXPECT_TRUE(std::equal(expected.data(), expected.data() + expected.size(), states.data()));
}

TEST(LargeSetTest, TenMillionQueriesTakeNoMemory) {
  constexpr Index dimension = 16;
  constexpr Index count = 10'000'000;
  constexpr std::size_t times = count * dimension / RepeatedPages::bytes + 1;
  Rng rng(731);
  const RepeatedPages queries(times);
  const RepeatedPages states(times);
  fill(queries, rng);
  const Relaxer relaxer(Memory::hebbian(Device::cpu(), random_bipolar(2, dimension, rng)), {.max_steps = 20});
  std::int64_t most = 0;
  const auto relax = [&](Index rows) {
    relaxer.relax(QueryView(static_cast<const std::int8_t*>(queries.data()), rows, dimension),
                  {.states = ResultView(states.data(), rows, dimension)},
                  {.progress = [&](const Progress&) { most = std::max(most, resident_bytes()); }});
  };
  relax(count / 100);  // What is allocated once and kept.
  const std::int64_t before = resident_bytes();
  ASSERT_GT(before, 0);
  most = 0;

  relax(count);

  // A bit for each query would be as much.
  EXPECT_LT(std::max(most, resident_bytes()), before + count / 8);
}

TEST(LargeSetTest, ThousandsOfCallsTakeNoMemory) {
  Rng rng(732);
  const Matrix<float> patterns = random_bipolar(6, 24, rng);
  const Matrix<float> queries = noisy_copies(patterns, 40, 0.2F, 1.5F, rng);
  const Memory memory = Memory::modern_hopfield(Device::cpu(), patterns);
  const auto call = [&](int times) {
    for (int i = 0; i < times; ++i) {
      Memory changing = memory;
      changing.forget({i % 6});
      static_cast<void>(Relaxer(changing, {.max_steps = 3, .threads = 2}).relax(queries));
      static_cast<void>(retrieve(changing, queries, {.threads = 2}));
      static_cast<void>(nearest(changing, queries, {.threads = 2}));
    }
  };
  call(500);
  const std::int64_t before = resident_bytes();

  call(10'000);

  // 50 bytes of each call would show.
  EXPECT_LT(resident_bytes(), before + 500'000);
}

}  // namespace
}  // namespace attractor::test
