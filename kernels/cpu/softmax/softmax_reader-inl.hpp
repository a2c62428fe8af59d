// Softmax: p = exp(s − max)/Σ, online over segments of patterns.
//
// A weight of e^−cutoff of the largest, or less, is zero, with the cutoff such that all weights dropped together stay
// below half a float ulp of the sum, however many patterns have them. Few do: the readout drops further ones by what
// they add up to.

#if defined(ATTRACTOR_CPU_SOFTMAX_READER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_SOFTMAX_READER_INL
#undef ATTRACTOR_CPU_SOFTMAX_READER_INL
#else
#define ATTRACTOR_CPU_SOFTMAX_READER_INL
#endif

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "kernels/cpu/softmax/candidate_reader-inl.hpp"
#include "kernels/cpu/softmax/lane_reader-inl.hpp"
#include "kernels/negligible.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

template <class Scorer>
class SoftmaxReader : public CandidateReader<Scorer, SoftmaxUse> {
  using Base = CandidateReader<Scorer, SoftmaxUse>;

 public:
  /// `best`: the scores that are watched are to be those of so many best patterns, too.
  SoftmaxReader(const typename Scorer::Field& field, const PackedMatrix& contents, const KernelSize& size,
                const RankingSize* best = nullptr)
      : SoftmaxReader(field, contents, size, detail::softmax_cutoff(contents.rows()), best) {}

  /// Scores and weighs all patterns; the readout of the last ones is left for later. watch(pattern, lane, scores) is
  /// called for all that may have weight and a vector of lanes, in the order of the patterns.
  template <class Watch>
  void evaluate(const Tile& tile, const Watch& watch) {
    if constexpr (may_read_lanes) {
      by_lanes_ = lane_reader_ && lane_reader_->takes(tile);
      if (by_lanes_) {
        normaliser_.fill(0.0);
        return lane_reader_->evaluate(tile, maximum_, normaliser_);
      }
    }
    this->start(tile);
    weighed_maximum_ = maximum_;
    this->score_segments(tile, [&]() HWY_ATTR {
      for (Index lane = 0; lane < tile.lanes; lane += vector_lanes()) rescale(lane);
      this->for_each_list([&](Index lane, Candidates& candidates) HWY_ATTR { weigh(lane, candidates, watch); },
                          [&](Index lane, LaneCandidates& candidates) HWY_ATTR { weigh(lane, candidates); });
    });
  }

  /// Call once before `readout`.
  void prepare_readout(const Tile& tile) {
    if constexpr (may_read_lanes)
      if (by_lanes_) {
        lane_reader_->finish(tile.lanes);
        return this->invert_normalisers();
      }
    Base::prepare_readout(tile);
  }

  /// u for block_rows neurons and one block of lanes.
  HWY_INLINE void readout(Index row, Index lane, Block& block) const {
    if constexpr (may_read_lanes)
      if (by_lanes_) {
        lane_reader_->load(row, lane, block);
        return this->normalise(lane, block);
      }
    Base::readout(row, lane, block);
  }

  /// log Σ exp(s) of an evaluated lane.
  [[nodiscard]] double potential(Index lane) const {
    return static_cast<double>(maximum_[static_cast<std::size_t>(lane)]) +
           std::log(normaliser_[static_cast<std::size_t>(lane)]);
  }

  /// The weight of a pattern that has this score; NaN where scores aren't numbers.
  [[nodiscard]] double posterior(Index lane, Index /*rank*/, float score) const {
    const auto at = static_cast<std::size_t>(lane);
    return std::exp(static_cast<double>(score - maximum_[at])) / normaliser_[at];
  }

 private:
  using Lanes = typename LaneReaderOf<Scorer>::Type;
  static constexpr bool may_read_lanes = LaneReaderOf<Scorer>::exists;

  /// What weights come to none from, read out in units.
  static constexpr float half_unit = 0.5F * weight_unit;

  using Base::maximum_;
  using Base::normaliser_;
  using Base::readout_;

  SoftmaxReader(const typename Scorer::Field& field, const PackedMatrix& contents, const KernelSize& size, float cutoff,
                const RankingSize* best)
      : Base(field, contents, size, best == nullptr || best->posteriors ? cutoff : 0.0F, best),
        cutoff_(cutoff),
        negligible_(0x1p-26F / static_cast<float>(this->block_count())) {
    // Nobody watches where something is read out.
    if constexpr (may_read_lanes)
      if (best == nullptr && size.shares == 1 && this->sums_are_integers() && this->has_one_segment() &&
          Lanes::suits(field, this->pattern_block()))
        lane_reader_.emplace(field, cutoff, this->pattern_block());
  }

