// Modern Hopfield memories: s = βAx.

#include <limits>

#include "kernels/cpu/engine/field_kernel.hpp"
#include "kernels/cpu/engine/retrieval_kernel.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/softmax/softmax.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/softmax/retrieval-inl.hpp"
#include "kernels/cpu/softmax/softmax_reader-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {
namespace {

class DotScorer {
 public:
  using Field = SoftmaxField;
  explicit DotScorer(const Field& field) : field_(field) {}

  void take(const Tile& /*tile*/) const {}

  HWY_INLINE void score(const Tile& tile, Index first, Index lane, Block& block) const {
    const float* const panel = field_.patterns.panel(first / panel_rows) + first % panel_rows;
    multiply_rows(panel, tile.state.data() + lane, tile.width, field_.patterns.columns(), block);
    const Vector beta = hn::Set(floats, field_.beta);
    const Vector never = hn::Set(floats, -std::numeric_limits<float>::infinity());
    HWY_UNROLL(block_rows)
    for (int r = 0; r < block_rows; ++r)
      for (int v = 0; v < block_vectors; ++v)
        block[r][v] = first + r < field_.patterns.rows() ? hn::Mul(beta, block[r][v]) : never;
  }

 private:
  const SoftmaxField& field_;
};

}  // namespace

std::unique_ptr<FieldKernel> make_softmax(const SoftmaxField& field, const Update& update, Index width) {
  const SoftmaxTerms terms{.resolution = field.resolution.data(),
                           .centre = field.centre.data(),
                           .beta = static_cast<double>(field.beta),
                           .offset = field.energy_offset};
  return make_softmax_kernel<DotScorer>(field, terms, update, width);
}

std::unique_ptr<RecallKernel> make_softmax_recall(const SoftmaxField& field, const PackedMatrix& contents,
                                                  Index width) {
  return std::make_unique<ContentsKernel<DotScorer>>(field, contents, width);
}

std::unique_ptr<RetrievalKernel> make_softmax_retrieval(const SoftmaxField& field) {
  return std::make_unique<LaneRetrieval<DotScorer>>(field);
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attractor::cpu {

HWY_EXPORT(make_softmax);
HWY_EXPORT(make_softmax_recall);
HWY_EXPORT(make_softmax_retrieval);

std::unique_ptr<FieldKernel> make_kernel(const SoftmaxField& field, const Update& update, Index width) {
  return HWY_DYNAMIC_DISPATCH(make_softmax)(field, update, width);
}

std::unique_ptr<RecallKernel> make_recall_kernel(const SoftmaxField& field, const PackedMatrix& contents, Index width) {
  return HWY_DYNAMIC_DISPATCH(make_softmax_recall)(field, contents, width);
}

std::unique_ptr<RetrievalKernel> make_retrieval_kernel(const SoftmaxField& field) {
  return HWY_DYNAMIC_DISPATCH(make_softmax_retrieval)(field);
}

}  // namespace attractor::cpu
#endif
