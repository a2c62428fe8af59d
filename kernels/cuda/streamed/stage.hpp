#pragma once

/// How a streamed memory relaxes a job, whatever its stage: the slots of the queries in flight, and the loop over
/// steps.
///
/// A stage is what a step does before the step kernel, by form of the memory. It offers `rows(memory, queries)`, the
/// slots that its scratch allows; a constructor that takes its part of the workspace; `launch(states, rows, terms,
/// blas, stream)`, which enqueues its work and returns a readout of readout.cuh; and `passage()`, scratch of a row of
/// floats for each slot that is free between steps; and, if it wants to know the job, `start(job, stream)`.

#include <algorithm>
#include <cstddef>
#include <utility>

#include "kernels/cuda/device/toolbox.hpp"
#include "kernels/cuda/device/workspace.hpp"
#include "kernels/cuda/streamed/compaction.hpp"
#include "kernels/cuda/streamed/count_follower.hpp"
#include "kernels/cuda/streamed/step.hpp"
#include "kernels/cuda/streamed/streamed.hpp"
#include "kernels/sizes.hpp"

namespace attractor::cuda {

/// Of the device's memory, the most that scratch takes on a small one.
inline constexpr std::size_t scratch_share = 16;

/// Slots of a job whose every row takes about `row_floats` floats of scratch; at least `least`, even if those take more
/// than they should.
inline int slot_count(Index queries, Index row_floats, Index least = detail::sizes().least_slots) {
  std::size_t left = 0;
  std::size_t total = 0;
  check(cudaMemGetInfo(&left, &total), "cudaMemGetInfo");
  const detail::Sizes& sizes = detail::sizes();
  // What is left may differ when the scratch is used; the total doesn't.
  const std::size_t budget = std::min(static_cast<std::size_t>(sizes.scratch_bytes), total / scratch_share);
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
    compaction = take_compaction_scratch(workspace, rows);
  }

  int rows;
  Stage stage;
  Slots slots = {};
  CompactionScratch compaction = {};
};

template <class Stage, class Memory>
std::size_t measure(const Memory& memory, Index stride, Index queries) {
  Workspace workspace;
  Bench<Stage, Memory>(memory, stride, queries, workspace);
  return workspace.used();
}

template <class Stage, class Memory>
void relax_streamed(const Memory& memory, Index stride, const Job& job, void* block, Toolbox& tools, Products products,
                    cudaStream_t stream) {
  Workspace workspace(block);
  Bench<Stage, Memory> bench(memory, stride, job.queries.rows, workspace);
  Multiplier multiplier(tools, products == Products::tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH, stream);
  check(cudaMemsetAsync(bench.slots.counts, 0, sizeof(QueryCounts), stream), "cudaMemsetAsync of the query counts");
  int rows = bench.rows;
  if constexpr (requires { bench.stage.start(job, stream); }) bench.stage.start(job, stream);
  launch_start(job, bench.slots, rows, stream);
  CountFollower follower(tools, bench.slots.counts, stream);
  for (;;) {
    const RowTerms terms{.patterns = job.patterns, .slots = bench.slots.slot, .schedule = job.schedule};
    launch_step(bench.stage.launch(bench.slots.states, rows, terms, multiplier, stream), job, bench.slots, rows,
                stream);
    std::swap(bench.slots.states, bench.slots.next);
    follower.follow();
    if (follower.latest() == job.queries.rows) return;
    const Index left = job.queries.rows - follower.settled();
    // Fewer left than slots: none are waiting. Moving them costs about as much as reading them once more. Products may
    // round otherwise for another number of rows, which therefore must not depend on how fast the host is.
    if (4 * left <= 3 * Index{rows}) {
      compact(bench.slots, bench.compaction, rows, static_cast<int>(left),
              job.detects_cycles() ? bench.stage.passage() : nullptr, stream);
      rows = static_cast<int>(left);
    }
  }
}

}  // namespace attractor::cuda
