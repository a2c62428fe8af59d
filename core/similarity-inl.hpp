// The formulas of the similarities in core/attractor/similarity.hpp that are sums over entries. Included once per
// instruction set, like core/update-inl.hpp. `Ops` offers mul_add, sub and abs.
//
// Squared distances and cosines are scores of dot products, scaled and shifted for each pattern.

/// The sum with what an entry of a pattern and one of a state add.
template <Similarity similarity, class Ops, class V>
ATTRACTOR_MATH V add_entries(const Ops& ops, V sum, V entry, V x) {
  if constexpr (similarity == Similarity::manhattan) return ops.sub(sum, ops.abs(ops.sub(entry, x)));
  return ops.mul_add(entry, x, sum);
}
