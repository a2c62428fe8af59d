#pragma once

/// Normalised separations that need all scores at once: scores become weights where they lie.

#include <cuda_runtime_api.h>

#include <attractor/matrix_view.hpp>
#include <attractor/separation.hpp>

namespace attractor::cuda {

/// The scores of all patterns, and what each row's weights come to.
struct SettledRows {
  int rows;
  int patterns;
  float* scores;  ///< s, then p without its normaliser [rows × stride]
  Index stride;
  float* origins;      ///< the largest s [rows]; 0 where that is finite and scores count as they are
  double* sums;        ///< Σ of the weights [rows]; 0 where none has a weight
  double* potentials;  ///< Ω*(s) less the origin [rows]
};

void launch_settle(const NormalisedSeparation& separation, const SettledRows& rows, cudaStream_t stream);

}  // namespace attractor::cuda
