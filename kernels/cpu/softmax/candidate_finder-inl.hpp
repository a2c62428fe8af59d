// Scores patterns, and keeps those whose weight could still matter to some lane of a block of lanes, since their score
// is within a reach of the largest. In a memory that has made up its mind nearly all drop out.
//
// What happens to a lane depends on that lane alone: what is kept for another lane's sake turns out to have weight 0
// here.

#if defined(ATTRACTOR_CPU_CANDIDATE_FINDER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_CANDIDATE_FINDER_INL
#undef ATTRACTOR_CPU_CANDIDATE_FINDER_INL
#else
#define ATTRACTOR_CPU_CANDIDATE_FINDER_INL
#endif

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "kernels/cpu/softmax/best_patterns-inl.hpp"
#include "kernels/cpu/softmax/candidates-inl.hpp"
#include "kernels/cpu/softmax/lane_candidates.hpp"
#include "kernels/cpu/softmax/pattern_terms-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// What finders look for, beside what they are told while they do.
struct FinderSize {
  Index width;                        ///< lanes of the tiles
  Index room;                         ///< candidates of a block of lanes at most, a multiple of panel_rows
  float reach;                        ///< what lies so far below the largest score is kept
  const RankingSize* best = nullptr;  ///< so many best patterns are kept, too; null: no more than the best one
};

/// How candidates become weights: whether scores are `absolute`, else measured from the largest; and whether those of
/// single lanes are weighed each by itself (`weighs_singly`).
struct SoftmaxUse {
  static constexpr bool absolute = false;
  static constexpr bool weighs_singly = true;
};

/// One thread's share of the patterns. `Scorer` makes the scores s of block_rows patterns of its Field for a block of
/// lanes, −∞ for the rows that pad the last panel. Candidates are within the reach of the largest score so far, or, if
/// scores are absolute, of 0. `Use` is as SoftmaxUse.
template <class Scorer, class Use>
class CandidateFinder {
 public:
  /// Whether lanes may keep candidates of their own.
  static constexpr bool lists_lanes = Use::weighs_singly && has_panels<Scorer>;

  /// All memory is taken here: no thread allocates once it works.
  CandidateFinder(const typename Scorer::Field& field, const FinderSize& size)
      : scorer_(field), pattern_count_(field.patterns.rows()), room_(size.room), reach_(size.reach) {
    for (Index lane = 0; lane < size.width; lane += block_lanes()) candidates_.emplace_back(room_);
    if constexpr (lists_lanes) {
      for (Index lane = 0; lane < std::min(size.width, detail::sizes().single_lanes); ++lane)
        lane_candidates_.emplace_back(room_);
      if constexpr (can_screen_lanes<Scorer>) prepare_screen(field, size);
    }
    if (size.best != nullptr && size.best->ranks > 1) best_.emplace(*size.best);
  }

  void start(const Tile& tile) {
    lanes_ = tile.lanes;
    scorer_.take(tile);
    if constexpr (can_screen_lanes<Scorer>)
      if (screen_) screen_->take();
    has_idle_ = false;
    for (std::size_t i = 0; i < most_lanes; ++i) {
      // No score exceeds an idle lane's maximum, so it keeps no candidate.
      const bool idle = std::signbit(tile.idle[i]);
      has_idle_ |= idle;
      maximum_[i] = idle ? std::numeric_limits<float>::infinity() : -std::numeric_limits<float>::infinity();
    }
    floor_.fill(-std::numeric_limits<float>::infinity());
    if (best_) best_->start(tile.lanes);
    knows_best_ = false;
    clear();
  }

  void clear() {
    for (Candidates& candidates : candidates_) candidates.clear();
    for (LaneCandidates& candidates : lane_candidates_) candidates.clear();
  }

