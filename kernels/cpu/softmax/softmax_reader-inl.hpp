// Softmax: p = exp(s − max)/Σ, online over segments of patterns.
//
// A weight below e^−cutoff of the largest is zero, with the cutoff such that all weights dropped together stay below
// half a float ulp of the sum.

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
      : Base(field, contents, width, detail::softmax_cutoff(contents.rows())) {}

  /// Scores and weighs all patterns; the readout of the last segment is left for later.
  void evaluate(const Tile& tile) {
    this->start(tile);
    weighed_maximum_ = maximum_;
    scorer_.take(tile);
    const Index pattern_count = contents_.rows();
    for (Index segment = 0; segment < pattern_count; segment += segment_patterns_) {
      if (segment > 0) this->read_out_segment();
      this->score_patterns(tile, segment, std::min(segment + segment_patterns_, pattern_count));
      weigh(tile);
    }
  }

  /// log Σ exp(s) of an evaluated lane.
  [[nodiscard]] double potential(Index lane) const {
    return static_cast<double>(maximum_[static_cast<std::size_t>(lane)]) + std::log(normaliser_.value(lane));
  }

 private:
  using Base::candidates_;
  using Base::contents_;
  using Base::has_partial_;
  using Base::maximum_;
  using Base::normaliser_;
  using Base::partial_;
  using Base::partial_rest_;
  using Base::scorer_;
  using Base::segment_patterns_;
  using Base::width_;
  using typename Base::Candidate;

  /// Turns the candidates' scores into weights exp(s − maximum), and sums them.
  void weigh(const Tile& tile) {
    for (Index lane = 0; lane < tile.lanes; lane += vector_lanes()) rescale(lane);
    std::size_t kept = 0;
    for (const Candidate& candidate : candidates_)
      if (weigh_row(tile, this->scores(candidate.row))) candidates_[kept++] = candidate;
    candidates_.resize(kept);
  }

  /// Brings the sums of the earlier segments to the maximum of all of them.
  HWY_INLINE void rescale(Index lane) {
    const Vector maximum = hn::Load(floats, maximum_.data() + lane);
    const Vector before = hn::Load(floats, weighed_maximum_.data() + lane);
    const Vector factor = softmax_weight(before, maximum);  // While both are −∞ nothing has been summed.
    hn::Store(maximum, floats, weighed_maximum_.data() + lane);
    scale(normaliser_.high.data() + lane, factor);
    scale(normaliser_.low.data() + lane, factor);
    if (!has_partial_) return;
    for (Index row = 0; row < contents_.padded_columns(); ++row) {
      scale(partial_.data() + row * width_ + lane, factor);
      scale(partial_rest_.data() + row * width_ + lane, factor);
    }
  }

  static HWY_INLINE void scale(float* values, Vector factor) {
    hn::Store(hn::Mul(hn::Load(floats, values), factor), floats, values);
  }

  HWY_INLINE bool weigh_row(const Tile& tile, float* row) {
    bool any = false;
    for (Index lane = 0; lane < tile.lanes; lane += vector_lanes()) {
      const Vector score = hn::Load(floats, row + lane);
      const auto matters = this->may_matter(score, lane);
      if (hn::AllFalse(floats, matters)) {
        hn::Store(hn::Zero(floats), floats, row + lane);
        continue;
      }
      const Vector weight =
          hn::IfThenElseZero(matters, softmax_weight(score, hn::Load(floats, maximum_.data() + lane)));
      hn::Store(weight, floats, row + lane);
      add_to(normaliser_, lane, weight);
      any = true;
    }
    return any;
  }

  LaneArray<float> weighed_maximum_;  ///< maximum at the last weighing
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
