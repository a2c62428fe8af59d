// The formulas of the similarities in core/attractor/similarity.hpp that are sums over entries. Included once per
// instruction set, like core/update-inl.hpp. `Ops` offers mul_add, sub and abs.
//
// Cosines are scores of dot products, scaled for each pattern, and so are squared distances, shifted, where what all
// patterns have in common doesn't count. Where it does they are sums over entries, too: their differences would lose
// the digits of those near a pattern.

/// The sum with what an entry of a pattern and one of a state add.
template <Similarity similarity, class Ops, class V>
ATTRACTOR_MATH V add_entries(const Ops& ops, V sum, V entry, V x) {
  if constexpr (similarity == Similarity::manhattan) return ops.sub(sum, ops.abs(ops.sub(entry, x)));
  if constexpr (similarity == Similarity::squared_distance) {
    const V difference = ops.sub(entry, x);
    return ops.mul_add(difference, difference, sum);
  }
  return ops.mul_add(entry, x, sum);
}
