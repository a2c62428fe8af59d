// Scores of memories whose similarity has no parameters: s = scale·g(a, x) + offset + log_prior, scales and offsets in
// proportion to β.

#if defined(ATTRACTOR_CPU_PATTERN_SCORER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_PATTERN_SCORER_INL
#undef ATTRACTOR_CPU_PATTERN_SCORER_INL
#else
#define ATTRACTOR_CPU_PATTERN_SCORER_INL
#endif

#include <cmath>
#include <limits>
#include <optional>

#include "kernels/cpu/matrix_unit/unit_scores-inl.hpp"
#include "kernels/cpu/simd/decoded_panels-inl.hpp"
#include "kernels/cpu/simd/panel_product-inl.hpp"
#include "kernels/cpu/simd/product-inl.hpp"
#include "kernels/cpu/softmax/normalised_kernel-inl.hpp"
#include "kernels/cpu/softmax/pattern_screen-inl.hpp"
#include "kernels/cpu/softmax/pattern_terms-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

class PatternScorer {
 public:
  using Field = SoftmaxField;
  using ListScreen = PatternScreen;
  explicit PatternScorer(const Field& field) : field_(field), panels_(field.patterns) {
    const bool adds_products = field.similarity == Similarity::dot || field.similarity == Similarity::cosine;
    if (adds_products && scores_by_unit(field.patterns)) unit_.emplace(field.patterns);
  }

  void take(const Tile& tile) {
    if (unit_) unit_->take(tile, scores_singly<PatternScorer>(tile));
    if (is_cosine()) take_norms(tile);
    if (tile.has_betas) take_betas(tile);
  }

  HWY_INLINE void score(const Tile& tile, Index first, Index lane, Block& block) {
    if (unit_)
      load_block(unit_->from(tile, first, lane), most_lanes, block);
    else
      multiply(tile, first, lane, block);
    if (is_cosine()) divide_by_norms(lane, block);
    if (tile.has_betas)
      finish_at_betas(first, lane, block);
    else
      finish(first, block);
  }

  /// s of the patterns of `count` panels from `first` on for one lane; the bits are those of `score`.
  template <std::size_t count>
  HWY_INLINE void score_panels(const Tile& tile, Index first, Index lane, float* scores) {
    PanelScores panels[count];
    if (unit_)
      unit_->multiply_panels(panels_.from(first / panel_rows, count), field_.patterns.panel_size(), lane, panels);
    else if (field_.similarity == Similarity::manhattan)
      multiply<count, Similarity::manhattan>(tile, first, lane, panels);
    else if (field_.similarity == Similarity::squared_distance)
      multiply<count, Similarity::squared_distance>(tile, first, lane, panels);
    else
      multiply<count, Similarity::dot>(tile, first, lane, panels);
    for (std::size_t p = 0; p < count; ++p)
      for (std::size_t v = 0; v < PanelScores::count; ++v) {
        const auto at = static_cast<Index>(p * panel_rows + v * PanelScores::step);
        hn::Store(finished(tile, first + at, lane, panels[p].values[v]), PanelTag(), scores + at);
      }
  }

  /// Panels that score_listed takes at a time: sums enough to keep multiply-adds from waiting for one another.
  static constexpr Index most_listed_panels = 8;

  /// The same of panels from anywhere.
  HWY_INLINE void score_listed(const Tile& tile, const std::int32_t* panels, Index count, Index lane, float* scores) {
    while (count >= most_listed_panels / 2) {
      const Index some = count == most_listed_panels ? most_listed_panels : most_listed_panels / 2;
      if (some == most_listed_panels)
        score_some<most_listed_panels>(tile, panels, lane, scores);
      else
        score_some<most_listed_panels / 2>(tile, panels, lane, scores);
      panels += some;
      scores += some * panel_rows;
      count -= some;
    }
    for (; count > 0; --count, ++panels, scores += panel_rows) score_some<1>(tile, panels, lane, scores);
  }

