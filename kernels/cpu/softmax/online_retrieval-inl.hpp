// Hard retrieval of memories under softmax whose scores cost little: the largest scores of every lane and their shares
// of Σ exp(s), online over blocks of patterns. Nothing is kept of a pattern, so that it matters little how many have
// weight.
//
// Segments of patterns are summed apart and combined in their order, so that threads can share them.

#if defined(ATTRACTOR_CPU_ONLINE_RETRIEVAL_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_ONLINE_RETRIEVAL_INL
#undef ATTRACTOR_CPU_ONLINE_RETRIEVAL_INL
#else
#define ATTRACTOR_CPU_ONLINE_RETRIEVAL_INL
#endif

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/engine/threads.hpp"
#include "kernels/cpu/softmax/best_patterns-inl.hpp"
#include "kernels/cpu/softmax/pattern_terms-inl.hpp"
#include "kernels/negligible.hpp"
#include "kernels/sizes.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// What has been found of a vector of lanes: the largest score so far, the first pattern that has it, and Σ exp(s −
/// best) in two parts, for there may be millions of terms.
struct FoundLanes {
  using Indices = hn::RebindToSigned<Floats>;

  HWY_INLINE FoundLanes()
      : best(hn::Set(floats, -std::numeric_limits<float>::infinity())),
        winner(hn::Zero(Indices())),
        normaliser(hn::Zero(floats)),
        rest(hn::Zero(floats)) {}

  HWY_INLINE void consider(Vector score, hn::Vec<Indices> pattern) {
    const auto better = hn::Gt(score, best);
    best = hn::IfThenElse(better, score, best);
    winner = hn::IfThenElse(hn::RebindMask(Indices(), better), pattern, winner);
  }

  /// Brings the sum from another largest score to the present one.
  HWY_INLINE void rescale(Vector before) {
    const Vector factor = softmax_weight(before, best);  // While both are −∞ nothing has been summed.
    normaliser = hn::Mul(normaliser, factor);
    rest = hn::Mul(rest, factor);
  }

  /// Adds what has been found of later patterns.
  HWY_INLINE void add(const FoundLanes& later) {
    const Vector before = best;
    consider(later.best, later.winner);
    rescale(before);
    const Vector factor = softmax_weight(later.best, best);
    add_exactly(hn::Mul(later.normaliser, factor), normaliser, rest);
    add_exactly(hn::Mul(later.rest, factor), normaliser, rest);
  }

  /// 0 · score: not a number where the best score isn't finite.
  [[nodiscard]] HWY_INLINE Vector posterior() const {
    return hn::MulAdd(best, hn::Zero(floats), hn::Div(hn::Set(floats, 1.0F), hn::Add(normaliser, rest)));
  }

  Vector best;
  hn::Vec<Indices> winner;
  Vector normaliser;
  Vector rest;
};

/// The same of a lane that is scored by itself: the operations are those of a vector of lanes.
struct FoundLane {
  float best = -std::numeric_limits<float>::infinity();
  std::int32_t winner = 0;
  float normaliser = 0.0F;
  float rest = 0.0F;
};

/// The same of a segment of patterns, for all lanes.
struct FoundSegment {
  LaneArray<float> best;
  LaneArray<std::int32_t> winner;
  LaneArray<float> normaliser;
  LaneArray<float> rest;

  HWY_INLINE void store(const FoundLanes& found, Index lane) {
    hn::Store(found.best, floats, best.data() + lane);
    hn::Store(found.winner, FoundLanes::Indices(), winner.data() + lane);
    hn::Store(found.normaliser, floats, normaliser.data() + lane);
    hn::Store(found.rest, floats, rest.data() + lane);
  }

  void store(const FoundLane& found, Index lane) {
    const auto at = static_cast<std::size_t>(lane);
    best[at] = found.best;
    winner[at] = found.winner;
    normaliser[at] = found.normaliser;
    rest[at] = found.rest;
  }

  [[nodiscard]] HWY_INLINE FoundLanes load(Index lane) const {
    FoundLanes found;
    found.best = hn::Load(floats, best.data() + lane);
    found.winner = hn::Load(FoundLanes::Indices(), winner.data() + lane);
    found.normaliser = hn::Load(floats, normaliser.data() + lane);
    found.rest = hn::Load(floats, rest.data() + lane);
    return found;
  }
};

