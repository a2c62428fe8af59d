#pragma once

/// What is stored of an entry in 16 bits.

#include <bit>
#include <cstdint>

#include <attractor/narrow_floats.hpp>
#include <attractor/pattern_storage.hpp>

namespace attractor::detail {

/// What is stored of a value, as 16 bits; ∞ beyond the range.
inline std::uint16_t encode(PatternStorage storage, float value) {
  return storage == PatternStorage::float16 ? Float16(value).bits : BFloat16(value).bits;
}

inline float decode(PatternStorage storage, std::uint16_t bits) {
  return storage == PatternStorage::float16 ? static_cast<float>(std::bit_cast<Float16>(bits))
                                            : static_cast<float>(std::bit_cast<BFloat16>(bits));
}

}  // namespace attractor::detail
