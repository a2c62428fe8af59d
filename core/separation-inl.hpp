// The formulas of the separations in core/attractor/separation.hpp. Included once per instruction set, like
// core/update-inl.hpp. `Ops` offers set, mul, mul_add, sub, quotient (of two integers), positive_part, which keeps NaN,
// and power (of a value that isn't negative, 0 for 0).

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

// Entmax, by what a score lies below the largest one, distance = s − max ≤ 0, and the level, which is what the largest
// lies above the threshold: weights are p = y^k, y = [level + (α−1)·distance]₊, k = 1/(α−1).

/// y.
template <class Ops, class V>
ATTRACTOR_MATH V excess(const EntmaxSeparation& separation, const Ops& ops, V distance, V level) {
  return ops.positive_part(ops.mul_add(ops.set(separation.alpha - 1.0F), distance, level));
}

/// y^(k−1).
template <class Ops, class V>
ATTRACTOR_MATH V weight_slope(const EntmaxSeparation& separation, const Ops& ops, V y) {
  if (separation.alpha == 1.5F) return y;
  if (separation.alpha == 2.0F) return ops.sign_or(y, ops.set(0.0F));
  return ops.power(y, 1.0F / (separation.alpha - 1.0F) - 1.0F);
}
