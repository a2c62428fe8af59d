// Latency: how long a call with few queries takes, beside a plain loop for one query after another.

#include <algorithm>
#include <array>
#include <cmath>
#include <iostream>
#include <numeric>
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
  std::vector<int> batches = {1, 2, 4, 8, 16, 17, 32, 64};
  std::vector<int> threads = {1, 2};
  int calls = 200;
  int patterns = 400000;
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "Microseconds of a call that relaxes few queries, on small linear memories and a modern Hopfield memory, and of "
      "a\n"
      "plain loop that takes as many steps of one query after another on one thread; the same of one step on a large\n"
      "modern Hopfield memory, on the CPU of patterns of 16 bits, too, and of hard retrieval from it beside a scan of "
      "all\n"
      "dot products. Writes latency.json and .csv.");
  job.run.add_to(options);
  options.add("--batches", job.batches, "numbers of queries");
  options.add("--team", job.threads, "numbers of threads");
  options.add("--calls", job.calls, "calls of which the median is taken; of the large memory a tenth");
  options.add("--patterns", job.patterns, "patterns of the large memory, of 64 neurons");
  return options.parse(argc, argv);
}

/// A memory and the loop that someone without a library would write.
struct Subject {
  std::string name;
  Memory memory;
  Update update;
  Matrix<float> patterns;
  float noise;
  bool is_linear;
  float beta;
  int max_steps;
  int calls;
  bool fixed = false;  ///< steps; else queries halt
};

std::vector<Subject> subjects(const Job& job, Random& random) {
  const Device device = job.run.chosen_device();
  std::vector<Subject> all;
  Matrix<float> few = random_patterns(8, 128, random);
  all.push_back({"hebbian N=128 P=8", Memory::hebbian(device, few, {.evaluation = Evaluation::factored}),
                 tanh_update(0.5F), std::move(few), 1.0F, true, 0.0F, 100, job.calls});
  Matrix<float> some = random_patterns(64, 256, random);
  all.push_back({"hebbian N=256 P=64", Memory::hebbian(device, some, {.evaluation = Evaluation::factored}),
                 tanh_update(0.5F), std::move(some), 0.5F, true, 0.0F, 18, job.calls});
  Matrix<float> many = random_patterns(4096, 64, random);
  all.push_back({"hopfield P=4096 D=64", Memory::modern_hopfield(device, many, {.beta = 0.5F}), readout_update(),
                 std::move(many), 1.0F, false, 0.5F, 100, job.calls});
  const Matrix<float> most = random_patterns(job.patterns, 64, random);
  const auto add_large = [&](const std::string& suffix, PatternStorage storage) {
    Matrix<float> own(most.rows(), most.columns());
    std::copy_n(most.data(), most.size(), own.data());
    all.push_back({"hopfield P=" + std::to_string(job.patterns) + " D=64" + suffix,
                   Memory::modern_hopfield(device, most, {.beta = 0.5F, .storage = storage}), readout_update(),
                   std::move(own), 1.0F, false, 0.5F, 1, std::max(1, job.calls / 10), true});
  };
  add_large("", PatternStorage::float32);
  if (device.kind() == Device::Kind::cpu) {
    add_large(", float16", PatternStorage::float16);
    add_large(", bfloat16", PatternStorage::bfloat16);
  }
  return all;
}

/// In 16 sums, which compilers make vectors of.
float dot_plainly(const float* a, const float* b, Index count) {
  std::array<float, 16> sums{};
  Index k = 0;
  for (; k + 16 <= count; k += 16)
    for (std::size_t i = 0; i < sums.size(); ++i)
      sums[i] += a[k + static_cast<Index>(i)] * b[k + static_cast<Index>(i)];
  float sum = std::accumulate(sums.begin(), sums.end(), 0.0F);
  for (; k < count; ++k) sum += a[k] * b[k];
  return sum;
}

/// The pattern that is most like x.
Index scan_plainly(MatrixView<const float> patterns, const float* x) {
  Index best = 0;
  float largest = -INFINITY;
  for (Index i = 0; i < patterns.rows; ++i) {
    const float score = dot_plainly(patterns.row(i), x, patterns.columns);
    if (score > largest) best = i;
    largest = std::max(largest, score);
  }
  return best;
}

/// x ← u or tanh(x + u/2) `steps` times, with u = Aᵀf(Ax), f(h) = h/D or softmax(βh).
void step_plainly(const Subject& subject, float* x, int steps) {
  const Index d = subject.patterns.columns();
  const Index p = subject.patterns.rows();
  std::vector<float> weights(static_cast<std::size_t>(p));
  std::vector<float> u(static_cast<std::size_t>(d));
  for (int step = 0; step < steps; ++step) {
    float largest = -INFINITY;
    for (Index i = 0; i < p; ++i) {
      const float sum = dot_plainly(subject.patterns.row(i), x, d);
      weights[static_cast<std::size_t>(i)] = subject.is_linear ? sum / static_cast<float>(d) : subject.beta * sum;
      largest = std::max(largest, weights[static_cast<std::size_t>(i)]);
    }
    float total = 1.0F;
    if (!subject.is_linear) {
      total = 0.0F;
      for (float& weight : weights) total += weight = std::exp(weight - largest);
    }
    std::fill(u.begin(), u.end(), 0.0F);
    for (Index i = 0; i < p; ++i) {
      const float* const row = subject.patterns.row(i);
      const float share = weights[static_cast<std::size_t>(i)] / total;
      for (Index k = 0; k < d; ++k) u[static_cast<std::size_t>(k)] += share * row[k];
    }
    for (Index k = 0; k < d; ++k) {
      const float field = u[static_cast<std::size_t>(k)];
      x[k] = subject.is_linear ? std::tanh(x[k] + 0.5F * field) : field;
    }
  }
}

