#pragma once

/// Sorting the losses of a pair that several neighbouring lanes of a warp share: each sorts its own in registers, then
/// the lanes merge them by exchange (Batcher's bitonic merge).

#include "kernels/cuda/adaptive/pair_batch.hpp"
#include "kernels/cuda/adaptive/ranked_terms.cuh"
#include "kernels/cuda/adaptive/sorting_network.cuh"

namespace attractor::cuda {

/// One of the lanes that share a pair.
struct PairLane {
  int lanes;  ///< a power of two
  int lane;   ///< of these
};

/// A pair's entries of one group; rows are aligned and readable in quads.
struct PairEntries {
  const float* pattern;
  const float* state;
  int dimension;
  int group = 0;
  int groups = 1;
};

/// Those of a state and a pattern, of the first group.
__device__ __forceinline__ PairEntries first_entries(const PairBatch& pairs, Index row, int pattern) {
  return {pairs.patterns + pattern * pairs.pattern_stride, pairs.states + row * pairs.state_stride, pairs.dimension, 0,
          pairs.groups};
}

/// Entries of a quad of slots; where there is none, any.
template <bool grouped>
__device__ __forceinline__ float4 load_quad(const float* row, const PairEntries& entries, int quad) {
  if constexpr (!grouped) return load4(row + 4 * quad);
  const auto load = [&](int slot) {
    return row[min(group_entry(slot, entries.group, entries.groups), entries.dimension - 1)];
  };
  return {load(4 * quad), load(4 * quad + 1), load(4 * quad + 2), load(4 * quad + 3)};
}

/// What stands in the place of losses that a group lacks: the largest of floats, so that 0 times it is 0.
inline constexpr float absent_loss = 0x1.fffffep127F;

/// This lane's share of the losses, `absent_loss` where there are no entries. Returns 0 if its entries of the
/// state are finite, else NaN.
template <FootprintBase base, bool grouped, int count>
__device__ __forceinline__ float load_losses(const PairEntries& entries, const PairLane& pair, float (&losses)[count]) {
  const int lane = anew(pair.lane);
  const int terms = group_terms(entries.dimension, entries.group, entries.groups);
  float finite = 0.0F;
#pragma unroll
  for (int i = 0; i < count / 4; ++i) {
    const int quad = lane + pair.lanes * i;
    const int left = terms - 4 * quad;
    float4 pattern = filled(0.0F);
    float4 state = filled(0.0F);
    if (left > 0) {
      pattern = load_quad<grouped>(entries.pattern, entries, quad);
      state = load_quad<grouped>(entries.state, entries, quad);
    }
    const auto set = [&](int j, float entry, float state_entry) {
      losses[4 * i + j] = j < left ? loss<base>(entry, -state_entry) : absent_loss;
      finite = fmaf(0.0F, j < left ? state_entry : 0.0F, finite);
    };
    set(0, pattern.x, state.x);
    set(1, pattern.y, state.y);
    set(2, pattern.z, state.z);
    set(3, pattern.w, state.w);
  }
  return finite;
}

/// This lane's of two values, the smaller one if it is the lower of the two lanes that compare.
__device__ __forceinline__ float keep(bool low, float value, float other) {
  return low ? fminf(value, other) : fmaxf(value, other);
}

/// Brings the lanes' ascending values into ascending order across the lanes that share a pair. For all lanes of a warp.
template <int count>
__device__ __forceinline__ void merge_lanes(const PairLane& pair, float (&values)[count]) {
  for (int width = 2; width <= pair.lanes; width *= 2) {
    // One run against the other backwards: the smaller half of both goes to the lower lanes.
    bool low = (pair.lane & (width / 2)) == 0;
#pragma unroll
    for (int i = 0; i < count / 2; ++i) {
      const float first = __shfl_xor_sync(all_lanes, values[count - 1 - i], width - 1);
      const float last = __shfl_xor_sync(all_lanes, values[i], width - 1);
      values[i] = keep(low, values[i], first);
      values[count - 1 - i] = keep(low, values[count - 1 - i], last);
    }
    for (int distance = width / 4; distance > 0; distance /= 2) {
      low = (pair.lane & distance) == 0;
#pragma unroll
      for (int i = 0; i < count; ++i) values[i] = keep(low, values[i], __shfl_xor_sync(all_lanes, values[i], distance));
    }
    merge_bitonic<count / 2>(values);
  }
}

/// Infinite losses were sorted behind those that the group lacks: puts these last again, as zeros.
template <int count>
__device__ __forceinline__ void move_infinite(int left, float (&losses)[count]) {
#pragma unroll
  for (int i = 0; i < count; ++i)
    if (losses[i] >= absent_loss) losses[i] = i < left ? INFINITY : 0.0F;
}

/// Sorts the losses of a pair's `terms` entries: this lane gets the ranks from lane · count on. For all lanes of a
/// warp.
template <int count>
__device__ __forceinline__ void sort(const PairLane& pair, int terms, float (&losses)[count]) {
  sort(losses);
  merge_lanes(pair, losses);
  if (__any_sync(all_lanes, losses[count - 1] == INFINITY) != 0) move_infinite(terms - pair.lane * count, losses);
}

/// Lanes of `count` values each that hold so many.
inline int pair_lanes(int values, int count) {
  int lanes = 1;
  while (lanes * count < values) lanes *= 2;
  return lanes;
}

/// Sorts the losses of a group: zeros in the place of entries that it lacks.
template <bool grouped, int count>
__device__ __forceinline__ void rank_losses(const PairEntries& entries, const PairLane& pair, float (&losses)[count]) {
  const int terms = group_terms(entries.dimension, entries.group, entries.groups);
  sort(pair, terms, losses);
  if constexpr (grouped) clear_past(losses, terms - pair.lane * count);
}

}  // namespace attractor::cuda
