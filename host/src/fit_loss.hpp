#pragma once

/// The loss that similarities are fitted by, on whatever device computes it.

#include <functional>
#include <span>

#include <attractor/device.hpp>
#include <attractor/matrix.hpp>
#include <attractor/similarity.hpp>

namespace attractor::detail {

/// Σ over queries of −log softmax(s)_origin on the patterns that it was made with; overwrites the gradient, unless
/// null, whose parts are empty or shaped as those of the similarity, with derivatives by weights that include β. One
/// call at a time.
using FitLoss = std::function<double(const AdaptiveSimilarity& similarity, MatrixView<const float> queries,
                                     std::span<const Index> origins, SimilarityGradient* gradient)>;

/// For similarities of `groups` groups. Copies the patterns to the device, whose work the loss then is.
///
/// @throws NotSupported more ranks than a CUDA device sorts.
FitLoss make_fit_loss(const Device& device, MatrixView<const float> patterns, Index groups, int threads);

}  // namespace attractor::detail
