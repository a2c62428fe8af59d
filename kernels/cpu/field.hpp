#pragma once

/// Memories as the CPU kernels read them. Immutable once made; shared by all threads.

#include <variant>

#include "kernels/cpu/packed_matrix.hpp"

namespace attractor::cpu {

/// Linear memory through its scores: u = scale·(Fᵀ(Fx) − diagonal∘x), E = −½ scale·(|Fx|² − Σ diagonal·x²).
/// `diagonal` is the diagonal of FᵀF where the memory has none, else 0.
struct FactoredField {
  PackedMatrix factor;     ///< F [P × D]
  AlignedFloats diagonal;  ///< [padded D]
  float scale = 1.0F;
};

/// Linear memory through its weights: u = scale·Wx, E = −½ xᵀu.
struct DenseField {
  PackedMatrix weights;  ///< W [D × D], symmetric
  float scale = 1.0F;
};

/// Softmax memory: u = softmax(βAx)ᵀA, E = −lse(β, Ax) + ½xᵀx + energy_offset.
struct SoftmaxField {
  PackedMatrix patterns;  ///< A [P × D]
  AlignedFloats ones;     ///< [padded D], the weights of ½xᵀx
  float beta = 1.0F;
  double energy_offset = 0.0;  ///< β⁻¹ log P + ½ max‖a‖²
};

using Field = std::variant<FactoredField, DenseField, SoftmaxField>;

}  // namespace attractor::cpu
