#pragma once

/// How a block settles the weights of one row's scores, by separation.

#include "core/excess.hpp"
#include "kernels/cuda/device/block_reduce.cuh"
#include "kernels/cuda/device/math.cuh"

namespace attractor::cuda {

inline constexpr int settle_threads = 128;

/// The sum over all threads, on every thread.
template <class T>
__device__ T add_up(T own) {
  return reduce_block<settle_threads>(own, [](T a, T b) { return a + b; });
}

/// The scores of a block's row, by what they lie below the largest, or, if `absolute`, as they are.
class Row {
 public:
  /// Calls see(i, score) for this thread's share of the patterns.
  template <class See>
  __device__ Row(const float* scores, int patterns, bool absolute, const See& see)
      : scores_(scores), patterns_(patterns) {
    float largest = -INFINITY;
    for_each([&](int i) {
      const float score = scores_[i];
      largest = fmaxf(largest, score);
      see(i, score);
    });
    largest = reduce_block<settle_threads>(largest, [](float a, float b) { return fmaxf(a, b); });
    origin_ = absolute && isfinite(largest) ? 0.0F : largest;
  }

  /// What distances are measured from.
  [[nodiscard]] __device__ float origin() const { return origin_; }
  /// NaN where the score is, or the largest isn't finite: then some weight is, too.
  [[nodiscard]] __device__ float distance(int i) const { return scores_[i] - origin_; }
  [[nodiscard]] __device__ float score(int i) const { return scores_[i]; }
  [[nodiscard]] __device__ int patterns() const { return patterns_; }

  /// Calls visit(i) for this thread's share of the patterns.
  template <class Visit>
  __device__ void for_each(const Visit& visit) const {
    for (int i = static_cast<int>(threadIdx.x); i < patterns_; i += settle_threads) visit(i);
  }

  /// Σ value(i) over all patterns, on every thread.
  template <class T, class Value>
  [[nodiscard]] __device__ T sum(const Value& value) const {
    T own{};
    for_each([&](int i) { own += value(i); });
    return add_up(own);
  }

 private:
  const float* scores_;
  int patterns_;
  float origin_;
};

/// Separations by an excess: the level by Newton's method, see core/excess.hpp.
template <class Separation>
class ExcessRow {
 public:
  static constexpr bool absolute = false;

  __device__ ExcessRow(const Separation& separation, const Row& row) : separation_(separation) {
    const auto k = static_cast<double>(excess_exponent(separation_));
    for (;;) {
      double powers = 0.0;
      double slopes = 0.0;
      row.for_each([&](int i) {
        const float y = at(row, i);
        const float slope = power_below(separation_, FloatOps{}, y);
        powers += static_cast<double>(y * slope);
        slopes += static_cast<double>(slope);
      });
      powers = add_up(powers);
      slopes = add_up(slopes);
      const auto next = static_cast<float>(detail::next_level(k, static_cast<double>(level_), powers, slopes));
      if (next == level_) return;
      level_ = next;
    }
  }

  [[nodiscard]] __device__ float weight(const Row& row, int i) const {
    const float y = at(row, i);
    return excess_weight(separation_, FloatOps{}, y, power_below(separation_, FloatOps{}, y));
  }

  /// Before the scores have become weights.
  [[nodiscard]] __device__ double potential(const Row& row, double /*total*/) const {
    const double sum =
        row.sum<double>([&](int i) { return static_cast<double>(weight(row, i)) * static_cast<double>(at(row, i)); });
    return excess_potential(separation_, static_cast<double>(level_), sum);
  }

 private:
  [[nodiscard]] __device__ float at(const Row& row, int i) const {
    return excess(separation_, FloatOps{}, row.distance(i), level_);
  }

  Separation separation_;
  float level_ = 1.0F;
};

/// Weights exp(distance) of the k nearest to the largest score. The distance of the k-th is found by bisection, and
/// among equal ones the last that is chosen.
class TopRow {
 public:
  static constexpr bool absolute = false;

  __device__ TopRow(const TopSeparation& separation, const Row& row) {
    const int wanted = separation.count;
    last_ = bisect(wanted == 1 ? 0 : infinite_key, wanted,
                   [&](int key) { return row.sum<int>([&](int i) { return own_key(row, i) <= key ? 1 : 0; }); });
    const int nearer = row.sum<int>([&](int i) { return own_key(row, i) < last_ ? 1 : 0; });
    last_pattern_ = bisect(row.patterns(), wanted - nearer, [&](int pattern) {
      return row.sum<int>([&](int i) { return own_key(row, i) == last_ && i <= pattern ? 1 : 0; });
    });
  }

  [[nodiscard]] __device__ float weight(const Row& row, int i) const {
    const float distance = row.distance(i);
    const int key = own_key(row, i);
    const bool chosen = key < last_ || (key == last_ && i <= last_pattern_);
    return chosen || isnan(distance) ? expf(distance) : 0.0F;
  }

  [[nodiscard]] __device__ double potential(const Row& /*row*/, double total) const { return log(total); }

 private:
  static constexpr int infinite_key = 0x7f800000;

  /// Integers in the order of distances from the largest score; NaN comes last.
  static __device__ int own_key(const Row& row, int i) { return __float_as_int(fabsf(row.distance(i))); }

  /// A value up to which exactly `wanted` are counted, the least with more, or `most` where there are fewer.
  template <class Count>
  static __device__ int bisect(int most, int wanted, const Count& count) {
    int least = 0;
    while (least < most) {
      const int middle = least + (most - least) / 2;
      const int counted = count(middle);
      if (counted == wanted) return middle;
      if (counted > wanted)
        most = middle;
      else
        least = middle + 1;
    }
    return most;
  }

  int last_ = 0;
  int last_pattern_ = 0;
};

/// The same weight for all scores that exceed −1.
class EpanechnikovRow {
 public:
  static constexpr bool absolute = true;

  __device__ EpanechnikovRow(const EpanechnikovSeparation& separation, const Row& /*row*/) : separation_(separation) {}

  [[nodiscard]] __device__ float weight(const Row& row, int i) const {
    return power_below(separation_, FloatOps{}, at(row, i));
  }

  /// Before the scores have become weights.
  [[nodiscard]] __device__ double potential(const Row& row, double /*total*/) const {
    const double sum = row.sum<double>([&](int i) { return static_cast<double>(at(row, i)); });
    return log(static_cast<double>(separation_.epsilon) + sum);
  }

 private:
  [[nodiscard]] __device__ float at(const Row& row, int i) const {
    return excess(separation_, FloatOps{}, row.distance(i), 1.0F);
  }

  EpanechnikovSeparation separation_;
};

/// Weights exp(distance): softmax, where all scores are there anyway.
class SoftmaxRow {
 public:
  static constexpr bool absolute = false;

  __device__ SoftmaxRow(const SoftmaxSeparation& /*separation*/, const Row& /*row*/) {}
  [[nodiscard]] __device__ float weight(const Row& row, int i) const { return expf(row.distance(i)); }
  [[nodiscard]] __device__ double potential(const Row& /*row*/, double total) const { return log(total); }
};

/// How a block settles a separation.
template <class Separation>
struct RowFor {
  using Type = ExcessRow<Separation>;
};
template <>
struct RowFor<SoftmaxSeparation> {
  using Type = SoftmaxRow;
};
template <>
struct RowFor<TopSeparation> {
  using Type = TopRow;
};
template <>
struct RowFor<EpanechnikovSeparation> {
  using Type = EpanechnikovRow;
};
template <class Separation>
using RowOf = typename RowFor<Separation>::Type;

}  // namespace attractor::cuda
