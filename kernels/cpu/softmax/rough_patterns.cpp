#include "kernels/cpu/softmax/rough_patterns.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <variant>

#include "kernels/cpu/matrix_unit/byte_products.hpp"
#include "kernels/cpu/matrix_unit/matrix_unit.hpp"
#include "kernels/sizes.hpp"

namespace attractor::cpu {

namespace {

constexpr double largest_byte = 127.0;

bool may_pay(const SoftmaxField& field) {
  const detail::Sizes& sizes = detail::sizes();
  const Index columns = field.patterns.columns();
  const bool adds_products = field.similarity == Similarity::dot || field.similarity == Similarity::cosine;
  const bool is_softmax = std::holds_alternative<SoftmaxSeparation>(field.separation);
  const bool by_matrix_unit = matrix_unit() != MatrixUnit::none && field.patterns.suits_unit();
  return byte_unit() != ByteUnit::none && sizes.listed_share > 0.0F && adds_products && is_softmax && !by_matrix_unit &&
         field.patterns.has_floats() && field.patterns.rows() >= sizes.rough_patterns &&
         columns >= sizes.rough_columns && columns <= most_byte_entries;
}

void reserve(RoughPatterns& rough, Index patterns) {
  const Index used = rough.current_panels;
  const Index panels = (patterns + panel_rows - 1) / panel_rows;
  const Index rows = (patterns + byte_rows - 1) / byte_rows * byte_rows;
  const Index used_rows = (used * panel_rows + byte_rows - 1) / byte_rows * byte_rows;
  for (AlignedFloats* const array : {&rough.units, &rough.errors, &rough.norms, &rough.offsets, &rough.log_priors})
    array->reserve(panels, used);
  rough.are_alike.reserve(panels, used);
  rough.sums.reserve(rows, used_rows);
  rough.bytes.reserve(rows * rough.steps * byte_entries, used_rows * rough.steps * byte_entries);
  std::fill(rough.sums.data() + used_rows, rough.sums.data() + rows, 0);
  std::fill(rough.bytes.data() + used_rows * rough.steps * byte_entries,
            rough.bytes.data() + rows * rough.steps * byte_entries, std::int8_t{0});
}

/// A little more than the root of a sum, and than what it is the norm of, where that is tiny.
float norm_above(double squares, float scale) {
  return static_cast<float>(std::sqrt(squares) * 1.001) + std::abs(scale) * least_rough;
}

/// Of what is at most a little more than 127: a sum with 1½·2⁵² is rounded to an integer.
double to_integer(double value) { return (value + 0x1.8p52) - 0x1.8p52; }

class PanelRounding {
 public:
  PanelRounding(SoftmaxField& field, Index panel)
      : field_(field),
        panel_(panel),
        first_(panel * panel_rows),
        unit_(static_cast<float>(largest_entry() / largest_byte)) {}

  void run() {
    RoughPatterns& rough = field_.rough;
    // Smaller ones have no inverse.
    if (!(unit_ > 0x1p-100 && unit_ < 0x1p100)) unit_ = 0.0F;
    rough.units[panel_] = unit_;
    rough.errors[panel_] = rough.norms[panel_] = rough.offsets[panel_] = rough.log_priors[panel_] = 0.0F;
    bool alike = true;
    for (Index row = first_; row < first_ + panel_rows; ++row) {
      round(row);
      alike &= field_.offset[row] == field_.offset[first_] && field_.log_prior[row] == field_.log_prior[first_] &&
               std::isfinite(field_.log_prior[row]);
      raise(rough.offsets, std::abs(field_.offset[row]));
      if (std::isfinite(field_.log_prior[row])) raise(rough.log_priors, std::abs(field_.log_prior[row]));
    }
    rough.are_alike[panel_] = alike ? 1 : 0;
    // Where rough scores might leave the range of floats they say nothing.
    constexpr float most = 0x1p60F;
    if (!(rough.norms[panel_] < most && rough.offsets[panel_] < most && rough.log_priors[panel_] < most))
      rough.errors[panel_] = std::numeric_limits<float>::infinity();
  }

 private:
  [[nodiscard]] bool is_pattern(Index row) const { return row < field_.patterns.rows(); }

  [[nodiscard]] double scaled(Index row, Index k) const {
    return static_cast<double>(field_.scale[row]) *
           static_cast<double>(field_.patterns.panel(panel_)[k * panel_rows + row - first_]);
  }

  [[nodiscard]] double largest_entry() const {
    double largest = 0.0;
    for (Index row = first_; row < first_ + panel_rows && is_pattern(row); ++row)
      for (Index k = 0; k < field_.patterns.columns(); ++k) largest = std::max(largest, std::abs(scaled(row, k)));
    return largest;
  }

  void raise(AlignedFloats& to, float value) const { to[panel_] = std::max(to[panel_], value); }

  void round(Index row) {
    RoughPatterns& rough = field_.rough;
    std::int8_t* const to =
        rough.bytes.data() + row / byte_rows * rough.steps * byte_block + row % byte_rows * byte_entries;
    std::int32_t sum = 0;
    double squares = 0.0;
    double left = 0.0;
    const auto unit = static_cast<double>(unit_);
    const double inverse = unit_ == 0.0F ? 0.0 : 1.0 / unit;
    for (Index k = 0; k < field_.patterns.columns(); ++k) {
      const double entry = is_pattern(row) ? scaled(row, k) : 0.0;
      const double rounded = to_integer(entry * inverse);
      to[k / byte_entries * byte_block + k % byte_entries] = static_cast<std::int8_t>(rounded);
      sum += static_cast<std::int32_t>(rounded);
      squares += entry * entry;
      left += (entry - rounded * unit) * (entry - rounded * unit);
    }
    rough.sums[row] = sum;
    if (!is_pattern(row)) return;
    const float norm = norm_above(squares, field_.scale[row]);
    const float error = norm_above(left, field_.scale[row]);
    raise(rough.norms, norm);
    raise(rough.errors, error + score_rounding(field_.patterns.columns()) * (norm + error));
  }

  SoftmaxField& field_;
  Index panel_;
  Index first_;
  float unit_;
};

}  // namespace

void update_rough_patterns(SoftmaxField& field) {
  RoughPatterns& rough = field.rough;
  if (!may_pay(field)) {
    // Others may be reading that there are none.
    if (rough.steps > 0) rough = {};
    return;
  }
  const Index panels = field.patterns.padded_rows() / panel_rows;
  if (rough.cover(field.patterns.rows())) return;
  rough.steps = (field.patterns.columns() + byte_entries - 1) / byte_entries;
  reserve(rough, field.patterns.padded_rows());
  for (; rough.current_panels < panels; ++rough.current_panels) PanelRounding(field, rough.current_panels).run();
}

}  // namespace attractor::cpu
