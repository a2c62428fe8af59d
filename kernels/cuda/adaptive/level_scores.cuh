#pragma once

/// Adaptive scores where patterns take few values at each entry, their levels. The losses of a state beside all levels
/// are sorted once for all patterns. Those of one pattern, sorted, are the ones at its own levels: a lane walks along
/// all of them and takes those whose bit its pattern has. A pair costs O(C) for C levels, of all entries together.

#include "kernels/cuda/adaptive/adaptive_scores.hpp"
#include "kernels/cuda/adaptive/key_sort.cuh"
#include "kernels/cuda/adaptive/ranked_terms.cuh"
#include "kernels/cuda/device/compensated_sum.cuh"

namespace attractor::cuda::adaptive {

inline constexpr int level_warps = 8;
inline constexpr int level_threads = level_warps * warp_size;

/// Blocks that a multiprocessor must have the registers for.
inline constexpr int level_blocks = 3;

/// Losses between compensated sums, which err no more than those of the networks: keys that lie without a gap.
inline constexpr int level_run = 16;

/// Losses whose bits are loaded together.
inline constexpr int level_batch = 4;

/// Of a power of two of losses, at least a run.
ATTRACTOR_HOST_DEVICE inline int sorted_losses(int levels) {
  int count = level_run;
  while (count < levels) count *= 2;
  return count;
}

/// One block's work on a state. A lane takes `words` patterns, 32 apart. Methods are called by all threads.
template <int words>
class LevelScorer {
 public:
  static constexpr int warp_patterns = words * warp_size;
  static constexpr int block_patterns = level_warps * warp_patterns;

  static std::size_t shared_bytes(const AdaptiveScores& job) {
    return sizeof(SortKey) * static_cast<std::size_t>(key_place(sorted_losses(job.levels.count))) +
           sizeof(float) * static_cast<std::size_t>(job.pairs.dimension);
  }

  __device__ LevelScorer(const AdaptiveScores& job, Index row, int first, void* shared)
      : job_(job),
        levels_(job.levels),
        row_(row),
        state_(job.pairs.states + row * job.pairs.state_stride),
        count_(sorted_losses(job.levels.count)),
        keys_(static_cast<SortKey*>(shared)),
        weights_(static_cast<float*>(static_cast<void*>(keys_ + key_place(count_)))),
        first_(first + static_cast<int>(threadIdx.x) / warp_size * warp_patterns) {}

  __device__ void run() {
    if (!is_finite()) {
      set_scores([](int) { return NAN; });
      return;
    }
#pragma unroll 1
    for (int i = 0; i < 2; ++i) add(i == 0 ? FootprintBase::squared_distance : FootprintBase::dot);
    set_scores([&](int k) { return -value(sums_[k]); });
  }

 private:
  /// A loss in order: its value's bits, and where its level's are; past the last level of all where there is none.
  using Loss = uint2;

  [[nodiscard]] __device__ bool is_finite() const {
    bool finite = true;
#pragma unroll 1
    for (int i = thread(); i < job_.pairs.dimension; i += level_threads) finite = finite && isfinite(state_[i]);
    return __syncthreads_and(finite) != 0;
  }

  /// Adds the losses of one base.
  __device__ void add(FootprintBase base) {
    const float* const weights = (base == FootprintBase::dot ? job_.dot : job_.squared_distance).values;
    if (weights == nullptr) return;
    __syncthreads();
#pragma unroll 1
    for (int i = thread(); i < job_.pairs.dimension; i += level_threads) weights_[i] = weights[i];
#pragma unroll 1
    for (int i = thread(); i < count_; i += level_threads) keys_[key_place(i)] = key(base, i);
    sort_keys(keys_, count_);
#pragma unroll 1
    for (int i = thread(); i < count_; i += level_threads) {
      const int place = key_place(i);
      const SortKey own = keys_[place];
      const int level = min(place_of(own), levels_.count);
      losses()[place] = {__float_as_uint(value_of(own)), static_cast<unsigned>(level * sizeof(uint4))};
    }
    __syncthreads();
    if (first_ < end()) weigh();
  }

  /// Past the last level those that come after all others.
  [[nodiscard]] __device__ __forceinline__ SortKey key(FootprintBase base, int level) const {
    if (level >= levels_.count) return last_key(level);
    const float value = levels_.values[level];
    const float negated = -state_[levels_.entries[level]];
    return sort_key(base == FootprintBase::dot ? loss<FootprintBase::dot>(value, negated)
                                               : loss<FootprintBase::squared_distance>(value, negated),
                    level);
  }

