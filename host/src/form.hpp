#pragma once

/// A memory as its learning rule leaves it, before any device has it.

#include <variant>

#include <attractor/memory.hpp>

namespace attractor::detail {

/// W = scale·FᵀF, its diagonal zero unless `self_coupling`.
struct LinearForm {
  MatrixView<const float> factor;  ///< F [P × D]
  float scale = 1.0F;
  bool self_coupling = false;
  Evaluation evaluation = Evaluation::factored;  ///< never automatic
  Placement placement = Placement::automatic;
};

/// u = softmax(βAx)ᵀA, E = −lse(β, Ax) + ½xᵀx + energy_offset; contents, where there are any, are read out at the end.
struct SoftmaxForm {
  MatrixView<const float> patterns;  ///< A [P × D]
  MatrixView<const float> contents;  ///< C [P × M] or empty
  float beta = 1.0F;
  double energy_offset = 0.0;  ///< β⁻¹ log P + ½ max‖a‖²
};

using Form = std::variant<LinearForm, SoftmaxForm>;

}  // namespace attractor::detail
