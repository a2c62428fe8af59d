// The published study of energy relaxation with adaptive halting, repeated: N = 128, random ±1 patterns, queries
// tanh(ξ + σ·noise), update tanh(x + Wx/2), halting against ten fixed steps. The paper states neither how many patterns
// it stores nor a tolerance that float energies resolve, so both are swept.

#include <algorithm>
#include <array>
#include <cmath>
#include <iostream>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

#include "bench/support/progress.hpp"
#include "bench/support/run_options.hpp"
#include "bench/support/study.hpp"
#include "bench/support/table.hpp"
#include "bench/support/timing.hpp"

namespace attractor::bench {
namespace {

constexpr Index dimension = 128;
constexpr int published_fixed_steps = 10;
constexpr std::size_t level_count = 5;
constexpr std::size_t compared_level = 3;  // σ = 2

template <class T>
using PerLevel = std::array<T, level_count>;

constexpr PerLevel<double> sigmas = {0.5, 1.0, 1.5, 2.0, 2.5};
constexpr PerLevel<double> published_median_steps = {3, 5, 8, 12, 18};
constexpr PerLevel<double> published_recovery = {1.00, 1.00, 0.98, 0.91, 0.74};
constexpr double published_mean_steps = 6.3;       // at σ = 2
constexpr double published_fixed_recovery = 0.89;  // at σ = 2

struct Tolerance {
  std::string name;
  EnergyTolerance value;
};

const std::array<Tolerance, 5> tolerances = {{{"relative 1e-3", {.absolute = 0.0F, .relative = 1e-3F}},
                                              {"relative 1e-4", {.absolute = 0.0F, .relative = 1e-4F}},
                                              {"relative 1e-5", {.absolute = 0.0F, .relative = 1e-5F}},
                                              {"relative 1e-6", {.absolute = 0.0F, .relative = 1e-6F}},
                                              {"absolute 1e-6", {.absolute = 1e-6F, .relative = 0.0F}}}};

struct Job {
  RunOptions run;
  std::vector<int> patterns = {4, 8, 12, 16, 20};
  std::vector<int> trials = {100, 100000};
  Index memories = 100;
  float gain = 0.5F;
};

/// The outcome of all trials of one setting.
struct Tally {
  std::vector<double> steps;
  double recovered = 0.0;  ///< every sign right
  double close = 0.0;      ///< overlap above 0.95
  double converged = 0.0;

