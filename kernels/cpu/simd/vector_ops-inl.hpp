// Vector arithmetic shared by the kernels, compiled once per instruction set.

#if defined(ATTRACTOR_CPU_VECTOR_OPS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_VECTOR_OPS_INL
#undef ATTRACTOR_CPU_VECTOR_OPS_INL
#else
#define ATTRACTOR_CPU_VECTOR_OPS_INL
#endif

#include <cstddef>
#include <limits>

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <attractor/separation.hpp>
#include <attractor/similarity.hpp>
#include <attractor/update.hpp>

#include "kernels/cpu/engine/tile.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#define ATTRACTOR_MATH HWY_INLINE
#include "core/separation-inl.hpp"
#include "core/similarity-inl.hpp"
#include "core/tanh-inl.hpp"
#include "core/update-inl.hpp"
#undef ATTRACTOR_MATH

using Floats = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Floats>;
inline constexpr Floats floats;

/// The register block of every product: so many rows by so many vectors of lanes. 8 × 2 accumulators fill half of the
/// 32 registers of AVX-512, 4 × 2 half of the 16 of older sets.
inline constexpr int block_rows = HWY_TARGET <= HWY_AVX3 ? 8 : 4;
inline constexpr int block_vectors = 2;

HWY_INLINE Index vector_lanes() { return static_cast<Index>(hn::Lanes(floats)); }
HWY_INLINE Index block_lanes() { return block_vectors * vector_lanes(); }

/// Whether a block of one vector keeps multiply-adds from waiting for one another, as eight accumulators do: then few
/// lanes cost half of many.
inline constexpr bool has_half_blocks = block_rows >= 8;

/// Calls visit<vectors>(lane) for blocks of so many vectors of lanes, from `lane` on, that make up the first `lanes`:
/// the last may be half a block, where there are such and they are wanted.
template <bool halves = true, class Visit>
HWY_INLINE void for_blocks(Index lanes, const Visit& visit) {
  for (Index lane = 0; lane < lanes; lane += block_lanes()) {
    if constexpr (has_half_blocks && halves)
      if (lanes - lane <= vector_lanes()) return visit.template operator()<1>(lane);
    visit.template operator()<block_vectors>(lane);
  }
}

/// A block of `block_rows` rows by so many vectors.
template <int vectors>
using BlockOf = Vector[block_rows][static_cast<std::size_t>(vectors)];
using Block = BlockOf<block_vectors>;

/// The operations of core/*-inl.hpp on vectors of float.
template <class Tag>
struct TaggedOps {
  using V = hn::Vec<Tag>;
  HWY_INLINE V set(float value) const { return hn::Set(Tag(), value); }
  HWY_INLINE V mul(V a, V b) const { return hn::Mul(a, b); }
  HWY_INLINE V mul_add(V a, V b, V c) const { return hn::MulAdd(a, b, c); }
  HWY_INLINE V quotient(int a, int b) const { return set(static_cast<float>(a) / static_cast<float>(b)); }
  HWY_INLINE V positive_part(V value) const { return hn::IfThenZeroElse(hn::Lt(value, hn::Zero(Tag())), value); }
  HWY_INLINE V add(V a, V b) const { return hn::Add(a, b); }
  HWY_INLINE V sub(V a, V b) const { return hn::Sub(a, b); }
  HWY_INLINE V div(V a, V b) const { return hn::Div(a, b); }
  HWY_INLINE V min(V a, V b) const { return hn::Min(a, b); }
  HWY_INLINE V max(V a, V b) const { return hn::Max(a, b); }
  HWY_INLINE V abs(V value) const { return hn::Abs(value); }
  HWY_INLINE V power(V base, float exponent) const {
    const V result = hn::Exp(Tag(), hn::Mul(set(exponent), hn::Log(Tag(), base)));
    return hn::IfThenElse(hn::Gt(base, hn::Zero(Tag())), result, base);
  }
  HWY_INLINE V tanh(V value) const { return rational_tanh(*this, value); }
  /// The value comes second: the minimum and maximum of x86 return their second operand where one is NaN.
  HWY_INLINE V clamp(V value, float limit) const { return hn::Min(set(limit), hn::Max(set(-limit), value)); }
  /// a/b, rounded once or, with AVX-512, where a division takes longer than the rest of what it is used for, to 2⁻²².
  HWY_INLINE V ratio(V a, V b) const {
    if constexpr (HWY_TARGET >= HWY_AVX2) {
      return hn::Div(a, b);
    } else {
      const V estimate = hn::ApproximateReciprocal(b);
      return hn::Mul(a, hn::Mul(estimate, hn::NegMulAdd(b, estimate, set(2.0F))));
    }
  }
  HWY_INLINE V sign_or(V value, V otherwise) const {
    const V signed_or_nan = hn::IfThenElse(hn::IsNaN(value), value, hn::CopySign(set(1.0F), value));
    return hn::IfThenElse(hn::Eq(value, hn::Zero(Tag())), otherwise, signed_or_nan);
  }
};
using VectorOps = TaggedOps<Floats>;

