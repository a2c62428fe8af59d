#pragma once

/// Gradients by up to 64 rank weights: one thread for each pair, with the terms and as many sums of its own in
/// registers. A block keeps a tile of patterns and lets tiles of states pass by.

#include "kernels/cuda/adaptive/lane_sums.cuh"
#include "kernels/cuda/adaptive/pair_tile.cuh"
#include "kernels/cuda/device/compensated_sum.cuh"
#include "kernels/cuda/fit/rank_gradient.hpp"
#include "kernels/negligible.hpp"

namespace attractor::cuda::adaptive {

/// Tiles of states that a block adds up.
inline constexpr int gradient_tiles = 4;

/// One block's work on pairs with up to `size` terms in a group, more than size − 8 in all but one rank fewer in some.
/// Methods are called by all threads.
template <FootprintBase base, int size>
class TileGradient {
 public:
  static std::size_t shared_bytes(const RankGradient& job) {
    return sizeof(float4) * std::size_t{Tile::shared_quads} +
           sizeof(CompensatedSum) * static_cast<std::size_t>(sum_rows(job) * sum_pitch);
  }

  __device__ TileGradient(const RankGradient& job, float4* shared)
      : job_(job),
        pairs_(job.pairs),
        warp_(static_cast<int>(threadIdx.x) / warp_size),
        lane_(static_cast<int>(threadIdx.x) % warp_size),
        tile_(job.pairs, shared),
        sums_(reinterpret_cast<CompensatedSum*>(shared + Tile::shared_quads)) {}

  __device__ void run() {
    const int pattern_tiles = (pairs_.pattern_count + tile_patterns - 1) / tile_patterns;
    const int part = static_cast<int>(blockIdx.x) / pattern_tiles;
    first_pattern_ = static_cast<int>(blockIdx.x) % pattern_tiles * tile_patterns;
    for (int i = static_cast<int>(threadIdx.x); i < sum_rows(job_) * sum_pitch; i += tile_threads) sums_[i] = {};
    const Index begin = Index{part} * gradient_tiles * tile_states;
    const Index end = min(begin + gradient_tiles * tile_states, Index{pairs_.rows});
    for (first_row_ = begin; first_row_ < end; first_row_ += tile_states)
      add_tile(static_cast<int>(min(end - first_row_, Index{tile_states})), first_row_ == begin);
    __syncthreads();
    store(job_.per_pattern ? Index{part} * pairs_.pattern_count + first_pattern_ : Index{blockIdx.x});
  }

 private:
  using Tile = PairTile<size>;

  /// An odd distance between rows, as for the tile's.
  static constexpr int sum_pitch = size + 1;

  ATTRACTOR_HOST_DEVICE static int sum_rows(const RankGradient& job) { return job.per_pattern ? tile_patterns : 1; }

  /// Few dozen terms to a float, so that its error doesn't grow with the number of states.
  __device__ __forceinline__ void add_tile(int rows, bool first) {
    float sums[size] = {};
    for (int group = 0; group < pairs_.groups; ++group) {
      __syncthreads();
      load_states(rows, group);
      if (pairs_.groups > 1 || first) load_patterns(group);
      __syncthreads();
      const int terms = group_terms(pairs_.dimension, group, pairs_.groups);
      for (int row = warp_; row < rows; row += tile_warps) add_pair(row, terms, sums);
    }
    for (int turn = 0; turn < tile_warps; ++turn) {
      __syncthreads();
      if (turn == warp_) flush(sums);
    }
  }

  // One row at a time: more would take registers that the sums need.
  __device__ void load_states(int rows, int group) {
#pragma unroll 1
    for (int row = warp_; row < rows; row += tile_warps) tile_.load_state(first_row_ + row, group, row);
  }
  __device__ void load_patterns(int group) {
#pragma unroll 1
    for (int row = warp_; row < tile_patterns; row += tile_warps) tile_.load_pattern(first_pattern_ + row, group, row);
  }

  /// This warp's row with each lane's pattern.
  __device__ __forceinline__ void add_pair(int row, int terms, float (&sums)[size]) const {
    const int lane = anew(lane_);
    const int pattern = first_pattern_ + lane;
    const float residual =
        pattern < pairs_.pattern_count ? job_.residuals[(first_row_ + row) * job_.residual_stride + pattern] : 0.0F;
    if (__all_sync(all_lanes, fabsf(residual) < detail::negligible) != 0) return;
    float losses[size];
    tile_.template load_losses<base>(row, lane, losses);
    sort(losses);
    // Those of entries that the group lacks come last, and are infinite.
    clear_past<size - 8>(losses, anew(terms));
    // What has no weight adds nothing, however far away it is.
    if (residual == 0.0F) return;
#pragma unroll
    for (int i = 0; i < size; ++i) sums[i] = fmaf(-residual, losses[i], sums[i]);
  }

  /// Adds a warp's sums to those of the block.
  __device__ __forceinline__ void flush(float (&sums)[size]) {
    if (job_.per_pattern) {
      CompensatedSum* const row = sums_ + lane_ * sum_pitch;
#pragma unroll
      for (int i = 0; i < size; ++i) row[i].add(sums[i]);
    } else {
      sum_lanes(lane_, sums, [&](int i, float sum) { sums_[i].add(sum); });
    }
  }

  __device__ void store(Index part_row) const {
    const int ranks = pairs_.ranks();
    const int rows = job_.per_pattern ? min(tile_patterns, pairs_.pattern_count - first_pattern_) : 1;
    for (int i = static_cast<int>(threadIdx.x); i < rows * ranks; i += tile_threads)
      job_.parts[part_row * ranks + i] = sums_[i / ranks * sum_pitch + i % ranks].value();
  }

  const RankGradient& job_;
  const PairBatch& pairs_;
  Index first_row_ = 0;
  int first_pattern_ = 0;
  int warp_;
  int lane_;
  Tile tile_;
  CompensatedSum* sums_;  ///< [1 or tile_patterns × sum_pitch]
};

/// Blocks that a multiprocessor must have the registers for: as many as go without spilling on all architectures.
constexpr int gradient_blocks(int size) { return size <= 24 ? 5 : size <= 40 ? 4 : 3; }

template <FootprintBase base, int size>
__global__ void __launch_bounds__(tile_threads, gradient_blocks(size)) add_tiles(RankGradient job) {
  extern __shared__ float4 shared[];
  TileGradient<base, size>(job, shared).run();
}

}  // namespace attractor::cuda::adaptive
