// How many patterns memories hold as they grow: the exponent beside that of the literature, synchronous and
// asynchronous updates, and what halting costs near capacity.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <iostream>
#include <iterator>
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
  std::vector<int> dimensions = {40, 80, 120, 160};
  std::vector<int> small_dimensions = {10, 20, 30};
  int sets = 5;
  Index queries = 100;
  Index most_patterns = 200000;
  Index most_swept = 20000;
  float flips = 0.1F;
  float wanted = 0.9F;
  float overlap = 0.95F;
  int further_steps = 10;
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "Capacity: the most random patterns of which enough are recovered from damaged copies, for several dimensions;\n"
      "and how queries relax around it. Writes capacity.json, capacity.csv and capacity-loads.csv.");
  job.run.add_to(options);
  options.add("--dimensions", job.dimensions, "neurons; of memories that hold a power of them");
  options.add("--small-dimensions", job.small_dimensions, "of memories that hold exponentially many");
  options.add("--sets", job.sets, "sets of patterns of each size");
  options.add("--queries", job.queries, "of each set");
  options.add("--most-patterns", job.most_patterns, "that are tried");
  options.add("--most-swept", job.most_swept, "the same of asynchronous updates");
  options.add("--flips", job.flips, "share of a query's entries that are negated");
  options.add("--wanted", job.wanted, "share of the queries that must be recovered");
  options.add("--overlap", job.overlap, "of a state with its pattern, from which it counts as recovered");
  options.add("--further-steps", job.further_steps, "after a query halts, to see whether it halted too early");
  return options.parse(argc, argv);
}

void check(const Job& job) {
  if (job.dimensions.size() < 2) throw UsageError("--dimensions must name two at least");
  if (job.small_dimensions.size() < 2) throw UsageError("--small-dimensions must name two at least");
  if (!(job.flips > 0.0F && job.flips < 0.5F)) throw UsageError("--flips must be between 0 and 0.5");
  if (!(job.wanted > 0.0F && job.wanted < 1.0F)) throw UsageError("--wanted must be between 0 and 1");
  if (job.sets < 1) throw UsageError("--sets must be at least 1");
  if (job.queries < 1) throw UsageError("--queries must be at least 1");
  if (std::min(job.most_patterns, job.most_swept) < 2)
    throw UsageError("--most-patterns and --most-swept must be at least 2");
  if (job.further_steps < 1) throw UsageError("--further-steps must be at least 1");
}

/// A kind of memory.
struct Kind {
  std::string name;
  std::optional<int> power;  ///< of N by which its capacity grows; none: exponentially
  std::function<Memory(const Device&, MatrixView<const float>)> make;
  bool sweeps = false;  ///< has asynchronous updates
};

std::vector<Kind> all_kinds() {
  using Patterns = MatrixView<const float>;
  std::vector<Kind> kinds;
  kinds.push_back({"Hebb", 1, [](const Device& d, Patterns p) { return Memory::hebbian(d, p); }, true});
  kinds.push_back({"Storkey", 1, [](const Device& d, Patterns p) { return Memory::storkey(d, p); }, true});
  for (const int order : {2, 3, 4})
    kinds.push_back({"dense n = " + std::to_string(order), order - 1,
                     [=](const Device& d, Patterns p) { return Memory::dense_associative(d, p, {.order = order}); },
                     true});
  kinds.push_back({"exponential", std::nullopt, [](const Device& d, Patterns p) { return Memory::exponential(d, p); }});
  kinds.push_back({"modern Hopfield β = 1", std::nullopt,
                   [](const Device& d, Patterns p) { return Memory::modern_hopfield(d, p); }});
  return kinds;
}

/// A kind of memory under one kind of update.
struct Case {
  Kind kind;
  std::string mode;
  std::optional<Update> update;

  [[nodiscard]] std::string name() const { return kind.name + ", " + mode; }
};

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const Kind& kind : all_kinds()) {
    cases.push_back({kind, "synchronous", std::nullopt});
    if (kind.sweeps) cases.push_back({kind, "asynchronous", asynchronous_sign_update(1)});
  }
  return cases;
}

/// Shares of the queries, and their mean steps.
struct Recovery {
  double share = 0.0;  ///< recovered where they halt
  double later = 0.0;  ///< recovered some steps later
  double steps = 0.0;
  double oscillating = 0.0;  ///< ended in a cycle of two states
  double at_limit = 0.0;     ///< ran to the last step
};

bool recovered(const Job& job, const float* state, const float* pattern, Index dimension) {
  double agreement = 0.0;
  for (Index k = 0; k < dimension; ++k) agreement += (state[k] > 0.0F) == (pattern[k] > 0.0F) ? 1.0 : -1.0;
  return agreement >= static_cast<double>(job.overlap) * static_cast<double>(dimension);
}

