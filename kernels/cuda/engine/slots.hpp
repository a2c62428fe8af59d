#pragma once

/// Queries in flight in the streamed tier: one slot for each row of the state matrix.

#include <attractor/matrix_view.hpp>

#include "core/end_judge.hpp"

namespace attractor::cuda {

struct Slot {
  Index query;  ///< −1: idle
  int steps;
  float magnitude;  ///< max |x_0|
  detail::EndJudge judge;
};

/// Counts of one call, zero at its start. Their type is the one that atomicAdd takes.
struct QueryCounts {
  // NOLINTBEGIN(google-runtime-int)
  unsigned long long started;   ///< queries given a slot, besides those that started in one
  unsigned long long finished;  ///< queries with a result
  // NOLINTEND(google-runtime-int)
};

/// Two state matrices: each step reads one and writes the other.
struct Slots {
  Slot* slot;
  float* states;   ///< [rows × stride]; columns from the dimension to the stride are zero
  float* next;     ///< as `states`
  Index stride;    ///< a multiple of 4
  Index reserved;  ///< the first so many queries start in the slot of their number
  QueryCounts* counts;

  /// Those from one on.
  [[nodiscard]] Slots from(int first) const {
    Slots rest = *this;
    rest.slot += first;
    rest.states += first * stride;
    rest.next += first * stride;
    return rest;
  }
};

}  // namespace attractor::cuda
