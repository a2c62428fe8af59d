#pragma once

/// The options that every study shares, and what its files say about the run.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <attractor/attractor.hpp>

#include "bench/support/options.hpp"
#include "bench/support/record.hpp"

namespace attractor::bench {

struct RunOptions {
  std::string device = "best";
  int threads = 0;
  Index seed = 1;
  float relative = 1e-4F;
  float absolute = 0.0F;
  int patience = 1;
  int max_steps = 100;
  int repetitions = 7;
  std::string output = ".";
  bool progress = false;

  void add_to(Options& options);

  [[nodiscard]] Device chosen_device() const;    ///< @throws UsageError a device this build doesn't know
  [[nodiscard]] RelaxerOptions relaxer() const;  ///< halting by energy with these tolerances
  [[nodiscard]] Record context() const;          ///< device, threads, seed, halting and version
  [[nodiscard]] std::filesystem::path file(const std::string& name) const;  ///< in the output folder, which it makes

  /// Writes the records as NAME.csv, and as `list` of NAME.json beside `context`.
  void write(const std::string& name, const std::string& list, const Record& context,
             const std::vector<Record>& records) const;
};

/// Context, then what a program has to add.
Record joined(Record context, const Record& details);

/// Of a run that times nothing and whose memories halt by their defaults: without the options that say how.
Record untimed(Record context);

/// Runs a program's body; an exception ends it with its message on stderr: status 2 for a command line that can't be
/// understood, 1 for everything else.
int run_program(const std::function<void()>& body);

/// The same for a program that is a job: parse(argc, argv, job) fills it in and says whether to run it.
template <class Job>
int run_job(int argc, char** argv, Job job, bool (*parse)(int, const char* const*, Job&), void (*run)(const Job&)) {
  return run_program([&] {
    if (parse(argc, argv, job)) run(job);
  });
}

}  // namespace attractor::bench
