#include "kernels/cuda/streamed/compaction.hpp"

#include <string>
#include <utility>

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/streamed/readout.cuh"

namespace attractor::cuda {
namespace {

constexpr int select_threads = 1024;
constexpr int select_warps = select_threads / warp_size;

/// Lists the rows in flight, in order. One block, since rows are few. (CUB's selection would take an error that the
/// application left behind for its own.)
__global__ void __launch_bounds__(select_threads) select_kernel(const Slot* slot, int rows, int* chosen, int* count) {
  __shared__ int in_warp[select_warps];
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int warp = static_cast<int>(threadIdx.x) / warp_size;
  int before = 0;
  for (int first = 0; first < rows; first += select_threads) {
    const int row = first + static_cast<int>(threadIdx.x);
    const bool in_flight = row < rows && slot[row].query >= 0;
    const unsigned lanes = __ballot_sync(all_lanes, in_flight);
    if (lane == 0) in_warp[warp] = __popc(lanes);
    __syncthreads();
    int place = before + __popc(lanes & ((1U << lane) - 1U));
    for (int i = 0; i < select_warps; ++i) {
      if (i < warp) place += in_warp[i];
      before += in_warp[i];
    }
    if (in_flight) chosen[place] = row;
    __syncthreads();
  }
  if (threadIdx.x == 0) *count = before;
}

/// For all threads of the block.
__device__ void move_row(const float* from, float* to, Index stride) {
  for (Index k = 4 * threadIdx.x; k < stride; k += 4 * step_threads) store4(to + k, load4(from + k));
}

__global__ void __launch_bounds__(step_threads)
    move_kernel(Slots slots, Slot* moved, const int* chosen, const int* count) {
  const int to = static_cast<int>(blockIdx.x);
  if (to >= *count) {
    if (threadIdx.x == 0) moved[to].query = -1;
    return;
  }
  const int from = chosen[to];
  if (threadIdx.x == 0) moved[to] = slots.slot[from];
  move_row(slots.states + from * slots.stride, slots.next + to * slots.stride, slots.stride);
}

/// Row i of `to` becomes row chosen[i] of `from`.
__global__ void __launch_bounds__(step_threads)
    gather_kernel(const float* from, float* to, Index stride, const int* chosen, const int* count) {
  const int row = static_cast<int>(blockIdx.x);
  if (row < *count) move_row(from + chosen[row] * stride, to + row * stride, stride);
}

}  // namespace

CompactionScratch take_compaction_scratch(Workspace& workspace, int rows) {
  CompactionScratch scratch = {};
  const auto count = static_cast<std::size_t>(rows);
  scratch.slot = workspace.take<Slot>(count);
  scratch.chosen = workspace.take<int>(count);
  scratch.count = workspace.take<int>(1);
  return scratch;
}

void compact(Slots& slots, CompactionScratch& scratch, int rows, int room, float* passage, cudaStream_t stream) {
  launch_kernel("select_kernel", select_kernel, {1, select_threads}, stream, slots.slot, rows, scratch.chosen,
                scratch.count);
  if (passage != nullptr)
    launch_kernel("gather_kernel", gather_kernel, {static_cast<unsigned>(room), step_threads}, stream, slots.next,
                  passage, slots.stride, scratch.chosen, scratch.count);
  launch_kernel("move_kernel", move_kernel, {static_cast<unsigned>(room), step_threads}, stream, slots, scratch.slot,
                scratch.chosen, scratch.count);
  std::swap(slots.slot, scratch.slot);
  std::swap(slots.states, slots.next);
  if (passage != nullptr)
    check(cudaMemcpyAsync(slots.next, passage, elements(room, slots.stride) * sizeof(float), cudaMemcpyDeviceToDevice,
                          stream),
          "cudaMemcpyAsync of " + std::to_string(room) + " states");
}

}  // namespace attractor::cuda
