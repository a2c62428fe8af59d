// Adaptive similarity on real patterns: all glyphs of GNU Unifont, asked for with noise, a covered square, another
// brightness, or as negatives. Weights are fitted on some glyphs and used for all; approximations, which round terms or
// rank entries in groups, are measured beside the exact scores.

#include <algorithm>
#include <array>
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
  Index queries = 2000;
  Index groups = 16;
  int epochs = 30;
  bool all = false;
};

/// A way to corrupt `count` glyphs.
struct Corruption {
  std::string name;
  std::function<Variants(MatrixView<const float> glyphs, Index count, std::uint64_t seed)> draw;
};

/// What an approximation keeps and gains.
struct Approximation {
  double accuracy = 0.0;
  double speedup = 0.0;  ///< exact time over its time, of scoring all queries
};

constexpr std::array<const char*, 3> approximation_names = {"16 bits", "8 bits", "grouped"};

struct Finding {
  std::string corruption;
  Contest contest;
  std::array<Approximation, 3> approximations;
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "Glyphs of GNU Unifont asked for with noise, a covered square, another brightness or as negatives: fitted\n"
      "adaptive similarity, exact and approximate, against fixed ones. Writes adaptive-glyphs.json and .csv.");
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

/// The best of several timings of scoring all queries with each memory, interleaved.
std::vector<double> scoring_seconds(const Job& job, const std::vector<Memory>& memories, const Variants& variants) {
  std::vector<double> best(memories.size(), std::numeric_limits<double>::infinity());
  for (int i = 0; i < job.run.repetitions; ++i)
    for (std::size_t m = 0; m < memories.size(); ++m)
      best[m] =
          std::min(best[m], seconds([&] { retrieve(memories[m], variants.queries, {.threads = job.run.threads}); }));
  return best;
}

Finding study(const Job& job, const Device& device, MatrixView<const float> glyphs, MatrixView<const float> fit_glyphs,
              const Corruption& corruption) {
  const auto seed = 2 * static_cast<std::uint64_t>(job.run.seed);
  Training training{fit_glyphs, corruption.draw(fit_glyphs, job.fitted, seed), {}};
  training.similarity = fit(job, device, training, 1);
  const Variants asked = corruption.draw(glyphs, job.queries, seed + 1);
  const auto rounded = [&](TermPrecision precision) {
    return rounded_memory(device, glyphs, training.similarity, precision);
  };
  const std::vector<Memory> memories = {rounded(TermPrecision::full), rounded(TermPrecision::bits16),
                                        rounded(TermPrecision::bits8),
                                        Memory::adaptive(device, glyphs, fit(job, device, training, job.groups))};
  Finding finding{.corruption = corruption.name,
                  .contest = compete(device, glyphs, training, asked, job.run.threads),
                  .approximations = {}};
  const std::vector<double> times = scoring_seconds(job, memories, asked);
  for (std::size_t i = 0; i < finding.approximations.size(); ++i)
    finding.approximations[i] = {.accuracy = measure(memories[i + 1], asked, job.run.threads).accuracy,
                                 .speedup = times[0] / times[i + 1]};
  return finding;
}

void print(const std::vector<Finding>& findings) {
  std::vector<std::string> header = {"recovered, %", "dot", "distance", "L1", "adaptive", "gain"};
  for (const std::string name : approximation_names) header.insert(header.end(), {name, "lost", "faster by"});
  Table table(header);
  for (const Finding& finding : findings) {
    const Contest& contest = finding.contest;
    std::vector<std::string> row = {finding.corruption,
                                    percent(contest.dot.accuracy, 1),
                                    percent(contest.squared_distance.accuracy, 1),
                                    percent(contest.manhattan.accuracy, 1),
                                    percent(contest.adaptive.accuracy, 1),
                                    percent(contest.gain(), 1)};
    for (const Approximation& approximation : finding.approximations)
      row.insert(row.end(),
                 {percent(approximation.accuracy, 1), percent(contest.adaptive.accuracy - approximation.accuracy, 2),
                  decimal(approximation.speedup, 2)});
    table.add(row);
  }
  table.print(std::cout);
}

Record to_record(const Finding& finding) {
  const Contest& contest = finding.contest;
  Record record = {{"corruption", finding.corruption},
                   {"dot", contest.dot.accuracy},
                   {"squared_distance", contest.squared_distance.accuracy},
                   {"manhattan", contest.manhattan.accuracy},
                   {"adaptive", contest.adaptive.accuracy},
                   {"gain", contest.gain()}};
  for (std::size_t i = 0; i < approximation_names.size(); ++i) {
    record.push_back({approximation_names[i], finding.approximations[i].accuracy});
    record.push_back({std::string(approximation_names[i]) + " speedup", finding.approximations[i].speedup});
  }
  return record;
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
  job.run.write("adaptive-glyphs", "rows", context, records);
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
  print(findings);
  write_files(job, glyphs.rows, findings);
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  attractor::bench::Job job;
  job.run.repetitions = 3;
  return attractor::bench::run_job(argc, argv, job, attractor::bench::parse, attractor::bench::run);
}
