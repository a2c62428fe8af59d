#include "kernels/cpu/softmax/byte_patterns.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <variant>

namespace attractor::cpu {

namespace {

bool may_pay(const SoftmaxField& field) {
  const detail::Sizes& sizes = detail::sizes();
  return matrix_unit() != MatrixUnit::none && byte_unit() != ByteUnit::none && field.patterns.suits_unit() &&
         field.patterns.has_floats() && std::holds_alternative<SoftmaxSeparation>(field.separation) &&
         field.patterns.rows() >= sizes.unit_patterns && field.patterns.rows() <= sizes.byte_patterns &&
         field.patterns.columns() >= sizes.unit_columns;
}

bool has_signs(const PackedMatrix& patterns, Index row) {
  const float* const entries = patterns.data() + patterns.row_offset(row);
  for (Index k = 0; k < patterns.columns(); ++k) {
    const float entry = entries[k * panel_rows];
    if (entry != 0.0F && entry != 1.0F && entry != -1.0F) return false;
  }
  return true;
}

/// Makes room for so many patterns of so many columns. @throws std::bad_alloc
void reserve(BytePatterns& to, Index rows, Index columns) {
  const Index chunk_words = to.neuron_blocks() * word_block;
  const Index chunk_pairs = unit_steps(columns) * chunk_blocks * unit_block;
  const auto chunks = [](Index patterns) { return (patterns + lane_chunk - 1) / lane_chunk; };
  to.bytes.reserve(rows * to.width(), to.current * to.width());
  to.words.reserve(chunks(rows) * chunk_words, chunks(to.current) * chunk_words);
  to.pairs.reserve(chunks(rows) * chunk_pairs, chunks(to.current) * chunk_pairs);
  // What pads the last chunk is read, too.
  for (Index chunk = chunks(to.current); chunk < chunks(rows); ++chunk) {
    std::fill_n(to.words.data() + chunk * chunk_words, chunk_words, 0);
    std::fill_n(to.pairs.data() + chunk * chunk_pairs, chunk_pairs, std::uint16_t{0});
  }
}

/// Puts an entry of the first pattern that isn't there yet where all who read it look for it.
void put(BytePatterns& to, Index columns, Index k, float entry) {
  const auto byte = static_cast<std::int8_t>(entry);
  const Index chunk = to.current / lane_chunk;
  const Index place = to.current % lane_chunk;
  to.bytes[to.current * to.width() + k] = byte;
  std::int32_t& word =
      to.words[(chunk * to.neuron_blocks() + k / byte_rows) * word_block + place % 16 * byte_rows + k % byte_rows];
  const auto shift = static_cast<unsigned>(8 * (place / 16));
  word = std::bit_cast<std::int32_t>((std::bit_cast<std::uint32_t>(word) & ~(0xFFU << shift)) |
                                     std::uint32_t{static_cast<std::uint8_t>(byte)} << shift);
  if (k >= unit_steps(columns) * unit_entries) return;
  to.pairs[((chunk * unit_steps(columns) + k / unit_entries) * chunk_blocks + place / unit_rows) * unit_block +
           k % unit_entries / 2 * unit_entries + place % unit_rows * 2 + k % 2] =
      static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(entry) >> 16U);
}

}  // namespace

void update_byte_patterns(SoftmaxField& field) {
  const PackedMatrix& patterns = field.patterns;
  BytePatterns& to = field.bytes;
  // Others may be reading that there are none: nothing is written unless there is something to add.
  if (!may_pay(field) || to.current == patterns.rows() || !has_signs(patterns, to.current)) return;
  to.steps = (patterns.columns() + byte_entries - 1) / byte_entries;
  reserve(to, patterns.rows(), patterns.columns());
  for (; to.current < patterns.rows() && has_signs(patterns, to.current); ++to.current) {
    const float* const entries = patterns.data() + patterns.row_offset(to.current);
    for (Index k = 0; k < to.width(); ++k)
      put(to, patterns.columns(), k, k < patterns.columns() ? entries[k * panel_rows] : 0.0F);
  }
}

}  // namespace attractor::cpu
