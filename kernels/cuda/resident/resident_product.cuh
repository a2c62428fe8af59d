#pragma once

/// Products in registers: a thread owns eight rows and some columns of the result. Its columns are whole chunks, 32
/// columns apart.

#include <cuda_fp16.h>

#include "kernels/cuda/resident/resident_layout.hpp"

namespace attractor::cuda::resident {

template <int width>
using Tile = float[tile_rows][width];

/// Between the chunks of a thread: eight threads with one chunk each lie between.
inline constexpr int chunk_distance = row_classes * chunk_slots;

template <int width>
__device__ __forceinline__ void load_columns(const float* row, float (&values)[width]) {
#pragma unroll
  for (int c = 0; c < width; c += chunk_slots) {
    const float4 chunk = *reinterpret_cast<const float4*>(row + c / chunk_slots * chunk_distance);
    values[c] = chunk.x;
    values[c + 1] = chunk.y;
    values[c + 2] = chunk.z;
    values[c + 3] = chunk.w;
  }
}

__device__ __forceinline__ unsigned shared_address(const void* at) {
  return static_cast<unsigned>(__cvta_generic_to_shared(at));
}

/// As vector stores, which the compiler takes apart when left to itself. `row` is an address in shared memory.
template <int width>
__device__ __forceinline__ void store_columns(unsigned row, const float (&values)[width]) {
#pragma unroll
  for (int c = 0; c < width; c += chunk_slots)
    asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(row + c * row_classes * 4), "f"(values[c]),
                 "f"(values[c + 1]), "f"(values[c + 2]), "f"(values[c + 3])
                 : "memory");
}

template <int width>
__device__ __forceinline__ void store_columns(float* row, const float (&values)[width]) {
  store_columns(shared_address(row), values);
}

template <int width>
__device__ __forceinline__ void store_tile(float* rows, int row_distance, const Tile<width>& tile) {
  const unsigned first = shared_address(rows);
#pragma unroll
  for (int r = 0; r < tile_rows; ++r) store_columns(first + r * row_distance * 4, tile[r]);
}

/// rows += tile.
template <int width>
__device__ __forceinline__ void add_tile(float* rows, int row_distance, const Tile<width>& tile) {
#pragma unroll
  for (int r = 0; r < tile_rows; ++r) {
    float sums[width];
    load_columns(rows + r * row_distance, sums);
#pragma unroll
    for (int c = 0; c < width; ++c) sums[c] += tile[r][c];
    store_columns(rows + r * row_distance, sums);
  }
}

template <int count>
__device__ __forceinline__ void load_weights(const float* at, float (&values)[count]) {
#pragma unroll
  for (int i = 0; i < count; i += 4) {
    const float4 four = *reinterpret_cast<const float4*>(at + i);
    values[i] = four.x;
    values[i + 1] = four.y;
    values[i + 2] = four.z;
    values[i + 3] = four.w;
  }
}

__device__ __forceinline__ void unpack(unsigned bits, float& first, float& second) {
  const float2 pair = __half22float2(*reinterpret_cast<const __half2*>(&bits));
  first = pair.x;
  second = pair.y;
}

template <int count>
__device__ __forceinline__ void load_weights(const __half* at, float (&values)[count]) {
  static_assert(count == 4 || count == 8);
  if constexpr (count == 4) {
    const uint2 bits = *reinterpret_cast<const uint2*>(at);
    unpack(bits.x, values[0], values[1]);
    unpack(bits.y, values[2], values[3]);
  } else {
    const uint4 bits = *reinterpret_cast<const uint4*>(at);
    unpack(bits.x, values[0], values[1]);
    unpack(bits.y, values[2], values[3]);
    unpack(bits.z, values[4], values[5]);
    unpack(bits.w, values[6], values[7]);
  }
}

/// Whether a product is the first of its sum: the tile needs no zeros before it.
enum class Start : bool { no, yes };

template <Start start, int width>
__device__ __forceinline__ void add_product(float w, const float (&x)[width], float (&sums)[width]) {
#pragma unroll
  for (int c = 0; c < width; ++c) sums[c] = start == Start::yes ? w * x[c] : fmaf(w, x[c], sums[c]);
}

