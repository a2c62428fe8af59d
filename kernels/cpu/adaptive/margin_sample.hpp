#pragma once

/// How much of an adaptive memory's scores rounded terms would leave in question.

#include "kernels/cpu/engine/field.hpp"

namespace attractor::cpu {

/// Fills in the margins of `rounding`, that of this memory, from a few of the stored patterns, as states, beside a few
/// others. What queries will be like isn't known; a memory that tells its own patterns apart well does so with queries
/// near them.
///
/// O(D log D), whatever P.
void sample_margins(const AdaptiveField& field, Rounding& rounding);

}  // namespace attractor::cpu