/// One thread's work on segments. `Scorer` as in CandidateFinder.
template <class Scorer>
class SegmentScanner {
 public:
  SegmentScanner(const typename Scorer::Field& field, const RankingSize& size)
      : scorer_(field),
        pattern_count_(field.patterns.rows()),
        cutoff_(detail::softmax_cutoff(pattern_count_)),
        ranks_(size.ranks > 1),
        best_(size) {}

  void start(const Tile& tile) {
    scorer_.take(tile);
    best_.start(tile.lanes);
  }

  /// The patterns [first, end).
  void scan(const Tile& tile, Index first, Index end, FoundSegment& found) {
    if (scores_singly<Scorer>(tile))
      scan_singly(tile, first, end, found);
    else
      scan_blocks(tile, first, end, found);
  }

  /// The best patterns of all segments, where more than one is asked for.
  [[nodiscard]] const BestScores& best() const { return best_; }

 private:
  using Indices = FoundLanes::Indices;

  /// A few patterns at a time for all lanes, while they are in the first-level cache.
  HWY_INLINE void scan_blocks(const Tile& tile, Index first, Index end, FoundSegment& found) {
    constexpr Index window = 64;
    for (Index lane = 0; lane < tile.lanes; lane += vector_lanes()) found.store(FoundLanes(), lane);
    for (; first < end; first += window)
      for (Index lane = 0; lane < tile.lanes; lane += block_lanes())
        scan(tile, first, std::min(first + window, end), lane, found);
  }

  HWY_INLINE void scan(const Tile& tile, Index first, Index end, Index lane, FoundSegment& found) {
    FoundLanes lanes[block_vectors];
    for (int v = 0; v < block_vectors; ++v) lanes[v] = found.load(lane + v * vector_lanes());
    for (; first < end; first += block_rows) {
      Block block;
      score_block(scorer_, tile, first, pattern_count_, lane, block);
      for (int v = 0; v < block_vectors; ++v) add(block, v, first, lanes[v]);
      if (ranks_) note_best(block, first, lane, best_);
    }
    for (int v = 0; v < block_vectors; ++v) found.store(lanes[v], lane + v * vector_lanes());
  }

  HWY_INLINE void scan_singly([[maybe_unused]] const Tile& tile, [[maybe_unused]] Index first,
                              [[maybe_unused]] Index end, [[maybe_unused]] FoundSegment& found) {
    if constexpr (has_panels<Scorer>) {
      constexpr Index group = 4 * panel_rows;
      FoundLane lanes[most_single_lanes];
      for (; first < end; first += group)
        for (Index lane = 0; lane < tile.lanes; ++lane) {
          alignas(64) float scores[group + hn::MaxLanes(Floats())];
          const Index count = std::min(group, end - first);
          std::fill_n(scores, group, -std::numeric_limits<float>::infinity());
          score_lane_panels(scorer_, tile, first, count, lane, scores);
          for (Index i = 0; i < count; i += block_rows) add(scores + i, first + i, lanes[lane]);
          if (ranks_) note_best(scores, first, count, lane, best_);
        }
      for (Index lane = 0; lane < tile.lanes; ++lane) found.store(lanes[lane], lane);
    }
  }

  /// Adds block_rows scores. Weights that are negligible beside the largest so far are left out.
  HWY_INLINE void add(const Block& block, int v, Index first, FoundLanes& found) const {
    if (adds_nothing(block, v, found.best)) return;
    const Vector before = found.best;
    HWY_UNROLL(block_rows)
    for (int r = 0; r < block_rows; ++r)
      found.consider(block[r][v], hn::Set(Indices(), static_cast<std::int32_t>(first + r)));
    Vector sum = hn::Zero(floats);
    HWY_UNROLL(block_rows)
    for (int r = 0; r < block_rows; ++r) sum = hn::Add(sum, weight(block[r][v], found.best));
    found.rescale(before);
    add_exactly(sum, found.normaliser, found.rest);
  }

  HWY_INLINE void add(const float* scores, Index first, FoundLane& found) const {
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
      hn::Store(weight(hn::LoadU(floats, scores + r), best), floats, weights + r);
    float sum = 0.0F;
    for (Index r = 0; r < block_rows; ++r) sum += weights[r];
    FoundLanes lanes;
    lanes.best = best;
    lanes.normaliser = hn::Set(floats, found.normaliser);
    lanes.rest = hn::Set(floats, found.rest);
    if (before != found.best) lanes.rescale(hn::Set(floats, before));  // Else the factor would be 1.
    add_exactly(hn::Set(floats, sum), lanes.normaliser, lanes.rest);
    found.normaliser = hn::GetLane(lanes.normaliser);
    found.rest = hn::GetLane(lanes.rest);
  }