  /// Brings the sums of the earlier segments to the maximum of all of them.
  HWY_INLINE void rescale(Index lane) {
    const Vector maximum = hn::Load(floats, maximum_.data() + lane);
    const Vector before = hn::Load(floats, weighed_maximum_.data() + lane);
    const Vector factor = softmax_weight(before, maximum);  // While both are −∞ nothing has been summed.
    hn::Store(maximum, floats, weighed_maximum_.data() + lane);
    alignas(64) float factors[hn::MaxLanes(Floats())];
    hn::Store(factor, floats, factors);
    for (Index i = 0; i < vector_lanes(); ++i)
      normaliser_[static_cast<std::size_t>(lane + i)] *= static_cast<double>(factors[i]);
    readout_.scale(lane, factor);
  }

  /// Turns the candidates' scores into weights exp(s − maximum), and sums them: one block of patterns after another, so
  /// that a block's negligible weights are the same whatever is weighed at a time.
  template <class Watch>
  HWY_INLINE void weigh(Index lane, Candidates& candidates, const Watch& watch) {
    weigh_blocks(candidates, [&](Index first, Index end, Index kept) HWY_ATTR {
      if (this->sums_are_integers()) return weigh_in_units(lane, candidates, first, end, kept, watch);
      return weigh(lane, candidates, first, end, kept, watch);
    });
  }

  /// The same of a single lane. Nobody watches.
  HWY_INLINE void weigh(Index lane, LaneCandidates& candidates) {
    weigh_blocks(candidates, [&](Index first, Index end, Index kept)
                                 HWY_ATTR { return weigh(lane, candidates, first, end, kept); });
  }

  template <class List, class Weigh>
  HWY_INLINE void weigh_blocks(List& candidates, const Weigh& weigh_block) {
    const Index block = this->pattern_block();
    Index kept = 0;
    for (Index first = 0; first < candidates.count();) {
      const Index end = candidates.first_from(first, (candidates.pattern(first) / block + 1) * block);
      kept = weigh_block(first, end, kept);
      first = end;
    }
    candidates.resize(kept);
  }

  /// The candidates [first, end) of one block of patterns; those that stay move to `to` and on. Returns their end.
  template <class Watch>
  HWY_INLINE Index weigh(Index lane, Candidates& candidates, Index first, Index end, Index to, const Watch& watch) {
    Vector origin[block_vectors];
    for (int v = 0; v < block_vectors; ++v)
      origin[v] = finite(hn::Load(floats, maximum_.data() + lane + v * vector_lanes()));
    const Vector least = hn::Set(floats, -cutoff_);
    Tail<Floats, block_vectors> tail(negligible_);
    const Index weighed =
        candidates.move_kept(first, end, to, [&](Index pattern, Vector(&values)[block_vectors]) HWY_ATTR {
          auto none = hn::Eq(least, least);
          for (int v = 0; v < block_vectors; ++v) {
            watch(pattern, lane + v * vector_lanes(), values[v]);
            const Vector distance = hn::Sub(values[v], origin[v]);
            const auto dropped = hn::Le(distance, least);  // NaN counts.
            values[v] = hn::IfThenZeroElse(dropped, exp_near_zero(distance));
            none = hn::And(none, dropped);
            tail.add(v, values[v]);
          }
          return !hn::AllTrue(floats, none);
        });
    this->add_weights(lane, candidates, to, weighed);
    return candidates.move_kept(to, weighed, to, [&](Index /*pattern*/, Vector(&weights)[block_vectors]) HWY_ATTR {
      Vector any = hn::Zero(floats);
      for (int v = 0; v < block_vectors; ++v) {
        weights[v] = hn::IfThenZeroElse(hn::Lt(weights[v], tail.threshold(v)), weights[v]);
        any = hn::Or(any, weights[v]);
      }
      return !hn::AllTrue(floats, hn::Eq(any, hn::Zero(floats)));  // NaN is a weight, too.
    });
  }

  /// The same where weights are read out in units: at once those go that come to none, which are more than those whose
  /// sum is negligible. All are summed.
  template <class Watch>
  HWY_INLINE Index weigh_in_units(Index lane, Candidates& candidates, Index first, Index end, Index to,
                                  const Watch& watch) {
    Vector origin[block_vectors];
    for (int v = 0; v < block_vectors; ++v)
      origin[v] = finite(hn::Load(floats, maximum_.data() + lane + v * vector_lanes()));
    const Vector least = hn::Set(floats, -cutoff_);
    typename Base::template WeightSums<true> sums(*this, lane);
    const Index kept =
        candidates.move_kept(first, end, to, [&](Index pattern, Vector(&values)[block_vectors]) HWY_ATTR {
          auto any = hn::Gt(least, least);
          for (int v = 0; v < block_vectors; ++v) {
            watch(pattern, lane + v * vector_lanes(), values[v]);
            const Vector distance = hn::Sub(values[v], origin[v]);
            values[v] = hn::IfThenZeroElse(hn::Le(distance, least), exp_near_zero(distance));  // NaN counts.
            any = hn::Or(any, hn::Not(hn::Le(values[v], hn::Set(floats, half_unit))));
          }
          sums.add(values);
          return !hn::AllFalse(floats, any);
        });
    sums.store(*this, lane);
    return kept;
  }

