#include "kernels/cpu/engine/relax.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "core/end_judge.hpp"
#include "core/sign_updates.hpp"
#include "kernels/cpu/engine/field_kernel.hpp"
#include "kernels/cpu/engine/lanes.hpp"
#include "kernels/cpu/engine/query_queue.hpp"
#include "kernels/cpu/engine/threads.hpp"
#include "kernels/cpu/pointwise/bipolar.hpp"
#include "kernels/progress_meter.hpp"
#include "kernels/schedule.hpp"

namespace attractor::cpu {
namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// A query in flight.
struct Lane {
  Index query = -1;
  std::int32_t steps = 0;
  bool fresh = false;            ///< not evaluated yet: the next advance leaves it alone
  double energy = not_a_number;  ///< of its state, where one has been computed
  detail::EndJudge judge = {};
};

/// One call's inputs and outputs, shared by its threads.
struct Job {
  const RelaxerOptions& options;
  const QueryView& queries;
  const RelaxationView& results;
  const RelaxCall& call;
  const detail::PatternTerms& patterns;
  detail::Schedule schedule;
  detail::EndRule end;
  bool signs;   ///< updates leave states of ±1
  bool sweeps;  ///< one neuron after another
};

/// One thread's share: keeps the lanes of its tile filled and steps them until no query is left.
class TileWorker {
 public:
  TileWorker(const Job& job, const Field& field, QueryQueue& queue, detail::ProgressMeter& meter, Index width,
             Index room, int shares)
      : job_(job),
        queue_(queue),
        meter_(meter),
        room_(std::min(room, width)),
        tile_(job.queries.columns(), width, job.call.clamped.data != nullptr, job.end.watches_cycles),
        kernel_(std::visit(
            [&](const auto& f) { return make_kernel(f, *job.options.update, {.width = width, .shares = shares}); },
            field)),
        lanes_(static_cast<std::size_t>(most_lanes)) {
    for (Index i = 0; i < most_lanes; ++i) mark_idle(i);
    tile_.wants_energy = job.end.wants_energy;
    tile_.has_pattern_terms = !job.patterns.empty();
    tile_.has_betas = !job.schedule.empty();
    tile_.wants_change = job.end.halting.watch == Halting::Watch::state;
    arrivals_.reserve(static_cast<std::size_t>(most_lanes));
    departures_.reserve(static_cast<std::size_t>(most_lanes));
  }

  void run() {
    exchange_lanes();
    while (tile_.lanes > 0) {
      kernel_->evaluate(tile_);
      judge_energies();
      prepare_arrivals();
      kernel_->advance(tile_);
      judge_states();
      order_lanes();
      close_gaps();
      meter_.add(std::exchange(finished_, 0));
      if (meter_.stopped()) cancel();
    }
    meter_.add(std::exchange(finished_, 0));
  }

 private:
  /// After an evaluation: who has reached its halting energy, or its last step?
  void judge_energies() {
    for (Index i = 0; i < tile_.lanes; ++i) {
      Lane& lane = lane_at(i);
      if (lane.query < 0) continue;
      lane.fresh = false;
      if (lane.steps > 0 && job_.end.wants_energy) judge_energy(i, lane);
    }
    exchange_lanes();
  }

  void judge_energy(Index i, Lane& lane) {
    lane.energy = tile_.energy[static_cast<std::size_t>(i)];
    if (!job_.results.energy_trace.empty())
      job_.results.energy_trace(lane.query, lane.steps - 1) = to_float(lane.energy);
    if (lane.judge.energy_ends(job_.end, lane.steps, lane.energy)) retire(i, lane.judge.status());
  }

  /// After a step: who has diverged, stopped moving, or taken its last step?
  void judge_states() {
    for (Index i = 0; i < tile_.lanes; ++i) {
      Lane& lane = lane_at(i);
      if (lane.query < 0 || lane.fresh) continue;
      ++lane.steps;
      set_beta(i);
      lane.energy = not_a_number;
      if (job_.signs && lane.steps == 1) raise_magnitude(i);
      judge_state(i, lane);
    }
    exchange_lanes();
  }

  void judge_state(Index i, Lane& lane) {
    const auto at = static_cast<std::size_t>(i);
    const detail::StepOutcome step{.finite = tile_.finite[at] == 0.0F,
                                   .squared_change = tile_.squared_change[at],
                                   .returned = std::bit_cast<std::uint32_t>(tile_.returns[at]) == 0};
    if (!step.finite && !job_.results.energy_trace.empty())
      job_.results.energy_trace(lane.query, lane.steps - 1) = not_a_number;
    if (lane.judge.state_ends(job_.end, lane.steps, step)) retire(i, lane.judge.status());
  }

  /// From a sign update's first step on states hold ±1, beside entries of the query; in a sweep from its first neuron.
  void raise_magnitude(Index i) {
    float& magnitude = tile_.magnitude[static_cast<std::size_t>(i)];
    magnitude = std::max(magnitude, 1.0F);
  }

  /// That of the next step, and of the energy that it descends.
  void set_beta(Index i) {
    if (tile_.has_betas) tile_.beta[static_cast<std::size_t>(i)] = job_.schedule.after(lane_at(i).steps);
  }

