#pragma once

/// The weights of a linear memory.

#include <attractor/matrix.hpp>

namespace attractor::cpu {

/// FᵀF [D × D] of F [P × D], exactly symmetric; sums of integers are exact below 2²⁴.
///
/// Extra memory: D × 256 floats and a few of them for each thread. Complexity: O(PD²).
Matrix<float> gram(MatrixView<const float> factor);

/// Whether both fuse products into sums. Bits are the same wherever they do, and wherever they don't.
bool gram_fuses();

/// CᵀF [M × D] of C [P × M] and F [P × D], in the same way. Complexity: O(PMD).
Matrix<float> transposed_product(MatrixView<const float> left, MatrixView<const float> right);

}  // namespace attractor::cpu
