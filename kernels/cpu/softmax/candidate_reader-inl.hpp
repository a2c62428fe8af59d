// Scores and readouts of memories whose weights are normalised, whatever similarity makes the scores.
//
// Only candidates are kept: patterns whose weight could still matter to some lane of a block of lanes, since their
// score is within a cutoff of the largest. In a memory that has made up its mind nearly all patterns drop out, and the
// readout costs next to nothing.
//
// What happens to a lane depends on that lane alone: a pattern that is kept for another lane's sake has weight 0 here.
// Segments end at fixed patterns for the same reason.

#if defined(ATTRACTOR_CPU_CANDIDATE_READER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_CANDIDATE_READER_INL
#undef ATTRACTOR_CPU_CANDIDATE_READER_INL
#else
#define ATTRACTOR_CPU_CANDIDATE_READER_INL
#endif

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/softmax/candidate_readout-inl.hpp"
#include "kernels/cpu/softmax/candidates-inl.hpp"
#include "kernels/cpu/softmax/pattern_terms-inl.hpp"
#include "kernels/cpu/softmax/retrieval-inl.hpp"
#include "kernels/negligible.hpp"
#include "kernels/sizes.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// Patterns at a time: those scored between two readouts, which bounds the scores kept, and those summed apart.
struct PatternBlocks {
  /// Below 256 the sums of blocks would cost more than a tenth of those of patterns.
  explicit PatternBlocks(const PackedMatrix& contents)
      : segment(std::min(detail::sizes().segment_patterns, contents.padded_rows())),
        block(std::min(detail::sizes().pattern_block,
                       std::max<Index>(256, detail::sizes().block_floats / contents.columns()))) {}

  Index segment;
  Index block;
};

/// What readers have in common: they score panels of patterns, make weights of the candidates' scores where those lie,
/// and read out `contents`, which are the patterns unless recalled from. `Scorer` makes the scores s of block_rows
/// patterns of its Field for a block of lanes, −∞ for the rows that pad the last panel. Candidates are within the
/// cutoff of the largest score, or, if scores are `absolute`, of 0.
template <class Scorer, bool absolute = false>
class CandidateReader {
 public:
  using Field = typename Scorer::Field;

  /// Call once before `readout`.
  void prepare_readout(const Tile& tile) {
    if (tile.any_held) drop_held(tile);
    read_out_candidates();
    for (std::size_t i = 0; i < most_lanes; ++i) inverse_[i] = static_cast<float>(1.0 / normaliser_[i]);
  }

  /// u for block_rows neurons and one block of lanes.
  HWY_INLINE void readout(Index row, Index lane, Block& block) const {
    readout_.load(row, lane, block);
    for (int v = 0; v < block_vectors; ++v) {
      const Vector inverse = hn::Load(floats, inverse_.data() + lane + v * vector_lanes());
      HWY_UNROLL(block_rows)
      for (int r = 0; r < block_rows; ++r) block[r][v] = hn::Mul(block[r][v], inverse);
    }
  }

 protected:
  static constexpr Index most_group = 4 * panel_rows;

  CandidateReader(const typename Scorer::Field& field, const PackedMatrix& contents, Index width, float cutoff,
                  const PatternBlocks& blocks)
      : scorer_(field),
        contents_(contents),
        segment_patterns_(blocks.segment),
        cutoff_(cutoff),
        reach_(cutoff),
        readout_(contents, width, blocks.block) {
    // All memory is taken here: no thread allocates once it works.
    for (Index lane = 0; lane < width; lane += block_lanes()) candidates_.emplace_back(segment_patterns_);
  }

  void start(const Tile& tile) {
    lanes_ = tile.lanes;
    scorer_.take(tile);
    has_idle_ = false;
    for (std::size_t i = 0; i < most_lanes; ++i) {
      // No score exceeds an idle lane's maximum, so it keeps no candidate.
      const bool idle = std::signbit(tile.idle[i]);
      has_idle_ |= idle;
      maximum_[i] = idle ? std::numeric_limits<float>::infinity() : -std::numeric_limits<float>::infinity();
    }
    floor_.fill(-std::numeric_limits<float>::infinity());
    normaliser_.fill(0.0);
    clear_candidates();
    readout_.start();
  }

