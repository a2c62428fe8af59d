#pragma once

/// Matrices that rules make of one on the current device, which is complete, entry by entry and with the host's bits.
/// Each returns when its matrix is there.

#include <span>
#include <string>
#include <vector>

#include <attractor/matrix_view.hpp>

#include "kernels/cuda/device/device_matrix.hpp"

namespace attractor::cuda {

/// Room for a matrix. What lies between its rows must become 0.
DeviceMatrix make_room(Index rows, Index columns, const std::string& purpose);

/// Entries less one value, in double.
DeviceMatrix less_value(MatrixView<const float> matrix, double value, const std::string& purpose);

/// Rows less one [D], in float.
DeviceMatrix less_row(MatrixView<const float> matrix, std::span<const float> row, const std::string& purpose);

/// Rows times factors of their own [P], in double.
DeviceMatrix scaled_rows(MatrixView<const float> matrix, const std::vector<double>& factors,
                         const std::string& purpose);

}  // namespace attractor::cuda
