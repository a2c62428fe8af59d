#include <cmath>

#include "kernels/cpu/pointwise/bipolar.hpp"

namespace attractor::cpu {
namespace {

/// Half the scores of six patterns are added up in 16 bits.
constexpr Index most_neurons = 10922;
/// So is what a neuron's own state adds to its field.
constexpr Index most_patterns = 16384;
/// Float has all integers that their fields can be, and more.
constexpr Index most_entries = Index{1} << 23;

bool is_bipolar(MatrixView<const float> matrix) {
  for (Index i = 0; i < matrix.rows; ++i)
    for (Index k = 0; k < matrix.columns; ++k)
      if (std::abs(matrix(i, k)) != 1.0F) return false;
  return true;
}

}  // namespace

BipolarFactor make_bipolar_factor(MatrixView<const float> factor) {
  const Index patterns = factor.rows;
  const Index neurons = factor.columns;
  if (patterns == 0 || patterns > most_patterns || neurons > most_neurons || patterns * neurons > most_entries)
    return {};
  if (!is_bipolar(factor)) return {};
  BipolarFactor result{.patterns = patterns, .neurons = neurons};
  result.quads.resize(static_cast<std::size_t>((patterns + 63) / 64 * 2 * result.state_bytes()));
  result.triples.resize(static_cast<std::size_t>(result.neuron_lines() * result.triple_count()));
  result.sums.resize(static_cast<std::size_t>(result.neuron_lines()));
  const Index words = (patterns + 63) / 64;
  result.columns.resize(static_cast<std::size_t>(neurons * words));
  std::vector<unsigned> negatives(static_cast<std::size_t>(neurons), 0);
  for (Index i = 0; i < patterns; ++i) {
    Line<std::uint8_t>* const quads = result.quads.data() + i / 64 * 2 * result.state_bytes();
    Line<std::uint16_t>* const triples = result.triples.data() + i / 3;
    for (Index k = 0; k < neurons; ++k) {
      const unsigned negative = factor(i, k) < 0.0F ? 1U : 0U;
      negatives[static_cast<std::size_t>(k)] += negative;
      auto& quad = quads[k / 4][static_cast<std::size_t>(i % 64)];
      quad = static_cast<std::uint8_t>(quad | negative << static_cast<unsigned>(k % 4));
      auto& triple = triples[k / 64 * result.triple_count()][static_cast<std::size_t>(k % 64)];
      triple = static_cast<std::uint16_t>(triple | negative << static_cast<unsigned>(i % 3));
      result.columns[static_cast<std::size_t>(k * words + i / 64)] |= std::uint64_t{negative}
                                                                      << static_cast<unsigned>(i % 64);
    }
  }
  if (neurons % 2 != 0)
    for (Index k = 0; k < neurons; ++k) {
      const Index sum = patterns - 2 * Index{negatives[static_cast<std::size_t>(k)]};
      result.sums[static_cast<std::size_t>(k / 64)][static_cast<std::size_t>(k % 64)] =
          static_cast<std::int16_t>((sum - (patterns % 2)) / 2);
    }
  // A number t as what picks the two bytes of entry t.
  for (auto& line : result.triples)
    for (std::uint16_t& triple : line) triple = static_cast<std::uint16_t>(triple * 0x0202U + 0x0100U);
  return result;
}

}  // namespace attractor::cpu
