#pragma once

/// What scores from rounded terms need beside a memory, and what they are off by.

#include "kernels/cpu/engine/field.hpp"

namespace attractor::cpu {

/// Of the patterns, weights and groups of a memory.
Rounding make_rounding(const AdaptiveField& field);

/// Has it hold for more patterns, whose weights are those of the others.
void widen(Rounding& rounding, MatrixView<const float> patterns) noexcept;

}  // namespace attractor::cpu
