#include "kernels/cpu/engine/recall.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "kernels/cpu/engine/field_kernel.hpp"
#include "kernels/cpu/engine/lanes.hpp"
#include "kernels/cpu/engine/retrieval_kernel.hpp"
#include "kernels/cpu/engine/threads.hpp"

namespace attractor::cpu {
namespace {

/// Kernels of the memories that have such: the host asks no others.
struct MakeRecall {
  const PackedMatrix& contents;
  template <class Normalised>
  std::unique_ptr<RecallKernel> operator()(const Normalised& field) const {
    return make_recall_kernel(field, contents, most_lanes);
  }
  std::unique_ptr<RecallKernel> operator()(const FactoredField& /*field*/) const { return nullptr; }
  std::unique_ptr<RecallKernel> operator()(const DenseField& /*field*/) const { return nullptr; }
};

struct MakeRetrieval {
  RankingSize size;
  template <class Normalised>
  std::unique_ptr<RetrievalKernel> operator()(const Normalised& field) const {
    return make_retrieval_kernel(field, size);
  }
  std::unique_ptr<RetrievalKernel> operator()(const FactoredField& /*field*/) const { return nullptr; }
  std::unique_ptr<RetrievalKernel> operator()(const DenseField& /*field*/) const { return nullptr; }
};

/// A tile that is filled anew for each batch of states.
class Batch {
 public:
  explicit Batch(Index dimension) : tile_(dimension, most_lanes, false) {
    arrivals_.reserve(static_cast<std::size_t>(most_lanes));
  }

  /// At most most_lanes states, one in each lane.
  const Tile& fill(MatrixView<const float> states, const detail::PatternTerms& terms) {
    arrivals_.clear();
    for (Index i = 0; i < most_lanes; ++i) set_mask(tile_.idle, i, i >= states.rows);
    for (Index i = 0; i < states.rows; ++i) {
      arrivals_.push_back({i, states.row(i)});
      set_pattern_terms(tile_, i, terms, i);
    }
    tile_.has_pattern_terms = !terms.empty();
    tile_.lanes = states.rows;
    load_lanes(arrivals_, tile_);
    return tile_;
  }

 private:
  Tile tile_;
  std::vector<Arrival> arrivals_;
};

/// One thread's share of a recall: reads contents out for one batch of states after another.
class RecallWorker {
 public:
  RecallWorker(const Field& field, const PackedMatrix& contents, Index dimension)
      : kernel_(std::visit(MakeRecall{contents}, field)), batch_(dimension) {
    departures_.reserve(static_cast<std::size_t>(most_lanes));
  }

  void run(MatrixView<const float> states, const detail::PatternTerms& terms, MatrixView<float> readouts) {
    departures_.clear();
    for (Index i = 0; i < states.rows; ++i) departures_.push_back({i, readouts.row(i)});
    store_lanes(departures_, kernel_->recall(batch_.fill(states, terms)), readouts.columns, most_lanes);
  }

 private:
  std::unique_ptr<RecallKernel> kernel_;
  Batch batch_;
  std::vector<Departure> departures_;
};

class RetrievalWorker {
 public:
  RetrievalWorker(const Field& field, Index dimension, const RankingSize& size)
      : kernel_(std::visit(MakeRetrieval{size}, field)), batch_(dimension) {}

  void run(MatrixView<const float> states, const detail::PatternTerms& terms, MatrixView<Index> patterns,
           MatrixView<float> posteriors) {
    const LaneRanking& ranking = kernel_->retrieve(batch_.fill(states, terms));
    for (Index i = 0; i < states.rows; ++i) {
      const bool finite = all_finite(states.row(i), states.columns);
      for (Index rank = 0; rank < ranking.count; ++rank) {
        const auto at = static_cast<std::size_t>(i * ranking.count + rank);
        const bool found = finite && std::isfinite(ranking.posterior[at]);
        patterns(i, rank) = found ? ranking.pattern[at] : -1;
        posteriors(i, rank) = found ? ranking.posterior[at] : std::numeric_limits<float>::quiet_NaN();
      }
    }
  }

 private:
  std::unique_ptr<RetrievalKernel> kernel_;
  Batch batch_;
};

/// Calls run(worker, first row, rows) for batches of states. All memory is taken before any thread starts.
template <class Worker, class Run, class... Arguments>
void for_batches(Index states, int threads, const Run& run, const Arguments&... arguments) {
  const int team = team_size(threads, states, least_lanes);
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < team; ++i) workers.push_back(std::make_unique<Worker>(arguments...));
  run_chunks(team, states, most_lanes, [&](int share, Index first, Index end) {
    run(*workers[static_cast<std::size_t>(share)], first, end - first);
  });
}

}  // namespace

void recall(const Field& field, const PackedMatrix& contents, MatrixView<const float> states,
            const detail::PatternTerms& terms, MatrixView<float> readouts, int threads) {
  const auto run = [&](RecallWorker& worker, Index first, Index rows) {
    worker.run(states.slice(first, rows), terms.slice(first, rows), readouts.slice(first, rows));
  };
  for_batches<RecallWorker>(states.rows, threads, run, field, contents, states.columns);
}

void retrieve(const Field& field, MatrixView<const float> states, const detail::PatternTerms& terms,
              MatrixView<Index> patterns, MatrixView<float> posteriors, int threads) {
  const auto run = [&](RetrievalWorker& worker, Index first, Index rows) {
    worker.run(states.slice(first, rows), terms.slice(first, rows), patterns.slice(first, rows),
               posteriors.slice(first, rows));
  };
  const RankingSize size{.ranks = patterns.columns, .lanes = std::min(states.rows, most_lanes)};
  for_batches<RetrievalWorker>(states.rows, threads, run, field, states.columns, size);
}

}  // namespace attractor::cpu
