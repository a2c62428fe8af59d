#pragma once

/// Gradients by more rank weights than one thread can sort terms for: lanes of a warp share a pair. Each thread keeps
/// its sums in shared memory, where they cost no registers, and the block adds them up after every few pairs.

#include "kernels/cuda/lane_sort.cuh"
#include "kernels/cuda/rank_gradient.hpp"

namespace attractor::cuda::adaptive {

/// What a block adds up: for weights of each pattern many states with as many patterns as a warp has room for, else few
/// states with more patterns.
inline constexpr int lane_rows = 32;
inline constexpr int most_lane_rows = 256;
inline constexpr int lane_patterns = 16;

ATTRACTOR_HOST_DEVICE inline int lane_block_patterns(const RankGradient& job, int lanes) {
  return job.per_pattern ? warp_size / lanes : lane_patterns;
}
ATTRACTOR_HOST_DEVICE inline int lane_block_rows(const RankGradient& job) {
  return job.per_pattern ? most_lane_rows : lane_rows;
}

/// Threads whose sums of `count` ranks take 32 KiB.
constexpr int gradient_threads(int count) { return 8192 / count; }

/// One block's work, `count` terms for each of `lanes` lanes. Methods are called by all threads.
template <FootprintBase base, bool grouped, int count>
class LaneGradient {
 public:
  static std::size_t shared_bytes(int lanes) {
    return sizeof(float4) * static_cast<std::size_t>(quads * sum_pitch(lanes));
  }

  __device__ LaneGradient(const RankGradient& job, int lanes, float4* shared)
      : job_(job),
        lanes_(lanes),
        sum_pitch_(sum_pitch(lanes)),
        thread_(static_cast<int>(threadIdx.x)),
        warp_patterns_(warp_size / lanes),
        sums_(shared) {}

  __device__ void run() {
    const int patterns = lane_block_patterns(job_, lanes_);
    const int pattern_blocks = (job_.pattern_count + patterns - 1) / patterns;
    const Index part = static_cast<int>(blockIdx.x) / pattern_blocks;
    const int first_pattern = static_cast<int>(blockIdx.x) % pattern_blocks * patterns;
    const int end_pattern = min(first_pattern + patterns, job_.pattern_count);
    const Index first_row = part * lane_block_rows(job_);
    const Index end_row = min(first_row + lane_block_rows(job_), Index{job_.rows});
    part_ =
        job_.parts + (job_.per_pattern ? part * job_.pattern_count + first_pattern : Index{blockIdx.x}) * job_.ranks();
    for (int i = thread_; i < quads * sum_pitch_; i += threads) sums_[i] = filled(0.0F);
    for (int pattern = first_pattern; pattern < end_pattern; pattern += warp_patterns_)
      for (Index row = first_row; row < end_row; row += lane_rows) {
        __syncthreads();
        for (Index i = row + thread_ / warp_size; i < min(row + lane_rows, end_row); i += warps) add_pair(i, pattern);
        __syncthreads();
        flush(pattern, pattern == first_pattern && row == first_row);
      }
  }

 private:
  static constexpr int threads = gradient_threads(count);
  static constexpr int warps = threads / warp_size;
  static constexpr int quads = count / 4;

  /// Neighbouring quads of few lanes' sums are read together, so they lie in different banks.
  ATTRACTOR_HOST_DEVICE static int sum_pitch(int lanes) { return threads + lanes % 8; }

  /// This warp's state with each lane's pattern.
  __device__ __forceinline__ void add_pair(Index row, int first_pattern) {
    const int thread = anew(thread_);
    const PairLane pair = {lanes_, thread % lanes_};
    const int own = first_pattern + thread % warp_size / lanes_;
    const float residual = own < job_.pattern_count ? job_.residuals[row * job_.residual_stride + own] : 0.0F;
    if (__all_sync(all_lanes, fabsf(residual) < negligible) != 0) return;
    // The last pattern stands in for those past it.
    PairEntries entries = {job_.patterns + min(own, job_.pattern_count - 1) * job_.pattern_stride,
                           job_.states + row * job_.state_stride, job_.dimension, 0, job_.groups};
    for (; entries.group < job_.groups; ++entries.group) {
      float losses[count];
      load_losses<base, grouped>(entries, pair, losses);
      sort(pair, losses);
      if constexpr (grouped)
        clear_past(losses, group_terms(entries.dimension, entries.group, entries.groups) - pair.lane * count);
#pragma unroll
      for (int quad = 0; quad < quads; ++quad) {
        float4& sum = sums_[quad * sum_pitch_ + thread];
        sum = {fmaf(-residual, losses[4 * quad], sum.x), fmaf(-residual, losses[4 * quad + 1], sum.y),
               fmaf(-residual, losses[4 * quad + 2], sum.z), fmaf(-residual, losses[4 * quad + 3], sum.w)};
      }
    }
  }

  /// Adds the sums of all warps, and of all patterns unless each has its own weights, to the block's part, and clears
  /// them.
  __device__ __forceinline__ void flush(int first_pattern, bool first) {
    const int rows = job_.per_pattern ? min(warp_patterns_, job_.pattern_count - first_pattern) : 1;
    const int distance = job_.per_pattern ? warp_size : lanes_;
    for (int i = thread_; i < rows * lanes_ * quads; i += threads) {
      const int lane = i % lanes_;
      const int quad = i / lanes_ % quads;
      const int row = i / (lanes_ * quads);
      double sum[4] = {};
      for (int from = row * lanes_ + lane; from < threads; from += distance) {
        float4& term = sums_[quad * sum_pitch_ + from];
        for (int j = 0; j < 4; ++j) sum[j] += static_cast<double>(element(term, j));
        term = filled(0.0F);
      }
      for (int j = 0; j < 4; ++j) {
        const int rank = lane * count + 4 * quad + j;
        if (rank >= job_.ranks()) continue;
        double& result = part_[row * job_.ranks() + rank];
        result = first ? sum[j] : result + sum[j];
      }
    }
  }

  const RankGradient& job_;
  int lanes_;
  int sum_pitch_;
  int thread_;
  int warp_patterns_;
  float4* sums_;  ///< [quads × sum_pitch]: quad q of every thread
  double* part_;  ///< where this block's gradients begin
};

template <FootprintBase base, bool grouped, int count>
__global__ void __launch_bounds__(gradient_threads(count)) add_pairs(RankGradient job, int lanes) {
  extern __shared__ float4 shared[];
  LaneGradient<base, grouped, count>(job, lanes, shared).run();
}

}  // namespace attractor::cuda::adaptive
