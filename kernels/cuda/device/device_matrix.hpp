#pragma once

/// Matrices as kernels read them.

#include <span>
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

/// Enqueues the copy of rows of a matrix on the device, those with these numbers [to.rows] or without such the first
/// ones, to others there, which are padded with zeros to their stride.
void launch_gather(MatrixView<const float> from, const Index* numbers, MatrixView<float> to, cudaStream_t stream);

/// Whether kernels can read and write a matrix on the device as they do a DeviceMatrix: its rows, without anything
/// between them, start at multiples of 16 bytes and end there.
bool has_whole_quads(MatrixView<const float> matrix);

/// A matrix as kernels read it: on the current device, where it lies, if that will do; else a copy.
class QuadRows {
 public:
  /// One that is on the device is complete, and outlives this. Returns when another one has been read.
  QuadRows(MatrixView<const float> matrix, const std::string& purpose);

  [[nodiscard]] MatrixView<const float> view() const { return view_; }

 private:
  DeviceMatrix copy_;
  MatrixView<const float> view_;
};

/// Whether what lies here is on the current device. @throws InvalidArgument it is on another one.
bool is_here(const float* data, const std::string& name);

/// Writes a matrix on the current device, which is complete, to the host.
void download(MatrixView<const float> from, MatrixView<float> to, const std::string& what);

/// The same with its rows of these numbers.
void download_rows(MatrixView<const float> from, std::span<const Index> numbers, MatrixView<float> to,
                   const std::string& what);

}  // namespace attractor::cuda