  /// Looks through the patterns [first, end), `chunk` at a time at most, for candidates of all of them, and calls
  /// narrow() after each chunk. False: there are too many of them.
  template <class Narrow>
  bool gather(const Tile& tile, Index first, Index end, Index chunk, const Narrow& narrow) {
    while (first < end) {
      if (end - first > room_left() && 2 * most_candidates() > room_) {
        drop_hopeless();
        // Room for a few panels would have to be made again and again.
        if (2 * most_candidates() > room_) return false;
      }
      const Index count = std::min({end - first, room_left() / panel_rows * panel_rows, chunk});
      if (count == 0) return false;
      score(tile, first, first + count);
      first += count;
      narrow();
    }
    return true;
  }

  /// The largest scores of the patterns [first, end). Candidates come from a second look.
  void find_maxima(const Tile& tile, Index first, Index end) {
    start(tile);
    for (; first < end; first += group()) {
      clear();
      score_group(tile, first, std::min(first + group(), end));
    }
    clear();
    knows_best_ = true;
  }

  /// Scores the patterns [first, end), whose candidates there is room for.
  void score(const Tile& tile, Index first, Index end) {
    if constexpr (lists_lanes && can_screen_lanes<Scorer>)
      if (screen_ && !tile.has_pattern_terms) return screen(tile, first, end);
    Index lane = 0;
    if constexpr (can_screen<Scorer>)
      if (!knows_best_)
        lane =
            scorer_.screen(tile, first, end, Search{maximum_.data(), reach_, best_ ? &*best_ : nullptr}, candidates_);
    if (lane >= lanes_) return;
    for (; first < end; first += group()) score_group(tile, first, std::min(first + group(), end), lane);
  }

  /// Calls visit(lane, candidates) for all blocks of lanes in use, from the lane `from` on and before `stop`.
  template <class Visit>
  HWY_INLINE void for_each_block(const Visit& visit, Index from = 0, Index stop = most_lanes) {
    for (Index lane = from; lane < std::min(lanes_, stop); lane += block_lanes())
      visit(lane, candidates_[static_cast<std::size_t>(lane / block_lanes())]);
  }

  /// Of each block of lanes.
  [[nodiscard]] const std::vector<Candidates>& candidates() const { return candidates_; }

  /// Of each lane, where tiles have few enough: those of blocks are none then.
  [[nodiscard]] std::vector<LaneCandidates>& lane_candidates() { return lane_candidates_; }

  /// Of a block of lanes.
  [[nodiscard]] Index most_candidates() const {
    Index most = 0;
    for (const Candidates& candidates : candidates_) most = std::max(most, candidates.count());
    return most;
  }

  /// Of the candidates so far, drops those that the largest scores of later patterns have left behind.
  void drop_hopeless() {
    for_each_block([&](Index lane, Candidates& candidates) HWY_ATTR {
      Vector least[block_vectors];
      load_least(lane, least);
      candidates.filter([&](Index /*pattern*/, const Vector(&scores)[block_vectors])
                            HWY_ATTR { return !hn::AllFalse(floats, any_matters(scores, least)); });
    });
  }

  /// Scores below this have no weight, as far as a separation knows.
  void raise_floor(Index lane, float floor) {
    float& own = floor_[static_cast<std::size_t>(lane)];
    own = std::max(own, floor);
  }

  /// Of the scores so far; ∞ where there is no query.
  LaneArray<float>& maximum() { return maximum_; }

  Scorer& scorer() { return scorer_; }

 private:
  using Field = typename Scorer::Field;
  using Screen = typename ListScreenOf<Scorer>::Type;
  static constexpr Index most_group = 4 * panel_rows;

  [[nodiscard]] Index room_left() const { return room_ - most_candidates(); }

  /// Patterns that are scored at a time: 4 panels where there is room for them.
  [[nodiscard]] Index group() const { return std::min(most_group, room_); }

  /// Scores the patterns [first, end), a group, and keeps those within reach of the largest score so far of some lane.
  /// Where few lanes are in use, each by itself, for a block of lanes would be scored as a whole.
  void score_group(const Tile& tile, Index first, Index end, Index from = 0, Index stop = most_lanes) {
    if constexpr (has_panels<Scorer>)
      if (scores_singly<Scorer>(tile)) return score_lanes(tile, first, end);
    for_each_block(
        [&](Index lane, Candidates& candidates) HWY_ATTR {
          for (Index row = first; row < end; row += block_rows)
            score(tile, row, std::min(Index{block_rows}, end - row), lane, candidates);
        },
        from, stop);
  }

