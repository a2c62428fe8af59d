/// The threads of the CPU: teams, their number, forks, and systems that refuse threads.

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "kernels/cpu/engine/threads.hpp"
#include "tests/support/child.hpp"
#include "tests/support/data.hpp"
#include "tests/support/results.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define ATTRACTOR_SANITIZES_ADDRESSES 1
#elif defined(__SANITIZE_THREAD__)
#define ATTRACTOR_SANITIZES_THREADS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ATTRACTOR_SANITIZES_ADDRESSES 1
#elif __has_feature(thread_sanitizer)
#define ATTRACTOR_SANITIZES_THREADS 1
#endif
#endif

namespace attractor::test {
namespace {

using cpu::run_chunks;
using cpu::run_team;

TEST(TeamTest, EachShareIsDoneOnce) {
  for (const int shares : {1, 2, 7, 100}) {
    std::vector<std::atomic<int>> done(static_cast<std::size_t>(shares));

    run_team(shares, [&](int share) { ++done[static_cast<std::size_t>(share)]; });

    for (const auto& count : done) EXPECT_EQ(count, 1) << shares << " shares";
  }
}

TEST(TeamTest, ChunksMakeUpTheWhole) {
  std::vector<std::atomic<int>> done(1000);

  run_chunks(3, 1000, 7, [&](int share, Index first, Index end) {
    EXPECT_TRUE(share >= 0 && share < 3 && end - first <= 7);
    for (Index i = first; i < end; ++i) ++done[static_cast<std::size_t>(i)];
  });

  for (const auto& count : done) EXPECT_EQ(count, 1);
}

/// Lets a team of two meet, so that both its shares run at once.
class Meeting {
 public:
  /// False if the other one doesn't come.
  bool wait() {
    ++arrived_;
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (arrived_ < 2 && std::chrono::steady_clock::now() < patience) std::this_thread::yield();
    return arrived_ >= 2;
  }

 private:
  std::atomic<int> arrived_ = 0;
};

TEST(TeamTest, OthersHelp) {
  Meeting meeting;

  run_team(2, [&](int /*share*/) { EXPECT_TRUE(meeting.wait()); });
}

TEST(TeamTest, HelpersRunNoSignalHandlersOfTheApplication) {
  const pthread_t caller = pthread_self();
  Meeting meeting;

  run_team(2, [&](int /*share*/) {
    ASSERT_TRUE(meeting.wait());
    if (pthread_equal(pthread_self(), caller) != 0) return;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    for (const int signal : {SIGINT, SIGTERM, SIGALRM, SIGUSR1}) EXPECT_EQ(sigismember(&blocked, signal), 1);
  });

  sigset_t blocked;
  pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  EXPECT_EQ(sigismember(&blocked, SIGINT), 0) << "the caller's own mask changed";
}

TEST(TeamTest, WhatAShareThrowsIsRethrownAndEndsTheOthers) {
  std::atomic<int> done = 0;

  EXPECT_THROW(run_team(1000,
                        [&](int /*share*/) {
                          ++done;
                          throw std::domain_error("enough");
                        }),
               std::domain_error);

  EXPECT_LT(done, 1000);
  EXPECT_NO_THROW(run_team(1000, [](int /*share*/) {}));
}

TEST(TeamTest, TeamsWithinTeamsOfManyCallers) {
  std::atomic<int> done = 0;
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 4; ++i)
      callers.emplace_back([&] {
        for (int round = 0; round < 50; ++round)
          run_team(3, [&](int /*share*/) { run_team(3, [&](int /*inner*/) { ++done; }); });
      });
  }

  EXPECT_EQ(done, 4 * 50 * 9);
}

/// Processor time of the whole process, in seconds.
double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

TEST(TeamTest, HelpersSleepBetweenCalls) {
  run_team(8, [](int /*share*/) {});
  const double before = processor_seconds();

  std::this_thread::sleep_for(std::chrono::milliseconds(500));

  EXPECT_LT(processor_seconds() - before, 0.25);
}

class GrantedProcessorsTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(root_ / "slice/job"); }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void limit(const std::string& group, const std::string& text) const {
    std::ofstream(root_ / group / "cpu.max") << text << '\n';
  }
  int granted(const std::string& groups) const {
    std::istringstream text(groups);
    return cpu::granted_processors(text, root_);
  }

  std::filesystem::path root_ =
      std::filesystem::path(testing::TempDir()) / ("attractor_groups." + std::to_string(getpid()));
};

