#pragma once

/// Pointwise separations of streamed memories: scores become weights where they lie.

#include <cuda_runtime_api.h>

#include <attractor/matrix_view.hpp>
#include <attractor/separation.hpp>

namespace attractor::cuda {

/// The scores of one chunk of patterns, and what each row's weights of this chunk and those before it come to.
struct ScoreRows {
  int rows;
  int patterns;
  float* scores;  ///< h, then p [rows × stride]
  Index stride;
  double* potentials;    ///< Σ 2F(h) [rows]
  float* total_weights;  ///< Σ |p| [rows]
  bool first;            ///< the sums begin with this chunk
};

void launch_separate(const PointwiseSeparation& separation, const ScoreRows& scores, cudaStream_t stream);

/// sums += terms, [rows × stride]: the readouts of one chunk more. The stride is a multiple of 4.
void launch_add(float* sums, const float* terms, int rows, Index stride, cudaStream_t stream);

}  // namespace attractor::cuda
