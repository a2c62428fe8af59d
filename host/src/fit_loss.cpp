#include "host/src/fit_loss.hpp"

#include <memory>

#include "host/src/cuda_backend.hpp"
#include "kernels/cpu/adaptive/adaptive.hpp"

namespace attractor::detail {

FitLoss make_fit_loss(const Device& device, MatrixView<const float> patterns, Index groups, int threads) {
  if (device.kind() == Device::Kind::cuda) return make_cuda_fit_loss(device.index(), patterns, groups);
  // Shared, since a std::function must be copyable; the weights are overwritten by each call.
  const AdaptiveSimilarity none{.groups = groups};
  const auto field = std::make_shared<cpu::AdaptiveField>(cpu::make_adaptive(cpu::PackedMatrix(patterns), none));
  return [field, threads](const AdaptiveSimilarity& similarity, MatrixView<const float> queries,
                          std::span<const Index> origins, SimilarityGradient* gradient) {
    cpu::set_weights(*field, similarity);
    return cpu::cross_entropy(*field, queries, origins, gradient, threads);
  };
}

}  // namespace attractor::detail
