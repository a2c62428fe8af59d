// The formulas of the separations in core/attractor/separation.hpp. Included once per instruction set, like
// core/update-inl.hpp. `Ops` offers set, mul, mul_add, add, sub, div, abs, min, max, quotient (of two integers),
// positive_part, which keeps NaN, and power (of a value that isn't negative, 0 for 0).

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

/// Σ aᵏ bⁿ⁻¹⁻ᵏ over k < n, which is (aⁿ − bⁿ)/(a − b).
template <class Ops, class V>
ATTRACTOR_MATH V mixed_powers(const Ops& ops, V a, V b, int n) {
  V sum = ops.set(1.0F);
  V power = b;
  for (int k = 1; k < n; ++k) {
    sum = ops.mul_add(a, sum, power);
    power = ops.mul(power, b);
  }
  return sum;
}

/// The mean of f over [h − |step|, h + |step|], which is (F(h + step) − F(h − step))/(2 step): what a score of h ± step
/// changes F by, without the difference that would lose its digits. Of an even order a + b is a factor of it, and 0
/// where h is. Of a rectified range of which a part counts, the rest has weight 0.
template <class Ops, class V>
ATTRACTOR_MATH V mean_weight(const PolynomialSeparation& separation, const Ops& ops, V h, V step) {
  const V half = ops.abs(step);
  V upper = ops.add(h, half);
  V lower = ops.sub(h, half);
  if (separation.rectified) {
    upper = ops.positive_part(upper);
    lower = ops.positive_part(lower);
  }
  const V sum = separation.order % 2 == 0
                    ? ops.mul(ops.add(upper, lower),
                              mixed_powers(ops, ops.mul(upper, upper), ops.mul(lower, lower), separation.order / 2))
                    : mixed_powers(ops, upper, lower, separation.order);
  const V mean = ops.mul(ops.quotient(1, separation.order), sum);
  if (!separation.rectified) return mean;
  const V width = ops.max(ops.add(half, half), ops.set(1e-30F));
  return ops.mul(mean, ops.min(ops.div(upper, width), ops.set(1.0F)));
}

/// How large the rounding of a sum of mean weights may be, relative to that of their magnitudes: that of n powers.
ATTRACTOR_MATH float relative_rounding(const LinearSeparation& /*separation*/) { return 0x1p-20F; }
ATTRACTOR_MATH float relative_rounding(const PolynomialSeparation& separation) {
  return 0x1p-21F * static_cast<float>(separation.order);
}

// Separations by an excess: what scores exceed a threshold by. They go by what a score lies below the largest one,
// distance = s − max ≤ 0, and the level, y of the largest, at which Σ y^k = 1 with
//
//   y = [level + rate·distance]₊.
//
// Each says its `excess_rate`, its `excess_exponent` k, what a y weighs and the potential; weights are divided by their
// sum. The level is found by core/excess.hpp.

ATTRACTOR_MATH float excess_rate(const EntmaxSeparation& separation) { return separation.alpha - 1.0F; }
ATTRACTOR_MATH float excess_exponent(const EntmaxSeparation& separation) { return 1.0F / (separation.alpha - 1.0F); }

/// p = y^k, where `below` is y^(k−1).
template <class Ops, class V>
ATTRACTOR_MATH V excess_weight(const EntmaxSeparation& /*separation*/, const Ops& ops, V y, V below) {
  return ops.mul(y, below);
}

/// Ω* less the largest score, from Σ p·y.
ATTRACTOR_MATH double excess_potential(const EntmaxSeparation& separation, double level, double sum) {
  const auto alpha = static_cast<double>(separation.alpha);
  return (1.0 - level) / (alpha - 1.0) + (sum - 1.0) / alpha;
}

ATTRACTOR_MATH float excess_rate(const NormmaxSeparation& /*separation*/) { return 1.0F; }
ATTRACTOR_MATH float excess_exponent(const NormmaxSeparation& separation) {
  return separation.gamma / (separation.gamma - 1.0F);
}

/// p ∝ y^(k−1).
template <class Ops, class V>
ATTRACTOR_MATH V excess_weight(const NormmaxSeparation& /*separation*/, const Ops& /*ops*/, V /*y*/, V below) {
  return below;
}

ATTRACTOR_MATH double excess_potential(const NormmaxSeparation& /*separation*/, double level, double /*sum*/) {
  return 1.0 - level;
}

// Epanechnikov: the largest score counts as 0, so that distance is the score itself, and the level is 1: p ∝ y⁰.

ATTRACTOR_MATH float excess_rate(const EpanechnikovSeparation& /*separation*/) { return 1.0F; }
ATTRACTOR_MATH float excess_exponent(const EpanechnikovSeparation& /*separation*/) { return 1.0F; }

/// y.
template <class Separation, class Ops, class V>
ATTRACTOR_MATH V excess(const Separation& separation, const Ops& ops, V distance, V level) {
  return ops.positive_part(ops.mul_add(ops.set(excess_rate(separation)), distance, level));
}

/// y^(k−1).
template <class Separation, class Ops, class V>
ATTRACTOR_MATH V power_below(const Separation& separation, const Ops& ops, V y) {
  const float k = excess_exponent(separation);
  if (k == 2.0F) return y;
  if (k == 1.0F) return ops.sign_or(y, ops.set(0.0F));
  return ops.power(y, k - 1.0F);
}
