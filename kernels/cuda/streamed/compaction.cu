#include "kernels/cuda/streamed/compaction.hpp"

#include <algorithm>

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/streamed/readout.cuh"

namespace attractor::cuda {
namespace {

constexpr int select_threads = 1024;
constexpr int select_warps = select_threads / warp_size;

/// For all threads of the block: lists the rows from `begin` to `end` that are in flight or, if not `in_flight`, idle,
/// in order. How many there are. (CUB's selection would take an error that the application left behind for its own.)
__device__ int list_rows(const Slot* slot, int begin, int end, bool in_flight, int* list) {
  __shared__ int in_warp[select_warps];
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int warp = static_cast<int>(threadIdx.x) / warp_size;
  int before = 0;
  for (int first = begin; first < end; first += select_threads) {
    const int row = first + static_cast<int>(threadIdx.x);
    const bool chosen = row < end && (slot[row].query >= 0) == in_flight;
    const unsigned lanes = __ballot_sync(all_lanes, chosen);
    if (lane == 0) in_warp[warp] = __popc(lanes);
    __syncthreads();
    int place = before + __popc(lanes & ((1U << lane) - 1U));
    for (int i = 0; i < select_warps; ++i) {
      if (i < warp) place += in_warp[i];
      before += in_warp[i];
    }
    if (chosen) list[place] = row;
    __syncthreads();
  }
  return before;
}

/// One block, since rows are few.
__global__ void __launch_bounds__(select_threads)
    select_kernel(const Slot* slot, int rows, int room, CompactionScratch scratch) {
  const int count = list_rows(slot, room, rows, true, scratch.from);
  list_rows(slot, 0, room, false, scratch.to);
  if (threadIdx.x == 0) *scratch.count = count;
}

/// For all threads of the block.
__device__ void move_row(float* rows, Index stride, int from, int to) {
  for (Index k = 4 * threadIdx.x; k < stride; k += 4 * step_threads)
    store4(rows + to * stride + k, load4(rows + from * stride + k));
}

/// No row that one leaves is one that another goes to.
__global__ void __launch_bounds__(step_threads) move_kernel(Slots slots, CompactionScratch scratch) {
  const auto i = static_cast<int>(blockIdx.x);
  if (i >= *scratch.count) return;
  const int from = scratch.from[i];
  const int to = scratch.to[i];
  move_row(slots.states, slots.stride, from, to);
  move_row(slots.next, slots.stride, from, to);
  if (threadIdx.x != 0) return;
  slots.slot[to] = slots.slot[from];
  slots.slot[from].query = -1;
}

}  // namespace

CompactionScratch take_compaction_scratch(Workspace& workspace, int rows) {
  CompactionScratch scratch = {};
  const auto count = static_cast<std::size_t>(rows);
  scratch.from = workspace.take<int>(count);
  scratch.to = workspace.take<int>(count);
  scratch.count = workspace.take<int>(1);
  return scratch;
}

void compact(const Slots& slots, const CompactionScratch& scratch, int rows, int room, cudaStream_t stream) {
  launch_kernel("select_kernel", select_kernel, {1, select_threads}, stream, slots.slot, rows, room, scratch);
  const auto most = static_cast<unsigned>(std::min(room, rows - room));
  launch_kernel("move_kernel", move_kernel, {most, step_threads}, stream, slots, scratch);
}

}  // namespace attractor::cuda
