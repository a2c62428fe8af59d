#include "kernels/cuda/streamed/ordered_product.hpp"

#include <algorithm>

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/math.cuh"
#include "kernels/cuda/device/quad.cuh"
#include "kernels/sizes.hpp"

namespace attractor::cuda {
namespace {

/// A block makes 32 rows × 64 columns of the result, a thread 4 × 4 of them; `depth` terms at a time are in shared
/// memory.
constexpr int tile_rows = 32;
constexpr int tile_quads = 16;
constexpr int tile_columns = 4 * tile_quads;
constexpr int depth = 16;
constexpr int threads = tile_rows / 4 * tile_quads;

enum class Form : unsigned char { straight, transposed };

/// Rows of a tile are terms. One quad more keeps stores down a column off each other's banks.
template <int quads>
using Tile = float4[depth][quads + 1];

/// Where turned tiles have a quad of a term's: so that a warp's lanes, which store terms of 8 rows, four lanes a row,
/// have a bank each.
__device__ __forceinline__ int turned_place(int term, int quad) { return quad ^ (term / 8 * 2); }

/// What a thread loads of tiles that are turned so that terms are their rows.
template <int quads>
class TurnedRows {
 public:
  /// Rows of the matrix from `first` on; zeros past the end.
  __device__ TurnedRows(const float* matrix, Index stride, Index first, Index rows) {
#pragma unroll
    for (int n = 0; n < loads; ++n) {
      const Index row = first + row_of(n);
      rows_[n] = row < rows ? matrix + row * stride + first_term() : nullptr;
    }
  }

  /// Terms from `begin` on, of `inner`; zeros past the end.
  __device__ __forceinline__ void load(Tile<quads>& tile, int begin, int inner) const {
#pragma unroll
    for (int n = 0; n < loads; ++n) {
      const float* const from = rows_[n] + begin;
      float4 values = filled(0.0F);
      if (rows_[n] != nullptr && begin + depth <= inner)
        values = load4(from);
      else if (rows_[n] != nullptr)
        values = load_first(from, inner - begin - first_term());
      float* const to = reinterpret_cast<float*>(tile[first_term()] + turned_place(first_term(), row_of(n) / 4));
#pragma unroll
      for (int j = 0; j < 4; ++j) to[j * 4 * (quads + 1) + row_of(n) % 4] = element(values, j);
    }
  }

 private:
  static constexpr int row_quads = depth / 4;
  static constexpr int loads = 4 * quads * row_quads / threads;

  __device__ static int first_term() { return static_cast<int>(threadIdx.x) % row_quads * 4; }
  __device__ static int row_of(int n) { return (static_cast<int>(threadIdx.x) + n * threads) / row_quads; }

  /// The first of four; zeros in place of others.
  __device__ static float4 load_first(const float* from, int count) {
    const auto at = [&](int i) { return i < count ? from[i] : 0.0F; };
    return {at(0), at(1), at(2), at(3)};
  }

  const float* rows_[loads];
};

/// A tile of terms from `begin` on, columns from `first` on; zeros past the ends.
__device__ void load_straight(Tile<tile_quads>& tile, const OrderedProduct& product, int begin, int first) {
  for (int i = static_cast<int>(threadIdx.x); i < depth * tile_quads; i += threads) {
    const int term = begin + i / tile_quads;
    const int column = first + i % tile_quads * 4;
    const bool exists = term < product.inner && column < product.columns;
    tile[i / tile_quads][i % tile_quads] = exists ? load4(product.b + term * product.b_stride + column) : filled(0.0F);
  }
}

/// What a row's entry and one of each of four columns add to their sums.
template <Similarity similarity>
__device__ __forceinline__ float4 add_terms(const float4& sums, float entry, const float4& columns) {
  const FloatOps ops;
  return {
      add_entries<similarity>(ops, sums.x, columns.x, entry), add_entries<similarity>(ops, sums.y, columns.y, entry),
      add_entries<similarity>(ops, sums.z, columns.z, entry), add_entries<similarity>(ops, sums.w, columns.w, entry)};
}

template <Form form, Similarity similarity>
__global__ void __launch_bounds__(threads) multiply_kernel(OrderedProduct product) {
  __shared__ Tile<tile_rows / 4> a;
  __shared__ Tile<tile_quads> b;
  const Index first_row = Index{blockIdx.x} * tile_rows;
  const int first_column = static_cast<int>(blockIdx.y) * tile_columns;
  const int row_quad = static_cast<int>(threadIdx.x) / tile_quads;
  const int quad = static_cast<int>(threadIdx.x) % tile_quads;
  const TurnedRows<tile_rows / 4> a_rows(product.a, product.a_stride, first_row, product.rows);
  // Of a straight product nothing comes of them.
  const TurnedRows<tile_quads> b_rows(product.b, product.b_stride, first_column, product.columns);
  float4 sums[4] = {};
  for (int begin = 0; begin < product.inner; begin += depth) {
    a_rows.load(a, begin, product.inner);
    if constexpr (form == Form::transposed)
      b_rows.load(b, begin, product.inner);
    else
      load_straight(b, product, begin, first_column);
    __syncthreads();
#pragma unroll
    for (int term = 0; term < depth; ++term) {
      const float4 factors = a[term][turned_place(term, row_quad)];
      const float4 terms = b[term][form == Form::transposed ? turned_place(term, quad) : quad];
      sums[0] = add_terms<similarity>(sums[0], factors.x, terms);
      sums[1] = add_terms<similarity>(sums[1], factors.y, terms);
      sums[2] = add_terms<similarity>(sums[2], factors.z, terms);
      sums[3] = add_terms<similarity>(sums[3], factors.w, terms);
    }
    __syncthreads();
  }
  const int column = first_column + 4 * quad;
  if (column >= product.columns) return;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const Index row = first_row + 4 * row_quad + i;
    if (row >= product.rows) return;
    float* const to = product.result + row * product.result_stride + column;
    store4(to, each(sums[i], [&](float sum) { return sum * product.factor; }));
  }
}

/// In slices of columns, for grids have their limits.
template <Form form, Similarity similarity>
void launch(OrderedProduct product, cudaStream_t stream) {
  const auto blocks = [](int size, int tile) { return static_cast<unsigned>((size + tile - 1) / tile); };
  const auto most = static_cast<int>(detail::sizes().product_columns);
  const Index b_step = form == Form::transposed ? product.b_stride : 1;
  for (int left = product.columns; left > 0; left -= most) {
    product.columns = std::min(most, left);
    const dim3 grid(blocks(product.rows, tile_rows), blocks(product.columns, tile_columns));
    launch_kernel("ordered_product", multiply_kernel<form, similarity>, {grid, threads}, stream, product);
    product.b += product.columns * b_step;
    product.result += product.columns;
  }
}

}  // namespace

void launch_ordered_product(const OrderedProduct& product, cudaStream_t stream) {
  launch<Form::straight, Similarity::dot>(product, stream);
}
void launch_transposed_ordered_product(const OrderedProduct& product, cudaStream_t stream) {
  launch<Form::transposed, Similarity::dot>(product, stream);
}
void launch_ordered_squares(const OrderedProduct& product, cudaStream_t stream) {
  launch<Form::transposed, Similarity::squared_distance>(product, stream);
}
void launch_ordered_distances(const OrderedProduct& product, cudaStream_t stream) {
  launch<Form::transposed, Similarity::manhattan>(product, stream);
}

}  // namespace attractor::cuda
