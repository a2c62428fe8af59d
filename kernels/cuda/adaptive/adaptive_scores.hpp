#pragma once

/// Adaptive scores of a batch of states x with patterns ξ: the terms of each pair are sorted in registers and weighed,
/// or where patterns take few values those of a state for all patterns; no footprint is stored.
/// core/attractor/similarity.hpp defines them.

#include <cuda_runtime_api.h>

#include <attractor/matrix_view.hpp>

#include "kernels/cuda/adaptive/levels.hpp"
#include "kernels/cuda/adaptive/pair_batch.hpp"
#include "kernels/cuda/adaptive/rank_layout.hpp"

namespace attractor::cuda {

/// @throws NotSupported more ranks than the kernels sort.
void check_ranks(Index dimension, Index groups);

/// Floats of a row of weights for so many ranks, at most `most_ranks`: a multiple of 8.
int padded_ranks(int ranks);

/// Rank weights of one base, its β included: rows of `padded_ranks` floats, zero from the last rank on.
struct RankWeights {
  const float* values = nullptr;  ///< null: the base isn't used
  Index stride = 0;               ///< from one pattern's weights to the next one's; 0: all share them

  [[nodiscard]] RankWeights from(Index pattern) const {
    return {values == nullptr ? nullptr : values + pattern * stride, stride};
  }
};

/// All pointers are on the device.
struct AdaptiveScores {
  PairBatch pairs;
  RankWeights squared_distance;
  RankWeights dot;
  const float* log_prior = nullptr;  ///< [pattern_count]; null: all 0
  PatternLevels levels = {};         ///< where they are known, there is one group and weights are shared

  float* scores = nullptr;  ///< [rows × pattern_count]
  Index score_stride = 0;
};

/// Enqueues one kernel. The bits of a score depend on its state and its pattern, on `groups`, on the weights and on
/// which levels there are alone.
/// The scores of a state that isn't finite are NaN. A pair with a term outside ±2¹²⁶ may get NaN or any value; patterns
/// are finite.
void launch_adaptive_scores(const AdaptiveScores& scores, cudaStream_t stream);

}  // namespace attractor::cuda
