#pragma once

/// Matrices as tensor cores take them: a value is unit·(high + low), both in fp16. That has 22 bits, as good as float's
/// 24 where products are added up.

#include <cuda_runtime_api.h>

#include <cstdint>
#include <string>

#include <attractor/matrix_view.hpp>

#include "kernels/cuda/device/device_matrix.hpp"
#include "kernels/cuda/device/resources.hpp"

namespace attractor::cuda {

/// On the device. Rows start at multiples of 16 bytes; what lies between a row's last column and the stride is zero.
struct HalfMatrixView {
  const std::uint16_t* high = nullptr;  ///< [rows × stride]; null: the matrix is there as floats alone
  const std::uint16_t* low = nullptr;   ///< the same; null: all are 0
  Index stride = 0;
  float unit = 1.0F;  ///< a power of two

  /// The rows from one on.
  [[nodiscard]] HalfMatrixView from(Index row) const {
    HalfMatrixView view = *this;
    if (high != nullptr) view.high += row * stride;
    if (low != nullptr) view.low += row * stride;
    return view;
  }
};

/// Owns them.
struct HalfMatrix {
  explicit HalfMatrix() = default;
  /// Leaves none where they would be less accurate than floats: the floor of fp16 is 2⁻³⁹ of the matrix's largest
  /// magnitude, so that of every row and of every column must be 0 or no less than 2⁻¹² of that.
  HalfMatrix(const DeviceMatrix& matrix, const std::string& purpose);

  [[nodiscard]] HalfMatrixView view() const;

  DeviceArray<std::uint16_t> data;  ///< high, then low
  Index rows = 0;
  Index stride = 0;
  bool exact = false;  ///< there is no low
  float unit = 1.0F;
};

}  // namespace attractor::cuda