  /// Whether lanes keep what they want of a first look at rough scores.
  void prepare_screen(const Field& field, const FinderSize& size) requires(can_screen_lanes<Scorer>) {
    if (size.best != nullptr || !Screen::suits(field)) return;
    screen_.emplace(field, room_);
    while (static_cast<Index>(lane_candidates_.size()) < size.width)
      lane_candidates_.emplace_back(Screen::most_kept(room_));
  }

  /// Looks through the patterns [first, end), and scores all for the lanes where that doesn't pay.
  void screen(const Tile& tile, Index first, Index end) requires(lists_lanes&& can_screen_lanes<Scorer>) {
    const auto screened = screen_->run(scorer_, tile, first, end, reach_, maximum_.data(), lane_candidates_);
    for (; first < end; first += group())
      for (std::size_t span = 0; span < screened.size(); ++span)
        if (const Index lane = static_cast<Index>(span) * Screen::span_lanes; !screened[span] && lane < lanes_)
          score_group(tile, first, std::min(first + group(), end), lane, lane + Screen::span_lanes);
  }

  /// Lanes that are weighed singly keep patterns of their own.
  void score_lanes(const Tile& tile, Index first, Index end) requires(lists_lanes) {
    alignas(64) float scores[most_group];
    for (Index lane = 0; lane < tile.lanes; ++lane)
      if (score_lane(tile, first, end, lane, scores))
        lane_candidates_[static_cast<std::size_t>(lane)].add(first, end - first, scores, least_of(lane));
  }

  void score_lanes(const Tile& tile, Index first, Index end) {
    alignas(64) float scores[most_single_lanes][most_group];
    bool any = false;
    for (Index lane = 0; lane < tile.lanes; ++lane) any |= score_lane(tile, first, end, lane, scores[lane]);
    if (!any) return;
    for_each_block([&](Index block, Candidates& candidates) HWY_ATTR {
      const Index lanes = std::min(block_lanes(), tile.lanes - block);
      for (Index pattern = first; pattern < end; ++pattern)
        keep_lanes(pattern, block, lanes, &scores[block][pattern - first], candidates);
    });
  }

  /// Keeps a pattern whose scores for the lanes of a block lie most_group apart, if one of them may matter.
  HWY_INLINE void keep_lanes(Index pattern, Index block, Index lanes, const float* scores, Candidates& candidates) {
    bool wanted = false;
    for (Index i = 0; i < lanes; ++i) wanted |= !(scores[i * most_group] < least_of(block + i));
    if (!wanted) return;
    alignas(64) float row[std::size_t{block_vectors} * hn::MaxLanes(Floats())];
    std::fill_n(row, block_lanes(), -std::numeric_limits<float>::infinity());
    for (Index i = 0; i < lanes; ++i) row[i] = scores[i * most_group];
    Vector values[block_vectors];
    for (int v = 0; v < block_vectors; ++v) values[v] = hn::Load(floats, row + v * vector_lanes());
    candidates.add(pattern, values);
  }

  /// The scores of a group for one lane. Whether one may matter.
  HWY_INLINE bool score_lane(const Tile& tile, Index first, Index end, Index lane, float* scores) {
    constexpr float never = -std::numeric_limits<float>::infinity();
    const auto at = static_cast<std::size_t>(lane);
    if (std::signbit(tile.idle[at])) {
      std::fill_n(scores, most_group, never);
      return false;
    }
    score_lane_panels(scorer_, tile, first, end - first, lane, scores);
    std::fill(scores + (end - first), scores + most_group, never);
    if (notes_best()) note_best(scores, first, end - first, lane, *best_);
    return note_largest(scores, lane);
  }

