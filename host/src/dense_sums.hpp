#pragma once

/// Dense linear memories whose patterns come and go in place.

#include <vector>

#include "host/src/form.hpp"
#include "kernels/cpu/engine/field.hpp"

namespace attractor::detail {

/// What a dense memory knows of the patterns that its weights are sums over. Where these and all they add up to are
/// integers that float has, sums don't depend on the order of patterns, and those that were taken out leave no trace.
class DenseSums {
 public:
  DenseSums() = default;  ///< of no dense memory
  explicit DenseSums(const PointwiseForm& form);

  /// Adds the patterns of a form to the memory's weights, or, with a sign of −1, takes them out; false, with nothing
  /// changed, where sums might round.
  ///
  /// @throws std::bad_alloc, with nothing changed. Complexity: O(pD² + pMD).
  bool add(const PointwiseForm& form, float sign, cpu::DenseField& field, cpu::Readout& readout);

  /// What sign updates need to know of the weights [D]. Complexity: O(D²).
  [[nodiscard]] std::vector<float> resolution(const cpu::DenseField& field) const;

 private:
  void include(const PointwiseForm& form, float sign);
  [[nodiscard]] bool is_exact() const;

  Index count_ = 0;
  double largest_ = 0.0;              ///< no entry of a pattern has been larger; infinite once one was no integer
  double largest_content_ = 0.0;      ///< the same of contents
  std::vector<double> squares_ = {};  ///< [D] Σ_μ F_μi²; empty: the weights aren't FᵀF
};

}  // namespace attractor::detail
