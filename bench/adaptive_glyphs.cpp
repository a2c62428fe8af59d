// Adaptive similarity on real patterns: all glyphs of GNU Unifont, asked for with noise, a covered square, another
// brightness, or as negatives. Weights are fitted on some glyphs and used for all; the approximation that ranks entries
// in groups is measured beside the exact one.

#include <algorithm>
#include <functional>
#include <iostream>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "bench/support/progress.hpp"
#include "bench/support/queries.hpp"
#include "bench/support/run_options.hpp"
#include "bench/support/similarities.hpp"
#include "bench/support/table.hpp"
#include "bench/support/timing.hpp"
#include "bench/support/unifont.hpp"

namespace attractor::bench {
namespace {

struct Job {
  RunOptions run;
  std::string font = default_unifont;
  Index glyphs = 8192;
  Index fit_glyphs = 2048;
  Index fitted = 500;
  Index queries = 500;
  Index groups = 16;
  int epochs = 30;
  bool all = false;
};

/// A way to corrupt `count` glyphs.
struct Corruption {
  std::string name;
  std::function<Variants(MatrixView<const float> glyphs, Index count, std::uint64_t seed)> draw;
};

struct Finding {
  std::string corruption;
  Contest contest;
  Outcome grouped;
  double exact_seconds = 0.0;    ///< of scoring all queries
  double grouped_seconds = 0.0;  ///< the same
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "Glyphs of GNU Unifont asked for with noise, a covered square, another brightness or as negatives: fitted\n"
      "adaptive similarity, exact and grouped, against fixed ones. Writes adaptive-glyphs.json and .csv.");
  job.run.add_to(options);
  options.add("--font", job.font, "a .hex file of GNU Unifont");
  options.add("--glyphs", job.glyphs, "glyphs stored, drawn at random");
  options.add_flag("--all", job.all, "store all of them");
  options.add("--fit-glyphs", job.fit_glyphs, "glyphs stored while weights are fitted");
  options.add("--fitted", job.fitted, "queries that weights are fitted to, for each corruption");
  options.add("--queries", job.queries, "other queries that are asked for");
  options.add("--groups", job.groups, "of the approximation");
  options.add("--epochs", job.epochs, "of a fit, at most");
  return options.parse(argc, argv);
}

Variants from_set(QuerySet set) { return {.queries = std::move(set.queries), .origins = std::move(set.targets)}; }

Corruption varied(std::string name, VariantOptions options) {
  return {std::move(name), [options](MatrixView<const float> glyphs, Index count, std::uint64_t seed) {
            VariantOptions seeded = options;
            seeded.seed = seed;
            return make_variants(glyphs, count, seeded);
          }};
}

/// A square turned to paper, and noise.
Corruption covered(Index side, float noise) {
  return {"covered " + std::to_string(side) + "×" + std::to_string(side) + ", noise " + decimal(double{noise}, 1),
          [=](MatrixView<const float> glyphs, Index count, std::uint64_t seed) {
            Random random(seed);
            Variants variants = from_set(occluded_queries(glyphs, count, side, random));
            variants.queries = vary(variants.queries, {.variant = Variant::noisy, .severity = noise, .seed = seed});
            return variants;
          }};
}

/// Half of the queries with ink and paper exchanged, and noise on all.
Corruption negatives(float noise) {
  return {"half as negatives, noise " + decimal(double{noise}, 1),
          [=](MatrixView<const float> glyphs, Index count, std::uint64_t seed) {
            Variants variants =
                make_variants(glyphs, count, {.variant = Variant::noisy, .severity = noise, .seed = seed});
            for (Index i = 0; i < count; i += 2)
              std::transform(variants.queries.row(i), variants.queries.row(i) + glyphs.columns, variants.queries.row(i),
                             std::negate<>());
            return variants;
          }};
}

std::vector<Corruption> make_corruptions() {
  return {varied("noise 1.5", {.variant = Variant::noisy, .severity = 1.5F}),
          varied("noise 2", {.variant = Variant::noisy, .severity = 2.0F}),
          covered(8, 0.5F),
          covered(10, 0.5F),
          varied("brightness 1", {.variant = Variant::biased, .severity = 1.0F}),
          varied("brightness 2", {.variant = Variant::biased, .severity = 2.0F}),
          negatives(0.5F),
          negatives(1.0F),
          varied("mixed 0.5", {.variant = Variant::mixed, .severity = 0.5F, .spread = 2.0F}),
          varied("mixed 0.6", {.variant = Variant::mixed, .severity = 0.6F, .spread = 2.0F})};
}

AdaptiveSimilarity fit(const Job& job, const Device& device, const Training& training, Index groups) {
  return fit_similarity(device, training.patterns, training.variants.queries, training.variants.origins,
                        {.groups = groups, .epochs = job.epochs, .threads = job.run.threads})
      .similarity;
}

/// The best of several timings of scoring all queries.
double scoring_seconds(const Job& job, const Memory& memory, const Variants& variants) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < job.run.repetitions; ++i)
    best = std::min(best, seconds([&] { retrieve(memory, variants.queries, {.threads = job.run.threads}); }));
  return best;
}

