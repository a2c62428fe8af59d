#include "kernels/cuda/device/device_matrix.hpp"

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/pointer.hpp"
#include "kernels/cuda/device/row_grid.cuh"

namespace attractor::cuda {
namespace {

/// A warp for each row. What lies between a row's last column and the stride becomes 0.
__global__ void __launch_bounds__(row_threads)
    gather_kernel(MatrixView<const float> from, const Index* numbers, MatrixView<float> to) {
  for_rows(to.rows, [&](Index row, int lane) {
    const float* const source = from.row(numbers == nullptr ? row : numbers[row]);
    float* const target = to.row(row);
    const auto columns = static_cast<int>(from.columns);
    const auto stride = static_cast<int>(to.row_stride);
    for (int k = lane; k < stride; k += warp_size) target[k] = k < columns ? source[k] : 0.0F;
  });
}

DeviceArray<float> pad(MatrixView<const float> matrix, int stride, const std::string& purpose) {
  DeviceArray<float> data(elements(matrix.rows, stride), purpose);
  const Stream stream = make_stream();
  launch_gather(matrix, nullptr, {data.data(), matrix.rows, matrix.columns, stride}, stream.get());
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

void launch_gather(MatrixView<const float> from, const Index* numbers, MatrixView<float> to, cudaStream_t stream) {
  launch_kernel("gather_kernel", gather_kernel, row_grid(to.rows), stream, from, numbers, to);
}

bool has_whole_quads(MatrixView<const float> matrix) {
  constexpr std::uintptr_t quad_bytes = 4 * sizeof(float);
  const auto address = reinterpret_cast<std::uintptr_t>(matrix.data);  // NOLINT: a question of addresses
  return address % quad_bytes == 0 && matrix.columns % 4 == 0 && matrix.row_stride % 4 == 0;
}

QuadRows::QuadRows(MatrixView<const float> matrix, const std::string& purpose) : view_(matrix) {
  if (matrix.empty() || (is_here(matrix.data, purpose) && has_whole_quads(matrix))) return;
  copy_ = DeviceMatrix(matrix, purpose);
  view_ = {copy_.data.data(), matrix.rows, matrix.columns, copy_.stride};
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

void download_rows(MatrixView<const float> from, std::span<const Index> numbers, MatrixView<float> to,
                   const std::string& what) {
  const DeviceArray<Index> placed = upload(numbers, "the numbers of " + what);
  const DeviceArray<float> rows(elements(to.rows, to.columns), what);
  const MatrixView<float> chosen(rows.data(), to.rows, to.columns);
  const Stream stream = make_stream();
  launch_gather(from, placed.data(), chosen, stream.get());
  copy_rows(to, chosen, cudaMemcpyDeviceToHost, stream.get(), what);
  check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize after the copy of " + what);
}

}  // namespace attractor::cuda
