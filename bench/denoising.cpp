// Samples of a stored set from noise: gradient flow on the energy of squared distances while it cools, beside the same
// flow at one temperature.
//
// With softmax, p(x) ∝ exp(−βE) is the set under Gaussian noise of variance σ² = 1/β, and u − x is σ² times its score:
// u is the ideal denoiser. x + η(u − x) with σ falling by 1 − η a step is Euler's method for the probability flow of a
// variance-exploding diffusion (Song et al. 2021; Karras et al. 2022, eq. 4 and 5). Exactly followed, the flow would
// take noise to every stored pattern equally often.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <span>
#include <sstream>
#include <stdexcept>
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
  Index size = 1024;
  Index queries = 4096;
  float rate = 0.1F;
  float hottest = 100.0F;
  float coldest = 0.1F;
  int rows = 16;
  Index shown = 2;
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "Noise relaxes to glyphs by x + rate*(u - x) on squared distances, sigma = 1/sqrt(beta) falling from step to\n"
      "step by the factor 1 - rate, and at constant temperatures. Writes denoising.json, denoising.csv and, of the "
      "first\n"
      "samples at each row of the tables, the picture denoising-samples.csv.");
  job.run.add_to(options);
  options.add("--unifont", job.unifont, "the font, a .hex file");
  options.add("--size", job.size, "glyphs stored; pixels are -1 or 1");
  options.add("--queries", job.queries, "samples of noise");
  options.add("--rate", job.rate, "of the blend update");
  options.add("--hottest", job.hottest, "sigma of the noise and of the first step");
  options.add("--coldest", job.coldest, "sigma of the last step");
  options.add("--rows", job.rows, "of each table, spread over the steps");
  options.add("--shown", job.shown, "samples in the picture");
  return options.parse(argc, argv);
}

void check(const Job& job) {
  if (!(job.rate > 0.0F && job.rate < 1.0F)) throw UsageError("--rate must be between 0 and 1");
  if (!(job.coldest > 0.0F && job.coldest < job.hottest)) throw UsageError("--coldest must be between 0 and --hottest");
  if (job.queries < 1) throw UsageError("--queries must be at least 1");
  if (job.shown < 1 || job.shown > job.queries) throw UsageError("--shown must be from 1 to --queries");
  if (job.rows < 1) throw UsageError("--rows must be at least 1");
}

float beta_of(double sigma) { return static_cast<float>(1.0 / (sigma * sigma)); }

/// σ falls by 1 − rate a step, and ends at the coldest.
std::vector<float> cooling(const Job& job) {
  const double factor = 1.0 - static_cast<double>(job.rate);
  std::vector<float> betas;
  double sigma = job.hottest;
  while (sigma > static_cast<double>(job.coldest)) {
    betas.push_back(beta_of(sigma));
    sigma *= factor;
  }
  betas.push_back(beta_of(job.coldest));
  return betas;
}

/// A way to run the flow: the inverse temperature of each step.
struct Way {
  std::string name;
  std::vector<float> betas;
};

std::vector<Way> all_ways(const Job& job) {
  const std::vector<float> falling = cooling(job);
  std::vector<Way> ways = {{"cooling", falling}};
  for (const double sigma : {static_cast<double>(job.coldest), 2.0, 8.0})
    ways.push_back({"sigma " + decimal(sigma, 1), std::vector<float>(falling.size(), beta_of(sigma))});
  return ways;
}

/// Where samples are after so many steps; means over them.
struct Station {
  int steps = 0;
  double sigma = 0.0;
  double distance = 0.0;   ///< from the nearest stored pattern, root of the mean square of a pixel
  double sharpness = 0.0;  ///< the largest posterior
  double energy = 0.0;     ///< at the station's temperature
};

double distance(const float* a, const float* b) {
  double sum = 0.0;
  for (Index k = 0; k < glyph_pixels; ++k)
    sum += (static_cast<double>(a[k]) - static_cast<double>(b[k])) *
           (static_cast<double>(a[k]) - static_cast<double>(b[k]));
  return std::sqrt(sum / static_cast<double>(glyph_pixels));
}

/// How evenly samples are spread over the stored patterns.
struct Spread {
  Index reached = 0;        ///< patterns that some sample ended at
  double perplexity = 0.0;  ///< e to the entropy of where samples ended
};

