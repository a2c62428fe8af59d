#pragma once

/// Terms of a footprint on the device. What is sorted are losses, the terms' negatives: (ξ − x)² and −ξx. Their
/// ascending order is the terms' descending one for either base.

#include <attractor/similarity.hpp>

#include "kernels/cuda/device/quad.cuh"

namespace attractor::cuda {

/// The entry of this slot in a group, the dimension or more past the group's last: rank_group turned round.
__device__ __forceinline__ int group_entry(int slot, int group, int groups) {
  if (groups == 1) return slot;
  const int offset = (group - slot) % groups;
  return slot * groups + (offset < 0 ? offset + groups : offset);
}

/// Entries of a group: all ranks, or one fewer.
__device__ __forceinline__ int group_terms(int dimension, int group, int groups) {
  const int all = dimension / groups;
  return group_entry(all, group, groups) < dimension ? all + 1 : all;
}

/// With this in the place of both ξ and −x, either loss is +∞: no entry's comes after it.
inline constexpr float beyond = INFINITY;

/// From a pattern's entry and the state's, negated.
template <FootprintBase base>
__device__ __forceinline__ float loss(float entry, float negated) {
  if constexpr (base == FootprintBase::dot) return entry * negated;
  const float difference = entry + negated;
  return difference * difference;
}

/// The same value, of which the compiler knows nothing: it computes what follows anew, rather than to hold on to it in
/// registers that sorting needs.
__device__ __forceinline__ int anew(int value) {
  asm volatile("" : "+r"(value));
  return value;
}

/// Zeros from `left` on, in the place of entries that a group lacks; not before `from`.
template <int from = 0, int count>
__device__ __forceinline__ void clear_past(float (&losses)[count], int left) {
#pragma unroll
  for (int i = from; i < count; ++i) losses[i] = i < left ? losses[i] : 0.0F;
}

/// Σ weights·losses in four sums.
template <int count>
__device__ __forceinline__ float weighted_sum(const float (&losses)[count], const float4* weights) {
  float4 sum = filled(0.0F);
#pragma unroll
  for (int quad = 0; quad < count / 4; ++quad) {
    const float4 w = weights[quad];
    sum = {fmaf(w.x, losses[4 * quad], sum.x), fmaf(w.y, losses[4 * quad + 1], sum.y),
           fmaf(w.z, losses[4 * quad + 2], sum.z), fmaf(w.w, losses[4 * quad + 3], sum.w)};
  }
  return (sum.x + sum.y) + (sum.z + sum.w);
}

}  // namespace attractor::cuda
