// The hyperbolic tangent of the fast paths, half the work of a step on small memories. Included once per instruction
// set and for the device, like core/update-inl.hpp. `Ops` offers set, mul, mul_add, clamp and ratio.

/// tanh(x) = x·P(x²)/Q(x²), a minimax fit of degrees 4 and 4 on |x| ≤ 9.01 (relative error 2.1e-8 before rounding);
/// beyond, float's tanh is ±1. NaN stays NaN, which is the business of Ops::clamp. Times `unit`, a power of two, which
/// takes no more work.
template <class Ops, class V>
ATTRACTOR_MATH V rational_tanh(const Ops& ops, V value, float unit = 1.0F) {
  const V x = ops.clamp(value, 9.01F);
  const V y = ops.mul(x, x);
  V p = ops.set(unit * 1.3336857e-08F);
  p = ops.mul_add(p, y, ops.set(unit * 2.0596281e-05F));
  p = ops.mul_add(p, y, ops.set(unit * 3.4948115e-03F));
  p = ops.mul_add(p, y, ops.set(unit * 0.13380373F));
  p = ops.mul_add(p, y, ops.set(unit * 1.0F));
  V q = ops.set(7.7692863e-07F);
  q = ops.mul_add(q, y, ops.set(3.2843638e-04F));
  q = ops.mul_add(q, y, ops.set(2.5874028e-02F));
  q = ops.mul_add(q, y, ops.set(0.46713686F));
  q = ops.mul_add(q, y, ops.set(1.0F));
  return ops.ratio(ops.mul(x, p), q);
}
