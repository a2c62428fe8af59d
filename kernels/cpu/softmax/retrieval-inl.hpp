// Hard retrieval: the largest scores of every lane and their shares of the softmax, online over blocks of patterns.

#if defined(ATTRACTOR_CPU_RETRIEVAL_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_RETRIEVAL_INL
#undef ATTRACTOR_CPU_RETRIEVAL_INL
#else
#define ATTRACTOR_CPU_RETRIEVAL_INL
#endif

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "kernels/cpu/engine/best_scores.hpp"
#include "kernels/cpu/engine/retrieval_kernel.hpp"
#include "kernels/cpu/softmax/pattern_terms-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// Notes the scores of a pattern, for the lanes from `lane` on, that are among a lane's best.
HWY_INLINE void note_best(Vector scores, Index pattern, Index lane, Index lanes, BestScores& best) {
  if (hn::AllFalse(floats, hn::Gt(scores, hn::Load(floats, best.least() + lane)))) return;
  alignas(64) float own[hn::MaxLanes(Floats())];
  hn::Store(scores, floats, own);
  for (Index i = 0; i < std::min(vector_lanes(), lanes - lane); ++i)
    if (own[i] > best.least()[lane + i]) best.add(lane + i, pattern, own[i]);
}

/// The same of block_rows patterns.
HWY_INLINE void note_best(const Block& block, Index first, Index lane, Index lanes, BestScores& best) {
  for (int r = 0; r < block_rows; ++r)
    for (int v = 0; v < block_vectors; ++v) note_best(block[r][v], first + r, lane + v * vector_lanes(), lanes, best);
}

/// Fills in the ranks of a lane after the first; posterior(rank, score, largest score) is that of a pattern.
template <class Posterior>
void rank_others(Index lane, BestScores& best, LaneRanking& ranking, const Posterior& posterior) {
  if (ranking.count == 1) return;
  const std::span<const PatternScore> scores = best.sort(lane);
  const Index found = std::min(ranking.count, static_cast<Index>(scores.size()));
  for (Index rank = 1; rank < found; ++rank) {
    const PatternScore& own = scores[static_cast<std::size_t>(rank)];
    ranking.set(lane, rank, own.pattern, posterior(rank, own.score, scores.front().score));
  }
  for (Index rank = std::max<Index>(found, 1); rank < ranking.count; ++rank)
    ranking.set(lane, rank, -1, std::numeric_limits<float>::quiet_NaN());
}

/// `Scorer` as in CandidateReader.
template <class Scorer>
class LaneRetrieval final : public RetrievalKernel {
 public:
  LaneRetrieval(const typename Scorer::Field& field, const RankingSize& size)
      : scorer_(field), pattern_count_(field.patterns.rows()), ranking_(size), best_(size) {}

  const LaneRanking& retrieve(const Tile& tile) override {
    scorer_.take(tile);
    best_.start();
    if (scores_singly<Scorer>(tile))
      retrieve_singly(tile);
    else
      for (Index lane = 0; lane < tile.lanes; lane += block_lanes()) retrieve(tile, lane);
    for (Index lane = 0; lane < tile.lanes; ++lane) rank(lane);
    return ranking_;
  }

 private:
  using Indices = hn::RebindToSigned<Floats>;

  /// One block of lanes.
  HWY_INLINE void retrieve(const Tile& tile, Index lane) {
    Vector best[block_vectors];
    Vector normaliser[block_vectors];
    Vector rest[block_vectors];  // of the normaliser: there may be millions of terms
    hn::Vec<Indices> winner[block_vectors];
    for (int v = 0; v < block_vectors; ++v) {
      best[v] = hn::Set(floats, -std::numeric_limits<float>::infinity());
      normaliser[v] = hn::Zero(floats);
      rest[v] = hn::Zero(floats);
      winner[v] = hn::Zero(Indices());
    }
    for (Index first = 0; first < pattern_count_; first += block_rows) {
      Block block;
      score_block(scorer_, tile, first, pattern_count_, lane, block);
      for (int v = 0; v < block_vectors; ++v) add(block, v, first, best[v], normaliser[v], rest[v], winner[v]);
      if (ranking_.count > 1) note_best(block, first, lane, tile.lanes, best_);
    }
    for (int v = 0; v < block_vectors; ++v) {
      const Index at = lane + v * vector_lanes();
      hn::Store(winner[v], Indices(), winner_.data() + at);
      hn::Store(posterior_of(best[v], normaliser[v], rest[v]), floats, posterior_.data() + at);
    }
  }

  /// What has been found of a lane that is scored by itself: the operations are those of a block of lanes.
  struct Single {
    float best = -std::numeric_limits<float>::infinity();
    std::int32_t winner = 0;
    float normaliser = 0.0F;
    float rest = 0.0F;
  };

