// Relaxes queries that another program wrote, for comparisons: raw float files in, raw float states out, times as JSON.

#include <filesystem>
#include <fstream>
#include <iostream>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/support/run_options.hpp"
#include "bench/support/study.hpp"
#include "bench/support/timing.hpp"

namespace attractor::bench {
namespace {

struct Job {
  RunOptions run;
  std::string memory = "hebbian";
  std::string patterns;
  std::string queries;
  std::string states;
  Index dimension = 128;
  float gain = 0.5F;
  float beta = 1.0F;
  int fixed_steps = 0;
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options("Relaxes queries from a file of raw floats; prints the median time and the steps as JSON.");
  job.run.add_to(options);
  options.add("--memory", job.memory, "hebbian or modern_hopfield");
  options.add("--patterns", job.patterns, "file of stored patterns, one after the other");
  options.add("--queries", job.queries, "file of queries");
  options.add("--states", job.states, "file to write the states to");
  options.add("--dimension", job.dimension, "neurons");
  options.add("--gain", job.gain, "of the tanh update, for hebbian");
  options.add("--beta", job.beta, "inverse temperature, for modern_hopfield");
  options.add("--fixed-steps", job.fixed_steps, "take exactly so many steps; 0: halt by energy");
  return options.parse(argc, argv);
}

Matrix<float> read_rows(const std::filesystem::path& path, Index columns) {
  const auto bytes = static_cast<Index>(std::filesystem::file_size(path));
  const Index row_bytes = columns * static_cast<Index>(sizeof(float));
  if (columns < 1 || bytes % row_bytes != 0) throw std::runtime_error(path.string() + " doesn't hold whole rows");
  Matrix<float> rows(bytes / row_bytes, columns);
  std::ifstream in(path, std::ios::binary);
  if (!in.read(static_cast<char*>(static_cast<void*>(rows.data())), bytes))
    throw std::runtime_error("can't read " + path.string());
  return rows;
}

void write_rows(const std::filesystem::path& path, const Matrix<float>& rows) {
  std::ofstream out(path, std::ios::binary);
  out.write(static_cast<const char*>(static_cast<const void*>(rows.data())),
            rows.size() * static_cast<Index>(sizeof(float)));
  if (!out.flush()) throw std::runtime_error("can't write " + path.string());
}

Relaxer make_relaxer(const Job& job) {
  const Matrix<float> patterns = read_rows(job.patterns, job.dimension);
  RelaxerOptions options = job.run.relaxer();
  if (job.fixed_steps > 0) options = with_fixed_steps(options, job.fixed_steps);
  const Device device = job.run.chosen_device();
  if (job.memory == "modern_hopfield")
    return Relaxer(Memory::modern_hopfield(device, patterns, {.beta = job.beta}), options);
  if (job.memory != "hebbian") throw UsageError("--memory: '" + job.memory + "' is not hebbian or modern_hopfield");
  options.update = tanh_update(job.gain);
  return Relaxer(Memory::hebbian(device, patterns), options);
}

void run(const Job& job) {
  const Relaxer relaxer = make_relaxer(job);
  const Matrix<float> queries = read_rows(job.queries, job.dimension);
  Results results(queries);
  relaxer.relax(queries, results.view());
  std::vector<double> times(static_cast<std::size_t>(job.run.repetitions));
  for (double& time : times) time = seconds([&] { relaxer.relax(queries, results.view()); });
  if (!job.states.empty()) write_rows(job.states, results.states);
  const std::vector<double> steps(results.steps.begin(), results.steps.end());
  const double mean_steps = std::accumulate(steps.begin(), steps.end(), 0.0) / static_cast<double>(steps.size());
  std::cout << "{\"seconds\": " << median(times) << ", \"mean_steps\": " << mean_steps
            << ", \"p95_steps\": " << quantile(steps, 0.95) << "}\n";
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  return attractor::bench::run_program([&] {
    attractor::bench::Job job;
    if (attractor::bench::parse(argc, argv, job)) attractor::bench::run(job);
  });
}
