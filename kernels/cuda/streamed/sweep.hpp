#pragma once

/// Asynchronous sign updates: one neuron of a state after another, while its products follow each change.

#include <cuda_runtime_api.h>

#include <cstdint>

#include <attractor/matrix_view.hpp>
#include <attractor/separation.hpp>

#include "kernels/cuda/engine/job.hpp"
#include "kernels/cuda/engine/slots.hpp"

namespace attractor::cuda {

/// What a sweep reads and leaves, all pointers on the device.
struct SweepRows {
  const Slot* slots;  ///< [rows]
  int rows;
  const float* states;  ///< [rows × stride]
  float* swept;         ///< the states after the sweep [rows × stride]; NaN where a field isn't finite
  Index stride;
  int dimension;
  const int* order;  ///< of the neurons [dimension]; null: as they are numbered
  float* followed;   ///< scores or fields of the states, which change with them [rows × followed_stride]
  Index followed_stride;
  double* potentials;  ///< of the states before the sweep [rows]: −2E over the energy's scale
};

/// u = scale·(Fᵀf(h) − diagonal∘x) − θ with h = score_scale·Fx; Fx is followed.
struct SweptFactor {
  const float* factor;  ///< F [patterns × stride]
  Index stride;
  int patterns;
  const float* diagonal;    ///< [stride] or null: 0
  const float* resolution;  ///< [stride] of linear memories, for states of magnitude 1
  const float* thresholds;  ///< θ [stride] of linear memories, or null: 0
  float score_scale;
  float scale;
};

/// u = scale·Wx − θ; Wx is followed.
struct SweptWeights {
  const float* weights;  ///< W [D × stride], symmetric
  Index stride;
  const float* resolution;  ///< [stride]
  const float* thresholds;  ///< θ [stride] or null: 0
  float scale;
};

void launch_sweep(const PointwiseSeparation& separation, const SweptFactor& memory, const SweepRows& rows,
                  const Job& job, cudaStream_t stream);
/// The order of a seed: writes order [dimension]. One thread does it, for each swap needs those before.
void launch_sweep_order(std::uint64_t seed, int* order, int dimension, cudaStream_t stream);

void launch_sweep(const SweptWeights& memory, const SweepRows& rows, const Job& job, cudaStream_t stream);

}  // namespace attractor::cuda
