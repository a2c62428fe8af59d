// Relaxes queries that another program wrote, or names their nearest patterns, for comparisons: raw float files in, raw
// float states or patterns out, times as JSON.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/support/machine_limits.hpp"
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
  std::string weights;
  std::string precision = "full";
  Index dimension = 128;
  float gain = 0.5F;
  float beta = 1.0F;
  int heads = 1;
  int fixed_steps = 0;
  bool limits = false;
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "Relaxes queries from a file of raw floats, or finds their patterns by adaptive scores; prints the median time "
      "and\n"
      "the steps as JSON.");
  job.run.add_to(options);
  options.add("--memory", job.memory,
              "hebbian, modern_hopfield, heads (modern Hopfield memories side by side) or adaptive");
  options.add("--patterns", job.patterns, "file of stored patterns, one after the other");
  options.add("--queries", job.queries, "file of queries");
  options.add("--states", job.states, "file to write the states to; for adaptive, the patterns found");
  options.add("--weights", job.weights, "file of rank weights for adaptive: squared distance, then dot");
  options.add("--precision", job.precision, "of the terms of adaptive: full, bits16 or bits8");
  options.add("--dimension", job.dimension, "neurons");
  options.add("--gain", job.gain, "of the tanh update, for hebbian");
  options.add("--beta", job.beta, "inverse temperature, for modern_hopfield and heads");
  options.add("--heads", job.heads, "their number; they share the neurons evenly");
  options.add("--fixed-steps", job.fixed_steps, "take exactly so many steps; 0: halt by energy");
  options.add_flag("--limits", job.limits, "print what this machine gets through, instead");
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

RelaxerOptions relaxer_options(const Job& job) {
  const RelaxerOptions options = job.run.relaxer();
  return job.fixed_steps > 0 ? with_fixed_steps(options, job.fixed_steps) : options;
}

Relaxer make_relaxer(const Job& job) {
  const Matrix<float> patterns = read_rows(job.patterns, job.dimension);
  RelaxerOptions options = relaxer_options(job);
  const Device device = job.run.chosen_device();
  if (job.memory == "modern_hopfield")
    return Relaxer(Memory::modern_hopfield(device, patterns, {.beta = job.beta}), options);
  options.update = tanh_update(job.gain);
  return Relaxer(Memory::hebbian(device, patterns), options);
}

TermPrecision precision(const std::string& name) {
  if (name == "full") return TermPrecision::full;
  if (name == "bits16") return TermPrecision::bits16;
  if (name == "bits8") return TermPrecision::bits8;
  throw UsageError("--precision: '" + name + "' is not full, bits16 or bits8");
}

Memory make_adaptive(const Job& job) {
  const Matrix<float> weights = read_rows(job.weights, job.dimension);
  if (weights.rows() != 2) throw std::runtime_error(job.weights + " doesn't hold weights of two bases");
  const auto row = [&](Index base) {
    return std::vector<float>(weights.row(base), weights.row(base) + weights.columns());
  };
  return Memory::adaptive(job.run.chosen_device(), read_rows(job.patterns, job.dimension),
                          {.squared_distance = row(0), .dot = row(1), .precision = precision(job.precision)});
}

template <class Work>
double median_seconds(const Job& job, const Work& work) {
  work();
  std::vector<double> times(static_cast<std::size_t>(job.run.repetitions));
  for (double& time : times) time = seconds(work);
  return median(times);
}

void print_report(double time, const std::vector<double>& steps) {
  const double mean_steps = std::accumulate(steps.begin(), steps.end(), 0.0) / static_cast<double>(steps.size());
  std::cout << "{\"seconds\": " << time << ", \"mean_steps\": " << mean_steps
            << ", \"p95_steps\": " << quantile(steps, 0.95) << "}\n";
}

void score(const Job& job) {
  const Memory memory = make_adaptive(job);
  const Matrix<float> queries = read_rows(job.queries, job.dimension);
  Retrieval found;
  const double time = median_seconds(
      job, [&] { found = retrieve(memory, queries, {.posteriors = false, .threads = job.run.threads}); });
  Matrix<float> patterns(queries.rows(), queries.columns());
  for (Index i = 0; i < queries.rows(); ++i)
    std::copy_n(memory.patterns().row(found.pattern[static_cast<std::size_t>(i)]), queries.columns(), patterns.row(i));
  if (!job.states.empty()) write_rows(job.states, patterns);
  print_report(time, {1.0});
}

void attend(const Job& job) {
  if (job.heads < 1) throw UsageError("--heads must be at least 1");
  RelaxerOptions options = relaxer_options(job);
  options.energies = job.fixed_steps == 0;
  const Heads heads =
      Heads::modern_hopfield(job.run.chosen_device(), read_rows(job.patterns, job.dimension),
                             std::vector<float>(static_cast<std::size_t>(job.heads), job.beta), {}, options);
  const Matrix<float> queries = read_rows(job.queries, job.dimension);
  HeadsRelaxation result;
  const double time = median_seconds(job, [&] { result = heads.relax(queries); });
  if (!job.states.empty()) write_rows(job.states, result.states);
  print_report(time, {result.steps.data(), result.steps.data() + result.steps.size()});
}

void relax(const Job& job) {
  const Relaxer relaxer = make_relaxer(job);
  const Matrix<float> queries = read_rows(job.queries, job.dimension);
  Results results(queries);
  const double time = median_seconds(job, [&] { relaxer.relax(queries, results.view()); });
  if (!job.states.empty()) write_rows(job.states, results.states);
  print_report(time, {results.steps.begin(), results.steps.end()});
}

const std::map<std::string, void (*)(const Job&)> works = {
    {"hebbian", relax}, {"modern_hopfield", relax}, {"heads", attend}, {"adaptive", score}};

void print_limits(int threads) { std::cout << "{\"multiply_adds\": " << multiply_add_limit(threads) << "}\n"; }

void run(const Job& job) {
  if (job.limits) return print_limits(job.run.threads);
  const auto work = works.find(job.memory);
  if (work == works.end())
    throw UsageError("--memory: '" + job.memory + "' is not hebbian, modern_hopfield, heads or adaptive");
  work->second(job);
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  return attractor::bench::run_job(argc, argv, attractor::bench::Job{}, attractor::bench::parse, attractor::bench::run);
}
