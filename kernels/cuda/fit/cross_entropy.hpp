#pragma once

/// The loss that similarities are fitted by, and its gradient, on a CUDA device.

#include <cstddef>
#include <span>

#include <attractor/matrix_view.hpp>
#include <attractor/similarity.hpp>

#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/streamed/streamed.hpp"
#include "kernels/sizes.hpp"

namespace attractor::cuda {

/// Queries on the device with the patterns that they come from.
struct PlacedPairs {
  MatrixView<const float> queries;
  const Index* numbers = nullptr;  ///< [count] of those queries that are meant; null: the first ones
  const Index* origins = nullptr;  ///< [count], of these
  Index count = 0;
};

/// Holds the patterns, and from call to call the scratch, which is bounded whatever the number of queries.
class CrossEntropy {
 public:
  /// For similarities of `groups` groups, in batches of so many scores if a query has no more. @throws NotSupported
  /// more ranks than the kernels sort.
  CrossEntropy(int device, MatrixView<const float> patterns, Index groups,
               Index batch_scores = detail::sizes().fit_batch_scores);

  /// Σ over queries of −log softmax(s)_origin. Overwrites the parts of `gradient` (unless null) that aren't empty,
  /// which have the shapes of the similarity's, with the derivatives by weights that include β, and by priors. Queries
  /// are on the host or, complete, on the device, origins on the host. The bits depend on the values of the arguments
  /// and `batch_scores` alone.
  double operator()(const AdaptiveSimilarity& similarity, MatrixView<const float> queries,
                    std::span<const Index> origins, SimilarityGradient* gradient);

  /// The same of pairs on the device.
  double operator()(const AdaptiveSimilarity& similarity, const PlacedPairs& pairs, SimilarityGradient* gradient);

 private:
  template <class Pairs>
  double sum(const AdaptiveSimilarity& similarity, const Pairs& pairs, SimilarityGradient* gradient);
  [[nodiscard]] Index batch_rows(Index queries) const;

  int device_;
  DeviceMatrix patterns_;
  int groups_;
  Index batch_scores_;
  Stream stream_;
  DeviceArray<std::byte> scratch_;
};

}  // namespace attractor::cuda
