// Exact adaptive scores of patterns with few values at each entry: by levels, as they are made by themselves, by
// sorting networks, and by these where rounded terms show which scores matter.

#include <algorithm>
#include <functional>
#include <iostream>
#include <limits>
#include <string>
#include <utility>
#include <vector>

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
  std::vector<int> dimensions = {64, 256, 784};
  std::vector<int> values = {2, 4};
  Index patterns = 2048;
  Index queries = 256;
  int steps = 2;
};

/// What one call took each way: processor seconds of rounds that take turns.
struct Finding {
  Index dimension = 0;
  Index values = 0;
  std::string asked;
  std::vector<double> networks = {};
  std::vector<double> screened = {};
  std::vector<double> levels = {};
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "Exact adaptive scores of patterns with few values at each entry, by levels against sorting networks, with and\n"
      "without a look by rounded terms. CPU only, in processor time. Writes levels.json and levels.csv.");
  job.run.add_to(options);
  options.add("--dimensions", job.dimensions, "entries of a pattern");
  options.add("--values", job.values, "values of an entry");
  options.add("--patterns", job.patterns, "stored patterns");
  options.add("--queries", job.queries, "noisy copies of them");
  options.add("--steps", job.steps, "of a relaxation");
  return options.parse(argc, argv);
}

/// Entries take one of `values` values between −1 and 1.
Matrix<float> random_levels(Index rows, Index columns, int values, Random& random) {
  Matrix<float> result(rows, columns);
  std::uniform_int_distribution<int> level(0, values - 1);
  std::generate_n(result.data(), result.size(), [&] {
    return values == 1 ? 1.0F : 2.0F * static_cast<float>(level(random)) / static_cast<float>(values - 1) - 1.0F;
  });
  return result;
}

Matrix<float> noisy_copies(MatrixView<const float> patterns, Index count, float deviation, Random& random) {
  Matrix<float> result(count, patterns.columns);
  std::normal_distribution<float> noise(0.0F, deviation);
  for (Index i = 0; i < count; ++i)
    std::transform(patterns.row(i % patterns.rows), patterns.row(i % patterns.rows) + patterns.columns, result.row(i),
                   [&](float entry) { return entry + noise(random); });
  return result;
}

/// Weights that fall with the rank, of the squared distance, so that scores of unlike patterns lie about 20 apart.
AdaptiveSimilarity falling_weights(Index dimension) {
  std::vector<float> weights(static_cast<std::size_t>(dimension));
  for (std::size_t i = 0; i < weights.size(); ++i)
    weights[i] = 40.0F / static_cast<float>(dimension) * (1.0F - static_cast<float>(i) / static_cast<float>(dimension));
  return {.squared_distance = std::move(weights)};
}

/// Runs `work` with other sizes inside the engine.
template <class Work>
auto with_sizes(float level_cost, float exact_cost, const Work& work) {
  const detail::Sizes before = detail::sizes();
  detail::sizes().level_cost *= level_cost;
  detail::sizes().exact_cost *= exact_cost;
  auto result = work();
  detail::sizes() = before;
  return result;
}

class Measurement {
 public:
  Measurement(const Job& job, Index dimension, int values)
      : job_(job),
        random_(static_cast<std::uint64_t>(job.run.seed)),
        patterns_(random_levels(job.patterns, dimension, values, random_)),
        queries_(noisy_copies(patterns_, job.queries, 0.8F, random_)),
        values_(values),
        by_levels_(make(1.0F)),
        by_networks_(make(std::numeric_limits<float>::infinity())) {}

  std::vector<Finding> run() {
    const auto retrieving = [this](bool posteriors) {
      return [this, posteriors](const Memory& memory) {
        retrieve(memory, queries_, {.posteriors = posteriors, .threads = job_.run.threads});
      };
    };
    return {time("which pattern", retrieving(false)), time("and its posterior", retrieving(true)),
            time("relaxation", [this](const Memory& memory) {
              const Relaxer relaxer(memory,
                                    {.halting = fixed_steps(), .max_steps = job_.steps, .threads = job_.run.threads});
              static_cast<void>(relaxer.relax(queries_));
            })};
  }

 private:
  [[nodiscard]] Memory make(float level_cost) const {
    return with_sizes(level_cost, 1.0F,
                      [&] { return Memory::adaptive(Device::cpu(), patterns_, falling_weights(patterns_.columns())); });
  }

  [[nodiscard]] Finding time(const std::string& asked, const std::function<void(const Memory&)>& work) const {
    Finding finding{.dimension = patterns_.columns(), .values = values_, .asked = asked};
    const auto timed = [&](const Memory& memory, float exact_cost) {
      return with_sizes(1.0F, exact_cost, [&] { return processor_seconds([&] { work(memory); }); });
    };
    for (int i = 0; i < job_.run.repetitions; ++i) {
      finding.networks.push_back(timed(by_networks_, 0.0F));
      finding.screened.push_back(timed(by_networks_, 1.0F));
      finding.levels.push_back(timed(by_levels_, 1.0F));
    }
    return finding;
  }

  const Job& job_;
  Random random_;
  Matrix<float> patterns_;
  Matrix<float> queries_;
  int values_;
  Memory by_levels_;
  Memory by_networks_;
};

void print(const Job& job, const std::vector<Finding>& findings) {
  Table table(
      {"D", "values", "asked", "networks, µs", "screened, µs", "by itself, µs", "over networks", "over screened"});
  const auto microseconds = [&](const std::vector<double>& times) {
    return decimal(1e6 * median(times) / static_cast<double>(job.queries), 1);
  };
  for (const Finding& finding : findings)
    table.add({std::to_string(finding.dimension), std::to_string(finding.values), finding.asked,
               microseconds(finding.networks), microseconds(finding.screened), microseconds(finding.levels),
               decimal(median_ratio(finding.networks, finding.levels), 2),
               decimal(median_ratio(finding.screened, finding.levels), 2)});
  table.print(std::cout);
}

Record to_record(const Finding& finding) {
  return {{"dimension", finding.dimension},
          {"values", finding.values},
          {"asked", finding.asked},
          {"networks_seconds", median(finding.networks)},
          {"screened_seconds", median(finding.screened)},
          {"levels_seconds", median(finding.levels)},
          {"over_networks", median_ratio(finding.networks, finding.levels)},
          {"over_screened", median_ratio(finding.screened, finding.levels)}};
}

void run(const Job& job) {
  if (job.run.repetitions < 1) throw UsageError("--repetitions must be at least 1");
  for (const int values : job.values)
    if (values < 1) throw UsageError("--values must be at least 1");
  ProgressLine progress(static_cast<int>(job.dimensions.size() * job.values.size()), job.run.progress);
  std::vector<Finding> findings;
  for (const int dimension : job.dimensions)
    for (const int values : job.values) {
      progress.next_stage("D = " + std::to_string(dimension) + ", " + std::to_string(values) + " values");
      for (Finding& finding : Measurement(job, dimension, values).run()) findings.push_back(std::move(finding));
    }
  progress.clear();
  std::cout << job.patterns << " patterns; microseconds of processor time for each of " << job.queries
            << " queries\n\n";
  print(job, findings);
  std::vector<Record> records;
  for (const Finding& finding : findings) records.push_back(to_record(finding));
  Record context = job.run.context();
  context.insert(context.end(), {{"patterns", job.patterns}, {"queries", job.queries}, {"steps", job.steps}});
  job.run.write("levels", "rows", context, records);
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  attractor::bench::Job job;
  job.run.threads = 1;
  return attractor::bench::run_job(argc, argv, job, attractor::bench::parse, attractor::bench::run);
}
