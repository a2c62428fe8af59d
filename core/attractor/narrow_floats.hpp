#pragma once

/// Floats of 16 bits, as queries and results may be made of: laid out as those of NumPy, PyTorch and CUDA.

#include <bit>
#include <cstdint>

namespace attractor {

/// IEEE 754's half: 5 bits of exponent, 10 of mantissa; to 2⁻¹¹ of a value, or 2⁻²⁵ where it is below 2⁻¹⁴.
struct Float16 {
  std::uint16_t bits;

  Float16() = default;

  /// To nearest, ties to even; ∞ from 65,520 on. NaN stays one.
  explicit Float16(float value) : bits(rounded(value)) {}

  explicit operator float() const {
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

  static std::uint16_t rounded(float value) {
    constexpr std::uint32_t least_normal = 0x38800000;  // 2⁻¹⁴
    constexpr std::uint32_t beyond = 0x47800000;        // 2¹⁶
    const auto whole = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = whole >> 16U & 0x8000U;
    const std::uint32_t magnitude = whole & 0x7fffffffU;
    if (magnitude > 0x7f800000U) return static_cast<std::uint16_t>(sign | 0x7e00U);
    if (magnitude >= beyond) return static_cast<std::uint16_t>(sign | infinity);
    if (magnitude < least_normal) {
      // Beside 0.5 a float has digits down to 2⁻²⁴, the unit of what is below.
      const float sum = std::bit_cast<float>(magnitude) + 0.5F;
      return static_cast<std::uint16_t>(sign |
                                        (std::bit_cast<std::uint32_t>(sum) - std::bit_cast<std::uint32_t>(0.5F)));
    }
    const std::uint32_t odd = magnitude >> 13U & 1U;
    return static_cast<std::uint16_t>(sign | (magnitude + 0xfffU + odd - (bias << 23U)) >> 13U);
  }
};

/// The upper half of a float: 8 bits of exponent, 7 of mantissa; to 2⁻⁸ of a value, or half of 2⁻¹³³.
struct BFloat16 {
  std::uint16_t bits;

  BFloat16() = default;

  /// To nearest, ties to even; ∞ from 3.396·10³⁸ on. NaN stays one.
  explicit BFloat16(float value) : bits(rounded(value)) {}

  explicit operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16U); }

 private:
  static std::uint16_t rounded(float value) {
    const auto whole = std::bit_cast<std::uint32_t>(value);
    if ((whole & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>(whole >> 16U | 0x40U);
    const std::uint32_t odd = whole >> 16U & 1U;
    return static_cast<std::uint16_t>((whole + 0x7fffU + odd) >> 16U);
  }
};

}  // namespace attractor
