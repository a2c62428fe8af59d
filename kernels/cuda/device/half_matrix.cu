#include "kernels/cuda/device/half_matrix.hpp"

#include <cuda_fp16.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/matrix_scan.hpp"
#include "kernels/cuda/device/row_grid.cuh"
#include "kernels/cuda/device/scanned.hpp"

namespace attractor::cuda {
namespace {

/// Of fp16 rows: 16 columns are a step of a tensor product.
constexpr Index stride_of(Index columns) { return (columns + 15) / 16 * 16; }

/// Largest magnitudes.
struct Magnitudes {
  explicit Magnitudes(MatrixView<const float> matrix) : rows(row_magnitudes(matrix)) {
    const ColumnRange range = column_range(matrix);
    for (std::size_t k = 0; k < range.smallest.size(); ++k)
      columns.push_back(std::max(std::abs(range.smallest[k]), std::abs(range.largest[k])));
    largest = *std::max_element(rows.begin(), rows.end());
  }

  /// Whether fp16's floor is below what float's rounding does to any row or column, and the unit a float.
  [[nodiscard]] bool are_even() const {
    constexpr float ratio = 0x1p-12F;
    constexpr float least = 0x1p-100F;
    const auto is_even = [this](float value) { return value == 0.0F || value >= ratio * largest; };
    const auto is_finite = [](float value) { return std::isfinite(value); };
    return std::all_of(rows.begin(), rows.end(), is_finite) && largest >= least &&
           std::all_of(rows.begin(), rows.end(), is_even) && std::all_of(columns.begin(), columns.end(), is_even);
  }

  std::vector<float> rows;
  std::vector<float> columns;
  float largest = 0.0F;
};

__global__ void __launch_bounds__(row_threads)
    exactness_kernel(MatrixView<const float> matrix, float scale, unsigned* inexact) {
  for_rows(matrix.rows, [&](Index row, int lane) {
    bool is_inexact = false;
    for (Index k = lane; k < matrix.columns; k += warp_size) {
      const float value = scale * matrix(row, k);
      is_inexact = is_inexact || __half2float(__float2half_rn(value)) != value;
    }
    if (__any_sync(all_lanes, is_inexact) && lane == 0) atomicOr(inexact, 1U);
  });
}

/// `low` is null where all of it is 0.
__global__ void __launch_bounds__(row_threads)
    split_kernel(MatrixView<const float> matrix, float scale, Index stride, std::uint16_t* high, std::uint16_t* low) {
  for_rows(matrix.rows, [&](Index row, int lane) {
    for (Index k = lane; k < stride; k += warp_size) {
      const float value = k < matrix.columns ? scale * matrix(row, k) : 0.0F;
      const __half rounded = __float2half_rn(value);
      high[row * stride + k] = __half_as_ushort(rounded);
      if (low != nullptr) low[row * stride + k] = __half_as_ushort(__float2half_rn(value - __half2float(rounded)));
    }
  });
}

bool is_exact(MatrixView<const float> matrix, float scale) {
  const Scan scan{"exactness_kernel", exactness_kernel, row_grid(matrix.rows)};
  return scanned_from(0U, scan, "what fp16 can't hold", matrix, scale) == 0U;
}

}  // namespace

HalfMatrix::HalfMatrix(const DeviceMatrix& matrix, const std::string& purpose)
    : rows(matrix.rows), stride(stride_of(matrix.columns)) {
  const MatrixView<const float> values = matrix.view();
  if (values.empty()) return;
  const Magnitudes magnitudes(values);
  if (!magnitudes.are_even()) return;
  // The largest magnitude becomes 2¹⁴ to 2¹⁵.
  const int exponent = std::ilogb(magnitudes.largest) - 14;
  unit = std::ldexp(1.0F, exponent);
  const float scale = std::ldexp(1.0F, -exponent);
  exact = is_exact(values, scale);
  const std::size_t plane = elements(rows, stride);
  data = DeviceArray<std::uint16_t>(exact ? plane : 2 * plane, purpose);
  const Stream stream = make_stream();
  launch_kernel("split_kernel", split_kernel, row_grid(rows), stream.get(), values, scale, stride, data.data(),
                exact ? nullptr : data.data() + plane);
  check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize after the split of " + purpose);
}

HalfMatrixView HalfMatrix::view() const {
  if (data.size() == 0) return {};
  return {.high = data.data(),
          .low = exact ? nullptr : data.data() + elements(rows, stride),
          .stride = stride,
          .unit = unit};
}

}  // namespace attractor::cuda
