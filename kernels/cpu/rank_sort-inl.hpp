// Sorts the terms of a pattern and a vector of states: each lane its own list, by networks.
//
// Runs that fit registers are sorted there; Batcher's odd-even merges do the rest, several layers in one pass over the
// rows. Rows past the end count as −∞ and stay where they are, so any count will do.

#if defined(ATTRACTOR_CPU_RANK_SORT_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_RANK_SORT_INL
#undef ATTRACTOR_CPU_RANK_SORT_INL
#else
#define ATTRACTOR_CPU_RANK_SORT_INL
#endif

#include <algorithm>
#include <limits>
#include <utility>

#include <attractor/similarity.hpp>

#include "kernels/cpu/packed_matrix.hpp"
#include "kernels/cpu/vector_ops-inl.hpp"
#include "kernels/sorting_network.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// Rows that a pass holds in registers: half of the 32 of AVX-512, half of the 16 of older sets.
inline constexpr Index pass_rows = HWY_TARGET <= HWY_AVX3 ? 16 : 8;

template <auto network, std::size_t n, std::size_t... k>
HWY_INLINE void run(Vector (&rows)[n], std::index_sequence<k...> /*comparators*/) {
  const auto exchange = [](Vector& first, Vector& second) HWY_ATTR {
    const Vector smaller = hn::Min(first, second);
    first = hn::Max(first, second);
    second = smaller;
  };
  (exchange(rows[network.comparators[k].first], rows[network.comparators[k].second]), ...);
}

template <auto network, std::size_t n>
HWY_INLINE void run(Vector (&rows)[n]) {
  run<network>(rows, std::make_index_sequence<network.size>());
}

HWY_INLINE void sort_run(Vector (&rows)[8]) { run<detail::sort_8>(rows); }
HWY_INLINE void sort_run(Vector (&rows)[16]) { run<detail::sort_16>(rows); }

/// Sorts columns of vectors, descending. One object per thread.
class RankSorter {
 public:
  /// For up to `most` rows.
  explicit RankSorter(Index most) : rows_(most * vector_lanes()) {}

  /// Sorts terms(0) … terms(count − 1) and hands them to `sink` in order of their ranks, a few at a time:
  /// sink.take<n>(first rank, rows, number of rows ≤ n).
  template <class Terms, class Sink>
  HWY_INLINE void sort(Index count, const Terms& terms, Sink& sink) {
    Vector run[pass_rows];
    if (count <= pass_rows) {
      load_run(terms, 0, count, run);
      sort_run(run);
      return sink.template take<static_cast<std::size_t>(pass_rows)>(0, run, count);
    }
    for (Index first = 0; first < count; first += pass_rows) {
      load_run(terms, first, count, run);
      sort_run(run);
      store<static_cast<std::size_t>(pass_rows)>(run, first, 1, count);
    }
    for (Index list = pass_rows; list < count; list *= 2) {
      Index distance = start_merge(list, count);
      while (distance > pass_rows)
        distance = continue_merge<static_cast<std::size_t>(pass_rows)>(2 * list, distance, count);
      if (2 * list < count) {
        finish_merge(2 * list, distance, count);
      } else {
        finish_merge_into(distance, count, sink);
      }
    }
  }

 private:
  static HWY_INLINE Vector least() { return hn::Set(floats, -std::numeric_limits<float>::infinity()); }

  template <class Terms>
  static HWY_INLINE void load_run(const Terms& terms, Index first, Index count, Vector (&run)[pass_rows]) {
    if (first + pass_rows <= count) {
      HWY_UNROLL(16)
      for (Index i = 0; i < pass_rows; ++i) run[i] = terms(first + i);
    } else {
      HWY_UNROLL(16)
      for (Index i = 0; i < pass_rows; ++i) run[i] = first + i < count ? terms(first + i) : least();
    }
  }

  [[nodiscard]] HWY_INLINE float* row(Index i) { return rows_.data() + i * vector_lanes(); }

  /// n rows: first, first + step and so on; −∞ from `end` on.
  template <std::size_t n>
  HWY_INLINE void load(Vector* rows, Index first, Index step, Index end) {
    constexpr auto count = static_cast<Index>(n);
    if (first + (count - 1) * step < end) {
      HWY_UNROLL(16)
      for (Index i = 0; i < count; ++i) rows[i] = hn::Load(floats, row(first + i * step));
    } else {
      HWY_UNROLL(16)
      for (Index i = 0; i < count; ++i)
        rows[i] = first + i * step < end ? hn::Load(floats, row(first + i * step)) : least();
    }
  }

  template <std::size_t n>
  HWY_INLINE void store(const Vector* rows, Index first, Index step, Index end) {
    constexpr auto count = static_cast<Index>(n);
    if (first + (count - 1) * step < end) {
      HWY_UNROLL(16)
      for (Index i = 0; i < count; ++i) hn::Store(rows[i], floats, row(first + i * step));
    } else {
      HWY_UNROLL(16)
      for (Index i = 0; i < count; ++i)
        if (first + i * step < end) hn::Store(rows[i], floats, row(first + i * step));
    }
  }

