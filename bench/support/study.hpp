#pragma once

/// Halting against fixed steps: the same queries, memory and engine, with per-query halting and with the smallest
/// number of steps for all that recovers as many.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <attractor/attractor.hpp>

#include "bench/support/queries.hpp"

namespace attractor::bench {

/// Result buffers that are used again and again, so that no timing includes their allocation.
struct Results {
  explicit Results(MatrixView<const float> queries)
      : states(queries.rows, queries.columns),
        steps(static_cast<std::size_t>(queries.rows)),
        status(static_cast<std::size_t>(queries.rows)) {}

  [[nodiscard]] RelaxationView view() { return {.states = states, .steps = steps, .status = status}; }

  Matrix<float> states;
  std::vector<std::int32_t> steps;
  std::vector<Status> status;
};

/// How well states answer for the patterns they should have become.
struct Recovery {
  double recovered = 0.0;  ///< share of queries whose state has the pattern's sign in every component
  double overlap = 0.0;    ///< mean over queries of (1/D) Σ sign(x_i) ξ_i
};

Recovery recovery(MatrixView<const float> states, MatrixView<const float> patterns, const std::vector<Index>& targets);

/// Options that relax every query for exactly `steps` steps, everything else as in `options`.
RelaxerOptions with_fixed_steps(RelaxerOptions options, int steps);

struct StudyOptions {
  RelaxerOptions relaxer;  ///< with the halting rule under study; its max_steps bounds the search for fixed steps too
  int repetitions = 7;
};

/// What one query set shows.
struct Comparison {
  std::string title = {};
  std::string corruption = {};
  std::optional<double> level = {};
  Index queries = 0;
  Recovery halting = {};
  double mean_steps = 0.0;
  double median_steps = 0.0;
  double p95_steps = 0.0;
  double converged = 0.0;  ///< share of queries that halted before max_steps
  double halting_queries_per_second = 0.0;
  int fixed_steps = 0;  ///< the smallest count with fixed.recovered ≥ halting.recovered; else the best count there is
  Recovery fixed = {};
  double fixed_queries_per_second = 0.0;
  double ratio = 0.0;               ///< halting to fixed throughput, median over interleaved repetitions
  double query_step_seconds = 0.0;  ///< of fixed mode, at about as many steps as halting takes on average
  double halting_seconds = 0.0;     ///< per query

  /// Time that the steps would take in fixed mode, with `cost` steps added for the last energy, over the time taken.
  [[nodiscard]] double halting_efficiency(double cost) const {
    return query_step_seconds * (mean_steps + cost) / halting_seconds;
  }
};

/// Told what is being done, for a progress line.
using Report = std::function<void(const std::string&)>;

Comparison compare(const Memory& memory, const QuerySet& set, const StudyOptions& options, const Report& report);

/// One way of relaxing a query set, and what it gives for its time.
struct TradeOff {
  std::string mode;      ///< "fixed" or "halting"
  double setting = 0.0;  ///< steps, or the relative tolerance
  double recovered = 0.0;
  double queries_per_second = 0.0;
};

/// Throughput against accuracy: fixed step counts up to `largest_steps`, and halting at several relative tolerances.
std::vector<TradeOff> trade_off(const Memory& memory, const QuerySet& set, const RelaxerOptions& options,
                                int largest_steps, int repetitions, const Report& report);

}  // namespace attractor::bench
