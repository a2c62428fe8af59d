// Normalised separations whose weights depend on all scores at once: every lane settles its own threshold in rounds
// over the scores, each in the order of the patterns, and weighs them then.

#if defined(ATTRACTOR_CPU_SETTLE_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_SETTLE_INL
#undef ATTRACTOR_CPU_SETTLE_INL
#else
#define ATTRACTOR_CPU_SETTLE_INL
#endif

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/double_ops.hpp"
#include "core/excess.hpp"
#include "kernels/cpu/simd/vector_ops-inl.hpp"
#include "kernels/negligible.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

// Each offers: `cutoff()`, such that scores further below the largest have no weight; `start(maximum)`; then rounds of
// `begin_round()`, `count(lane, distance)` for all scores and `end_round(lanes)`, which is true if another must follow;
// then `begin_weighing()` and `weigh(lane, distance)` for all, and `weight_of(lane, rank, distance)` for single ones,
// of which the largest has rank 0. A distance is the score less the lane's largest.
//
// Those that rank also have `narrow(lanes)`, a cheaper end of a round, and `floor(lane, maximum)` from as many rounds
// of some scores: lower ones have no weight, whatever scores there are beside.
//
// Those that are `absolute` have no rounds, and a distance is the score itself; a score further below 0 than the cutoff
// has no weight.

/// Separations by an excess: the level by Newton's method.
template <class Separation>
class ExcessLanes {
 public:
  static constexpr bool absolute = false;
  static constexpr bool ranks = false;

  ExcessLanes(const Separation& separation, Index /*patterns*/) : separation_(separation) {}

  /// The level is at most 1.
  [[nodiscard]] float cutoff() const { return (1.0F + 0x1p-20F) / excess_rate(separation_); }

  void start(const LaneArray<float>& /*maximum*/) { level_.fill(1.0F); }

  void begin_round() {
    powers_ = {};
    slopes_ = {};
  }

  HWY_INLINE void count(Index lane, Vector distance) {
    const Vector y = excess(separation_, VectorOps{}, distance, hn::Load(floats, level_.data() + lane));
    const Vector slope = power_below(separation_, VectorOps{}, y);
    add_to(powers_, lane, hn::Mul(y, slope));
    add_to(slopes_, lane, slope);
  }

  bool end_round(Index lanes) {
    const auto k = static_cast<double>(excess_exponent(separation_));
    bool moved = false;
    for (Index lane = 0; lane < lanes; ++lane) {
      float& level = level_[static_cast<std::size_t>(lane)];
      const auto next = static_cast<float>(
          detail::next_level(k, static_cast<double>(level), powers_.value(lane), slopes_.value(lane)));
      moved |= next != level;
      level = next;
    }
    return moved;
  }

  void begin_weighing() { sum_ = {}; }

  HWY_INLINE Vector weigh(Index lane, Vector distance) {
    const Vector y = excess(separation_, VectorOps{}, distance, hn::Load(floats, level_.data() + lane));
    const Vector weight = excess_weight(separation_, VectorOps{}, y, power_below(separation_, VectorOps{}, y));
    add_to(sum_, lane, hn::Mul(weight, y));
    return weight;
  }

  /// Of any score.
  [[nodiscard]] double weight_of(Index lane, Index /*rank*/, float distance) const {
    const detail::DoubleOps ops;
    const auto level = static_cast<double>(level_[static_cast<std::size_t>(lane)]);
    const double y = excess(separation_, ops, static_cast<double>(distance), level);
    return excess_weight(separation_, ops, y, power_below(separation_, ops, y));
  }

  /// Ω* less the largest score.
  [[nodiscard]] double potential(Index lane, double /*normaliser*/) const {
    return excess_potential(separation_, static_cast<double>(level_[static_cast<std::size_t>(lane)]), sum_.value(lane));
  }

 private:
  Separation separation_;
  LaneArray<float> level_{};
  LaneSums powers_;  ///< Σ y^k
  LaneSums slopes_;  ///< Σ y^(k−1)
  LaneSums sum_;     ///< Σ weight·y
};

/// Weights exp(distance) of the k largest scores: the k-th of them by bisection.
class TopLanes {
 public:
  static constexpr bool absolute = false;
  static constexpr bool ranks = true;

  TopLanes(const TopSeparation& separation, Index patterns)
      : wanted_(separation.count),
        cutoff_(detail::softmax_cutoff(patterns)),
        last_key_(hn::GetLane(key(hn::Set(floats, cutoff_))) - 1) {}

  [[nodiscard]] float cutoff() const { return cutoff_; }

  void start(const LaneArray<float>& maximum) {
    bisects_ = true;
    for (std::size_t i = 0; i < most_lanes; ++i) {
      const bool idle = maximum[i] == std::numeric_limits<float>::infinity();
      least_[i] = 0;
      // The first of them needs no search.
      most_[i] = idle || wanted_ == 1 ? 0 : last_key_;
    }
    choose_middle();
  }

  void begin_round() { count_ = {}; }

  HWY_INLINE void count(Index lane, Vector distance) {
    const auto within = hn::Not(hn::Gt(key(distance), hn::Load(keys, middle_.data() + lane)));
    std::int32_t* const counts = count_.data() + lane;
    hn::Store(hn::Sub(hn::Load(keys, counts), hn::VecFromMask(keys, within)), keys, counts);
  }

