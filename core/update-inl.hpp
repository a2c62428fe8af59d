// The formulas of the updates in core/attractor/update.hpp.
//
// No include guard on purpose: the file is included once per instruction set, inside that set's namespace, so that
// each copy is compiled for it; the reference includes it for double, with Ops that are plain arithmetic.
// `Ops` offers set, mul_add (a·b + c), sub, tanh, sign_or (sign of the first, the second where that is 0).

template <class Ops, class V>
ATTRACTOR_MATH V apply_update(const TanhUpdate& update, const Ops& ops, V x, V u) {
  return ops.tanh(ops.mul_add(ops.set(update.gain), u, x));
}

/// The sign of a field that is 0.
template <class Ops, class V>
ATTRACTOR_MATH V sign_of_zero(AtZero rule, const Ops& ops, V x) {
  return rule == AtZero::keep ? x : ops.set(rule == AtZero::plus ? 1.0F : 0.0F);
}

template <class Ops, class V>
ATTRACTOR_MATH V apply_update(const SignUpdate& update, const Ops& ops, V x, V u) {
  return ops.sign_or(u, sign_of_zero(update.at_zero, ops, x));
}

template <class Ops, class V>
ATTRACTOR_MATH V apply_update(const AsynchronousSignUpdate& update, const Ops& ops, V x, V u) {
  return ops.sign_or(u, sign_of_zero(update.at_zero, ops, x));
}

template <class Ops, class V>
ATTRACTOR_MATH V apply_update(const ReadoutUpdate& /*update*/, const Ops& /*ops*/, V /*x*/, V u) {
  return u;
}

template <class Ops, class V>
ATTRACTOR_MATH V apply_update(const BlendUpdate& update, const Ops& ops, V x, V u) {
  return ops.mul_add(ops.set(update.rate), ops.sub(u, x), x);
}
