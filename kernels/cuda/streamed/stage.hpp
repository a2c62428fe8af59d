#pragma once

/// How a streamed memory relaxes a job, whatever its stage: the slots of the queries in flight, and the loop over
/// steps.
///
/// A stage is what a step does before the step kernel, by form of the memory. It offers `rows(memory, queries)`, the
/// slots that its scratch allows; a constructor that takes its part of the workspace; `launch(states, rows, terms,
/// stream)`, which enqueues its work and returns a readout of readout.cuh; and, if it wants to know the job,
/// `start(job, stream)`. Or, in place of `launch`, `score(states, rows, stream)` for all rows and then, for bands of up
/// to `band_rows()` of them, `read_out(first, rows, stream)`, whose readout is that of rows from the first on.

#include <algorithm>
#include <cstddef>
#include <utility>

#include "kernels/cuda/device/capacity.hpp"
#include "kernels/cuda/device/toolbox.hpp"
#include "kernels/cuda/device/workspace.hpp"
#include "kernels/cuda/streamed/compaction.hpp"
#include "kernels/cuda/streamed/count_follower.hpp"
#include "kernels/cuda/streamed/device_loop.hpp"
#include "kernels/cuda/streamed/ladder.hpp"
#include "kernels/cuda/streamed/step.hpp"
#include "kernels/cuda/streamed/streamed.hpp"
#include "kernels/sizes.hpp"

namespace attractor::cuda {

/// Of the device's memory, the most that scratch takes on a small one.
inline constexpr std::size_t scratch_share = 16;

/// Slots of a job whose every row takes about `row_floats` floats of scratch; at least `least`, even if those take more
/// than they should.
inline int slot_count(Index queries, Index row_floats, Index least = detail::sizes().least_slots) {
  const detail::Sizes& sizes = detail::sizes();
  // What is left may differ when the scratch is used; the total doesn't.
  const std::size_t budget = std::min(static_cast<std::size_t>(sizes.scratch_bytes), memory_capacity() / scratch_share);
  const auto affordable = static_cast<Index>(budget / (sizeof(float) * static_cast<std::size_t>(row_floats)));
  return static_cast<int>(std::clamp<Index>(queries, 1, std::clamp(affordable, least, sizes.most_slots)));
}

/// A job's slots and everything its steps write.
template <class Stage, class Memory>
struct Bench {
  Bench(const Memory& memory, Index stride, Index queries, Workspace& workspace)
      : rows(Stage::rows(memory, queries)), stage(memory, workspace, rows) {
    slots.slot = workspace.take<Slot>(static_cast<std::size_t>(rows));
    slots.states = workspace.take<float>(elements(rows, stride));
    slots.next = workspace.take<float>(elements(rows, stride));
    slots.stride = stride;
    slots.reserved = rows;
    slots.counts = workspace.take<QueryCounts>(1);
    progress = workspace.take<LoopProgress>(1);
    compaction = take_compaction_scratch(workspace, rows);
  }

  int rows;
  Stage stage;
  Slots slots = {};
  LoopProgress* progress = nullptr;
  CompactionScratch compaction = {};
};

template <class Stage, class Memory>
std::size_t measure(const Memory& memory, Index stride, Index queries) {
  Workspace workspace;
  Bench<Stage, Memory>(memory, stride, queries, workspace);
  return workspace.used();
}

/// One job's steps, whoever drives them.
template <class Stage, class Memory>
class Course {
 public:
  Course(const Memory& memory, Index stride, const Job& job, void* block, Toolbox& tools)
      : block_(block),
        workspace_(block),
        bench_(memory, stride, job.queries.rows, workspace_),
        ladder_(make_ladder(bench_.rows)),
        job_(job),
        tools_(tools) {}

