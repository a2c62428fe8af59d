// Reads out under separations whose weights need all scores: entmax, normmax and top; and epanechnikov, whose weights
// need none but whether there are any.
//
// Where the candidates of all patterns fit the room for scores, and they nearly always do, every pattern is scored
// once. Else the scores are made anew for each round.

#if defined(ATTRACTOR_CPU_SETTLED_READER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_SETTLED_READER_INL
#undef ATTRACTOR_CPU_SETTLED_READER_INL
#else
#define ATTRACTOR_CPU_SETTLED_READER_INL
#endif

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>
#include <vector>

#include "kernels/cpu/softmax/candidate_reader-inl.hpp"
#include "kernels/cpu/softmax/settle-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// What a finder knows of Lanes: the same of most of them, which therefore have one finder.
template <bool is_absolute>
struct SettledUse {
  static constexpr bool absolute = is_absolute;
  static constexpr bool weighs_singly = false;
};

/// `Lanes` as in settle-inl.hpp.
template <class Scorer, class Lanes>
class SettledReader : public CandidateReader<Scorer, SettledUse<Lanes::absolute>> {
  using Base = CandidateReader<Scorer, SettledUse<Lanes::absolute>>;

 public:
  /// `best`: the scores that are watched are to be those of so many best patterns, too.
  template <class Separation>
  SettledReader(const typename Scorer::Field& field, const PackedMatrix& contents, const KernelSize& size,
                const Separation& separation, const RankingSize* best = nullptr)
      : SettledReader(field, contents, size, Lanes(separation, contents.rows()), best) {}

  /// As SoftmaxReader's.
  template <class Watch>
  void evaluate(const Tile& tile, const Watch& watch) {
    this->start(tile);
    const auto weigh_candidates = [&]() HWY_ATTR {
      this->for_each_block([&](Index lane, Candidates& candidates) HWY_ATTR { weigh(lane, candidates, watch); });
    };
    if (gather(tile)) {
      settle([&](const auto& visit) HWY_ATTR { visit_candidates(visit); });
      separation_.begin_weighing();
      weigh_candidates();
    } else {
      find_maxima(tile);
      settle([&](const auto& visit) HWY_ATTR { visit_all(tile, visit); });
      separation_.begin_weighing();
      this->score_segments(tile, weigh_candidates);
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

  /// The weight of the rank-th best pattern, which has this score; NaN where scores aren't numbers.
  [[nodiscard]] double posterior(Index lane, Index rank, float score) const {
    const float distance = score - origin_of(lane);
    return separation_.weight_of(lane, rank, distance) / normaliser_[static_cast<std::size_t>(lane)];
  }

 private:
  using Base::contents_;
  using Base::finders_;
  using Base::inverse_;
  using Base::maximum_;
  using Base::normaliser_;

  SettledReader(const typename Scorer::Field& field, const PackedMatrix& contents, const KernelSize& size, Lanes lanes,
                const RankingSize* best)
      : Base(field, contents, size, lanes.cutoff(), best), separation_(std::move(lanes)) {
    if constexpr (Lanes::ranks) rankers_.assign(finders_.size(), {separation_, 0});
  }

  using Finder = typename Base::Finder;

  /// Finds the candidates of all patterns; false: there are too many.
  bool gather(const Tile& tile) {
    const Index worth = detail::sizes().ranked_candidates;
    const Index chunk = Lanes::ranks ? std::max(worth / panel_rows, Index{1}) * panel_rows : contents_.padded_rows();
    for (Ranker& ranker : rankers_) ranker.worth = worth;
    std::atomic<bool> fits = true;
    this->share_out(0, contents_.rows(), [&](int share, Finder& finder, Index first, Index end) HWY_ATTR {
      const auto narrow = [&]() HWY_ATTR {
        if constexpr (Lanes::ranks) rank_candidates(static_cast<std::size_t>(share));
      };
      if (!finder.gather(tile, first, end, chunk, narrow)) fits = false;
    });
    return fits;
  }

  void find_maxima(const Tile& tile) {
    this->share_out(0, contents_.rows(), [&](int /*share*/, Finder& finder, Index first, Index end) HWY_ATTR {
      finder.find_maxima(tile, first, end);
    });
  }

  /// Drops of a thread's candidates so far those that can't be among the best, where so many are worth it.
  struct Ranker {
    Lanes separation;
    Index worth;
  };

  void rank_candidates(std::size_t share) {
    Lanes& separation = rankers_[share].separation;
    Index& worth = rankers_[share].worth;
    Finder& finder = finders_[share];
    if (finder.most_candidates() < worth) return;
    const LaneArray<float>& maximum = finder.maximum();
    separation.start(maximum);
    for (int round = 0; round < 12; ++round) {
      separation.begin_round();
      finder.for_each_block([&](Index lane, const Candidates& candidates) HWY_ATTR {
        visit_candidates(lane, candidates, [&](Index at, Vector score) HWY_ATTR {
          separation.count(at, hn::Sub(score, hn::Load(floats, maximum.data() + at)));
        });
      });
      if (!separation.narrow(this->lanes_)) break;
    }
    for (Index lane = 0; lane < this->lanes_; ++lane)
      finder.raise_floor(lane, separation.floor(lane, maximum[static_cast<std::size_t>(lane)]));
    finder.drop_hopeless();
    worth = std::max(worth, 4 * finder.most_candidates());
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
    this->for_each_block([&](Index lane, const Candidates& candidates)
                             HWY_ATTR { visit_candidates(lane, candidates, visit); });
  }

  template <class Visit>
  static HWY_INLINE void visit_candidates(Index lane, const Candidates& candidates, const Visit& visit) {
    for (Index i = 0; i < candidates.count(); ++i)
      for (int v = 0; v < block_vectors; ++v) visit(lane + v * vector_lanes(), candidates.value(i, v));
  }

  /// Makes the scores again.
  template <class Visit>
  HWY_INLINE void visit_all(const Tile& tile, const Visit& visit) {
    for (Index first = 0; first < contents_.rows(); first += block_rows)
      for (Index lane = 0; lane < tile.lanes; lane += block_lanes()) {
        Block block;
        score_block(finders_.front().scorer(), tile, first, contents_.rows(), lane, block);
        for (int r = 0; r < block_rows; ++r)
          for (int v = 0; v < block_vectors; ++v) visit(lane + v * vector_lanes(), block[r][v]);
      }
  }

  /// Turns the candidates' scores into weights, sums them, and drops those that have none.
  template <class Watch>
  HWY_INLINE void weigh(Index lane, Candidates& candidates, const Watch& watch) {
    candidates.filter([&](Index pattern, Vector(&values)[block_vectors]) HWY_ATTR {
      bool any = false;
      for (int v = 0; v < block_vectors; ++v) {
        const Index at = lane + v * vector_lanes();
        watch(pattern, at, values[v]);
        values[v] = separation_.weigh(at, distance(at, values[v]));
        any |= !hn::AllTrue(floats, hn::Eq(values[v], hn::Zero(floats)));  // NaN is a weight, too.
      }
      return any;
    });
    this->add_weights(lane, candidates, 0, candidates.count());
  }

  Lanes separation_;
  std::vector<Ranker> rankers_;  ///< of each thread, of separations that rank
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
