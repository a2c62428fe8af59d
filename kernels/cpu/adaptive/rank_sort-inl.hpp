// Sorts the losses of a pattern and a vector of states, ascending: each lane its own list, by networks. Losses are the
// negatives of terms, (ξ − x)² and −ξx; their ascending order is the terms' descending one.
//
// Runs that fit registers are sorted there; Batcher's odd-even merges do the rest, several layers in one pass over the
// rows. Rows past the end count as larger than all others and stay where they are, so any count will do.

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

#include "kernels/cpu/engine/packed_matrix.hpp"
#include "kernels/cpu/simd/vector_ops-inl.hpp"
#include "kernels/sorting_network.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// Rows that a pass over them holds in registers: half of the 32 of AVX-512, half of the 16 of older sets.
inline constexpr Index pass_rows = HWY_TARGET <= HWY_AVX3 ? 16 : 8;

/// Rows of a sorted run: as many as there are registers. The few that the compiler moves out cost less than a pass.
inline constexpr Index run_rows = 2 * pass_rows;

/// Sorts pass_rows rows.
inline constexpr auto pass_network = [] {
  if constexpr (pass_rows == 16)
    return detail::sort_16;
  else
    return detail::sort_8;
}();

/// Compares losses of type T as they are.
template <class T>
struct PlainOrder {
  using Tag = hn::Repartition<T, Floats>;
  using Key = hn::Vec<Tag>;
  using Loss = Key;
  static HWY_INLINE Key smaller(Key a, Key b) { return hn::Min(a, b); }
  static HWY_INLINE Key larger(Key a, Key b) { return hn::Max(a, b); }
  static HWY_INLINE Key largest() {
    using Limits = std::numeric_limits<T>;
    return hn::Set(Tag(), Limits::has_infinity ? Limits::infinity() : Limits::max());
  }
  static HWY_INLINE Key load(const float* from) { return hn::BitCast(Tag(), hn::Load(floats, from)); }
  static HWY_INLINE void store(Key key, float* to) { hn::Store(hn::BitCast(floats, key), floats, to); }

  template <FootprintBase base>
  static HWY_INLINE Key key(Loss loss) {
    return loss;
  }
  template <FootprintBase base>
  static HWY_INLINE Loss loss(Key key) {
    return key;
  }
};

using FloatOrder = PlainOrder<float>;

/// Compares floats as integers of the same order, for which some processors have more units.
struct IntegerOrder : PlainOrder<std::int32_t> {
  using Loss = Vector;

  template <FootprintBase base>
  static HWY_INLINE Key key(Vector loss) {
    return turn<base>(hn::BitCast(Tag(), loss));
  }
  template <FootprintBase base>
  static HWY_INLINE Vector loss(Key key) {
    return hn::BitCast(floats, turn<base>(key));
  }

 private:
  /// The bits of floats that aren't negative have the floats' order; those of negative ones have the opposite.
  template <FootprintBase base>
  static HWY_INLINE Key turn(Key bits) {
    if constexpr (base == FootprintBase::squared_distance) return bits;
    const Key magnitude = hn::Set(Tag(), std::numeric_limits<std::int32_t>::max());
    return hn::Xor(bits, hn::And(hn::BroadcastSignBit(bits), magnitude));
  }
};

template <class Order>
HWY_INLINE void exchange(typename Order::Key& lower, typename Order::Key& upper) {
  const typename Order::Key smaller = Order::smaller(lower, upper);
  upper = Order::larger(lower, upper);
  lower = smaller;
}

template <class Order, auto network, std::size_t first, std::size_t... k>
HWY_INLINE void run(typename Order::Key* rows, std::index_sequence<k...> /*comparators*/) {
  (exchange<Order>(rows[first + network.comparators[k].first], rows[first + network.comparators[k].second]), ...);
}

/// A network of the rows from `first` on.
template <class Order, auto network, std::size_t first = 0>
HWY_INLINE void run(typename Order::Key* rows) {
  run<Order, network, first>(rows, std::make_index_sequence<network.size>());
}