  /// Rounds of bisection, and one that counts those nearer than the k-th.
  bool end_round(Index lanes) {
    if (!bisects_) {
      for (std::size_t i = 0; i < most_lanes; ++i) equal_left_[i] = wanted_ - count_[i];
      return false;
    }
    bisects_ = narrow(lanes);
    if (!bisects_)
      for (std::size_t i = 0; i < most_lanes; ++i) middle_[i] = most_[i] - 1;
    return true;
  }

  /// A round of bisection; whether there is more to narrow.
  bool narrow(Index lanes) {
    bool more = false;
    for (Index lane = 0; lane < lanes; ++lane) more |= bisect(static_cast<std::size_t>(lane));
    choose_middle();
    return more;
  }

  /// As many scores as are wanted are no further below the largest than most_ says. Rounding, also that of distances
  /// from a larger maximum yet to come, may make lower scores equal to the last of them.
  [[nodiscard]] float floor(Index lane, float maximum) const {
    const auto largest = static_cast<double>(maximum);
    const auto below = static_cast<double>(std::bit_cast<float>(most_[static_cast<std::size_t>(lane)]));
    const double rounding = 0x1p-20 * (below + static_cast<double>(cutoff_)) + 0x1p-22 * std::abs(largest);
    return static_cast<float>(largest - below - rounding);
  }

  void begin_weighing() {}

  HWY_INLINE Vector weigh(Index lane, Vector distance) {
    const auto own = key(distance);
    const auto last = hn::Load(keys, most_.data() + lane);
    const auto equal = hn::Eq(own, last);
    const auto left = hn::Load(keys, equal_left_.data() + lane);
    const auto chosen = hn::Or(hn::Lt(own, last), hn::And(equal, hn::Gt(left, hn::Zero(keys))));
    hn::Store(hn::Add(left, hn::VecFromMask(keys, equal)), keys, equal_left_.data() + lane);
    const Vector weight = hn::IfThenElseZero(hn::RebindMask(floats, chosen), hn::Exp(floats, distance));
    return hn::IfThenElse(hn::IsNaN(distance), distance, weight);
  }

  [[nodiscard]] double weight_of(Index /*lane*/, Index rank, float distance) const {
    return rank < Index{wanted_} ? std::exp(static_cast<double>(distance)) : 0.0;
  }
  [[nodiscard]] double potential(Index /*lane*/, double normaliser) const { return std::log(normaliser); }

 private:
  using Keys = hn::RebindToSigned<Floats>;
  static constexpr Keys keys{};

  /// Integers in the order of distances from the largest score; NaN comes last.
  static HWY_INLINE hn::Vec<Keys> key(Vector distance) { return hn::BitCast(keys, hn::Abs(distance)); }

  /// Narrows a lane's range; whether there is more to narrow.
  bool bisect(std::size_t i) {
    if (least_[i] == most_[i]) return false;
    if (count_[i] == wanted_)
      least_[i] = most_[i] = middle_[i];
    else if (count_[i] > wanted_)
      most_[i] = middle_[i];
    else
      least_[i] = middle_[i] + 1;
    return least_[i] != most_[i];
  }

  void choose_middle() {
    for (std::size_t i = 0; i < most_lanes; ++i) middle_[i] = least_[i] + (most_[i] - least_[i]) / 2;
  }

  std::int32_t wanted_;
  float cutoff_;
  std::int32_t last_key_;  ///< scores from here on have no weight that matters
  bool bisects_ = true;
  // The key of the k-th score is from least_ to most_.
  LaneArray<std::int32_t> least_{};
  LaneArray<std::int32_t> most_{};
  LaneArray<std::int32_t> middle_{};
  LaneArray<std::int32_t> count_{};
  LaneArray<std::int32_t> equal_left_{};  ///< to be chosen of those as near as the k-th
};

/// The same weight for all that exceed −1.
class EpanechnikovLanes {
 public:
  static constexpr bool absolute = true;
  static constexpr bool ranks = false;

  EpanechnikovLanes(const EpanechnikovSeparation& separation, Index /*patterns*/) : separation_(separation) {}

  [[nodiscard]] float cutoff() const { return 1.0F; }

  void begin_weighing() { sum_ = {}; }

  HWY_INLINE Vector weigh(Index lane, Vector score) {
    const Vector y = excess(separation_, VectorOps{}, score, hn::Set(floats, 1.0F));
    add_to(sum_, lane, y);
    return power_below(separation_, VectorOps{}, y);
  }

  [[nodiscard]] double weight_of(Index /*lane*/, Index /*rank*/, float score) const {
    const detail::DoubleOps ops;
    return power_below(separation_, ops, excess(separation_, ops, static_cast<double>(score), 1.0));
  }

  [[nodiscard]] double potential(Index lane, double /*normaliser*/) const {
    return std::log(static_cast<double>(separation_.epsilon) + sum_.value(lane));
  }

 private:
  EpanechnikovSeparation separation_;
  LaneSums sum_;  ///< Σ y
};

/// How lanes settle a separation.
template <class Separation>
struct LanesFor {
  using Type = ExcessLanes<Separation>;
};
template <>
struct LanesFor<TopSeparation> {
  using Type = TopLanes;
};
template <>
struct LanesFor<EpanechnikovSeparation> {
  using Type = EpanechnikovLanes;
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
