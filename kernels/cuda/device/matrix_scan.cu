#include "kernels/cuda/device/matrix_scan.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <iterator>
#include <limits>
#include <span>

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/device/row_grid.cuh"
#include "kernels/cuda/device/scanned.hpp"

namespace attractor::cuda {
namespace {

/// Rows of which a block of column_range takes its columns.
constexpr Index range_rows = 1024;

using Place = unsigned long long;
constexpr Place nowhere = std::numeric_limits<Place>::max();

constexpr int highest = std::numeric_limits<int>::max();
constexpr int lowest = std::numeric_limits<int>::min();

/// Integers in the order of floats.
__device__ __forceinline__ int ordered(float value) {
  const int bits = __float_as_int(value);
  return bits < 0 ? bits ^ 0x7fffffff : bits;
}

float from_ordered(int value) { return std::bit_cast<float>(value < 0 ? value ^ 0x7fffffff : value); }

__global__ void __launch_bounds__(row_threads) not_finite_kernel(MatrixView<const float> matrix, Place* first) {
  for_rows(matrix.rows, [&](Index row, int lane) {
    for (Index k = lane; k < matrix.columns; k += warp_size)
      if (!isfinite(matrix(row, k))) atomicMin(first, static_cast<Place>(row * matrix.columns + k));
  });
}

/// A warp's width of columns in some rows, each warp every eighth of these.
__global__ void __launch_bounds__(row_threads)
    column_range_kernel(MatrixView<const float> matrix, int* smallest, int* largest) {
  __shared__ int parts[2][row_warps][warp_size];
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int warp = static_cast<int>(threadIdx.x) / warp_size;
  const Index column = Index{blockIdx.x} * warp_size + lane;
  int least = highest;
  int most = lowest;
  if (column < matrix.columns)
    for (Index block = blockIdx.y; block * range_rows < matrix.rows; block += gridDim.y) {
      const Index end = min((block + 1) * range_rows, matrix.rows);
      for (Index row = block * range_rows + warp; row < end; row += row_warps) {
        const int value = ordered(matrix(row, column));
        least = min(least, value);
        most = max(most, value);
      }
    }
  parts[0][warp][lane] = least;
  parts[1][warp][lane] = most;
  __syncthreads();
  if (warp > 0 || column >= matrix.columns) return;
  for (int i = 1; i < row_warps; ++i) {
    least = min(least, parts[0][i][lane]);
    most = max(most, parts[1][i][lane]);
  }
  atomicMin(smallest + column, least);
  atomicMax(largest + column, most);
}

__global__ void __launch_bounds__(row_threads) row_magnitudes_kernel(MatrixView<const float> matrix, float* largest) {
  for_rows(matrix.rows, [&](Index row, int lane) {
    unsigned most = 0;
    for (Index k = lane; k < matrix.columns; k += warp_size) most = max(most, __float_as_uint(fabsf(matrix(row, k))));
    most = warp_largest(most);
    if (lane == 0) largest[row] = __uint_as_float(most);
  });
}

/// A warp for 32 rows, which it reads together and adds up each by itself: in the order of entries, themselves or their
/// squares.
constexpr int norm_warps = 4;
template <bool squares>
__global__ void __launch_bounds__(norm_warps* warp_size) row_sums_kernel(MatrixView<const float> matrix, double* sums) {
  __shared__ float tiles[norm_warps][warp_size][warp_size + 1];
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int warp = static_cast<int>(threadIdx.x) / warp_size;
  const Index first = (Index{blockIdx.x} * norm_warps + warp) * warp_size;
  if (first >= matrix.rows) return;
  const int rows = static_cast<int>(min(Index{warp_size}, matrix.rows - first));
  float(&tile)[warp_size][warp_size + 1] = tiles[warp];
  double sum = 0.0;
  for (Index column = 0; column < matrix.columns; column += warp_size) {
    const int count = static_cast<int>(min(Index{warp_size}, matrix.columns - column));
    __syncwarp();
    for (int row = 0; row < rows && lane < count; ++row) tile[row][lane] = matrix(first + row, column + lane);
    __syncwarp();
    for (int k = 0; k < count && lane < rows; ++k) {
      const auto value = static_cast<double>(tile[lane][k]);
      sum += squares ? value * value : value;
    }
  }
  if (lane < rows) sums[first + lane] = sum;
}

template <bool squares>
std::vector<double> sums_of_rows(MatrixView<const float> matrix, const std::string& what) {
  constexpr Index block_rows = norm_warps * warp_size;
  const Grid grid{static_cast<unsigned>((matrix.rows + block_rows - 1) / block_rows), norm_warps * warp_size};
  return scanned<double>(Scan{"row_sums_kernel", row_sums_kernel<squares>, grid}, matrix.rows, what, matrix);
}

std::vector<float> from_ordered(const std::vector<int>& values) {
  std::vector<float> result;
  std::transform(values.begin(), values.end(), std::back_inserter(result),
                 [](int value) { return from_ordered(value); });
  return result;
}

}  // namespace

std::optional<Entry> first_not_finite(MatrixView<const float> matrix) {
  const Scan scan{"not_finite_kernel", not_finite_kernel, row_grid(matrix.rows)};
  const auto place = scanned_from(nowhere, scan, "a place", matrix);
  if (place == nowhere) return std::nullopt;
  const auto at = static_cast<Index>(place);
  Entry entry{.row = at / matrix.columns, .column = at % matrix.columns, .value = 0.0F};
  const Stream stream = make_stream();
  copy_rows(MatrixView<float>(&entry.value, 1, 1), {matrix.row(entry.row) + entry.column, 1, 1}, cudaMemcpyDeviceToHost,
            stream.get(), "entry");
  check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize after the copy of an entry");
  return entry;
}

ColumnRange column_range(MatrixView<const float> matrix) {
  const std::vector<int> high(elements(matrix.columns), highest);
  const std::vector<int> low(elements(matrix.columns), lowest);
  const DeviceArray<int> smallest = upload(std::span(high), "the smallest entries of columns");
  const DeviceArray<int> largest = upload(std::span(low), "the largest entries of columns");
  const Stream stream = make_stream();
  constexpr Index most_blocks = 65535;
  const dim3 grid(static_cast<unsigned>((matrix.columns + warp_size - 1) / warp_size),
                  static_cast<unsigned>(std::min((matrix.rows + range_rows - 1) / range_rows, most_blocks)));
  launch_kernel("column_range_kernel", column_range_kernel, {grid, row_threads}, stream.get(), matrix, smallest.data(),
                largest.data());
  return {.smallest = from_ordered(download(smallest, stream.get(), "the smallest entries of columns")),
          .largest = from_ordered(download(largest, stream.get(), "the largest entries of columns"))};
}

std::vector<float> row_magnitudes(MatrixView<const float> matrix) {
  return scanned<float>(Scan{"row_magnitudes_kernel", row_magnitudes_kernel, row_grid(matrix.rows)}, matrix.rows,
                        "the magnitudes of rows", matrix);
}

std::vector<double> squared_norms(MatrixView<const float> matrix) {
  return sums_of_rows<true>(matrix, "squared norms");
}

std::vector<double> row_sums(MatrixView<const float> matrix) { return sums_of_rows<false>(matrix, "sums of rows"); }

}  // namespace attractor::cuda
