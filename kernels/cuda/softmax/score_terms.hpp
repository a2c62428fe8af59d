#pragma once

/// What makes products and distances of states and patterns scores.

#include <cuda_runtime_api.h>

#include <cstdint>

#include <attractor/matrix_view.hpp>

#include "kernels/cuda/engine/slots.hpp"
#include "kernels/pattern_terms.hpp"
#include "kernels/schedule.hpp"

namespace attractor::cuda {

/// What a call says of patterns and temperatures, all data on the device, for rows of states.
struct RowTerms {
  detail::PatternTerms patterns = {};
  const Slot* slots = nullptr;  ///< which query a row holds, and its steps; null: that of its number
  detail::Schedule schedule = {};
  const std::int32_t* steps = nullptr;  ///< of the rows, where there is a schedule and are no slots; null: 0

  /// Whether scores of products are all there is to them.
  [[nodiscard]] bool empty() const { return patterns.empty() && schedule.empty(); }

  /// Of rows [first, first + count), where there are no slots.
  [[nodiscard]] RowTerms slice(Index first, Index count) const {
    return {.patterns = patterns.slice(first, count),
            .slots = nullptr,
            .schedule = schedule,
            .steps = steps == nullptr ? nullptr : steps + first};
  }

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

  /// The inverse temperature of a row, where there is a schedule.
  [[nodiscard]] __device__ __forceinline__ float beta(Index row) const {
    if (slots == nullptr) return schedule.after(steps == nullptr ? 0 : steps[row]);
    return schedule.after(slots[row].query < 0 ? 0 : slots[row].steps);
  }
#endif
};

#ifdef __CUDACC__
/// score + term, and −∞ where the term is, whatever the score.
__device__ __forceinline__ float shifted(float score, float term) { return term == -INFINITY ? term : score + term; }
#endif

/// What a memory adds to scores, on the device.
struct ScoreOffsets {
  const float* offsets = nullptr;     ///< [P] in proportion to β; null: 0
  const float* log_priors = nullptr;  ///< [P], null: 0

  [[nodiscard]] ATTRACTOR_HOST_DEVICE bool empty() const { return offsets == nullptr && log_priors == nullptr; }

#ifdef __CUDACC__
  /// At so many times the memory's own β.
  [[nodiscard]] __device__ __forceinline__ float of(Index pattern, float factor) const {
    const float log_prior = log_priors == nullptr ? 0.0F : log_priors[pattern];
    // Where that is −∞ so is the sum, whatever the offset.
    return offsets == nullptr || log_prior == -INFINITY ? log_prior : fmaf(factor, offsets[pattern], log_prior);
  }
#endif
};

/// Scores that are to be scaled and shifted.
struct ScoreBatch {
  float* scores;  ///< [rows × count] of the patterns from `first` on
  Index stride;
  int rows;
  int first;
  int count;
  const float* scales = nullptr;  ///< [P], null: 1
  ScoreOffsets offsets = {};
  const float* states = nullptr;  ///< [rows × dimension] whose norms divide the scores; null: nothing does
  Index state_stride = 0;
  int dimension = 0;
  RowTerms terms = {};
  float beta = 1.0F;  ///< the memory's own: products, scales and offsets are made for it
};

/// scores = scores/‖state‖·scale + offset + terms, at the temperatures of the rows, in one kernel, or none where there
/// is nothing to do.
void launch_score_terms(const ScoreBatch& batch, cudaStream_t stream);

}  // namespace attractor::cuda
