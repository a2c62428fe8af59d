// Reads out under separations whose weights need all scores: entmax and top.
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
#include <cstdint>
#include <utility>

#include "kernels/cpu/softmax/candidate_reader-inl.hpp"
#include "kernels/cpu/softmax/retrieval-inl.hpp"
#include "kernels/cpu/softmax/settle-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// `Lanes` as in settle-inl.hpp.
template <class Scorer, class Lanes>
class SettledReader : public CandidateReader<Scorer> {
  using Base = CandidateReader<Scorer>;

 public:
  template <class Separation>
  SettledReader(const typename Scorer::Field& field, const PackedMatrix& contents, Index width,
                const Separation& separation)
      : SettledReader(field, contents, width, Lanes(separation, contents.rows())) {}

  void evaluate(const Tile& tile) {
    this->start(tile);
    scorer_.take(tile);
    winner_ = {};
    if (gather(tile)) {
      settle([&](const auto& visit) HWY_ATTR { visit_candidates(tile, visit); });
      separation_.begin_weighing();
      weigh(tile);
    } else {
      find_maxima(tile);
      settle([&](const auto& visit) HWY_ATTR { visit_all(tile, visit); });
      separation_.begin_weighing();
      weigh_segments(tile);
    }
  }

  /// Ω*(s) of an evaluated lane.
  [[nodiscard]] double potential(Index lane) const {
    return static_cast<double>(maximum_[static_cast<std::size_t>(lane)]) +
           separation_.potential(lane, normaliser_.value(lane));
  }

  /// The first pattern with the largest score.
  [[nodiscard]] std::int32_t winner(Index lane) const { return winner_[static_cast<std::size_t>(lane)] - 1; }

  /// The weight of the rank-th best pattern, which has this score; NaN where scores aren't numbers.
  [[nodiscard]] double posterior(Index lane, Index rank, float score) const {
    const float distance = score - maximum_[static_cast<std::size_t>(lane)];
    return separation_.weight_of(lane, rank, distance) / normaliser_.value(lane);
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
  using Base::maximum_;
  using Base::normaliser_;
  using Base::pattern_block_;
  using Base::scorer_;
  using Base::segment_patterns_;
  using Base::width_;
  using typename Base::Candidate;
  using Indices = hn::RebindToSigned<Floats>;

  SettledReader(const typename Scorer::Field& field, const PackedMatrix& contents, Index width, Lanes lanes)
      : Base(field, contents, width, lanes.cutoff()), separation_(std::move(lanes)) {
    if (segment_patterns_ == contents.padded_rows()) return;  // There is room for all.
    // Blocks of patterns don't straddle segments, or it would show whether there are any.
    pattern_block_ = std::max(panel_rows, std::min(pattern_block_, segment_patterns_) / panel_rows * panel_rows);
    segment_patterns_ = std::max(pattern_block_, segment_patterns_ / pattern_block_ * pattern_block_);
    // Candidates of all patterns may be read out at once.
    this->reserve_blocks(std::min(segment_patterns_, contents.rows() / pattern_block_ + 1));
  }

  /// Scores all patterns, and keeps the candidates of all; false: there are too many.
  bool gather(const Tile& tile) {
    const Index pattern_count = contents_.rows();
    for (Index first = 0; first < pattern_count; first += panel_rows) {
      if (static_cast<Index>(candidates_.size()) + panel_rows > segment_patterns_) {
        drop_hopeless(tile);
        // Room for a few panels would have to be made again and again.
        const auto left = static_cast<Index>(candidates_.size());
        if (left + std::max(left, panel_rows) > segment_patterns_) return false;
      }
      this->score_panel(tile, first, std::min(first + panel_rows, pattern_count));
    }
    return true;
  }

  /// Of the candidates so far, those that the largest scores of later patterns have left behind.
  void drop_hopeless(const Tile& tile) {
    Index kept = 0;
    for (const Candidate& candidate : candidates_) {
      const float* const from = this->scores(candidate.row);
      if (!this->any_above_threshold(tile, from)) continue;
      if (candidate.row != kept) std::copy_n(from, width_, this->scores(kept));
      candidates_[static_cast<std::size_t>(kept)] = {candidate.pattern, kept};
      ++kept;
    }
    candidates_.resize(static_cast<std::size_t>(kept));
  }

  void find_maxima(const Tile& tile) {
    for (Index first = 0; first < contents_.rows(); first += panel_rows) {
      candidates_.clear();
      this->score_panel(tile, first, std::min(first + panel_rows, contents_.rows()));
    }
  }

  /// visit_scores(visit) calls visit(lane, score) for all of them.
  template <class VisitScores>
  void settle(const VisitScores& visit_scores) {
    separation_.start(maximum_);
    do {
      separation_.begin_round();
      visit_scores([&](Index lane, Vector score) HWY_ATTR { separation_.count(lane, distance(lane, score)); });
    } while (separation_.end_round(this->lanes_));
  }

  HWY_INLINE Vector distance(Index lane, Vector score) const {
    return hn::Sub(score, hn::Load(floats, maximum_.data() + lane));
  }

  template <class Visit>
  HWY_INLINE void visit_candidates(const Tile& tile, const Visit& visit) const {
    for (const Candidate& candidate : candidates_)
      for (Index lane = 0; lane < tile.lanes; lane += vector_lanes())
        visit(lane, hn::Load(floats, this->scores(candidate.row) + lane));
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
    candidates_.clear();
    for (Index segment = 0; segment < pattern_count; segment += segment_patterns_) {
      if (segment > 0) this->read_out_segment();
      this->score_patterns(tile, segment, std::min(segment + segment_patterns_, pattern_count));
      weigh(tile);
    }
  }

  /// Turns the candidates' scores into weights, sums them, and drops those that have none.
  void weigh(const Tile& tile) {
    std::size_t kept = 0;
    for (const Candidate& candidate : candidates_)
      if (weigh_row(tile, candidate)) candidates_[kept++] = candidate;
    candidates_.resize(kept);
  }

  HWY_INLINE bool weigh_row(const Tile& tile, const Candidate& candidate) {
    bool any = false;
    float* const row = this->scores(candidate.row);
    for (Index lane = 0; lane < tile.lanes; lane += vector_lanes()) {
      const Vector from_best = distance(lane, hn::Load(floats, row + lane));
      note_winner(candidate.pattern, lane, from_best);
      const Vector weight = separation_.weigh(lane, from_best);
      hn::Store(weight, floats, row + lane);
      add_to(normaliser_, lane, weight);
      any |= !hn::AllTrue(floats, hn::Eq(weight, hn::Zero(floats)));  // NaN is one, too.
    }
    return any;
  }

  HWY_INLINE void note_winner(Index pattern, Index lane, Vector from_best) {
    const auto found = hn::Load(Indices(), winner_.data() + lane);
    const auto is_first =
        hn::And(hn::RebindMask(Indices(), hn::Eq(from_best, hn::Zero(floats))), hn::Eq(found, hn::Zero(Indices())));
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
