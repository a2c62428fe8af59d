// Relaxation of several shapes, halting and fixed, beside the rate of the matrix products of the same shapes in the
// same run. Google Benchmark measures; a summary of ratios follows.

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <omp.h>
#include <unistd.h>

#include "bench/micro/product.hpp"
#include "bench/micro/shapes.hpp"
#include "bench/support/machine_limits.hpp"
#include "bench/support/options.hpp"
#include "bench/support/relaxation_timer.hpp"
#include "bench/support/run_options.hpp"
#include "bench/support/study.hpp"
#include "bench/support/table.hpp"
#include "bench/support/timing.hpp"

namespace attractor::bench {
namespace {

/// A shape with the number of fixed steps that compares with its halting.
struct Bench {
  Shape shape;
  double mean_steps;
  int fixed_steps;
};

Options make_options(std::vector<int>& threads, std::string& device) {
  Options options(
      "Micro-benchmarks: relaxation with halting and with fixed steps, and matrix products of the same shapes.\n"
      "Google Benchmark's options (--benchmark_filter=REGEX and others) work too.");
  options.add("--threads", threads, "numbers of threads to measure with, on the CPU");
  options.add("--device", device, "best, cpu, cuda, or cuda:N for another than the first");
  return options;
}

double mean(const std::vector<std::int32_t>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::shared_ptr<const Bench> prepare(Shape shape) {
  const Relaxation once = Relaxer(shape.memory, shape.options).relax(shape.queries);
  const double mean_steps = mean(once.steps);
  return std::make_shared<const Bench>(
      Bench{std::move(shape), mean_steps, std::max(1, static_cast<int>(std::lround(mean_steps)))});
}

std::string full_name(const std::string& shape, const std::string& way, int threads) {
  return shape + ", " + way + ", threads=" + std::to_string(threads);
}

void set_rates(benchmark::State& state, double queries, double steps, double flops) {
  using benchmark::Counter;
  state.counters["queries/s"] = Counter(queries, Counter::kIsIterationInvariantRate);
  state.counters["steps/s"] = Counter(queries * steps, Counter::kIsIterationInvariantRate);
  state.counters["mean steps"] = Counter(steps);
  state.counters["GFLOP/s"] = Counter(1e-9 * flops, Counter::kIsIterationInvariantRate);
}

void relax(benchmark::State& state, const Shape& shape, RelaxerOptions options, int threads) {
  options.threads = threads;
  const Relaxer relaxer(shape.memory, options);
  const std::unique_ptr<RelaxationTimer> timer = make_timer(shape.memory.device(), shape.queries);
  timer->seconds(relaxer);
  while (state.KeepRunning()) state.SetIterationTime(timer->seconds(relaxer));
  const auto queries = static_cast<double>(shape.queries.rows());
  const double steps = mean(timer->results().steps);
  set_rates(state, queries, steps, queries * steps * shape.step_flops());
}

/// Calls make(rows, columns, inner) for each product of one step of a batch: one with a dense W, two with patterns.
template <class Make>
void for_each_product(const Shape& shape, Index rows, Make&& make) {
  const Index d = shape.memory.dimension();
  const Index p = shape.memory.pattern_count();
  if (shape.memory.evaluation() == Evaluation::dense) return make(rows, d, d);
  make(rows, p, d);
  make(rows, d, p);
}

/// Rows of a product that is compared with a shape: as many as keep its device busy, if there are so many queries.
Index product_rows(const Shape& shape) {
  const Index enough = shape.memory.device().kind() == Device::Kind::cuda ? 16384 : 1024;
  return std::min(shape.queries.rows(), enough);
}

void set_product_rate(benchmark::State& state, const Shape& shape) {
  state.counters["GFLOP/s"] = benchmark::Counter(1e-9 * static_cast<double>(product_rows(shape)) * shape.step_flops(),
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

template <class Product>
void multiply(benchmark::State& state, const Shape& shape, int threads) {
  std::vector<Product> products;
  for_each_product(shape, product_rows(shape), [&](Index m, Index n, Index k) { products.emplace_back(m, n, k); });
  omp_set_num_threads(threads);
  while (state.KeepRunning())
    state.SetIterationTime(seconds([&] {
      for (Product& product : products) product.run();
    }));
  set_product_rate(state, shape);
}

void multiply_on_cuda(benchmark::State& state, const Shape& shape) {
  std::vector<CudaProduct> products;
  for_each_product(shape, product_rows(shape),
                   [&](Index m, Index n, Index k) { products.emplace_back(shape.memory.device(), m, n, k); });
  while (state.KeepRunning()) {
    double time = 0.0;
    for (CudaProduct& product : products) time += product.seconds();
    state.SetIterationTime(time);
  }
  set_product_rate(state, shape);
}

void add(const std::string& name, const std::function<void(benchmark::State&)>& body) {
  benchmark::RegisterBenchmark(name.c_str(), body)->UseManualTime()->Unit(benchmark::kMillisecond);
}

void add_all(const std::shared_ptr<const Bench>& bench, int threads) {
  const Shape& shape = bench->shape;
  const auto name = [&](const std::string& way) { return full_name(shape.name, way, threads); };
  const RelaxerOptions fixed = with_fixed_steps(shape.options, bench->fixed_steps);
  add(name("halting"), [=](benchmark::State& s) { relax(s, bench->shape, bench->shape.options, threads); });
  add(name("fixed"), [=](benchmark::State& s) { relax(s, bench->shape, fixed, threads); });
  if (shape.memory.device().kind() == Device::Kind::cuda)
    return add(name("plain product"), [=](benchmark::State& s) { multiply_on_cuda(s, bench->shape); });
  add(name("packed product"), [=](benchmark::State& s) { multiply<PackedProduct>(s, bench->shape, threads); });
  add(name("plain product"), [=](benchmark::State& s) { multiply<PlainProduct>(s, bench->shape, threads); });
}

/// Prints as usual and keeps each benchmark's GFLOP/s, the median where there are repetitions.
class KeepingReporter : public benchmark::ConsoleReporter {
 public:
  KeepingReporter() : ConsoleReporter(isatty(STDOUT_FILENO) == 1 ? OO_ColorTabular : OO_Tabular) {}

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      const auto rate = run.counters.find("GFLOP/s");
      const bool median = run.run_type == Run::RT_Aggregate && run.aggregate_name == "median";
      if (rate != run.counters.end() && (median || run.run_type == Run::RT_Iteration))
        rates_[run.run_name.function_name] = rate->second;
    }
    ConsoleReporter::ReportRuns(runs);
  }

  /// NaN where the benchmark did not run.
  [[nodiscard]] double rate(const std::string& name) const {
    const auto found = rates_.find(name);
    return found == rates_.end() ? std::nan("") : found->second;
  }

 private:
  std::map<std::string, double> rates_;
};

void print_summary(const KeepingReporter& reporter, const std::vector<std::shared_ptr<const Bench>>& benches,
                   const std::vector<int>& threads) {
  Table table({"GFLOP/s", "threads", "mean steps", "halting", "fixed", "product", "halting/product", "fixed/product",
               "multiply-adds", "fixed/multiply-adds", "halting efficiency"});
  std::map<int, double> limits;
  for (const int count : threads) limits[count] = 1e-9 * multiply_add_limit(count);
  for (const auto& bench : benches) {
    for (const int count : threads) {
      const auto rate = [&](const std::string& way) { return reporter.rate(full_name(bench->shape.name, way, count)); };
      const double halting = rate("halting");
      const double fixed = rate("fixed");
      const double product = std::fmax(rate("packed product"), rate("plain product"));
      if (std::isnan(halting) && std::isnan(fixed) && std::isnan(product)) continue;  // filtered out
      const bool on_cuda = bench->shape.memory.device().kind() == Device::Kind::cuda;
      const double efficiency = halting / fixed * (bench->mean_steps + bench->shape.halting_cost) / bench->mean_steps;
      table.add({bench->shape.name, std::to_string(count), decimal(bench->mean_steps, 2), decimal(halting, 1),
                 decimal(fixed, 1), decimal(product, 1), decimal(halting / product, 2), decimal(fixed / product, 2),
                 on_cuda ? "" : decimal(limits[count], 1), on_cuda ? "" : decimal(fixed / limits[count], 2),
                 decimal(efficiency, 3)});
    }
  }
  std::cout
      << "\nOperations of the steps taken, over the time of the whole relaxation; product: cuBLAS on a CUDA device, "
         "else the better of two ways oneDNN has; multiply-adds: what the processor gets through of nothing else\n";
  table.print(std::cout);
}

void run(int argc, char** argv) {
  static std::vector<int> threads = {1, 2};  // static: the help printer is a plain function
  static RunOptions options;
  std::vector<std::string> words = {argv[0], "--benchmark_repetitions=5", "--benchmark_min_time=0.3",
                                    "--benchmark_enable_random_interleaving=true",
                                    "--benchmark_display_aggregates_only=true"};
  words.insert(words.end(), argv + 1, argv + argc);
  std::vector<char*> arguments(words.size());
  std::transform(words.begin(), words.end(), arguments.begin(), [](std::string& word) { return word.data(); });
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data(), [] {
    const std::array<const char*, 2> help = {"micro", "--help"};
    if (!make_options(threads, options.device).parse(2, help.data())) benchmark::PrintDefaultHelp();
  });
  if (!make_options(threads, options.device).parse(count, arguments.data())) return;

  const Device device = options.chosen_device();
  if (device.kind() == Device::Kind::cuda) threads = {1};
  std::vector<std::shared_ptr<const Bench>> benches;
  for (const auto& shape : {hebbian_128, hebbian_1024, projection_1024, hopfield_4096, hopfield_57086})
    benches.push_back(prepare(shape(device)));
  for (const auto& bench : benches)
    for (const int thread_count : threads) add_all(bench, thread_count);
  KeepingReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  print_summary(reporter, benches, threads);
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  return attractor::bench::run_program([&] { attractor::bench::run(argc, argv); });
}
