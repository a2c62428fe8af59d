#pragma once

/// Separations p = f(h): how scores become weights of the readout u = Cᵀp, with a potential F, F' = f. Elementwise ones
/// have their formulas in core/separation-inl.hpp; softmax needs all scores of a state and is a family of its own.

namespace attractor {

/// p = h, F = h²/2: linear associative memories (Hopfield 1982; energy −½xᵀWx).
struct LinearSeparation {};

}  // namespace attractor
