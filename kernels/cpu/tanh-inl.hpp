// The hyperbolic tangent, half the work of a step on small memories.

#if defined(ATTRACTOR_CPU_TANH_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_TANH_INL
#undef ATTRACTOR_CPU_TANH_INL
#else
#define ATTRACTOR_CPU_TANH_INL
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// tanh(x) = x·P(x²)/Q(x²), a minimax fit of degrees 4 and 4 on |x| ≤ 9.01 (relative error 2.1e-8 before rounding);
/// beyond, float's tanh is ±1. Takes half the time of the library's exponential-based one, which serves every range of
/// every type. NaN stays NaN.
template <class Tag, class V = hn::Vec<Tag>>
HWY_INLINE V fast_tanh(Tag tag, V value) {
  // The value comes second: the minimum and maximum of x86 return their second operand where one is NaN.
  const V x = hn::Min(hn::Set(tag, 9.01F), hn::Max(hn::Set(tag, -9.01F), value));
  const V y = hn::Mul(x, x);
  V p = hn::Set(tag, 1.3336857e-08F);
  p = hn::MulAdd(p, y, hn::Set(tag, 2.0596281e-05F));
  p = hn::MulAdd(p, y, hn::Set(tag, 3.4948115e-03F));
  p = hn::MulAdd(p, y, hn::Set(tag, 0.13380373F));
  p = hn::MulAdd(p, y, hn::Set(tag, 1.0F));
  V q = hn::Set(tag, 7.7692863e-07F);
  q = hn::MulAdd(q, y, hn::Set(tag, 3.2843638e-04F));
  q = hn::MulAdd(q, y, hn::Set(tag, 2.5874028e-02F));
  q = hn::MulAdd(q, y, hn::Set(tag, 0.46713686F));
  q = hn::MulAdd(q, y, hn::Set(tag, 1.0F));
  // One Newton step on the approximate reciprocal costs less than a division.
  const V estimate = hn::ApproximateReciprocal(q);
  const V reciprocal = hn::Mul(estimate, hn::NegMulAdd(q, estimate, hn::Set(tag, 2.0F)));
  return hn::Mul(hn::Mul(x, p), reciprocal);
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