Spread spread_of(const std::vector<Index>& ends, Index patterns) {
  std::vector<double> counts(static_cast<std::size_t>(patterns), 0.0);
  for (const Index end : ends) counts[static_cast<std::size_t>(end)] += 1.0;
  Spread spread;
  double entropy = 0.0;
  for (const double count : counts) {
    if (count == 0.0) continue;
    ++spread.reached;
    const double share = count / static_cast<double>(ends.size());
    entropy -= share * std::log(share);
  }
  spread.perplexity = std::exp(entropy);
  return spread;
}

/// As many draws from all patterns alike: what even the best sampler's counts would show.
Spread even_spread(const Job& job) {
  Random random(static_cast<std::uint64_t>(job.run.seed));
  std::uniform_int_distribution<Index> any(0, job.size - 1);
  std::vector<Index> ends(static_cast<std::size_t>(job.queries));
  for (Index& end : ends) end = any(random);
  return spread_of(ends, job.size);
}

/// What a way leads to.
struct Flow {
  std::vector<Matrix<float>> samples = {};  ///< the first few at each station
  std::vector<Station> stations;
  Spread spread;
  double near = 0.0;    ///< share of the samples that end within a tenth of a pixel's amplitude of a pattern
  double rising = 0.0;  ///< share of the steps at one temperature that raised a sample's energy
};

/// One sample after another along its trace, where two neighbouring energies are at the same temperature.
void count_rises(const Relaxation& result, std::span<const float> betas, Flow& flow) {
  double compared = 0.0;
  for (Index i = 0; i < result.energy_trace.rows(); ++i)
    for (Index t = 1; t < result.energy_trace.columns(); ++t) {
      const auto next = [&](Index step) { return betas[std::min(static_cast<std::size_t>(step), betas.size() - 1)]; };
      if (next(t) != next(t + 1)) continue;
      const auto rise = static_cast<double>(result.energy_trace(i, t) - result.energy_trace(i, t - 1));
      compared += 1.0;
      // Energies are float.
      flow.rising += rise > 1e-5 * std::abs(static_cast<double>(result.energy_trace(i, t))) ? 1.0 : 0.0;
    }
  if (compared > 0.0) flow.rising /= compared;
}

