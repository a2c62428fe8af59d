// Reads out under separations whose weights need all scores: entmax, normmax and top; and epanechnikov, whose weights
// need none but whether there are any.
//
// Where the candidates of all patterns fit the room for scores, and they nearly always do, every pattern is scored
// once. Else the scores are made anew for each round. A lane's sums take the patterns in the same order either way, and
// what isn't a candidate adds 0: the bits are the same.

#if defined(ATTRACTOR_CPU_SETTLED_READER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_SETTLED_READER_INL
#undef ATTRACTOR_CPU_SETTLED_READER_INL
#else
#define ATTRACTOR_CPU_SETTLED_READER_INL
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/cpu/softmax/candidate_reader-inl.hpp"
#include "kernels/cpu/softmax/retrieval-inl.hpp"
#include "kernels/cpu/softmax/settle-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// `Lanes` as in settle-inl.hpp.
template <class Scorer, class Lanes>
class SettledReader : public CandidateReader<Scorer, Lanes::absolute> {
  using Base = CandidateReader<Scorer, Lanes::absolute>;

 public:
  template <class Separation>
  SettledReader(const typename Scorer::Field& field, const PackedMatrix& contents, Index width,
                const Separation& separation)
      : SettledReader(field, contents, width, Lanes(separation, contents.rows())) {}

  void evaluate(const Tile& tile) {
    this->start(tile);
    winner_ = {};
    if (gather(tile)) {
      settle([&](const auto& visit) HWY_ATTR { visit_candidates(visit); });
      separation_.begin_weighing();
      weigh();
    } else {
      find_maxima(tile);
      settle([&](const auto& visit) HWY_ATTR { visit_all(tile, visit); });
      separation_.begin_weighing();
      weigh_segments(tile);
    }
  }

  /// Ω*(s) of an evaluated lane.
  [[nodiscard]] double potential(Index lane) const {
    return static_cast<double>(origin_of(lane)) +
           separation_.potential(lane, normaliser_[static_cast<std::size_t>(lane)]);
  }

  /// Of lanes where no pattern has a weight, puts the states in the place of their readouts.
  HWY_INLINE void keep_unread(const Tile& tile, Index row, Index lane, Block& block) const requires(Lanes::absolute) {
    for (int v = 0; v < block_vectors; ++v) {
      const Index at = lane + v * vector_lanes();
      const auto scored = hn::IsFinite(hn::Load(floats, maximum_.data() + at));
      const auto unread = hn::And(scored, hn::IsInf(hn::Load(floats, inverse_.data() + at)));
      for (int r = 0; r < block_rows; ++r) {
        const Vector state = hn::Load(floats, tile.state.data() + (row + r) * tile.width + at);
        block[r][v] = hn::IfThenElse(unread, state, block[r][v]);
      }
    }
  }

  /// The first pattern with the largest score.
  [[nodiscard]] std::int32_t winner(Index lane) const { return winner_[static_cast<std::size_t>(lane)] - 1; }

  /// The weight of the rank-th best pattern, which has this score; NaN where scores aren't numbers.
  [[nodiscard]] double posterior(Index lane, Index rank, float score) const {
    const float distance = score - origin_of(lane);
    return separation_.weight_of(lane, rank, distance) / normaliser_[static_cast<std::size_t>(lane)];
  }
  /// Of the best one.
  [[nodiscard]] double posterior(Index lane) const {
    return posterior(lane, 0, maximum_[static_cast<std::size_t>(lane)]);
  }

  /// Makes the scores again, and notes the best of them.
  void find_best(const Tile& tile, BestScores& best) {
    best.start();
    score_all(tile, [&](Index first, Index lane, const Block& block)
                        HWY_ATTR { note_best(block, first, lane, tile.lanes, best); });
  }

 private:
  using Base::candidates_;
  using Base::contents_;
  using Base::inverse_;
  using Base::maximum_;
  using Base::normaliser_;
  using Base::scorer_;
  using Base::segment_patterns_;
  using Indices = hn::RebindToSigned<Floats>;

  SettledReader(const typename Scorer::Field& field, const PackedMatrix& contents, Index width, Lanes lanes)
      : Base(field, contents, width, lanes.cutoff(), whole_blocks(contents)), separation_(std::move(lanes)) {}

