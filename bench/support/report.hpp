#pragma once

/// Comparisons of halting and fixed steps as table, CSV and JSON.

#include <string>
#include <vector>

#include "bench/support/progress.hpp"
#include "bench/support/record.hpp"
#include "bench/support/run_options.hpp"
#include "bench/support/study.hpp"

namespace attractor::bench {

/// What a study of several corruptions shows.
struct Findings {
  std::vector<Comparison> rows = {};  ///< one for each corruption
  Comparison mixed = {};              ///< all of them in one query set
  std::vector<TradeOff> trade_offs = {};
  double halting_cost = 1.0;  ///< c of the halting efficiency: the part of a step that a query's last energy costs
};

/// Compares halting with fixed steps on every set and on all of them mixed, telling its progress.
Findings study_corruptions(const Memory& memory, const std::vector<QuerySet>& sets, const StudyOptions& options,
                           double halting_cost, const RunOptions& run);

void print_table(const Findings& findings);

/// Writes NAME.csv, NAME-tradeoff.csv and NAME.json to the run's output folder. `details` join the run's own context.
void write_files(const Findings& findings, const std::string& name, const RunOptions& run, const Record& details);

}  // namespace attractor::bench
