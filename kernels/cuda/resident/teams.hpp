#pragma once

/// Linear memories under tanh updates on tensor cores, at the accuracy of float: teams of warps keep states in
/// registers, two fp16 terms of each are a product's left operand, and patterns or weights are fp16 terms in shared
/// memory.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <optional>
#include <span>

#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/engine/job.hpp"
#include "kernels/cuda/resident/teams_layout.hpp"

namespace attractor::cuda {

/// Such a memory, on the device that was current when it was made.
struct TeamMemory {
  teams::Layout layout;
  float scale = 1.0F;
  float unit = 1.0F;                      ///< of the matrix: entries are so many times what their terms add up to
  float score_scale = 1.0F;               ///< factored: brings sums of scores within the range of fp16
  std::optional<float> uniform_diagonal;  ///< of all neurons, if it is the same
  float diagonal_unit = 1.0F;             ///< likewise of the diagonal, which so is below 1
  float largest_diagonal = 0.0F;          ///< in magnitude
  int most_blocks = 1;                    ///< that the device runs at the same time
  DeviceArray<std::byte> image;           ///< as it will lie in shared memory
};

/// Of a factor and the diagonal that readouts are without, or of symmetric weights. Empty where the current device has
/// no tensor cores, the matrix doesn't fit its shared memory, or two fp16 terms don't hold it as floats do.
std::optional<TeamMemory> make_teams(teams::Form form, MatrixView<const float> matrix, std::span<const float> diagonal,
                                     float scale);

/// The least bytes that a block needs for such a memory; empty where there is none whatever the bytes.
std::optional<Index> least_team_bytes(teams::Form form, MatrixView<const float> matrix,
                                      std::span<const float> diagonal);

/// Whether jobs of such an update can be relaxed so. Then they are, whatever their queries are.
bool takes_update(const TeamMemory& memory, const UpdateRule& update);

/// Relaxes such a job, of launch_queries at most. `next_query` is 0. No readout of states below `safe_magnitude`
/// leaves the range of float.
void launch_teams(const TeamMemory& memory, const Job& job, float safe_magnitude, QueryCounter* next_query,
                  cudaStream_t stream);

}  // namespace attractor::cuda