  /// Blocks of patterns don't straddle segments, or it would show whether there are any.
  static PatternBlocks whole_blocks(const PackedMatrix& contents) {
    PatternBlocks blocks(contents);
    if (blocks.segment == contents.padded_rows()) return blocks;  // There is room for all.
    blocks.block = std::max(panel_rows, std::min(blocks.block, blocks.segment) / panel_rows * panel_rows);
    blocks.segment = std::max(blocks.block, blocks.segment / blocks.block * blocks.block);
    return blocks;
  }

  /// Scores all patterns, and keeps the candidates of all; false: there are too many.
  bool gather(const Tile& tile) {
    const Index pattern_count = contents_.rows();
    Index ranked = detail::sizes().ranked_candidates;
    for (Index first = 0; first < pattern_count; first += this->group()) {
      if constexpr (Lanes::ranks)
        if (most_candidates() >= ranked) ranked = std::max(ranked, rank_candidates());
      if (most_candidates() + this->group() > segment_patterns_) {
        drop_hopeless();
        // Room for a few panels would have to be made again and again.
        const Index left = most_candidates();
        if (left + std::max(left, this->group()) > segment_patterns_) return false;
      }
      this->score_group(tile, first, std::min(first + this->group(), pattern_count));
    }
    return true;
  }

  /// Of a block of lanes.
  [[nodiscard]] Index most_candidates() const {
    Index most = 0;
    for (const Candidates& candidates : candidates_) most = std::max(most, candidates.count());
    return most;
  }

  /// Of the candidates so far, drops those that can't be among the best, nor can later ones like them. How many there
  /// should be before it is worth while again.
  Index rank_candidates() {
    separation_.start(maximum_);
    for (int round = 0; round < 12; ++round) {
      separation_.begin_round();
      visit_candidates([&](Index lane, Vector score) HWY_ATTR { separation_.count(lane, distance(lane, score)); });
      if (!separation_.narrow(this->lanes_)) break;
    }
    for (Index lane = 0; lane < this->lanes_; ++lane) {
      const auto at = static_cast<std::size_t>(lane);
      this->floor_[at] = std::max(this->floor_[at], separation_.floor(lane, maximum_[at]));
    }
    drop_hopeless();
    return 4 * most_candidates();
  }

  /// Of the candidates so far, those that the largest scores of later patterns have left behind.
  void drop_hopeless() {
    this->for_each_block([&](Index lane, Candidates& candidates) HWY_ATTR {
      Vector least[block_vectors];
      this->load_least(lane, least);
      candidates.filter([&](Index /*pattern*/, const Vector(&scores)[block_vectors])
                            HWY_ATTR { return !hn::AllFalse(floats, any_matters(scores, least)); });
    });
  }

  void find_maxima(const Tile& tile) {
    for (Index first = 0; first < contents_.rows(); first += this->group()) {
      this->clear_candidates();
      this->score_group(tile, first, std::min(first + this->group(), contents_.rows()));
    }
  }

  /// visit_scores(visit) calls visit(lane, score) for all of them.
  template <class VisitScores>
  void settle([[maybe_unused]] const VisitScores& visit_scores) {
    if constexpr (!Lanes::absolute) {
      separation_.start(maximum_);
      do {
        separation_.begin_round();
        visit_scores([&](Index lane, Vector score) HWY_ATTR { separation_.count(lane, distance(lane, score)); });
      } while (separation_.end_round(this->lanes_));
    }
  }

  /// What distances are measured from: 0 or the largest score, and that also where it isn't finite, so that some weight
  /// is no number.
  HWY_INLINE Vector origin(Index lane) const {
    const Vector maximum = hn::Load(floats, maximum_.data() + lane);
    if constexpr (Lanes::absolute) return hn::IfThenZeroElse(hn::IsFinite(maximum), maximum);
    return maximum;
  }
  [[nodiscard]] float origin_of(Index lane) const {
    const float maximum = maximum_[static_cast<std::size_t>(lane)];
    return Lanes::absolute && std::isfinite(maximum) ? 0.0F : maximum;
  }

  HWY_INLINE Vector distance(Index lane, Vector score) const { return hn::Sub(score, origin(lane)); }

