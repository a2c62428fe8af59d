#pragma once

/// Pointwise separations of streamed memories: scores become weights where they lie.

#include <cuda_runtime_api.h>

#include <attractor/matrix_view.hpp>
#include <attractor/separation.hpp>

namespace attractor::cuda {

/// The units that rows take their scores in, see core/score_unit.hpp. They follow from the scores so far: a chunk with
/// larger ones changes them, and what sums over the chunks before are in.
struct ScoreUnits {
  float* largest = nullptr;  ///< of the scores that count [rows]; null: scores are taken as they are
  int* exponents = nullptr;  ///< sums of weights are to be multiplied by 2 to these [rows],
  float* changes = nullptr;  ///< those of the chunks before by these first [rows]
};

/// The scores of one chunk of patterns, and what each row's weights of this chunk and those before it come to.
struct ScoreRows {
  int rows;
  int patterns;
  float* scores;  ///< h, then p [rows × stride]
  Index stride;
  double* potentials;    ///< Σ 2F(h) [rows]
  float* total_weights;  ///< Σ |p| [rows], in their units
  bool first;            ///< the sums begin with this chunk
  ScoreUnits units = {};
};

void launch_separate(const PointwiseSeparation& separation, const ScoreRows& scores, cudaStream_t stream);

/// sums = factor·sums + terms, [rows × stride], with a factor for each row or null: 1; the readouts of one chunk more.
/// The stride is a multiple of 4.
void launch_add(float* sums, const float* factors, const float* terms, int rows, Index stride, cudaStream_t stream);

}  // namespace attractor::cuda
