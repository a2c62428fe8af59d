#include "kernels/cuda/streamed/device_loop.hpp"

#include "kernels/cuda/device/launch.hpp"

namespace attractor::cuda {
namespace {

/// By rung.
struct Conditions {
  cudaGraphConditionalHandle enters[Ladder::most_rungs];  ///< of all but the first
  cudaGraphConditionalHandle stays[Ladder::most_rungs];
  cudaGraphConditionalHandle goes_on[Ladder::most_rungs];  ///< with the second step of a pair
};

/// Between the steps of a pair. One thread.
__global__ void go_on_kernel(const QueryCounts* counts, LoopProgress* progress, Index queries,
                             cudaGraphConditionalHandle goes_on) {
  progress->settled = progress->latest;
  progress->latest = counts->finished;
  cudaGraphSetConditional(goes_on, static_cast<Index>(counts->finished) < queries ? 1 : 0);
}

/// After a pair. One thread.
__global__ void choose_rung_kernel(const QueryCounts* counts, LoopProgress* progress, Index queries, Ladder ladder,
                                   Conditions conditions) {
  const int rung = progress->rung;
  const bool over = static_cast<Index>(counts->finished) == queries;
  const int next = ladder.lowest(queries - static_cast<Index>(progress->settled));
  if (!over && next == rung) return;
  cudaGraphSetConditional(conditions.stays[rung], 0);
  if (over) return;
  progress->rung = next;
  cudaGraphSetConditional(conditions.enters[next], 1);
}

Conditions make_conditions(cudaGraph_t graph, const Ladder& ladder) {
  Conditions conditions = {};
  for (int rung = 0; rung < ladder.count; ++rung) {
    if (rung > 0) conditions.enters[rung] = make_condition(graph, false);
    conditions.stays[rung] = make_condition(graph, true);
    conditions.goes_on[rung] = make_condition(graph, false);
  }
  return conditions;
}

/// Fills in a rung's loop.
void record_steps(const DeviceLoop& loop, int rung, const Conditions& conditions, cudaGraph_t body,
                  cudaStream_t parts) {
  const int rows = loop.ladder.rows[rung];
  cudaGraph_t second = nullptr;
  capture(parts, body, [&](cudaStream_t stream) {
    loop.first_step(rows, stream);
    launch_kernel("go_on_kernel", go_on_kernel, {1, 1}, stream, loop.counts, loop.progress, loop.queries,
                  conditions.goes_on[rung]);
    second = add_conditional(stream, conditions.goes_on[rung], cudaGraphCondTypeIf);
    launch_kernel("choose_rung_kernel", choose_rung_kernel, {1, 1}, stream, loop.counts, loop.progress, loop.queries,
                  loop.ladder, conditions);
  });
  capture(parts, second, [&](cudaStream_t stream) { loop.second_step(rows, stream); });
}

/// A rung of fewer slots, which the queries still in flight have to be moved to first.
void record_lower_rung(const DeviceLoop& loop, int rung, const Conditions& conditions, cudaStream_t stream,
                       cudaStream_t parts) {
  const cudaGraph_t branch = add_conditional(stream, conditions.enters[rung], cudaGraphCondTypeIf);
  cudaGraph_t body = nullptr;
  capture(parts, branch, [&](cudaStream_t within) {
    loop.compact(loop.ladder.rows[rung], within);
    body = add_conditional(within, conditions.stays[rung], cudaGraphCondTypeWhile);
  });
  record_steps(loop, rung, conditions, body, parts);
}

}  // namespace

void record_loop(const DeviceLoop& loop, cudaStream_t stream, cudaStream_t parts) {
  check(cudaMemsetAsync(loop.progress, 0, sizeof(LoopProgress), stream), "cudaMemsetAsync of a loop's progress");
  const Conditions conditions = make_conditions(captured_graph(stream), loop.ladder);
  const cudaGraph_t body = add_conditional(stream, conditions.stays[0], cudaGraphCondTypeWhile);
  record_steps(loop, 0, conditions, body, parts);
  for (int rung = 1; rung < loop.ladder.count; ++rung) record_lower_rung(loop, rung, conditions, stream, parts);
}

}  // namespace attractor::cuda
