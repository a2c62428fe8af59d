#pragma once

/// Adaptive scores of up to 64 ranks: one thread for each pair. A block keeps a tile of states in shared memory and
/// lets its part of the patterns pass by; a warp takes one state at a time, a lane one pattern.

#include "kernels/cuda/adaptive/adaptive_scores.hpp"
#include "kernels/cuda/adaptive/pair_tile.cuh"

namespace attractor::cuda::adaptive {

/// Rows of a tile of weights.
ATTRACTOR_HOST_DEVICE inline int weight_rows(const RankWeights& weights) {
  return weights.values == nullptr ? 0 : weights.stride == 0 ? 1 : tile_patterns;
}

/// One block's work on pairs with up to `size` terms in a group. Methods are called by all threads.
template <int size>
class TileScorer {
 public:
  static std::size_t shared_bytes(const AdaptiveScores& job) {
    const int weights = weight_rows(job.squared_distance) + weight_rows(job.dot);
    return sizeof(float4) * static_cast<std::size_t>(Tile::shared_quads + tile_states / 4 + weights * Tile::pitch);
  }

  __device__ TileScorer(const AdaptiveScores& job, float4* shared)
      : job_(job),
        pairs_(job.pairs),
        warp_(static_cast<int>(threadIdx.x) / warp_size),
        lane_(static_cast<int>(threadIdx.x) % warp_size),
        tile_(job.pairs, shared),
        finite_(Tile::floats(shared + Tile::shared_quads)),
        squared_distance_rows_(weight_rows(job.squared_distance)),
        dot_rows_(weight_rows(job.dot)),
        squared_distance_weights_(shared + Tile::shared_quads + tile_states / 4),
        dot_weights_(squared_distance_weights_ + squared_distance_rows_ * Tile::pitch) {}

  /// Scores of these tiles of pairs, which are numbered along the patterns first.
  __device__ void run(Index first, Index last) {
    const int row_tiles = (pairs_.pattern_count + tile_patterns - 1) / tile_patterns;
    for (Index tile = first; tile < last; ++tile) {
      const Index row = tile / row_tiles * tile_states;
      const bool other_states = tile == first || row != first_row_;
      first_row_ = row;
      rows_ = static_cast<int>(min(pairs_.rows - row, Index{tile_states}));
      first_pattern_ = static_cast<int>(tile % row_tiles) * tile_patterns;
      for (int group = 0; group < pairs_.groups; ++group) {
        __syncthreads();
        if (pairs_.groups > 1 || other_states) load_states(group);
        load_patterns(group);
        load_weights(job_.squared_distance, squared_distance_weights_, group, tile == first);
        load_weights(job_.dot, dot_weights_, group, tile == first);
        __syncthreads();
        for (int i = warp_; i < rows_; i += tile_warps) score(i, group);
      }
    }
  }

 private:
  using Tile = PairTile<size>;

  /// Also notes for each state 0 if its entries of the group are finite, else NaN.
  __device__ void load_states(int group) {
    for (int row = warp_; row < rows_; row += tile_warps) {
      const bool finite = __all_sync(all_lanes, tile_.load_state(first_row_ + row, group, row)) != 0;
      if (lane_ == 0) finite_[row] = finite ? 0.0F : NAN;
    }
  }

  __device__ void load_patterns(int group) {
    for (int row = warp_; row < tile_patterns; row += tile_warps) tile_.load_pattern(first_pattern_ + row, group, row);
  }

  /// Those of the group's terms, zero past them. Shared ones stay where there is but one group.
  __device__ void load_weights(const RankWeights& weights, float4* tile, int group, bool first) {
    if (pairs_.groups == 1 && weights.stride == 0 && !first) return;
    const int rows = weight_rows(weights);
    const int terms = group_terms(pairs_.dimension, group, pairs_.groups);
    for (int row = warp_; row < rows; row += tile_warps) {
      const float* const values = weights.values + tile_.nearest_pattern(first_pattern_ + row) * weights.stride;
#pragma unroll
      for (int slot = lane_; slot < size; slot += warp_size)
        Tile::floats(tile)[row * 4 * Tile::pitch + slot] = slot < terms ? values[slot] : 0.0F;
    }
  }

  /// Adds a group to the score of this warp's row with each lane's pattern.
  __device__ __forceinline__ void score(int row, int group) {
    const int pattern = first_pattern_ + lane_;
    const bool exists = pattern < pairs_.pattern_count;
    float* const score = job_.scores + (first_row_ + row) * job_.score_stride + pattern;
    float sum = finite_[row];
    if (exists && group > 0) sum += *score;
    if (exists && group == 0 && job_.log_prior != nullptr) sum += job_.log_prior[pattern];
    const int terms = group_terms(pairs_.dimension, group, pairs_.groups);
    // One copy of the network serves both bases.
#pragma unroll 1
    for (int i = 0; i < 2; ++i)
      sum -= loss_sum(i == 0 ? FootprintBase::squared_distance : FootprintBase::dot, row, terms);
    if (exists) *score = sum;
  }

  /// Of this warp's row with each lane's pattern, weighed; 0 where the base isn't used.
  __device__ __forceinline__ float loss_sum(FootprintBase base, int row, int terms) const {
    const bool dot = base == FootprintBase::dot;
    const int rows = dot ? dot_rows_ : squared_distance_rows_;
    if (rows == 0) return 0.0F;
    float losses[size];
    const int lane = anew(lane_);
    if (dot)
      tile_.template load_losses<FootprintBase::dot>(row, lane, losses);
    else
      tile_.template load_losses<FootprintBase::squared_distance>(row, lane, losses);
    sort(losses);
    // Those of entries that the group lacks come last, and are infinite.
    clear_past<size - 8>(losses, anew(terms));
    return weighted_sum(losses,
                        (dot ? dot_weights_ : squared_distance_weights_) + (rows == 1 ? 0 : lane * Tile::pitch));
  }

  const AdaptiveScores& job_;
  const PairBatch& pairs_;
  Index first_row_ = 0;
  int rows_ = 0;
  int first_pattern_ = 0;
  int warp_;
  int lane_;
  Tile tile_;
  float* finite_;  ///< [tile_states]
  int squared_distance_rows_;
  int dot_rows_;
  float4* squared_distance_weights_;  ///< rows of Tile::pitch
  float4* dot_weights_;
};

/// Blocks that a multiprocessor must have the registers for: as many as go without spilling on all architectures.
constexpr int tile_blocks(int size) { return size <= 32 ? 5 : size <= 48 ? 4 : 3; }

template <int size>
__global__ void __launch_bounds__(tile_threads, tile_blocks(size)) score_tiles(AdaptiveScores job, Index tiles) {
  extern __shared__ float4 shared[];
  TileScorer<size>(job, shared).run(tiles * blockIdx.x / gridDim.x, tiles * (blockIdx.x + 1) / gridDim.x);
}

}  // namespace attractor::cuda::adaptive