  /// Writes a query's outcome and frees its lane; its state follows at the next exchange.
  void retire(Index i, Status status) {
    const Lane& lane = lane_at(i);
    departures_.push_back({i, detail::row_of(job_.results.states, lane.query)});
    write_outcome(lane.query, lane.steps, lane.energy, status);
    mark_idle(i);
    --in_flight_;
  }

  void write_outcome(Index query, std::int32_t steps, double energy, Status status) {
    const auto at = static_cast<std::size_t>(query);
    const RelaxationView& results = job_.results;
    if (!results.steps.empty()) results.steps[at] = steps;
    if (!results.energies.empty()) results.energies[at] = to_float(energy);
    if (!results.status.empty()) results.status[at] = status;
    if (!results.energy_trace.empty())
      std::fill(results.energy_trace.row(query) + steps, results.energy_trace.row(query) + job_.options.max_steps,
                not_a_number);
    if (status != Status::cancelled) ++finished_;
  }

  /// Takes the states of retired queries out and gives every idle lane a waiting query.
  void exchange_lanes() {
    kernel_->store(tile_, departures_);
    departures_.clear();
    arrivals_.clear();
    if (in_flight_ == room_ || !kernel_->takes_more(in_flight_, room_)) return;
    for (Index i = 0; i < room_ && next_query(); ++i) {
      if (lane_at(i).query >= 0) continue;
      while (next_query() && !enter(i, waiting_.first++)) {
      }
    }
    kernel_->load(tile_, arrivals_);
  }

  bool next_query() {
    if (waiting_.empty() && !meter_.stopped()) waiting_ = queue_.take();
    return !waiting_.empty();
  }

  /// Gives a query a lane. False if it isn't finite: it diverges before its first step and takes none.
  bool enter(Index i, Index query) {
    const detail::QueryRow row = detail::row_of(job_.queries, query);
    float magnitude = 0.0F;
    if (job_.signs) magnitude = largest_magnitude(row, tile_.dimension);
    if (job_.signs ? !std::isfinite(magnitude) : !all_finite(row, tile_.dimension)) {
      finish_unstarted(query, Status::diverged);
      return false;
    }
    if (tile_.clamped) load_clamps(job_.call.clamped.row(query), tile_.dimension, tile_.clamps.data() + i, tile_.width);
    lane_at(i) = Lane{.query = query, .fresh = true};
    ++in_flight_;
    tile_.magnitude[static_cast<std::size_t>(i)] = magnitude;
    if (job_.sweeps) raise_magnitude(i);
    set_pattern_terms(tile_, i, job_.patterns, query);
    set_beta(i);
    set_mask(tile_.idle, i, false);
    tile_.lanes = std::max(tile_.lanes, i + 1);
    arrivals_.push_back({i, row});
    return true;
  }

  /// A query that never took a step: its state is the query.
  void finish_unstarted(Index query, Status status) {
    copy_row(detail::row_of(job_.queries, query), detail::row_of(job_.results.states, query), tile_.dimension);
    write_outcome(query, 0, not_a_number, status);
  }

  /// After the judgement of energies: the newcomers missed the evaluation, so they make it up or sit out the step.
  void prepare_arrivals() {
    if (!arrivals_.empty() && kernel_->prepare(tile_, arrivals_))
      for (const Arrival& arrival : arrivals_) lane_at(arrival.lane).fresh = false;
    tile_.any_held = false;
    for (Index i = 0; i < tile_.lanes; ++i) {
      const Lane& lane = lane_at(i);
      const bool held = lane.query < 0 || lane.fresh;
      set_mask(tile_.held, i, held);
      tile_.any_held |= held;
    }
  }

  /// Puts lanes next to each other that are alike in how many patterns have weight.
  void order_lanes() {
    const LaneArray<double>* const spread = kernel_->spread();
    if (spread == nullptr) return;
    LaneArray<double> ranks;
    std::array<std::uint8_t, most_lanes> places;
    const auto order = std::span(places).first(static_cast<std::size_t>(tile_.lanes));
    std::iota(order.begin(), order.end(), std::uint8_t{0});
    for (Index i = 0; i < tile_.lanes; ++i) ranks[static_cast<std::size_t>(i)] = rank(i, *spread);
    std::sort(order.begin(), order.end(),
              [&](std::uint8_t a, std::uint8_t b) { return ranks[a] == ranks[b] ? a < b : ranks[a] < ranks[b]; });
    if (std::is_sorted(order.begin(), order.end())) return;
    std::array<Lane, most_lanes> before;
    std::copy(lanes_.begin(), lanes_.end(), before.begin());
    for (std::size_t i = 0; i < order.size(); ++i) lanes_[i] = before[order[i]];
    permute_lanes(tile_, order);
  }

  /// Newcomers, of which nothing is known, come first, lanes whose weights spread furthest next, those without a query
  /// last.
  double rank(Index i, const LaneArray<double>& spread) {
    const Lane& lane = lane_at(i);
    const double own = spread[static_cast<std::size_t>(i)];
    if (lane.query < 0) return std::numeric_limits<double>::infinity();
    return lane.fresh || std::isnan(own) ? -std::numeric_limits<double>::infinity() : -own;
  }

