#include "kernels/cuda/streamed/factor_scan.hpp"

#include <bit>
#include <span>

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/device/row_grid.cuh"
#include "kernels/cuda/device/scanned.hpp"

namespace attractor::cuda {
namespace {

constexpr unsigned infinity_bits = 0x7F800000U;

/// Of a score: sums that are added up by themselves.
constexpr int chains = 16;

/// Threads that each add up a column.
constexpr int column_threads = 64;

Grid column_grid(Index columns) {
  return {static_cast<unsigned>((columns + column_threads - 1) / column_threads), column_threads};
}

__device__ __forceinline__ Index own_column() {
  return Index{blockIdx.x} * column_threads + static_cast<int>(threadIdx.x);
}

__global__ void __launch_bounds__(row_threads)
    largest_integer_kernel(MatrixView<const float> factor, unsigned* largest) {
  for_rows(factor.rows, [&](Index row, int lane) {
    unsigned most = 0;
    for (Index k = lane; k < factor.columns; k += warp_size) {
      const float value = factor(row, k);
      most = max(most, truncf(value) == value ? __float_as_uint(fabsf(value)) : infinity_bits);
    }
    most = warp_largest(most);
    if (lane == 0) atomicMax(largest, most);
  });
}

__global__ void __launch_bounds__(column_threads) squared_columns_kernel(MatrixView<const float> factor, double* sums) {
  const Index column = own_column();
  if (column >= factor.columns) return;
  double sum = 0.0;
#pragma unroll 8
  for (Index row = 0; row < factor.rows; ++row) {
    const auto value = static_cast<double>(factor(row, column));
    sum += value * value;
  }
  sums[column] = sum;
}

/// Both halves of a warp add up the same.
__global__ void __launch_bounds__(row_threads)
    double_scores_kernel(MatrixView<const float> factor, const double* x, double* scores) {
  for_rows(factor.rows, [&](Index row, int lane) {
    double chain = 0.0;
    for (Index k = lane % chains; k < factor.columns; k += chains) chain += static_cast<double>(factor(row, k)) * x[k];
    double score = 0.0;
    for (int i = 0; i < chains; ++i) score += __shfl_sync(all_lanes, chain, i);
    if (lane == 0) scores[row] = score;
  });
}

__global__ void __launch_bounds__(column_threads)
    double_readout_kernel(MatrixView<const float> factor, const double* scores, double* readout) {
  const Index column = own_column();
  if (column >= factor.columns) return;
  double sum = 0.0;
#pragma unroll 8
  for (Index row = 0; row < factor.rows; ++row) sum += scores[row] * static_cast<double>(factor(row, column));
  readout[column] = sum;
}

std::vector<double> read_out(MatrixView<const float> factor, const DeviceArray<double>& scores) {
  return scanned<double>(Scan{"double_readout_kernel", double_readout_kernel, column_grid(factor.columns)},
                         factor.columns, "a readout", factor, scores.data());
}

}  // namespace

float largest_integer(MatrixView<const float> factor) {
  const Scan scan{"largest_integer_kernel", largest_integer_kernel, row_grid(factor.rows)};
  return std::bit_cast<float>(scanned_from(0U, scan, "the largest integer", factor));
}

std::vector<double> squared_columns(MatrixView<const float> factor) {
  return scanned<double>(Scan{"squared_columns_kernel", squared_columns_kernel, column_grid(factor.columns)},
                         factor.columns, "squares of columns", factor);
}

std::vector<double> weighted_sum(MatrixView<const float> factor, const std::vector<double>& weights) {
  const DeviceArray<double> scores = upload(std::span(weights), "weights of patterns");
  return read_out(factor, scores);
}

std::vector<double> gram_product(MatrixView<const float> factor, const std::vector<double>& x) {
  const DeviceArray<double> entries = upload(std::span(x), "a vector");
  const DeviceArray<double> scores(elements(factor.rows), "its scores");
  const Stream stream = make_stream();
  launch_kernel("double_scores_kernel", double_scores_kernel, row_grid(factor.rows), stream.get(), factor,
                entries.data(), scores.data());
  check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize after scores");
  return read_out(factor, scores);
}

}  // namespace attractor::cuda
