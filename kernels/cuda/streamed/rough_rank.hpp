#pragma once

/// The best patterns of softmax memories, without posteriors: from scores of about the accuracy of the memory's own,
/// which are made for the few patterns that may be among the best.

#include <cuda_runtime_api.h>

#include <attractor/matrix_view.hpp>

#include "kernels/cuda/device/device_matrix.hpp"

namespace attractor::cuda {

struct RoughRows {
  int rows;
  const float* states;  ///< [rows × the patterns' stride], columns from the dimension on are zero
  const DeviceMatrix* patterns;
  float* scores;  ///< [rows × stride] about β aᵀx; scratch from then on
  Index stride;
  float beta;
  double length;  ///< no pattern is longer
  double error;  ///< |about β aᵀx − its sum in floats| ≤ error·length·β‖x‖, where these are far from the ends of float
  MatrixView<Index> best;  ///< [rows × k] the best patterns, as RankedRows has them
};

void launch_rough_rank(const RoughRows& rows, cudaStream_t stream);

}  // namespace attractor::cuda
