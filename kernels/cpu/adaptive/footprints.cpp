// Footprints: each lane a pair of its own.

#include <algorithm>
#include <memory>
#include <vector>

#include "kernels/cpu/adaptive/adaptive.hpp"
#include "kernels/cpu/engine/lanes.hpp"
#include "kernels/cpu/engine/threads.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/adaptive/footprints.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/adaptive/rank_sort-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {
namespace {

/// Keeps ranked terms, or their running sums, which are compensated: the error doesn't grow with their number.
class FootprintRows {
 public:
  FootprintRows(float* rows, bool cumulative) : rows_(rows), cumulative_(cumulative) {}

  template <std::size_t n>
  HWY_INLINE void take(Index first, const Vector* rows, Index count) {
    HWY_UNROLL(16)
    for (Index i = 0; i < static_cast<Index>(n); ++i)
      if (i < count) put(first + i, hn::Sub(hn::Zero(floats), rows[i]));
  }

 private:
  HWY_INLINE void put(Index rank, Vector term) {
    Vector value = term;
    if (cumulative_) {
      add_to(sums_, 0, term);
      value = hn::Add(hn::Load(floats, sums_.high.data()), hn::Load(floats, sums_.low.data()));
    }
    hn::Store(value, floats, rows_ + rank * vector_lanes());
  }

  float* rows_;
  bool cumulative_;
  LaneSums sums_;
};

/// One thread's scratch: a pattern and a query in each lane.
class FootprintWorker {
 public:
  explicit FootprintWorker(Index dimension)
      : dimension_(dimension),
        patterns_(dimension * most_lanes),
        queries_(dimension, most_lanes, false),
        rows_(dimension * vector_lanes()),
        sorter_(dimension) {}

  /// At most one vector of pairs.
  template <FootprintBase base>
  void run(bool cumulative, const PackedMatrix& patterns, MatrixView<const float> queries,
           std::span<const FootprintPair> pairs, MatrixView<float> results) {
    arrivals_.clear();
    departures_.clear();
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const auto lane = static_cast<Index>(i);
      arrivals_.push_back({lane, queries.row(pairs[i].query)});
      departures_.push_back({lane, results.row(lane)});
      const float* const pattern = patterns.data() + patterns.row_offset(pairs[i].pattern);
      for (Index k = 0; k < dimension_; ++k) patterns_[k * most_lanes + lane] = pattern[k * panel_rows];
    }
    load_lanes(arrivals_, queries_);
    FootprintRows sink(rows_.data(), cumulative);
    sorter_.sort<base>(dimension_, PairLosses<base>{patterns_.data(), queries_.state.data()}, sink);
    store_lanes(departures_, rows_.data(), dimension_, vector_lanes());
  }

 private:
  template <FootprintBase base>
  struct PairLosses {
    const float* patterns;
    const float* states;
    HWY_INLINE Vector operator()(Index i) const {
      return loss<base>(hn::Load(floats, patterns + i * most_lanes), hn::Load(floats, states + i * most_lanes));
    }
  };

  Index dimension_;
  AlignedFloats patterns_;
  Tile queries_;
  AlignedFloats rows_;
  RankSorter<FloatOrder> sorter_;
  std::vector<Arrival> arrivals_;
  std::vector<Departure> departures_;
};

template <FootprintBase base>
void run_all(bool cumulative, const PackedMatrix& patterns, MatrixView<const float> queries,
             std::span<const FootprintPair> pairs, MatrixView<float> results, int threads) {
  const int team = team_size(threads, results.rows, least_lanes);
  std::vector<std::unique_ptr<FootprintWorker>> workers;
  for (int i = 0; i < team; ++i) workers.push_back(std::make_unique<FootprintWorker>(queries.columns));
  run_chunks(team, results.rows, vector_lanes(), [&](int share, Index first, Index end) {
    FootprintPair batch_pairs[16];
    for (Index i = first; i < end; ++i)
      batch_pairs[i - first] =
          pairs.empty() ? FootprintPair{i / patterns.rows(), i % patterns.rows()} : pairs[static_cast<std::size_t>(i)];
    workers[static_cast<std::size_t>(share)]->template run<base>(cumulative, patterns, queries,
                                                                 {batch_pairs, static_cast<std::size_t>(end - first)},
                                                                 results.slice(first, end - first));
  });
}

}  // namespace

void make_footprints(FootprintBase base, bool cumulative, const PackedMatrix& patterns, MatrixView<const float> queries,
                     std::span<const FootprintPair> pairs, MatrixView<float> results, int threads) {
  if (base == FootprintBase::dot)
    run_all<FootprintBase::dot>(cumulative, patterns, queries, pairs, results, threads);
  else
    run_all<FootprintBase::squared_distance>(cumulative, patterns, queries, pairs, results, threads);
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attractor::cpu {

HWY_EXPORT(make_footprints);

void footprints(FootprintBase base, bool cumulative, const PackedMatrix& patterns, MatrixView<const float> queries,
                std::span<const FootprintPair> pairs, MatrixView<float> results, int threads) {
  if (results.rows == 0) return;
  HWY_DYNAMIC_DISPATCH(make_footprints)(base, cumulative, patterns, queries, pairs, results, threads);
}

}  // namespace attractor::cpu
#endif
