#include "bench/support/study.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "bench/support/relaxation_timer.hpp"
#include "bench/support/timing.hpp"

namespace attractor::bench {
namespace {

struct FixedSteps {
  int steps = 0;
  double recovered = -1.0;
};

/// The smallest number of steps for all queries that recovers the share `wanted`, or the one that recovers most.
///
/// A state depends on the one before it only, so relaxing for one more step from where the last count ended gives the
/// next count: the whole search costs as many steps as the largest count it tries.
FixedSteps equal_accuracy_steps(const Memory& memory, const QuerySet& set, const RelaxerOptions& options,
                                double wanted) {
  const Relaxer one_step(memory, with_fixed_steps(options, 1));
  Results from(set.queries);
  Results to(set.queries);
  std::copy_n(set.queries.data(), set.queries.size(), from.states.data());
  FixedSteps best;
  for (int steps = 1; steps <= options.max_steps && best.recovered < wanted; ++steps) {
    one_step.relax(from.states, to.view());
    const double recovered = recovery(to.states, memory.patterns(), set.targets).recovered;
    if (recovered > best.recovered) best = {steps, recovered};
    std::swap(from.states, to.states);
  }
  return best;
}

double rate(Index queries, double time) { return static_cast<double>(queries) / time; }

void summarise_steps(const Results& results, Comparison& comparison) {
  const std::vector<double> steps(results.steps.begin(), results.steps.end());
  const auto count = static_cast<double>(steps.size());
  comparison.mean_steps = std::accumulate(steps.begin(), steps.end(), 0.0) / count;
  comparison.median_steps = median(steps);
  comparison.p95_steps = quantile(steps, 0.95);
  comparison.converged =
      static_cast<double>(std::count(results.status.begin(), results.status.end(), Status::converged)) / count;
}

}  // namespace

Recovery recovery(MatrixView<const float> states, MatrixView<const float> patterns, const std::vector<Index>& targets) {
  Index recovered = 0;
  Index agreement = 0;
  for (Index i = 0; i < states.rows; ++i) {
    const float* state = states.row(i);
    const float* pattern = patterns.row(targets[static_cast<std::size_t>(i)]);
    Index sum = 0;
    for (Index j = 0; j < states.columns; ++j) {
      const float product = state[j] * pattern[j];
      sum += static_cast<Index>(product > 0.0F) - static_cast<Index>(product < 0.0F);
    }
    agreement += sum;
    recovered += static_cast<Index>(sum == states.columns);
  }
  const auto count = static_cast<double>(states.rows);
  return {static_cast<double>(recovered) / count,
          static_cast<double>(agreement) / (count * static_cast<double>(states.columns))};
}

RelaxerOptions with_fixed_steps(RelaxerOptions options, int steps) {
  options.halting = fixed_steps();
  options.max_steps = steps;
  return options;
}

Comparison compare(const Memory& memory, const QuerySet& set, const StudyOptions& options, const Report& report) {
  Comparison result{
      .title = set.title(), .corruption = set.corruption, .level = set.level, .queries = set.queries.rows()};
  const std::unique_ptr<RelaxationTimer> timer = make_timer(memory.device(), set.queries);
  const auto relax = [&](const Relaxer& relaxer) -> const Results& {
    timer->seconds(relaxer);
    return timer->results();
  };

  report("halting");
  const Relaxer halting(memory, options.relaxer);
  summarise_steps(relax(halting), result);
  result.halting = recovery(timer->results().states, memory.patterns(), set.targets);

  report("searching the fixed step count");
  result.fixed_steps = equal_accuracy_steps(memory, set, options.relaxer, result.halting.recovered).steps;
  const Relaxer fixed(memory, with_fixed_steps(options.relaxer, result.fixed_steps));
  result.fixed = recovery(relax(fixed).states, memory.patterns(), set.targets);

  // As many steps as halting takes on average, so that the costs of a query that aren't steps weigh the same in both.
  const int mean_steps = std::max(1, static_cast<int>(std::lround(result.mean_steps)));
  const Relaxer reference(memory, with_fixed_steps(options.relaxer, mean_steps));
  std::vector<double> halting_times;
  std::vector<double> fixed_times;
  std::vector<double> reference_times;
  for (int repetition = 0; repetition < options.repetitions; ++repetition) {
    report("timing " + std::to_string(repetition + 1) + " of " + std::to_string(options.repetitions));
    reference_times.push_back(timer->seconds(reference));
    halting_times.push_back(timer->seconds(halting));
    fixed_times.push_back(timer->seconds(fixed));
  }
  const auto count = static_cast<double>(result.queries);
  result.halting_queries_per_second = rate(result.queries, median(halting_times));
  result.fixed_queries_per_second = rate(result.queries, median(fixed_times));
  result.ratio = median_ratio(fixed_times, halting_times);
  result.halting_seconds = median(halting_times) / count;
  result.query_step_seconds = result.halting_seconds * median_ratio(reference_times, halting_times) / mean_steps;
  return result;
}

std::vector<TradeOff> trade_off(const Memory& memory, const QuerySet& set, const RelaxerOptions& options,
                                int largest_steps, int repetitions, const Report& report) {
  std::vector<TradeOff> points;
  const std::unique_ptr<RelaxationTimer> timer = make_timer(memory.device(), set.queries);
  const auto measure = [&](const std::string& mode, double setting, const RelaxerOptions& relaxer_options) {
    report(mode);
    const Relaxer relaxer(memory, relaxer_options);
    std::vector<double> times(static_cast<std::size_t>(repetitions));
    for (double& time : times) time = timer->seconds(relaxer);
    points.push_back({mode, setting, recovery(timer->results().states, memory.patterns(), set.targets).recovered,
                      rate(set.queries.rows(), median(times))});
  };
  // Each count is half as large again as the one before.
  for (int steps = 1; steps < largest_steps; steps += (steps + 1) / 2)
    measure("fixed", steps, with_fixed_steps(options, steps));
  measure("fixed", largest_steps, with_fixed_steps(options, largest_steps));
  for (const float tolerance : {1e-1F, 1e-2F, 3e-3F, 1e-3F, 1e-4F, 1e-5F}) {
    RelaxerOptions halting = options;
    halting.halting = energy_stable({.relative = tolerance});
    measure("halting", tolerance, halting);
  }
  return points;
}

}  // namespace attractor::bench