  /// When no queries wait, moves the last lanes into gaps, so that the tile shrinks as it drains.
  void close_gaps() {
    Index gap = 0;
    for (;;) {
      while (tile_.lanes > 0 && lane_at(tile_.lanes - 1).query < 0) --tile_.lanes;
      while (gap < tile_.lanes && lane_at(gap).query >= 0) ++gap;
      if (gap >= tile_.lanes) return;
      move_lane(tile_.lanes - 1, gap);
    }
  }

  /// Valid between advance and evaluate, when a lane is its state and the sums over it.
  void move_lane(Index from, Index to) {
    kernel_->move(tile_, from, to);
    copy_query_values(tile_, from, to);
    lane_at(to) = lane_at(from);
    set_mask(tile_.idle, to, false);
    mark_idle(from);
  }

  void mark_idle(Index i) {
    lane_at(i) = Lane{};
    set_mask(tile_.idle, i, true);
    set_mask(tile_.held, i, true);
  }

  /// Ends every query that this thread has taken.
  void cancel() {
    for (Index i = 0; i < tile_.lanes; ++i)
      if (lane_at(i).query >= 0) retire(i, Status::cancelled);
    while (!waiting_.empty()) finish_unstarted(waiting_.first++, Status::cancelled);
    exchange_lanes();
    tile_.lanes = 0;
  }

  Lane& lane_at(Index i) { return lanes_[static_cast<std::size_t>(i)]; }
  static float to_float(double value) { return static_cast<float>(value); }

  const Job& job_;
  QueryQueue& queue_;
  detail::ProgressMeter& meter_;
  Index room_;  ///< queries in flight at most
  Index in_flight_ = 0;
  Tile tile_;
  std::unique_ptr<FieldKernel> kernel_;
  std::vector<Lane> lanes_;
  std::vector<Arrival> arrivals_;
  std::vector<Departure> departures_;
  QueryQueue::Chunk waiting_;
  Index finished_ = 0;
};

/// What a cancelled call says of the queries that it never took. Their states stay as they were.
void cancel_untaken(const RelaxationView& results, Index first) {
  const auto fill = [&](auto values, auto value) {
    if (!values.empty()) std::fill(values.begin() + first, values.end(), value);
  };
  fill(results.steps, 0);
  fill(results.energies, not_a_number);
  fill(results.status, Status::cancelled);
}

/// Whether states may be bits, which cost what each of them does.
bool has_bits(const Field& field, const Update& update) {
  const auto* const factored = std::get_if<FactoredField>(&field);
  const auto* const signs = std::get_if<SignUpdate>(&update);
  return factored != nullptr && signs != nullptr && takes_bits(*factored, *signs);
}

/// Lanes of each thread's tile: many, to spread a pass over the memory and the exchange of lanes over more queries; but
/// few where a wide tile would be refilled fewer than about eight times, for then the end, when lanes run empty, weighs
/// more.
Index tile_width(const Update& update, int threads, Index queries) {
  // Sweeps keep a value for each pattern and lane.
  if (std::holds_alternative<AsynchronousSignUpdate>(update)) return least_lanes;
  return queries < 8 * most_lanes * threads ? least_lanes : most_lanes;
}

}  // namespace

Index relax(const Field& field, const RelaxerOptions& options, const QueryView& queries, const RelaxationView& results,
            const RelaxCall& call, const detail::PatternTerms& patterns) {
  const detail::Schedule schedule = detail::schedule_of(call.betas, options.max_steps);
  const Job job{.options = options,
                .queries = queries,
                .results = results,
                .call = call,
                .patterns = patterns,
                .schedule = schedule,
                .end = {.halting = *options.halting,
                        .max_steps = options.max_steps,
                        .wants_energy = options.energies,
                        .watches_cycles = detail::watches_cycles(*options.update, *options.halting),
                        .first_step = schedule.first_last()},
                .signs = detail::makes_signs(*options.update),
                .sweeps = std::holds_alternative<AsynchronousSignUpdate>(*options.update)};
  const auto [threads, shares] = share_work(field, options.threads, queries.rows(), has_bits(field, *options.update));
  // So that no thread takes all of a small batch.
  const Index room = (queries.rows() + threads - 1) / threads;
  QueryQueue queue(queries.rows(), threads);
  detail::ProgressMeter meter(call, queries.rows());
  // All memory is taken before any thread starts: a failure here leaves nothing half done.
  std::vector<std::unique_ptr<TileWorker>> workers;
  for (int i = 0; i < threads; ++i)
    workers.push_back(std::make_unique<TileWorker>(job, field, queue, meter,
                                                   tile_width(*options.update, threads, queries.rows()), room, shares));
  run_team(threads, [&](int share) { workers[static_cast<std::size_t>(share)]->run(); });
  cancel_untaken(results, queue.taken());
  meter.finish();
  return queue.taken();
}

}  // namespace attractor::cpu
