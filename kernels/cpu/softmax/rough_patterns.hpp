#pragma once

/// Rough scores of softmax memories: what of them doesn't change from step to step.

#include "kernels/cpu/engine/field.hpp"

namespace attractor::cpu {

/// Rounds the patterns that have come or moved since, if a first look by rough scores may pay.
///
/// Complexity: O(D) for each of these. @throws std::bad_alloc
void update_rough_patterns(SoftmaxField& field);

/// Of floats that are summed in any order, and of those that go into a score beside, what roundings come to at most, by
/// the product of the norms: some more than two for each entry.
inline float score_rounding(Index columns) { return static_cast<float>(columns + 64) * 0x1p-22F; }

/// Below this share of a unit nothing is rounded exactly.
inline constexpr float least_rough = 0x1p-60F;

}  // namespace attractor::cpu
