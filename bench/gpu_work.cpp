// One relaxation on a CUDA device with its data in place, one retrieval, or one gradient of the loss that similarities
// are fitted by: nothing but the work whose instructions and bytes a profiler is to count. Prints what that work is.

#include <attractor/cuda.hpp>
#include <attractor/fit.hpp>
#include <attractor/retrieval.hpp>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

#include "bench/support/options.hpp"
#include "bench/support/queries.hpp"
#include "bench/support/relaxation_timer.hpp"
#include "bench/support/run_options.hpp"
#include "kernels/negligible.hpp"
#include "kernels/sizes.hpp"

namespace attractor::bench {
namespace {

struct Job {
  std::string form = "factored";
  Index dimension = 128;
  Index patterns = 8;
  Index queries = 6400;
  int fixed_steps = 0;
  float least_noise = 0.4F;
  float most_noise = 1.6F;
  bool streamed = false;
  bool noisy_patterns = false;
  bool signs = false;
  bool as_floats = false;
  bool real = false;
  bool fast = false;
  Index best = 1;
  bool patterns_alone = false;
  float beta = 0.01F;
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options("One relaxation on the first CUDA device, for a profiler. Prints its useful work.");
  options.add("--form", job.form,
              "factored, dense, softmax, adaptive or levels, the same of bipolar patterns; in its place retrieval, of "
              "a softmax "
              "memory, or gradient, of a fit's loss");
  options.add("--dimension", job.dimension, "N");
  options.add("--patterns", job.patterns, "P");
  options.add("--queries", job.queries, "noisy copies of the patterns");
  options.add("--fixed-steps", job.fixed_steps, "this many steps for all; 0: halt by energy");
  options.add("--least-noise", job.least_noise, "smallest standard deviation of the noise");
  options.add("--most-noise", job.most_noise, "largest");
  options.add_flag("--noisy-patterns", job.noisy_patterns, "patterns that aren't ±1, which fp16 has exactly");
  options.add_flag("--streamed", job.streamed, "keep a linear memory out of shared memory");
  options.add_flag("--signs", job.signs, "sign updates of queries of ±1");
  options.add_flag("--real", job.real, "of queries of any values");
  options.add_flag("--as-floats", job.as_floats, "these as floats, as all others are");
  options.add("--beta", job.beta, "of a gradient's similarity: the larger, the fewer pairs matter");
  options.add_flag("--fast", job.fast, "a softmax memory of fast precision");
  options.add("--best", job.best, "patterns that a retrieval finds of each query");
  options.add_flag("--patterns-alone", job.patterns_alone, "without their posteriors");
  return options.parse(argc, argv);
}

bool is_adaptive(const Job& job) { return job.form == "adaptive" || job.form == "levels"; }
bool is_softmax(const Job& job) { return job.form == "softmax" || is_adaptive(job); }

/// Both bases, each with weights that fall with the rank.
AdaptiveSimilarity make_similarity(Index dimension) {
  std::vector<float> weights(static_cast<std::size_t>(dimension));
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = 1.0F / (1.0F + static_cast<float>(i));
  return {.squared_distance = weights, .dot = weights};
}

Memory make_memory(const Job& job, MatrixView<const float> patterns) {
  const Device device = Device::cuda();
  const ProductPrecision precision = job.fast ? ProductPrecision::fast : ProductPrecision::full;
  if (job.form == "softmax" || job.form == "retrieval")
    return Memory::modern_hopfield(device, patterns, {.beta = 0.5F, .precision = precision});
  if (is_adaptive(job)) return Memory::adaptive(device, patterns, make_similarity(job.dimension));
  if (job.form != "factored" && job.form != "dense") throw UsageError("--form: '" + job.form + "' is unknown");
  return Memory::hebbian(device, patterns,
                         {.evaluation = job.form == "dense" ? Evaluation::dense : Evaluation::factored,
                          .placement = job.streamed ? Placement::streamed : Placement::automatic});
}

/// Bipolar ones, but where others are asked for or scores are to be sorted pair by pair.
Matrix<float> make_patterns(const Job& job, Random& random) {
  Matrix<float> patterns = random_patterns(job.patterns, job.dimension, random);
  if (!job.noisy_patterns && job.form != "adaptive") return patterns;
  return noisy_queries(patterns, job.patterns, 1.0, random).queries;
}

/// Copies of the patterns in random order, their noise spread evenly between its bounds.
Matrix<float> make_queries(const Job& job, MatrixView<const float> patterns, Random& random) {
  constexpr int levels = 8;
  std::vector<QuerySet> sets;
  for (int level = 0; level < levels; ++level)
    sets.push_back(noisy_queries(
        patterns, job.queries / levels,
        double{job.least_noise} + double{job.most_noise - job.least_noise} * level / (levels - 1), random));
  Matrix<float> queries = mixed_queries(sets, random).queries;
  if (job.signs && !job.real)
    std::for_each(queries.data(), queries.data() + queries.size(), [](float& x) { x = std::copysign(1.0F, x); });
  return queries;
}

/// The share of pairs whose posterior a gradient doesn't leave out.
double pairs_that_matter(MatrixView<const float> patterns, const AdaptiveSimilarity& similarity,
                         MatrixView<const float> queries) {
  const Memory memory = Memory::adaptive(Device::cpu(), patterns, similarity);
  const std::vector<float> posteriors = retrieve(memory, queries, {.count = patterns.rows}).posterior;
  const auto count = std::count_if(posteriors.begin(), posteriors.end(),
                                   [](float posterior) { return posterior >= detail::negligible; });
  return static_cast<double>(count) / static_cast<double>(posteriors.size());
}

void run_gradient(const Job& job) {
  Random random(1);
  const Matrix<float> patterns = random_patterns(job.patterns, job.dimension, random);
  const Matrix<float> queries = make_queries(job, patterns, random);
  std::vector<Index> origins(static_cast<std::size_t>(queries.rows()));
  for (std::size_t i = 0; i < origins.size(); ++i) origins[i] = static_cast<Index>(i) % job.patterns;
  AdaptiveSimilarity similarity = make_similarity(job.dimension);
  similarity.beta_squared_distance = job.beta;
  similarity.beta_dot = job.beta;
  SimilarityGradient gradient;
  const double loss = cross_entropy(Device::cuda(), patterns, similarity, queries, origins, &gradient);
  std::cout << "{\"queries\": " << queries.rows() << ", \"loss\": " << loss
            << ", \"pairs_that_matter\": " << pairs_that_matter(patterns, similarity, queries) << "}\n";
}

void run_retrieval(const Job& job) {
  Random random(1);
  const Matrix<float> patterns = make_patterns(job, random);
  const Memory memory = make_memory(job, patterns);
  const Matrix<float> queries = make_queries(job, patterns, random);
  const Retrieval found = retrieve(memory, queries, {.count = job.best, .posteriors = !job.patterns_alone});
  const auto pairs = static_cast<double>(queries.rows()) * static_cast<double>(job.patterns);
  std::cout << "{\"queries\": " << queries.rows() << ", \"best_of_first\": " << found.pattern.front()
            << ", \"pairs\": " << pairs << ", \"multiply_adds\": " << pairs * static_cast<double>(job.dimension)
            << "}\n";
}

void run_relaxation(const Job& job) {
  Random random(1);
  const Matrix<float> patterns = make_patterns(job, random);
  const Memory memory = make_memory(job, patterns);
  const Matrix<float> queries = make_queries(job, patterns, random);
  RelaxerOptions options{.max_steps = 60};
  if (!is_softmax(job)) options.update = job.signs ? sign_update() : tanh_update(0.5F);
  if (job.as_floats) detail::sizes().packed_terms = 0;
  if (job.fixed_steps > 0) options = with_fixed_steps(options, job.fixed_steps);
  const Relaxer relaxer(memory, options);
  const std::unique_ptr<RelaxationTimer> timer = make_timer(memory.device(), queries);
  timer->seconds(relaxer);

  const std::vector<std::int32_t>& steps = timer->results().steps;
  const double total = std::accumulate(steps.begin(), steps.end(), 0.0);
  const auto n = static_cast<double>(job.dimension);
  const double step = job.form == "dense" ? n * n : 2.0 * n * static_cast<double>(job.patterns);
  std::cout << "{\"queries\": " << queries.rows() << ", \"mean_steps\": " << total / static_cast<double>(steps.size())
            << ", \"multiply_adds\": " << total * step
            << ", \"one_launch\": " << (!is_softmax(job) && relaxes_in_one_launch(relaxer) ? "true" : "false") << "}\n";
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  return attractor::bench::run_program([&] {
    attractor::bench::Job job;
    if (!attractor::bench::parse(argc, argv, job)) return;
    if (job.form == "gradient")
      attractor::bench::run_gradient(job);
    else if (job.form == "retrieval")
      attractor::bench::run_retrieval(job);
    else
      attractor::bench::run_relaxation(job);
  });
}
