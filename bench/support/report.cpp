#include "bench/support/report.hpp"

#include <algorithm>
#include <iostream>

#include "bench/support/table.hpp"

namespace attractor::bench {
namespace {

bool fixed_falls_short(const Comparison& c) { return c.fixed.recovered < c.halting.recovered; }

/// The fixed count, marked where no count recovers as many as halting does.
std::string fixed_steps_text(const Comparison& c) {
  return std::to_string(c.fixed_steps) + (fixed_falls_short(c) ? "*" : "");
}

Record to_record(const Comparison& c, double halting_cost) {
  return {{"corruption", c.corruption},
          {"level", c.level ? Value(*c.level) : Value()},
          {"queries", c.queries},
          {"recovered", c.halting.recovered},
          {"overlap", c.halting.overlap},
          {"mean_steps", c.mean_steps},
          {"median_steps", c.median_steps},
          {"p95_steps", c.p95_steps},
          {"converged", c.converged},
          {"halting_queries_per_second", c.halting_queries_per_second},
          {"fixed_steps", std::int64_t{c.fixed_steps}},
          {"fixed_recovered", c.fixed.recovered},
          {"fixed_queries_per_second", c.fixed_queries_per_second},
          {"ratio", c.ratio},
          {"halting_efficiency", c.halting_efficiency(halting_cost)}};
}

Record to_record(const TradeOff& point) {
  return {{"mode", point.mode},
          {"setting", point.setting},
          {"recovered", point.recovered},
          {"queries_per_second", point.queries_per_second}};
}

template <class Item, class... More>
std::vector<Record> to_records(const std::vector<Item>& items, const More&... more) {
  std::vector<Record> records;
  records.reserve(items.size());
  for (const Item& item : items) records.push_back(to_record(item, more...));
  return records;
}

std::vector<Comparison> all_rows(const Findings& findings) {
  std::vector<Comparison> rows = findings.rows;
  rows.push_back(findings.mixed);
  return rows;
}

}  // namespace

Findings study_corruptions(const Memory& memory, const std::vector<QuerySet>& sets, const StudyOptions& options,
                           double halting_cost, const RunOptions& run) {
  ProgressLine progress(static_cast<int>(sets.size()) + 2, run.progress);
  const auto report = [&](const std::string& text) { progress.detail(text); };
  Findings findings{.halting_cost = halting_cost};
  for (const QuerySet& set : sets) {
    progress.next_stage(set.title());
    findings.rows.push_back(compare(memory, set, options, report));
  }
  progress.next_stage("all corruptions mixed");
  Random random(static_cast<std::uint64_t>(run.seed));
  const QuerySet mixed = mixed_queries(sets, random);
  findings.mixed = compare(memory, mixed, options, report);
  progress.next_stage("throughput against accuracy");
  findings.trade_offs = trade_off(memory, mixed, options.relaxer, findings.mixed.fixed_steps,
                                  std::max(1, options.repetitions / 3), report);
  return findings;
}

void print_table(const Findings& findings) {
  Table table({"corruption", "queries", "recovered", "overlap", "mean", "median", "p95", "converged", "halting",
               "fixed at", "fixed", "ratio", "halting"});
  table.add({"", "", "%", "", "steps", "steps", "steps", "%", "queries/s", "steps", "queries/s", "", "efficiency"});
  const std::vector<Comparison> rows = all_rows(findings);
  for (const Comparison& c : rows)
    table.add({c.title, grouped(static_cast<double>(c.queries)), percent(c.halting.recovered, 2),
               decimal(c.halting.overlap, 4), decimal(c.mean_steps, 2), decimal(c.median_steps, 1),
               decimal(c.p95_steps, 0), percent(c.converged, 1), grouped(c.halting_queries_per_second),
               fixed_steps_text(c), grouped(c.fixed_queries_per_second), decimal(c.ratio, 2),
               decimal(c.halting_efficiency(findings.halting_cost), 3)});
  table.print(std::cout);
  if (std::any_of(rows.begin(), rows.end(), fixed_falls_short))
    std::cout << "* no fixed number of steps up to the limit recovers as many; this one recovers most\n";
}

void write_files(const Findings& findings, const std::string& name, const RunOptions& run, const Record& details) {
  Record context = run.context();
  context.insert(context.end(), details.begin(), details.end());
  context.emplace_back("halting_cost", findings.halting_cost);
  write_csv(run.file(name + ".csv"), to_records(all_rows(findings), findings.halting_cost));
  write_csv(run.file(name + "-tradeoff.csv"), to_records(findings.trade_offs));
  write_json(run.file(name + ".json"), context,
             {{"rows", to_records(findings.rows, findings.halting_cost)},
              {"mixed", to_records(std::vector{findings.mixed}, findings.halting_cost)},
              {"tradeoff", to_records(findings.trade_offs)}});
}

}  // namespace attractor::bench
