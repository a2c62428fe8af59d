#pragma once

/// What gradients leave out, on every device.

namespace attractor::detail {

/// Residuals, the derivatives of a loss by scores, below this change no digit of a gradient that floats could tell.
inline constexpr float negligible = 1e-10F;

}  // namespace attractor::detail
