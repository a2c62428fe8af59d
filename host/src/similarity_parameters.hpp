#pragma once

/// What a fit varies: weights of a similarity in units that make the problem well conditioned, and their penalty.

#include <array>
#include <vector>

#include <attractor/fit.hpp>

#include "host/src/rank_spread.hpp"

namespace attractor::detail {

/// The parameters are one vector x: for each base used θ [R], then if per pattern δ [P × R], and last b [P] if there
/// are priors. The weight of rank r for pattern μ is (θ_r + uδ_μr) / spread_r, its log-prior ub_μ.
///
/// A pattern is the origin of one pair in P, so its own parameters bend the mean loss 1/P as much as shared ones do,
/// and their penalty is the mean over the patterns: ½λ‖θ‖² + ½λ_p/P Σ_μ (‖uδ_μ‖² + (ub_μ)²). With u² = P / (1 + λ_p)
/// both bend the objective alike, as L-BFGS likes it; Adam, whose steps have a fixed length, has u = 1.
class SimilarityParameters {
 public:
  /// The sample tells the spread of terms.
  SimilarityParameters(Index patterns, const PairSample& sample, const FitOptions& options);

  [[nodiscard]] std::size_t size() const { return penalties_.size(); }

  [[nodiscard]] AdaptiveSimilarity similarity(const std::vector<double>& x) const;

  /// In the shape of the similarity's weights.
  [[nodiscard]] SimilarityGradient make_gradient() const;

  /// Derivatives by x from those by the similarity's weights, times `factor`.
  [[nodiscard]] std::vector<double> chain(const SimilarityGradient& by_weights, double factor) const;

  [[nodiscard]] double penalty(const std::vector<double>& x) const;
  void add_penalty_gradient(const std::vector<double>& x, std::vector<double>& gradient) const;

 private:
  struct Base {
    std::vector<double> spread = {};  ///< [R]; empty: not used
    std::size_t begin = 0;            ///< where θ begins in x; δ follows
  };

  [[nodiscard]] std::vector<float> weights(const Base& base, const std::vector<double>& x) const;
  void chain(const Base& base, const std::vector<double>& by_weights, double factor,
             std::vector<double>& by_parameters) const;

  std::size_t patterns_;
  bool per_pattern_;
  bool log_prior_;
  Index groups_;
  double pattern_unit_;            ///< u
  std::vector<double> penalties_;  ///< twice the factor of each parameter's square
  Base squared_distance_;
  Base dot_;
  std::size_t prior_begin_ = 0;
};

}  // namespace attractor::detail