  /// The first layers of the merges of all neighbouring lists. Returns the distance of the last of them.
  HWY_NOINLINE Index start_merge(Index list, Index count) {
    constexpr auto n = static_cast<std::size_t>(pass_rows);
    const Index step = 2 * list / pass_rows;
    for (Index block = 0; block + list < count; block += 2 * list)
      for (Index i = block; i < block + step; ++i) {
        Vector rows[n];
        load<n>(rows, i, step, count);
        run<detail::merge_start<n>>(rows);
        store<n>(rows, i, step, count);
      }
    return step;
  }

  /// log₂ n layers over the rows first, first + step, … below `end`. Calls done(row, rows) for each n of them but
  /// the very first row, which no layer touches.
  template <std::size_t n, class Done>
  HWY_INLINE void slide(Index first, Index step, Index end, const Done& done) {
    constexpr std::size_t carried = detail::merge_carry<n>;
    constexpr auto held = static_cast<Index>(n);
    constexpr auto kept = static_cast<Index>(carried);
    Vector rows[n + carried];
    load<carried>(rows, first + step, step, end);
    for (Index next = first + step; next < end; next += held * step) {
      load<n>(rows + kept, next + kept * step, step, end);
      run<detail::merge_window<n>>(rows);
      done(next, rows);
      HWY_UNROLL(16)
      for (Index i = 0; i < kept; ++i) rows[i] = rows[held + i];
    }
  }

  /// The next log₂ n layers within each block of rows; the layer before had this distance. Returns that of the last.
  template <std::size_t n>
  HWY_NOINLINE Index continue_merge(Index block_size, Index distance, Index count) {
    const Index step = distance / static_cast<Index>(n);
    for (Index block = 0; block + block_size / 2 < count; block += block_size) {
      const Index end = std::min(block + block_size, count);
      const auto put = [&](Index next, const Vector* rows) HWY_ATTR { store<n>(rows, next, step, end); };
      for (Index i = block; i < block + step; ++i) slide<n>(i, step, end, put);
    }
    return step;
  }

  void finish_merge(Index block_size, Index distance, Index count) {
    if (distance == 2) continue_merge<2>(block_size, distance, count);
    if (distance == 4) continue_merge<4>(block_size, distance, count);
    if (distance == 8) continue_merge<8>(block_size, distance, count);
    if (distance == 16) continue_merge<16>(block_size, distance, count);
  }

  template <class Sink>
  HWY_INLINE void finish_merge_into(Index distance, Index count, Sink& sink) {
    const Vector first = hn::Load(floats, row(0));
    sink.template take<1>(0, &first, 1);
    if (distance == 2) return hand_over<2>(count, sink);
    if (distance == 4) return hand_over<4>(count, sink);
    if (distance == 8) return hand_over<8>(count, sink);
    hand_over<16>(count, sink);
  }

  /// The last log₂ n layers of the last merge.
  template <std::size_t n, class Sink>
  HWY_INLINE void hand_over(Index count, Sink& sink) {
    const auto give = [&](Index next, const Vector* rows) HWY_ATTR {
      sink.template take<n>(next, rows, std::min(static_cast<Index>(n), count - next));
    };
    slide<n>(0, 1, count, give);
  }

  AlignedFloats rows_;
};

/// The term of entries a and x.
template <FootprintBase base>
HWY_INLINE Vector term(Vector a, Vector x) {
  if constexpr (base == FootprintBase::dot) return hn::Mul(a, x);
  const Vector difference = hn::Sub(a, x);
  return hn::NegMulAdd(difference, difference, hn::Zero(floats));
}

/// The entries of a pattern and of a vector of states, and the base that compares them.
template <FootprintBase base>
struct Terms {
  const float* pattern;  ///< entry i at panel_rows · i
  const float* states;   ///< entry i of all lanes at width · i
  Index width;
  const Index* order;  ///< the entry that is taken i-th

  HWY_INLINE Vector operator()(Index i) const {
    const Index entry = order[i];
    return term<base>(hn::Set(floats, pattern[panel_rows * entry]), hn::Load(floats, states + width * entry));
  }
};

/// Adds up weighted terms. Partial sums of a window keep chains, and so their rounding errors, short.
class WeightedSum {
 public:
  HWY_INLINE explicit WeightedSum(const float* weights) : weights_(weights), sum_(hn::Zero(floats)) {}

  template <std::size_t n>
  HWY_INLINE void take(Index first, const Vector* rows, Index count) {
    const float* const weights = weights_ + first;
    Vector part = hn::Mul(hn::Set(floats, weights[0]), rows[0]);
    constexpr auto most = static_cast<Index>(n);
    if (count == most) {
      HWY_UNROLL(16)
      for (Index i = 1; i < most; ++i) part = hn::MulAdd(hn::Set(floats, weights[i]), rows[i], part);
    } else {
      HWY_UNROLL(16)
      for (Index i = 1; i < most; ++i)
        if (i < count) part = hn::MulAdd(hn::Set(floats, weights[i]), rows[i], part);
    }
    sum_ = hn::Add(sum_, part);
  }

  [[nodiscard]] HWY_INLINE Vector value() const { return sum_; }

 private:
  const float* weights_;
  Vector sum_;
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
