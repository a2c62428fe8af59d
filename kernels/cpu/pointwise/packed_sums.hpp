#pragma once

/// Weights that are sums over patterns, as patterns come and go.

#include <attractor/matrix.hpp>

#include "kernels/cpu/engine/packed_matrix.hpp"

namespace attractor::cpu {

/// sums += sign·leftᵀ·right, of sums [M × D], left [p × M] and right [p × D], in place: exact where all sums are
/// integers below 2²⁴ and the sign is 1 or −1. Complexity: O(pMD).
void add_product(MatrixView<const float> left, MatrixView<const float> right, float sign, PackedMatrix& sums) noexcept;

}  // namespace attractor::cpu
