#pragma once

/// The pairs of a tile whose residuals matter, side by side, so that no lane of a warp waits while others sort.

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/device/quad.cuh"
#include "kernels/cuda/fit/rank_gradient.hpp"
#include "kernels/negligible.hpp"

namespace attractor::cuda::adaptive {

/// Up to so many states with a warp's width of patterns, looked through by so many threads. Pairs that matter lie in
/// the order of states, those of a state in that of patterns; with weights of each pattern a lane finds its own
/// pattern's alone, at the places that are its number modulo the width. So where all matter each is at its own place.
/// What comes where is a matter of residuals alone. Methods are called by all threads.
template <int most_rows, int threads>
class PairQueue {
 public:
  /// In place of a pair. Its row and column are a pair's that can be read.
  static constexpr int none = 0x8000;
  static constexpr int most = most_rows * warp_size;
  static constexpr std::size_t shared_bytes = sizeof(std::uint16_t) * most + sizeof(int) * threads;

  __device__ explicit PairQueue(void* shared)
      : counts_(static_cast<int*>(shared)), pairs_(reinterpret_cast<std::uint16_t*>(counts_ + threads)) {}

  /// Takes in a tile's pairs, which may be read after the next barrier; those of before have been, ahead of another
  /// one.
  __device__ __forceinline__ void fill(const RankGradient& job, Index first_row, int rows, int first_pattern) {
    const unsigned found = find(job, first_row, rows, first_pattern);
    const int own = __popc(found);
    const int count = job.per_pattern ? own : sum_of_warp(own);
    counts_[threadIdx.x] = count;
    __syncthreads();
    int before = 0;
    int total = 0;
    for (int i = 0; i < warps; ++i) {
      const int other = counts_[i * warp_size + lane()];
      if (i < warp()) before += other;
      total += other;
    }
    if (job.per_pattern)
      put_columns(found, before, total);
    else
      put_rows(found, count, before, total);
  }

  /// How many places are taken: a multiple of a warp's width.
  [[nodiscard]] __device__ int size() const { return size_; }

  /// The pair at a place, or none.
  [[nodiscard]] __device__ int pair(int place) const { return pairs_[place]; }

  __device__ static int row(int pair) { return static_cast<int>(static_cast<unsigned>(pair) / warp_size % most_rows); }
  __device__ static int column(int pair) { return static_cast<int>(static_cast<unsigned>(pair) % warp_size); }

 private:
  static constexpr int warps = threads / warp_size;
  static constexpr int steps = most_rows / warps;  ///< rows of a warp, one a step
  static_assert(steps * warps == most_rows && steps <= 32 && most <= none && none % most == 0);

  __device__ static int lane() { return static_cast<int>(threadIdx.x) % warp_size; }
  __device__ static int warp() { return static_cast<int>(threadIdx.x) / warp_size; }
  __device__ static int first_pair() { return warp() * steps * warp_size + lane(); }

  /// Bit s: whether the residual of the warp's s-th row and this lane's pattern isn't negligible.
  __device__ __forceinline__ unsigned find(const RankGradient& job, Index first_row, int rows,
                                           int first_pattern) const {
    const int pattern = first_pattern + lane();
    const int first = warp() * steps;
    const int end = pattern < job.pairs.pattern_count ? rows - first : 0;
    const float* residual = job.residuals + (first_row + first) * job.residual_stride + pattern;
    unsigned found = 0;
#pragma unroll
    for (int step = 0; step < steps; ++step) {
      if (step < end && !(fabsf(*residual) < detail::negligible)) found |= 1U << step;
      residual += job.residual_stride;
    }
    return found;
  }

  __device__ static int sum_of_warp(int value) {
#pragma unroll
    for (int distance = warp_size / 2; distance > 0; distance /= 2)
      value += __shfl_xor_sync(all_lanes, value, distance);
    return value;
  }

  /// The warp's `count` pairs, row by row, behind those of the warps before.
  __device__ __forceinline__ void put_rows(unsigned found, int count, int before, int total) {
    if (count == steps * warp_size) {
#pragma unroll
      for (int step = 0; step < steps; ++step) put(before + step * warp_size + lane(), step);
    } else {
      const unsigned below = (1U << lane()) - 1;
#pragma unroll
      for (int step = 0; step < steps; ++step) {
        const bool matters = (found >> step & 1U) != 0;
        const unsigned row = __ballot_sync(all_lanes, matters);
        if (matters) put(before + __popc(row & below), step);
        before += __popc(row);
      }
    }
    size_ = (total + warp_size - 1) / warp_size * warp_size;
    if (warp() == 0 && total + lane() < size_) pairs_[total + lane()] = none;
  }

  /// Every lane's pairs in its column, behind those of the warps before, and none where another column is longer.
  __device__ __forceinline__ void put_columns(unsigned found, int before, int total) {
    int place = before * warp_size + lane();
#pragma unroll
    for (int step = 0; step < steps; ++step) {
      if ((found >> step & 1U) == 0) continue;
      put(place, step);
      place += warp_size;
    }
    int longest = total;
    for (int distance = 1; distance < warp_size; distance *= 2)
      longest = max(longest, __shfl_xor_sync(all_lanes, longest, distance));
    for (int i = total + warp(); i < longest; i += warps) pairs_[i * warp_size + lane()] = none;
    size_ = longest * warp_size;
  }

  __device__ void put(int place, int step) {
    pairs_[place] = static_cast<std::uint16_t>(first_pair() + step * warp_size);
  }

  int size_ = 0;
  int* counts_;           ///< [threads] pairs that a warp found, of each lane's column or of all
  std::uint16_t* pairs_;  ///< [most]
};

}  // namespace attractor::cuda::adaptive
