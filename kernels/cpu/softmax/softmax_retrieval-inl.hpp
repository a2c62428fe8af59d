// Hard retrieval where scores cost so much that those that don't matter had better not be made: by a reader's
// candidates, with the weights that it gives them.

#if defined(ATTRACTOR_CPU_SOFTMAX_RETRIEVAL_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_SOFTMAX_RETRIEVAL_INL
#undef ATTRACTOR_CPU_SOFTMAX_RETRIEVAL_INL
#else
#define ATTRACTOR_CPU_SOFTMAX_RETRIEVAL_INL
#endif

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/softmax/retrieval-inl.hpp"
#include "kernels/cpu/softmax/softmax_reader-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

template <class Scorer>
class RankingReader : public SoftmaxReader<Scorer> {
  using Base = SoftmaxReader<Scorer>;

 public:
  RankingReader(const typename Scorer::Field& field, const RankingSize& size)
      : Base(field, field.patterns, most_lanes), posteriors_(size.posteriors), bounds_(size) {
    if (!posteriors_) Base::reach_ = 0.0F;
    if (size.ranks > 1) Base::bounds_ = &bounds_;
  }

  /// Finds the best pattern of each lane, and notes the best ones where more are asked for.
  void find(const Tile& tile, BestScores& best) {
    this->start(tile);
    bounds_.start();
    best.start();
    largest_.fill(-std::numeric_limits<float>::infinity());
    winner_.fill(0);
    unordered_.fill(0.0F);
    const Index pattern_count = contents_.rows();
    for (Index segment = 0; segment < pattern_count; segment += segment_patterns_) {
      this->clear_candidates();
      this->score_patterns(tile, segment, std::min(segment + segment_patterns_, pattern_count));
      this->for_each_block([&](Index lane, const Candidates& candidates) HWY_ATTR {
        for (Index i = 0; i < candidates.count(); ++i)
          for (int v = 0; v < block_vectors; ++v)
            note(candidates.pattern(i), candidates.value(i, v), lane + v * vector_lanes(), tile.lanes, best);
      });
      if (posteriors_) this->weigh();
    }
  }

  /// The first pattern with the largest score.
  [[nodiscard]] std::int32_t winner(Index lane) const { return winner_[static_cast<std::size_t>(lane)]; }

  /// Its weight, or 1 where it isn't asked for; NaN where the largest score isn't finite or one is no number.
  [[nodiscard]] float posterior(Index lane) const {
    const auto at = static_cast<std::size_t>(lane);
    const auto weight = posteriors_ ? static_cast<float>(1.0 / normaliser_[at]) : 1.0F;
    return weight + 0.0F * maximum_[at] + unordered_[at];
  }

 private:
  using Base::contents_;
  using Base::maximum_;
  using Base::normaliser_;
  using Base::segment_patterns_;
  using Indices = hn::RebindToSigned<Floats>;

  HWY_INLINE void note(Index pattern, Vector score, Index lane, Index lanes, BestScores& best) {
    const Vector largest = hn::Load(floats, largest_.data() + lane);
    const auto better = hn::Gt(score, largest);
    hn::Store(hn::IfThenElse(better, score, largest), floats, largest_.data() + lane);
    const auto own = hn::Set(Indices(), static_cast<std::int32_t>(pattern));
    const auto before = hn::Load(Indices(), winner_.data() + lane);
    hn::Store(hn::IfThenElse(hn::RebindMask(Indices(), better), own, before), Indices(), winner_.data() + lane);
    const Vector unordered = hn::Load(floats, unordered_.data() + lane);
    hn::Store(hn::IfThenElse(hn::IsNaN(score), score, unordered), floats, unordered_.data() + lane);
    if (Base::bounds_ != nullptr) note_best(score, pattern, lane, lanes, best);
  }

  bool posteriors_;
  BestScores bounds_;
  LaneArray<float> largest_;  ///< score so far
  LaneArray<std::int32_t> winner_;
  LaneArray<float> unordered_;  ///< NaN where a score is, else 0
};

template <class Scorer>
class SoftmaxRetrieval final : public RetrievalKernel {
 public:
  SoftmaxRetrieval(const typename Scorer::Field& field, const RankingSize& size)
      : reader_(field, size), ranking_(size), best_(size) {}

  const LaneRanking& retrieve(const Tile& tile) override {
    reader_.find(tile, best_);
    for (Index lane = 0; lane < tile.lanes; ++lane) {
      const float posterior = reader_.posterior(lane);
      ranking_.set(lane, 0, reader_.winner(lane), posterior);
      rank_others(lane, best_, ranking_,
                  [&](Index /*rank*/, float score, float largest) { return posterior * std::exp(score - largest); });
    }
    return ranking_;
  }

 private:
  RankingReader<Scorer> reader_;
  LaneRanking ranking_;
  BestScores best_;  ///< where more than one is asked for
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
