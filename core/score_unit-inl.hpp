// The formulas that units of scores go by, see core/score_unit.hpp. Included once per instruction set, like
// core/separation-inl.hpp; `Ops` offers abs and positive_part.

/// How large a score is, as far as it counts.
template <class Ops, class V>
ATTRACTOR_MATH V counted_size(const PolynomialSeparation& separation, const Ops& ops, V h) {
  return separation.rectified ? ops.positive_part(h) : ops.abs(h);
}