  void clear_candidates() {
    for (Candidates& candidates : candidates_) candidates.clear();
  }

  /// Calls visit(lane, candidates) for all blocks of lanes in use, from the lane `from` on.
  template <class Visit>
  HWY_INLINE void for_each_block(const Visit& visit, Index from = 0) {
    for (Index lane = from; lane < lanes_; lane += block_lanes())
      visit(lane, candidates_[static_cast<std::size_t>(lane / block_lanes())]);
  }

  /// Patterns that are scored at a time: 4 panels where there is room for them.
  [[nodiscard]] Index group() const { return std::min(most_group, segment_patterns_); }

  /// Scores the patterns [first, end), whose candidates there is room for.
  void score_patterns(const Tile& tile, Index first, Index end) {
    Index lane = 0;
    if constexpr (can_screen<Scorer>)
      lane = scorer_.screen(tile, first, end, Search{maximum_.data(), reach_, bounds_}, candidates_);
    if (lane >= lanes_) return;
    for (; first < end; first += group()) score_group(tile, first, std::min(first + group(), end), lane);
  }

  /// Scores the patterns [first, end), a group, and keeps those within the cutoff of the largest score so far of some
  /// lane. Where few lanes are in use, each by itself, for a block of lanes would be scored as a whole.
  void score_group(const Tile& tile, Index first, Index end, Index from = 0) {
    if constexpr (has_panels<Scorer>)
      if (scores_singly<Scorer>(tile)) return score_lanes(tile, first, end);
    for_each_block(
        [&](Index lane, Candidates& candidates) HWY_ATTR {
          for (Index row = first; row < end; row += block_rows)
            score(tile, row, std::min(Index{block_rows}, end - row), lane, candidates);
        },
        from);
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
    candidates.add(pattern, values, true);
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
    return note_largest(scores, end - first, lane);
  }

  /// The largest of so many more scores of a lane. Whether one of them may matter.
  HWY_INLINE bool note_largest(float* scores, Index count, Index lane) {
    float& maximum = maximum_[static_cast<std::size_t>(lane)];
    std::fill(scores + count, scores + most_group, -std::numeric_limits<float>::infinity());
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
    score_block(scorer_, tile, first, contents_.rows(), lane, block);
    if (has_idle_) hide_idle(tile, lane, block);
    Vector least[block_vectors];
    for (int v = 0; v < block_vectors; ++v) {
      float* const maximum = maximum_.data() + lane + v * vector_lanes();
      Vector largest = hn::Load(floats, maximum);
      HWY_UNROLL(block_rows)
      for (int r = 0; r < block_rows; ++r) largest = hn::Max(block[r][v], largest);
      hn::Store(largest, floats, maximum);
      least[v] = least_of(lane + v * vector_lanes(), largest);
    }
    if (bounds_ != nullptr) {
      note_best(block, first, lane, tile.lanes, *bounds_);
      for (int v = 0; v < block_vectors; ++v)
        least[v] = hn::Min(least[v], hn::Load(floats, bounds_->least() + lane + v * vector_lanes()));
    }
    auto any = any_matters(block[0], least);
    HWY_UNROLL(block_rows)
    for (int r = 1; r < block_rows; ++r) any = hn::Or(any, any_matters(block[r], least));
    if (hn::AllFalse(floats, any)) return;
    for (Index r = 0; r < count; ++r)
      candidates.add(first + r, block[r], !hn::AllFalse(floats, any_matters(block[r], least)));
  }

  /// What scores of a vector of lanes must reach to be kept where these are the largest so far.
  HWY_INLINE Vector least_of(Index lane, Vector largest) const { return least_of(lane, largest, reach_); }

