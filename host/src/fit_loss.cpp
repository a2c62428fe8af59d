#include "host/src/fit_loss.hpp"

#include <utility>

#include "host/src/cuda_backend.hpp"
#include "kernels/cpu/adaptive/adaptive.hpp"

namespace attractor::detail {
namespace {

class CpuFitLosses final : public FitLosses {
 public:
  CpuFitLosses(const GivenPairs& pairs, Index groups, int threads)
      : pairs_(pairs),
        // The weights are overwritten by each call.
        field_(cpu::make_adaptive(cpu::PackedMatrix(pairs.patterns().view()), {.groups = groups})),
        threads_(threads) {}

  [[nodiscard]] FitLoss of(const std::vector<Index>& numbers) override {
    // Shared, since a std::function must be copyable.
    const auto queries = std::make_shared<Matrix<float>>(select_rows(pairs_.queries().view(), numbers));
    return [this, queries, origins = values_at(pairs_.origins(), numbers)](const AdaptiveSimilarity& similarity,
                                                                           SimilarityGradient* gradient) {
      cpu::set_weights(field_, similarity);
      return cpu::cross_entropy(field_, *queries, origins, gradient, threads_);
    };
  }

 private:
  const GivenPairs& pairs_;
  cpu::AdaptiveField field_;
  int threads_;
};

}  // namespace

std::unique_ptr<FitLosses> make_fit_losses(const Device& device, const GivenPairs& pairs, Index groups, int threads) {
  if (device.kind() == Device::Kind::cuda) return make_cuda_fit_losses(device.index(), pairs, groups);
  return std::make_unique<CpuFitLosses>(pairs, groups, threads);
}

double total_loss(const Device& device, const GivenPairs& pairs, const AdaptiveSimilarity& similarity,
                  SimilarityGradient* gradient, int threads) {
  if (device.kind() == Device::Kind::cuda) return cuda_total_loss(device.index(), pairs, similarity, gradient);
  cpu::AdaptiveField field =
      cpu::make_adaptive(cpu::PackedMatrix(pairs.patterns().view()), {.groups = similarity.groups});
  cpu::set_weights(field, similarity);
  return cpu::cross_entropy(field, pairs.queries().view(), pairs.origins(), gradient, threads);
}

}  // namespace attractor::detail