  HWY_INLINE void retrieve_singly([[maybe_unused]] const Tile& tile) {
    if constexpr (has_panels<Scorer>) {
      constexpr Index group = 4 * panel_rows;
      Single found[most_single_lanes];
      for (Index first = 0; first < pattern_count_; first += group)
        for (Index lane = 0; lane < tile.lanes; ++lane) {
          alignas(64) float scores[group + hn::MaxLanes(Floats())];
          const Index count = std::min(group, pattern_count_ - first);
          std::fill_n(scores, group, -std::numeric_limits<float>::infinity());
          score_lane_panels(scorer_, tile, first, count, lane, scores);
          for (Index i = 0; i < count; i += block_rows) add(scores + i, first + i, found[lane]);
          if (ranking_.count > 1) note_single(scores, first, count, lane);
        }
      for (Index lane = 0; lane < tile.lanes; ++lane) {
        const Single& own = found[lane];
        winner_[static_cast<std::size_t>(lane)] = own.winner;
        posterior_[static_cast<std::size_t>(lane)] = hn::GetLane(
            posterior_of(hn::Set(floats, own.best), hn::Set(floats, own.normaliser), hn::Set(floats, own.rest)));
      }
    }
  }

  static HWY_INLINE void add(const float* scores, Index first, Single& found) {
    const float before = found.best;
    for (Index r = 0; r < block_rows; ++r)
      if (scores[r] > found.best) {
        found.best = scores[r];
        found.winner = static_cast<std::int32_t>(first + r);
      }
    // As many as there are rows count; what lies behind them may be anything.
    alignas(64) float weights[std::max<std::size_t>(block_rows, hn::MaxLanes(Floats()))];
    const Vector best = hn::Set(floats, found.best);
    for (Index r = 0; r < block_rows; r += vector_lanes())
      hn::Store(softmax_weight(hn::LoadU(floats, scores + r), best), floats, weights + r);
    float sum = 0.0F;
    for (Index r = 0; r < block_rows; ++r) sum += weights[r];
    Vector normaliser = hn::Set(floats, found.normaliser);
    Vector rest = hn::Set(floats, found.rest);
    if (before != found.best) {  // The factor would be 1.
      const Vector factor = softmax_weight(hn::Set(floats, before), best);
      normaliser = hn::Mul(normaliser, factor);
      rest = hn::Mul(rest, factor);
    }
    add_exactly(hn::Set(floats, sum), normaliser, rest);
    found.normaliser = hn::GetLane(normaliser);
    found.rest = hn::GetLane(rest);
  }

  void note_single(const float* scores, Index first, Index count, Index lane) {
    for (Index i = 0; i < count; ++i)
      if (scores[i] > best_.least()[lane]) best_.add(lane, first + i, scores[i]);
  }

  /// 0 · score: not a number where the best score isn't finite.
  static HWY_INLINE Vector posterior_of(Vector best, Vector normaliser, Vector rest) {
    return hn::MulAdd(best, hn::Zero(floats), hn::Div(hn::Set(floats, 1.0F), hn::Add(normaliser, rest)));
  }

  void rank(Index lane) {
    const float posterior = posterior_[static_cast<std::size_t>(lane)];
    ranking_.set(lane, 0, winner_[static_cast<std::size_t>(lane)], posterior);
    rank_others(lane, best_, ranking_,
                [&](Index /*rank*/, float score, float largest) { return posterior * std::exp(score - largest); });
  }

  /// Adds block_rows scores to Σ exp(s − best).
  static HWY_INLINE void add(const Block& block, int v, Index first, Vector& best, Vector& normaliser, Vector& rest,
                             hn::Vec<Indices>& winner) {
    if (adds_nothing(block, v, best)) return;
    const Vector before = best;
    HWY_UNROLL(block_rows)
    for (int r = 0; r < block_rows; ++r) {
      const auto better = hn::Gt(block[r][v], best);
      best = hn::IfThenElse(better, block[r][v], best);
      const auto index = hn::Set(Indices(), static_cast<std::int32_t>(first + r));
      winner = hn::IfThenElse(hn::RebindMask(Indices(), better), index, winner);
    }
    Vector sum = hn::Zero(floats);
    HWY_UNROLL(block_rows)
    for (int r = 0; r < block_rows; ++r) sum = hn::Add(sum, softmax_weight(block[r][v], best));
    // While both are −∞ nothing has been summed.
    const Vector factor = softmax_weight(before, best);
    normaliser = hn::Mul(normaliser, factor);
    rest = hn::Mul(rest, factor);
    add_exactly(sum, normaliser, rest);
  }

  /// Whether all scores are so far below the best ones that their exponentials are 0.
  static HWY_INLINE bool adds_nothing(const Block& block, int v, Vector best) {
    const Vector threshold = hn::Sub(best, hn::Set(floats, 104.0F));
    auto below = hn::Lt(block[0][v], threshold);
    HWY_UNROLL(block_rows)
    for (int r = 1; r < block_rows; ++r) below = hn::And(below, hn::Lt(block[r][v], threshold));
    return hn::AllTrue(floats, below);
  }

  Scorer scorer_;
  Index pattern_count_;
  LaneRanking ranking_;
  BestScores best_;  ///< where more than one is asked for
  LaneArray<std::int32_t> winner_{};
  LaneArray<float> posterior_{};  ///< of the winner
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
