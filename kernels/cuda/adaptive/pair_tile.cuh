#pragma once

/// A tile of states and one of patterns in shared memory, for kernels that sort up to 64 terms of a pair in one
/// thread's registers: a warp takes one state at a time, a lane one pattern.

#include <cstddef>

#include "kernels/cuda/adaptive/pair_batch.hpp"
#include "kernels/cuda/adaptive/ranked_terms.cuh"
#include "kernels/cuda/adaptive/sorting_network.cuh"

namespace attractor::cuda::adaptive {

inline constexpr int tile_warps = 4;
inline constexpr int tile_threads = tile_warps * warp_size;
inline constexpr int tile_states = 64;
inline constexpr int tile_patterns = warp_size;

/// Entries of one group, at most `size` of them; quads from one state to the next: an odd distance where lanes read
/// different states. Methods are called by all lanes of a warp.
template <int size, int state_pitch = size / 4>
class PairTile {
 public:
  static constexpr int quads = size / 4;
  /// An odd distance between rows, so that lanes which read the same column meet no bank twice.
  static constexpr int pitch = quads | 1;
  static constexpr int shared_quads = tile_states * state_pitch + tile_patterns * pitch;

  __device__ PairTile(const PairBatch& pairs, float4* shared)
      : pairs_(pairs), states_(shared), patterns_(states_ + tile_states * state_pitch) {}

  /// Puts a state's entries of the group into a row, negated; returns whether those of this lane are finite.
  __device__ __forceinline__ bool load_state(Index state, int group, int row) {
    const float* const entries = pairs_.states + state * pairs_.state_stride;
    bool finite = true;
#pragma unroll
    for (int slot = lane(); slot < size; slot += warp_size) {
      const int entry = group_entry(slot, group, pairs_.groups);
      const bool exists = entry < pairs_.dimension;
      const float negated = exists ? -entries[entry] : beyond;
      finite = finite && (!exists || isfinite(negated));
      floats(states_)[row * 4 * state_pitch + slot] = negated;
    }
    return finite;
  }

  __device__ __forceinline__ void load_pattern(int pattern, int group, int row) {
    const float* const entries = pairs_.patterns + nearest_pattern(pattern) * pairs_.pattern_stride;
#pragma unroll
    for (int slot = lane(); slot < size; slot += warp_size) {
      const int entry = group_entry(slot, group, pairs_.groups);
      floats(patterns_)[row * 4 * pitch + slot] = entry < pairs_.dimension ? entries[entry] : beyond;
    }
  }

  /// The last pattern stands in for those past it, whose results nobody asks for.
  __device__ Index nearest_pattern(int pattern) const { return min(pattern, pairs_.pattern_count - 1); }

  /// Losses of a state with a pattern, not sorted.
  template <FootprintBase base>
  __device__ __forceinline__ void load_losses(int row, int pattern_row, float (&losses)[size]) const {
#pragma unroll
    for (int quad = 0; quad < quads; ++quad) {
      const float4 pattern = patterns_[pattern_row * pitch + quad];
      const float4 negated = states_[row * state_pitch + quad];
      losses[4 * quad] = loss<base>(pattern.x, negated.x);
      losses[4 * quad + 1] = loss<base>(pattern.y, negated.y);
      losses[4 * quad + 2] = loss<base>(pattern.z, negated.z);
      losses[4 * quad + 3] = loss<base>(pattern.w, negated.w);
    }
  }

  __device__ static float* floats(float4* from) { return reinterpret_cast<float*>(from); }

 private:
  __device__ static int lane() { return static_cast<int>(threadIdx.x) % warp_size; }

  const PairBatch& pairs_;
  float4* states_;    ///< [tile_states × state_pitch]
  float4* patterns_;  ///< [tile_patterns × pitch]
};

}  // namespace attractor::cuda::adaptive