double loop_seconds(const Subject& subject, MatrixView<const float> queries, const std::vector<std::int32_t>& steps) {
  Matrix<float> states(queries.rows, queries.columns);
  for (Index i = 0; i < queries.rows; ++i) std::copy_n(queries.row(i), queries.columns, states.row(i));
  return seconds([&] {
    for (Index i = 0; i < queries.rows; ++i) step_plainly(subject, states.row(i), steps[static_cast<std::size_t>(i)]);
  });
}

/// One memory, one number of queries.
struct Finding {
  std::string name;
  int batch = 0;
  double mean_steps = 0.0;
  double loop = 0.0;               ///< seconds
  std::vector<double> calls = {};  ///< seconds, for each number of threads
};

/// The median time of so many calls.
template <class Call>
double typical_seconds(int calls, const Call& call) {
  std::vector<double> times;
  for (int i = 0; i < std::max(1, calls); ++i) times.push_back(seconds(call));
  return median(times);
}

Finding measure(const Job& job, const Subject& subject, MatrixView<const float> queries) {
  Finding finding{.name = subject.name, .batch = static_cast<int>(queries.rows)};
  Relaxation result;
  for (const int threads : job.threads) {
    const Relaxer relaxer(subject.memory, {.update = subject.update,
                                           .halting = subject.fixed ? fixed_steps() : std::optional<Halting>(),
                                           .max_steps = subject.max_steps,
                                           .threads = threads});
    finding.calls.push_back(typical_seconds(subject.calls, [&] { result = relaxer.relax(queries); }));
  }
  for (const std::int32_t steps : result.steps) finding.mean_steps += steps / static_cast<double>(queries.rows);
  std::vector<double> loops;
  for (int call = 0; call < std::max(1, subject.calls / 10); ++call)
    loops.push_back(loop_seconds(subject, queries, result.steps));
  finding.loop = median(loops);
  return finding;
}

/// Hard retrieval beside a scan for each query.
Finding measure_retrieval(const Job& job, const Subject& subject, MatrixView<const float> queries) {
  Finding finding{.name = subject.name + ", retrieve", .batch = static_cast<int>(queries.rows), .mean_steps = 1.0};
  for (const int threads : job.threads)
    finding.calls.push_back(typical_seconds(
        subject.calls, [&] { static_cast<void>(retrieve(subject.memory, queries, {.threads = threads})); }));
  volatile Index found = 0;  // Or nothing would be looked for.
  finding.loop = typical_seconds(subject.calls / 10, [&] {
    for (Index i = 0; i < queries.rows; ++i) found = scan_plainly(subject.patterns, queries.row(i));
  });
  return finding;
}

void add(const Job& job, const Finding& finding, Table& table, std::vector<Record>& records) {
  std::vector<std::string> cells = {finding.name, std::to_string(finding.batch), decimal(finding.mean_steps, 1),
                                    decimal(1e6 * finding.loop, 1)};
  Record record = {{"memory", finding.name},
                   {"queries", std::int64_t{finding.batch}},
                   {"mean_steps", finding.mean_steps},
                   {"loop_seconds", finding.loop}};
  for (std::size_t i = 0; i < job.threads.size(); ++i) {
    cells.push_back(decimal(1e6 * finding.calls[i], 1));
    record.emplace_back("seconds_" + std::to_string(job.threads[i]), finding.calls[i]);
  }
  table.add(cells);
  records.push_back(record);
}

void check(const Job& job) {
  if (job.calls < 1) throw UsageError("--calls must be at least 1");
  if (job.patterns < 1) throw UsageError("--patterns must be at least 1");
  if (*std::min_element(job.batches.begin(), job.batches.end()) < 1) throw UsageError("--batches must be at least 1");
}

void run(const Job& job) {
  check(job);
  Random random(static_cast<std::uint64_t>(job.run.seed));
  const std::vector<Subject> all = subjects(job, random);
  std::vector<std::string> headings = {"µs a call", "queries", "mean steps", "plain loop"};
  for (const int threads : job.threads) headings.push_back(std::to_string(threads) + " threads");
  Table table(headings);
  std::vector<Record> records;
  ProgressLine progress(static_cast<int>(all.size() * job.batches.size()), job.run.progress);
  for (const Subject& subject : all) {
    const Index most = *std::max_element(job.batches.begin(), job.batches.end());
    const Matrix<float> queries =
        noisy_queries(subject.patterns, most, static_cast<double>(subject.noise), random).queries;
    for (const int batch : job.batches) {
      progress.next_stage(subject.name + ", " + std::to_string(batch));
      const MatrixView<const float> some = queries.view().slice(0, batch);
      add(job, measure(job, subject, some), table, records);
      if (subject.fixed) add(job, measure_retrieval(job, subject, some), table, records);
    }
  }
  progress.clear();
  table.print(std::cout);
  job.run.write("latency", "calls", untimed(job.run.context()), records);
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  return attractor::bench::run_job(argc, argv, attractor::bench::Job{}, attractor::bench::parse, attractor::bench::run);
}
