// Memory that a memory and relaxing a long query set take beyond patterns, input and output: it should not depend on
// the set's length.

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
  std::vector<std::string> rules = {"hebbian"};
  float beta = 0.5F;
  std::string storage = "float32";
  int fixed_steps = 0;
};

/// What may be taken beyond patterns, queries and results, however many there are.
constexpr double allowed_bytes = 256e6;

/// What one process found; plain bytes, so that it can go through a pipe.
struct Usage {
  double memory_bytes = 0.0;  ///< of the memory and its relaxer, beyond a copy of the patterns
  double extra_bytes = 0.0;   ///< at the peak of relaxing
  double seconds = 0.0;
  double mean_steps = 0.0;
};

const std::map<std::string, NormalisedSeparation> separations = {{"softmax", softmax()}, {"sparsemax", sparsemax()},
                                                                 {"entmax", entmax()},   {"normmax", normmax()},
                                                                 {"max", top(1)},        {"top-16", top(16)}};

const std::map<std::string, PatternStorage> storages = {
    {"float32", PatternStorage::float32}, {"float16", PatternStorage::float16}, {"bfloat16", PatternStorage::bfloat16}};

double pattern_bytes(const Job& job) { return 4.0 * static_cast<double>(job.patterns * job.dimension); }

std::string names() {
  std::string result;
  for (const auto& [name, separation] : separations) result += (result.empty() ? "" : ", ") + name;
  return result;
}

/// The memory, and the update that its literature has.
std::pair<Memory, Update> make_memory(const Job& job, const std::string& rule, MatrixView<const float> patterns) {
  const Device device = job.run.chosen_device();
  if (rule == "hebbian") return {Memory::hebbian(device, patterns), tanh_update()};
  const ModernHopfieldOptions options{
      .beta = job.beta, .separation = separations.at(rule), .storage = storages.at(job.storage)};
  return {Memory::modern_hopfield(device, patterns, options), readout_update()};
}

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "Peak memory of memories and of relaxing long query sets, beyond patterns, input and output, each set in a "
      "process "
      "of\nits own. Writes memory-use.json and memory-use.csv.");
  job.run.add_to(options);
  options.add("--queries", job.queries, "lengths of query sets");
  options.add("--dimension", job.dimension, "neurons");
  options.add("--patterns", job.patterns, "stored patterns");
  options.add("--rule", job.rules, "of memories: hebbian, or a modern Hopfield memory's separation: " + names());
  options.add("--beta", job.beta, "inverse temperature of modern Hopfield memories");
  options.add("--storage", job.storage, "of their patterns: float32, float16 or bfloat16");
  options.add("--fixed-steps", job.fixed_steps, "take exactly so many steps, without energies; 0: halt by energy");
  return options.parse(argc, argv);
}

void check(const Job& job) {
  for (const std::string& rule : job.rules)
    if (rule != "hebbian" && !separations.contains(rule))
      throw UsageError("--rule: there is no '" + rule + "'; known: hebbian, " + names());
  if (!storages.contains(job.storage))
    throw UsageError("--storage: there is no '" + job.storage + "'; known: float32, float16, bfloat16");
  if (job.fixed_steps < 0) throw UsageError("--fixed-steps must not be negative");
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

Usage measure(const Job& job, const std::string& rule, Index queries) {
  Random random(static_cast<std::uint64_t>(job.run.seed));
  Matrix<float> patterns = random_patterns(job.patterns, job.dimension, random);
  Matrix<float> input(queries, job.dimension);
  fill_with_noisy_copies(input, patterns, random);
  const auto given = static_cast<double>(resident_bytes());
  const auto [memory, update] = make_memory(job, rule, patterns);
  RelaxerOptions options = job.run.relaxer();
  if (job.fixed_steps > 0) options = with_fixed_steps(options, job.fixed_steps);
  options.update = update;
  const Relaxer relaxer(memory, options);
  patterns = {};
  Usage usage;
  usage.memory_bytes = static_cast<double>(resident_bytes()) - given;
  Results results(input);
  std::fill_n(results.states.data(), results.states.size(), 0.0F);  // so that its pages count before, not during

  ProgressLine progress(1, job.run.progress);
  progress.next_stage(rule + ": relaxing " + grouped(static_cast<double>(queries)) + " queries");
  const RelaxCall call{.progress = [&](const Progress& p) {
    progress.detail(percent(static_cast<double>(p.finished) / static_cast<double>(p.total), 0) + " %");
  }};
  reset_peak();
  const auto before = static_cast<double>(resident_bytes());
  usage.seconds = seconds([&] { relaxer.relax(input, results.view(), call); });
  usage.extra_bytes = static_cast<double>(peak_resident_bytes()) - before;
  for (const std::int32_t steps : results.steps)
    usage.mean_steps += static_cast<double>(steps) / static_cast<double>(queries);
  return usage;
}

/// Measures in a child process: what an earlier set left in the heap can't hide what this one takes.
Usage measure_apart(const Job& job, const std::string& rule, Index queries) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) throw std::runtime_error("no pipe");
  std::cout << std::flush;
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("no child process");
  if (child == 0) {
    const int status = run_program([&] {
      const Usage usage = measure(job, rule, queries);
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
  check(job);
  Table table({"rule", "queries", "patterns, input and output, MiB", "memory beyond, MiB", "relaxing beyond, MiB",
               "within 256 MB", "seconds", "queries/s", "mean steps"});
  std::vector<Record> records;
  constexpr double mebibyte = 1024.0 * 1024.0;
  for (const std::string& rule : job.rules)
    for (const int queries : job.queries) {
      const double in_and_out = 4.0 * queries * static_cast<double>(2 * job.dimension + 1) + queries;
      if (1.1 * (in_and_out + 2.0 * pattern_bytes(job)) > static_cast<double>(available_bytes())) {
        std::cout << grouped(queries) << " queries left out: their input and output and the patterns take "
                  << grouped((in_and_out + pattern_bytes(job)) / mebibyte) << " MiB, more than this machine has free\n";
        continue;
      }
      const Usage usage = measure_apart(job, rule, queries);
      const double beyond = usage.memory_bytes + usage.extra_bytes;
      table.add({rule, grouped(queries), grouped((in_and_out + pattern_bytes(job)) / mebibyte),
                 decimal(usage.memory_bytes / mebibyte, 2), decimal(usage.extra_bytes / mebibyte, 2),
                 beyond <= allowed_bytes ? "yes" : "no", decimal(usage.seconds, 2), grouped(queries / usage.seconds),
                 decimal(usage.mean_steps, 2)});
      records.push_back({{"rule", rule},
                         {"queries", std::int64_t{queries}},
                         {"input_and_output_bytes", in_and_out},
                         {"memory_bytes", usage.memory_bytes},
                         {"extra_bytes", usage.extra_bytes},
                         {"allowed_bytes", allowed_bytes},
                         {"seconds", usage.seconds},
                         {"mean_steps", usage.mean_steps}});
    }
  std::cout << "N = " << job.dimension << ", P = " << job.patterns << ":\n";
  table.print(std::cout);
  const Record details = {{"dimension", job.dimension},
                          {"patterns", job.patterns},
                          {"pattern_bytes", pattern_bytes(job)},
                          {"storage", job.storage},
                          {"fixed_steps", std::int64_t{job.fixed_steps}}};
  job.run.write("memory-use", "rows", joined(job.run.context(), details), records);
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  return attractor::bench::run_job(argc, argv, attractor::bench::Job{}, attractor::bench::parse, attractor::bench::run);
}
