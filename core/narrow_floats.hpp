#pragma once

/// Floats of 16 bits: which one is nearest to a float, and which float it is.

#include <bit>
#include <cstdint>

#include <attractor/pattern_storage.hpp>

namespace attractor::detail {

/// IEEE 754's half: 5 bits of exponent, 10 of mantissa.
struct Float16 {
  /// To nearest, ties to even; ∞ beyond its range. `value` is finite.
  static std::uint16_t encode(float value) {
    constexpr std::uint32_t least_normal = 0x38800000;  // 2⁻¹⁴
    constexpr std::uint32_t beyond = 0x47800000;        // 2¹⁶
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = bits >> 16U & 0x8000U;
    const std::uint32_t magnitude = bits & 0x7fffffffU;
    if (magnitude >= beyond) return static_cast<std::uint16_t>(sign | infinity);
    if (magnitude < least_normal) {
      // Beside 0.5 a float has digits down to 2⁻²⁴, the unit of what is below.
      const float sum = std::bit_cast<float>(magnitude) + 0.5F;
      return static_cast<std::uint16_t>(sign |
                                        (std::bit_cast<std::uint32_t>(sum) - std::bit_cast<std::uint32_t>(0.5F)));
    }
    const std::uint32_t odd = magnitude >> 13U & 1U;
    const std::uint32_t rounded = magnitude + 0xfffU + odd;
    return static_cast<std::uint16_t>(sign | (rounded - (bias << 23U)) >> 13U);
  }

  static float decode(std::uint16_t bits) {
    const std::uint32_t sign = (bits & 0x8000U) << 16U;
    const std::uint32_t magnitude = bits & 0x7fffU;
    if (magnitude >= infinity) return std::bit_cast<float>(sign | 0x7f800000U | (magnitude & 0x3ffU) << 13U);
    if (magnitude < 0x400U) {
      const float value = 0x1p-24F * static_cast<float>(magnitude);
      return sign == 0 ? value : -value;
    }
    return std::bit_cast<float>(sign | ((magnitude << 13U) + (bias << 23U)));
  }

 private:
  static constexpr std::uint32_t infinity = 0x7c00;
  static constexpr std::uint32_t bias = 127 - 15;
};

/// The upper half of a float: 8 bits of exponent, 7 of mantissa.
struct BFloat16 {
  /// To nearest, ties to even; ∞ beyond its range. `value` is finite.
  static std::uint16_t encode(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t odd = bits >> 16U & 1U;
    return static_cast<std::uint16_t>((bits + 0x7fffU + odd) >> 16U);
  }

  static float decode(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16U); }
};

/// What is stored of a finite value, as 16 bits; ∞ beyond the range.
inline std::uint16_t encode(PatternStorage storage, float value) {
  return storage == PatternStorage::float16 ? Float16::encode(value) : BFloat16::encode(value);
}

inline float decode(PatternStorage storage, std::uint16_t bits) {
  return storage == PatternStorage::float16 ? Float16::decode(bits) : BFloat16::decode(bits);
}

}  // namespace attractor::detail
