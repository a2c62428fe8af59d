#pragma once

/// Products of states or scores with a memory's matrix by tensor cores, at the accuracy of float products. As ordered
/// ones, a row's bits don't depend on how many rows there are.

#include <cuda_runtime_api.h>

#include <attractor/matrix_view.hpp>

#include "kernels/cuda/device/half_matrix.hpp"
#include "kernels/cuda/engine/job.hpp"

namespace attractor::cuda {

/// All rows of floats start at multiples of 16 bytes: strides are multiples of 4.
struct TensorProduct {
  int rows;
  int columns;
  int inner;
  float factor;
  const float* a;  ///< [rows × inner]; what lies from there to the next multiple of 4 is as finite as the row
  Index a_stride;
  HalfMatrixView b;  ///< [inner × columns], or [columns × inner] to be transposed
  float* result;     ///< [rows × columns]; columns up to the next multiple of 4 are written, as finite as the row
  Index result_stride;
  /// Where there are several, the terms of sums are shared out among blocks, and the parts added up in order.
  int parts = 1;
  float* part_results = nullptr;  ///< scratch, as many as there are parts, each shaped as `result`
};

/// How many parts of sums of so many terms fill a device where rows have few of them.
int product_parts(Index inner);

/// result = factor·ab.
void launch_tensor_product(const TensorProduct& product, Products precision, cudaStream_t stream);

/// result = factor·abᵀ.
void launch_transposed_tensor_product(const TensorProduct& product, Products precision, cudaStream_t stream);

}  // namespace attractor::cuda
