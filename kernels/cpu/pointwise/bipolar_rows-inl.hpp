// Rows of ±1 and their bits, 1 for −1.

#if defined(ATTRACTOR_CPU_BIPOLAR_ROWS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_BIPOLAR_ROWS_INL
#undef ATTRACTOR_CPU_BIPOLAR_ROWS_INL
#else
#define ATTRACTOR_CPU_BIPOLAR_ROWS_INL
#endif

#include <cmath>
#include <cstdint>

#include <hwy/highway.h>

#include <attractor/matrix.hpp>

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

// Without vectors nothing is packed.
#if HWY_TARGET != HWY_SCALAR

namespace hn = hwy::HWY_NAMESPACE;

using Eight = hn::CappedTag<float, 8>;
inline constexpr Eight eight;

/// What eight neighbours are, a bit for each.
struct LaneSigns {
  unsigned bipolar;   ///< ±1
  unsigned negative;  ///< below 0
};

HWY_INLINE LaneSigns signs_of(const float* values) {
  LaneSigns signs{.bipolar = 0, .negative = 0};
  for (Index at = 0; at < 8; at += static_cast<Index>(hn::Lanes(eight))) {
    const auto x = hn::LoadU(eight, values + at);
    std::uint8_t bipolar[8];
    std::uint8_t negative[8];
    hn::StoreMaskBits(eight, hn::Eq(hn::Abs(x), hn::Set(eight, 1.0F)), bipolar);
    hn::StoreMaskBits(eight, hn::Lt(x, hn::Zero(eight)), negative);
    signs.bipolar |= static_cast<unsigned>(bipolar[0]) << static_cast<unsigned>(at);
    signs.negative |= static_cast<unsigned>(negative[0]) << static_cast<unsigned>(at);
  }
  return signs;
}

/// Bit i of byte j becomes bit j of byte i (Warren, Hacker's Delight, 7-3).
inline std::uint64_t transposed(std::uint64_t bits) {
  const auto swap = [&bits](unsigned distance, std::uint64_t mask) {
    const std::uint64_t unlike = (bits ^ (bits >> distance)) & mask;
    bits ^= unlike ^ (unlike << distance);
  };
  swap(7, 0x00AA00AA00AA00AA);
  swap(14, 0x0000CCCC0000CCCC);
  swap(28, 0x00000000F0F0F0F0);
  return bits;
}

/// Bits of a row of ±1. False where it holds something else.
inline bool pack_row(const float* row, Index count, std::uint8_t* bits) {
  Index i = 0;
  for (; i + 8 <= count; i += 8) {
    const LaneSigns signs = signs_of(row + i);
    if (signs.bipolar != 0xFF) return false;
    bits[i / 8] = static_cast<std::uint8_t>(signs.negative);
  }
  if (i < count) bits[i / 8] = 0;
  for (; i < count; ++i) {
    if (std::abs(row[i]) != 1.0F) return false;
    bits[i / 8] |= static_cast<std::uint8_t>((row[i] < 0.0F ? 1U : 0U) << static_cast<unsigned>(i % 8));
  }
  return true;
}

/// The row of ±1 with these bits.
inline void unpack_row(const std::uint8_t* bits, Index count, float* row) {
  const hn::RebindToUnsigned<Eight> integers;
  const auto first_bits = hn::Shl(hn::Set(integers, 1), hn::Iota(integers, 0));
  const auto one = hn::Set(eight, 1.0F);
  Index i = 0;
  for (; i + 8 <= count; i += 8)
    for (Index at = 0; at < 8; at += static_cast<Index>(hn::Lanes(eight))) {
      const auto byte = hn::Set(integers, static_cast<std::uint32_t>(bits[i / 8]) >> static_cast<unsigned>(at));
      const auto negative = hn::RebindMask(eight, hn::TestBit(byte, first_bits));
      hn::StoreU(hn::IfThenElse(negative, hn::Neg(one), one), eight, row + i + at);
    }
  for (; i < count; ++i) row[i] = (bits[i / 8] >> static_cast<unsigned>(i % 8) & 1U) != 0 ? -1.0F : 1.0F;
}

#endif

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