double recovered_share(const Job& job, MatrixView<const float> states, MatrixView<const float> stored,
                       const std::vector<Index>& targets) {
  Index count = 0;
  for (Index i = 0; i < states.rows; ++i)
    count += recovered(job, states.row(i), stored.row(targets[static_cast<std::size_t>(i)]), stored.columns) ? 1 : 0;
  return static_cast<double>(count) / static_cast<double>(states.rows);
}

/// What a set of patterns adds to the mean over sets.
/// @param look_later whether to follow the queries beyond their halt
void add_recovery(const Job& job, const Case& tried, const Memory& memory, const QuerySet& set, bool look_later,
                  Recovery& recovery) {
  RelaxerOptions options{.update = tried.update, .max_steps = job.run.max_steps, .threads = job.run.threads};
  const Relaxation result = Relaxer(memory, options).relax(set.queries);
  const double one_set = 1.0 / job.sets;
  const double one = one_set / static_cast<double>(job.queries);
  recovery.share += one_set * recovered_share(job, result.states, memory.patterns(), set.targets);
  for (std::size_t i = 0; i < result.steps.size(); ++i) {
    recovery.steps += one * static_cast<double>(result.steps[i]);
    if (result.status[i] == Status::oscillating) recovery.oscillating += one;
    if (result.status[i] == Status::max_steps) recovery.at_limit += one;
  }
  if (!look_later) return;
  options.halting = fixed_steps();
  options.max_steps = job.further_steps;
  const Relaxation later = Relaxer(memory, options).relax(result.states);
  recovery.later += one_set * recovered_share(job, later.states, memory.patterns(), set.targets);
}

Recovery recover(const Job& job, const Device& device, const Case& tried, Index dimension, Index patterns,
                 bool look_later) {
  Recovery recovery;
  Random random(static_cast<std::uint64_t>(job.run.seed + 1000 * dimension + patterns));
  for (int i = 0; i < job.sets; ++i) {
    const Matrix<float> stored = random_patterns(patterns, dimension, random);
    const QuerySet set = flipped_queries(stored, job.queries, static_cast<double>(job.flips), random);
    add_recovery(job, tried, tried.kind.make(device, stored), set, look_later, recovery);
  }
  return recovery;
}

Index most_patterns(const Job& job, const Case& tried) { return tried.update ? job.most_swept : job.most_patterns; }

/// The most patterns, to about 3 %, at which enough are recovered; nothing where twice as many weren't to be tried.
std::optional<Index> capacity(const Job& job, const Device& device, const Case& tried, Index dimension) {
  const auto holds = [&](Index patterns) {
    return recover(job, device, tried, dimension, patterns, false).share >= static_cast<double>(job.wanted);
  };
  Index held = 1;
  Index lost = 2;
  while (lost <= most_patterns(job, tried) && holds(lost)) {
    held = lost;
    lost *= 2;
  }
  if (lost > most_patterns(job, tried)) return std::nullopt;
  while (lost - held > std::max<Index>(1, held / 32)) {
    const Index middle = held + (lost - held) / 2;
    (holds(middle) ? held : lost) = middle;
  }
  return held;
}

/// y = offset + slope·x by least squares.
struct Line {
  double slope = 0.0;
  double offset = 0.0;
};

std::optional<Line> fitted(const std::vector<std::pair<double, double>>& points) {
  if (points.size() < 2) return std::nullopt;
  const auto count = static_cast<double>(points.size());
  double x_mean = 0.0;
  double y_mean = 0.0;
  for (const auto& [x, y] : points) {
    x_mean += x / count;
    y_mean += y / count;
  }
  double products = 0.0;
  double squares = 0.0;
  for (const auto& [x, y] : points) {
    products += (x - x_mean) * (y - y_mean);
    squares += (x - x_mean) * (x - x_mean);
  }
  const double slope = products / squares;
  return Line{slope, y_mean - slope * x_mean};
}

/// I(a)/2 with a = 1 − 2·flips: exp of it times N is what exponential memories are proven to hold at that share of
/// flips (Demircigil et al. 2017, theorem 3).
double proven_rate(const Job& job) {
  const double a = 1.0 - 2.0 * static_cast<double>(job.flips);
  return ((1.0 + a) * std::log1p(a) + (1.0 - a) * std::log1p(-a)) / 4.0;
}

