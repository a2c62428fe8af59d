#include "kernels/cuda/streamed/gram.hpp"

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/mapped_matrix.hpp"
#include "kernels/cuda/device/quad.cuh"

namespace attractor::cuda {
namespace {

/// A block makes 64 × 64 entries of the result, a thread 4 × 4 of them; `depth` patterns at a time are in shared
/// memory.
constexpr int tile = 64;
constexpr int side = tile / 4;
constexpr int threads = side * side;
constexpr int depth = 16;

/// Patterns whose products are added up in one chain, and those whose chains are before they come to the rest.
constexpr int chain_patterns = 64;
constexpr int part_patterns = 256;

struct Product {
  MatrixView<const float> left;
  MatrixView<const float> right;
  bool diagonal;  ///< false: entries on it are 0
  MatrixView<float> result;
};

using Tile = float4[depth][side];

/// Columns from `first` on of patterns from `begin` on; zeros past the ends.
__device__ void load(Tile& to, MatrixView<const float> matrix, Index begin, Index first) {
  for (int i = static_cast<int>(threadIdx.x); i < depth * tile; i += threads) {
    const Index row = begin + i / tile;
    const Index column = first + i % tile;
    const bool exists = row < matrix.rows && column < matrix.columns;
    reinterpret_cast<float*>(to[i / tile])[i % tile] = exists ? matrix(row, column) : 0.0F;
  }
}

/// Sums of a thread, by rows of four.
struct Sums {
  float4 rows[4];

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (float4& row : rows) row = filled(0.0F);
  }
  __device__ __forceinline__ void add(const Sums& other) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      rows[i].x += other.rows[i].x;
      rows[i].y += other.rows[i].y;
      rows[i].z += other.rows[i].z;
      rows[i].w += other.rows[i].w;
    }
  }
  __device__ __forceinline__ void add_product(const float4& left, const float4& right) {
    add_row(rows[0], left.x, right);
    add_row(rows[1], left.y, right);
    add_row(rows[2], left.z, right);
    add_row(rows[3], left.w, right);
  }

 private:
  static __device__ __forceinline__ void add_row(float4& row, float left, const float4& right) {
    row = {fmaf(left, right.x, row.x), fmaf(left, right.y, row.y), fmaf(left, right.z, row.z),
           fmaf(left, right.w, row.w)};
  }
};

/// Also what lies between a row's last column and the stride: sums of zeros.
__device__ __forceinline__ void write(const Product& product, Index row, Index column, const float4& values) {
  if (row >= product.result.rows || column >= product.result.row_stride) return;
  const auto entry = [&](Index k, float value) { return !product.diagonal && k == row ? 0.0F : value; };
  store4(product.result.row(row) + column, float4{entry(column, values.x), entry(column + 1, values.y),
                                                  entry(column + 2, values.z), entry(column + 3, values.w)});
}

__global__ void __launch_bounds__(threads) gram_kernel(Product product) {
  __shared__ Tile left;
  __shared__ Tile right;
  const Index first_row = Index{blockIdx.x} * tile;
  const Index first_column = Index{blockIdx.y} * tile;
  const int row_quad = static_cast<int>(threadIdx.x) / side;
  const int quad = static_cast<int>(threadIdx.x) % side;
  Sums total = {};
  Sums part = {};
  Sums chain = {};
  for (Index begin = 0; begin < product.left.rows; begin += depth) {
    load(left, product.left, begin, first_row);
    load(right, product.right, begin, first_column);
    __syncthreads();
#pragma unroll
    for (int k = 0; k < depth; ++k) chain.add_product(left[k][row_quad], right[k][quad]);
    __syncthreads();
    const Index end = begin + depth;
    const bool is_last = end >= product.left.rows;
    if (end % chain_patterns == 0 || is_last) {
      part.add(chain);
      chain.clear();
    }
    if (end % part_patterns == 0 || is_last) {
      total.add(part);
      part.clear();
    }
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) write(product, first_row + 4 * row_quad + i, first_column + 4 * quad, total.rows[i]);
}

DeviceMatrix multiply(MatrixView<const float> left, MatrixView<const float> right, bool diagonal,
                      const std::string& purpose) {
  DeviceMatrix result = make_room(left.columns, right.columns, purpose);
  const auto blocks = [](Index size) { return static_cast<unsigned>((size + tile - 1) / tile); };
  const dim3 grid(blocks(left.columns), blocks(right.columns));
  const Stream stream = make_stream();
  launch_kernel("gram_kernel", gram_kernel, {grid, threads}, stream.get(),
                Product{left, right, diagonal, {result.data.data(), result.rows, result.columns, result.stride}});
  check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize after the products of " + purpose);
  return result;
}

}  // namespace

DeviceMatrix transposed_product(MatrixView<const float> left, MatrixView<const float> right,
                                const std::string& purpose) {
  return multiply(left, right, true, purpose);
}

DeviceMatrix gram(MatrixView<const float> factor, bool diagonal, const std::string& purpose) {
  return multiply(factor, factor, diagonal, purpose);
}

}  // namespace attractor::cuda
