#pragma once

/// The loop over steps as part of a graph: the device itself decides how many there are and when fewer slots take part.
///
/// Steps go in pairs, for each reads what the one before it wrote and the parts of a graph are fixed: for every rung of
/// the ladder a loop over pairs of steps, of which the second is left out where no query remains.

#include <cuda_runtime_api.h>

#include <functional>

#include "kernels/cuda/device/graph.hpp"
#include "kernels/cuda/engine/slots.hpp"
#include "kernels/cuda/streamed/ladder.hpp"

namespace attractor::cuda {

/// How far a loop has come; zero at its start.
struct LoopProgress {
  // NOLINTBEGIN(google-runtime-int): as QueryCounts
  unsigned long long latest;   ///< queries finished after the first step of this pair,
  unsigned long long settled;  ///< and of the pair before: what a host knows that is a few steps ahead of its device
  // NOLINTEND(google-runtime-int)
  int rung;
};

/// What a loop is made of. Functions enqueue.
struct DeviceLoop {
  const Ladder& ladder;
  Index queries;
  const QueryCounts* counts;
  LoopProgress* progress;
  std::function<void(int rows, cudaStream_t stream)> first_step;
  std::function<void(int rows, cudaStream_t stream)> second_step;
  std::function<void(int room, cudaStream_t stream)> compact;
};

/// Adds the loop to what `stream` is being captured in. Its parts are captured on `parts`, a stream of the same device
/// that is idle.
void record_loop(const DeviceLoop& loop, cudaStream_t stream, cudaStream_t parts);

}  // namespace attractor::cuda
