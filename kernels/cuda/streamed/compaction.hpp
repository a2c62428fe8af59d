#pragma once

/// Brings the queries still in flight together when no others wait, so that the products shrink with them.

#include <cuda_runtime_api.h>

#include "kernels/cuda/device/workspace.hpp"
#include "kernels/cuda/engine/slots.hpp"

namespace attractor::cuda {

/// Scratch of a compaction.
struct CompactionScratch {
  int* from;   ///< [rows] the rows that leave, in order
  int* to;     ///< [rows] the idle rows that they may go to, in order
  int* count;  ///< how many leave
};

CompactionScratch take_compaction_scratch(Workspace& workspace, int rows);

/// Moves the queries in flight from the first `rows` slots into idle ones among the first `room`, where there must be
/// room; the others stay where they are. A query's state before its last step moves along.
void compact(const Slots& slots, const CompactionScratch& scratch, int rows, int room, cudaStream_t stream);

}  // namespace attractor::cuda
