#pragma once

/// Matrices as kernels read them.

#include <string>

#include <attractor/matrix_view.hpp>

#include "kernels/cuda/device/resources.hpp"

namespace attractor::cuda {

/// Floats of a row that starts where the next may, too: a multiple of four.
constexpr int padded(Index columns) { return static_cast<int>((columns + 3) / 4 * 4); }

/// A row-major matrix on the device, its rows padded with zeros to a multiple of four floats.
struct DeviceMatrix {
  explicit DeviceMatrix() = default;
  /// A copy of a matrix on the host or on the current device, which is complete. Returns when it has been read.
  DeviceMatrix(MatrixView<const float> matrix, const std::string& purpose);

  [[nodiscard]] const float* row(Index i) const { return data.data() + i * stride; }
  [[nodiscard]] MatrixView<const float> view() const { return {data.data(), rows, columns, stride}; }

  DeviceArray<float> data;
  int rows = 0;
  int columns = 0;
  int stride = 0;
};

/// Whether what lies here is on the current device. @throws InvalidArgument it is on another one.
bool is_here(const float* data, const std::string& name);

/// Writes a matrix on the current device, which is complete, to the host.
void download(MatrixView<const float> from, MatrixView<float> to, const std::string& what);

}  // namespace attractor::cuda