TEST_F(GrantedProcessorsTest, TheLeastOfAGroupAndThoseAroundItRoundedUp) {
  limit("slice", "250000 100000");
  limit("slice/job", "max 100000");

  EXPECT_EQ(granted("9:cpu:/elsewhere\n0::/slice/job\n"), 3);
  EXPECT_EQ(granted("0::/\n"), cpu::most_threads);
  limit("slice/job", "10000 100000");
  EXPECT_EQ(granted("0::/slice/job\n"), 1);
}

TEST_F(GrantedProcessorsTest, WithinAContainerTheRootIsItsGroup) {
  limit("", "400000 100000");

  EXPECT_EQ(granted("0::/a/path/of/the/host\n"), 4);
  EXPECT_EQ(granted("0::/\n"), 4);
  EXPECT_EQ(granted(""), 4);
}

TEST_F(GrantedProcessorsTest, NoLimitWithoutGroups) {
  EXPECT_EQ(granted(""), cpu::most_threads);
  EXPECT_EQ(granted("9:cpu:/elsewhere\n"), cpu::most_threads);
  EXPECT_EQ(granted("0::/../..\n"), cpu::most_threads);
}

/// Calls of every kind that uses threads.
class Calls {
 public:
  struct Results {
    Relaxation relaxation;
    Retrieval retrieval;
    Matrix<float> footprints;
    double loss;
    Matrix<float> variants;
  };

  Results run(int threads) const {
    const Device cpu = Device::cpu();
    const AdaptiveSimilarity similarity{.squared_distance = std::vector<float>(24, 0.1F)};
    return {.relaxation = Relaxer(Memory::projection(cpu, patterns_, {.evaluation = Evaluation::dense}),
                                  {.update = tanh_update(), .threads = threads})
                              .relax(queries_),
            .retrieval = retrieve(Memory::adaptive(cpu, patterns_, similarity), queries_, {.threads = threads}),
            .footprints = footprint(cpu, patterns_, queries_, {.threads = threads}),
            .loss = cross_entropy(cpu, patterns_, similarity, queries_, origins_, nullptr, threads),
            .variants = make_variants(patterns_, 300).queries};
  }

  static bool same(const Results& a, const Results& b) {
    return same_results(a.relaxation, b.relaxation) && a.retrieval.pattern == b.retrieval.pattern &&
           a.retrieval.posterior == b.retrieval.posterior && same_bits(a.footprints, b.footprints) &&
           a.loss == b.loss && same_bits(a.variants, b.variants);
  }

 private:
  Rng rng_{150};
  Matrix<float> patterns_ = random_gaussian(8, 24, rng_);
  Matrix<float> queries_ = noisy_copies(patterns_, 400, 0.2F, 2.0F, rng_);
  std::vector<Index> origins_ = std::vector<Index>(400, 3);
};

class ThreadsTest : public testing::Test {
 protected:
  Calls calls_;
  Calls::Results expected_ = calls_.run(1);
};

TEST_F(ThreadsTest, AnyNumberGivesTheSame) {
  for (const int threads : {0, 2, 5, 64, cpu::most_threads})
    EXPECT_TRUE(Calls::same(calls_.run(threads), expected_)) << threads << " threads";
}

/// Whether forks while other threads run, or have yet to start, leave the sanitizer's own locks with them.
bool child_may_hang() {
#ifdef ATTRACTOR_SANITIZES_ADDRESSES
  return true;
#else
  return false;
#endif
}
constexpr const char* locks_of_others =
    "a child keeps the locks of the sanitizer's allocator that other threads had (before LLVM 17)";

TEST_F(ThreadsTest, AChildOfAForkCanCall) {
  if (child_may_hang()) GTEST_SKIP() << locks_of_others;
  ASSERT_TRUE(Calls::same(calls_.run(4), expected_));  // The parent has its helpers now.

  EXPECT_TRUE(succeeds_in_child([&] { return Calls::same(calls_.run(4), expected_); }));
  EXPECT_TRUE(succeeds_in_child([&] {
    return Calls::same(calls_.run(4), expected_) &&
           succeeds_in_child([&] { return Calls::same(calls_.run(4), expected_); });
  })) << "a child's child";
  EXPECT_TRUE(Calls::same(calls_.run(4), expected_)) << "the parent, afterwards";
}

