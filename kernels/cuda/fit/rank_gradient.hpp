#pragma once

/// The gradient of a loss by rank weights: Σ over pairs of the loss's derivative by the pair's score, times its ranked
/// terms. These are sorted anew, in registers: cheaper than to store and read what the scores were made of.

#include <cuda_runtime_api.h>

#include <attractor/matrix_view.hpp>
#include <attractor/similarity.hpp>

#include "kernels/cuda/adaptive/pair_batch.hpp"

namespace attractor::cuda {

/// All pointers are on the device.
struct RankGradient {
  PairBatch pairs;  ///< states are finite
  FootprintBase base = FootprintBase::squared_distance;
  bool per_pattern = false;  ///< weights of each pattern

  const float* residuals = nullptr;  ///< [rows × pattern_count] derivatives by the scores
  Index residual_stride = 0;

  double* parts = nullptr;  ///< [gradient_parts × (1 or pattern_count) × ranks] gradients, to be added up
};

/// In how many parts the gradient comes: a matter of shapes alone, and so are the parts' bits.
Index gradient_parts(const RankGradient& gradient);

/// Enqueues one kernel. Negligible residuals may be left out.
void launch_rank_gradient(const RankGradient& gradient, cudaStream_t stream);

}  // namespace attractor::cuda
