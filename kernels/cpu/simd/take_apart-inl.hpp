// Panels of a packed matrix, whose rows lie across them, row by row: neurons along the vectors.

#if defined(ATTRACTOR_CPU_TAKE_APART_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_TAKE_APART_INL
#undef ATTRACTOR_CPU_TAKE_APART_INL
#else
#define ATTRACTOR_CPU_TAKE_APART_INL
#endif

#include "kernels/cpu/engine/packed_matrix.hpp"
#include "kernels/cpu/simd/vector_ops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// A vector of neurons of each pattern of a panel, where neurons lie 8 apart: three times what is at even places
/// comes before what is at odd ones.
template <class Tag>
HWY_INLINE void take_apart(const float* panel, hn::Vec<Tag> (&patterns)[panel_rows]) {
  HWY_UNROLL(8)
  for (Index i = 0; i < panel_rows; ++i)
    patterns[i] = hn::Load(Tag(), panel + i * static_cast<Index>(hn::Lanes(Tag())));
#if HWY_TARGET != HWY_SCALAR
  HWY_UNROLL(3)
  for (int round = 0; round < 3; ++round) {
    hn::Vec<Tag> even[panel_rows / 2];
    hn::Vec<Tag> odd[panel_rows / 2];
    HWY_UNROLL(4)
    for (Index i = 0; i < panel_rows / 2; ++i) {
      even[i] = hn::ConcatEven(Tag(), patterns[2 * i + 1], patterns[2 * i]);
      odd[i] = hn::ConcatOdd(Tag(), patterns[2 * i + 1], patterns[2 * i]);
    }
    HWY_UNROLL(4)
    for (Index i = 0; i < panel_rows / 2; ++i) {
      patterns[i] = even[i];
      patterns[i + panel_rows / 2] = odd[i];
    }
  }
#endif
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
