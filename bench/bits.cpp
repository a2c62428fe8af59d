// Sign updates of a Hebbian memory of patterns ±1, with queries and states as floats, in int8 and as packed bits: the
// same states, relaxed as bits, and as floats throughout.

#include <algorithm>
#include <functional>
#include <iostream>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "bench/support/machine_limits.hpp"
#include "bench/support/progress.hpp"
#include "bench/support/queries.hpp"
#include "bench/support/run_options.hpp"
#include "bench/support/table.hpp"
#include "bench/support/timing.hpp"
#include "kernels/sizes.hpp"

namespace attractor::bench {
namespace {

struct Job {
  RunOptions run;
  Index dimension = 1024;
  Index patterns = 64;
  Index queries = 16384;
  float flipped = 0.25F;
  bool asynchronous = false;
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "Sign updates from patterns of ±1, until states stay: queries and states as floats, in int8 and as packed bits,\n"
      "beside states that are floats inside, too, and beside the processor's rate of table lookups. CPU only, in\n"
      "processor time. Writes bits.json and bits.csv.");
  job.run.add_to(options);
  options.add("--dimension", job.dimension, "neurons");
  options.add("--patterns", job.patterns, "random patterns of ±1");
  options.add("--queries", job.queries, "copies of them");
  options.add("--flipped", job.flipped, "share of a query's entries that are negated");
  options.add_flag("--asynchronous", job.asynchronous, "one neuron after another, which looks nothing up in tables");
  return options.parse(argc, argv);
}

/// One way of giving queries and taking states.
struct Way {
  std::string name;
  std::function<void()> relax;
  std::vector<double> times = {};  ///< processor seconds of all queries
};

/// The same queries in every format, and room for their states.
class Measurement {
 public:
  explicit Measurement(const Job& job)
      : job_(job),
        patterns_(random_patterns(job.patterns, job.dimension, random_)),
        queries_(flipped_queries(patterns_, job.queries, double{job.flipped}, random_).queries),
        states_(job.queries, job.dimension),
        int8_queries_(job.queries, job.dimension),
        int8_states_(job.queries, job.dimension),
        bit_queries_(to_bits(queries_)),
        bit_states_(job.queries, job.dimension),
        steps_(static_cast<std::size_t>(job.queries)),
        relaxer_(
            Memory::hebbian(Device::cpu(), patterns_, {.evaluation = Evaluation::factored}),
            {.update = job.asynchronous ? asynchronous_sign_update() : sign_update(), .threads = job.run.threads}) {
    std::transform(queries_.data(), queries_.data() + queries_.size(), int8_queries_.data(),
                   [](float entry) { return static_cast<std::int8_t>(entry); });
  }

  /// The first is what the others are compared with.
  std::vector<Way> run() {
    std::vector<Way> ways = {
        {"floats, states of floats", [this] { without_bits([this] { relax(queries_.view(), {.states = states_}); }); }},
        {"floats", [this] { relax(queries_.view(), {.states = states_}); }},
        {"int8", [this] { relax(int8_queries_.view(), {.states = int8_states_}); }},
        {"bits", [this] { relax(bit_queries_.view(), {.states = bit_states_}); }}};
    ProgressLine progress(job_.run.repetitions + 1, job_.run.progress);
    for (int round = 0; round <= job_.run.repetitions; ++round) {
      progress.next_stage("round " + std::to_string(round));
      for (Way& way : ways) {
        const double time = processor_seconds(way.relax);
        if (round > 0) way.times.push_back(time);  // Nothing is warm before.
      }
    }
    progress.clear();
    return ways;
  }

  [[nodiscard]] double mean_steps() const {
    return std::accumulate(steps_.begin(), steps_.end(), 0.0) / static_cast<double>(steps_.size());
  }

 private:
  template <class Queries>
  void relax(const Queries& queries, RelaxationView results) {
    results.steps = steps_;
    relaxer_.relax(queries, results);
  }

  template <class Work>
  static void without_bits(const Work& work) {
    const Index before = std::exchange(detail::sizes().packed_terms, 0);
    work();
    detail::sizes().packed_terms = before;
  }

  const Job& job_;
  Random random_{static_cast<std::uint64_t>(job_.run.seed)};
  Matrix<float> patterns_;
  Matrix<float> queries_;
  Matrix<float> states_;
  Matrix<std::int8_t> int8_queries_;
  Matrix<std::int8_t> int8_states_;
  BitMatrix bit_queries_;
  BitMatrix bit_states_;
  std::vector<std::int32_t> steps_;
  Relaxer relaxer_;
};

/// Bytes that a step on bits looks up: a quarter of a byte for each entry of the patterns in the scores, where 64
/// patterns lie together, and two bytes for each three of them in the fields, where 64 neurons do.
double lookups_of_step(const Job& job) {
  const auto up_to = [](Index count, Index unit) { return (count + unit - 1) / unit * unit; };
  const Index scores = up_to(job.dimension, 8) / 4 * up_to(job.patterns, 64);
  const Index fields = up_to(job.dimension, 64) * 2 * up_to(job.patterns, 6) / 3;
  return static_cast<double>(scores + fields);
}

void run(const Job& job) {
  if (job.run.repetitions < 1) throw UsageError("--repetitions must be at least 1");
  if (job.queries < 1) throw UsageError("--queries must be at least 1");
  Measurement measurement(job);
  const std::vector<Way> ways = measurement.run();
  const double steps = measurement.mean_steps();
  const double limit = lookups_of_step(job) * steps / table_lookup_limit();
  const Way& base = ways.front();
  Table table({"queries and states", "µs a query", "over the first", "of the limit of table lookups"});
  std::vector<Record> records;
  for (const Way& way : ways) {
    const double query = median(way.times) / static_cast<double>(job.queries);
    const double speedup = median_ratio(base.times, way.times);
    table.add({way.name, decimal(1e6 * query, 2), decimal(speedup, 2),
               &way == &base || job.asynchronous ? "" : decimal(limit / query, 2)});
    records.push_back({{"queries_and_states", way.name}, {"seconds_per_query", query}, {"over_floats", speedup}});
  }
  std::cout << job.patterns << " patterns, D = " << job.dimension << ", " << decimal(steps, 2)
            << " steps a query; processor time\n\n";
  table.print(std::cout);
  Record context = job.run.context();
  context.insert(context.end(), {{"dimension", job.dimension},
                                 {"patterns", job.patterns},
                                 {"queries", job.queries},
                                 {"flipped", double{job.flipped}},
                                 {"asynchronous", job.asynchronous},
                                 {"mean_steps", steps},
                                 {"limit_seconds_per_query", limit}});
  job.run.write("bits", "rows", context, records);
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  attractor::bench::Job job;
  job.run.threads = 1;
  return attractor::bench::run_job(argc, argv, job, attractor::bench::parse, attractor::bench::run);
}
