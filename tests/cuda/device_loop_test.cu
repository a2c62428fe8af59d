/// The loop that the device ends, around steps that only say when queries have finished: which steps it takes, with how
/// many slots.

#include <cuda_runtime.h>

#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/streamed/device_loop.hpp"

namespace attractor::test {
namespace {

using cuda::check;

/// What was executed: the step's slots, negative in the second step of a pair; the room of a compaction plus 1000.
struct Log {
  static constexpr int most = 300;
  int count;
  int steps;
  int entries[most];
};

__global__ void step_kernel(const int* finished, cuda::QueryCounts* counts, Log* log, int entry) {
  counts->finished = static_cast<unsigned long long>(finished[log->steps++]);
  log->entries[log->count++] = entry;
}

__global__ void compact_kernel(Log* log, int room) { log->entries[log->count++] = 1000 + room; }

/// As a host that is a few steps ahead: after each even step it knows what had finished three steps before.
std::vector<int> expected_entries(const std::vector<int>& finished, int queries, const cuda::Ladder& ladder) {
  std::vector<int> entries;
  int rows = ladder.rows[0];
  for (std::size_t step = 1;; ++step) {
    entries.push_back(step % 2 == 0 ? -rows : rows);
    if (finished[step - 1] == queries) return entries;
    if (step % 2 != 0) continue;
    const int left = queries - (step < 4 ? 0 : finished[step - 4]);
    int next = rows;
    for (int rung = 0; rung < ladder.count; ++rung)
      if (ladder.rows[rung] >= left) next = std::min(next, ladder.rows[rung]);
    if (next < rows) entries.push_back(1000 + next);
    rows = next;
  }
}

class DeviceLoopTest : public testing::Test {
 protected:
  /// Launches the loop twice; `finished`: queries after each step.
  void expect_entries(const std::vector<int>& finished, int queries, int rows) {
    const cuda::Ladder ladder = cuda::make_ladder(rows);
    const cuda::DeviceArray<int> script = cuda::upload(std::span<const int>(finished), "what has finished");
    const cuda::Graph graph = cuda::make_graph();
    cuda::capture(whole_.get(), graph.get(), [&](cudaStream_t stream) {
      check(cudaMemsetAsync(counts_.data(), 0, counts_.bytes(), stream), "cudaMemsetAsync");
      check(cudaMemsetAsync(log_.data(), 0, log_.bytes(), stream), "cudaMemsetAsync");
      const auto step = [&](int sign) {
        return [&, sign](int slots, cudaStream_t within) {
          cuda::launch_kernel("step_kernel", step_kernel, {1, 1}, within, script.data(), counts_.data(), log_.data(),
                              sign * slots);
        };
      };
      cuda::record_loop({.ladder = ladder,
                         .queries = queries,
                         .counts = counts_.data(),
                         .progress = progress_.data(),
                         .first_step = step(1),
                         .second_step = step(-1),
                         .compact =
                             [&](int room, cudaStream_t within) {
                               cuda::launch_kernel("compact_kernel", compact_kernel, {1, 1}, within, log_.data(), room);
                             }},
                        stream, parts_.get());
    });
    const cuda::ExecutableGraph executable = cuda::instantiate(graph);
    const std::vector<int> expected = expected_entries(finished, queries, ladder);
    for (int launch = 0; launch < 2; ++launch) {
      check(cudaGraphLaunch(executable.get(), whole_.get()), "cudaGraphLaunch");
      check(cudaStreamSynchronize(whole_.get()), "cudaStreamSynchronize");
      EXPECT_EQ(read_entries(), expected) << queries << " queries, " << rows << " slots, launch " << launch;
    }
  }

 private:
  [[nodiscard]] std::vector<int> read_entries() const {
    Log log = {};
    check(cudaMemcpy(&log, log_.data(), sizeof(log), cudaMemcpyDeviceToHost), "cudaMemcpy");
    return {log.entries, log.entries + log.count};
  }

  cuda::Stream whole_ = cuda::make_stream();
  cuda::Stream parts_ = cuda::make_stream();
  cuda::DeviceArray<cuda::QueryCounts> counts_{1, "counts"};
  cuda::DeviceArray<cuda::LoopProgress> progress_{1, "progress"};
  cuda::DeviceArray<Log> log_{1, "the log"};
};

TEST_F(DeviceLoopTest, EndsAfterTheStepInWhichTheLastQueryFinishes) {
  for (int steps = 1; steps <= 5; ++steps) {
    std::vector<int> finished(static_cast<std::size_t>(steps), 0);
    finished.back() = 9;
    expect_entries(finished, 9, 9);
  }
}

TEST_F(DeviceLoopTest, TakesFewerSlotsWhereFewQueriesAreLeft) {
  std::mt19937 rng(730);
  for (const int rows : {1, 5, 17, 40, 100, 5000})
    for (const int queries : {rows, 3 * rows})
      for (const double rate : {0.02, 0.1, 0.6}) {
        std::vector<int> finished;
        int left = queries;
        while (left > 0 && finished.size() < 100) {
          left -= std::binomial_distribution<int>(std::min(left, rows), rate)(rng);
          finished.push_back(queries - left);
        }
        finished.push_back(queries);
        expect_entries(finished, queries, rows);
      }
}

TEST_F(DeviceLoopTest, ALadderGoesDownByQuarters) {
  for (const int rows : {1, 15, 16, 64, 60, 8192, 1 << 30}) {
    const cuda::Ladder ladder = cuda::make_ladder(rows);
    EXPECT_EQ(ladder.rows[0], rows);
    for (int rung = 1; rung < ladder.count; ++rung) {
      EXPECT_LE(4 * Index{ladder.rows[rung]}, 3 * Index{ladder.rows[rung - 1]});
      EXPECT_GT(4 * Index{ladder.rows[rung]}, 3 * (Index{ladder.rows[rung - 1]} - 4));
      EXPECT_GE(ladder.rows[rung], 16);
    }
    if (ladder.count < cuda::Ladder::most_rungs) {
      EXPECT_LT(3 * Index{ladder.rows[ladder.count - 1]}, 4 * 16 + 12);
    }
  }
}

}  // namespace
}  // namespace attractor::test
