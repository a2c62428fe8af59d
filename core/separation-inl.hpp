// The formulas of the pointwise separations in core/attractor/separation.hpp. Included once per instruction set, like
// core/update-inl.hpp. `Ops` offers set, mul, quotient (of two integers) and positive_part, which keeps NaN.

template <class Ops, class V>
ATTRACTOR_MATH V separate(const LinearSeparation& /*separation*/, const Ops& /*ops*/, V h) {
  return h;
}

/// 2F(h) where p = f(h) is known: the factor of ½ is applied once, to the sum.
template <class Ops, class V>
ATTRACTOR_MATH V twice_potential(const LinearSeparation& /*separation*/, const Ops& ops, V h, V /*p*/) {
  return ops.mul(h, h);
}

/// By repeated squaring: 2 log₂ n products at most.
template <class Ops, class V>
ATTRACTOR_MATH V separate(const PolynomialSeparation& separation, const Ops& ops, V h) {
  V square = separation.rectified ? ops.positive_part(h) : h;
  V power = ops.set(1.0F);
  for (int exponent = separation.order - 1;;) {
    if (exponent % 2 != 0) power = ops.mul(power, square);
    exponent /= 2;
    if (exponent == 0) return power;
    square = ops.mul(square, square);
  }
}

template <class Ops, class V>
ATTRACTOR_MATH V twice_potential(const PolynomialSeparation& separation, const Ops& ops, V h, V p) {
  return ops.mul(ops.quotient(2, separation.order), ops.mul(h, p));
}
