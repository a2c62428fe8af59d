#pragma once

/// A memory as its rule leaves it, before any device has it: similarity, separation and readout, in two families.

#include <optional>
#include <span>
#include <variant>
#include <vector>

#include <attractor/memory.hpp>
#include <attractor/separation.hpp>

namespace attractor::detail {

// `resolution` [D] is what sign updates go by: a field of at most resolution_i times a unit is rounding of 0, see
// core/attractor/update.hpp. The unit is the magnitude of the state for linear memories, Σ|p| for other pointwise ones,
// and 1 for normalised ones.

/// Memories whose scores each make a weight of their own: u = scale·(Fᵀp(score_scale·Fx) − diag∘x) − θ, E =
/// −energy_scale·(Σ F(h) − ½ Σ diag·x²) + θᵀx, diag that of FᵀF unless `self_coupling`. At states that stay they read
/// out contents scale·Cᵀp and the sum of the weights, scale·intensityᵀp.
struct PointwiseForm {
  MatrixView<const float> factor;          ///< F [P × D]; empty where there are weights
  std::optional<int> cuda_device = {};     ///< where the factor is; none: on the host
  MatrixView<const float> contents = {};   ///< C [P × M], prepared as the factor's patterns are; empty: C = F
  std::vector<float> intensity = {};       ///< [P] as contents that are all 1; empty: it weighs no patterns
  MatrixView<const float> weights = {};    ///< W/scale [D × D] of linear memories that have no factor: dense
  std::vector<float> resolution = {};      ///< [D], in units of u; empty: what field_resolution finds
  std::span<const float> thresholds = {};  ///< θ [D] of linear memories; none: 0
  PointwiseSeparation separation = LinearSeparation{};
  Index first_layer = 0;     ///< N: weights of a dense memory join only its first N neurons with others; 0: all
  float score_scale = 1.0F;  ///< 1 where the separation is linear
  float scale = 1.0F;
  float energy_scale = 1.0F;
  bool self_coupling = false;
  Evaluation evaluation = Evaluation::factored;  ///< never automatic; factored unless the separation is linear
  Placement placement = Placement::automatic;
};

/// u = c + pᵀA, E = −(Ω*(s) + potential_offset)/β + ½‖x − c‖² + energy_offset, the middle term only if `quadratic`,
/// with the separation's p of the scores s, and the patterns less a centre c, which changes neither weights nor
/// energies; contents, where there are any, are read out at the end. Scores are s_μ = scale_μ g(a_μ, x) + offset_μ +
/// log_prior_μ: g is ‖a − x‖² for the squared distance, −‖a − x‖₁ for the Manhattan distance, a·x/‖x‖ for cosines, and
/// else a·x. At another temperature β' scales and offsets are β'/β times as large. Where all p are 0, u = x.
struct SoftmaxForm {
  MatrixView<const float> patterns;  ///< A [P × D], as float32 less the centre, else as given
  MatrixView<const float> contents;  ///< C [P × M] or empty
  PatternStorage storage = PatternStorage::float32;
  PatternStorage content_storage = PatternStorage::float32;
  ProductPrecision precision = ProductPrecision::full;
  std::vector<float> centre = {};           ///< c [D]; unless `quadratic` empty: 0
  std::vector<float> resolution;            ///< [D]
  Similarity similarity = Similarity::dot;  ///< which g; squared distances that are made of products have that of dot
  NormalisedSeparation separation = SoftmaxSeparation{};
  float beta = 1.0F;
  std::vector<float> scale = {};   ///< [P] or empty: β
  std::vector<float> offset = {};  ///< [P] or empty: 0; finite
  /// [P] or empty: 0; unless the separation takes scores as they are, the largest offset + log_prior is 0
  std::vector<float> log_prior = {};
  bool quadratic = true;
  double potential_offset = 0.0;
  double energy_offset = 0.0;
};

/// u = softmax(s)ᵀA, E = −lse(s) with the scores of the similarity; contents as for SoftmaxForm.
struct AdaptiveForm {
  MatrixView<const float> patterns;  ///< A [P × D]
  MatrixView<const float> contents;  ///< C [P × M] or empty
  std::vector<float> resolution;     ///< [D]
  const AdaptiveSimilarity& similarity;
};

using Form = std::variant<PointwiseForm, SoftmaxForm, AdaptiveForm>;

}  // namespace attractor::detail
