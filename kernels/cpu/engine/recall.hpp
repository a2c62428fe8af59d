#pragma once

/// What memories give for states that stay where they are: contents, or the most likely patterns.

#include <cstdint>
#include <span>

#include <attractor/matrix.hpp>

#include "kernels/cpu/engine/field.hpp"
#include "kernels/pattern_terms.hpp"
#include "kernels/query_view.hpp"
#include "kernels/schedule.hpp"

namespace attractor::cpu {

/// States, and what a call says of how they are scored.
struct StateBatch {
  QueryView states;  ///< [B × D]
  detail::PatternTerms terms = {};
  detail::Schedule schedule = {};
  const std::int32_t* steps = nullptr;  ///< [B] taken so far, where there is a schedule; null: 0

  [[nodiscard]] StateBatch slice(Index first, Index count) const {
    return {.states = states.slice(first, count),
            .terms = terms.slice(first, count),
            .schedule = schedule,
            .steps = steps == nullptr ? nullptr : steps + first};
  }
};

/// contents_i = Cᵀp for every row, and of pointwise memories intensity_i = Σp, unless that is empty.
void recall(const Field& field, const Readout& readout, const StateBatch& batch, const ResultView& contents,
            std::span<float> intensity, int threads);

/// The patterns with the largest scores of every row, as many as `patterns` and `posteriors` have columns, and their
/// weights, unless `posteriors` has no data; −1 and NaN where a row isn't finite or no more patterns have a score. The
/// weights of the memory are normalised.
void retrieve(const Field& field, const StateBatch& batch, MatrixView<Index> patterns, MatrixView<float> posteriors,
              int threads);

}  // namespace attractor::cpu
