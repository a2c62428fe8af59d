#pragma once

/// A memory as its learning rule leaves it, before any device has it.

#include <variant>
#include <vector>

#include <attractor/memory.hpp>

namespace attractor::detail {

// `resolution` [D] is what sign updates go by: a field of at most resolution_i times the query's magnitude is rounding
// of 0, see core/attractor/update.hpp.

/// W = scale·FᵀF, its diagonal zero unless `self_coupling`.
struct LinearForm {
  MatrixView<const float> factor;  ///< F [P × D]
  std::vector<float> resolution;   ///< [D], in units of u
  float scale = 1.0F;
  bool self_coupling = false;
  Evaluation evaluation = Evaluation::factored;  ///< never automatic
  Placement placement = Placement::automatic;
};

/// u = c + softmax(βAx)ᵀA, E = −lse(β, Ax) + ½‖x − c‖² + energy_offset with the patterns less a centre c, which changes
/// neither weights nor energies; contents, where there are any, are read out at the end.
struct SoftmaxForm {
  MatrixView<const float> patterns;  ///< A [P × D], less the centre
  MatrixView<const float> contents;  ///< C [P × M] or empty
  std::vector<float> centre;         ///< c [D]
  std::vector<float> resolution;     ///< [D]; the magnitude is 1
  float beta = 1.0F;
  double energy_offset = 0.0;  ///< β⁻¹ log P + ½ max‖a‖² − ½‖c‖², a with the centre
};

/// u = softmax(s)ᵀA, E = −lse(s) with the scores of the similarity; contents as for SoftmaxForm.
struct AdaptiveForm {
  MatrixView<const float> patterns;  ///< A [P × D]
  MatrixView<const float> contents;  ///< C [P × M] or empty
  std::vector<float> resolution;     ///< [D]; the magnitude is 1
  const AdaptiveSimilarity& similarity;
};

using Form = std::variant<LinearForm, SoftmaxForm, AdaptiveForm>;

/// Empty where the memory is auto-associative.
inline MatrixView<const float> contents_of(const Form& form) {
  if (const auto* const softmax = std::get_if<SoftmaxForm>(&form)) return softmax->contents;
  if (const auto* const adaptive = std::get_if<AdaptiveForm>(&form)) return adaptive->contents;
  return {};
}

}  // namespace attractor::detail
