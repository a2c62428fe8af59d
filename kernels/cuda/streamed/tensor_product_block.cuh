#pragma once

/// What a block does of a product on tensor cores. Its warps make 32 rows × 64 columns of the result each, from tiles
/// of both matrices in shared memory, 32 terms of the sums at a time: while one is multiplied the next is on its way.
///
/// Floats are multiplied as sums of two fp16 terms each, see tensor.cuh. A tile's part of a row of `a` is scaled by the
/// power of two that brings its largest magnitude to 2¹⁴ to 2¹⁵, so that rows need not be known before, and `b` as in
/// half_matrix.hpp. 16 terms are a step: its sums begin with 0, products with low terms come first, and are then added
/// to those of the steps before, as floats. By the argument of tensor_scan_block.cuh, with u = 2⁻²⁴ and over n terms,
///   |error| ≤ (49 + n/16 + √n/8) u ‖a‖ ‖b‖
/// for a row of `a` and a row or column of `b`, and u for each part that sums are cut into. Of rounded products only
/// high terms count: 2⁻¹⁰ Σ |a b| beside.
///
/// The order of a sum's terms is the same in every shape of block, and no row or column has a say in another's.

#include <cuda_pipeline.h>

#include "kernels/cuda/device/quad.cuh"
#include "kernels/cuda/device/tensor.cuh"
#include "kernels/cuda/streamed/tensor_product.hpp"

namespace attractor::cuda::streamed {

enum class Form : unsigned char { straight, transposed };

inline constexpr int warp_rows = 32;
inline constexpr int warp_columns = 64;
inline constexpr int tile_depth = 32;

/// How many warps share a block's work, and the terms of values that count.
template <int row_warps_, int column_warps_, int left_terms_, int right_terms_>
struct ProductScheme {
  static constexpr int row_warps = row_warps_;
  static constexpr int column_warps = column_warps_;
  static constexpr int left_terms = left_terms_;
  static constexpr int right_terms = right_terms_;
  static constexpr int rows = warp_rows * row_warps;
  static constexpr int columns = warp_columns * column_warps;
  static constexpr int threads = warp_size * row_warps * column_warps;

  // In units of 16 bytes, 8 values.
  static constexpr int left_plane = rows * tile_depth / 8;
  static constexpr int right_plane = columns * tile_depth / 8;
  static constexpr int unit_chunks = rows / 4;
  static constexpr int stage = left_terms * left_plane + right_terms * right_plane + unit_chunks;
  static constexpr std::size_t shared_bytes = 2 * sizeof(uint4) * stage;
};

/// One block's work. Methods are called by all threads.
template <class S, Form form>
class ProductBlock {
 public:
  /// @param shared at a multiple of 128 bytes
  __device__ ProductBlock(const TensorProduct& product, uint4* shared)
      : product_(product),
        shared_(shared),
        thread_(static_cast<int>(threadIdx.x)),
        lane_(thread_ % warp_size),
        warp_row_(thread_ / warp_size / S::column_warps * warp_rows),
        warp_column_(thread_ / warp_size % S::column_warps * warp_columns),
        first_row_(static_cast<int>(blockIdx.y) * S::rows),
        first_column_(static_cast<int>(blockIdx.x) * S::columns),
        left_address_(address_of(shared + place(warp_row_ + lane_ % 16, lane_ / 16))),
        right_address_(address_of(shared + S::left_terms * S::left_plane + first_right_place())) {}

  __device__ void run() {
    const int tiles = (product_.inner + tile_depth - 1) / tile_depth;
    const auto part = static_cast<int>(blockIdx.z);
    const int end = static_cast<int>(Index{tiles} * (part + 1) / product_.parts);
    int tile = static_cast<int>(Index{tiles} * part / product_.parts);
    if (tile < end) {
      load_left(tile);
      fetch_right(tile);
      store_left(tile);
    }
    for (; tile < end; ++tile) {
      const bool has_next = tile + 1 < end;
      __pipeline_wait_prior(0);
      __syncthreads();
      if (has_next) {
        load_left(tile + 1);
        fetch_right(tile + 1);
      }
      multiply(tile);
      if (has_next) store_left(tile + 1);
    }
    store();
  }

 private:
  static constexpr int quads = tile_depth / 4;  ///< of a tile's row of `a`
  static constexpr int rows_at_a_time = S::threads / quads;
  static constexpr int loads = S::rows / rows_at_a_time;
  static constexpr int row_tiles = warp_rows / tensor_rows;
  static constexpr int column_pairs = warp_columns / (2 * tensor_columns);
  static constexpr unsigned chunk_bytes = sizeof(uint4);

