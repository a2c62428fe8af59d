// Retrieval of images under every similarity and separation: the protocol of universal Hopfield networks (Millidge et
// al. 2022) and Hopfield–Fenchel–Young networks (Santos et al. 2024) on glyphs, with halting beside it.

#include <algorithm>
#include <cmath>
#include <iostream>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "bench/support/options.hpp"
#include "bench/support/progress.hpp"
#include "bench/support/queries.hpp"
#include "bench/support/record.hpp"
#include "bench/support/run_options.hpp"
#include "bench/support/table.hpp"
#include "bench/support/unifont.hpp"

namespace attractor::bench {
namespace {

struct Job {
  RunOptions run;
  std::string unifont = default_unifont;
  std::vector<int> counts = {4, 16, 64, 256, 1024, 4096};
  int trials = 5;
  Index queries = 500;
  float noise = 0.5F;
  float beta = 1.0F;
  float cosine_beta = 50.0F;
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "Images of N glyphs are stored; each is asked for with its lower half blanked, or under Gaussian noise, and\n"
      "counts as retrieved where cosine > 0.9, and by a squared error < 50 per 784 pixels. Writes "
      "image-retrieval.json\n"
      "and image-retrieval.csv.");
  job.run.add_to(options);
  options.add("--unifont", job.unifont, "the font, a .hex file");
  options.add("--counts", job.counts, "images stored");
  options.add("--trials", job.trials, "sets of images");
  options.add("--queries", job.queries, "of each set, at most");
  options.add("--noise", job.noise, "standard deviation; pixels are 0 or 1");
  options.add("--beta", job.beta, "inverse temperature of dot products and distances");
  options.add("--cosine-beta", job.cosine_beta, "that of cosines");
  return options.parse(argc, argv);
}

struct Named {
  std::string similarity;
  std::string separation;
  ModernHopfieldOptions options;
};

std::vector<Named> all_compositions(const Job& job) {
  const std::vector<std::pair<std::string, Similarity>> similarities = {
      {"dot", Similarity::dot},
      {"cosine", Similarity::cosine},
      {"squared distance", Similarity::squared_distance},
      {"Manhattan", Similarity::manhattan}};
  const std::vector<std::pair<std::string, NormalisedSeparation>> separations = {
      {"softmax", softmax()}, {"entmax 1.5", entmax()}, {"sparsemax", sparsemax()}, {"max", top(1)}};
  std::vector<Named> result;
  for (const auto& [similarity_name, similarity] : similarities)
    for (const auto& [separation_name, separation] : separations)
      result.push_back({similarity_name,
                        separation_name,
                        {.beta = similarity == Similarity::cosine ? job.cosine_beta : job.beta,
                         .similarity = similarity,
                         .separation = separation}});
  return result;
}

/// Pixels of 0 and 1.
Matrix<float> images(const GlyphSet& glyphs) {
  Matrix<float> result(glyphs.pixels.rows(), glyph_pixels);
  std::transform(glyphs.pixels.data(), glyphs.pixels.data() + result.size(), result.data(),
                 [](float pixel) { return pixel > 0.0F ? 1.0F : 0.0F; });
  return result;
}

/// The first rows, damaged.
Matrix<float> damaged(const Job& job, MatrixView<const float> stored, bool blanks, Random& random) {
  const Index count = std::min(stored.rows, job.queries);
  Matrix<float> queries(count, glyph_pixels);
  std::normal_distribution<float> noise(0.0F, job.noise);
  for (Index i = 0; i < count; ++i)
    for (Index k = 0; k < glyph_pixels; ++k) {
      const bool blank = blanks && k >= glyph_pixels / 2;
      queries(i, k) = blank ? 0.0F : stored(i, k) + (blanks ? 0.0F : noise(random));
    }
  return queries;
}

/// Shares of the queries, added up over trials.
struct Outcome {
  double cosine = 0.0;
  double squared = 0.0;
  double steps = 0.0;
};

double dot(const float* a, const float* b) {
  return std::inner_product(a, a + glyph_pixels, b, 0.0, std::plus<>(),
                            [](float x, float y) { return static_cast<double>(x) * static_cast<double>(y); });
}

void add_outcome(MatrixView<const float> stored, const Relaxation& result, Outcome& outcome) {
  const Index count = result.states.rows();
  const double share = 1.0 / static_cast<double>(count);
  for (Index i = 0; i < count; ++i) {
    const float* const found = result.states.row(i);
    const double product = dot(found, stored.row(i));
    const double own = dot(found, found);
    const double wanted = dot(stored.row(i), stored.row(i));
    if (product > 0.9 * std::sqrt(own * wanted)) outcome.cosine += share;
    if (own + wanted - 2.0 * product < 50.0 / 784.0 * static_cast<double>(glyph_pixels)) outcome.squared += share;
    outcome.steps += share * static_cast<double>(result.steps[static_cast<std::size_t>(i)]);
  }
}

/// One composition at one number of images.
struct Cell {
  Outcome step;     ///< after one step
  Outcome relaxed;  ///< where the query halts
};

Cell measure(const Job& job, const Device& device, const GlyphSet& font, const Named& composition, int count,
             bool blanks) {
  Cell cell;
  for (int trial = 0; trial < job.trials; ++trial) {
    const auto seed = static_cast<std::uint64_t>(job.run.seed + trial);
    Random random(seed);
    Matrix<float> stored = images(choose_glyphs(font, 0x4E00, 0x9FFF, count, static_cast<Index>(seed)));
    const Matrix<float> queries = damaged(job, stored, blanks, random);
    const Memory memory = Memory::modern_hopfield(device, stored, composition.options);
    RelaxerOptions options{.update = readout_update(), .max_steps = job.run.max_steps, .threads = job.run.threads};
    add_outcome(stored, Relaxer(memory, options).relax(queries), cell.relaxed);
    options.halting = fixed_steps();
    options.max_steps = 1;
    add_outcome(stored, Relaxer(memory, options).relax(queries), cell.step);
  }
  for (Outcome* const outcome : {&cell.step, &cell.relaxed})
    for (double* const value : {&outcome->cosine, &outcome->squared, &outcome->steps}) *value /= job.trials;
  return cell;
}

Record record_of(const std::string& corruption, const Named& composition, int count, const Cell& cell) {
  return {{"corruption", corruption},
          {"similarity", composition.similarity},
          {"separation", composition.separation},
          {"images", std::int64_t{count}},
          {"retrieved_by_cosine", cell.relaxed.cosine},
          {"retrieved_by_squared_error", cell.relaxed.squared},
          {"mean_steps", cell.relaxed.steps},
          {"one_step_by_cosine", cell.step.cosine},
          {"one_step_by_squared_error", cell.step.squared}};
}

void run(const Job& job) {
  if (job.trials < 1) throw UsageError("--trials must be at least 1");
  if (job.counts.empty()) throw UsageError("--counts must name a number of images");
  const Device device = job.run.chosen_device();
  const GlyphSet font = read_unifont(job.unifont);
  const std::vector<Named> compositions = all_compositions(job);
  std::vector<Record> records;
  ProgressLine progress(2 * static_cast<int>(compositions.size()), job.run.progress);
  for (const bool blanks : {true, false}) {
    const std::string corruption = blanks ? "lower half blanked" : "noise " + decimal(job.noise, 2);
    std::vector<std::string> headings = {"similarity, separation"};
    for (const int count : job.counts) headings.push_back("N = " + std::to_string(count));
    headings.insert(headings.end(), {"squared error", "after one step", "mean steps"});
    Table table(headings);
    for (const Named& composition : compositions) {
      const std::string name = composition.similarity + ", " + composition.separation;
      progress.next_stage(std::string(corruption).append(": ").append(name));
      std::vector<std::string> cells = {name};
      Cell last;
      for (const int count : job.counts) {
        last = measure(job, device, font, composition, count, blanks);
        cells.push_back(percent(last.relaxed.cosine, 1));
        records.push_back(record_of(corruption, composition, count, last));
      }
      cells.insert(cells.end(),
                   {percent(last.relaxed.squared, 1), percent(last.step.cosine, 1), decimal(last.relaxed.steps, 1)});
      table.add(cells);
    }
    progress.clear();
    std::cout << "Retrieved by cosine > 0.9, %, " << corruption
              << "; the last three columns at N = " << job.counts.back() << ":\n";
    table.print(std::cout);
  }
  const Record details = {{"trials", std::int64_t{job.trials}},
                          {"queries", job.queries},
                          {"noise", double{job.noise}},
                          {"beta", double{job.beta}},
                          {"cosine_beta", double{job.cosine_beta}}};
  job.run.write("image-retrieval", "image_retrieval", joined(untimed(job.run.context()), details), records);
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  return attractor::bench::run_job(argc, argv, attractor::bench::Job{}, attractor::bench::parse, attractor::bench::run);
}
