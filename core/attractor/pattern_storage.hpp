#pragma once

namespace attractor {

/// What a memory keeps each entry of its patterns, or of its contents, as. Entries are rounded when they are stored, to
/// nearest, ties to even, and from there on the memory is that of the rounded ones, as given: its results are, bit for
/// bit, those of a memory that keeps these as float32. Scores, weights and readouts are float in any case.
enum class PatternStorage : unsigned char {
  float32,  ///< as given
  float16,  ///< IEEE 754's half: to 2⁻¹¹ of an entry, or 2⁻²⁵ where it is below 2⁻¹⁴; magnitudes below 65,520
  bfloat16,  ///< a float's upper half: to 2⁻⁸ of an entry, or half of 2⁻¹³³; magnitudes below 3.396·10³⁸
};

}  // namespace attractor
