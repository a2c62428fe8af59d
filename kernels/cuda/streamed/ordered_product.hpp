#pragma once

/// Products whose sums run in one order, whatever the shape: a row's bits don't depend on how many rows there are,
/// which libraries don't promise.

#include <cuda_runtime_api.h>

#include <attractor/matrix_view.hpp>

namespace attractor::cuda {

/// All rows start at multiples of 16 bytes: strides are multiples of 4. Columns of `result` up to the next multiple of
/// 4 are written.
struct OrderedProduct {
  int rows;
  int columns;
  int inner;
  float factor;
  const float* a;  ///< [rows × inner]
  Index a_stride;
  const float* b;  ///< [inner × columns], or [columns × inner] to be transposed
  Index b_stride;
  float* result;  ///< [rows × columns]
  Index result_stride;
};

/// result = factor·ab. Columns are a multiple of 4.
void launch_ordered_product(const OrderedProduct& product, cudaStream_t stream);

/// result = factor·abᵀ.
void launch_transposed_ordered_product(const OrderedProduct& product, cudaStream_t stream);

/// result = factor·(squared distances of the rows of a and b), summed from differences.
void launch_ordered_squares(const OrderedProduct& product, cudaStream_t stream);

/// result = −factor·(Manhattan distances of the rows of a and b).
void launch_ordered_distances(const OrderedProduct& product, cudaStream_t stream);

}  // namespace attractor::cuda
