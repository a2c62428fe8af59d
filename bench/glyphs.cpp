// Noisy and partly covered CJK glyphs relax on a projection memory of a few dozen of them: each query halting on its
// own energy, against a fixed number of steps for all.

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "bench/support/picture.hpp"
#include "bench/support/report.hpp"
#include "bench/support/run_options.hpp"
#include "bench/support/unifont.hpp"

namespace attractor::bench {
namespace {

constexpr char32_t first_ideograph = 0x4E00;
constexpr char32_t last_ideograph = 0x9FFF;

struct Job {
  RunOptions run;
  std::string font = default_unifont;
  Index patterns = 64;
  Index queries = 100000;
  std::string update = "tanh";
  float gain = 2.0F;
  std::vector<int> flips = {5, 10, 15, 20, 25, 30};
  std::vector<int> blocks = {4, 6, 8, 10};
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "Glyphs of GNU Unifont with flipped and covered pixels relax on a projection memory: halting against fixed\n"
      "steps. Writes glyphs.json, glyphs.csv and glyphs-tradeoff.csv.");
  job.run.add_to(options);
  options.add("--font", job.font, "a .hex file of GNU Unifont");
  options.add("--patterns", job.patterns, "CJK glyphs stored");
  options.add("--queries", job.queries, "queries in all, shared among the corruptions");
  options.add("--update", job.update, "tanh: x' = tanh(x + gain*u), or sign");
  options.add("--gain", job.gain, "of the tanh update");
  options.add("--flips", job.flips, "per cent of pixels flipped");
  options.add("--blocks", job.blocks, "sides of covered squares, in pixels");
  return options.parse(argc, argv);
}

Update chosen_update(const Job& job) {
  if (job.update == "tanh") return tanh_update(job.gain);
  if (job.update == "sign") return sign_update();
  throw UsageError("--update: '" + job.update + "' is not tanh or sign");
}

std::vector<QuerySet> make_queries(const Job& job, MatrixView<const float> glyphs, Random& random) {
  const Index sets = std::ssize(job.flips) + std::ssize(job.blocks);
  if (job.queries < sets) throw UsageError("--queries must be at least one for each corruption");
  const Index each = job.queries / sets;
  std::vector<QuerySet> result;
  for (const int flip : job.flips) {
    if (flip < 0 || flip > 100) throw UsageError("--flips are per cents");
    result.push_back(flipped_queries(glyphs, each, flip / 100.0, random));
  }
  for (const int side : job.blocks) {
    if (side < 1 || side > glyph_side) throw UsageError("--blocks are between 1 and 16");
    result.push_back(occluded_queries(glyphs, each, side, random));
  }
  return result;
}

/// Four sets spread over all of them, so that both ends and both kinds of corruption show.
std::vector<const QuerySet*> shown(const std::vector<QuerySet>& sets) {
  const std::size_t count = std::min<std::size_t>(4, sets.size());
  std::vector<const QuerySet*> result;
  for (std::size_t k = 1; k <= count; ++k) result.push_back(&sets[sets.size() * k / count - 1]);
  return result;
}

void run(const Job& job) {
  const GlyphSet glyphs =
      choose_glyphs(read_unifont(job.font), first_ideograph, last_ideograph, job.patterns, job.run.seed);
  const Memory memory = Memory::projection(job.run.chosen_device(), glyphs.pixels);
  StudyOptions study{.relaxer = job.run.relaxer(), .repetitions = job.run.repetitions};
  study.relaxer.update = chosen_update(job);
  Random random(static_cast<std::uint64_t>(job.run.seed));
  const std::vector<QuerySet> sets = make_queries(job, glyphs.pixels, random);

  std::cout << "Corrupted copies of " << job.patterns << " CJK glyphs on " << memory.device().description() << ":\n";
  for (const char32_t code_point : glyphs.code_points) std::cout << utf8(code_point);
  std::cout << "\n\n" << std::flush;
  print_pictures(std::cout, Relaxer(memory, study.relaxer), shown(sets));
  std::cout << std::flush;  // Something to look at while the rest is measured.

  // The last energy of a factored memory takes half a pass over it, that of a dense one a whole pass.
  const double halting_cost = memory.evaluation() == Evaluation::factored ? 0.5 : 1.0;
  const Findings findings = study_corruptions(memory, sets, study, halting_cost, job.run);
  print_table(findings);
  write_files(findings, "glyphs", job.run,
              {{"dimension", memory.dimension()},
               {"patterns", memory.pattern_count()},
               {"queries", findings.mixed.queries},
               {"rule", "projection"},
               {"update", job.update},
               {"gain", double{job.gain}}});
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  attractor::bench::Job job;
  job.run.repetitions = 5;
  return attractor::bench::run_job(argc, argv, job, attractor::bench::parse, attractor::bench::run);
}
