// What a call says of patterns, and the scores of a memory by its kernel's scorer.

#if defined(ATTRACTOR_CPU_PATTERN_TERMS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_PATTERN_TERMS_INL
#undef ATTRACTOR_CPU_PATTERN_TERMS_INL
#else
#define ATTRACTOR_CPU_PATTERN_TERMS_INL
#endif

#include <algorithm>
#include <limits>

#include "kernels/cpu/simd/vector_ops-inl.hpp"
#include "kernels/sizes.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// score + term, and −∞ where the term is, whatever the score.
HWY_INLINE Vector shifted(Vector score, Vector term) {
  const auto never = hn::Eq(term, hn::Set(floats, -std::numeric_limits<float>::infinity()));
  return hn::IfThenElse(never, term, hn::Add(score, term));
}

/// What the query of a lane was given for a pattern.
inline float pattern_term(const Tile& tile, Index pattern, Index lane) {
  const std::uint8_t* const valid = tile.valid[static_cast<std::size_t>(lane)];
  const float* const log_prior = tile.log_prior[static_cast<std::size_t>(lane)];
  if (valid != nullptr && valid[pattern] == 0) return -std::numeric_limits<float>::infinity();
  return log_prior != nullptr ? log_prior[pattern] : 0.0F;
}

/// Adds it to a score.
inline float add_pattern_term(const Tile& tile, Index pattern, Index lane, float score) {
  const float term = pattern_term(tile, pattern, lane);
  return term == -std::numeric_limits<float>::infinity() ? term : score + term;
}

/// Adds to the scores of the patterns [first, first + count) what the lanes' queries were given for them.
inline void add_pattern_terms(const Tile& tile, Index first, Index count, Index lane, Block& block) {
  alignas(64) float terms[block_rows][most_lanes] = {};
  for (Index i = 0; i < std::min(block_lanes(), tile.lanes - lane); ++i)
    for (Index r = 0; r < count; ++r) terms[r][i] = pattern_term(tile, first + r, lane + i);
  for (int r = 0; r < block_rows; ++r)
    for (int v = 0; v < block_vectors; ++v)
      block[r][v] = shifted(block[r][v], hn::Load(floats, terms[r] + v * vector_lanes()));
}

/// The same for one lane, whose scores of these patterns lie one after another.
inline void add_pattern_terms(const Tile& tile, Index first, Index count, Index lane, float* scores) {
  for (Index r = 0; r < count; ++r) scores[r] = add_pattern_term(tile, first + r, lane, scores[r]);
}

/// Whatever a lane without a query holds must not make candidates: it may be NaN.
HWY_INLINE void hide_idle(const Tile& tile, Index lane, Block& block) {
  const Vector never = hn::Set(floats, -std::numeric_limits<float>::infinity());
  for (int v = 0; v < block_vectors; ++v) {
    const auto idle = hn::MaskFromVec(hn::Load(floats, tile.idle.data() + lane + v * vector_lanes()));
    for (int r = 0; r < block_rows; ++r) block[r][v] = hn::IfThenElse(idle, never, block[r][v]);
  }
}

/// Whether a scorer can score patterns that lie along the vectors for one lane.
template <class Scorer>
inline constexpr bool has_panels = requires {
  &Scorer::template score_panels<1>;
};

inline constexpr Index most_single_lanes = 8;

/// Where few lanes, most_single_lanes at most, are in use each is scored by itself: a block of lanes would be scored as
/// a whole.
template <class Scorer>
bool scores_singly(const Tile& tile) {
  return has_panels<Scorer> && tile.lanes <= detail::sizes().single_lanes;
}

/// s of `count` patterns from the panel at `first` on, of 4 panels at most, for one lane. Rows that pad the last panel
/// are scored, too.
template <class Scorer>
HWY_INLINE void score_lane_panels(Scorer& scorer, const Tile& tile, Index first, Index count, Index lane,
                                  float* scores) {
  if (count > 3 * panel_rows)
    scorer.template score_panels<4>(tile, first, lane, scores);
  else
    for (Index i = 0; i < count; i += panel_rows) scorer.template score_panels<1>(tile, first + i, lane, scores + i);
  if (tile.has_pattern_terms) add_pattern_terms(tile, first, count, lane, scores);
}

/// s of block_rows patterns of `pattern_count` for a block of lanes; −∞ past the last pattern.
template <class Scorer>
HWY_INLINE void score_block(Scorer& scorer, const Tile& tile, Index first, Index pattern_count, Index lane,
                            Block& block) {
  scorer.score(tile, first, lane, block);
  if (tile.has_pattern_terms)
    add_pattern_terms(tile, first, std::min(Index{block_rows}, pattern_count - first), lane, block);
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
