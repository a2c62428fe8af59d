#pragma once

/// What may be left out, on every device.

#include <cmath>

#include <attractor/matrix.hpp>

namespace attractor::detail {

/// Residuals, the derivatives of a loss by scores, below this change no digit of a gradient that floats could tell.
inline constexpr float negligible = 1e-10F;

/// How far below the largest of so many scores softmax drops one: all that is dropped together is less than half a
/// float ulp of the sum.
inline float softmax_cutoff(Index patterns) { return std::log(static_cast<float>(patterns)) + 25.0F * std::log(2.0F); }

}  // namespace attractor::detail
