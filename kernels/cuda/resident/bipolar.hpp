#pragma once

/// Factored memories of ±1 under sign updates: states of ±1 are bits, products those of bytes on tensor cores, and all
/// sums integers. Results are those of the resident kernel on floats, bit for bit.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <optional>
#include <span>

#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/engine/job.hpp"
#include "kernels/cuda/resident/bipolar_layout.hpp"

namespace attractor::cuda {

/// Such a memory, on the device that was current when it was made.
struct BipolarMemory {
  bipolar::Layout layout;
  float scale = 1.0F;
  float resolution = 0.0F;       ///< of all neurons
  float most_magnitude = 1.0F;   ///< of queries that have taken their first step, up to which all is as for ±1
  int own = 0;                   ///< what a neuron's own state counts in its readout, if its field has none of that
  int most_blocks = 1;           ///< that the device runs at the same time
  DeviceArray<std::byte> image;  ///< as it will lie in shared memory
};

/// Empty where the factor isn't of ±1, the current device has no tensor cores or it doesn't fit its shared memory.
std::optional<BipolarMemory> make_bipolar(MatrixView<const float> factor, std::span<const float> diagonal,
                                          std::span<const float> resolution, float scale);

/// Whether a job's states of ±1 can be relaxed so.
bool takes_job(const BipolarMemory& memory, const Job& job);

/// Whether its other queries can, too, from their first step on: what has come of them is ±1 as a rule.
bool takes_first_states(const BipolarMemory& memory, const Job& job);

/// A launch on part of a job. `next_query` and the count of `left` are 0 before it.
struct BipolarLaunch {
  QueryCounter* next_query;
  ListedRows queries = {};  ///< these alone, unless null
  ListedRows left;          ///< where those of them are listed that it doesn't take
  bool stepped = false;     ///< they have taken their first step, which left them in the job's states
};

/// Relaxes the queries of ±1 of such a job, of launch_queries at most, and lists all others.
void launch_bipolar(const BipolarMemory& memory, const Job& job, const BipolarLaunch& part, cudaStream_t stream);

}  // namespace attractor::cuda
