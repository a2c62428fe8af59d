#pragma once

/// Adaptive scores of more ranks than one thread can sort: lanes of a warp share a pair. A warp takes one state at a
/// time and as many patterns as it has room for; these, states and weights come from the caches.

#include "kernels/cuda/adaptive/adaptive_scores.hpp"
#include "kernels/cuda/adaptive/lane_sort.cuh"

namespace attractor::cuda::adaptive {

inline constexpr int lane_warps = 4;
inline constexpr int lane_threads = lane_warps * warp_size;

/// What this lane's part of a pair's terms adds to the score; 0 where the base isn't used.
template <bool grouped, int count>
__device__ __forceinline__ float lane_score(const AdaptiveScores& job, FootprintBase base, Index pattern,
                                            const PairEntries& entries, const PairLane& pair) {
  const RankWeights& weights = base == FootprintBase::dot ? job.dot : job.squared_distance;
  if (weights.values == nullptr) return 0.0F;
  float losses[count];
  const float finite = base == FootprintBase::dot
                           ? load_losses<FootprintBase::dot, grouped>(entries, pair, losses)
                           : load_losses<FootprintBase::squared_distance, grouped>(entries, pair, losses);
  rank_losses<grouped>(entries, pair, losses);
  const float* const values = weights.values + pattern * weights.stride + pair.lane * count;
  return finite - weighted_sum(losses, reinterpret_cast<const float4*>(values));
}

/// `count` terms for each of `lanes` lanes hold those of a group.
template <int count, bool grouped>
__global__ void __launch_bounds__(lane_threads) score_pairs(AdaptiveScores job, int lanes) {
  const PairBatch& pairs = job.pairs;
  const int thread = static_cast<int>(threadIdx.x);
  const int warp_patterns = warp_size / lanes;
  const int parts = (pairs.pattern_count + warp_patterns - 1) / warp_patterns;
  const Index row = Index{static_cast<int>(blockIdx.x) / parts} * lane_warps + thread / warp_size;
  if (row >= pairs.rows) return;
  const int own = static_cast<int>(blockIdx.x) % parts * warp_patterns + thread % warp_size / lanes;
  // The last pattern stands in for those past it.
  const int pattern = min(own, pairs.pattern_count - 1);
  const PairLane pair = {lanes, thread % lanes};
  PairEntries entries = first_entries(pairs, row, pattern);
  float sum = pair.lane == 0 && job.log_prior != nullptr ? job.log_prior[pattern] : 0.0F;
  for (; entries.group < pairs.groups; ++entries.group) {
    // One copy of the network serves both bases.
#pragma unroll 1
    for (int i = 0; i < 2; ++i)
      sum += lane_score<grouped, count>(job, i == 0 ? FootprintBase::squared_distance : FootprintBase::dot, pattern,
                                        entries, pair);
  }
  for (int distance = lanes / 2; distance > 0; distance /= 2) sum += __shfl_xor_sync(all_lanes, sum, distance);
  if (pair.lane == 0 && own < pairs.pattern_count) job.scores[row * job.score_stride + pattern] = sum;
}

}  // namespace attractor::cuda::adaptive
