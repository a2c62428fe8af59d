#pragma once

/// Sign updates of states of ±1 on linear memories of ±1, in integers. Their scores and readouts are integers that
/// float has, so that results are those of floats, bit for bit.

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include <attractor/matrix_view.hpp>
#include <attractor/update.hpp>

#include "kernels/sizes.hpp"

namespace attractor::detail {

/// Whether all entries are ±1.
inline bool is_bipolar(MatrixView<const float> matrix) {
  for (Index i = 0; i < matrix.rows; ++i)
    for (Index k = 0; k < matrix.columns; ++k)
      if (std::abs(matrix(i, k)) != 1.0F) return false;
  return true;
}

/// Whether fields of a factor of so many entries are integers times a scale: float must have them all.
inline bool takes_integers(Index entries, float scale, AtZero at_zero) {
  if (at_zero == AtZero::zero || entries > sizes().packed_terms) return false;
  return scale > 0.0F && std::isfinite(scale * 2.0F * static_cast<float>(entries));
}

/// The largest integer field that a sign update takes for 0, of states that began with that magnitude; none where it is
/// beyond all use.
inline std::optional<int> widest_zero(float resolution, float scale, float magnitude) {
  constexpr float most = 16384.0F;
  const float least = resolution * std::clamp(magnitude, 1.0F, std::numeric_limits<float>::max());
  float widest = std::floor(least / scale);
  if (!(widest <= most)) return std::nullopt;
  while (scale * (widest + 1.0F) <= least) ++widest;
  while (scale * widest > least) --widest;
  return static_cast<int>(widest);
}

/// The least integer readouts u with which a neuron becomes +1.
struct LeastReadouts {
  Index after_positive = 0;  ///< where it is +1
  Index after_negative = 0;  ///< where it is −1
};

/// Fields are u less `own` times the state; those of at most `widest` in magnitude count as 0.
inline LeastReadouts least_readouts(Index own, int widest, AtZero at_zero) {
  return {.after_positive = own - widest, .after_negative = (at_zero == AtZero::keep ? widest + 1 : -widest) - own};
}

}  // namespace attractor::detail
