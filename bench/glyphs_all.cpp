// Every glyph of the font in one modern Hopfield memory: noisy copies relax with halting against fixed steps.

#include <iostream>
#include <string>
#include <vector>

#include "bench/support/report.hpp"
#include "bench/support/run_options.hpp"
#include "bench/support/table.hpp"
#include "bench/support/unifont.hpp"

namespace attractor::bench {
namespace {

struct Job {
  RunOptions run;
  std::string font = default_unifont;
  Index queries = 4096;
  /// Up to about 0.1 the attractors are averages of many glyphs and none is recovered. From 1 on, nearly as many are
  /// recovered as have their own glyph for nearest neighbour; the smallest such β leaves the most to relaxation.
  float beta = 1.0F;
  float halting_cost = 1.0F;
  std::vector<int> flips = {5, 10, 15, 20, 25, 30, 35, 40};
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "All glyphs of GNU Unifont in one modern Hopfield memory, queries with flipped pixels: halting against fixed\n"
      "steps. Writes glyphs-all.json, glyphs-all.csv and glyphs-all-tradeoff.csv.");
  job.run.add_to(options);
  options.add("--font", job.font, "a .hex file of GNU Unifont");
  options.add("--queries", job.queries, "queries in all, shared among the levels");
  options.add("--beta", job.beta, "inverse temperature");
  options.add("--halting-cost", job.halting_cost, "c of the halting efficiency");
  options.add("--flips", job.flips, "per cent of pixels flipped");
  return options.parse(argc, argv);
}

void run(const Job& job) {
  const Index levels = std::ssize(job.flips);
  if (job.queries < levels) throw UsageError("--queries must be at least one for each level");
  const GlyphSet glyphs = read_unifont(job.font);
  const Memory memory = Memory::modern_hopfield(job.run.chosen_device(), glyphs.pixels, {.beta = job.beta});
  Random random(static_cast<std::uint64_t>(job.run.seed));
  std::vector<QuerySet> sets;
  for (const int flip : job.flips)
    sets.push_back(flipped_queries(glyphs.pixels, job.queries / levels, flip / 100.0, random));

  std::cout << "Noisy copies of all " << memory.pattern_count() << " glyphs on " << memory.device().description()
            << "\n\n"
            << std::flush;
  const StudyOptions study{.relaxer = job.run.relaxer(), .repetitions = job.run.repetitions};
  const Findings findings = study_corruptions(memory, sets, study, double{job.halting_cost}, job.run);
  print_table(findings);
  std::cout << "Halting efficiency of all levels mixed, if the last energy counts as a whole step: "
            << decimal(findings.mixed.halting_efficiency(1.0), 3)
            << ", as half a step: " << decimal(findings.mixed.halting_efficiency(0.5), 3) << '\n';
  write_files(findings, "glyphs-all", job.run,
              {{"dimension", memory.dimension()},
               {"patterns", memory.pattern_count()},
               {"queries", findings.mixed.queries},
               {"memory", "modern_hopfield"},
               {"beta", double{job.beta}}});
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  attractor::bench::Job job;
  job.run.max_steps = 32;
  job.run.repetitions = 3;
  return attractor::bench::run_job(argc, argv, job, attractor::bench::parse, attractor::bench::run);
}
