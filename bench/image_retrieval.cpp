// Retrieval of images under every similarity and separation: the protocol of universal Hopfield networks (Millidge et
// al. 2022) and Hopfield–Fenchel–Young networks (Santos et al. 2024) on glyphs or digits, with halting beside it.

#include <algorithm>
#include <cmath>
#include <functional>
#include <iostream>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "bench/support/digits.hpp"
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
  std::string digits;
  Index size = 0;
  int trials = 5;
  Index queries = 500;
  float noise = 0.5F;
  float beta = 1.0F;
  float cosine_beta = 50.0F;
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "Of 4, 16, 64, ... images each is asked for with its lower half blanked, or under Gaussian noise, and counts as\n"
      "retrieved where cosine > 0.9, and by a squared error < 50 per 784 pixels. Writes image-retrieval.json and\n"
      "image-retrieval.csv, of digits digit-retrieval.json and digit-retrieval.csv.");
  job.run.add_to(options);
  options.add("--unifont", job.unifont, "the font whose CJK glyphs are the images, a .hex file");
  options.add("--digits", job.digits, "scikit-learn's digits.csv, to be the images instead");
  options.add("--size", job.size, "most images stored; 0: as many as there are");
  options.add("--trials", job.trials, "sets of images");
  options.add("--queries", job.queries, "of each set, at most");
  options.add("--noise", job.noise, "standard deviation; pixels are from 0 to 1");
  options.add("--beta", job.beta, "inverse temperature of dot products and distances");
  options.add("--cosine-beta", job.cosine_beta, "that of cosines");
  return options.parse(argc, argv);
}

void check(const Job& job) {
  if (job.trials < 1) throw UsageError("--trials must be at least 1");
  if (job.queries < 1) throw UsageError("--queries must be at least 1");
  if (job.size < 0) throw UsageError("--size must not be negative");
}

/// Pixels from 0 to 1, of different images.
Matrix<float> read_images(const Job& job) {
  if (!job.digits.empty()) return read_digits(job.digits);
  Matrix<float> images = distinct_glyphs(read_unifont(job.unifont), 0x4E00, 0x9FFF).pixels;
  std::for_each(images.data(), images.data() + images.size(), [](float& pixel) { pixel = 0.5F + 0.5F * pixel; });
  return images;
}

/// 4, 16, 64, … and all that are to be stored.
std::vector<Index> counts_up_to(Index most) {
  std::vector<Index> counts;
  for (Index count = 4; count < most; count *= 4) counts.push_back(count);
  counts.push_back(most);
  return counts;
}

/// A memory of images; one of signs stores 1 for pixels above a half and −1 for others, and so are its queries.
struct Composition {
  std::string similarity;
  std::string separation;
  std::function<Memory(const Device&, MatrixView<const float>)> make;
  bool signs = false;

  [[nodiscard]] std::string name() const { return similarity + ", " + separation; }
};

std::vector<Composition> all_compositions(const Job& job) {
  const std::vector<std::pair<std::string, Similarity>> similarities = {
      {"dot", Similarity::dot},
      {"cosine", Similarity::cosine},
      {"squared distance", Similarity::squared_distance},
      {"Manhattan", Similarity::manhattan}};
  const std::vector<std::pair<std::string, NormalisedSeparation>> separations = {
      {"softmax", softmax()}, {"entmax 1.5", entmax()}, {"sparsemax", sparsemax()},
      {"normmax", normmax()}, {"top 16", top(16)},      {"max", top(1)}};
  std::vector<Composition> result;
  for (const auto& [similarity_name, similarity] : similarities)
    for (const auto& [separation_name, separation] : separations) {
      const ModernHopfieldOptions options{.beta = similarity == Similarity::cosine ? job.cosine_beta : job.beta,
                                          .similarity = similarity,
                                          .separation = separation};
      result.push_back({similarity_name, separation_name, [=](const Device& d, MatrixView<const float> p) {
                          return Memory::modern_hopfield(d, p, options);
                        }});
    }
  // What is left of a grey pixel's sign isn't the image.
  if (!job.digits.empty()) return result;
  result.push_back(
      {"dot", "linear", [](const Device& d, MatrixView<const float> p) { return Memory::hebbian(d, p); }, true});
  for (const int order : {3, 10})
    result.push_back(
        {"dot", "polynomial " + std::to_string(order),
         [=](const Device& d, MatrixView<const float> p) { return Memory::dense_associative(d, p, {.order = order}); },
         true});
  return result;
}

