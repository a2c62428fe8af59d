// What a step costs under each separation, beside the one that is linear in the scores and beside softmax: the same
// patterns, queries and numbers of steps, interleaved.

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bench/support/options.hpp"
#include "bench/support/progress.hpp"
#include "bench/support/queries.hpp"
#include "bench/support/record.hpp"
#include "bench/support/relaxation_timer.hpp"
#include "bench/support/run_options.hpp"
#include "bench/support/table.hpp"
#include "bench/support/timing.hpp"

namespace attractor::bench {
namespace {

struct Job {
  RunOptions run;
  Index dimension = 64;
  Index patterns = 4096;
  Index queries = 8192;
  int steps = 4;
  float beta = 0.5F;
  float noise = 1.5F;
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "What a step costs under each separation of the scores: pointwise ones beside the linear one, normalised ones\n"
      "beside softmax, also with other similarities; asynchronous updates beside synchronous ones. A fixed number of "
      "steps, with energies and without. Writes separations.json and "
      "separations.csv.");
  job.run.add_to(options);
  options.add("--dimension", job.dimension, "neurons");
  options.add("--patterns", job.patterns, "random patterns of ±1");
  options.add("--queries", job.queries, "noisy copies of them");
  options.add("--steps", job.steps, "of each query");
  options.add("--beta", job.beta, "inverse temperature of the normalised ones");
  options.add("--noise", job.noise, "standard deviation of the noise added to queries");
  return options.parse(argc, argv);
}

/// A memory, and the one that its step is compared with.
struct Way {
  std::string name;
  std::string base;
  Memory memory;
  Update update;
  std::vector<double> plain = {};          ///< seconds of all queries
  std::vector<double> with_energies = {};  ///< the same, with the energy of every step
};

std::vector<Way> make_ways(const Job& job, const Device& device, MatrixView<const float> patterns) {
  std::vector<Way> ways;
  const std::string linear = "linear";
  ways.push_back({linear, linear,
                  Memory::hebbian(device, patterns, {.self_coupling = true, .evaluation = Evaluation::factored}),
                  tanh_update()});
  for (const int order : {3, 4, 10, 30})
    ways.push_back({"polynomial, n = " + std::to_string(order), linear,
                    Memory::dense_associative(device, patterns, {.order = order}), tanh_update()});
  const std::string soft = "softmax";
  const std::vector<std::pair<std::string, NormalisedSeparation>> normalised = {
      {soft, softmax()},          {"entmax 1.2", entmax(1.2F)}, {"entmax 1.5", entmax()},
      {"sparsemax", sparsemax()}, {"normmax", normmax()},       {"top 1", top(1)},
      {"top 16", top(16)}};
  for (const auto& [name, separation] : normalised)
    ways.push_back({name, soft, Memory::modern_hopfield(device, patterns, {.beta = job.beta, .separation = separation}),
                    readout_update()});
  for (const auto& [name, similarity, beta] :
       {std::tuple("softmax of squared distances", Similarity::squared_distance, job.beta),
        {"softmax of Manhattan distances", Similarity::manhattan, job.beta},
        {"softmax of cosines", Similarity::cosine, job.beta * static_cast<float>(job.dimension)}})
    ways.push_back({name, soft, Memory::modern_hopfield(device, patterns, {.beta = beta, .similarity = similarity}),
                    readout_update()});
  // Balls that hold a query's pattern, and others.
  const float reach = 2.0F / (1.5F * static_cast<float>(job.noise * job.noise) * static_cast<float>(job.dimension));
  ways.push_back(
      {"epanechnikov", soft,
       Memory::modern_hopfield(
           device, patterns, {.beta = reach, .similarity = Similarity::squared_distance, .separation = epanechnikov()}),
       readout_update()});
  const std::string sign = "linear, sign";
  ways.push_back({sign, sign, ways.front().memory, sign_update()});
  ways.push_back({"linear, asynchronous", sign, ways.front().memory, asynchronous_sign_update()});
  ways.push_back({"polynomial, n = 4, asynchronous", sign, Memory::dense_associative(device, patterns, {.order = 4}),
                  asynchronous_sign_update()});
  return ways;
}

RelaxerOptions options_of(const Job& job, const Way& way, bool energies) {
  return {.update = way.update,
          .halting = fixed_steps(),
          .max_steps = job.steps,
          .energies = energies,
          .threads = job.run.threads};
}

void time_all(const Job& job, const Device& device, MatrixView<const float> queries, std::vector<Way>& ways) {
  const std::unique_ptr<RelaxationTimer> timer = make_timer(device, queries);
  ProgressLine progress(job.run.repetitions + 1, job.run.progress);
  for (int round = 0; round <= job.run.repetitions; ++round) {
    progress.next_stage("round " + std::to_string(round));
    for (Way& way : ways) {
      const double plain = timer->seconds(Relaxer(way.memory, options_of(job, way, false)));
      const double with_energies = timer->seconds(Relaxer(way.memory, options_of(job, way, true)));
      if (round == 0) continue;  // Nothing is warm yet.
      way.plain.push_back(plain);
      way.with_energies.push_back(with_energies);
    }
  }
  progress.clear();
}

const Way& base_of(const Way& way, const std::vector<Way>& ways) {
  return *std::find_if(ways.begin(), ways.end(), [&](const Way& other) { return other.name == way.base; });
}

void report(const Job& job, const Device& device, const std::vector<Way>& ways) {
  const double steps = static_cast<double>(job.queries) * job.steps;
  const double flops = 4.0 * static_cast<double>(job.patterns) * static_cast<double>(job.dimension);
  Table table({"separation", "µs a step", "GFLOP/s", "beside", "cost", "with energies, µs", "cost"});
  std::vector<Record> records;
  for (const Way& way : ways) {
    const Way& base = base_of(way, ways);
    const double step = median(way.plain) / steps;
    const double energy_step = median(way.with_energies) / steps;
    const double cost = median_ratio(way.plain, base.plain);
    const double energy_cost = median_ratio(way.with_energies, base.with_energies);
    table.add({way.name, decimal(1e6 * step, 2), decimal(1e-9 * flops / step, 1), way.base, decimal(cost, 2),
               decimal(1e6 * energy_step, 2), decimal(energy_cost, 2)});
    records.push_back({{"separation", way.name},
                       {"beside", way.base},
                       {"seconds_per_step", step},
                       {"cost", cost},
                       {"seconds_per_step_with_energies", energy_step},
                       {"cost_with_energies", energy_cost}});
  }
  std::cout << job.patterns << " patterns, D = " << job.dimension << ", on " << device.description() << ":\n";
  table.print(std::cout);
  const Record details = {{"dimension", job.dimension},       {"patterns", job.patterns}, {"queries", job.queries},
                          {"steps", std::int64_t{job.steps}}, {"beta", double{job.beta}}, {"noise", double{job.noise}}};
  job.run.write("separations", "separations", joined(job.run.context(), details), records);
}

void run(const Job& job) {
  if (job.run.repetitions < 1) throw UsageError("--repetitions must be at least 1");
  const Device device = job.run.chosen_device();
  Random random(static_cast<std::uint64_t>(job.run.seed));
  const Matrix<float> patterns = random_patterns(job.patterns, job.dimension, random);
  const Matrix<float> queries = noisy_queries(patterns, job.queries, job.noise, random).queries;
  std::vector<Way> ways = make_ways(job, device, patterns);
  time_all(job, device, queries, ways);
  report(job, device, ways);
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  return attractor::bench::run_job(argc, argv, attractor::bench::Job{}, attractor::bench::parse, attractor::bench::run);
}
