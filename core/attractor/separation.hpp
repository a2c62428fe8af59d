#pragma once

/// Separations: how scores become weights of the readout. A pointwise one takes each score h to its own weight p = f(h)
/// and has a potential F, F' = f; the formulas are in core/separation-inl.hpp, written once for every instruction set,
/// device and the reference. Softmax needs all scores of a state and is a family of its own.

#include <variant>

namespace attractor {

/// p = h, F = h²/2: linear associative memories (Hopfield 1982; energy −½xᵀWx).
struct LinearSeparation {};

/// p = hⁿ⁻¹, F = hⁿ/n: dense associative memories of order n (Krotov, Hopfield 2016). Rectified, a negative score
/// counts as 0.
struct PolynomialSeparation {
  int order = 3;  ///< n, 2 … 30
  bool rectified = false;
};

/// One of the pointwise separations above.
using PointwiseSeparation = std::variant<LinearSeparation, PolynomialSeparation>;

}  // namespace attractor