  /// The largest of a group's scores of a lane. Whether one of them may matter.
  HWY_INLINE bool note_largest(const float* scores, Index lane) {
    float& maximum = maximum_[static_cast<std::size_t>(lane)];
    Vector largest = hn::Set(floats, maximum);
    for (Index i = 0; i < most_group; i += vector_lanes()) largest = hn::Max(hn::Load(floats, scores + i), largest);
    maximum = hn::GetLane(hn::MaxOfLanes(floats, largest));
    const Vector least = hn::Set(floats, least_of(lane));
    auto any = may_matter(hn::Load(floats, scores), least);
    for (Index i = vector_lanes(); i < most_group; i += vector_lanes())
      any = hn::Or(any, may_matter(hn::Load(floats, scores + i), least));
    return !hn::AllFalse(floats, any);
  }

  /// Scores `count` patterns for one block of lanes.
  HWY_INLINE void score(const Tile& tile, Index first, Index count, Index lane, Candidates& candidates) {
    Block block;
    score_block(scorer_, tile, first, pattern_count_, lane, block);
    if (has_idle_) hide_idle(tile, lane, block);
    Vector largest[block_vectors];
    for (int v = 0; v < block_vectors; ++v) {
      float* const maximum = maximum_.data() + lane + v * vector_lanes();
      // Two chains: the maximum takes several cycles.
      Vector even = hn::Load(floats, maximum);
      Vector odd = even;
      HWY_UNROLL(block_rows)
      for (int r = 0; r < block_rows; r += 2) {
        even = hn::Max(block[r][v], even);
        odd = hn::Max(block[r + 1][v], odd);
      }
      largest[v] = hn::Max(even, odd);
      hn::Store(largest[v], floats, maximum);
    }
    if (notes_best()) note_best(block, first, lane, *best_);
    Vector least[block_vectors];
    for (int v = 0; v < block_vectors; ++v) least[v] = least_of(lane + v * vector_lanes(), largest[v]);
    auto below = are_below(block[0], least);
    HWY_UNROLL(block_rows)
    for (int r = 1; r < block_rows; ++r) below = hn::And(below, are_below(block[r], least));
    if (hn::AllTrue(floats, below)) return;
    candidates.add_rows(first, count, block, least);
  }

  /// Whether those that come are the first of their patterns.
  [[nodiscard]] bool notes_best() const { return best_ && !knows_best_; }

  /// What scores of a block of lanes must reach to be kept.
  HWY_INLINE void load_least(Index lane, Vector (&least)[block_vectors]) const {
    for (int v = 0; v < block_vectors; ++v) {
      const Index at = lane + v * vector_lanes();
      least[v] = least_of(at, hn::Load(floats, maximum_.data() + at));
    }
  }

  /// The same of a vector of lanes whose largest scores are known.
  HWY_INLINE Vector least_of(Index lane, Vector largest) const {
    Vector least = hn::Set(floats, -reach_);
    if constexpr (!Use::absolute)
      least = hn::Max(hn::Sub(largest, hn::Set(floats, reach_)), hn::Load(floats, floor_.data() + lane));
    return best_ ? hn::Min(least, hn::Load(floats, best_->least() + lane)) : least;
  }

  /// The same of one lane.
  [[nodiscard]] float least_of(Index lane) const {
    const auto at = static_cast<std::size_t>(lane);
    const float least = Use::absolute ? -reach_ : std::max(maximum_[at] - reach_, floor_[at]);
    return best_ ? std::min(least, best_->least()[lane]) : least;
  }

  Scorer scorer_;
  std::optional<Screen> screen_;
  Index pattern_count_;
  Index room_;
  float reach_;
  std::optional<BestScores> best_;      ///< of each lane, at least, where some are asked for
  bool knows_best_ = false;             ///< all scores have been seen
  std::vector<Candidates> candidates_;  ///< of each block of lanes
  std::vector<LaneCandidates> lane_candidates_;
  Index lanes_ = 0;           ///< of the tile in use
  LaneArray<float> maximum_;  ///< of the scores so far
  LaneArray<float> floor_;
  bool has_idle_ = false;  ///< some of the lanes hold no query
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
