#pragma once

/// Brings the queries still in flight together when no others wait, so that the products shrink with them.

#include <cuda_runtime_api.h>

#include "kernels/cuda/device/workspace.hpp"
#include "kernels/cuda/engine/slots.hpp"

namespace attractor::cuda {

/// Scratch of a compaction, and the second copy of the slots that it moves to.
struct CompactionScratch {
  Slot* slot;   ///< [rows]
  int* chosen;  ///< [rows] the rows in flight, in order
  int* count;   ///< how many
};

CompactionScratch take_compaction_scratch(Workspace& workspace, int rows);

/// Moves the queries in flight of the first `rows` slots to the first `room` slots, of which the rest become idle.
/// There must be room. Afterwards `slots` and `scratch` have exchanged their arrays. What `slots.next` has, the states
/// before, moves along by way of `passage` [room × stride] unless that is null.
void compact(Slots& slots, CompactionScratch& scratch, int rows, int room, float* passage, cudaStream_t stream);

}  // namespace attractor::cuda
