#pragma once

/// The oracle: relaxation in double precision, one query at a time, written as the formulas read. Every other path is
/// tested against it. Nothing here is fast.

#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include <attractor/halting.hpp>
#include <attractor/matrix.hpp>
#include <attractor/separation.hpp>
#include <attractor/similarity.hpp>
#include <attractor/update.hpp>

namespace attractor::reference {

using Vector = std::vector<double>;

/// u = scale·Wx − θ, E = −½ scale·xᵀWx + θᵀx. The scale stays apart so that sums over bipolar patterns are exact
/// integers.
struct LinearModel {
  Matrix<double> weights;  ///< W [D × D], symmetric
  double scale = 1.0;
  Vector resolution = {};  ///< [D] fields that count as 0 for sign updates, see core/attractor/update.hpp
  Vector thresholds = {};  ///< θ [D] or empty: 0
};

/// u = p(s)ᵀA, or x where all p are 0, with the scores s_μ = β sim(a_μ, x) + b_μ, E = −β⁻¹Ω*(s). For dot products, if
/// `quadratic`, E has ½xᵀx + β⁻¹Ω*(0) + ½ max‖a‖² beside (Ramsauer et al. 2020, eq. 2 and 3, for softmax).
struct SoftmaxModel {
  Matrix<double> patterns;  ///< A [P × D]
  double beta = 1.0;
  NormalisedSeparation separation = SoftmaxSeparation{};
  Similarity similarity = Similarity::dot;
  std::vector<float> log_prior = {};  ///< b [P]; empty: 0
  bool quadratic = true;
};

/// u = softmax(s)ᵀA, E = −lse(s), with the scores s of an adaptive similarity (arXiv 2511.20609).
struct AdaptiveModel {
  Matrix<double> patterns;  ///< A [P × D]
  AdaptiveSimilarity similarity;
};

/// h = Ax/D, u = Aᵀp(h), E = −D Σ F(h).
struct PointwiseModel {
  Matrix<double> patterns;  ///< A [P × D]
  PointwiseSeparation separation;
};

/// What a linear memory reads out at a state: scale·Vx.
struct LinearContents {
  Matrix<double> weights;  ///< V [M × D]
  double scale = 1.0;
  Vector sizes = {};  ///< [M] as W_ii, of contents in the place of patterns: |scale·V_ij|² is at most sizes_i W_jj
};

using Model = std::variant<LinearModel, PointwiseModel, SoftmaxModel, AdaptiveModel>;

/// W = AᵀA, scale 1/D; the diagonal is zero unless `self_coupling`.
LinearModel hebbian(MatrixView<const float> patterns, bool self_coupling = false);

/// W = Aᵀ(AAᵀ/D + ridge·I)⁻¹A/D by Gauss–Jordan elimination; the diagonal is zero unless `self_coupling`.
LinearModel projection(MatrixView<const float> patterns, double ridge = 0.0, bool self_coupling = false);

/// Hebb's rule with a learning rate and decay, one pattern after another.
LinearModel fading_hebbian(MatrixView<const float> patterns, double rate, double decay, bool self_coupling = false);

/// Storkey's rule, one pattern after another.
LinearModel storkey(MatrixView<const float> patterns);

/// Σ ξᵀη/D between the first neurons and the others of pairs [ξ | η].
LinearModel bidirectional(MatrixView<const float> pairs, Index first);

/// The same memory with thresholds.
LinearModel with_thresholds(LinearModel model, const std::vector<float>& thresholds);

/// The correlation matrix, one pattern after another: V ← decay·V + rate·cξᵀ, scale 1/D.
LinearContents hebbian_contents(MatrixView<const float> patterns, MatrixView<const float> contents, double rate = 1.0,
                                double decay = 1.0);

/// V = Cᵀ(AAᵀ/D + ridge·I)⁻¹A, scale 1/D.
LinearContents projection_contents(MatrixView<const float> patterns, MatrixView<const float> contents,
                                   double ridge = 0.0);

PointwiseModel dense_associative(MatrixView<const float> patterns, PolynomialSeparation separation);

/// Activations are the cubes of similarities.
PointwiseModel minerva(MatrixView<const float> traces);

SoftmaxModel modern_hopfield(MatrixView<const float> patterns, double beta,
                             NormalisedSeparation separation = SoftmaxSeparation{});

SoftmaxModel exponential(MatrixView<const float> patterns, double beta);

AdaptiveModel adaptive(MatrixView<const float> patterns, AdaptiveSimilarity similarity);

/// s_μ.
Vector scores(const SoftmaxModel& model, std::span<const double> state);

/// p_μ.
Vector weights(const SoftmaxModel& model, std::span<const double> state);

/// log p_μ: what softmax takes the exponential of, less its normaliser.
Vector log_posteriors(const AdaptiveModel& model, std::span<const double> state);

Vector readout(const Model& model, std::span<const double> state);
double energy(const Model& model, std::span<const double> state);

/// What of a state's readout counts as 0 for sign updates [D]; `magnitude` is that of the state.
Vector resolution(const Model& model, std::span<const double> state, double magnitude);

/// Cᵀp; NaN where all p of a softmax model are 0.
Vector recall(const LinearContents& contents, std::span<const double> state);
Vector recall(const PointwiseModel& model, MatrixView<const float> contents, std::span<const double> state);
Vector recall(const SoftmaxModel& model, MatrixView<const float> contents, std::span<const double> state);
Vector recall(const AdaptiveModel& model, MatrixView<const float> contents, std::span<const double> state);

/// x' = g(x, u), all neurons at once.
Vector apply(const Update& update, std::span<const double> state, std::span<const double> field);

struct Settings {
  Update update;
  Halting halting = energy_stable();
  int max_steps = 100;
  /// β of steps 1, 2, …, the last for all later ones, in place of a softmax model's own; empty: that. The energy of x_t
  /// is at β_{t+1}.
  std::vector<float> betas = {};
};

struct Outcome {
  Vector state = {};
  int steps = 0;
  double energy = 0.0;  ///< of `state`, whatever the halting rule
  Status status = Status::max_steps;
  Vector trace = {};  ///< E_1 … E_steps
};

/// Relaxes one query; entries with a nonzero `clamped` keep the query's value. A query that isn't finite diverges at
/// step 0. Sign updates take for 0 what fast paths can't tell from it.
Outcome relax(const Model& model, const Settings& settings, std::span<const float> query,
              std::span<const std::uint8_t> clamped = {});

}  // namespace attractor::reference
