#include "kernels/cuda/compaction.hpp"

#include <cub/device/device_select.cuh>
#include <utility>

#include "kernels/cuda/error.hpp"
#include "kernels/cuda/readout.cuh"

namespace attractor::cuda {
namespace {

struct InFlight {
  const Slot* slot;
  __device__ bool operator()(int row) const { return slot[row].query >= 0; }
};

cudaError_t select(void* scratch, std::size_t& bytes, const Slot* slot, int* chosen, int* count, int rows,
                   cudaStream_t stream) {
  return cub::DeviceSelect::If(scratch, bytes, thrust::counting_iterator<int>(0), chosen, count, rows, InFlight{slot},
                               stream);
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
  for (Index k = 4 * threadIdx.x; k < slots.stride; k += 4 * step_threads)
    store4(slots.next + to * slots.stride + k, load4(slots.states + from * slots.stride + k));
}

}  // namespace

CompactionScratch take_compaction_scratch(Workspace& workspace, int rows) {
  CompactionScratch scratch = {};
  const auto count = static_cast<std::size_t>(rows);
  scratch.slot = workspace.take<Slot>(count);
  scratch.chosen = workspace.take<int>(count);
  scratch.count = workspace.take<int>(1);
  check(select(nullptr, scratch.select_bytes, scratch.slot, scratch.chosen, scratch.count, rows, nullptr),
        "cub::DeviceSelect::If, its scratch for " + std::to_string(rows) + " rows");
  scratch.select = workspace.take<std::byte>(scratch.select_bytes);
  return scratch;
}

void compact(Slots& slots, CompactionScratch& scratch, int rows, int room, cudaStream_t stream) {
  check(select(scratch.select, scratch.select_bytes, slots.slot, scratch.chosen, scratch.count, rows, stream),
        "cub::DeviceSelect::If of " + std::to_string(rows) + " rows");
  move_kernel<<<static_cast<unsigned>(room), step_threads, 0, stream>>>(slots, scratch.slot, scratch.chosen,
                                                                        scratch.count);
  check_launch("move_kernel");
  std::swap(slots.slot, scratch.slot);
  std::swap(slots.states, slots.next);
}

}  // namespace attractor::cuda