/// Sorts columns of losses, ascending. One object per thread.
template <class Order>
class RankSorter {
 public:
  /// For up to `most` rows.
  explicit RankSorter(Index most) : rows_(most * vector_lanes()) {}

  /// Sorts losses(0) … losses(count − 1) and hands them to `sink` in order of their ranks, a few at a time:
  /// sink.take<n>(first rank, rows, number of rows ≤ n).
  template <FootprintBase base, class Losses, class Sink>
  HWY_INLINE void sort(Index count, const Losses& losses, Sink& sink) {
    if (count <= pass_rows) return sort_run_into<base, static_cast<std::size_t>(pass_rows)>(count, losses, sink);
    if (count <= run_rows) return sort_run_into<base, static_cast<std::size_t>(run_rows)>(count, losses, sink);
    if (count == 2 * run_rows) return sort_two_runs_into<base>(losses, sink);
    Index list = run_rows;
    while (2 * list < count) list *= 2;
    sort_lists_into<base>(list, count, losses, sink);
  }

 private:
  using Key = typename Order::Key;

  template <FootprintBase base, class Losses>
  static HWY_INLINE void load_keys(const Losses& losses, Index first, Index count, Key* keys) {
    if (first + pass_rows <= count) {
      HWY_UNROLL(16)
      for (Index i = 0; i < pass_rows; ++i) keys[i] = Order::template key<base>(losses(first + i));
    } else {
      HWY_UNROLL(16)
      for (Index i = 0; i < pass_rows; ++i)
        keys[i] = first + i < count ? Order::template key<base>(losses(first + i)) : Order::largest();
    }
  }

  /// n sorted rows from `first` on; those from `count` on are the largest.
  template <FootprintBase base, std::size_t n, class Losses>
  static HWY_INLINE void sort_run(const Losses& losses, Index first, Index count, Key (&keys)[n]) {
    load_keys<base>(losses, first, count, keys);
    run<Order, pass_network>(keys);
    if constexpr (n == static_cast<std::size_t>(run_rows)) {
      load_keys<base>(losses, first + pass_rows, count, keys + pass_rows);
      run<Order, pass_network, n / 2>(keys);
      run<Order, detail::merge_start<n>>(keys);
    }
  }

  template <FootprintBase base, std::size_t n, class Losses, class Sink>
  static HWY_INLINE void sort_run_into(Index count, const Losses& losses, Sink& sink) {
    Key keys[n];
    sort_run<base>(losses, 0, count, keys);
    give<base, n>(keys, 0, count, sink);
  }

  /// The compiler knows the count here and leaves all case distinctions out; as a function of its own, with copies of
  /// its arguments, it has all registers.
  template <FootprintBase base, class Losses, class Sink>
  HWY_NOINLINE void sort_two_runs_into(const Losses losses, Sink& sink) {
    Sink own = sink;
    sort_lists_into<base>(run_rows, 2 * run_rows, losses, own);
    sink = own;
  }

  template <FootprintBase base, std::size_t n, class Sink>
  static HWY_INLINE void give(const Key* keys, Index first, Index count, Sink& sink) {
    typename Order::Loss losses[n];
    HWY_UNROLL(32)
    for (std::size_t i = 0; i < n; ++i) losses[i] = Order::template loss<base>(keys[i]);
    sink.template take<n>(first, losses, count);
  }

  /// Two lists, the first of them full, and their merge.
  template <FootprintBase base, class Losses, class Sink>
  HWY_INLINE void sort_lists_into(Index list, Index count, const Losses& losses, Sink& sink) {
    sort_list<base>(losses, 0, list, count);
    sort_list<base>(losses, list, list, count);
    Index distance = start_merge(0, list, count);
    while (distance > pass_rows) distance = continue_merge<static_cast<std::size_t>(pass_rows)>(0, distance, count);
    finish_merge_into<base>(distance, count, sink);
  }