/// Rows of the images, of a composition of signs as ±1.
Matrix<float> as_stored(MatrixView<const float> images, bool signs) {
  Matrix<float> result(images.rows, images.columns);
  for (Index i = 0; i < images.rows; ++i)
    std::transform(images.row(i), images.row(i) + images.columns, result.row(i), [&](float pixel) {
      if (!signs) return pixel;
      return pixel > 0.5F ? 1.0F : -1.0F;
    });
  return result;
}

/// So many images, drawn at random in random order.
Matrix<float> draw(const Matrix<float>& images, Index count, Random& random) {
  std::vector<Index> indices(static_cast<std::size_t>(images.rows()));
  std::iota(indices.begin(), indices.end(), Index{0});
  std::shuffle(indices.begin(), indices.end(), random);
  Matrix<float> result(count, images.columns());
  for (Index i = 0; i < count; ++i)
    std::copy_n(images.row(indices[static_cast<std::size_t>(i)]), images.columns(), result.row(i));
  return result;
}

/// The first rows, damaged.
Matrix<float> damaged(const Job& job, MatrixView<const float> stored, bool blanks, Random& random) {
  Matrix<float> queries(std::min(stored.rows, job.queries), stored.columns);
  std::normal_distribution<float> noise(0.0F, job.noise);
  for (Index i = 0; i < queries.rows(); ++i)
    for (Index k = 0; k < queries.columns(); ++k) {
      const bool blank = blanks && k >= queries.columns() / 2;
      queries(i, k) = blank ? 0.0F : stored(i, k) + (blanks ? 0.0F : noise(random));
    }
  return queries;
}

/// Shares of one trial's queries.
struct Outcome {
  double cosine = 0.0;
  double squared = 0.0;
  double steps = 0.0;
};

double dot(const float* a, const float* b, Index count) {
  return std::inner_product(a, a + count, b, 0.0, std::plus<>(),
                            [](float x, float y) { return static_cast<double>(x) * static_cast<double>(y); });
}

Outcome judge(MatrixView<const float> stored, const Relaxation& result, bool signs) {
  Outcome outcome;
  const Index count = result.states.rows();
  const Index pixels = stored.columns;
  const double share = 1.0 / static_cast<double>(count);
  std::vector<float> found(static_cast<std::size_t>(pixels));
  for (Index i = 0; i < count; ++i) {
    std::transform(result.states.row(i), result.states.row(i) + pixels, found.begin(),
                   [&](float value) { return signs ? 0.5F + 0.5F * value : value; });
    const double product = dot(found.data(), stored.row(i), pixels);
    const double own = dot(found.data(), found.data(), pixels);
    const double wanted = dot(stored.row(i), stored.row(i), pixels);
    if (product > 0.9 * std::sqrt(own * wanted)) outcome.cosine += share;
    if (own + wanted - 2.0 * product < 50.0 / 784.0 * static_cast<double>(pixels)) outcome.squared += share;
    outcome.steps += share * static_cast<double>(result.steps[static_cast<std::size_t>(i)]);
  }
  return outcome;
}

/// One composition at one number of images, of each trial.
struct Cell {
  std::vector<Outcome> step;     ///< after one step
  std::vector<Outcome> relaxed;  ///< where the query halts
};

Cell measure(const Job& job, const Device& device, const Matrix<float>& images, const Composition& composition,
             Index count, bool blanks) {
  Cell cell;
  for (int trial = 0; trial < job.trials; ++trial) {
    Random random(static_cast<std::uint64_t>(job.run.seed + trial));
    const Matrix<float> stored = draw(images, count, random);
    Matrix<float> queries = damaged(job, stored, blanks, random);
    if (composition.signs) queries = as_stored(queries, true);
    const Memory memory = composition.make(device, as_stored(stored, composition.signs));
    RelaxerOptions options{.max_steps = job.run.max_steps, .threads = job.run.threads};
    if (!composition.signs) options.update = readout_update();
    cell.relaxed.push_back(judge(stored, Relaxer(memory, options).relax(queries), composition.signs));
    options.halting = fixed_steps();
    options.max_steps = 1;
    cell.step.push_back(judge(stored, Relaxer(memory, options).relax(queries), composition.signs));
  }
  return cell;
}