/// Adds `term` to high + low, two parts that don't overlap: each time the error is that of the low part's rounding, so
/// that of n terms is about n·2⁻⁴⁸ of their sum (Knuth's two-sum, then Dekker's).
template <class V>
HWY_INLINE void add_exactly(V term, V& high, V& low) {
  const V sum = hn::Add(high, term);
  const V from_term = hn::Sub(sum, high);
  const V error = hn::Add(hn::Sub(high, hn::Sub(sum, from_term)), hn::Sub(term, from_term));
  const V rest = hn::Add(low, error);
  high = hn::Add(sum, rest);
  low = hn::Sub(rest, hn::Sub(high, sum));
}

/// exp(x) for −87 ≤ x ≤ 0, NaN for NaN, something for what is less. To 1.2·2⁻²³ of its value: 2ⁿ·exp(r), |r| ≤ ½ log 2,
/// exp(r) = 1 + r + r²·p(r) with the p of degree 4 whose largest relative error is least, 3·10⁻⁹.
///
/// A sum with 1½·2²³ is rounded to an integer, whose lowest bits are those of n.
HWY_INLINE Vector exp_near_zero(Vector x) {
  const auto constant = [](float value) HWY_ATTR { return hn::Set(floats, value); };
  const Vector rounded = hn::MulAdd(x, constant(0x1.715476p+0F), constant(0x1.8p+23F));
  const Vector n = hn::Sub(rounded, constant(0x1.8p+23F));
  const Vector r = hn::NegMulAdd(n, constant(-0x1.05c610p-29F), hn::NegMulAdd(n, constant(0x1.62e430p-1F), x));
  Vector p = hn::MulAdd(constant(0x1.6a244cp-10F), r, constant(0x1.1239d4p-7F));
  p = hn::MulAdd(p, r, constant(0x1.5558f2p-5F));
  p = hn::MulAdd(p, r, constant(0x1.555492p-3F));
  p = hn::MulAdd(p, r, constant(0x1.fffffcp-2F));
  p = hn::MulAdd(hn::MulAdd(p, r, constant(1.0F)), r, constant(1.0F));
  const hn::RebindToSigned<Floats> integers;
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(integers, rounded));
  const auto power = hn::Add(exponent, hn::BitCast(integers, constant(1.0F)));
  return hn::Mul(p, hn::BitCast(floats, power));
}

/// The same, but 0 below −87.
HWY_INLINE Vector exp_below_zero(Vector x) {
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(floats, -87.0F)), exp_near_zero(x));
}

/// exp(score − maximum): 0 for −∞ whatever the maximum, NaN where the difference is none.
HWY_INLINE Vector softmax_weight(Vector score, Vector maximum) {
  const Vector weight = exp_below_zero(hn::Sub(score, maximum));
  return hn::IfThenZeroElse(hn::Eq(score, hn::Set(floats, -std::numeric_limits<float>::infinity())), weight);
}

/// Adds `term` to the sums of as many lanes as it has, from `lane` on.
template <class Tag = Floats>
HWY_INLINE void add_to(LaneSums& sums, Index lane, hn::Vec<Tag> term) {
  float* const high = sums.high.data() + lane;
  float* const low = sums.low.data() + lane;
  hn::Vec<Tag> sum = hn::Load(Tag(), high);
  hn::Vec<Tag> rest = hn::Load(Tag(), low);
  add_exactly(term, sum, rest);
  hn::Store(sum, Tag(), high);
  hn::Store(rest, Tag(), low);
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