  /// In bytes.
  __device__ static unsigned stage_offset(int tile) { return chunk_bytes * ((tile & 1) * S::stage); }
  __device__ uint4* left(int tile, int term) const { return shared_ + (tile & 1) * S::stage + term * S::left_plane; }
  __device__ uint4* right(int tile, int term) const {
    return shared_ + (tile & 1) * S::stage + S::left_terms * S::left_plane + term * S::right_plane;
  }
  __device__ float* units(int tile) const {
    return reinterpret_cast<float*>(shared_ + ((tile & 1) + 1) * S::stage - S::unit_chunks);
  }

  /// Where a row's chunk of 8 values is, so that no 8 rows' chunks of the same number share banks. Numbers that differ
  /// in a bit are at places that differ in that bit.
  __device__ static int place(int row, int chunk) {
    return row * (tile_depth / 8) + (chunk ^ (row / 2 % (tile_depth / 8)));
  }
  /// The same where a row is one of a straight tile's terms.
  __device__ static int straight_place(int row, int chunk) { return row * (S::columns / 8) + (chunk ^ (row % 8)); }

  /// Of the chunk that this lane names to load the first right operands.
  __device__ int first_right_place() const {
    return form == Form::transposed ? place(warp_column_ + lane_ % 8 + lane_ / 16 * 8, lane_ / 8 % 2)
                                    : straight_place(lane_ % 16, warp_column_ / 8 + lane_ / 16);
  }

  // Tiles.

  /// Rows that aren't there are like the last one: nobody asks for what comes of them.
  __device__ __forceinline__ void load_left(int tile) {
    const int column = tile * tile_depth + thread_ % quads * 4;
    const bool exists = column < product_.inner;
#pragma unroll
    for (int i = 0; i < loads; ++i) {
      const Index row = min(first_row_ + left_row(i), product_.rows - 1);
      left_[i] = exists ? load4(product_.a + (row * static_cast<int>(product_.a_stride) + column)) : filled(0.0F);
    }
  }

  __device__ int left_row(int i) const { return thread_ / quads + i * rows_at_a_time; }

  /// NaN doesn't count as a magnitude, so that a row with one is as large as without, and stays NaN.
  __device__ __forceinline__ void store_left(int tile) const {
#pragma unroll
    for (int i = 0; i < loads; ++i) {
      const float4& x = left_[i];
      float largest = fmaxf(fmaxf(fabsf(x.x), fabsf(x.y)), fmaxf(fabsf(x.z), fabsf(x.w)));
#pragma unroll
      for (int distance = 1; distance < quads; distance *= 2)
        largest = fmaxf(largest, __shfl_xor_sync(all_lanes, largest, distance));
      const float scale = split_scale(largest);
      if (thread_ % quads == 0) units(tile)[left_row(i)] = split_unit(scale) * accumulator_unit;
      uint2 high;
      uint2 low;
      split(x.x * scale, x.y * scale, high.x, low.x);
      split(x.z * scale, x.w * scale, high.y, low.y);
      const int at = place(left_row(i), thread_ % quads / 2);
      reinterpret_cast<uint2*>(left(tile, 0) + at)[thread_ % 2] = high;
      if constexpr (S::left_terms == 2) reinterpret_cast<uint2*>(left(tile, 1) + at)[thread_ % 2] = low;
    }
  }

  /// Starts to copy a tile of `b`. Terms that aren't there become 0, columns are like the last ones.
  __device__ __forceinline__ void fetch_right(int tile) const {
    constexpr int chunks = form == Form::transposed ? tile_depth / 8 : S::columns / 8;  // of a row
#pragma unroll
    for (int n = 0; n < S::right_plane / S::threads; ++n) {
      const int row = (thread_ + n * S::threads) / chunks;
      const int chunk = (thread_ + n * S::threads) % chunks;
      const int term = tile * tile_depth + (form == Form::transposed ? 8 * chunk : row);
      const int column = first_column_ + (form == Form::transposed ? row : 8 * chunk);
      const int to = form == Form::transposed ? place(row, chunk) : straight_place(row, chunk);
      const HalfMatrixView& b = product_.b;
      const auto stride = static_cast<int>(b.stride);
      const bool exists = term < (form == Form::transposed ? stride : product_.inner);
      const Index at = form == Form::transposed ? Index{min(column, product_.columns - 1)} * stride + term
                                                : Index{term} * stride + min(column, stride - 8);
#pragma unroll
      for (int plane = 0; plane < S::right_terms; ++plane) {
        const std::uint16_t* const values = plane == 0 ? b.high : b.low;
        __pipeline_memcpy_async(right(tile, plane) + to, exists ? values + at : values, sizeof(uint4),
                                exists ? 0 : sizeof(uint4));
      }
    }
    __pipeline_commit();
  }