TEST_F(ThreadsTest, AChildOfAForkAmidOtherThreadsCallsCanCall) {
  if (child_may_hang()) GTEST_SKIP() << locks_of_others;
  std::atomic<bool> ended = false;
  std::jthread other([&] {
    while (!ended) EXPECT_TRUE(Calls::same(calls_.run(3), expected_));
  });

  for (int i = 0; i < 10; ++i)
    EXPECT_TRUE(succeeds_in_child([&] { return Calls::same(calls_.run(4), expected_); })) << "fork " << i;

  ended = true;
}

/// Takes all threads that the system has to give, among them those whose stacks it keeps; false if there is no end.
bool use_up_threads() {
  constexpr int endless = 4000;
  try {
    for (int i = 0; i < endless; ++i) std::thread([] { pause(); }).detach();
    return false;
  } catch (const std::system_error&) {
    return true;
  }
}

/// Leaves less address space than the stacks of a few threads take.
void limit_address_space() {
  std::ifstream status("/proc/self/statm");
  rlim_t pages = 0;
  status >> pages;
  const rlim_t bytes = pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + (rlim_t{4} << 20);
  const rlimit limit{bytes, bytes};
  setrlimit(RLIMIT_AS, &limit);
}

/// Root may have any number of threads, nobody only so many.
void limit_processes() {
  constexpr uid_t nobody = 65534;
  if (getuid() == 0 && (setgid(nobody) != 0 || setuid(nobody) != 0)) return;
  const rlimit limit{1, 1};
  setrlimit(RLIMIT_NPROC, &limit);
}

class RefusedThreadsTest : public ThreadsTest, public testing::WithParamInterface<void (*)()> {};

TEST_P(RefusedThreadsTest, TheCallerDoesEverythingItself) {
#if defined(ATTRACTOR_SANITIZES_ADDRESSES) || defined(ATTRACTOR_SANITIZES_THREADS)
  GTEST_SKIP() << "sanitizers end the process where they get no thread";
#endif
  const auto limited = [] {
    GetParam()();
    return use_up_threads();
  };
  if (!succeeds_in_child(limited)) GTEST_SKIP() << "this system doesn't keep to the limit";

  EXPECT_TRUE(succeeds_in_child([&] { return limited() && Calls::same(calls_.run(8), expected_); }));
}

INSTANTIATE_TEST_SUITE_P(AddressSpace, RefusedThreadsTest, testing::Values(&limit_address_space));
INSTANTIATE_TEST_SUITE_P(Processes, RefusedThreadsTest, testing::Values(&limit_processes));

TEST(ThreadLimitTest, MoreThanTheMostAreRefusedByEveryCall) {
  Rng rng(151);
  const Matrix<float> patterns = random_gaussian(3, 8, rng);
  const Device cpu = Device::cpu();
  const AdaptiveSimilarity similarity{.squared_distance = std::vector<float>(8, 1.0F)};
  const Memory memory = Memory::adaptive(cpu, patterns, similarity);
  const std::vector<Index> origins = {0, 1, 2};
  for (const int threads : {-1, 1025, 100000}) {
    const std::array<std::function<void()>, 5> calls = {
        [&] { Relaxer(memory, {.threads = threads}); },
        [&] { static_cast<void>(retrieve(memory, patterns, {.threads = threads})); },
        [&] { static_cast<void>(footprint(cpu, patterns, patterns, {.threads = threads})); },
        [&] { static_cast<void>(fit_similarity(cpu, patterns, patterns, origins, {.threads = threads})); },
        [&] { static_cast<void>(cross_entropy(cpu, patterns, similarity, patterns, origins, nullptr, threads)); }};
    for (const auto& call : calls) {
      try {
        call();
        ADD_FAILURE() << threads << " threads were accepted";
      } catch (const InvalidArgument& error) {
        const std::string message = error.what();
        EXPECT_NE(message.find(std::to_string(threads)), std::string::npos) << message;
        EXPECT_NE(message.find("[0, 1024]"), std::string::npos) << message;
      }
    }
  }
}

}  // namespace
}  // namespace attractor::test