/// The number of random patterns of which, for the wanted share of queries, none but the right one is as near.
double held_by_the_nearest(const Job& job, int dimension) {
  const Index flipped = std::lround(static_cast<double>(job.flips) * dimension);
  double ways = 1.0;
  double as_near = 0.0;
  for (Index k = 0; k <= flipped; ++k) {
    as_near += std::ldexp(ways, -dimension);
    ways *= static_cast<double>(dimension - k) / static_cast<double>(k + 1);
  }
  return 1.0 + std::log(static_cast<double>(job.wanted)) / std::log1p(-as_near);
}

/// What one case holds at each dimension.
struct Curve {
  Case tried;
  std::vector<int> dimensions;
  std::vector<std::optional<Index>> capacities;

  /// What ln P is a line over: ln N where capacity is a power of N, N where it is exponential.
  [[nodiscard]] double abscissa(double dimension) const { return tried.kind.power ? std::log(dimension) : dimension; }

  /// ln P over its abscissa.
  [[nodiscard]] std::vector<std::pair<double, double>> points() const {
    std::vector<std::pair<double, double>> result;
    for (std::size_t i = 0; i < dimensions.size(); ++i)
      if (capacities[i]) result.emplace_back(abscissa(dimensions[i]), std::log(static_cast<double>(*capacities[i])));
    return result;
  }
};

Curve follow(const Job& job, const Device& device, const Case& tried, ProgressLine& progress) {
  Curve curve{tried, tried.kind.power ? job.dimensions : job.small_dimensions, {}};
  for (const int dimension : curve.dimensions) {
    progress.next_stage(tried.name() + ", N = " + std::to_string(dimension));
    curve.capacities.push_back(capacity(job, device, tried, dimension));
  }
  return curve;
}

/// The slope that the literature has; of powers without their logarithms.
double published_slope(const Job& job, const Kind& kind) { return kind.power ? *kind.power : proven_rate(job); }

/// A line of the published slope: of powers through the middle of what was found, else what is proven.
Value guide_of(const Job& job, const Curve& curve, int dimension) {
  const double slope = published_slope(job, curve.tried.kind);
  if (!curve.tried.kind.power) return std::exp(slope * dimension);
  const std::vector<std::pair<double, double>> points = curve.points();
  if (points.empty()) return {};
  double log_patterns = 0.0;
  for (const auto& [x, y] : points)
    log_patterns += (y + slope * (curve.abscissa(dimension) - x)) / static_cast<double>(points.size());
  return std::exp(log_patterns);
}

std::vector<Record> capacity_records(const Job& job, const Curve& curve) {
  const std::optional<Line> fit = fitted(curve.points());
  const bool powers = curve.tried.kind.power.has_value();
  std::vector<Record> records;
  for (std::size_t i = 0; i < curve.dimensions.size(); ++i) {
    const int dimension = curve.dimensions[i];
    const std::optional<Index>& held = curve.capacities[i];
    const Value guide = guide_of(job, curve, dimension);
    records.push_back({{"memory", curve.tried.kind.name},
                       {"update", curve.tried.mode},
                       {"growth", std::string(powers ? "power" : "exponential")},
                       {"dimension", std::int64_t{dimension}},
                       {"capacity", held ? Value(*held) : Value()},
                       {"fitted_slope", fit ? Value(fit->slope) : Value()},
                       {"fit", fit ? Value(std::exp(fit->offset + fit->slope * curve.abscissa(dimension))) : Value()},
                       {"published_slope", published_slope(job, curve.tried.kind)},
                       {"guide", guide},
                       {"nearest", powers ? Value() : Value(held_by_the_nearest(job, dimension))}});
  }
  return records;
}

/// How queries relax at shares of the capacity of the largest dimension for which it is known.
std::vector<Record> load_records(const Job& job, const Device& device, const Curve& curve, ProgressLine& progress) {
  std::vector<Record> records;
  progress.next_stage(curve.tried.name() + ", around its capacity");
  for (std::size_t i = curve.dimensions.size(); i-- > 0;) {
    if (!curve.capacities[i]) continue;
    for (const double load : {0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0}) {
      const Index patterns = std::max<Index>(1, std::lround(load * static_cast<double>(*curve.capacities[i])));
      const Recovery at = recover(job, device, curve.tried, curve.dimensions[i], patterns, true);
      records.push_back({{"memory", curve.tried.kind.name},
                         {"update", curve.tried.mode},
                         {"dimension", std::int64_t{curve.dimensions[i]}},
                         {"load", load},
                         {"patterns", patterns},
                         {"recovered", at.share},
                         {"recovered_later", at.later},
                         {"mean_steps", at.steps},
                         {"oscillating", at.oscillating},
                         {"at_max_steps", at.at_limit}});
    }
    break;
  }
  return records;
}

