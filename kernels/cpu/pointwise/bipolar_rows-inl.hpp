// Rows of ±1 and their bits, 1 for −1.

#if defined(ATTRACTOR_CPU_BIPOLAR_ROWS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_BIPOLAR_ROWS_INL
#undef ATTRACTOR_CPU_BIPOLAR_ROWS_INL
#else
#define ATTRACTOR_CPU_BIPOLAR_ROWS_INL
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include <hwy/highway.h>

#include "kernels/query_view.hpp"

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

/// Reverses the bits of each byte.
inline std::uint64_t reversed_bytes(std::uint64_t bits) {
  const auto swap = [&bits](unsigned distance, std::uint64_t mask) {
    bits = (bits >> distance & mask) | (bits & mask) << distance;
  };
  swap(1, 0x5555555555555555);
  swap(2, 0x3333333333333333);
  swap(4, 0x0F0F0F0F0F0F0F0F);
  return bits;
}

/// A caller's bits, the first in the most significant place and 1 for +1, from those here, or the way back.
inline void turn_bits(const std::uint8_t* from, Index bytes, std::uint8_t* to) {
  for (Index first = 0; first < bytes; first += 8) {
    const auto part = static_cast<std::size_t>(std::min<Index>(8, bytes - first));
    std::uint64_t bits = 0;
    std::memcpy(&bits, from + first, part);
    bits = ~reversed_bytes(bits);
    std::memcpy(to + first, &bits, part);
  }
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

/// Of floats of 16 bits, which ±1 are exactly.
template <detail::NarrowFloat Narrow>
bool pack_row(const Narrow* row, Index count, std::uint8_t* bits) {
  const std::uint16_t one = Narrow(1.0F).bits;
  std::fill_n(bits, bytes_of_bits(count), std::uint8_t{0});
  for (Index i = 0; i < count; ++i) {
    if ((row[i].bits & 0x7fffU) != one) return false;
    bits[i / 8] |= static_cast<std::uint8_t>((row[i].bits >> 15U) << static_cast<unsigned>(i % 8));
  }
  return true;
}

inline bool pack_row(const std::int8_t* row, Index count, std::uint8_t* bits) {
  const hn::CappedTag<std::int8_t, 64> integers;
  const auto lanes = static_cast<Index>(hn::Lanes(integers));
  Index i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto x = hn::LoadU(integers, row + i);
    if (!hn::AllTrue(integers, hn::Eq(hn::Abs(x), hn::Set(integers, 1)))) return false;
    hn::StoreMaskBits(integers, hn::Lt(x, hn::Zero(integers)), bits + i / 8);
  }
  std::fill(bits + i / 8, bits + bytes_of_bits(count), std::uint8_t{0});
  for (; i < count; ++i) {
    if (row[i] != 1 && row[i] != -1) return false;
    bits[i / 8] |= static_cast<std::uint8_t>((row[i] < 0 ? 1U : 0U) << static_cast<unsigned>(i % 8));
  }
  return true;
}

inline bool pack_row(detail::BitRow row, Index count, std::uint8_t* bits) {
  turn_bits(row.bytes, bytes_of_bits(count), bits);
  if (count % 8 != 0) bits[count / 8] &= static_cast<std::uint8_t>(0xFFU >> static_cast<unsigned>(8 - count % 8));
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

template <detail::NarrowFloat Narrow>
void unpack_row(const std::uint8_t* bits, Index count, Narrow* row) {
  const std::uint16_t one = Narrow(1.0F).bits;
  for (Index i = 0; i < count; ++i) {
    const unsigned negative = bits[i / 8] >> static_cast<unsigned>(i % 8) & 1U;
    row[i].bits = static_cast<std::uint16_t>(one | negative << 15U);
  }
}

/// Eight bytes at a time: byte j gets bit j, then 1 where that is set, then −1 there and 1 elsewhere.
inline void unpack_row(const std::uint8_t* bits, Index count, std::int8_t* row) {
  constexpr std::uint64_t ones = 0x0101010101010101;
  for (Index i = 0; i < count; i += 8) {
    const std::uint64_t own = (bits[i / 8] * ones) & 0x8040201008040201;
    const std::uint64_t negative = (own + 0x7F * ones) >> 7U & ones;
    const std::uint64_t values = ones ^ (negative * 0xFE);
    std::memcpy(row + i, &values, static_cast<std::size_t>(std::min<Index>(8, count - i)));
  }
}

inline void unpack_row(const std::uint8_t* bits, Index count, detail::BitResultRow row) {
  turn_bits(bits, bytes_of_bits(count), row.bytes);
  if (count % 8 != 0) row.bytes[count / 8] &= static_cast<std::uint8_t>(0xFF00U >> static_cast<unsigned>(count % 8));
}

#endif

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
