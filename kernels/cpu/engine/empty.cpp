// A memory without patterns leaves every state where it is.

#include <algorithm>
#include <limits>

#include "kernels/cpu/engine/field_kernel.hpp"
#include "kernels/cpu/engine/retrieval_kernel.hpp"

namespace attractor::cpu {
namespace {

class EmptyKernel final : public FieldKernel {
 public:
  void evaluate(Tile& tile) override { tile.energy.fill(0.0); }

  void advance(Tile& tile) override {
    tile.finite.fill(0.0F);
    tile.squared_change.fill(0.0F);
  }

  bool prepare(Tile& tile, std::span<const Arrival> /*arrivals*/) override {
    evaluate(tile);
    return true;
  }
};

/// Sums over no patterns, 0, unless the state isn't finite.
class EmptyRecall final : public RecallKernel {
 public:
  EmptyRecall(Index columns, Index width) : columns_(columns), contents_(columns * width) {}

  LaneReadout recall(const Tile& tile) override {
    sums_.fill(0.0F);
    for (Index k = 0; k < tile.dimension; ++k)
      for (Index i = 0; i < tile.lanes; ++i)
        sums_[static_cast<std::size_t>(i)] += 0.0F * tile.state[k * tile.width + i];
    for (Index k = 0; k < columns_; ++k) std::copy_n(sums_.begin(), tile.width, contents_.data() + k * tile.width);
    return {.contents = contents_.data(), .intensity = &sums_};
  }

 private:
  Index columns_;
  AlignedFloats contents_;
  LaneArray<float> sums_{};
};

class EmptyRetrieval final : public RetrievalKernel {
 public:
  explicit EmptyRetrieval(const RankingSize& size) : ranking_(size) {
    std::fill(ranking_.posterior.begin(), ranking_.posterior.end(), std::numeric_limits<float>::quiet_NaN());
  }

  const LaneRanking& retrieve(const Tile& /*tile*/) override { return ranking_; }

 private:
  LaneRanking ranking_;
};

}  // namespace

std::unique_ptr<FieldKernel> make_kernel(const EmptyField& /*field*/, const Update& /*update*/,
                                         const KernelSize& /*size*/) {
  return std::make_unique<EmptyKernel>();
}

std::unique_ptr<RecallKernel> make_recall_kernel(const EmptyField& field, const Readout& /*readout*/,
                                                 const KernelSize& size) {
  return std::make_unique<EmptyRecall>(field.columns, size.width);
}

std::unique_ptr<RetrievalKernel> make_retrieval_kernel(const EmptyField& /*field*/, const RankingSize& size) {
  return std::make_unique<EmptyRetrieval>(size);
}

}  // namespace attractor::cpu
