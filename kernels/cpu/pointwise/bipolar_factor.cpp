#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "kernels/bipolar_terms.hpp"
#include "kernels/cpu/pointwise/bipolar.hpp"

namespace attractor::cpu {
namespace {

/// Half the scores of six patterns are added up in 16 bits.
constexpr Index most_neurons = 10922;
/// So is what a neuron's own state adds to its field.
constexpr Index most_patterns = 16384;
/// Float has all integers that their fields can be, and more.
constexpr Index most_entries = Index{1} << 23;

/// 64 rows of 64 bits; halves of the matrix change places, then quarters of these, and so on (Warren, Hacker's Delight,
/// 7-3).
using BitBlock = std::array<std::uint64_t, 64>;

void transpose(BitBlock& rows) {
  std::uint64_t mask = 0xffffffffU;
  for (unsigned width = 32; width != 0; width /= 2, mask ^= mask << width)
    for (std::size_t i = 0; i < 64; i = (i + width + 1) & ~std::size_t{width}) {
      const std::uint64_t swapped = (rows[i] >> width ^ rows[i + width]) & mask;
      rows[i] ^= swapped << width;
      rows[i + width] ^= swapped;
    }
}

/// The signs of 64 patterns at 64 neurons, from these on, 1 for −1; 0 past the last.
BitBlock signs_of(MatrixView<const float> factor, Index pattern, Index neuron) {
  BitBlock rows{};
  for (Index i = pattern; i < std::min(pattern + 64, factor.rows); ++i) {
    const float* const from = factor.row(i) + neuron;
    std::uint64_t bits = 0;
    for (Index k = 0; k < std::min<Index>(64, factor.columns - neuron); ++k)
      bits |= (from[k] < 0.0F ? std::uint64_t{1} : 0) << static_cast<unsigned>(k);
    rows[static_cast<std::size_t>(i - pattern)] = bits;
  }
  return rows;
}

/// Puts them where the kernels look for them.
void add_signs(const BitBlock& rows, Index pattern, Index neuron, BipolarFactor& factor) {
  const Index quads = std::min<Index>(16, 2 * factor.state_bytes() - neuron / 4);
  for (Index q = 0; q < quads; ++q) {
    auto& line = factor.quads[static_cast<std::size_t>(pattern / 64 * 2 * factor.state_bytes() + neuron / 4 + q)];
    for (std::size_t i = 0; i < 64; ++i)
      line[i] = static_cast<std::uint8_t>(rows[i] >> static_cast<unsigned>(4 * q) & 15U);
  }
  for (Index i = pattern; i < std::min(pattern + 64, factor.patterns); ++i) {
    const std::uint64_t bits = rows[static_cast<std::size_t>(i - pattern)];
    auto& line = factor.triples[static_cast<std::size_t>(neuron / 64 * factor.triple_count() + i / 3)];
    for (std::size_t k = 0; k < 64; ++k)
      line[k] = static_cast<std::uint16_t>(line[k] | (bits >> k & 1U) << static_cast<unsigned>(i % 3));
  }
  BitBlock columns = rows;
  transpose(columns);
  for (Index k = neuron; k < std::min(neuron + 64, factor.neurons); ++k)
    factor.columns[static_cast<std::size_t>(k * factor.column_words() + pattern / 64)] =
        columns[static_cast<std::size_t>(k - neuron)];
}

/// ⌊Σ_μ F_μi / 2⌋.
std::int16_t half_sum(const BipolarFactor& factor, Index neuron) {
  Index sum = factor.patterns;
  for (Index word = 0; word < factor.column_words(); ++word)
    sum -= Index{2} * std::popcount(factor.columns[static_cast<std::size_t>(neuron * factor.column_words() + word)]);
  return static_cast<std::int16_t>((sum - factor.patterns % 2) / 2);
}

}  // namespace

BipolarFactor make_bipolar_factor(MatrixView<const float> factor) {
  const Index patterns = factor.rows;
  const Index neurons = factor.columns;
  if (patterns == 0 || patterns > most_patterns || neurons > most_neurons || patterns * neurons > most_entries)
    return {};
  if (!detail::is_bipolar(factor)) return {};
  BipolarFactor result{.patterns = patterns, .neurons = neurons};
  result.quads.resize(static_cast<std::size_t>((patterns + 63) / 64 * 2 * result.state_bytes()));
  result.triples.resize(static_cast<std::size_t>(result.neuron_lines() * result.triple_count()));
  result.sums.resize(static_cast<std::size_t>(result.neuron_lines()));
  result.columns.resize(static_cast<std::size_t>(neurons * result.column_words()));
  for (Index pattern = 0; pattern < patterns; pattern += 64)
    for (Index neuron = 0; neuron < neurons; neuron += 64)
      add_signs(signs_of(factor, pattern, neuron), pattern, neuron, result);
  if (neurons % 2 != 0)
    for (Index k = 0; k < neurons; ++k)
      result.sums[static_cast<std::size_t>(k / 64)][static_cast<std::size_t>(k % 64)] = half_sum(result, k);
  // A number t as what picks the two bytes of entry t.
  for (auto& line : result.triples)
    for (std::uint16_t& triple : line) triple = static_cast<std::uint16_t>(triple * 0x0202U + 0x0100U);
  return result;
}

}  // namespace attractor::cpu