  /// Adds the losses of this lane's patterns, weighed.
  __device__ __forceinline__ void weigh() {
    const uint4* const row = levels_.bits + Index{first_ / level_patterns} * (levels_.count + 1);
    const unsigned lane = 1U << anew(thread() % warp_size);
    unsigned weights[words];
#pragma unroll
    for (int k = 0; k < words; ++k) weights[k] = static_cast<unsigned>(__cvta_generic_to_shared(weights_));
    const Loss* batch = losses();
#pragma unroll 1
    for (int left = levels_.count; left > 0; left -= level_run) {
      float sums[words] = {};
#pragma unroll 1
      for (int i = 0; i < level_run; i += level_batch, batch += level_batch) weigh(batch, row, lane, weights, sums);
#pragma unroll
      for (int k = 0; k < words; ++k) sums_[k].add(sums[k]);
      batch += key_place(level_run) - level_run;
    }
  }

  /// The same of a batch, whose bits are on their way together.
  __device__ __forceinline__ void weigh(const Loss* batch, const uint4* row, unsigned lane, unsigned (&weights)[words],
                                        float (&sums)[words]) const {
    float losses[level_batch];
    Bits bits[level_batch];
#pragma unroll
    for (int i = 0; i < level_batch; ++i) {
      losses[i] = __uint_as_float(batch[i].x);
      bits[i] = load_bits(reinterpret_cast<const char*>(row) + batch[i].y);
    }
#pragma unroll
    for (int i = 0; i < level_batch; ++i)
#pragma unroll
      for (int k = 0; k < words; ++k) take_if(bits[i].word[k] & lane, losses[i], weights[k], sums[k]);
  }

  /// Where `has` isn't 0, adds a loss times the next weight, whose address in shared memory moves on. Four
  /// instructions, which the compiler makes six.
  __device__ static __forceinline__ void take_if(unsigned has, float loss, unsigned& weight, float& sum) {
    asm volatile(
        "{\n"
        "  .reg .pred taken;\n"
        "  .reg .f32 factor;\n"
        "  setp.ne.u32 taken, %2, 0;\n"
        "  @taken ld.shared.f32 factor, [%1];\n"
        "  @taken fma.rn.f32 %0, factor, %3, %0;\n"
        "  @taken add.u32 %1, %1, 4;\n"
        "}"
        : "+f"(sum), "+r"(weight)
        : "r"(has), "f"(loss));
  }

  struct Bits {
    unsigned word[words];
  };
  [[nodiscard]] __device__ __forceinline__ Bits load_bits(const char* from) const {
    if constexpr (words == 4) {
      const uint4 bits = *reinterpret_cast<const uint4*>(from);
      return {bits.x, bits.y, bits.z, bits.w};
    } else {
      return {reinterpret_cast<const unsigned*>(from)[first_ % level_patterns / warp_size]};
    }
  }

  /// A sum of infinite terms has no rest.
  [[nodiscard]] __device__ static float value(const CompensatedSum& sum) {
    return isfinite(sum.high) ? sum.high + sum.low : sum.high;
  }

  template <class Score>
  __device__ __forceinline__ void set_scores(Score&& score) const {
#pragma unroll
    for (int k = 0; k < words; ++k) {
      const int pattern = first_ + k * warp_size + thread() % warp_size - levels_.first;
      if (pattern < 0 || pattern >= job_.pairs.pattern_count) continue;
      const float prior = job_.log_prior != nullptr ? job_.log_prior[pattern] : 0.0F;
      job_.scores[row_ * job_.score_stride + pattern] = prior + score(k);
    }
  }

  [[nodiscard]] __device__ int end() const { return levels_.first + job_.pairs.pattern_count; }
  [[nodiscard]] __device__ Loss* losses() const { return static_cast<Loss*>(static_cast<void*>(keys_)); }
  __device__ static int thread() { return static_cast<int>(threadIdx.x); }

  const AdaptiveScores& job_;
  const PatternLevels& levels_;
  Index row_;
  const float* state_;
  int count_;
  SortKey* keys_;   ///< [key_place(count)] or losses
  float* weights_;  ///< [D]
  int first_;       ///< pattern of this warp
  CompensatedSum sums_[words];
};

/// A block for each state and part of the patterns.
template <int words>
__global__ void __launch_bounds__(level_threads, level_blocks) score_levels(AdaptiveScores job, int parts) {
  using Scorer = LevelScorer<words>;
  extern __shared__ float4 shared[];
  const int part = static_cast<int>(blockIdx.x) % parts;
  const int first = job.levels.first / Scorer::warp_patterns * Scorer::warp_patterns + part * Scorer::block_patterns;
  Scorer(job, static_cast<int>(blockIdx.x) / parts, first, shared).run();
}

}  // namespace attractor::cuda::adaptive
