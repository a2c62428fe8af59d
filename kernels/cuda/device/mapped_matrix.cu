#include "kernels/cuda/device/mapped_matrix.hpp"

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/device/row_grid.cuh"

namespace attractor::cuda {
namespace {

struct LessValue {
  double value;
  __device__ float operator()(float entry, Index /*row*/, Index /*column*/) const {
    return static_cast<float>(static_cast<double>(entry) - value);
  }
};

struct LessRow {
  const float* values;
  __device__ float operator()(float entry, Index /*row*/, Index column) const { return entry - values[column]; }
};

struct ScaledRow {
  const double* factors;
  __device__ float operator()(float entry, Index row, Index /*column*/) const {
    return static_cast<float>(factors[row] * static_cast<double>(entry));
  }
};

/// Zeros between a row's last column and the stride.
template <class Map>
__global__ void __launch_bounds__(row_threads) map_kernel(MatrixView<const float> from, MatrixView<float> to, Map map) {
  for_rows(from.rows, [&](Index row, int lane) {
    for (Index k = lane; k < to.row_stride; k += warp_size)
      to(row, k) = k < from.columns ? map(from(row, k), row, k) : 0.0F;
  });
}

template <class Map>
DeviceMatrix mapped(MatrixView<const float> matrix, const Map& map, const std::string& purpose) {
  DeviceMatrix result = make_room(matrix.rows, matrix.columns, purpose);
  const Stream stream = make_stream();
  launch_kernel("map_kernel", map_kernel<Map>, row_grid(matrix.rows), stream.get(), matrix,
                MatrixView<float>(result.data.data(), result.rows, result.columns, result.stride), map);
  check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize after the making of " + purpose);
  return result;
}

}  // namespace

DeviceMatrix make_room(Index rows, Index columns, const std::string& purpose) {
  DeviceMatrix room;
  room.data = DeviceArray<float>(elements(rows, padded(columns)), purpose);
  room.rows = static_cast<int>(rows);
  room.columns = static_cast<int>(columns);
  room.stride = padded(columns);
  return room;
}

DeviceMatrix less_value(MatrixView<const float> matrix, double value, const std::string& purpose) {
  return mapped(matrix, LessValue{value}, purpose);
}

DeviceMatrix less_row(MatrixView<const float> matrix, std::span<const float> row, const std::string& purpose) {
  const DeviceArray<float> values = upload(row, "a row");
  return mapped(matrix, LessRow{values.data()}, purpose);
}

DeviceMatrix scaled_rows(MatrixView<const float> matrix, const std::vector<double>& factors,
                         const std::string& purpose) {
  const DeviceArray<double> values = upload(std::span(factors), "factors of rows");
  return mapped(matrix, ScaledRow{values.data()}, purpose);
}

}  // namespace attractor::cuda
