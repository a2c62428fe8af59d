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
  float* maxima;             ///< the largest s [rows]
  double* sums;              ///< Σ of the weights [rows]
  double* potentials;        ///< Ω*(s) less the largest s [rows]
  Index* winners = nullptr;  ///< the first pattern with the largest s [rows]; null: not asked for,
  double* shares = nullptr;  ///< nor Σ of the weights over its own [rows]
};

/// Of entmax and top.
void launch_settle(const NormalisedSeparation& separation, const SettledRows& rows, cudaStream_t stream);

}  // namespace attractor::cuda
