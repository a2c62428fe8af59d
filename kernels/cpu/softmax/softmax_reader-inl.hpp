// Softmax: p = exp(s − max)/Σ, online over segments of patterns.
//
// A weight below e^−cutoff of the largest is zero, with the cutoff such that all weights dropped together stay below
// half a float ulp of the sum, however many patterns have them. Few do: the readout drops further ones by what they add
// up to.

#if defined(ATTRACTOR_CPU_SOFTMAX_READER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_SOFTMAX_READER_INL
#undef ATTRACTOR_CPU_SOFTMAX_READER_INL
#else
#define ATTRACTOR_CPU_SOFTMAX_READER_INL
#endif

#include <algorithm>
#include <cmath>

#include "kernels/cpu/softmax/candidate_reader-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

template <class Scorer>
class SoftmaxReader : public CandidateReader<Scorer> {
  using Base = CandidateReader<Scorer>;

 public:
  SoftmaxReader(const typename Scorer::Field& field, const PackedMatrix& contents, Index width)
      : Base(field, contents, width, detail::softmax_cutoff(contents.rows()), PatternBlocks(contents)) {}

  /// Scores and weighs all patterns; the readout of the last segment is left for later.
  void evaluate(const Tile& tile) {
    start(tile);
    const Index pattern_count = contents_.rows();
    for (Index segment = 0; segment < pattern_count; segment += segment_patterns_) {
      if (segment > 0) this->read_out_candidates();
      this->score_patterns(tile, segment, std::min(segment + segment_patterns_, pattern_count));
      weigh();
    }
  }

  /// log Σ exp(s) of an evaluated lane.
  [[nodiscard]] double potential(Index lane) const {
    return static_cast<double>(maximum_[static_cast<std::size_t>(lane)]) +
           std::log(normaliser_[static_cast<std::size_t>(lane)]);
  }

 protected:
  using Base::contents_;
  using Base::maximum_;
  using Base::normaliser_;
  using Base::segment_patterns_;

  void start(const Tile& tile) {
    Base::start(tile);
    weighed_maximum_ = maximum_;
  }

  /// Turns the candidates' scores into weights exp(s − maximum), and sums them.
  void weigh() {
    this->for_each_block([&](Index lane, Candidates& candidates) HWY_ATTR {
      for (int v = 0; v < block_vectors; ++v) rescale(lane + v * vector_lanes());
      weigh(lane, candidates);
    });
  }

 private:
  using Base::readout_;

  HWY_INLINE void weigh(Index lane, Candidates& candidates) {
    Vector maximum[block_vectors];
    Vector least[block_vectors];
    Tail tail;
    this->load_least(lane, least);
    for (int v = 0; v < block_vectors; ++v) maximum[v] = hn::Load(floats, maximum_.data() + lane + v * vector_lanes());
    candidates.filter([&](Index /*pattern*/, Vector(&values)[block_vectors]) HWY_ATTR {
      const auto kept = any_matters(values, least);
      for (int v = 0; v < block_vectors; ++v) {
        values[v] = hn::IfThenElseZero(may_matter(values[v], least[v]), softmax_weight(values[v], maximum[v]));
        tail.add(v, values[v]);
      }
      return !hn::AllFalse(floats, kept);
    });
    this->add_weights(lane, candidates);
    Vector negligible[block_vectors];
    for (int v = 0; v < block_vectors; ++v) negligible[v] = tail.threshold(v);
    drop(negligible, candidates);
  }

  /// Sums of a lane's weights below two thresholds. The sum of all weights is at least 1, that of the largest; so what
  /// adds up to less than `most` is below a quarter of a float ulp of it.
  class Tail {
   public:
    HWY_INLINE Tail() {
      for (int v = 0; v < block_vectors; ++v) below_higher_[v] = below_lower_[v] = hn::Zero(floats);
    }

    HWY_INLINE void add(int v, Vector weight) {
      const auto below = [=](float threshold) HWY_ATTR {
        return hn::IfThenElseZero(hn::Lt(weight, hn::Set(floats, threshold)), weight);
      };
      below_higher_[v] = hn::Add(below_higher_[v], below(higher));
      below_lower_[v] = hn::Add(below_lower_[v], below(lower));
    }

    /// The higher one below which weights may be dropped; 0: neither.
    [[nodiscard]] HWY_INLINE Vector threshold(int v) const {
      const auto may_drop = [](Vector sum) HWY_ATTR { return hn::Le(sum, hn::Set(floats, most)); };
      const Vector lower_or_none = hn::IfThenElseZero(may_drop(below_lower_[v]), hn::Set(floats, lower));
      return hn::IfThenElse(may_drop(below_higher_[v]), hn::Set(floats, higher), lower_or_none);
    }

   private:
    static constexpr float most = 0x1p-26F;
    static constexpr float higher = 0x1p-29F;
    static constexpr float lower = 0x1p-32F;

    Vector below_higher_[block_vectors];
    Vector below_lower_[block_vectors];
  };

  /// Drops weights below the thresholds.
  static HWY_INLINE void drop(const Vector (&least)[block_vectors], Candidates& candidates) {
    candidates.filter([&](Index /*pattern*/, Vector(&weights)[block_vectors]) HWY_ATTR {
      Vector any = hn::Zero(floats);
      for (int v = 0; v < block_vectors; ++v) {
        weights[v] = hn::IfThenZeroElse(hn::Lt(weights[v], least[v]), weights[v]);
        any = hn::Or(any, weights[v]);
      }
      return !hn::AllTrue(floats, hn::Eq(any, hn::Zero(floats)));  // NaN is a weight, too.
    });
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

  LaneArray<float> weighed_maximum_;  ///< maximum at the last weighing
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
