#include "host/src/dense_sums.hpp"

#include <algorithm>
#include <utility>

#include "host/src/linear_rules.hpp"
#include "kernels/cpu/pointwise/packed_sums.hpp"

namespace attractor::detail {
namespace {

/// Rows L and R with W = LᵀR: the factor's own, or its layers, of which each meets the other.
struct ProductRows {
  explicit ProductRows(const PointwiseForm& form) : left(form.factor), right(form.factor) {
    if (form.first_layer == 0) return;
    const Index count = form.factor.rows;
    first_ = Matrix<float>(2 * count, form.factor.columns);
    second_ = Matrix<float>(2 * count, form.factor.columns);
    for (Index i = 0; i < count; ++i)
      for (Index k = 0; k < form.factor.columns; ++k) {
        const float entry = form.factor(i, k);
        const bool is_first = k < form.first_layer;
        first_(i, k) = second_(count + i, k) = is_first ? entry : 0.0F;
        first_(count + i, k) = second_(i, k) = is_first ? 0.0F : entry;
      }
    left = first_;
    right = second_;
  }

  MatrixView<const float> left;
  MatrixView<const float> right;

 private:
  Matrix<float> first_;
  Matrix<float> second_;
};

}  // namespace

DenseSums::DenseSums(const PointwiseForm& form) {
  if (form.factor.empty()) return;
  if (form.first_layer == 0) squares_.assign(static_cast<std::size_t>(form.factor.columns), 0.0);
  include(form, 1.0F);
}

void DenseSums::include(const PointwiseForm& form, float sign) {
  largest_ = std::max(largest_, largest_integer(form.factor));
  largest_content_ = std::max(largest_content_, largest_integer(form.contents));
  count_ += sign > 0.0F ? form.factor.rows : -form.factor.rows;
  if (squares_.empty()) return;
  std::vector<double> squares(squares_.size(), 0.0);
  add_squares(form.factor, squares);
  for (std::size_t k = 0; k < squares.size(); ++k) squares_[k] += static_cast<double>(sign) * squares[k];
}

/// Sums on the way are no larger than those of magnitudes.
bool DenseSums::is_exact() const {
  return std::max(largest_, largest_content_) * largest_ * static_cast<double>(count_) < 0x1p24;
}

bool DenseSums::add(const PointwiseForm& form, float sign, cpu::DenseField& field, cpu::Readout& readout) {
  DenseSums changed = *this;
  changed.include(form, sign);
  if (!is_exact() || !changed.is_exact()) return false;
  const ProductRows rows(form);
  // Nothing fails from here on.
  *this = std::move(changed);
  cpu::add_product(rows.left, rows.right, sign, field.weights);
  field.resolution = {};
  if (form.first_layer > 0) return true;
  if (!form.self_coupling)
    for (Index k = 0; k < form.factor.columns; ++k) field.weights.at(k, k) = 0.0F;
  if (readout.contents.rows() > 0) cpu::add_product(form.contents, form.factor, sign, readout.contents);
  for (Index i = 0; i < form.factor.rows; ++i)
    for (Index k = 0; k < form.factor.columns; ++k) readout.intensity[k] += sign * form.factor(i, k);
  if (readout.diagonal.data() != nullptr && !form.self_coupling)
    for (Index k = 0; k < form.factor.columns; ++k)
      readout.diagonal[k] = static_cast<float>(squares_[static_cast<std::size_t>(k)]);
  return true;
}

std::vector<float> DenseSums::resolution(const cpu::DenseField& field) const {
  Matrix<float> weights(field.weights.rows(), field.weights.columns());
  field.weights.copy_to(weights);
  if (squares_.empty()) return weight_resolution(weights, field.scale);
  return field_resolution(weights, squares_, field.scale);
}

}  // namespace attractor::detail