  /// Whether scores are so far below the best ones that their weights are left out.
  HWY_INLINE hn::Mask<Floats> is_negligible(Vector score, Vector best) const {
    return hn::Le(hn::Sub(score, best), hn::Set(floats, -cutoff_));
  }

  /// NaN where the score is, or the difference.
  HWY_INLINE Vector weight(Vector score, Vector best) const {
    return hn::IfThenZeroElse(is_negligible(score, best), softmax_weight(score, best));
  }

  /// Whether the weights of all scores are.
  HWY_INLINE bool adds_nothing(const Block& block, int v, Vector best) const {
    auto negligible = is_negligible(block[0][v], best);
    HWY_UNROLL(block_rows)
    for (int r = 1; r < block_rows; ++r) negligible = hn::And(negligible, is_negligible(block[r][v], best));
    return hn::AllTrue(floats, negligible);
  }

  Scorer scorer_;
  Index pattern_count_;
  float cutoff_;
  bool ranks_;
  BestScores best_;
};

template <class Scorer>
class OnlineRetrieval final : public RetrievalKernel {
 public:
  OnlineRetrieval(const typename Scorer::Field& field, const RankingSize& size)
      : pattern_count_(field.patterns.rows()),
        segment_(std::max(detail::sizes().scanned_patterns / panel_rows, Index{1}) * panel_rows),
        found_(static_cast<std::size_t>((pattern_count_ + segment_ - 1) / segment_)),
        ranking_(size),
        best_(size) {
    const auto shares = std::min(static_cast<std::size_t>(size.shares), found_.size());
    scanners_.reserve(shares);
    for (std::size_t share = 0; share < shares; ++share) scanners_.emplace_back(field, size);
  }

  const LaneRanking& retrieve(const Tile& tile) override {
    const auto shares = static_cast<int>(scanners_.size());
    run_team(shares, [&](int share) HWY_ATTR { scan(tile, static_cast<std::size_t>(share)); });
    for (Index lane = 0; lane < tile.lanes; lane += vector_lanes()) combine(lane);
    best_.start(tile.lanes);
    if (ranking_.count > 1)
      for (const SegmentScanner<Scorer>& scanner : scanners_) best_.add(scanner.best());
    for (Index lane = 0; lane < tile.lanes; ++lane) rank(lane);
    return ranking_;
  }

 private:
  /// Consecutive segments, so that later threads have later patterns.
  void scan(const Tile& tile, std::size_t share) {
    SegmentScanner<Scorer>& scanner = scanners_[share];
    scanner.start(tile);
    const std::size_t end = (share + 1) * found_.size() / scanners_.size();
    for (std::size_t i = share * found_.size() / scanners_.size(); i < end; ++i) {
      const Index first = static_cast<Index>(i) * segment_;
      scanner.scan(tile, first, std::min(first + segment_, pattern_count_), found_[i]);
    }
  }

  HWY_INLINE void combine(Index lane) {
    FoundLanes all = found_.front().load(lane);
    for (std::size_t i = 1; i < found_.size(); ++i) all.add(found_[i].load(lane));
    hn::Store(all.winner, FoundLanes::Indices(), winner_.data() + lane);
    hn::Store(all.posterior(), floats, posterior_.data() + lane);
    hn::Store(all.best, floats, largest_.data() + lane);
  }

  void rank(Index lane) {
    const auto at = static_cast<std::size_t>(lane);
    ranking_.set(lane, 0, winner_[at], posterior_[at]);
    rank_others(lane, best_, ranking_,
                [&](Index /*rank*/, float score) { return posterior_[at] * std::exp(score - largest_[at]); });
  }

  Index pattern_count_;
  Index segment_;
  std::vector<SegmentScanner<Scorer>> scanners_;  ///< of each thread that shares the patterns
  std::vector<FoundSegment> found_;               ///< of each segment
  LaneRanking ranking_;
  BestScores best_;
  LaneArray<float> largest_{};
  LaneArray<std::int32_t> winner_{};
  LaneArray<float> posterior_{};  ///< of the winner
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
