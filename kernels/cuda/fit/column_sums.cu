#include "kernels/cuda/fit/column_sums.hpp"

#include <algorithm>

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/quad.cuh"
#include "kernels/sizes.hpp"

namespace attractor::cuda {
namespace {

/// A block takes a warp's width of columns and so many rows, each of its warps every eighth of them.
Index block_rows() { return detail::sizes().column_rows; }
constexpr int warps = 8;

Index chunks(Index rows) { return (rows + block_rows() - 1) / block_rows(); }

/// Row i of `sums`: the columns of the i-th `block_rows` rows, or of all if there is but one row of blocks; added to
/// what is there if `add`.
template <class T>
__global__ void __launch_bounds__(warps* warp_size)
    sum_kernel(const T* matrix, Index rows, Index columns, Index block_rows, double* sums, bool add) {
  __shared__ double parts[warps][warp_size];
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int warp = static_cast<int>(threadIdx.x) / warp_size;
  const Index column = Index{blockIdx.x} * warp_size + lane;
  const Index begin = blockIdx.y * block_rows;
  const Index end = gridDim.y == 1 ? rows : min(begin + block_rows, rows);
  double sum = 0.0;
  if (column < columns)
    for (Index row = begin + warp; row < end; row += warps) sum += static_cast<double>(matrix[row * columns + column]);
  parts[warp][lane] = sum;
  __syncthreads();
  if (warp > 0 || column >= columns) return;
  for (int i = 1; i < warps; ++i) sum += parts[i][lane];
  double& result = sums[blockIdx.y * columns + column];
  result = add ? result + sum : sum;
}

template <class T>
void launch(const T* matrix, Index rows, Index columns, double* sums, Index row_blocks, bool add, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>((columns + warp_size - 1) / warp_size), static_cast<unsigned>(row_blocks));
  launch_kernel("column_sums", sum_kernel<T>, {grid, warps * warp_size}, stream, matrix, rows, columns, block_rows(),
                sums, add);
}

/// Many rows in two passes, so that there are blocks enough.
template <class T>
void sum_columns(const T* matrix, Index rows, Index columns, double* sums, double* scratch, cudaStream_t stream) {
  if (rows <= block_rows()) return launch(matrix, rows, columns, sums, 1, true, stream);
  launch(matrix, rows, columns, scratch, chunks(rows), false, stream);
  launch(scratch, chunks(rows), columns, sums, 1, true, stream);
}

}  // namespace

Index column_sum_scratch(Index rows, Index columns) { return rows <= block_rows() ? 0 : chunks(rows) * columns; }

void launch_column_sums(const float* matrix, Index rows, Index columns, double* sums, double* scratch,
                        cudaStream_t stream) {
  sum_columns(matrix, rows, columns, sums, scratch, stream);
}
void launch_column_sums(const double* matrix, Index rows, Index columns, double* sums, double* scratch,
                        cudaStream_t stream) {
  sum_columns(matrix, rows, columns, sums, scratch, stream);
}

}  // namespace attractor::cuda