  /// Each half is done before the next one begins: it is still in the first-level cache when they merge.
  template <FootprintBase base, class Losses>
  HWY_INLINE void sort_list(const Losses& losses, Index first, Index list, Index count) {
    if (list == run_rows)
      store_run<base>(losses, first, count);
    else
      sort_halves<base>(losses, first, list / 2, count);
  }

  template <FootprintBase base, class Losses>
  HWY_NOINLINE void sort_halves(const Losses& losses, Index first, Index half, Index count) {
    sort_list<base>(losses, first, half, count);
    if (first + half >= count) return;
    sort_list<base>(losses, first + half, half, count);
    merge(first, half, std::min(first + 2 * half, count));
  }

  template <FootprintBase base, class Losses>
  HWY_INLINE void store_run(const Losses& losses, Index first, Index count) {
    if (first + pass_rows < count) {
      Key keys[run_rows];
      sort_run<base>(losses, first, count, keys);
      store<static_cast<std::size_t>(run_rows)>(keys, first, 1, count);
    } else {
      Key keys[pass_rows];
      sort_run<base>(losses, first, count, keys);
      store<static_cast<std::size_t>(pass_rows)>(keys, first, 1, count);
    }
  }

  /// n rows: first, first + step and so on; the largest from `end` on.
  template <std::size_t n>
  HWY_INLINE void load(Key* keys, Index first, Index step, Index end) {
    constexpr auto count = static_cast<Index>(n);
    const float* const from = rows_.data() + first * vector_lanes();
    const Index stride = step * vector_lanes();
    if (first + (count - 1) * step < end) {
      HWY_UNROLL(16)
      for (Index i = 0; i < count; ++i) keys[i] = Order::load(from + i * stride);
    } else {
      HWY_UNROLL(16)
      for (Index i = 0; i < count; ++i)
        keys[i] = first + i * step < end ? Order::load(from + i * stride) : Order::largest();
    }
  }

  template <std::size_t n>
  HWY_INLINE void store(const Key* keys, Index first, Index step, Index end) {
    constexpr auto count = static_cast<Index>(n);
    float* const to = rows_.data() + first * vector_lanes();
    const Index stride = step * vector_lanes();
    if (first + (count - 1) * step < end) {
      HWY_UNROLL(32)
      for (Index i = 0; i < count; ++i) Order::store(keys[i], to + i * stride);
    } else {
      HWY_UNROLL(32)
      for (Index i = 0; i < count; ++i)
        if (first + i * step < end) Order::store(keys[i], to + i * stride);
    }
  }

  /// The lists of `list` rows from `first` and from first + list on; the second ends at `end`.
  HWY_NOINLINE void merge(Index first, Index list, Index end) {
    Index distance = start_merge(first, list, end);
    while (distance > pass_rows) distance = continue_merge<static_cast<std::size_t>(pass_rows)>(first, distance, end);
    if (distance == 2) continue_merge<2>(first, distance, end);
    if (distance == 4) continue_merge<4>(first, distance, end);
    if (distance == 8) continue_merge<8>(first, distance, end);
    if (distance == 16) continue_merge<16>(first, distance, end);
  }

