// Modern Hopfield memories under softmax; other separations are handed on.

#include <variant>

#include "kernels/cpu/engine/field_kernel.hpp"
#include "kernels/cpu/engine/retrieval_kernel.hpp"
#include "kernels/cpu/softmax/settled.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/softmax/softmax.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/softmax/normalised_kernel-inl.hpp"
#include "kernels/cpu/softmax/online_retrieval-inl.hpp"
#include "kernels/cpu/softmax/pattern_scorer-inl.hpp"
#include "kernels/cpu/softmax/softmax_reader-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

std::unique_ptr<FieldKernel> make_softmax(const SoftmaxField& field, const Update& update, const KernelSize& size) {
  return make_normalised_kernel<SoftmaxReader<PatternScorer>>(field, terms_of(field), update, size);
}

std::unique_ptr<RecallKernel> make_softmax_recall(const SoftmaxField& field, const Readout& readout,
                                                  const KernelSize& size) {
  return std::make_unique<ContentsKernel<SoftmaxReader<PatternScorer>>>(field, readout, terms_of(field).centre, size);
}

std::unique_ptr<RetrievalKernel> make_softmax_retrieval(const SoftmaxField& field, const RankingSize& size) {
  return std::make_unique<OnlineRetrieval<PatternScorer>>(field, size);
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attractor::cpu {

HWY_EXPORT(make_softmax);
HWY_EXPORT(make_softmax_recall);
HWY_EXPORT(make_softmax_retrieval);

std::unique_ptr<FieldKernel> make_kernel(const SoftmaxField& field, const Update& update, const KernelSize& size) {
  if (!is_softmax(field)) return make_settled_kernel(field, update, size);
  return HWY_DYNAMIC_DISPATCH(make_softmax)(field, update, size);
}

std::unique_ptr<RecallKernel> make_recall_kernel(const SoftmaxField& field, const Readout& readout,
                                                 const KernelSize& size) {
  if (!is_softmax(field)) return make_settled_recall_kernel(field, readout, size);
  return HWY_DYNAMIC_DISPATCH(make_softmax_recall)(field, readout, size);
}

std::unique_ptr<RetrievalKernel> make_retrieval_kernel(const SoftmaxField& field, const RankingSize& size) {
  if (!is_softmax(field)) return make_settled_retrieval_kernel(field, size);
  return HWY_DYNAMIC_DISPATCH(make_softmax_retrieval)(field, size);
}

}  // namespace attractor::cpu
#endif
