// Hard retrieval by a reader: of the patterns that it keeps those with the largest scores, with the weights that it
// gives them.

#if defined(ATTRACTOR_CPU_RETRIEVAL_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_RETRIEVAL_INL
#undef ATTRACTOR_CPU_RETRIEVAL_INL
#else
#define ATTRACTOR_CPU_RETRIEVAL_INL
#endif

#include <cstdint>
#include <limits>

#include "kernels/cpu/engine/retrieval_kernel.hpp"
#include "kernels/cpu/softmax/best_patterns-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// `Reader` is a CandidateReader that weighs.
template <class Reader>
class Retrieval final : public RetrievalKernel {
 public:
  template <class... Separation>
  explicit Retrieval(const typename Reader::Field& field, const RankingSize& size, const Separation&... separation)
      : reader_(field, field.patterns, {.width = most_lanes, .shares = size.shares}, separation..., &size),
        ranking_(size),
        best_(size) {}

  const LaneRanking& retrieve(const Tile& tile) override {
    best_.start(tile.lanes);
    largest_.fill(-std::numeric_limits<float>::infinity());
    winner_.fill(-1);
    reader_.evaluate(tile, [&](Index pattern, Index lane, Vector scores) HWY_ATTR { note(pattern, lane, scores); });
    for (Index lane = 0; lane < tile.lanes; ++lane) {
      const auto at = static_cast<std::size_t>(lane);
      ranking_.set(lane, 0, winner_[at], static_cast<float>(reader_.posterior(lane, 0, largest_[at])));
      rank_others(lane, best_, ranking_,
                  [&](Index rank, float score) { return static_cast<float>(reader_.posterior(lane, rank, score)); });
    }
    return ranking_;
  }

 private:
  using Indices = hn::RebindToSigned<Floats>;

  HWY_INLINE void note(Index pattern, Index lane, Vector scores) {
    const Vector largest = hn::Load(floats, largest_.data() + lane);
    const auto better = hn::Gt(scores, largest);
    hn::Store(hn::IfThenElse(better, scores, largest), floats, largest_.data() + lane);
    const auto own = hn::Set(Indices(), static_cast<std::int32_t>(pattern));
    const auto before = hn::Load(Indices(), winner_.data() + lane);
    hn::Store(hn::IfThenElse(hn::RebindMask(Indices(), better), own, before), Indices(), winner_.data() + lane);
    if (ranking_.count > 1) note_best(scores, pattern, lane, best_);
  }

  Reader reader_;
  LaneRanking ranking_;
  BestScores best_;                 ///< where more than one is asked for
  LaneArray<float> largest_;        ///< score so far
  LaneArray<std::int32_t> winner_;  ///< the first pattern that has it
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