void print_capacities(const Job& job, const std::vector<Curve>& curves, bool powers) {
  std::vector<std::string> headings = {"memory, update"};
  for (const int dimension : powers ? job.dimensions : job.small_dimensions)
    headings.push_back("N = " + std::to_string(dimension));
  headings.insert(headings.end(), {powers ? "exponent of N" : "ln P a neuron", "literature"});
  Table table(headings);
  for (const Curve& curve : curves) {
    if (curve.tried.kind.power.has_value() != powers) continue;
    std::vector<std::string> cells = {curve.tried.name()};
    for (const std::optional<Index>& held : curve.capacities)
      cells.push_back(
          held ? std::to_string(*held)
               : "≥ " + std::to_string(std::bit_floor(static_cast<std::uint64_t>(most_patterns(job, curve.tried)))));
    const std::optional<Line> fit = fitted(curve.points());
    cells.push_back(fit ? decimal(fit->slope, 2) : "");
    cells.push_back(decimal(published_slope(job, curve.tried.kind), powers ? 0 : 2));
    table.add(cells);
  }
  if (!powers) {
    std::vector<std::string> cells = {"nearest pattern"};
    for (const int dimension : job.small_dimensions) cells.push_back(decimal(held_by_the_nearest(job, dimension), 0));
    cells.resize(headings.size());
    table.add(cells);
  }
  table.print(std::cout);
}

const Value& field(const Record& record, const std::string& name) {
  return std::find_if(record.begin(), record.end(), [&](const auto& entry) { return entry.first == name; })->second;
}

void print_loads(const Job& job, const std::vector<Record>& records) {
  Table table({"memory, update", "N", "P / capacity", "recovered, %",
               std::to_string(job.further_steps) + " steps later", "mean steps", "oscillating, %",
               "at the last step, %"});
  const auto share = [](const Record& record, const std::string& name) {
    return percent(std::get<double>(field(record, name)), 1);
  };
  for (const Record& record : records) {
    const double load = std::get<double>(field(record, "load"));
    if (load != 0.5 && load != 1.0 && load != 1.5) continue;  // The files have them all.
    table.add({std::get<std::string>(field(record, "memory")) + ", " + std::get<std::string>(field(record, "update")),
               std::to_string(std::get<std::int64_t>(field(record, "dimension"))), decimal(load, 1),
               share(record, "recovered"), share(record, "recovered_later"),
               decimal(std::get<double>(field(record, "mean_steps")), 1), share(record, "oscillating"),
               share(record, "at_max_steps")});
  }
  table.print(std::cout);
}

template <class Element>
void append(std::vector<Element>& to, std::vector<Element> more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

void run(const Job& job) {
  check(job);
  const Device device = job.run.chosen_device();
  std::vector<Curve> curves;
  std::vector<Record> capacities;
  std::vector<Record> loads;
  const std::vector<Case> cases = all_cases();
  std::size_t stages = cases.size();
  for (const Case& tried : cases) stages += (tried.kind.power ? job.dimensions : job.small_dimensions).size();
  ProgressLine progress(static_cast<int>(stages), job.run.progress);
  for (const Case& tried : cases) {
    curves.push_back(follow(job, device, tried, progress));
    append(capacities, capacity_records(job, curves.back()));
    append(loads, load_records(job, device, curves.back(), progress));
  }
  progress.clear();
  std::cout << "Most patterns of which " << percent(static_cast<double>(job.wanted), 0)
            << " % are recovered from copies with " << percent(static_cast<double>(job.flips), 0)
            << " % flipped; a power of N (Hebb's rule in large networks: 0.138 N):\n";
  print_capacities(job, curves, true);
  std::cout
      << "Exponentially many (the literature's is a lower bound), beside what finding the nearest pattern gives:\n";
  print_capacities(job, curves, false);
  std::cout << "Around the capacity of the largest N for which it is known:\n";
  print_loads(job, loads);
  const Record details = {{"sets", std::int64_t{job.sets}}, {"queries", job.queries},
                          {"flips", double{job.flips}},     {"wanted", double{job.wanted}},
                          {"overlap", double{job.overlap}}, {"further_steps", std::int64_t{job.further_steps}}};
  write_csv(job.run.file("capacity.csv"), capacities);
  write_csv(job.run.file("capacity-loads.csv"), loads);
  write_json(job.run.file("capacity.json"), joined(untimed(job.run.context()), details),
             {{"capacity", capacities}, {"loads", loads}});
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  return attractor::bench::run_job(argc, argv, attractor::bench::Job{}, attractor::bench::parse, attractor::bench::run);
}
