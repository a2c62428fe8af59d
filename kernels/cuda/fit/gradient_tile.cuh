#pragma once

/// Gradients by up to 64 rank weights: one thread for each pair whose residual isn't negligible, with the terms and as
/// many sums of its own in registers. A block keeps a tile of patterns and lets tiles of states pass by.

#include "kernels/cuda/adaptive/lane_sums.cuh"
#include "kernels/cuda/adaptive/pair_tile.cuh"
#include "kernels/cuda/device/compensated_sum.cuh"
#include "kernels/cuda/fit/pair_queue.cuh"
#include "kernels/cuda/fit/rank_gradient.hpp"

namespace attractor::cuda::adaptive {

/// Tiles of states that a block adds up.
inline constexpr int gradient_tiles = 4;

/// One block's work on pairs with up to `size` terms in a group, more than size − 8 in all but one rank fewer in some.
/// Methods are called by all threads.
template <FootprintBase base, int size>
class TileGradient {
 public:
  static std::size_t shared_bytes(const RankGradient& job) {
    return sizeof(float4) * std::size_t{Tile::shared_quads} + Queue::shared_bytes +
           sizeof(CompensatedSum) * static_cast<std::size_t>(sum_rows(job) * sum_pitch);
  }

  __device__ TileGradient(const RankGradient& job, float4* shared)
      : job_(job),
        pairs_(job.pairs),
        warp_(static_cast<int>((threadIdx.x / warp_size + blockIdx.x) % tile_warps)),
        lane_(static_cast<int>(threadIdx.x) % warp_size),
        tile_(job.pairs, shared),
        queue_(shared + Tile::shared_quads),
        sums_(reinterpret_cast<CompensatedSum*>(shared + Tile::shared_quads + Queue::shared_bytes / sizeof(float4))) {}

  __device__ void run() {
    const int pattern_tiles = (pairs_.pattern_count + tile_patterns - 1) / tile_patterns;
    const int part = static_cast<int>(blockIdx.x) / pattern_tiles;
    first_pattern_ = static_cast<int>(blockIdx.x) % pattern_tiles * tile_patterns;
    for (int i = static_cast<int>(threadIdx.x); i < sum_rows(job_) * sum_pitch; i += tile_threads) sums_[i] = {};
    const int begin = part * gradient_tiles * tile_states;
    const int end = min(begin + gradient_tiles * tile_states, pairs_.rows);
    for (first_row_ = begin; first_row_ < end; first_row_ += tile_states) add_tile(min(end - first_row_, tile_states));
    __syncthreads();
    store(job_.per_pattern ? Index{part} * pairs_.pattern_count + first_pattern_ : Index{blockIdx.x});
  }

 private:
  /// Lanes have pairs of different states.
  using Tile = PairTile<size, size / 4 | 1>;
  using Queue = PairQueue<tile_states, tile_threads>;
  static_assert(Queue::shared_bytes % sizeof(float4) == 0);

  /// An odd distance between rows, as for the tile's.
  static constexpr int sum_pitch = size + 1;

  ATTRACTOR_HOST_DEVICE static int sum_rows(const RankGradient& job) { return job.per_pattern ? tile_patterns : 1; }

  /// Few dozen terms to a float, so that its error doesn't grow with the number of states.
  __device__ __forceinline__ void add_tile(int rows) {
    queue_.fill(job_, first_row_, rows, first_pattern_);
    if (queue_.size() == 0) rows = 0;  // Nobody asks for these. To return would cost registers.
    float sums[size] = {};
    for (int group = 0; group < pairs_.groups; ++group) {
      if (group > 0) __syncthreads();
      load_states(rows, group);
      if (pairs_.groups > 1 || !has_patterns_) load_patterns(group);
      has_patterns_ = true;
      __syncthreads();
      const int terms = group_terms(pairs_.dimension, group, pairs_.groups);
      for (int place = first_place(); place < queue_.size(); place += tile_threads)
        add_pair(queue_.pair(place), terms, sums);
    }
    for (int turn = 0; turn < tile_warps; ++turn) {
      __syncthreads();
      if (turn == warp_ && first_place() < queue_.size()) flush(sums);
    }
  }

  /// Of this lane in the queue, whose size is a multiple of a warp's.
  [[nodiscard]] __device__ int first_place() const { return warp_ * warp_size + lane_; }

  // One row at a time: more would take registers that the sums need.
  __device__ void load_states(int rows, int group) {
#pragma unroll 1
    for (int row = warp_; row < rows; row += tile_warps) tile_.load_state(first_row_ + row, group, row);
  }
  __device__ void load_patterns(int group) {
#pragma unroll 1
    for (int row = warp_; row < tile_patterns; row += tile_warps) tile_.load_pattern(first_pattern_ + row, group, row);
  }

  /// Each lane's pair, if there is one.
  __device__ __forceinline__ void add_pair(int pair, int terms, float (&sums)[size]) const {
    float losses[size];
    // Anew, or each quad's address would be chosen apart.
    tile_.template load_losses<base>(anew(Queue::row(pair)), Queue::column(pair), losses);
    sort(losses);
    // Those of entries that the group lacks come last, and are infinite.
    clear_past<size - 8>(losses, anew(terms));
    // A lane without a pair has sorted one that is another's.
    if (pair == Queue::none) return;
    const float residual = residual_of(anew(pair));
#pragma unroll
    for (int i = 0; i < size; ++i) sums[i] = fmaf(-residual, losses[i], sums[i]);
  }

  [[nodiscard]] __device__ float residual_of(int pair) const {
    const Index row = first_row_ + Queue::row(pair);
    return job_.residuals[row * job_.residual_stride + first_pattern_ + Queue::column(pair)];
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
  int first_row_ = 0;
  int first_pattern_ = 0;
  int warp_;  ///< from block to block another one is the first, so that schedulers share few pairs
  int lane_;
  bool has_patterns_ = false;
  Tile tile_;
  Queue queue_;
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
