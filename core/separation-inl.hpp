// The formulas of the elementwise separations in core/attractor/separation.hpp. Included once per instruction set, like
// core/update-inl.hpp. `Ops` offers set and mul.

template <class Ops, class V>
ATTRACTOR_MATH V separate(const LinearSeparation& /*separation*/, const Ops& /*ops*/, V h) {
  return h;
}

/// 2F(h): the factor of ½ is applied once, to the sum.
template <class Ops, class V>
ATTRACTOR_MATH V twice_potential(const LinearSeparation& /*separation*/, const Ops& ops, V h) {
  return ops.mul(h, h);
}
