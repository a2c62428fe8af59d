// The best patterns of every lane.

#if defined(ATTRACTOR_CPU_BEST_PATTERNS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_BEST_PATTERNS_INL
#undef ATTRACTOR_CPU_BEST_PATTERNS_INL
#else
#define ATTRACTOR_CPU_BEST_PATTERNS_INL
#endif

#include <algorithm>
#include <limits>
#include <span>

#include "kernels/cpu/engine/best_scores.hpp"
#include "kernels/cpu/engine/retrieval_kernel.hpp"
#include "kernels/cpu/simd/vector_ops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// Notes the scores of a pattern, for the lanes from `lane` on, that are among a lane's best.
HWY_INLINE void note_best(Vector scores, Index pattern, Index lane, BestScores& best) {
  if (hn::AllFalse(floats, hn::Gt(scores, hn::Load(floats, best.least() + lane)))) return;
  alignas(64) float own[hn::MaxLanes(Floats())];
  hn::Store(scores, floats, own);
  for (Index i = 0; i < vector_lanes(); ++i)
    if (own[i] > best.least()[lane + i]) best.add(lane + i, pattern, own[i]);
}

/// The same of block_rows patterns.
HWY_INLINE void note_best(const Block& block, Index first, Index lane, BestScores& best) {
  for (int r = 0; r < block_rows; ++r)
    for (int v = 0; v < block_vectors; ++v) note_best(block[r][v], first + r, lane + v * vector_lanes(), best);
}

/// The same of a lane's scores of `count` patterns, which lie one after another.
inline void note_best(const float* scores, Index first, Index count, Index lane, BestScores& best) {
  for (Index i = 0; i < count; ++i)
    if (scores[i] > best.least()[lane]) best.add(lane, first + i, scores[i]);
}

/// Fills in the ranks of a lane after the first; posterior(rank, score) is that of a pattern.
template <class Posterior>
void rank_others(Index lane, BestScores& best, LaneRanking& ranking, const Posterior& posterior) {
  if (ranking.count == 1) return;
  const std::span<const PatternScore> scores = best.sort(lane);
  const Index found = std::min(ranking.count, static_cast<Index>(scores.size()));
  for (Index rank = 1; rank < found; ++rank) {
    const PatternScore& own = scores[static_cast<std::size_t>(rank)];
    ranking.set(lane, rank, own.pattern, posterior(rank, own.score));
  }
  for (Index rank = std::max<Index>(found, 1); rank < ranking.count; ++rank)
    ranking.set(lane, rank, -1, std::numeric_limits<float>::quiet_NaN());
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
