// Memory that relaxing a long query set takes beyond its input and output: it should not depend on the set's length.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bench/support/memory_usage.hpp"
#include "bench/support/progress.hpp"
#include "bench/support/queries.hpp"
#include "bench/support/run_options.hpp"
#include "bench/support/study.hpp"
#include "bench/support/table.hpp"
#include "bench/support/timing.hpp"

namespace attractor::bench {
namespace {

struct Job {
  RunOptions run;
  std::vector<int> queries = {100000, 1000000, 10000000};
  Index dimension = 128;
  Index patterns = 8;
  std::string rule = "hebbian";
  float beta = 0.5F;
};

/// What one process found; plain bytes, so that it can go through a pipe.
struct Usage {
  double extra_bytes = 0.0;
  double seconds = 0.0;
  double mean_steps = 0.0;
};

const std::map<std::string, NormalisedSeparation> separations = {{"softmax", softmax()}, {"sparsemax", sparsemax()},
                                                                 {"entmax", entmax()},   {"normmax", normmax()},
                                                                 {"max", top(1)},        {"top-16", top(16)}};

std::string names() {
  std::string result;
  for (const auto& [name, separation] : separations) result += (result.empty() ? "" : ", ") + name;
  return result;
}

/// The memory, and the update that its literature has.
std::pair<Memory, Update> make_memory(const Job& job, MatrixView<const float> patterns) {
  const Device device = job.run.chosen_device();
  if (job.rule == "hebbian") return {Memory::hebbian(device, patterns), tanh_update()};
  const auto found = separations.find(job.rule);
  if (found == separations.end()) throw UsageError("there is no rule '" + job.rule + "'; known: hebbian, " + names());
  return {Memory::modern_hopfield(device, patterns, {.beta = job.beta, .separation = found->second}), readout_update()};
}

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "Peak memory of relaxing long query sets beyond their input and output, each set in a process of its own.\n"
      "Writes memory-use.json and memory-use.csv.");
  job.run.add_to(options);
  options.add("--queries", job.queries, "lengths of query sets");
  options.add("--dimension", job.dimension, "neurons");
  options.add("--patterns", job.patterns, "stored patterns");
  options.add("--rule", job.rule, "of the memory: hebbian, or a modern Hopfield memory's separation: " + names());
  options.add("--beta", job.beta, "inverse temperature of modern Hopfield memories");
  return options.parse(argc, argv);
}

/// Copies of patterns with one sign in eight flipped: the and of three random words says where.
void fill_with_noisy_copies(Matrix<float>& queries, MatrixView<const float> patterns, Random& random) {
  std::uint64_t flips = 0;
  for (Index i = 0; i < queries.rows(); ++i) {
    const float* pattern = patterns.row(i % patterns.rows);
    for (Index j = 0; j < queries.columns(); ++j) {
      if (j % 64 == 0) {
        flips = random();
        flips &= random();
        flips &= random();
      }
      queries(i, j) = ((flips >> (j % 64)) & 1U) != 0 ? -pattern[j] : pattern[j];
    }
  }
}

Usage measure(const Job& job, Index queries) {
  Random random(static_cast<std::uint64_t>(job.run.seed));
  const auto [memory, update] = make_memory(job, random_patterns(job.patterns, job.dimension, random));
  RelaxerOptions options = job.run.relaxer();
  options.update = update;
  const Relaxer relaxer(memory, options);
  Matrix<float> input(queries, job.dimension);
  fill_with_noisy_copies(input, memory.patterns(), random);
  Results results(input);
  std::fill_n(results.states.data(), results.states.size(), 0.0F);  // so that its pages count before, not during

  ProgressLine progress(1, job.run.progress);
  progress.next_stage("relaxing " + grouped(static_cast<double>(queries)) + " queries");
  const RelaxCall call{.progress = [&](const Progress& p) {
    progress.detail(percent(static_cast<double>(p.finished) / static_cast<double>(p.total), 0) + " %");
  }};
  reset_peak();
  const auto before = static_cast<double>(resident_bytes());
  Usage usage;
  usage.seconds = seconds([&] { relaxer.relax(input, results.view(), call); });
  usage.extra_bytes = static_cast<double>(peak_resident_bytes()) - before;
  for (const std::int32_t steps : results.steps)
    usage.mean_steps += static_cast<double>(steps) / static_cast<double>(queries);
  return usage;
}

/// Measures in a child process: what an earlier set left in the heap can't hide what this one takes.
Usage measure_apart(const Job& job, Index queries) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) throw std::runtime_error("no pipe");
  std::cout << std::flush;
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("no child process");
  if (child == 0) {
    const int status = run_program([&] {
      const Usage usage = measure(job, queries);
      if (write(ends[1], &usage, sizeof usage) != sizeof usage) throw std::runtime_error("the pipe is broken");
    });
    _exit(status);
  }
  close(ends[1]);
  Usage usage;
  const bool complete = read(ends[0], &usage, sizeof usage) == sizeof usage;
  close(ends[0]);
  waitpid(child, nullptr, 0);
  if (!complete) throw std::runtime_error("measuring " + std::to_string(queries) + " queries failed");
  return usage;
}

void run(const Job& job) {
  Table table({"queries", "input and output, MiB", "extra memory, MiB", "seconds", "queries/s", "mean steps"});
  std::vector<Record> records;
  constexpr double mebibyte = 1024.0 * 1024.0;
  for (const int queries : job.queries) {
    const double in_and_out = 4.0 * queries * static_cast<double>(2 * job.dimension + 1) + queries;
    if (1.1 * in_and_out > static_cast<double>(available_bytes())) {
      std::cout << grouped(queries) << " queries left out: their input and output take "
                << grouped(in_and_out / mebibyte) << " MiB, more than this machine has free\n";
      continue;
    }
    const Usage usage = measure_apart(job, queries);
    table.add({grouped(queries), grouped(in_and_out / mebibyte), decimal(usage.extra_bytes / mebibyte, 2),
               decimal(usage.seconds, 2), grouped(queries / usage.seconds), decimal(usage.mean_steps, 2)});
    records.push_back({{"queries", std::int64_t{queries}},
                       {"input_and_output_bytes", in_and_out},
                       {"extra_bytes", usage.extra_bytes},
                       {"seconds", usage.seconds},
                       {"mean_steps", usage.mean_steps}});
  }
  std::cout << "Relaxing on a " << job.rule << " memory, N = " << job.dimension << ", P = " << job.patterns << ":\n";
  table.print(std::cout);
  const Record details = {{"dimension", job.dimension}, {"patterns", job.patterns}, {"rule", job.rule}};
  job.run.write("memory-use", "rows", joined(job.run.context(), details), records);
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  return attractor::bench::run_job(argc, argv, attractor::bench::Job{}, attractor::bench::parse, attractor::bench::run);
}
