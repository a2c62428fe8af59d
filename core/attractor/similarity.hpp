#pragma once

/// Similarities: how alike a pattern ξ and a state x are.
///
/// The adaptive one goes by the ranks of their entrywise agreement (A-Hop, arXiv 2511.20609). A base compares entry by
/// entry, q_i = −(ξ_i − x_i)² or q_i = ξ_i x_i. Its terms in descending order q̃ are the ranked terms, their running
/// sums the footprint. A score is a weighted sum of a footprint, Σ_k w_k Σ_{i≤k} q̃_i, which is Σ_i v_i q̃_i with rank
/// weights v_i = Σ_{k≥i} w_k: scoring needs the ranked terms alone. With all v_i = 1 it is the negative squared
/// distance, or the dot product.

#include <span>
#include <vector>

#include <attractor/matrix_view.hpp>

namespace attractor {

/// The similarities that have no parameters; scores are β times them (universal Hopfield networks, Millidge et al.
/// 2022).
enum class Similarity : unsigned char {
  dot,               ///< ξ·x
  squared_distance,  ///< −½‖ξ − x‖²: with softmax the posterior of Gaussians of variance 1/β around the patterns
  manhattan,         ///< −‖ξ − x‖₁
  cosine,            ///< ξ·x/(‖ξ‖‖x‖), 0 where either is 0
};

/// How a footprint compares entries.
enum class FootprintBase : unsigned char {
  squared_distance,  ///< −(ξ_i − x_i)²
  dot,               ///< ξ_i x_i
};

/// How finely scores tell terms apart. Footprints and fits always take terms as they are.
///
/// Rounded ones take half or a quarter of the comparisons. With R = the largest |ξ_i − x_i| and M = the largest |ξ_i
/// x_i| that a query could have with any pattern, entry i of which is at most as far from the middle of its range over
/// the stored patterns as any entry from that of its own, or as large as any entry, a squared
/// difference is off by at most R²/4000 or R²/460 and a product by M/16000 or M/250; ranking doesn't add to that.
/// Weights are off by at most 1/16000 of the largest of a row. A device that scores no faster so (CUDA; processors
/// without AVX2) takes terms as they are.
///
/// Scores of full precision cost little more where few patterns matter: the CPU finds these by rounded terms, whose
/// errors it has bounds of, and makes exact scores of them alone. No bit of a result shows which way it took.
enum class TermPrecision : unsigned char {
  full,    ///< float
  bits16,  ///< integers of 16 bits
  bits8,   ///< integers of 8 bits
};

/// A query and a pattern, by their rows.
struct FootprintPair {
  Index query = 0;
  Index pattern = 0;
};

/// The scores of a softmax memory: for pattern μ and state x
///   s_μ = β_dis Σ_r v_r q̃_r(distance) + β_dot Σ_r v_r q̃_r(dot) + b_μ.
///
/// With several groups entry i is ranked among the entries of group (i + i / groups) mod groups only, and terms of the
/// same rank are added up over the groups: an approximation that needs far shorter sorts (weights must be fitted to
/// it), whose groups take entries from everywhere so that they are alike.
struct AdaptiveSimilarity {
  /// Rank weights v of either base, [R] shared by all patterns or [P × R], one row for each; R = rank_count(D, groups).
  /// Empty: the base is not used. One base must be.
  /// Finite, times their β too.
  std::vector<float> squared_distance = {};
  std::vector<float> dot = {};
  float beta_squared_distance = 1.0F;  ///< β_dis, finite
  float beta_dot = 1.0F;               ///< β_dot, finite
  /// b [P]; empty: all 0. Finite, or −∞ for patterns that are never retrieved, but not for all. A constant common to
  /// all changes nothing but the energy's zero.
  std::vector<float> log_prior = {};
  Index groups = 1;  ///< ≥ 1, at most D; 1: exact
  TermPrecision precision = TermPrecision::full;
};

/// Derivatives by the rank weights and by the log-priors, each shaped as in the similarity.
struct SimilarityGradient {
  std::vector<double> squared_distance = {};
  std::vector<double> dot = {};
  std::vector<double> log_prior = {};
};

/// Ranks of a state of `dimension` entries in `groups` groups: the size of the largest group.
constexpr Index rank_count(Index dimension, Index groups = 1) { return (dimension + groups - 1) / groups; }

/// The group of entry i.
constexpr Index rank_group(Index i, Index groups) { return (i + i / groups) % groups; }

/// Rank weights v_i = Σ_{k≥i} w_k from the weights w of footprints.
inline std::vector<float> rank_weights(std::span<const float> footprint_weights) {
  std::vector<float> result(footprint_weights.size());
  double sum = 0.0;
  for (std::size_t i = result.size(); i-- > 0;) {
    sum += static_cast<double>(footprint_weights[i]);
    result[i] = static_cast<float>(sum);
  }
  return result;
}

}  // namespace attractor
