#pragma once

/// In which unit dense associative memories take scores where powers of them leave the range of float.
///
/// 2ᵏh to the n-th is 2^{kn} hⁿ, and a product with a power of two rounds nothing: of scores in units of 2⁻ᵏ weights,
/// readouts and their rounding are 2^{k(n−1)} times what they are, bit for bit where none of them has left the range.
/// A readout's sign, and what of it is 0 but for rounding, are the same. The unit follows from the state alone.

#include <algorithm>
#include <cmath>

#include <attractor/host_device.hpp>

namespace attractor::detail {

/// The k for which the largest score is at least 1 and less than 2, as far as floats hold 2ᵏ; 0 where that score is 0
/// or isn't finite.
ATTRACTOR_HOST_DEVICE inline int unit_exponent(float largest) {
  if (!(largest > 0.0F) || !std::isfinite(largest)) return 0;
  const int exponent = -std::ilogb(largest);
  return exponent > 127 ? 127 : exponent;
}

/// The same, but 0 where powers of order n fit as they are: with the largest hⁿ above 2⁻⁹⁶, or 0, weights that vanish
/// below 2⁻¹⁴⁹ are nothing against it; below 2⁹⁴ sums of 2³¹ of them are finite.
ATTRACTOR_HOST_DEVICE inline int unit_exponent(float largest, int order) {
  const int exponent = unit_exponent(largest);
  return -exponent * order < -96 || -exponent * order > 64 ? exponent : 0;
}

/// What magnitudes of an asynchronous update's terms may add up to for the terms to fit as they are.
inline constexpr float least_fitting_sum = 0x1p-80F;
inline constexpr float most_fitting_sum = 0x1p100F;

}  // namespace attractor::detail