  /// The host drives, seldom more than a few steps ahead of the device.
  void run_from_host(cudaStream_t stream) {
    start(stream);
    CountFollower follower(tools_, bench_.slots.counts, stream);
    int rows = bench_.rows;
    for (;;) {
      for (const Parity parity : {Parity::odd, Parity::even}) {
        take_step(parity, rows, stream);
        follower.follow();
        if (follower.latest() == job_.queries.rows) return;
      }
      const int next = ladder_.rows[ladder_.lowest(job_.queries.rows - follower.settled())];
      if (next < rows) compact(bench_.slots, bench_.compaction, rows, next, stream);
      rows = next;
    }
  }

  /// The device drives, in a graph that `stream` is being captured in.
  void record(cudaStream_t stream) {
    start(stream);
    const cudaStream_t parts = tools_.parts.get();
    const auto step = [&](Parity parity) {
      return [&, parity](int rows, cudaStream_t within) { take_step(parity, rows, within); };
    };
    record_loop(
        {.ladder = ladder_,
         .queries = job_.queries.rows,
         .counts = bench_.slots.counts,
         .progress = bench_.progress,
         .first_step = step(Parity::odd),
         .second_step = step(Parity::even),
         .compact = [&](int room,
                        cudaStream_t within) { compact(bench_.slots, bench_.compaction, bench_.rows, room, within); }},
        stream, parts);
  }

  /// As `record`, all of it one launch on a stream that isn't being captured. A call like the last one launches the
  /// graph of that.
  void run_from_device(cudaStream_t stream) {
    const LoopKey key{.job = job_, .block = block_, .bytes = workspace_.used()};
    if (tools_.loop.key != key) {
      tools_.loop.key.reset();  // A failure leaves none.
      const Graph graph = make_graph();
      capture(tools_.whole.get(), graph.get(), [&](cudaStream_t whole) { record(whole); });
      tools_.loop.graph = instantiate(graph);
      tools_.loop.key = key;
    }
    check(cudaGraphLaunch(tools_.loop.graph.get(), stream), "cudaGraphLaunch");
  }

 private:
  /// Of a step's number: it decides which of the two state matrices is read and which is written.
  enum class Parity : unsigned char { odd, even };

  void start(cudaStream_t stream) {
    check(cudaMemsetAsync(bench_.slots.counts, 0, sizeof(QueryCounts), stream), "cudaMemsetAsync of the query counts");
    if constexpr (requires { bench_.stage.start(job_, stream); }) bench_.stage.start(job_, stream);
    launch_start(job_, bench_.slots, bench_.rows, stream);
  }

  void take_step(Parity parity, int rows, cudaStream_t stream) const {
    Slots slots = bench_.slots;
    if (parity == Parity::even) std::swap(slots.states, slots.next);
    if constexpr (requires { bench_.stage.band_rows(); }) {
      take_banded_step(slots, rows, stream);
    } else {
      const RowTerms terms{.patterns = job_.patterns, .slots = slots.slot, .schedule = job_.schedule};
      launch_step(bench_.stage.launch(slots.states, rows, terms, stream), job_, slots, rows, stream);
    }
  }

  void take_banded_step(const Slots& slots, int rows, cudaStream_t stream) const {
    bench_.stage.score(slots.states, rows, stream);
    const int most = bench_.stage.band_rows();
    for (int first = 0; first < rows; first += most) {
      const int band = std::min(most, rows - first);
      launch_step(bench_.stage.read_out(first, band, stream), job_, slots.from(first), band, stream);
    }
  }

  void* block_;
  Workspace workspace_;
  Bench<Stage, Memory> bench_;
  Ladder ladder_;
  const Job& job_;
  Toolbox& tools_;
};

template <class Stage, class Memory>
void relax_streamed(const Memory& memory, Index stride, const Job& job, void* block, Toolbox& tools, Driver driver,
                    cudaStream_t stream) {
  Course<Stage, Memory> course(memory, stride, job, block, tools);
  switch (driver) {
    case Driver::host: return course.run_from_host(stream);
    case Driver::device: return course.run_from_device(stream);
    case Driver::captured_device: return course.record(stream);
  }
}

}  // namespace attractor::cuda