Station describe(const Job& job, const Memory& memory, const Matrix<float>& states, float beta,
                 std::vector<Index>& nearest) {
  const Retrieval found = retrieve(memory, states, {.beta = beta, .threads = job.run.threads});
  Station station{.sigma = 1.0 / std::sqrt(static_cast<double>(beta))};
  const double share = 1.0 / static_cast<double>(states.rows());
  for (Index i = 0; i < states.rows(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    station.distance += share * distance(states.row(i), memory.patterns().row(found.pattern[at]));
    station.sharpness += share * static_cast<double>(found.posterior[at]);
  }
  nearest = found.pattern;
  return station;
}

Matrix<float> first_rows(const Matrix<float>& states, Index count) {
  Matrix<float> result(count, states.columns());
  std::copy_n(states.data(), result.size(), result.data());
  return result;
}

/// Follows the samples, and stops on the way to look at them.
Flow follow(const Job& job, const Memory& memory, const Matrix<float>& noise, const Way& way) {
  const auto total = static_cast<int>(way.betas.size());
  const std::span<const float> betas(way.betas);
  const auto relaxer = [&](int steps) {
    return Relaxer(memory, {.update = blend_update(job.rate),
                            .halting = fixed_steps(),
                            .max_steps = steps,
                            .energy_trace = true,
                            .threads = job.run.threads});
  };
  Flow flow;
  std::vector<Index> nearest;
  for (int row = 1; row <= std::min(job.rows, total); ++row) {
    const int steps = total * row / std::min(job.rows, total);
    const Relaxation result = relaxer(steps).relax(noise, {.betas = betas});
    const float beta = betas[static_cast<std::size_t>(std::min(steps, total - 1))];
    Station station = describe(job, memory, result.states, beta, nearest);
    station.steps = steps;
    for (const float energy : result.energies)
      station.energy += static_cast<double>(energy) / static_cast<double>(result.energies.size());
    flow.stations.push_back(station);
    flow.samples.push_back(first_rows(result.states, job.shown));
    if (steps < total) continue;
    count_rises(result, betas, flow);
    for (Index i = 0; i < noise.rows(); ++i)
      if (distance(result.states.row(i), memory.patterns().row(nearest[static_cast<std::size_t>(i)])) < 0.1)
        flow.near += 1.0 / static_cast<double>(noise.rows());
  }
  flow.spread = spread_of(nearest, memory.pattern_count());
  return flow;
}

void print(const Way& way, const Flow& flow) {
  std::cout << way.name << ":\n";
  Table table({"steps", "sigma", "distance", "largest posterior", "energy"});
  for (const Station& station : flow.stations)
    table.add({std::to_string(station.steps), decimal(station.sigma, 2), decimal(station.distance, 3),
               decimal(station.sharpness, 3), decimal(station.energy, 2)});
  table.print(std::cout);
}

void add_records(const Way& way, const Flow& flow, const Spread& even, std::vector<Record>& records) {
  for (const Station& station : flow.stations)
    records.push_back({{"way", way.name},
                       {"steps", std::int64_t{station.steps}},
                       {"sigma", station.sigma},
                       {"distance", station.distance},
                       {"largest_posterior", station.sharpness},
                       {"energy", station.energy},
                       {"ended_near_a_pattern", flow.near},
                       {"patterns_reached", flow.spread.reached},
                       {"perplexity", flow.spread.perplexity},
                       {"even_perplexity", even.perplexity},
                       {"steps_that_raised_energy", flow.rising}});
}

/// Samples below one another, stations side by side, a margin of one pixel after each; of all ways.
class Picture {
 public:
  void add(const Flow& flow) {
    const Index shown = flow.samples.front().rows();
    for (Index sample = 0; sample < shown; ++sample)
      for (Index y = 0; y <= glyph_side; ++y) add_line(flow, sample, y);
  }

  void write(const std::filesystem::path& path) const {
    std::ofstream out(path);
    out << text_.str();
    if (!out.flush()) throw std::runtime_error("can't write " + path.string());
  }

 private:
  /// Each image in units of its own root mean square: noise is large, and fades.
  void add_line(const Flow& flow, Index sample, Index y) {
    const char* separator = "";
    for (const Matrix<float>& states : flow.samples) {
      const float* const image = states.row(sample);
      const std::vector<float> nothing(glyph_pixels);
      const double scale = std::max(distance(image, nothing.data()), 1e-6);
      for (Index x = 0; x <= glyph_side; ++x) {
        const bool margin = x == glyph_side || y == glyph_side;
        const double value = margin ? -1.5 : static_cast<double>(image[y * glyph_side + x]) / scale;
        text_ << std::exchange(separator, ",") << decimal(value, 2);
      }
    }
    text_ << '\n';
  }

  std::ostringstream text_;
};

void run(const Job& job) {
  check(job);
  const Device device = job.run.chosen_device();
  const GlyphSet glyphs = choose_glyphs(read_unifont(job.unifont), 0x4E00, 0x9FFF, job.size, job.run.seed);
  const Memory memory = Memory::modern_hopfield(device, glyphs.pixels, {.similarity = Similarity::squared_distance});
  Random random(static_cast<std::uint64_t>(job.run.seed));
  std::normal_distribution<float> normal(0.0F, job.hottest);
  Matrix<float> noise(job.queries, glyph_pixels);
  std::generate_n(noise.data(), noise.size(), [&] { return normal(random); });

  const std::vector<Way> ways = all_ways(job);
  const Spread even = even_spread(job);
  Table summary({"way", "near a pattern, %", "patterns reached", "perplexity", "steps that raised E, %"});
  std::vector<Record> records;
  Picture picture;
  ProgressLine progress(static_cast<int>(ways.size()), job.run.progress);
  for (const Way& way : ways) {
    progress.next_stage(way.name);
    const Flow flow = follow(job, memory, noise, way);
    progress.clear();
    print(way, flow);
    add_records(way, flow, even, records);
    picture.add(flow);
    summary.add({way.name, percent(flow.near, 1), std::to_string(flow.spread.reached),
                 decimal(flow.spread.perplexity, 0), percent(flow.rising, 2)});
  }
  summary.add({"even draws", "", std::to_string(even.reached), decimal(even.perplexity, 0), ""});
  std::cout << job.queries << " samples of noise, " << job.size << " glyphs, where they end:\n";
  summary.print(std::cout);
  const Record details = {{"size", job.size},
                          {"queries", job.queries},
                          {"rate", double{job.rate}},
                          {"hottest", double{job.hottest}},
                          {"coldest", double{job.coldest}},
                          {"even_patterns_reached", even.reached},
                          {"even_perplexity", even.perplexity}};
  picture.write(job.run.file("denoising-samples.csv"));
  job.run.write("denoising", "denoising", joined(untimed(job.run.context()), details), records);
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  return attractor::bench::run_job(argc, argv, attractor::bench::Job{}, attractor::bench::parse, attractor::bench::run);
}