  /// What similarities to a lane's state are multiplied by, beside the scales of the patterns.
  [[nodiscard]] LaneArray<float> similarity_factors(const Tile& tile) const {
    LaneArray<float> factors;
    for (std::size_t i = 0; i < most_lanes; ++i)
      factors[i] = (tile.has_betas ? factors_[i] : 1.0F) * (is_cosine() ? inverse_norms_[i] : 1.0F);
    return factors;
  }

  /// The same of the offsets.
  [[nodiscard]] HWY_INLINE Vector offset_factor(const Tile& tile, Index lane) const {
    return tile.has_betas ? hn::Load(floats, factors_.data() + lane) : hn::Set(floats, 1.0F);
  }

  /// What a pattern's scores have beside its similarities to a vector of lanes.
  [[nodiscard]] HWY_INLINE Vector shift(const Tile& tile, Index pattern, Index lane) const {
    if (!tile.has_betas) return hn::Set(floats, field_.offset[pattern] + field_.log_prior[pattern]);
    return hn::MulAdd(hn::Load(floats, factors_.data() + lane), hn::Set(floats, field_.offset[pattern]),
                      hn::Set(floats, field_.log_prior[pattern]));
  }

 private:
  /// s of the patterns of these panels, which may lie anywhere, for one lane.
  template <std::size_t count>
  HWY_INLINE void score_some(const Tile& tile, const std::int32_t* panels, Index lane, float* scores) {
    const float* from[count];
    for (std::size_t p = 0; p < count; ++p) from[p] = field_.patterns.panel(panels[p]);
    PanelScores similarities[count];
    multiply_listed(from, tile.state.data() + lane, tile.width, field_.patterns.columns(), similarities);
    for (std::size_t p = 0; p < count; ++p)
      for (std::size_t v = 0; v < PanelScores::count; ++v) {
        const auto at = static_cast<Index>(v * PanelScores::step);
        hn::Store(finished(tile, Index{panels[p]} * panel_rows + at, lane, similarities[p].values[v]), PanelTag(),
                  scores + static_cast<Index>(p) * panel_rows + at);
      }
  }

  [[nodiscard]] bool is_cosine() const { return field_.similarity == Similarity::cosine; }

  /// Similarities of a block.
  HWY_INLINE void multiply(const Tile& tile, Index first, Index lane, Block& block) {
    const float* const panel = panels_.from(first / panel_rows, 1) + first % panel_rows;
    const float* const states = tile.state.data() + lane;
    if (field_.similarity == Similarity::manhattan)
      multiply_rows<Similarity::manhattan>(panel, states, tile.width, field_.patterns.columns(), block);
    else if (field_.similarity == Similarity::squared_distance)
      multiply_rows<Similarity::squared_distance>(panel, states, tile.width, field_.patterns.columns(), block);
    else
      multiply_rows(panel, states, tile.width, field_.patterns.columns(), block);
  }

  template <std::size_t count, Similarity similarity>
  HWY_INLINE void multiply(const Tile& tile, Index first, Index lane, PanelScores (&panels)[count]) {
    const float* const state = tile.state.data() + lane;
    multiply_panels<1, count, similarity>(
        panels_.from(first / panel_rows, count), field_.patterns.panel_size(), field_.patterns.columns(),
        [&](std::size_t /*query*/, Index k) HWY_ATTR { return state[k * tile.width]; }, panels);
  }

  /// Scores from a lane's similarities to patterns that lie along the vector.
  HWY_INLINE hn::Vec<PanelTag> finished(const Tile& tile, Index first, Index lane, hn::Vec<PanelTag> similarity) const {
    const PanelTag tag;
    const auto at = static_cast<std::size_t>(lane);
    const auto scale = hn::Load(tag, field_.scale.data() + first);
    const auto offset = hn::Load(tag, field_.offset.data() + first);
    const auto log_prior = hn::Load(tag, field_.log_prior.data() + first);
    if (is_cosine()) similarity = hn::Mul(similarity, hn::Set(tag, inverse_norms_[at]));
    const auto factor = hn::Set(tag, factors_[at]);
    const auto score = tile.has_betas
                           ? hn::MulAdd(hn::Mul(factor, scale), similarity, hn::MulAdd(factor, offset, log_prior))
                           : hn::MulAdd(scale, similarity, hn::Add(offset, log_prior));
    const auto never = hn::Eq(log_prior, hn::Set(tag, -std::numeric_limits<float>::infinity()));
    return hn::IfThenElse(never, log_prior, score);
  }