  /// The first layers of a merge. Returns the distance of the last of them.
  HWY_INLINE Index start_merge(Index first, Index list, Index end) {
    constexpr auto n = static_cast<std::size_t>(pass_rows);
    const Index step = 2 * list / pass_rows;
    for (Index i = first; i < first + step; ++i) {
      Key rows[n];
      load<n>(rows, i, step, end);
      run<Order, detail::merge_start<n>>(rows);
      store<n>(rows, i, step, end);
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
    Key rows[n + carried];
    load<carried>(rows, first + step, step, end);
    for (Index next = first + step; next < end; next += held * step) {
      load<n>(rows + kept, next + kept * step, step, end);
      run<Order, detail::merge_window<n>>(rows);
      done(next, rows);
      HWY_UNROLL(16)
      for (Index i = 0; i < kept; ++i) rows[i] = rows[held + i];
    }
  }

  /// The next log₂ n layers of a merge; the layer before had this distance. Returns that of the last.
  template <std::size_t n>
  HWY_NOINLINE Index continue_merge(Index first, Index distance, Index end) {
    const Index step = distance / static_cast<Index>(n);
    const auto put = [&](Index next, const Key* rows) HWY_ATTR { store<n>(rows, next, step, end); };
    for (Index i = first; i < first + step; ++i) slide<n>(i, step, end, put);
    return step;
  }

  template <FootprintBase base, class Sink>
  HWY_INLINE void finish_merge_into(Index distance, Index count, Sink& sink) {
    const Key first = Order::load(rows_.data());
    give<base, 1>(&first, 0, 1, sink);
    if (distance == 2) return hand_over<base, 2>(count, sink);
    if (distance == 4) return hand_over<base, 4>(count, sink);
    if (distance == 8) return hand_over<base, 8>(count, sink);
    hand_over<base, 16>(count, sink);
  }

  /// The last log₂ n layers of the last merge.
  template <FootprintBase base, std::size_t n, class Sink>
  HWY_INLINE void hand_over(Index count, Sink& sink) {
    const auto put = [&](Index next, const Key* keys)
                         HWY_ATTR { give<base, n>(keys, next, std::min(static_cast<Index>(n), count - next), sink); };
    slide<n>(0, 1, count, put);
  }

  AlignedFloats rows_;
};

/// The loss of entries a and x.
template <FootprintBase base>
HWY_INLINE Vector loss(Vector a, Vector x) {
  if constexpr (base == FootprintBase::dot) return hn::NegMulAdd(a, x, hn::Zero(floats));
  const Vector difference = hn::Sub(a, x);
  return hn::Mul(difference, difference);
}

/// The entries of a pattern and of a vector of states, and the base that compares them.
template <FootprintBase base>
struct Losses {
  const float* pattern;  ///< entry i at panel_rows · i
  const float* states;   ///< entry i of all lanes at vector_lanes() · i

  HWY_INLINE Vector operator()(Index i) const {
    return loss<base>(hn::Set(floats, pattern[panel_rows * i]), hn::Load(floats, states + vector_lanes() * i));
  }
};

/// Adds up weighted terms, which are subtracted losses, in four sums: each waits for its last addition only, and their
/// rounding errors are those of short sums. They take the ranks in turns, from `first_turn` on; where that is 1, rank 0
/// is the first sum's, too.
class WeightedSum {
 public:
  static constexpr Index chains = 4;

  /// So many terms are sorted in one piece, or merged as of their second one.
  static constexpr Index first_turn(Index count) { return count <= run_rows ? 0 : 1; }

  HWY_INLINE explicit WeightedSum(const float* weights) : weights_(weights) {
    for (Vector& sum : sums_) sum = hn::Zero(floats);
  }

  template <std::size_t n>
  HWY_INLINE void take(Index first, const Vector* losses, Index count) {
    if constexpr (n == 2)
      if ((first & 2) != 0) return take_in_turn<n, 2>(first, losses, count);
    take_in_turn<n, 0>(first, losses, count);
  }

  [[nodiscard]] HWY_INLINE Vector value() const {
    return hn::Add(hn::Add(sums_[0], sums_[1]), hn::Add(sums_[2], sums_[3]));
  }

 private:
  template <std::size_t n, Index turn>
  HWY_INLINE void take_in_turn(Index first, const Vector* losses, Index count) {
    const float* const weights = weights_ + first;
    constexpr auto most = static_cast<Index>(n);
    if (count == most) {
      HWY_UNROLL(32)
      for (Index i = 0; i < most; ++i) add<turn>(i, weights, losses);
    } else {
      HWY_UNROLL(32)
      for (Index i = 0; i < most; ++i)
        if (i < count) add<turn>(i, weights, losses);
    }
  }

  template <Index turn>
  HWY_INLINE void add(Index i, const float* weights, const Vector* losses) {
    Vector& sum = sums_[(turn + i) % chains];
    sum = hn::NegMulAdd(hn::Set(floats, weights[i]), losses[i], sum);
  }

  const float* weights_;
  Vector sums_[chains];
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
