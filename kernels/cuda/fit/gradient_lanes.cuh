#pragma once

/// Gradients by more rank weights than one thread can sort terms for: lanes of a warp share a pair. Each thread keeps
/// its sums in shared memory, where they cost no registers, and the block adds them up after every few pairs.

#include "kernels/cuda/adaptive/lane_sort.cuh"
#include "kernels/cuda/fit/rank_gradient.hpp"
#include "kernels/negligible.hpp"

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
        pairs_(job.pairs),
        lanes_(lanes),
        sum_pitch_(sum_pitch(lanes)),
        thread_(static_cast<int>(threadIdx.x)),
        warp_patterns_(warp_size / lanes),
        sums_(shared) {}

  __device__ void run() {
    const int patterns = lane_block_patterns(job_, lanes_);
    const int pattern_blocks = (pairs_.pattern_count + patterns - 1) / patterns;
    const Index block = static_cast<int>(blockIdx.x) / pattern_blocks;
    first_row_ = block * lane_block_rows(job_);
    first_pattern_ = static_cast<int>(blockIdx.x) % pattern_blocks * patterns;
    warp_tiles_ = (min(patterns, pairs_.pattern_count - first_pattern_) + warp_patterns_ - 1) / warp_patterns_;
    part_ =
        job_.parts + pairs_.ranks() * (job_.per_pattern ? block * pairs_.pattern_count + first_pattern_ : blockIdx.x);
    for (int i = thread_; i < quads * sum_pitch_; i += threads) sums_[i] = filled(0.0F);
    const int rows = static_cast<int>(min(pairs_.rows - first_row_, Index{lane_block_rows(job_)}));
    for (int begin = 0; begin < rows * warp_tiles_; begin += flushed_pairs * warps)
      add_pairs(begin, min(begin + flushed_pairs * warps, rows * warp_tiles_));
  }

 private:
  static constexpr int threads = gradient_threads(count);
  static constexpr int warps = threads / warp_size;
  static constexpr int quads = count / 4;

  /// Neighbouring quads of few lanes' sums are read together, so they lie in different banks.
  ATTRACTOR_HOST_DEVICE static int sum_pitch(int lanes) { return threads + lanes % 8; }

  /// Pairs that a lane adds up in floats, so that their error doesn't grow with the number of states.
  static constexpr int flushed_pairs = 16;

  /// A warp's pairs are numbered along the patterns first.
  __device__ __forceinline__ void add_pairs(int begin, int end) {
    __syncthreads();
    // Neither states nor patterns in an inner loop: the compiler would take the addresses of all quads out of it.
    for (int i = begin + thread_ / warp_size; i < end; i += warps)
      add_pair(first_row_ + i / warp_tiles_, first_pattern_ + i % warp_tiles_ * warp_patterns_);
    __syncthreads();
    flush(begin == 0);
  }

  /// A state with each lane's pattern.
  __device__ __forceinline__ void add_pair(Index row, int first_pattern) {
    const int thread = anew(thread_);
    const PairLane pair = {lanes_, thread % lanes_};
    const int own = first_pattern + thread % warp_size / lanes_;
    const float residual = own < pairs_.pattern_count ? job_.residuals[row * job_.residual_stride + own] : 0.0F;
    if (__all_sync(all_lanes, fabsf(residual) < detail::negligible) != 0) return;
    // The last pattern stands in for those past it.
    PairEntries entries = first_entries(pairs_, row, min(own, pairs_.pattern_count - 1));
    for (; entries.group < pairs_.groups; ++entries.group) {
      float losses[count];
      load_losses<base, grouped>(entries, pair, losses);
      rank_losses<grouped>(entries, pair, losses);
      // What has no weight adds nothing, however far away it is.
      if (residual != 0.0F) add_terms(losses, -residual, sums_ + thread);
    }
  }

  /// Adds a multiple of this thread's losses to its sums.
  __device__ __forceinline__ void add_terms(const float (&losses)[count], float factor, float4* sum) {
    const int pitch = anew(sum_pitch_);
#pragma unroll
    for (int i = 0; i < count; i += 4) {
      *sum = {fmaf(factor, losses[i], sum->x), fmaf(factor, losses[i + 1], sum->y), fmaf(factor, losses[i + 2], sum->z),
              fmaf(factor, losses[i + 3], sum->w)};
      sum += pitch;
    }
  }

  /// Adds the sums of all warps, and of all patterns unless each has its own weights, to the block's part, and clears
  /// them.
  __device__ __forceinline__ void flush(bool first) {
    const int rows = job_.per_pattern ? min(warp_patterns_, pairs_.pattern_count - first_pattern_) : 1;
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
        if (rank >= pairs_.ranks()) continue;
        double& result = part_[row * pairs_.ranks() + rank];
        result = first ? sum[j] : result + sum[j];
      }
    }
  }

  const RankGradient& job_;
  const PairBatch& pairs_;
  int lanes_;
  int sum_pitch_;
  int thread_;
  int warp_patterns_;
  Index first_row_ = 0;
  int first_pattern_ = 0;
  int warp_tiles_ = 0;  ///< what the block's patterns take a warp
  float4* sums_;        ///< [quads × sum_pitch]: quad q of every thread
  double* part_;        ///< where this block's gradients begin
};

/// Blocks that a multiprocessor must have the registers for: as many as go without spilling on all architectures.
constexpr int lane_blocks(int count) { return count == 64 ? 3 : 1; }

template <FootprintBase base, bool grouped, int count>
__global__ void __launch_bounds__(gradient_threads(count), lane_blocks(count)) add_pairs(RankGradient job, int lanes) {
  extern __shared__ float4 shared[];
  LaneGradient<base, grouped, count>(job, lanes, shared).run();
}

}  // namespace attractor::cuda::adaptive
