#include "kernels/cpu/softmax/byte_patterns.hpp"

#include <variant>

namespace attractor::cpu {

namespace {

bool may_pay(const SoftmaxField& field) {
  const detail::Sizes& sizes = detail::sizes();
  return matrix_unit() != MatrixUnit::none && byte_unit() != ByteUnit::none && field.patterns.suits_unit() &&
         field.patterns.has_floats() && std::holds_alternative<SoftmaxSeparation>(field.separation) &&
         field.patterns.rows() >= sizes.unit_patterns && field.patterns.columns() >= sizes.unit_columns;
}

bool has_signs(const PackedMatrix& patterns, Index row) {
  const float* const entries = patterns.data() + patterns.row_offset(row);
  for (Index k = 0; k < patterns.columns(); ++k) {
    const float entry = entries[k * panel_rows];
    if (entry != 0.0F && entry != 1.0F && entry != -1.0F) return false;
  }
  return true;
}

}  // namespace

void update_byte_patterns(SoftmaxField& field) {
  const PackedMatrix& patterns = field.patterns;
  BytePatterns& to = field.bytes;
  // Others may be reading that there are none: nothing is written unless there is something to add.
  if (!may_pay(field) || to.current == patterns.rows() || !has_signs(patterns, to.current)) return;
  to.steps = (patterns.columns() + byte_entries - 1) / byte_entries;
  const Index width = to.steps * byte_entries;
  to.bytes.reserve(patterns.rows() * width, to.current * width);
  for (; to.current < patterns.rows() && has_signs(patterns, to.current); ++to.current) {
    const float* const entries = patterns.data() + patterns.row_offset(to.current);
    for (Index k = 0; k < width; ++k)
      to.bytes[to.current * width + k] =
          k < patterns.columns() ? static_cast<std::int8_t>(entries[k * panel_rows]) : std::int8_t{0};
  }
}

}  // namespace attractor::cpu