  /// Makes similarities scores.
  HWY_INLINE void finish(Index first, Block& block) const {
    alignas(64) float shifts[block_rows];
    const bool some_never = add_offsets(first, shifts);
    HWY_UNROLL(block_rows)
    for (int r = 0; r < block_rows; ++r) {
      const Vector scale = hn::Set(floats, field_.scale[first + r]);
      const Vector shift = hn::Set(floats, shifts[r]);
      HWY_UNROLL(block_vectors)
      for (int v = 0; v < block_vectors; ++v) block[r][v] = hn::MulAdd(scale, block[r][v], shift);
    }
    if (HWY_UNLIKELY(some_never)) hide_never(first, block);
  }

  /// The offsets of block_rows patterns with their log priors. Whether one of these is −∞.
  HWY_INLINE bool add_offsets(Index first, float* shifts) const {
    constexpr hn::CappedTag<float, block_rows> tag;
    bool some_never = false;
    for (Index i = 0; i < block_rows; i += static_cast<Index>(hn::Lanes(tag))) {
      const auto log_prior = hn::Load(tag, field_.log_prior.data() + first + i);
      hn::Store(hn::Add(hn::Load(tag, field_.offset.data() + first + i), log_prior), tag, shifts + i);
      const auto never = hn::Eq(log_prior, hn::Set(tag, -std::numeric_limits<float>::infinity()));
      some_never |= !hn::AllFalse(tag, never);
    }
    return some_never;
  }

  /// Of patterns whose log prior is −∞, that is the score, whatever the similarity.
  HWY_NOINLINE void hide_never(Index first, Block& block) const {
    for (int r = 0; r < block_rows; ++r)
      for (int v = 0; v < block_vectors; ++v)
        if (is_never(first + r)) block[r][v] = hn::Set(floats, field_.log_prior[first + r]);
  }

  /// The same at the lanes' own temperatures; the same bits where they are the memory's.
  HWY_INLINE void finish_at_betas(Index first, Index lane, Block& block) const {
    HWY_UNROLL(block_rows)
    for (int r = 0; r < block_rows; ++r) {
      const Vector scale = hn::Set(floats, field_.scale[first + r]);
      const Vector offset = hn::Set(floats, field_.offset[first + r]);
      const Vector log_prior = hn::Set(floats, field_.log_prior[first + r]);
      for (int v = 0; v < block_vectors; ++v) {
        const Vector factor = hn::Load(floats, factors_.data() + lane + v * vector_lanes());
        const Vector shift = hn::MulAdd(factor, offset, log_prior);
        block[r][v] = is_never(first + r) ? log_prior : hn::MulAdd(hn::Mul(factor, scale), block[r][v], shift);
      }
    }
  }

  /// Whether a pattern's score is −∞ whatever its similarity.
  [[nodiscard]] HWY_INLINE bool is_never(Index pattern) const {
    return field_.log_prior[pattern] == -std::numeric_limits<float>::infinity();
  }

  void take_betas(const Tile& tile) {
    for (Index lane = 0; lane < tile.width; lane += vector_lanes())
      hn::Store(hn::Div(hn::Load(floats, tile.beta.data() + lane), hn::Set(floats, field_.beta)), floats,
                factors_.data() + lane);
  }

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
  PanelWindow panels_;
  std::optional<UnitScores> unit_;    ///< where it makes the sums of products
  LaneArray<float> inverse_norms_{};  ///< of the states, 0 where a norm is
  LaneArray<float> factors_{};        ///< of the lanes' temperatures, where they have any: β over the memory's own
};

inline NormalisedTerms terms_of(const SoftmaxField& field) {
  return {.resolution = field.resolution.data(),
          .centre = field.quadratic ? field.centre.data() : nullptr,
          .beta = static_cast<double>(field.beta),
          .potential_offset = field.potential_offset,
          .offset = field.energy_offset};
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
