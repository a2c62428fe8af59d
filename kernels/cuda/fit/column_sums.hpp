#pragma once

/// Sums of a matrix's columns in double precision, always in the same order.

#include <cuda_runtime_api.h>

#include <attractor/matrix_view.hpp>

namespace attractor::cuda {

/// Doubles that adding up so many rows takes for scratch.
Index column_sum_scratch(Index rows, Index columns);

/// Adds the columns of `matrix` [rows × columns], without gaps, to `sums`. All pointers are on the device. The bits
/// depend on the values and the shape alone.
void launch_column_sums(const float* matrix, Index rows, Index columns, double* sums, double* scratch,
                        cudaStream_t stream);
void launch_column_sums(const double* matrix, Index rows, Index columns, double* sums, double* scratch,
                        cudaStream_t stream);

}  // namespace attractor::cuda