Finding study(const Job& job, const Device& device, MatrixView<const float> glyphs, MatrixView<const float> fit_glyphs,
              const Corruption& corruption) {
  const auto seed = 2 * static_cast<std::uint64_t>(job.run.seed);
  Training training{fit_glyphs, corruption.draw(fit_glyphs, job.fitted, seed), {}};
  training.similarity = fit(job, device, training, 1);
  const Variants asked = corruption.draw(glyphs, job.queries, seed + 1);
  const Memory exact = Memory::adaptive(device, glyphs, training.similarity);
  const Memory grouped = Memory::adaptive(device, glyphs, fit(job, device, training, job.groups));
  return {.corruption = corruption.name,
          .contest = compete(device, glyphs, training, asked, job.run.threads),
          .grouped = measure(grouped, asked, job.run.threads),
          .exact_seconds = scoring_seconds(job, exact, asked),
          .grouped_seconds = scoring_seconds(job, grouped, asked)};
}

void print(const Job& job, const std::vector<Finding>& findings) {
  Table table({"recovered, %", "dot", "distance", "L1", "adaptive", "gain", std::to_string(job.groups) + " groups",
               "lost", "faster by"});
  for (const Finding& finding : findings) {
    const Contest& contest = finding.contest;
    table.add({finding.corruption, percent(contest.dot.accuracy, 1), percent(contest.squared_distance.accuracy, 1),
               percent(contest.manhattan.accuracy, 1), percent(contest.adaptive.accuracy, 1),
               percent(contest.gain(), 1), percent(finding.grouped.accuracy, 1),
               percent(contest.adaptive.accuracy - finding.grouped.accuracy, 1),
               decimal(finding.exact_seconds / finding.grouped_seconds, 2)});
  }
  table.print(std::cout);
}

Record to_record(const Finding& finding) {
  const Contest& contest = finding.contest;
  return {{"corruption", finding.corruption},
          {"dot", contest.dot.accuracy},
          {"squared_distance", contest.squared_distance.accuracy},
          {"manhattan", contest.manhattan.accuracy},
          {"adaptive", contest.adaptive.accuracy},
          {"gain", contest.gain()},
          {"grouped", finding.grouped.accuracy},
          {"exact_seconds", finding.exact_seconds},
          {"grouped_seconds", finding.grouped_seconds}};
}

void write_files(const Job& job, Index glyphs, const std::vector<Finding>& findings) {
  Record context = job.run.context();
  context.insert(context.end(), {{"dimension", glyph_pixels},
                                 {"patterns", glyphs},
                                 {"fit_patterns", job.fit_glyphs},
                                 {"fitted", job.fitted},
                                 {"queries", job.queries},
                                 {"groups", job.groups}});
  std::vector<Record> records;
  for (const Finding& finding : findings) records.push_back(to_record(finding));
  write_csv(job.run.file("adaptive-glyphs.csv"), records);
  write_json(job.run.file("adaptive-glyphs.json"), context, {{"rows", records}});
}

GlyphSet draw_glyphs(const GlyphSet& font, Index count, Index seed) {
  return choose_glyphs(font, 0, std::numeric_limits<char32_t>::max(), count, seed);
}

void run(const Job& job) {
  const Device device = job.run.chosen_device();
  const GlyphSet font = read_unifont(job.font);
  const GlyphSet chosen = job.all ? GlyphSet{} : draw_glyphs(font, job.glyphs, job.run.seed);
  const MatrixView<const float> glyphs = job.all ? font.pixels.view() : chosen.pixels.view();
  const Matrix<float> fit_glyphs = draw_glyphs(font, job.fit_glyphs, job.run.seed + 1).pixels;
  const std::vector<Corruption> corruptions = make_corruptions();
  ProgressLine progress(static_cast<int>(corruptions.size()), job.run.progress);
  std::vector<Finding> findings;
  for (const Corruption& corruption : corruptions) {
    progress.next_stage(corruption.name);
    findings.push_back(study(job, device, glyphs, fit_glyphs, corruption));
  }
  progress.clear();
  std::cout << grouped(static_cast<double>(glyphs.rows)) << " glyphs of 16×16 pixels; weights fitted on "
            << grouped(static_cast<double>(job.fit_glyphs)) << " of them; " << job.queries
            << " queries for each corruption\n\n";
  print(job, findings);
  write_files(job, glyphs.rows, findings);
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  return attractor::bench::run_program([&] {
    attractor::bench::Job job;
    job.run.repetitions = 3;
    if (attractor::bench::parse(argc, argv, job)) attractor::bench::run(job);
  });
}
