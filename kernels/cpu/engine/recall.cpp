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
class BatchTile {
 public:
  explicit BatchTile(Index dimension) : tile_(dimension, most_lanes, false) {
    arrivals_.reserve(static_cast<std::size_t>(most_lanes));
  }

  /// At most most_lanes states, one in each lane.
  const Tile& fill(const StateBatch& batch) {
    const Index count = batch.states.rows();
    arrivals_.clear();
    tile_.has_pattern_terms = !batch.terms.empty();
    tile_.has_betas = !batch.schedule.empty();
    for (Index i = 0; i < most_lanes; ++i) set_mask(tile_.idle, i, i >= count);
    for (Index i = 0; i < count; ++i) {
      arrivals_.push_back({i, detail::row_of(batch.states, i)});
      set_pattern_terms(tile_, i, batch.terms, i);
      if (tile_.has_betas)
        tile_.beta[static_cast<std::size_t>(i)] = batch.schedule.after(batch.steps == nullptr ? 0 : batch.steps[i]);
    }
    tile_.lanes = count;
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
  RecallWorker(const Field& field, int shares, const Readout& readout, Index dimension)
      : kernel_(std::visit(
            [&](const auto& f) { return make_recall_kernel(f, readout, {.width = most_lanes, .shares = shares}); },
            field)),
        tile_(dimension) {
    departures_.reserve(static_cast<std::size_t>(most_lanes));
  }

  void run(const StateBatch& batch, const ResultView& contents, std::span<float> intensity) {
    departures_.clear();
    for (Index i = 0; i < contents.rows(); ++i) departures_.push_back({i, detail::row_of(contents, i)});
    const LaneReadout readout = kernel_->recall(tile_.fill(batch));
    store_lanes(departures_, readout.contents, contents.columns(), most_lanes);
    if (!intensity.empty()) std::copy_n(readout.intensity->begin(), intensity.size(), intensity.begin());
  }

 private:
  std::unique_ptr<RecallKernel> kernel_;
  BatchTile tile_;
  std::vector<Departure> departures_;
};

class RetrievalWorker {
 public:
  RetrievalWorker(const Field& field, int shares, Index dimension, RankingSize size) : tile_(dimension) {
    size.shares = shares;
    kernel_ = std::visit(MakeRetrieval{size}, field);
  }

  void run(const StateBatch& batch, MatrixView<Index> patterns, MatrixView<float> posteriors) {
    const QueryView& states = batch.states;
    const LaneRanking& ranking = kernel_->retrieve(tile_.fill(batch));
    for (Index i = 0; i < states.rows(); ++i) {
      const bool finite = all_finite(detail::row_of(states, i), states.columns());
      for (Index rank = 0; rank < ranking.count; ++rank) {
        const auto at = static_cast<std::size_t>(i * ranking.count + rank);
        const bool found = finite && std::isfinite(ranking.posterior[at]);
        patterns(i, rank) = found ? ranking.pattern[at] : -1;
        if (posteriors.data != nullptr)
          posteriors(i, rank) = found ? ranking.posterior[at] : std::numeric_limits<float>::quiet_NaN();
      }
    }
  }

 private:
  std::unique_ptr<RetrievalKernel> kernel_;
  BatchTile tile_;
};

/// Calls run(worker, first row, rows) for batches of states. All memory is taken before any thread starts.
template <class Worker, class Run, class... Arguments>
void for_batches(const Field& field, Index states, int threads, const Run& run, const Arguments&... arguments) {
  const auto [team, shares] = share_work(field, threads, states);
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < team; ++i) workers.push_back(std::make_unique<Worker>(field, shares, arguments...));
  run_chunks(team, states, std::min(most_lanes, (states + team - 1) / team), [&](int share, Index first, Index end) {
    run(*workers[static_cast<std::size_t>(share)], first, end - first);
  });
}

}  // namespace

void recall(const Field& field, const Readout& readout, const StateBatch& batch, const ResultView& contents,
            std::span<float> intensity, int threads) {
  const auto run = [&](RecallWorker& worker, Index first, Index rows) {
    worker.run(batch.slice(first, rows), contents.slice(first, rows),
               intensity.empty() ? intensity
                                 : intensity.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(rows)));
  };
  for_batches<RecallWorker>(field, batch.states.rows(), threads, run, readout, batch.states.columns());
}

void retrieve(const Field& field, const StateBatch& batch, MatrixView<Index> patterns, MatrixView<float> posteriors,
              int threads) {
  const auto run = [&](RetrievalWorker& worker, Index first, Index rows) {
    worker.run(batch.slice(first, rows), patterns.slice(first, rows),
               posteriors.data == nullptr ? posteriors : posteriors.slice(first, rows));
  };
  const Index states = batch.states.rows();
  const RankingSize size{
      .ranks = patterns.columns, .lanes = std::min(states, most_lanes), .posteriors = posteriors.data != nullptr};
  for_batches<RetrievalWorker>(field, states, threads, run, batch.states.columns(), size);
}

}  // namespace attractor::cpu
