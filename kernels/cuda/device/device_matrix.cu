#include "kernels/cuda/device/device_matrix.hpp"

#include <algorithm>
#include <span>
#include <vector>

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/pointer.hpp"
#include "kernels/cuda/device/row_grid.cuh"

namespace attractor::cuda {
namespace {

/// A warp for each row.
__global__ void __launch_bounds__(row_threads) pad_kernel(MatrixView<const float> from, float* to, int stride) {
  for_rows(from.rows, [&](Index row, int lane) {
    for (Index k = lane; k < stride; k += warp_size) to[row * stride + k] = k < from.columns ? from(row, k) : 0.0F;
  });
}

DeviceArray<float> pad(MatrixView<const float> matrix, int stride, const std::string& purpose) {
  DeviceArray<float> data(elements(matrix.rows, stride), purpose);
  const Stream stream = make_stream();
  launch_kernel("pad_kernel", pad_kernel, row_grid(matrix.rows), stream.get(), matrix, data.data(), stride);
  check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize after the copy of " + purpose);
  return data;
}

DeviceArray<float> upload_padded(MatrixView<const float> matrix, int stride, const std::string& purpose) {
  std::vector<float> values(elements(matrix.rows, stride), 0.0F);
  for (Index i = 0; i < matrix.rows; ++i) std::copy_n(matrix.row(i), matrix.columns, values.data() + i * stride);
  return upload(std::span<const float>(values), purpose);
}

}  // namespace

DeviceMatrix::DeviceMatrix(MatrixView<const float> matrix, const std::string& purpose)
    : rows(static_cast<int>(matrix.rows)), columns(static_cast<int>(matrix.columns)), stride(padded(matrix.columns)) {
  if (matrix.empty()) return;
  data = is_here(matrix.data, purpose) ? pad(matrix, stride, purpose) : upload_padded(matrix, stride, purpose);
}

bool is_here(const float* data, const std::string& name) {
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  return locate(data, device, name) == Location::device;
}

void download(MatrixView<const float> from, MatrixView<float> to, const std::string& what) {
  const Stream stream = make_stream();
  copy_rows(to, from, cudaMemcpyDeviceToHost, stream.get(), what);
  check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize after the copy of " + what);
}

}  // namespace attractor::cuda
