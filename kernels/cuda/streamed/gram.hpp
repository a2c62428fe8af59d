#pragma once

/// The weights of dense linear memories from what lies on the current device and is complete. Sums run over patterns in
/// the order of kernels/cpu/pointwise/gram.hpp, so that the bits are the host's where that fuses products into sums.

#include <string>

#include <attractor/matrix_view.hpp>

#include "kernels/cuda/device/device_matrix.hpp"

namespace attractor::cuda {

/// leftᵀ·right [left.columns × right.columns] of as many rows each. Returns when it is there.
DeviceMatrix transposed_product(MatrixView<const float> left, MatrixView<const float> right,
                                const std::string& purpose);

/// FᵀF [D × D], symmetric to the bit, with zeros on its diagonal unless `diagonal`.
DeviceMatrix gram(MatrixView<const float> factor, bool diagonal, const std::string& purpose);

}  // namespace attractor::cuda
