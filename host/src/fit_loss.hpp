#pragma once

/// The loss that similarities are fitted by, on whatever device computes it.

#include <functional>
#include <memory>
#include <vector>

#include <attractor/device.hpp>
#include <attractor/matrix.hpp>
#include <attractor/similarity.hpp>

#include "host/src/given_pairs.hpp"

namespace attractor::detail {

/// Σ over certain pairs of −log softmax(s)_origin; overwrites the gradient, unless null, whose parts are empty or
/// shaped as those of the similarity, with derivatives by weights that include β.
using FitLoss = std::function<double(const AdaptiveSimilarity& similarity, SimilarityGradient* gradient)>;

/// Losses of a fit, which are asked for again and again: queries come to where they are computed once.
class FitLosses {
 public:
  FitLosses() = default;
  FitLosses(const FitLosses&) = delete;
  FitLosses& operator=(const FitLosses&) = delete;
  virtual ~FitLosses() = default;

  /// That of the pairs with these numbers. Of all that one object made, one may be called at a time; they must not
  /// outlive it.
  [[nodiscard]] virtual FitLoss of(const std::vector<Index>& numbers) = 0;
};

/// For similarities of `groups` groups. The pairs must outlive it. Copies the patterns to the device, whose work the
/// losses then are.
///
/// @throws NotSupported more ranks than a CUDA device sorts.
std::unique_ptr<FitLosses> make_fit_losses(const Device& device, const GivenPairs& pairs, Index groups, int threads);

/// The loss of all pairs, once.
double total_loss(const Device& device, const GivenPairs& pairs, const AdaptiveSimilarity& similarity,
                  SimilarityGradient* gradient, int threads);

}  // namespace attractor::detail
