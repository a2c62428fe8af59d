#pragma once

/// Products with a memory's matrix: by tensor cores where it is there as halves, else by floats. Either way a row's
/// bits don't depend on how many rows there are.

#include "kernels/cuda/streamed/ordered_product.hpp"
#include "kernels/cuda/streamed/tensor_product.hpp"

namespace attractor::cuda {

/// What is the same of a product, by whatever it is made, and its matrix b as floats and perhaps as halves.
struct MemoryProduct {
  OrderedProduct floats;
  HalfMatrixView halves;
  Products precision = Products::exact;  ///< of halves
  int parts = 1;                         ///< of halves, see TensorProduct
  float* part_results = nullptr;

  [[nodiscard]] bool is_halves() const { return halves.high != nullptr; }
  [[nodiscard]] TensorProduct on_tensor_cores() const {
    return {.rows = floats.rows,
            .columns = floats.columns,
            .inner = floats.inner,
            .factor = floats.factor,
            .a = floats.a,
            .a_stride = floats.a_stride,
            .b = halves,
            .result = floats.result,
            .result_stride = floats.result_stride,
            .parts = parts,
            .part_results = part_results};
  }
};

/// result = factor·ab. Columns are a multiple of 4.
inline void multiply(const MemoryProduct& product, cudaStream_t stream) {
  if (product.is_halves())
    launch_tensor_product(product.on_tensor_cores(), product.precision, stream);
  else
    launch_ordered_product(product.floats, stream);
}

/// result = factor·abᵀ.
inline void multiply_transposed(const MemoryProduct& product, cudaStream_t stream) {
  if (product.is_halves())
    launch_transposed_tensor_product(product.on_tensor_cores(), product.precision, stream);
  else
    launch_transposed_ordered_product(product.floats, stream);
}

}  // namespace attractor::cuda