  HWY_INLINE Vector least_of([[maybe_unused]] Index lane, [[maybe_unused]] Vector largest, float reach) const {
    if constexpr (absolute) return hn::Set(floats, -reach);
    return hn::Max(hn::Sub(largest, hn::Set(floats, reach)), hn::Load(floats, floor_.data() + lane));
  }

  /// What scores of a lane must reach to be kept.
  [[nodiscard]] float least_of(Index lane) const {
    const auto at = static_cast<std::size_t>(lane);
    return absolute ? -reach_ : std::max(maximum_[at] - reach_, floor_[at]);
  }

  /// What scores of a block of lanes must reach to have weight.
  HWY_INLINE void load_least(Index lane, Vector (&least)[block_vectors]) const {
    for (int v = 0; v < block_vectors; ++v) {
      const Index at = lane + v * vector_lanes();
      least[v] = least_of(at, hn::Load(floats, maximum_.data() + at), cutoff_);
    }
  }

  /// Adds the candidates' weights to their lanes' sums, in the order of the patterns.
  void add_weights(Index lane, const Candidates& candidates) {
    using Doubles = hn::CappedTag<double, 8>;
    constexpr Doubles doubles;
    constexpr hn::Rebind<float, Doubles> halves;
    constexpr std::size_t parts = block_vectors * hn::MaxLanes(Floats()) / hn::MaxLanes(doubles);
    const auto step = static_cast<Index>(hn::Lanes(doubles));
    double* const to = normaliser_.data() + lane;
    hn::Vec<Doubles> sums[parts];
    for (std::size_t i = 0; i < parts; ++i) sums[i] = hn::Load(doubles, to + static_cast<Index>(i) * step);
    for (Index row = 0; row < candidates.count(); ++row)
      for (std::size_t i = 0; i < parts; ++i)
        sums[i] = hn::Add(
            sums[i], hn::PromoteTo(doubles, hn::Load(halves, candidates.values(row) + static_cast<Index>(i) * step)));
    for (std::size_t i = 0; i < parts; ++i) hn::Store(sums[i], doubles, to + static_cast<Index>(i) * step);
  }

  /// Of weighed candidates, those that only lanes need that don't move.
  void drop_held(const Tile& tile) {
    for_each_block([&](Index lane, Candidates& candidates) HWY_ATTR {
      const float* const held = tile.held.data() + lane;
      candidates.filter([&](Index /*pattern*/, Vector(&weights)[block_vectors]) HWY_ATTR {
        bool any = false;
        for (int v = 0; v < block_vectors; ++v) {
          const auto stays = hn::MaskFromVec(hn::Load(floats, held + v * vector_lanes()));
          weights[v] = hn::IfThenZeroElse(stays, weights[v]);
          any |= !hn::AllFalse(floats, hn::Gt(weights[v], hn::Zero(floats)));
        }
        return any;
      });
    });
  }

  /// Reads out the weighed candidates for all lanes, and forgets them.
  void read_out_candidates() {
    readout_.add(candidates_);
    clear_candidates();
  }

  Scorer scorer_;
  const PackedMatrix& contents_;
  Index segment_patterns_;
  float cutoff_;
  float reach_;  ///< what lies so far below the largest score is kept: the cutoff, unless told otherwise
  BestScores* bounds_ = nullptr;  ///< of the best of each lane from below, which are kept too; null: no more than those
  CandidateReadout readout_;
  std::vector<Candidates> candidates_;  ///< of each block of lanes
  Index lanes_ = 0;                     ///< of the tile in use
  LaneArray<float> maximum_;            ///< of the scores so far
  LaneArray<float> floor_;              ///< scores below this have no weight, as far as a separation knows
  bool has_idle_ = false;               ///< lanes among them hold no query
  LaneArray<double> normaliser_{};      ///< Σ of the weights
  LaneArray<float> inverse_{};          ///< 1/Σ
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