  template <class Visit>
  HWY_INLINE void visit_candidates(const Visit& visit) {
    this->for_each_block([&](Index lane, const Candidates& candidates) HWY_ATTR {
      for (Index i = 0; i < candidates.count(); ++i)
        for (int v = 0; v < block_vectors; ++v) visit(lane + v * vector_lanes(), candidates.value(i, v));
    });
  }

  /// Makes the scores again: calls visit(first pattern, first lane, scores) for all blocks of them.
  template <class Visit>
  HWY_INLINE void score_all(const Tile& tile, const Visit& visit) {
    for (Index first = 0; first < contents_.rows(); first += block_rows)
      for (Index lane = 0; lane < tile.lanes; lane += block_lanes()) {
        Block block;
        score_block(scorer_, tile, first, contents_.rows(), lane, block);
        visit(first, lane, block);
      }
  }

  template <class Visit>
  HWY_INLINE void visit_all(const Tile& tile, const Visit& visit) {
    score_all(tile, [&](Index /*first*/, Index lane, const Block& block) HWY_ATTR {
      for (int r = 0; r < block_rows; ++r)
        for (int v = 0; v < block_vectors; ++v) visit(lane + v * vector_lanes(), block[r][v]);
    });
  }

  void weigh_segments(const Tile& tile) {
    const Index pattern_count = contents_.rows();
    this->clear_candidates();
    for (Index segment = 0; segment < pattern_count; segment += segment_patterns_) {
      if (segment > 0) this->read_out_candidates();
      this->score_patterns(tile, segment, std::min(segment + segment_patterns_, pattern_count));
      weigh();
    }
  }

  /// Turns the candidates' scores into weights, sums them, and drops those that have none.
  void weigh() {
    this->for_each_block([&](Index lane, Candidates& candidates) HWY_ATTR {
      candidates.filter([&](Index pattern, Vector(&values)[block_vectors]) HWY_ATTR {
        bool any = false;
        for (int v = 0; v < block_vectors; ++v) any |= weigh(pattern, lane + v * vector_lanes(), values[v]);
        return any;
      });
      this->add_weights(lane, candidates);
    });
  }

  /// Whether the pattern has weight in one of the lanes.
  HWY_INLINE bool weigh(Index pattern, Index lane, Vector& value) {
    note_winner(pattern, lane, value);
    value = separation_.weigh(lane, distance(lane, value));
    return !hn::AllTrue(floats, hn::Eq(value, hn::Zero(floats)));  // NaN is one, too.
  }

  HWY_INLINE void note_winner(Index pattern, Index lane, Vector score) {
    const auto found = hn::Load(Indices(), winner_.data() + lane);
    const auto is_best = hn::Eq(score, hn::Load(floats, maximum_.data() + lane));
    const auto is_first = hn::And(hn::RebindMask(Indices(), is_best), hn::Eq(found, hn::Zero(Indices())));
    const auto own = hn::Set(Indices(), static_cast<std::int32_t>(pattern + 1));
    hn::Store(hn::IfThenElse(is_first, own, found), Indices(), winner_.data() + lane);
  }

  Lanes separation_;
  LaneArray<std::int32_t> winner_{};  ///< pattern + 1, or 0
};

/// Hard retrieval by a reader that has all scores.
template <class Reader>
class SettledRetrieval final : public RetrievalKernel {
 public:
  template <class... Arguments>
  explicit SettledRetrieval(const RankingSize& size, const Arguments&... arguments)
      : reader_(arguments...), ranking_(size), best_(size) {}

  const LaneRanking& retrieve(const Tile& tile) override {
    reader_.evaluate(tile);
    if (ranking_.count > 1) reader_.find_best(tile, best_);
    for (Index lane = 0; lane < tile.lanes; ++lane) {
      ranking_.set(lane, 0, reader_.winner(lane), static_cast<float>(reader_.posterior(lane)));
      rank_others(lane, best_, ranking_, [&](Index rank, float score, float /*largest*/) {
        return static_cast<float>(reader_.posterior(lane, rank, score));
      });
    }
    return ranking_;
  }

 private:
  Reader reader_;
  LaneRanking ranking_;
  BestScores best_;  ///< where more than one is asked for
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