/// tile(r, c) += weights(r)·operand(c).
template <Start start, class Weight, int width>
__device__ __forceinline__ void add_term(const Weight* weights, const float* operand, Tile<width>& tile) {
  float w[tile_rows];
  float x[width];
  load_weights(weights, w);
  load_columns(operand, x);
#pragma unroll
  for (int r = 0; r < tile_rows; ++r) add_product<start>(w[r], x, tile[r]);
}

/// tile(r, c) += Σ_k weights(k, r)·operand(k, c) for four rows k.
template <Start start, class Weight, int width>
__device__ __forceinline__ void add_four_terms(const Weight* weights, int weight_stride, const float* operand,
                                               int operand_stride, Tile<width>& tile) {
  add_term<start>(weights, operand, tile);
#pragma unroll
  for (int k = 1; k < 4; ++k) add_term<Start::no>(weights + k * weight_stride, operand + k * operand_stride, tile);
}

/// The same for all rows k from `first` to `end`, multiples of 4.
template <class Weight, int width>
__device__ __forceinline__ void add_terms(const Weight* weights, int weight_stride, const float* operand,
                                          int operand_stride, int first, int end, Tile<width>& tile) {
  weights += first * weight_stride;
  operand += first * operand_stride;
#pragma unroll 1
  for (int k = first; k < end; k += 4, weights += 4 * weight_stride, operand += 4 * operand_stride)
    add_four_terms<Start::no>(weights, weight_stride, operand, operand_stride, tile);
}

/// tile(r, c) += Σ_k weights(r·row_distance + k)·operand(k, c) for four neurons k.
template <Start start, class Weight, int width>
__device__ __forceinline__ void add_score(const Weight* weights, int row_distance, const float* operand,
                                          int operand_stride, Tile<width>& tile) {
  float w[tile_rows][4];
#pragma unroll
  for (int r = 0; r < tile_rows; ++r) load_weights(weights + r * row_distance, w[r]);
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    float x[width];
    load_columns(operand + k * operand_stride, x);
#pragma unroll
    for (int r = 0; r < tile_rows; ++r) {
      if (start == Start::yes && k == 0) {
        add_product<Start::yes>(w[r][k], x, tile[r]);
      } else {
        add_product<Start::no>(w[r][k], x, tile[r]);
      }
    }
  }
}

/// The same for all neurons k from `first` to `end`, multiples of 4.
template <class Weight, int width>
__device__ __forceinline__ void add_scores(const Weight* weights, int row_distance, const float* operand,
                                           int operand_stride, int first, int end, Tile<width>& tile) {
  weights += first;
  operand += first * operand_stride;
#pragma unroll 2
  for (int k = first; k < end; k += 4, weights += 4, operand += 4 * operand_stride)
    add_score<Start::no>(weights, row_distance, operand, operand_stride, tile);
}

/// sums(r) += Σ_k weights(r·row_distance + k)·operand(k) for four neurons k of one state.
template <class Weight>
__device__ __forceinline__ void add_state_score(const Weight* weights, int row_distance, const float* operand,
                                                int operand_stride, float (&sums)[tile_rows]) {
  float x[4];
#pragma unroll
  for (int k = 0; k < 4; ++k) x[k] = operand[k * operand_stride];
#pragma unroll
  for (int r = 0; r < tile_rows; ++r) {
    float w[4];
    load_weights(weights + r * row_distance, w);
#pragma unroll
    for (int k = 0; k < 4; ++k) sums[r] = fmaf(w[k], x[k], sums[r]);
  }
}

/// Lane i of every eight gets the sum of their values[i]. Each exchange halves the values that a lane has left to add.
__device__ __forceinline__ float sum_across(float (&values)[8]) {
  const int lane = static_cast<int>(threadIdx.x) % warp_lanes;
  const unsigned eight = 0xffU << (lane & ~7);
#pragma unroll
  for (int count = 4; count > 0; count /= 2) {
    const bool upper = (lane & count) != 0;
#pragma unroll
    for (int i = 0; i < count; ++i) {
      const float kept = upper ? values[i + count] : values[i];
      const float sent = upper ? values[i] : values[i + count];
      values[i] = kept + __shfl_xor_sync(eight, sent, count);
    }
  }
  return values[0];
}

}  // namespace attractor::cuda::resident
