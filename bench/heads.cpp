// Heads: what a step of several memories side by side costs, beside attention written as a plain loop and beside one
// memory of all columns; and how far the loop's results are from theirs.

#include <algorithm>
#include <cmath>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "bench/support/options.hpp"
#include "bench/support/progress.hpp"
#include "bench/support/queries.hpp"
#include "bench/support/record.hpp"
#include "bench/support/run_options.hpp"
#include "bench/support/table.hpp"
#include "bench/support/timing.hpp"

namespace attractor::bench {
namespace {

struct Job {
  RunOptions run;
  std::vector<int> heads = {1, 2, 4, 8, 16};
  Index dimension = 512;
  Index patterns = 1024;
  Index queries = 2048;
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "A step of H modern Hopfield memories over equal groups of columns, which is multi-head attention without its\n"
      "projections, beside a plain loop on one thread (a tenth of the queries) and beside a single memory of all "
      "columns.\nWrites heads.json and heads.csv.");
  job.run.add_to(options);
  options.add("--heads", job.heads, "numbers of heads");
  options.add("--dimension", job.dimension, "columns of all heads together");
  options.add("--patterns", job.patterns, "keys, random of unit variance");
  options.add("--queries", job.queries, "likewise");
  return options.parse(argc, argv);
}

/// softmax(β q kᵀ) k for each group of columns, as it would be written down.
Matrix<float> attend(MatrixView<const float> queries, MatrixView<const float> keys, Index heads, float beta) {
  Matrix<float> result(queries.rows, queries.columns);
  std::fill_n(result.data(), result.size(), 0.0F);
  const Index width = queries.columns / heads;
  std::vector<float> weights(static_cast<std::size_t>(keys.rows));
  for (Index i = 0; i < queries.rows; ++i)
    for (Index first = 0; first < queries.columns; first += width) {
      float largest = -INFINITY;
      for (Index p = 0; p < keys.rows; ++p) {
        float score = 0.0F;
        for (Index k = first; k < first + width; ++k) score += queries(i, k) * keys(p, k);
        weights[static_cast<std::size_t>(p)] = beta * score;
        largest = std::max(largest, beta * score);
      }
      float total = 0.0F;
      for (float& weight : weights) total += weight = std::exp(weight - largest);
      for (Index p = 0; p < keys.rows; ++p) {
        const float share = weights[static_cast<std::size_t>(p)] / total;
        for (Index k = first; k < first + width; ++k) result(i, k) += share * keys(p, k);
      }
    }
  return result;
}

double largest_difference(MatrixView<const float> a, MatrixView<const float> b) {
  double largest = 0.0;
  for (Index i = 0; i < a.rows; ++i)
    for (Index k = 0; k < a.columns; ++k)
      largest = std::max(largest, std::abs(static_cast<double>(a(i, k)) - static_cast<double>(b(i, k))));
  return largest;
}

/// Seconds a query of each round.
struct Times {
  std::vector<double> heads = {};
  std::vector<double> loop = {};
  std::vector<double> single = {};
  double difference = 0.0;  ///< of an entry of the loop, at most
};

Times measure(const Job& job, const Device& device, Index heads, MatrixView<const float> keys,
              MatrixView<const float> queries, ProgressLine& progress) {
  const Index width = job.dimension / heads;
  const float beta = 1.0F / std::sqrt(static_cast<float>(width));
  const RelaxerOptions step{.halting = fixed_steps(), .max_steps = 1, .energies = false, .threads = job.run.threads};
  const Heads side_by_side =
      Heads::modern_hopfield(device, keys, std::vector<float>(static_cast<std::size_t>(heads), beta), {}, step);
  const Relaxer single(Memory::modern_hopfield(device, keys, {.beta = beta}), step);
  const MatrixView<const float> some = queries.slice(0, std::max<Index>(1, queries.rows / 10));
  const auto each = [](double time, MatrixView<const float> rows) { return time / static_cast<double>(rows.rows); };
  Times times;
  for (int round = 0; round <= job.run.repetitions; ++round) {
    progress.next_stage(std::to_string(heads) + " heads, round " + std::to_string(round));
    Matrix<float> expected;
    Matrix<float> found;
    const double loop = seconds([&] { expected = attend(some, keys, heads, beta); });
    const double own = seconds([&] { found = side_by_side.relax(queries).states; });
    const double one = seconds([&] { static_cast<void>(single.relax(queries)); });
    times.difference = largest_difference(expected, found.view().slice(0, some.rows));
    if (round == 0) continue;  // Nothing is warm yet.
    times.loop.push_back(each(loop, some));
    times.heads.push_back(each(own, queries));
    times.single.push_back(each(one, queries));
  }
  return times;
}

/// One for each way, the heads' own first.
void add_records(int heads, const Times& times, std::vector<Record>& records) {
  const auto add = [&](const std::string& way, const std::vector<double>& seconds, const Value& difference) {
    records.push_back({{"heads", std::int64_t{heads}},
                       {"way", way},
                       {"seconds_per_query", median(seconds)},
                       {"slower", median_ratio(seconds, times.heads)},
                       {"from_this_library", difference}});
  };
  add("this library", times.heads, 0.0);
  add("a plain loop on one thread", times.loop, times.difference);
  add("one memory of all columns", times.single, Value());
}

void run(const Job& job) {
  if (job.run.repetitions < 1) throw UsageError("--repetitions must be at least 1");
  for (const int heads : job.heads)
    if (heads < 1 || job.dimension % heads != 0)
      throw UsageError(std::to_string(heads) + " heads can't share " + std::to_string(job.dimension) + " columns");
  const Device device = job.run.chosen_device();
  Random random(static_cast<std::uint64_t>(job.run.seed));
  std::normal_distribution<float> normal;
  Matrix<float> keys(job.patterns, job.dimension);
  Matrix<float> queries(job.queries, job.dimension);
  for (Matrix<float>* const values : {&keys, &queries})
    std::generate_n(values->data(), values->size(), [&] { return normal(random); });

  ProgressLine progress(static_cast<int>(job.heads.size()) * (job.run.repetitions + 1), job.run.progress);
  Table table({"heads", "µs a query", "a plain loop over", "one memory over", "largest difference"});
  std::vector<Record> records;
  for (const int heads : job.heads) {
    const Times times = measure(job, device, heads, keys, queries, progress);
    const double time = median(times.heads);
    const double loop = median_ratio(times.loop, times.heads);
    const double single = median_ratio(times.single, times.heads);
    table.add({std::to_string(heads), decimal(1e6 * time, 2), decimal(loop, 1), decimal(single, 2),
               decimal(1e6 * times.difference, 2) + "e-6"});
    add_records(heads, times, records);
  }
  progress.clear();
  std::cout << job.patterns << " keys of " << job.dimension << " columns, a step on " << device.description() << ":\n";
  table.print(std::cout);
  const Record details = {{"dimension", job.dimension}, {"patterns", job.patterns}, {"queries", job.queries}};
  job.run.write("heads", "heads", joined(untimed(job.run.context()), details), records);
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  return attractor::bench::run_job(argc, argv, attractor::bench::Job{}, attractor::bench::parse, attractor::bench::run);
}
