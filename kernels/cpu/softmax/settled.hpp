#pragma once

/// Kernels of memories whose separation needs all scores at once, for those that make kernels of any separation.

#include <memory>
#include <variant>

#include "kernels/cpu/engine/field_kernel.hpp"
#include "kernels/cpu/engine/retrieval_kernel.hpp"

namespace attractor::cpu {

inline bool is_softmax(const SoftmaxField& field) {
  return std::holds_alternative<SoftmaxSeparation>(field.separation);
}

std::unique_ptr<FieldKernel> make_settled_kernel(const SoftmaxField& field, const Update& update,
                                                 const KernelSize& size);
std::unique_ptr<RecallKernel> make_settled_recall_kernel(const SoftmaxField& field, const Readout& readout,
                                                         const KernelSize& size);
std::unique_ptr<RetrievalKernel> make_settled_retrieval_kernel(const SoftmaxField& field, const RankingSize& size);

}  // namespace attractor::cpu
