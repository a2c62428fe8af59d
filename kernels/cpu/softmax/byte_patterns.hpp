#pragma once

/// Readouts whose sums are integers: patterns of −1, 0 and 1 times weights in units of 2⁻²⁹ of the largest. However
/// they are summed the bits are the same.
///
/// A weight is off by half a unit, 2⁻³⁰, at most. The sum of all weights is at least 1: readouts of P patterns are off
/// by P·2⁻³⁰ at most from those of the weights themselves, times what their entries are at most, 1; that is less than
/// the P·2⁻²⁵ that a chain of P float sums may be off by. But where all weights are alike, so are their roundings, and
/// it comes to that much: more than Sizes::byte_patterns, whose readouts are off by 2⁻¹⁴ then, are read out as floats.
/// Sums of block after block are rounded once each.

#include "kernels/cpu/engine/field.hpp"
#include "kernels/cpu/matrix_unit/byte_products.hpp"
#include "kernels/cpu/matrix_unit/matrix_unit.hpp"
#include "kernels/sizes.hpp"

namespace attractor::cpu {

/// Of the largest weight.
inline constexpr float weight_unit = 0x1p-29F;

/// What weights are rounded to where they are summed themselves, so that their sums are exact, too: those of
/// most_byte_patterns have 53 bits.
inline constexpr float total_unit = 0x1p-42F;

/// A double that weights are rounded so by adding it and taking it off.
inline constexpr double total_origin = 0x1.8p+10;

/// Patterns whose sums floats hold in two parts of 15 bits, see lane_terms-inl.hpp.
inline constexpr Index most_byte_patterns = 1024;

/// Steps of the matrix unit's products with lanes.
inline Index unit_steps(Index columns) { return (padded(columns) + unit_entries - 1) / unit_entries; }

/// Makes the patterns that have come or moved since bytes, where the matrix unit takes them and all entries are −1, 0
/// or 1.
///
/// Complexity: O(D) for each of these. @throws std::bad_alloc
void update_byte_patterns(SoftmaxField& field);

}  // namespace attractor::cpu
