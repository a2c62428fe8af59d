#pragma once

/// Linear memories that fit in shared memory: one persistent kernel relaxes a whole job. Blocks keep the memory and the
/// states of their queries for the length of the launch; a query that halts makes room for one that waits. The bits of
/// a result depend on the memory, the query and the kind of device only.
///
/// Three kernels share the work: integers for states of ±1 under sign updates (bipolar.hpp), teams of warps on tensor
/// cores for tanh updates (teams.hpp), and floats for all else. A memory has what fits: halves leave room for more than
/// floats do, so larger ones may have teams alone.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/engine/job.hpp"
#include "kernels/cuda/resident/bipolar.hpp"
#include "kernels/cuda/resident/resident_layout.hpp"
#include "kernels/cuda/resident/teams.hpp"

namespace attractor::cuda {

/// A linear memory as the kernel on floats takes it.
struct FloatMemory {
  resident::Layout layout;
  float scale = 1.0F;
  int most_blocks = 1;            ///< that the device runs at the same time
  DeviceArray<std::byte> image;   ///< as it will lie in shared memory
  DeviceArray<float> resolution;  ///< [neurons] of the layout: the rounding of fields, for states of magnitude 1
};

/// A linear memory in shared memory, on the device that was current when it was made. It has floats or teams.
struct ResidentMemory {
  float safe_magnitude = 0.0F;  ///< of states: below it no score and no readout leaves the range of float
  std::optional<FloatMemory> floats;
  std::optional<BipolarMemory> bipolar = std::nullopt;  ///< where floats are, for states of ±1
  std::optional<TeamMemory> teams = std::nullopt;
};

/// u = scale·(Fᵀ(Fx) − diagonal∘x), E = −½ scale·(|Fx|² − Σ diagonal·x²). Empty where nothing of it fits the shared
/// memory of the current device. `resolution` [D] as for DeviceMemory.
std::optional<ResidentMemory> make_resident_factored(MatrixView<const float> factor, std::span<const float> diagonal,
                                                     std::span<const float> resolution, float scale);

/// u = scale·Wx, E = −½ xᵀu; W is symmetric. Empty where it doesn't fit.
std::optional<ResidentMemory> make_resident_dense(MatrixView<const float> weights, std::span<const float> resolution,
                                                  float scale);

/// Whether a factor of so many rows and columns fits the current device's, if fp16 holds its entries.
bool may_be_resident_factored(Index rows, Index columns);
/// The same of weights of so many neurons.
bool may_be_resident_dense(Index neurons);

/// Why there was none: "a block needs at least 300000 bytes of shared memory and may have 232448".
std::string why_not_resident_factored(MatrixView<const float> factor, std::span<const float> diagonal);
std::string why_not_resident_dense(MatrixView<const float> weights);

/// Whether jobs of such an update can be relaxed so, which all can where floats are.
bool takes_update(const ResidentMemory& memory, const UpdateRule& update);

/// Device memory that launches on one stream need for themselves, to relax so many queries.
std::size_t resident_workspace_bytes(const ResidentMemory& memory, Index queries);

/// Relaxes such a job, in launches of `most_queries`. Only enqueues work, so it may be captured in a graph. Sign
/// updates of states of ±1 go by integers where they can, before all others: the results are the same bits.
void launch_resident(const ResidentMemory& memory, const Job& job, void* workspace, cudaStream_t stream,
                     Index most_queries = launch_queries);

}  // namespace attractor::cuda
