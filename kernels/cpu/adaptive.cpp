// Adaptive memories: s from ranked terms.

#include <limits>

#include "kernels/cpu/field_kernel.hpp"
#include "kernels/cpu/retrieval_kernel.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/adaptive.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/adaptive_scorer-inl.hpp"
#include "kernels/cpu/retrieval-inl.hpp"
#include "kernels/cpu/softmax_reader-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {
namespace {

class BlockScorer {
 public:
  using Field = AdaptiveField;
  explicit BlockScorer(const Field& field) : field_(field), scorer_(field) {}

  HWY_INLINE void score(const Tile& tile, Index first, Index lane, Block& block) {
    for (int v = 0; v < block_vectors; ++v) {
      const Index at = lane + v * vector_lanes();
      const Index count = at < tile.lanes ? field_.patterns.rows() - first : 0;
      if (count > 0) scorer_.take_states(tile.state.data() + at, tile.width);
      for (int r = 0; r < block_rows; ++r) {
        LaneArray<float> scores;
        if (r < count) scorer_.score(first + r, scores.data());
        block[r][v] =
            r < count ? hn::Load(floats, scores.data()) : hn::Set(floats, -std::numeric_limits<float>::infinity());
      }
    }
  }

 private:
  const AdaptiveField& field_;
  AdaptiveScorer scorer_;
};

}  // namespace

std::unique_ptr<FieldKernel> make_adaptive_kernel(const AdaptiveField& field, const Update& update, Index width) {
  return make_softmax_kernel<BlockScorer>(field, SoftmaxEnergy{}, update, width);
}

std::unique_ptr<RecallKernel> make_adaptive_recall(const AdaptiveField& field, const PackedMatrix& contents,
                                                   Index width) {
  return std::make_unique<ContentsKernel<BlockScorer>>(field, contents, width);
}

std::unique_ptr<RetrievalKernel> make_adaptive_retrieval(const AdaptiveField& field) {
  return std::make_unique<LaneRetrieval<BlockScorer>>(field);
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attractor::cpu {

HWY_EXPORT(make_adaptive_kernel);
HWY_EXPORT(make_adaptive_recall);
HWY_EXPORT(make_adaptive_retrieval);

std::unique_ptr<FieldKernel> make_kernel(const AdaptiveField& field, const Update& update, Index width) {
  return HWY_DYNAMIC_DISPATCH(make_adaptive_kernel)(field, update, width);
}

std::unique_ptr<RecallKernel> make_recall_kernel(const AdaptiveField& field, const PackedMatrix& contents,
                                                 Index width) {
  return HWY_DYNAMIC_DISPATCH(make_adaptive_recall)(field, contents, width);
}

std::unique_ptr<RetrievalKernel> make_retrieval_kernel(const AdaptiveField& field) {
  return HWY_DYNAMIC_DISPATCH(make_adaptive_retrieval)(field);
}

}  // namespace attractor::cpu
#endif
