#pragma once

/// The gradient of a loss by rank weights: Σ over pairs of the loss's derivative by the pair's score, times its ranked
/// terms. These are sorted anew, in registers: cheaper than to store and read what the scores were made of.

#include <cuda_runtime_api.h>

#include <attractor/host_device.hpp>
#include <attractor/matrix.hpp>
#include <attractor/similarity.hpp>

namespace attractor::cuda {

/// Smaller residuals change no digit of a gradient that floats could tell.
inline constexpr float negligible = 1e-10F;

/// All pointers are on the device. States and patterns are as AdaptiveScores takes them, and finite.
struct RankGradient {
  const float* states = nullptr;  ///< [rows × dimension]
  Index state_stride = 0;
  int rows = 0;

  const float* patterns = nullptr;  ///< [pattern_count × dimension]
  Index pattern_stride = 0;
  int pattern_count = 0;
  int dimension = 0;

  int groups = 1;  ///< rank_count(dimension, groups) ≤ most_ranks
  FootprintBase base = FootprintBase::squared_distance;
  bool per_pattern = false;  ///< weights of each pattern

  const float* residuals = nullptr;  ///< [rows × pattern_count] derivatives by the scores
  Index residual_stride = 0;

  [[nodiscard]] ATTRACTOR_HOST_DEVICE int ranks() const { return (dimension + groups - 1) / groups; }

  double* parts = nullptr;  ///< [gradient_parts × (1 or pattern_count) × ranks] gradients, to be added up
};

/// In how many parts the gradient comes: a matter of shapes alone, and so are the parts' bits.
Index gradient_parts(const RankGradient& gradient);

/// Enqueues one kernel. Negligible residuals may be left out.
void launch_rank_gradient(const RankGradient& gradient, cudaStream_t stream);

}  // namespace attractor::cuda
