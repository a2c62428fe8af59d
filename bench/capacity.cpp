// How many patterns memories hold as they grow: the exponent beside that of the literature, synchronous and
// asynchronous updates, and what halting costs near capacity.

#include <algorithm>
#include <cmath>
#include <functional>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/support/options.hpp"
#include "bench/support/progress.hpp"
#include "bench/support/queries.hpp"
#include "bench/support/record.hpp"
#include "bench/support/run_options.hpp"
#include "bench/support/table.hpp"

namespace attractor::bench {
namespace {

struct Job {
  RunOptions run;
  std::vector<int> dimensions = {16, 32, 64, 128};
  Index queries = 400;
  Index most_patterns = 20000;
  float flips = 0.1F;
  float wanted = 0.9F;
  float overlap = 0.95F;
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "Capacity: the most random patterns of which enough are recovered from damaged copies, for several dimensions.\n"
      "Writes capacity.json and capacity.csv.");
  job.run.add_to(options);
  options.add("--dimensions", job.dimensions, "neurons");
  options.add("--queries", job.queries, "of each memory");
  options.add("--most-patterns", job.most_patterns, "that are tried");
  options.add("--flips", job.flips, "share of a query's entries that are negated");
  options.add("--wanted", job.wanted, "share of the queries that must be recovered");
  options.add("--overlap", job.overlap, "of a state with its pattern, from which it counts as recovered");
  return options.parse(argc, argv);
}

/// A kind of memory, with the exponent of N by which its capacity grows, where it is a power.
struct Kind {
  std::string name;
  std::optional<double> exponent;
  std::function<Memory(const Device&, MatrixView<const float>)> make;
  bool sweeps = false;  ///< has asynchronous updates
};

std::vector<Kind> all_kinds() {
  std::vector<Kind> kinds;
  kinds.push_back(
      {"Hebb", 1.0, [](const Device& d, MatrixView<const float> p) { return Memory::hebbian(d, p); }, true});
  kinds.push_back(
      {"Storkey", 1.0, [](const Device& d, MatrixView<const float> p) { return Memory::storkey(d, p); }, true});
  for (const int order : {3, 4})
    kinds.push_back(
        {"dense, n = " + std::to_string(order), order - 1.0,
         [=](const Device& d, MatrixView<const float> p) { return Memory::dense_associative(d, p, {.order = order}); },
         true});
  kinds.push_back({"exponential", std::nullopt,
                   [](const Device& d, MatrixView<const float> p) { return Memory::exponential(d, p); }});
  kinds.push_back({"modern Hopfield, β = 1", std::nullopt,
                   [](const Device& d, MatrixView<const float> p) { return Memory::modern_hopfield(d, p); }});
  return kinds;
}

struct Recovery {
  double share = 0.0;
  double steps = 0.0;
  double at_limit = 0.0;  ///< share of queries that oscillate or run to the last step
};

Recovery recover(const Job& job, const Device& device, const Kind& kind, Index dimension, Index patterns,
                 const std::optional<Update>& update) {
  Random random(static_cast<std::uint64_t>(job.run.seed + 1000 * dimension + patterns));
  const Matrix<float> stored = random_patterns(patterns, dimension, random);
  const QuerySet set = flipped_queries(stored, job.queries, static_cast<double>(job.flips), random);
  const Relaxer relaxer(kind.make(device, stored),
                        {.update = update, .max_steps = job.run.max_steps, .threads = job.run.threads});
  const Relaxation result = relaxer.relax(set.queries);
  Recovery recovery;
  for (Index i = 0; i < job.queries; ++i) {
    const auto at = static_cast<std::size_t>(i);
    double agreement = 0.0;
    for (Index k = 0; k < dimension; ++k)
      agreement += (result.states(i, k) > 0.0F) == (stored(set.targets[at], k) > 0.0F) ? 1.0 : -1.0;
    recovery.share += agreement >= static_cast<double>(job.overlap) * static_cast<double>(dimension) ? 1.0 : 0.0;
    recovery.steps += static_cast<double>(result.steps[at]);
    recovery.at_limit += result.status[at] == Status::converged ? 0.0 : 1.0;
  }
  for (double* const value : {&recovery.share, &recovery.steps, &recovery.at_limit})
    *value /= static_cast<double>(job.queries);
  return recovery;
}

/// The most patterns, to about 3 %, at which enough are recovered; more than were tried: nothing.
std::optional<Index> capacity(const Job& job, const Device& device, const Kind& kind, Index dimension,
                              const std::optional<Update>& update) {
  const auto holds = [&](Index patterns) {
    return recover(job, device, kind, dimension, patterns, update).share >= static_cast<double>(job.wanted);
  };
  Index held = 1;
  Index lost = 2;
  while (holds(lost)) {
    held = lost;
    lost *= 2;
    if (lost > job.most_patterns) return std::nullopt;
  }
  while (lost - held > std::max<Index>(1, held / 32)) {
    const Index middle = held + (lost - held) / 2;
    (holds(middle) ? held : lost) = middle;
  }
  return held;
}

/// The slope of log capacity over log dimension.
double fitted_exponent(const std::vector<std::pair<double, double>>& points) {
  double x = 0.0;
  double y = 0.0;
  for (const auto& [dimension, patterns] : points) {
    x += std::log(dimension) / static_cast<double>(points.size());
    y += std::log(patterns) / static_cast<double>(points.size());
  }
  double products = 0.0;
  double squares = 0.0;
  for (const auto& [dimension, patterns] : points) {
    products += (std::log(dimension) - x) * (std::log(patterns) - y);
    squares += (std::log(dimension) - x) * (std::log(dimension) - x);
  }
  return products / squares;
}

struct Mode {
  std::string name;
  std::optional<Update> update;
};

std::vector<Mode> modes_of(const Kind& kind) {
  std::vector<Mode> modes = {{"synchronous", std::nullopt}};
  if (kind.sweeps) modes.push_back({"asynchronous", asynchronous_sign_update(1)});
  return modes;
}

void run(const Job& job) {
  if (job.dimensions.size() < 2) throw UsageError("--dimensions must name two at least");
  const Device device = job.run.chosen_device();
  const std::vector<Kind> kinds = all_kinds();
  std::vector<std::string> headings = {"memory, update"};
  for (const int dimension : job.dimensions) headings.push_back("N = " + std::to_string(dimension));
  headings.insert(headings.end(), {"exponent", "literature", "steps at half", "steps at capacity", "at 1.5 times",
                                   "not halted there, %"});
  Table table(headings);
  std::vector<Record> records;
  ProgressLine progress(static_cast<int>(kinds.size()), job.run.progress);
  for (const Kind& kind : kinds) {
    progress.next_stage(kind.name);
    for (const Mode& mode : modes_of(kind)) {
      std::vector<std::string> cells = {kind.name + ", " + mode.name};
      std::vector<std::string> step_cells;
      std::vector<std::pair<double, double>> points;
      std::optional<Index> last;
      for (const int dimension : job.dimensions) {
        last = capacity(job, device, kind, dimension, mode.update);
        cells.push_back(last ? std::to_string(*last) : "> " + std::to_string(job.most_patterns / 2));
        if (last) points.emplace_back(dimension, static_cast<double>(*last));
        Record record = {{"memory", kind.name}, {"update", mode.name}, {"dimension", std::int64_t{dimension}}};
        record.emplace_back("capacity", last ? Value(*last) : Value());
        for (const auto& [name, share] : {std::pair("half", 0.5), {"capacity", 1.0}, {"beyond", 1.5}}) {
          const Recovery at =
              last ? recover(job, device, kind, dimension,
                             std::max<Index>(1, std::lround(share * static_cast<double>(*last))), mode.update)
                   : Recovery{};
          const std::string suffix = std::string("_at_") + name;
          record.emplace_back("recovered" + suffix, last ? Value(at.share) : Value());
          record.emplace_back("mean_steps" + suffix, last ? Value(at.steps) : Value());
          record.emplace_back("not_halted" + suffix, last ? Value(at.at_limit) : Value());
          if (dimension != job.dimensions.back() || !last) continue;
          step_cells.push_back(decimal(at.steps, 1));
          if (share == 1.5) step_cells.push_back(percent(at.at_limit, 1));
        }
        records.push_back(record);
      }
      cells.push_back(points.size() > 1 ? decimal(fitted_exponent(points), 2) : "");
      cells.push_back(kind.exponent ? decimal(*kind.exponent, 0) : "exponential");
      cells.insert(cells.end(), step_cells.begin(), step_cells.end());
      cells.resize(headings.size());
      table.add(cells);
    }
  }
  progress.clear();
  std::cout << "Most patterns of which " << percent(static_cast<double>(job.wanted), 0)
            << " % are recovered from copies with " << percent(static_cast<double>(job.flips), 0)
            << " % flipped; steps at the last N:\n";
  table.print(std::cout);
  const Record details = {{"queries", job.queries},
                          {"flips", double{job.flips}},
                          {"wanted", double{job.wanted}},
                          {"overlap", double{job.overlap}}};
  job.run.write("capacity", "capacity", joined(untimed(job.run.context()), details), records);
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  return attractor::bench::run_job(argc, argv, attractor::bench::Job{}, attractor::bench::parse, attractor::bench::run);
}