  /// The same of a single lane, of whose patterns a vector is weighed at a time.
  HWY_INLINE Index weigh(Index lane, LaneCandidates& candidates, Index first, Index end, Index to) {
    float* const values = candidates.values();
    const Vector origin = finite(hn::Set(floats, maximum_[static_cast<std::size_t>(lane)]));
    const Vector least = hn::Set(floats, -cutoff_);
    for (Index i = first; i < end; i += vector_lanes()) {
      const Vector distance = hn::Sub(hn::LoadU(floats, values + i), origin);
      const Vector weights = hn::IfThenZeroElse(hn::Le(distance, least), exp_near_zero(distance));  // NaN counts.
      // The scores of the next block stay.
      hn::BlendedStore(weights, hn::FirstN(floats, static_cast<std::size_t>(end - i)), floats, values + i);
    }
    add_singly(lane, values + first, end - first);
    if (this->sums_are_integers())
      return candidates.move_kept(first, end, to, [](float weight) { return !(weight <= half_unit); });
    constexpr hn::CappedTag<float, 1> one;
    Tail<decltype(one), 1> tail(negligible_);
    for (Index i = first; i < end; ++i) tail.add(0, hn::Set(one, values[i]));
    const float threshold = hn::GetLane(tail.threshold(0));
    return candidates.move_kept(first, end, to, [&](float weight) { return !(weight < threshold || weight == 0.0F); });
  }

  /// Adds so many weights of a single lane to its sum.
  void add_singly(Index lane, const float* weights, Index count) {
    double& sum = normaliser_[static_cast<std::size_t>(lane)];
    if (this->sums_are_integers()) {
      double exact = 0.0;
      for (Index i = 0; i < count; ++i) exact += static_cast<double>(weights[i]) + total_origin - total_origin;
      sum += exact;
    } else {
      for (Index i = 0; i < count; ++i) sum += static_cast<double>(weights[i]);
    }
  }

  /// What scores are measured from: 0 while the largest is −∞, for none of those may count.
  static HWY_INLINE Vector finite(Vector maximum) {
    return hn::IfThenZeroElse(hn::Eq(maximum, hn::Set(floats, -std::numeric_limits<float>::infinity())), maximum);
  }

  /// Sums of a lane's weights below two thresholds. The sum of all weights is at least 1, that of the largest; so what
  /// adds up to no more than is negligible in each block comes to a quarter of a float ulp of it.
  template <class Tag, std::size_t vectors>
  class Tail {
    using Vector = hn::Vec<Tag>;

   public:
    HWY_INLINE explicit Tail(float negligible)
        : most_(hn::Set(Tag(), negligible)),
          higher_(hn::Set(Tag(), 0x1p-3F * negligible)),
          lower_(hn::Set(Tag(), 0x1p-6F * negligible)) {
      for (std::size_t v = 0; v < vectors; ++v) below_higher_[v] = below_lower_[v] = hn::Zero(Tag());
    }

    HWY_INLINE void add(int v, Vector weight) {
      below_higher_[v] = hn::Add(below_higher_[v], hn::IfThenElseZero(hn::Lt(weight, higher_), weight));
      below_lower_[v] = hn::Add(below_lower_[v], hn::IfThenElseZero(hn::Lt(weight, lower_), weight));
    }

    /// The higher one below which weights may be dropped; 0: neither.
    [[nodiscard]] HWY_INLINE Vector threshold(int v) const {
      const Vector lower_or_none = hn::IfThenElseZero(hn::Le(below_lower_[v], most_), lower_);
      return hn::IfThenElse(hn::Le(below_higher_[v], most_), higher_, lower_or_none);
    }

   private:
    Vector most_;
    Vector higher_;
    Vector lower_;
    Vector below_higher_[vectors];
    Vector below_lower_[vectors];
  };

  std::optional<Lanes> lane_reader_;  ///< where it may take a tile
  bool by_lanes_ = false;             ///< it has taken this one
  LaneArray<float> weighed_maximum_;  ///< maximum at the last weighing
  float cutoff_;
  float negligible_;  ///< sum of weights in a block of patterns
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