  // Products.

  __device__ __forceinline__ void multiply(int tile) {
    float unit[row_tiles][2];
#pragma unroll
    for (int m = 0; m < row_tiles; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half) unit[m][half] = units(tile)[warp_row_ + row_of(m, half)];
#pragma unroll 1
    for (int step = 0; step < tile_depth / tensor_depth; ++step) {
      TensorRows a[S::left_terms][row_tiles];
#pragma unroll
      for (int term = 0; term < S::left_terms; ++term)
#pragma unroll
        for (int m = 0; m < row_tiles; ++m)
          load_matrices(a[term][m].pairs, ((left_address_ + stage_offset(tile)) ^ (2 * step * chunk_bytes)) +
                                              chunk_bytes * (term * S::left_plane + place(tensor_rows * m, 0)));
#pragma unroll
      for (int pair = 0; pair < column_pairs; ++pair) {
        float sums[row_tiles][2][4] = {};
        unsigned high[4];
        load_right(high, tile, 0, step, pair);
        if constexpr (S::left_terms == 2) add_products(sums, a[1], high);
        if constexpr (S::right_terms == 2) {
          unsigned low[4];
          load_right(low, tile, 1, step, pair);
          add_products(sums, a[0], low);
        }
        add_products(sums, a[0], high);
#pragma unroll
        for (int m = 0; m < row_tiles; ++m)
#pragma unroll
          for (int n = 0; n < 2; ++n)
#pragma unroll
            for (int i = 0; i < 4; ++i) {
              float& total = totals_[m][2 * pair + n][i];
              total = fmaf(unit[m][i / 2], sums[m][n][i], total);
            }
      }
    }
  }

  /// Right operands of a step and of 16 columns.
  __device__ __forceinline__ void load_right(unsigned (&matrices)[4], int tile, int term, int step, int pair) const {
    const unsigned address = right_address_ + stage_offset(tile);
    const unsigned plane = chunk_bytes * term * S::right_plane;
    if constexpr (form == Form::transposed)
      load_matrices(matrices,
                    (address ^ (2 * step * chunk_bytes)) + plane + chunk_bytes * place(2 * tensor_columns * pair, 0));
    else
      load_transposed_matrices(matrices, (address ^ (2 * pair * chunk_bytes)) + plane +
                                             chunk_bytes * straight_place(tensor_depth * step, 0));
  }

  __device__ __forceinline__ static void add_products(float (&sums)[row_tiles][2][4], const TensorRows (&a)[row_tiles],
                                                      const unsigned (&b)[4]) {
#pragma unroll
    for (int n = 0; n < 2; ++n)
#pragma unroll
      for (int m = 0; m < row_tiles; ++m) multiply_add(sums[m][n], a[m], b[2 * n], b[2 * n + 1], sums[m][n]);
  }

  // Results.

  __device__ int row_of(int m, int half) const { return tensor_rows * m + 8 * half + lane_ / 4; }

  __device__ __forceinline__ void store() const {
    const float factor = product_.factor * (product_.b.unit / accumulator_unit);
    float* const results =
        product_.parts == 1 ? product_.result : product_.part_results + blockIdx.z * part_size(product_);
    const int columns = (product_.columns + 3) / 4 * 4;
#pragma unroll
    for (int m = 0; m < row_tiles; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = first_row_ + warp_row_ + row_of(m, half);
        if (row >= product_.rows) continue;
#pragma unroll
        for (int n = 0; n < 2 * column_pairs; ++n) {
          const int column = first_column_ + warp_column_ + tensor_columns * n + 2 * (lane_ % 4);
          if (column < columns)
            *reinterpret_cast<float2*>(results + row * product_.result_stride + column) = {
                totals_[m][n][2 * half] * factor, totals_[m][n][2 * half + 1] * factor};
        }
      }
  }

  __device__ static Index part_size(const TensorProduct& product) {
    return Index{product.rows} * product.result_stride;
  }

  /// Totals are in units of what is between the half and the whole of b's largest magnitude, so that they don't leave
  /// the range of float where results don't. A row's smallest unit times this is one of those below 2⁻¹²⁶.
  static constexpr float accumulator_unit = 0x1p-14F;

  const TensorProduct& product_;
  uint4* shared_;
  int thread_;
  int lane_;
  int warp_row_;
  int warp_column_;
  int first_row_;
  int first_column_;
  unsigned left_address_;  ///< of the chunks that this lane names to load operands, in the first stage
  unsigned right_address_;
  float4 left_[loads];
  float totals_[row_tiles][2 * column_pairs][4] = {};
};

}  // namespace attractor::cuda::streamed