double mean(const std::vector<Outcome>& outcomes, double Outcome::*share) {
  return std::accumulate(outcomes.begin(), outcomes.end(), 0.0,
                         [&](double sum, const Outcome& outcome) { return sum + outcome.*share; }) /
         static_cast<double>(outcomes.size());
}

/// The standard deviation over trials; of one trial 0.
double deviation(const std::vector<Outcome>& outcomes, double Outcome::*share) {
  if (outcomes.size() < 2) return 0.0;
  const double centre = mean(outcomes, share);
  double squares = 0.0;
  for (const Outcome& outcome : outcomes) squares += (outcome.*share - centre) * (outcome.*share - centre);
  return std::sqrt(squares / static_cast<double>(outcomes.size() - 1));
}

Record record_of(const std::string& corruption, const Composition& composition, Index count, const Cell& cell) {
  return {{"corruption", corruption},
          {"similarity", composition.similarity},
          {"separation", composition.separation},
          {"images", count},
          {"retrieved_by_cosine", mean(cell.relaxed, &Outcome::cosine)},
          {"deviation_by_cosine", deviation(cell.relaxed, &Outcome::cosine)},
          {"retrieved_by_squared_error", mean(cell.relaxed, &Outcome::squared)},
          {"mean_steps", mean(cell.relaxed, &Outcome::steps)},
          {"one_step_by_cosine", mean(cell.step, &Outcome::cosine)},
          {"one_step_by_squared_error", mean(cell.step, &Outcome::squared)}};
}

void run(const Job& job) {
  check(job);
  const Device device = job.run.chosen_device();
  const Matrix<float> images = read_images(job);
  if (job.size > images.rows())
    throw UsageError("--size: there are " + std::to_string(images.rows()) + " different images");
  const std::vector<Index> counts = counts_up_to(job.size > 0 ? job.size : images.rows());
  const std::vector<Composition> compositions = all_compositions(job);
  std::vector<Record> records;
  ProgressLine progress(2 * static_cast<int>(compositions.size()), job.run.progress);
  for (const bool blanks : {true, false}) {
    const std::string corruption = blanks ? "lower half blanked" : "noise " + decimal(job.noise, 2);
    std::vector<std::string> headings = {"similarity, separation"};
    for (const Index count : counts) headings.push_back("N = " + std::to_string(count));
    headings.insert(headings.end(), {"squared error", "after one step", "mean steps"});
    Table table(headings);
    for (const Composition& composition : compositions) {
      progress.next_stage(std::string(corruption).append(": ").append(composition.name()));
      std::vector<std::string> cells = {composition.name()};
      Cell last;
      for (const Index count : counts) {
        progress.detail("N = " + std::to_string(count));
        last = measure(job, device, images, composition, count, blanks);
        cells.push_back(percent(mean(last.relaxed, &Outcome::cosine), 1));
        records.push_back(record_of(corruption, composition, count, last));
      }
      cells.push_back(percent(mean(last.relaxed, &Outcome::squared), 1));
      cells.push_back(percent(mean(last.step, &Outcome::cosine), 1));
      cells.push_back(decimal(mean(last.relaxed, &Outcome::steps), 1));
      table.add(cells);
    }
    progress.clear();
    std::cout << "Retrieved by cosine > 0.9, %, " << corruption << "; the last three columns at N = " << counts.back()
              << ":\n";
    table.print(std::cout);
  }
  std::cout << (job.digits.empty()
                    ? "Linear and polynomial separations: pixels of ±1, sign updates; all others: readout updates.\n"
                    : "Without linear and polynomial separations, whose signs are no grey pixels.\n");
  const Record details = {{"images", images.rows()},
                          {"pixels", images.columns()},
                          {"trials", std::int64_t{job.trials}},
                          {"queries", job.queries},
                          {"noise", double{job.noise}},
                          {"beta", double{job.beta}},
                          {"cosine_beta", double{job.cosine_beta}}};
  job.run.write(job.digits.empty() ? "image-retrieval" : "digit-retrieval", "image_retrieval",
                joined(untimed(job.run.context()), details), records);
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  return attractor::bench::run_job(argc, argv, attractor::bench::Job{}, attractor::bench::parse, attractor::bench::run);
}
