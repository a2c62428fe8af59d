// What a memory takes to learn one more pattern and to forget one, beside being made anew; and the first step that a
// query takes on it then.

#include <algorithm>
#include <functional>
#include <iostream>
#include <numeric>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bench/support/progress.hpp"
#include "bench/support/queries.hpp"
#include "bench/support/run_options.hpp"
#include "bench/support/table.hpp"
#include "bench/support/timing.hpp"

namespace attractor::bench {
namespace {

struct Job {
  RunOptions run;
  std::vector<int> dimensions = {256, 1024, 4096};
  int share = 2;  ///< neurons for each pattern
  bool signs = false;
};

/// A rule, and what it makes of patterns.
struct Rule {
  std::string name;
  std::function<Memory(MatrixView<const float>)> make;
};

/// Processor seconds of rounds.
struct Finding {
  std::string rule;
  Index dimension = 0;
  Index patterns = 0;
  std::vector<double> made = {};
  std::vector<double> imprinted = {};
  std::vector<double> forgotten = {};
  std::vector<double> first_step = {};  ///< of one query after an imprint
  std::vector<double> next_step = {};
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "Memories learn one more pattern and forget one in their middle, beside being made anew; then one query takes a\n"
      "step on them, and once more. CPU only, in processor time. Writes growth.json and growth.csv.");
  job.run.add_to(options);
  options.add("--dimensions", job.dimensions, "neurons");
  options.add("--share", job.share, "neurons for each stored pattern");
  options.add_flag("--signs", job.signs, "steps are sign updates, in place of what a memory's queries take by default");
  return options.parse(argc, argv);
}

std::vector<Rule> rules() {
  const Device cpu = Device::cpu();
  using View = MatrixView<const float>;
  return {
      {"hebbian, factored",
       [=](View patterns) { return Memory::hebbian(cpu, patterns, {.evaluation = Evaluation::factored}); }},
      {"hebbian, dense",
       [=](View patterns) { return Memory::hebbian(cpu, patterns, {.evaluation = Evaluation::dense}); }},
      {"bidirectional",
       [=](View patterns) { return Memory::bidirectional(cpu, patterns, {.first = patterns.columns / 2}); }},
      {"storkey", [=](View patterns) { return Memory::storkey(cpu, patterns); }},
      {"projection, factored",
       [=](View patterns) { return Memory::projection(cpu, patterns, {.evaluation = Evaluation::factored}); }},
      {"modern Hopfield", [=](View patterns) { return Memory::modern_hopfield(cpu, patterns); }},
  };
}

/// One query's.
double step(const Memory& memory, MatrixView<const float> query, bool signs) {
  RelaxerOptions options{.halting = fixed_steps(), .max_steps = 1, .threads = 1};
  if (signs) options.update = sign_update();
  const Relaxer relaxer(memory, options);
  return processor_seconds([&] { std::ignore = relaxer.relax(query); });
}

Finding measure(const Rule& rule, MatrixView<const float> patterns, const Job& job) {
  const Index middle = patterns.rows / 2;
  Finding finding{.rule = rule.name, .dimension = patterns.columns, .patterns = patterns.rows};
  Memory memory = rule.make(patterns);
  std::vector<Index> order(static_cast<std::size_t>(patterns.rows));  // of the patterns in the memory
  std::iota(order.begin(), order.end(), Index{0});
  // Before the first round once more, for what only memories that have changed keep.
  for (int i = -1; i < job.run.repetitions; ++i) {
    const double made = processor_seconds([&] { rule.make(patterns); });
    const double forgotten = processor_seconds([&] { memory.forget({middle}); });
    std::rotate(order.begin() + middle, order.begin() + middle + 1, order.end());
    const double imprinted = processor_seconds([&] { memory.imprint(patterns.slice(order.back(), 1)); });
    const double first_step = step(memory, patterns.slice(0, 1), job.signs);
    const double next_step = step(memory, patterns.slice(0, 1), job.signs);
    if (i < 0) continue;
    finding.made.push_back(made);
    finding.forgotten.push_back(forgotten);
    finding.imprinted.push_back(imprinted);
    finding.first_step.push_back(first_step);
    finding.next_step.push_back(next_step);
  }
  return finding;
}

void print(const std::vector<Finding>& findings) {
  Table table({"memory", "D", "P", "made, ms", "imprint, ms", "forget, ms", "made over imprint", "made over forget",
               "first step, ms", "next step, ms"});
  const auto milliseconds = [](const std::vector<double>& times) { return decimal(1e3 * median(times), 2); };
  for (const Finding& finding : findings)
    table.add({finding.rule, std::to_string(finding.dimension), std::to_string(finding.patterns),
               milliseconds(finding.made), milliseconds(finding.imprinted), milliseconds(finding.forgotten),
               decimal(median_ratio(finding.made, finding.imprinted), 1),
               decimal(median_ratio(finding.made, finding.forgotten), 1), milliseconds(finding.first_step),
               milliseconds(finding.next_step)});
  table.print(std::cout);
}

Record to_record(const Finding& finding) {
  return {{"memory", finding.rule},
          {"dimension", finding.dimension},
          {"patterns", finding.patterns},
          {"made_seconds", median(finding.made)},
          {"imprint_seconds", median(finding.imprinted)},
          {"forget_seconds", median(finding.forgotten)},
          {"first_step_seconds", median(finding.first_step)},
          {"next_step_seconds", median(finding.next_step)}};
}

void run(const Job& job) {
  if (job.run.repetitions < 1) throw UsageError("--repetitions must be at least 1");
  if (job.share < 1) throw UsageError("--share must be at least 1");
  for (const int dimension : job.dimensions)
    if (dimension < job.share) throw UsageError("--dimensions must be at least --share");
  Random random(static_cast<std::uint64_t>(job.run.seed));
  ProgressLine progress(static_cast<int>(job.dimensions.size() * rules().size()), job.run.progress);
  std::vector<Finding> findings;
  for (const int dimension : job.dimensions) {
    Matrix<float> patterns(dimension / job.share, dimension);
    for (Index i = 0; i < patterns.size(); ++i) patterns.data()[i] = random() % 2 == 0 ? 1.0F : -1.0F;
    for (const Rule& rule : rules()) {
      progress.next_stage(rule.name + ", D = " + std::to_string(dimension));
      findings.push_back(measure(rule, patterns, job));
    }
  }
  progress.clear();
  std::cout << "One pattern of ±1; milliseconds of processor time\n\n";
  print(findings);
  std::vector<Record> records;
  for (const Finding& finding : findings) records.push_back(to_record(finding));
  Record context = job.run.context();
  context.emplace_back("signs", job.signs);
  job.run.write("growth", "rows", context, records);
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  return attractor::bench::run_job(argc, argv, attractor::bench::Job{}, attractor::bench::parse, attractor::bench::run);
}
