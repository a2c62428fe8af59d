// Modern Hopfield memories under separations that need all scores at once.

#include "kernels/cpu/softmax/settled.hpp"

#include <type_traits>
#include <variant>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/softmax/settled.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/softmax/normalised_kernel-inl.hpp"
#include "kernels/cpu/softmax/pattern_scorer-inl.hpp"
#include "kernels/cpu/softmax/retrieval-inl.hpp"
#include "kernels/cpu/softmax/settled_reader-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {
namespace {

template <class Lanes>
using Reader = SettledReader<PatternScorer, Lanes>;

/// Returns make<Lanes>(separation) for the field's separation and its lanes; of softmax, which has a reader of its own,
/// nothing.
template <class Kernel, class Make>
std::unique_ptr<Kernel> with_lanes(const SoftmaxField& field, const Make& make) {
  return std::visit(
      [&]<class Separation>(const Separation& separation) -> std::unique_ptr<Kernel> {
        if constexpr (std::is_same_v<Separation, SoftmaxSeparation>)
          return nullptr;
        else
          return make.template operator()<typename LanesFor<Separation>::Type>(separation);
      },
      field.separation);
}

}  // namespace

std::unique_ptr<FieldKernel> make_settled(const SoftmaxField& field, const Update& update, const KernelSize& size) {
  return with_lanes<FieldKernel>(field, [&]<class Lanes>(const auto& separation) {
    return make_normalised_kernel<Reader<Lanes>>(field, terms_of(field), update, size, separation);
  });
}

std::unique_ptr<RecallKernel> make_settled_recall(const SoftmaxField& field, const Readout& readout,
                                                  const KernelSize& size) {
  return with_lanes<RecallKernel>(field, [&]<class Lanes>(const auto& separation) {
    return std::make_unique<ContentsKernel<Reader<Lanes>>>(field, readout, terms_of(field).centre, size, separation);
  });
}

std::unique_ptr<RetrievalKernel> make_settled_retrieval(const SoftmaxField& field, const RankingSize& size) {
  return with_lanes<RetrievalKernel>(field, [&]<class Lanes>(const auto& separation) {
    return std::make_unique<Retrieval<Reader<Lanes>>>(field, size, separation);
  });
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attractor::cpu {

HWY_EXPORT(make_settled);
HWY_EXPORT(make_settled_recall);
HWY_EXPORT(make_settled_retrieval);

std::unique_ptr<FieldKernel> make_settled_kernel(const SoftmaxField& field, const Update& update,
                                                 const KernelSize& size) {
  return HWY_DYNAMIC_DISPATCH(make_settled)(field, update, size);
}

std::unique_ptr<RecallKernel> make_settled_recall_kernel(const SoftmaxField& field, const Readout& readout,
                                                         const KernelSize& size) {
  return HWY_DYNAMIC_DISPATCH(make_settled_recall)(field, readout, size);
}

std::unique_ptr<RetrievalKernel> make_settled_retrieval_kernel(const SoftmaxField& field, const RankingSize& size) {
  return HWY_DYNAMIC_DISPATCH(make_settled_retrieval)(field, size);
}

}  // namespace attractor::cpu
#endif
