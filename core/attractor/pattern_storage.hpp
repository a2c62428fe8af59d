#pragma once

namespace attractor {

/// What a memory keeps each entry of its patterns, or of its contents, as. Entries are rounded when they are stored, to
/// nearest, ties to even, and from there on the memory is that of the rounded ones, as given: its results are, bit for
/// bit, those of a memory that keeps these as float32. Scores, weights and readouts are float in any case.
///
/// Where the processor has AMX, scores of memories of at least 256 patterns and 32 entries, all of which are 0, or what
/// bfloat16 holds and no less than 2⁻⁵⁰, are summed by it, from states that are taken apart into three bfloat16: right
/// to (3⌈D/32⌉ + 17)·2⁻²⁴ Σ|aᵢxᵢ|, but for what entries of less than some 10⁻³³ beside larger ones add.
enum class PatternStorage : unsigned char {
  float32,  ///< as given
  float16,  ///< IEEE 754's half: to 2⁻¹¹ of an entry, or 2⁻²⁵ where it is below 2⁻¹⁴; magnitudes below 65,520
  bfloat16,  ///< a float's upper half: to 2⁻⁸ of an entry, or half of 2⁻¹³³; magnitudes below 3.396·10³⁸
};

}  // namespace attractor
