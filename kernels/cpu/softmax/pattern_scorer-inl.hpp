// Scores of memories whose similarity has no parameters: s = scale·g(a, x) + offset.

#if defined(ATTRACTOR_CPU_PATTERN_SCORER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_PATTERN_SCORER_INL
#undef ATTRACTOR_CPU_PATTERN_SCORER_INL
#else
#define ATTRACTOR_CPU_PATTERN_SCORER_INL
#endif

#include <cmath>
#include <limits>

#include "kernels/cpu/simd/product-inl.hpp"
#include "kernels/cpu/softmax/normalised_kernel-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

class PatternScorer {
 public:
  using Field = SoftmaxField;
  explicit PatternScorer(const Field& field) : field_(field) {}

  void take(const Tile& tile) {
    if (is_cosine()) take_norms(tile);
  }

  HWY_INLINE void score(const Tile& tile, Index first, Index lane, Block& block) const {
    const float* const panel = field_.patterns.panel(first / panel_rows) + first % panel_rows;
    const float* const states = tile.state.data() + lane;
    if (field_.similarity == Similarity::manhattan)
      multiply_rows<Similarity::manhattan>(panel, states, tile.width, field_.patterns.columns(), block);
    else
      multiply_rows(panel, states, tile.width, field_.patterns.columns(), block);
    if (is_cosine()) divide_by_norms(lane, block);
    HWY_UNROLL(block_rows)
    for (int r = 0; r < block_rows; ++r) {
      const Vector scale = hn::Set(floats, field_.scale[first + r]);
      const float offset = field_.offset[first + r];
      // Where that is −∞ so is the score, whatever the product.
      const bool never = offset == -std::numeric_limits<float>::infinity();
      for (int v = 0; v < block_vectors; ++v)
        block[r][v] = never ? hn::Set(floats, offset) : hn::MulAdd(scale, block[r][v], hn::Set(floats, offset));
    }
  }

 private:
  [[nodiscard]] bool is_cosine() const { return field_.similarity == Similarity::cosine; }

  /// In double: squares leave the range of float.
  void take_norms(const Tile& tile) {
    LaneArray<double> squares{};
    for (Index k = 0; k < tile.dimension; ++k)
      for (Index lane = 0; lane < tile.lanes; ++lane) {
        const auto x = static_cast<double>(tile.state[k * tile.width + lane]);
        squares[static_cast<std::size_t>(lane)] += x * x;
      }
    for (Index lane = 0; lane < tile.lanes; ++lane) {
      const double square = squares[static_cast<std::size_t>(lane)];
      inverse_norms_[static_cast<std::size_t>(lane)] =
          square == 0.0 ? 0.0F : static_cast<float>(1.0 / std::sqrt(square));
    }
  }

  HWY_INLINE void divide_by_norms(Index lane, Block& block) const {
    for (int r = 0; r < block_rows; ++r)
      for (int v = 0; v < block_vectors; ++v)
        block[r][v] = hn::Mul(block[r][v], hn::Load(floats, inverse_norms_.data() + lane + v * vector_lanes()));
  }

  const SoftmaxField& field_;
  LaneArray<float> inverse_norms_{};  ///< of the states, 0 where a norm is
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
