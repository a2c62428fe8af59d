#pragma once

/// What makes products and distances of states and patterns scores.

#include <cuda_runtime_api.h>

#include <attractor/matrix_view.hpp>

#include "kernels/cuda/engine/slots.hpp"
#include "kernels/pattern_terms.hpp"

namespace attractor::cuda {

/// What a call says of patterns, all data on the device, for rows of states.
struct RowTerms {
  detail::PatternTerms patterns = {};
  const Slot* slots = nullptr;  ///< which query a row holds; null: that of its number

  [[nodiscard]] bool empty() const { return patterns.empty(); }

#ifdef __CUDACC__
  /// For the score of a row's state with a pattern; 0 for rows without a query.
  [[nodiscard]] __device__ __forceinline__ float of(Index row, Index pattern) const {
    const Index query = slots == nullptr ? row : slots[row].query;
    if (query < 0) return 0.0F;
    if (patterns.valid.data != nullptr && patterns.valid.data[query * patterns.valid.row_stride + pattern] == 0)
      return -INFINITY;
    return patterns.log_prior.data == nullptr
               ? 0.0F
               : patterns.log_prior.data[query * patterns.log_prior.row_stride + pattern];
  }
#endif
};

#ifdef __CUDACC__
/// score + term, and −∞ where the term is, whatever the score.
__device__ __forceinline__ float shifted(float score, float term) { return term == -INFINITY ? term : score + term; }
#endif

/// Scores that are to be scaled and shifted.
struct ScoreBatch {
  float* scores;  ///< [rows × count] of the patterns from `first` on
  Index stride;
  int rows;
  int first;
  int count;
  const float* scales = nullptr;   ///< [P], null: 1
  const float* offsets = nullptr;  ///< [P], null: 0
  const float* states = nullptr;   ///< [rows × dimension] whose norms divide the scores; null: nothing does
  Index state_stride = 0;
  int dimension = 0;
  RowTerms terms = {};
};

/// scores = scores/‖state‖·scale + offset + terms, in one kernel, or none where there is nothing to do.
void launch_score_terms(const ScoreBatch& batch, cudaStream_t stream);

}  // namespace attractor::cuda
