// What a query on a modern Hopfield memory takes by what its patterns are stored as, with the processor's unit for
// small matrices of bfloat16 and without it.

#include <algorithm>
#include <cmath>
#include <iostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bench/support/progress.hpp"
#include "bench/support/queries.hpp"
#include "bench/support/run_options.hpp"
#include "bench/support/table.hpp"
#include "bench/support/timing.hpp"
#include "kernels/cpu/matrix_unit/matrix_unit.hpp"

namespace attractor::bench {
namespace {

using cpu::MatrixUnit;

struct Job {
  RunOptions run;
  int patterns = 4096;
  int queries = 256;
  std::vector<int> dimensions = {64, 256, 784};
};

struct Storage {
  std::string name;
  PatternStorage kind;
  bool bipolar;
};

const std::vector<Storage> storages = {{"float32", PatternStorage::float32, false},
                                       {"float16", PatternStorage::float16, false},
                                       {"bfloat16", PatternStorage::bfloat16, false},
                                       {"±1 in float32", PatternStorage::float32, true},
                                       {"±1 in bfloat16", PatternStorage::bfloat16, true}};

/// Processor seconds of rounds, of all queries.
struct Times {
  std::vector<double> step = {};
  std::vector<double> retrieval = {};
};

struct Finding {
  std::string storage;
  Index dimension = 0;
  Times vectors = {};
  Times unit = {};  ///< none where the processor hasn't got it
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "One step on, and hard retrieval from, modern Hopfield memories by what their patterns are stored as, by "
      "vectors\n"
      "and by the processor's matrix unit where it has one. CPU only, one thread, in processor time. Writes\n"
      "storage.json and storage.csv.");
  job.run.add_to(options);
  options.add("--patterns", job.patterns, "stored patterns");
  options.add("--queries", job.queries, "of a call");
  options.add("--dimensions", job.dimensions, "entries of a pattern");
  return options.parse(argc, argv);
}

Matrix<float> random_gaussian(Index rows, Index columns, Random& random) {
  Matrix<float> result(rows, columns);
  std::normal_distribution<float> normal;
  std::generate_n(result.data(), result.size(), [&] { return normal(random); });
  return result;
}

/// Copies of patterns with noise as large as they are.
Matrix<float> noisy(MatrixView<const float> patterns, Index count, Random& random) {
  Matrix<float> result = random_gaussian(count, patterns.columns, random);
  for (Index b = 0; b < count; ++b) {
    const auto pattern = static_cast<Index>(random() % static_cast<std::uint64_t>(patterns.rows));
    for (Index k = 0; k < patterns.columns; ++k) result(b, k) += patterns(pattern, k);
  }
  return result;
}

void measure(MatrixUnit unit, const Relaxer& relaxer, MatrixView<const float> queries, Times& times) {
  cpu::matrix_unit() = unit;
  times.step.push_back(processor_seconds([&] { static_cast<void>(relaxer.relax(queries)); }));
  times.retrieval.push_back(
      processor_seconds([&] { static_cast<void>(retrieve(relaxer.memory(), queries, {.threads = 1})); }));
}

Finding measure(const Job& job, const Storage& storage, int dimension, Random& random) {
  const Matrix<float> patterns = storage.bipolar ? random_patterns(job.patterns, dimension, random)
                                                 : random_gaussian(job.patterns, dimension, random);
  const Matrix<float> queries = noisy(patterns, job.queries, random);
  // Scores of other patterns than the right one spread by 2.
  const Memory memory = Memory::modern_hopfield(
      Device::cpu(), patterns,
      {.beta = 2.0F / std::sqrt(2.0F * static_cast<float>(dimension)), .storage = storage.kind});
  const Relaxer relaxer(memory, {.halting = fixed_steps(), .max_steps = 1, .threads = 1});
  const MatrixUnit own = cpu::matrix_unit();
  Finding finding{.storage = storage.name, .dimension = dimension};
  for (int i = 0; i < job.run.repetitions; ++i) {
    measure(MatrixUnit::none, relaxer, queries, finding.vectors);
    if (own == MatrixUnit::processor) measure(own, relaxer, queries, finding.unit);
  }
  cpu::matrix_unit() = own;
  return finding;
}

void print(const Job& job, const std::vector<Finding>& findings) {
  Table table(
      {"patterns", "D", "step, vectors", "step, unit", "faster", "retrieval, vectors", "retrieval, unit", "faster"});
  const auto each = [&](const std::vector<double>& times) {
    return times.empty() ? "" : decimal(1e6 * median(times) / job.queries, 2);
  };
  const auto ratio = [](const std::vector<double>& before, const std::vector<double>& after) {
    return after.empty() ? "" : decimal(median_ratio(before, after), 2);
  };
  for (const Finding& finding : findings)
    table.add({finding.storage, std::to_string(finding.dimension), each(finding.vectors.step), each(finding.unit.step),
               ratio(finding.vectors.step, finding.unit.step), each(finding.vectors.retrieval),
               each(finding.unit.retrieval), ratio(finding.vectors.retrieval, finding.unit.retrieval)});
  table.print(std::cout);
}

Record to_record(const Finding& finding) {
  const auto value = [](const std::vector<double>& times) { return times.empty() ? Value() : Value(median(times)); };
  return {{"storage", finding.storage},
          {"dimension", finding.dimension},
          {"step_seconds_by_vectors", value(finding.vectors.step)},
          {"step_seconds_by_unit", value(finding.unit.step)},
          {"retrieval_seconds_by_vectors", value(finding.vectors.retrieval)},
          {"retrieval_seconds_by_unit", value(finding.unit.retrieval)}};
}

void run(const Job& job) {
  if (job.run.repetitions < 1) throw UsageError("--repetitions must be at least 1");
  if (job.patterns < 1 || job.queries < 1) throw UsageError("--patterns and --queries must be at least 1");
  Random random(static_cast<std::uint64_t>(job.run.seed));
  ProgressLine progress(static_cast<int>(job.dimensions.size() * storages.size()), job.run.progress);
  std::vector<Finding> findings;
  for (const int dimension : job.dimensions)
    for (const Storage& storage : storages) {
      progress.next_stage(storage.name + ", D = " + std::to_string(dimension));
      findings.push_back(measure(job, storage, dimension, random));
    }
  progress.clear();
  std::cout << job.patterns << " patterns, calls of " << job.queries
            << " queries on one thread; microseconds of processor time a query\n\n";
  print(job, findings);
  std::vector<Record> records;
  for (const Finding& finding : findings) records.push_back(to_record(finding));
  job.run.write("storage", "rows", job.run.context(), records);
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  return attractor::bench::run_job(argc, argv, attractor::bench::Job{}, attractor::bench::parse, attractor::bench::run);
}
