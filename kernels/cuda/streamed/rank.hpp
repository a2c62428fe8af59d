#pragma once

/// The best patterns of rows whose scores are all there, and their shares of the weights.

#include <cuda_runtime_api.h>

#include <attractor/matrix_view.hpp>
#include <attractor/separation.hpp>

namespace attractor::cuda {

struct RankedRows {
  int rows;
  int patterns;
  const float* scores;  ///< [rows × stride]
  Index stride;
  /// [rows × k] the best patterns, of equals those stored first; −1: no more above −∞, or their share is no number
  MatrixView<Index> best;
  MatrixView<float> shares;  ///< [rows × k] their weights over Σ of them, NaN where there is none; null: unwanted
};

/// Weights are those of launch_settle, to the bit.
void launch_rank(const NormalisedSeparation& separation, const RankedRows& rows, cudaStream_t stream);

}  // namespace attractor::cuda
