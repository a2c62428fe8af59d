#pragma once

/// Losses −log softmax(s)_origin of rows of scores s, and their derivatives by the scores.

#include <cuda_runtime_api.h>

#include <attractor/matrix_view.hpp>

namespace attractor::cuda {

/// All pointers are on the device.
struct SoftmaxLoss {
  int rows = 0;
  int pattern_count = 0;
  float* scores = nullptr;  ///< [rows × pattern_count]; if `residuals`, becomes softmax(s)_μ − [μ is the origin]
  const Index* origins = nullptr;
  double* losses = nullptr;  ///< [rows]
  bool residuals = false;
};

/// Enqueues one kernel.
void launch_softmax_loss(const SoftmaxLoss& job, cudaStream_t stream);

}  // namespace attractor::cuda
