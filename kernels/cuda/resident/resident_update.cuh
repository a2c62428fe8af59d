#pragma once

/// The elementwise half of a step, on a register tile: eight neighbouring neurons of a thread's slots.

#include <type_traits>

#include "kernels/cuda/device/math.cuh"
#include "kernels/cuda/resident/resident_product.cuh"

namespace attractor::cuda::resident {

/// Takes the readout's scale into an update where that spares a product; returns what is left of it.
__device__ __forceinline__ float absorb_scale(TanhUpdate& update, float scale) {
  update.gain *= scale;
  return 1.0F;
}

template <class AnyUpdate>
__device__ __forceinline__ float absorb_scale(const AnyUpdate& /*update*/, float scale) {
  return scale;
}

/// What is rounding in the fields of a tile: up to resolution[r] of its neurons times magnitude[c] of its slots.
struct FieldRounding {
  const float* resolution;
  const float* magnitude;
};

/// In place of a product its next state g(x, scale·readout(row, x, product)). Slots whose steps are negative keep x.
template <int width, class Readout>
__device__ __forceinline__ void advance_tile(UpdateRule rule, float scale, const float* states, int state_stride,
                                             const int (&steps)[width], const Readout& readout,
                                             const FieldRounding& rounding, Tile<width>& tile) {
  visit_update(rule, [&](auto g) {
    constexpr bool signs = std::is_same_v<decltype(g), SignUpdate>;
    const float factor = absorb_scale(g, scale);
    float resolution[tile_rows] = {};
    float magnitude[width] = {};
    if constexpr (signs) {
      load_weights(rounding.resolution, resolution);
      load_columns(rounding.magnitude, magnitude);
    }
#pragma unroll
    for (int r = 0; r < tile_rows; ++r) {
      float x[width];
      load_columns(states + r * state_stride, x);
#pragma unroll
      for (int c = 0; c < width; ++c) {
        float u = factor * readout(r, x[c], tile[r][c]);
        if constexpr (signs) u = without_noise(u, resolution[r] * magnitude[c]);
        const float next = apply_update(g, FloatOps{}, x[c], u);
        tile[r][c] = steps[c] < 0 ? x[c] : next;
      }
    }
  });
}

/// States are read again where they are needed again: kept, they would take as many registers as the tile.
__device__ __forceinline__ void forget_states() { asm volatile("" ::: "memory"); }

/// Neurons whose mask bit is set keep their state.
template <int width>
__device__ __forceinline__ void keep_masked(const float* states, int state_stride, const std::uint8_t* masks,
                                            Tile<width>& tile) {
  forget_states();
  unsigned bits[width / chunk_slots];
#pragma unroll
  for (int i = 0; i < width / chunk_slots; ++i)
    bits[i] = *reinterpret_cast<const unsigned*>(masks + i * chunk_distance);
#pragma unroll
  for (int r = 0; r < tile_rows; ++r) {
    float x[width];
    load_columns(states + r * state_stride, x);
#pragma unroll
    for (int c = 0; c < width; ++c)
      if ((bits[c / chunk_slots] & (1U << (c % chunk_slots * 8 + r))) != 0) tile[r][c] = x[c];
  }
}

/// sums += weights·x².
template <int width>
__device__ __forceinline__ void add_squares(const Tile<width>& tile, const float (&weights)[tile_rows],
                                            float (&sums)[width]) {
#pragma unroll
  for (int r = 0; r < tile_rows; ++r)
#pragma unroll
    for (int c = 0; c < width; ++c) sums[c] = fmaf(weights[r] * tile[r][c], tile[r][c], sums[c]);
}

/// sums += (x' − x)².
template <int width>
__device__ __forceinline__ void add_changes(const float* states, int state_stride, const Tile<width>& tile,
                                            float (&sums)[width]) {
  forget_states();
#pragma unroll
  for (int r = 0; r < tile_rows; ++r) {
    float x[width];
    load_columns(states + r * state_stride, x);
#pragma unroll
    for (int c = 0; c < width; ++c) {
      const float change = tile[r][c] - x[c];
      sums[c] = fmaf(change, change, sums[c]);
    }
  }
}

/// sums += 0 where the states are finite, else NaN.
template <int width>
__device__ __forceinline__ void add_zeros(const Tile<width>& tile, float (&sums)[width]) {
#pragma unroll
  for (int r = 0; r < tile_rows; ++r)
#pragma unroll
    for (int c = 0; c < width; ++c) sums[c] = fmaf(tile[r][c], 0.0F, sums[c]);
}

/// A bit for each neuron of four slots that changes, and for each slot one if a neuron changes that wasn't ±1.
template <int width>
struct Changes {
  unsigned neurons[width / chunk_slots] = {};
  unsigned strange = 0;
};

template <int width>
__device__ __forceinline__ Changes<width> changes_of(const float* states, int state_stride, const Tile<width>& tile) {
  forget_states();
  Changes<width> changes;
#pragma unroll
  for (int r = 0; r < tile_rows; ++r) {
    float x[width];
    load_columns(states + r * state_stride, x);
#pragma unroll
    for (int c = 0; c < width; ++c) {
      if (tile[r][c] == x[c]) continue;
      changes.neurons[c / chunk_slots] |= 1U << (c % chunk_slots * 8 + r);
      if (fabsf(x[c]) != 1.0F) changes.strange |= 1U << c;
    }
  }
  return changes;
}

template <int width>
__device__ __forceinline__ bool all_finite(const float (&sums)[width]) {
  float check = 0.0F;
#pragma unroll
  for (int c = 0; c < width; ++c) check = fmaf(sums[c], 0.0F, check);
  return check == 0.0F;
}

}  // namespace attractor::cuda::resident
