// Scores of modern Hopfield memories: s = βAx.

#if defined(ATTRACTOR_CPU_DOT_SCORER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_DOT_SCORER_INL
#undef ATTRACTOR_CPU_DOT_SCORER_INL
#else
#define ATTRACTOR_CPU_DOT_SCORER_INL
#endif

#include <limits>

#include "kernels/cpu/simd/product-inl.hpp"
#include "kernels/cpu/softmax/normalised_kernel-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

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

inline NormalisedTerms terms_of(const SoftmaxField& field) {
  return {.resolution = field.resolution.data(),
          .centre = field.quadratic ? field.centre.data() : nullptr,
          .beta = static_cast<double>(field.beta),
          .offset = field.energy_offset};
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