  [[nodiscard]] double mean_steps() const {
    return std::accumulate(steps.begin(), steps.end(), 0.0) / static_cast<double>(steps.size());
  }
};

/// One number of patterns and one tolerance.
struct Setting {
  int patterns = 0;
  int trials = 0;
  std::string tolerance;
  PerLevel<Tally> halting;
  PerLevel<Tally> fixed;  ///< ten steps, whatever the tolerance
};

/// Memories with queries of one noise level; every memory has other patterns.
struct Trials {
  std::vector<Memory> memories;
  std::vector<QuerySet> queries;
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "The published study of energy relaxation with halting, N = 128: median steps and recovery against noise, and\n"
      "halting against ten fixed steps. Writes noise-sweep.json and noise-sweep.csv.");
  job.run.add_to(options);
  options.add("--patterns", job.patterns, "numbers of stored patterns");
  options.add("--trials", job.trials, "trials for each noise level");
  options.add("--memories", job.memories, "memories that the trials are shared among, each with other patterns");
  options.add("--gain", job.gain, "of the tanh update");
  return options.parse(argc, argv);
}

Index matching_signs(const float* a, const float* b) {
  Index count = 0;
  for (Index j = 0; j < dimension; ++j) count += static_cast<Index>(a[j] * b[j] > 0.0F);
  return count;
}

Tally relax_all(const Trials& trials, const RelaxerOptions& options) {
  Tally tally;
  for (std::size_t m = 0; m < trials.memories.size(); ++m) {
    const Memory& memory = trials.memories[m];
    const QuerySet& set = trials.queries[m];
    const Relaxer relaxer(memory, options);
    Results results(set.queries);
    relaxer.relax(set.queries, results.view());
    tally.steps.insert(tally.steps.end(), results.steps.begin(), results.steps.end());
    for (Index i = 0; i < set.queries.rows(); ++i) {
      const auto k = static_cast<std::size_t>(i);
      const Index matches = matching_signs(results.states.row(i), memory.patterns().row(set.targets[k]));
      const double overlap = 2.0 * static_cast<double>(matches) / dimension - 1.0;
      tally.recovered += matches == dimension ? 1.0 : 0.0;
      tally.close += overlap > 0.95 ? 1.0 : 0.0;
      tally.converged += results.status[k] == Status::converged ? 1.0 : 0.0;
    }
  }
  const auto count = static_cast<double>(tally.steps.size());
  for (double* share : {&tally.recovered, &tally.close, &tally.converged}) *share /= count;
  return tally;
}

std::vector<Memory> make_memories(const Job& job, Index count, Index patterns, Random& random) {
  std::vector<Memory> memories;
  memories.reserve(static_cast<std::size_t>(count));
  std::generate_n(std::back_inserter(memories), count, [&] {
    return Memory::hebbian(job.run.chosen_device(), random_patterns(patterns, dimension, random));
  });
  return memories;
}

/// All tolerances for one number of patterns.
std::vector<Setting> sweep(const Job& job, int patterns, int trials, Random& random) {
  const Index memories = std::min<Index>(job.memories, trials);
  Trials set{make_memories(job, memories, patterns, random), {}};
  std::vector<Setting> settings;
  for (const Tolerance& tolerance : tolerances) settings.push_back({patterns, trials, tolerance.name, {}, {}});
  RelaxerOptions options = job.run.relaxer();
  options.update = tanh_update(job.gain);
  for (std::size_t level = 0; level < level_count; ++level) {
    set.queries.clear();
    for (const Memory& memory : set.memories)
      set.queries.push_back(noisy_queries(memory.patterns(), trials / memories, sigmas[level], random));
    const Tally fixed = relax_all(set, with_fixed_steps(options, published_fixed_steps));
    for (std::size_t k = 0; k < tolerances.size(); ++k) {
      options.halting = energy_stable(tolerances[k].value);
      settings[k].halting[level] = relax_all(set, options);
      settings[k].fixed[level] = fixed;
    }
  }
  return settings;
}

std::string label(const Setting& setting) {
  return "P = " + std::to_string(setting.patterns) + ", " + setting.tolerance;
}

/// A row: a label, then for each noise level the steps, then for each the share recovered.
template <class Steps, class Share>
std::vector<std::string> level_cells(const std::string& label, Steps steps, Share share) {
  std::vector<std::string> cells = {label};
  for (std::size_t level = 0; level < level_count; ++level) cells.push_back(steps(level));
  for (std::size_t level = 0; level < level_count; ++level) cells.push_back(share(level));
  return cells;
}

void print_levels(const std::vector<Setting>& settings) {
  const auto sigma = [](std::size_t level) { return "σ=" + decimal(sigmas[level], 1); };
  Table table(level_cells("", sigma, sigma));
  table.add(level_cells(
      "published", [](std::size_t level) { return decimal(published_median_steps[level], 0); },
      [](std::size_t level) { return percent(published_recovery[level], 0); }));
  for (const Setting& setting : settings) {
    const auto& halting = setting.halting;
    table.add(level_cells(
        label(setting), [&](std::size_t level) { return decimal(median(halting[level].steps), 0); },
        [&](std::size_t level) { return percent(halting[level].recovered, 1); }));
  }
  std::cout << "Median steps, then % recovered with every sign right:\n";
  table.print(std::cout);
}

void print_against_fixed(const std::vector<Setting>& settings) {
  Table table({"σ = 2: halting against 10 fixed steps", "mean steps", "halted, %", "every sign right, %", "fixed, %",
               "overlap > 0.95, %", "fixed, %"});
  table.add({"published", decimal(published_mean_steps, 1), "", percent(published_recovery[compared_level], 0),
             percent(published_fixed_recovery, 0), "", ""});
  for (const Setting& setting : settings) {
    const Tally& halting = setting.halting[compared_level];
    const Tally& fixed = setting.fixed[compared_level];
    table.add({label(setting), decimal(halting.mean_steps(), 2), percent(halting.converged, 1),
               percent(halting.recovered, 1), percent(fixed.recovered, 1), percent(halting.close, 1),
               percent(fixed.close, 1)});
  }
  table.print(std::cout);
}

/// How far measured medians are from the published ones: mean absolute difference in steps.
double distance_to_published(const Setting& setting) {
  double sum = 0.0;
  for (std::size_t level = 0; level < level_count; ++level)
    sum += std::abs(median(setting.halting[level].steps) - published_median_steps[level]);
  return sum / level_count;
}

bool steps_rise(const Setting& setting) {
  for (std::size_t level = 1; level < level_count; ++level)
    if (setting.halting[level].mean_steps() <= setting.halting[level - 1].mean_steps()) return false;
  return true;
}

void print_summary(const std::vector<Setting>& settings) {
  const auto share = [&](auto holds) {
    return std::to_string(std::count_if(settings.begin(), settings.end(), holds)) + " of " +
           std::to_string(settings.size()) + " settings\n";
  };
  const Setting& nearest = *std::min_element(settings.begin(), settings.end(), [](const Setting& a, const Setting& b) {
    return distance_to_published(a) < distance_to_published(b);
  });
  std::cout << "Mean steps rise with every level of noise: " << share(steps_rise)
            << "At σ = 2 halting recovers at least as many as ten fixed steps, every sign right: "
            << share([](const Setting& s) {
                 return s.halting[compared_level].recovered >= s.fixed[compared_level].recovered;
               })
            << "The same, overlap above 0.95: "
            << share([](const Setting& s) { return s.halting[compared_level].close >= s.fixed[compared_level].close; })
            << "Nearest to the published median steps: " << label(nearest) << ", off by "
            << decimal(distance_to_published(nearest), 1) << " steps on average\n\n";
}

Record to_record(const Setting& setting, std::size_t level) {
  const Tally& halting = setting.halting[level];
  const Tally& fixed = setting.fixed[level];
  return {{"trials", std::int64_t{setting.trials}},
          {"patterns", std::int64_t{setting.patterns}},
          {"tolerance", setting.tolerance},
          {"sigma", sigmas[level]},
          {"published_median_steps", published_median_steps[level]},
          {"published_recovery", published_recovery[level]},
          {"median_steps", median(halting.steps)},
          {"mean_steps", halting.mean_steps()},
          {"p95_steps", quantile(halting.steps, 0.95)},
          {"converged", halting.converged},
          {"recovered", halting.recovered},
          {"overlap_above_095", halting.close},
          {"fixed_10_recovered", fixed.recovered},
          {"fixed_10_overlap_above_095", fixed.close}};
}

void run(const Job& job) {
  if (job.memories < 1) throw UsageError("--memories must be at least 1");
  Random random(static_cast<std::uint64_t>(job.run.seed));
  ProgressLine progress(static_cast<int>(job.trials.size() * job.patterns.size()), job.run.progress);
  std::vector<Record> records;
  for (const int trials : job.trials) {
    std::vector<Setting> settings;
    for (const int patterns : job.patterns) {
      progress.next_stage(grouped(trials) + " trials, P = " + std::to_string(patterns));
      for (Setting& setting : sweep(job, patterns, trials, random)) settings.push_back(std::move(setting));
    }
    progress.clear();
    std::cout << grouped(trials) << " trials for each level of noise, N = 128, α = " << decimal(job.gain, 2) << "\n\n";
    print_levels(settings);
    std::cout << '\n';
    print_against_fixed(settings);
    std::cout << '\n';
    print_summary(settings);
    for (const Setting& setting : settings)
      for (std::size_t level = 0; level < level_count; ++level) records.push_back(to_record(setting, level));
  }
  const Record details = {{"dimension", dimension}, {"gain", double{job.gain}}, {"memories", job.memories}};
  job.run.write("noise-sweep", "rows", joined(job.run.context(), details), records);
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  return attractor::bench::run_job(argc, argv, attractor::bench::Job{}, attractor::bench::parse, attractor::bench::run);
}
