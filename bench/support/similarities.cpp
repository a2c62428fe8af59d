#include "bench/support/similarities.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <omp.h>

#include "bench/support/study.hpp"

namespace attractor::bench {
namespace {

constexpr int smallest_exponent = -8;
constexpr int largest_exponent = 5;

/// Enough to choose one parameter by.
constexpr Index tuning_queries = 256;

double squared_error(const float* a, const float* b, Index dimension) {
  double sum = 0.0;
  for (Index j = 0; j < dimension; ++j) {
    const double difference = static_cast<double>(a[j]) - static_cast<double>(b[j]);
    sum += difference * difference;
  }
  return sum / static_cast<double>(dimension);
}

float manhattan(const float* a, const float* b, Index dimension) {
  float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
  for (Index j = 0; j < dimension; ++j) sum += std::abs(a[j] - b[j]);
  return sum;
}

Index nearest_by_manhattan(MatrixView<const float> patterns, const float* query) {
  Index nearest = 0;
  float smallest = std::numeric_limits<float>::infinity();
  for (Index p = 0; p < patterns.rows; ++p) {
    const float distance = manhattan(patterns.row(p), query, patterns.columns);
    if (distance >= smallest) continue;
    smallest = distance;
    nearest = p;
  }
  return nearest;
}

/// Sums up what the queries show; the means are taken at the end.
class OutcomeSum {
 public:
  OutcomeSum(MatrixView<const float> patterns, const Variants& variants) : patterns_(patterns), variants_(variants) {}

  void add(Index query, Index found, const float* readout) {
    const float* const origin = patterns_.row(variants_.origins[static_cast<std::size_t>(query)]);
    if (std::equal(origin, origin + patterns_.columns, patterns_.row(found))) sum_.accuracy += 1.0;
    sum_.error += squared_error(readout, origin, patterns_.columns);
  }

  [[nodiscard]] Outcome mean() const {
    const auto count = static_cast<double>(variants_.queries.rows());
    return {.accuracy = sum_.accuracy / count, .error = sum_.error / count};
  }

 private:
  MatrixView<const float> patterns_;
  const Variants& variants_;
  Outcome sum_;
};

Outcome measure_tuned(const Device& device, MatrixView<const float> patterns, FootprintBase base,
                      const Training& training, const Variants& variants, int threads) {
  const float beta = tuned_beta(device, training.patterns, base, training.variants, threads);
  return measure(fixed_memory(device, patterns, base, beta), variants, threads);
}

}  // namespace

Variants rows_of(const Variants& variants, Index first, Index count) {
  Variants result{Matrix<float>(count, variants.queries.columns()),
                  {variants.origins.begin() + first, variants.origins.begin() + first + count}};
  std::copy_n(variants.queries.row(first), result.queries.size(), result.queries.data());
  return result;
}

Outcome measure(const Memory& memory, const Variants& variants, int threads) {
  const Retrieval retrieval = retrieve(memory, variants.queries, {.threads = threads});
  Results results(variants.queries);
  Relaxer(memory, with_fixed_steps({.threads = threads}, 1)).relax(variants.queries, results.view());
  OutcomeSum sum(memory.patterns(), variants);
  for (Index i = 0; i < variants.queries.rows(); ++i)
    sum.add(i, retrieval.pattern[static_cast<std::size_t>(i)], results.states.row(i));
  return sum.mean();
}

Outcome measure_manhattan(MatrixView<const float> patterns, const Variants& variants, int threads) {
  const Index count = variants.queries.rows();
  std::vector<Index> found(static_cast<std::size_t>(count));
#pragma omp parallel for num_threads(threads > 0 ? threads : omp_get_max_threads())
  for (Index i = 0; i < count; ++i)
    found[static_cast<std::size_t>(i)] = nearest_by_manhattan(patterns, variants.queries.row(i));
  OutcomeSum sum(patterns, variants);
  for (Index i = 0; i < count; ++i)
    sum.add(i, found[static_cast<std::size_t>(i)], patterns.row(found[static_cast<std::size_t>(i)]));
  return sum.mean();
}

Memory fixed_memory(const Device& device, MatrixView<const float> patterns, FootprintBase base, float beta) {
  if (base == FootprintBase::dot) return Memory::modern_hopfield(device, patterns, {.beta = beta});
  return Memory::adaptive(device, patterns,
                          {.squared_distance = std::vector<float>(static_cast<std::size_t>(patterns.columns), 1.0F),
                           .beta_squared_distance = beta});
}

Memory rounded_memory(const Device& device, MatrixView<const float> patterns, AdaptiveSimilarity similarity,
                      TermPrecision precision) {
  similarity.precision = precision;
  return Memory::adaptive(device, patterns, similarity);
}

float tuned_beta(const Device& device, MatrixView<const float> patterns, FootprintBase base, const Variants& variants,
                 int threads) {
  const Variants few = rows_of(variants, 0, std::min(tuning_queries, variants.queries.rows()));
  float best = 1.0F;
  double smallest = std::numeric_limits<double>::infinity();
  for (int exponent = smallest_exponent; exponent <= largest_exponent; ++exponent) {
    const float beta = std::ldexp(1.0F, exponent);
    const double error = measure(fixed_memory(device, patterns, base, beta), few, threads).error;
    if (error >= smallest) continue;
    smallest = error;
    best = beta;
  }
  return best;
}

const Outcome& Contest::best_fixed() const { return dot.accuracy > squared_distance.accuracy ? dot : squared_distance; }

Contest compete(const Device& device, MatrixView<const float> patterns, const Training& training,
                const Variants& variants, int threads) {
  return {
      .dot = measure_tuned(device, patterns, FootprintBase::dot, training, variants, threads),
      .squared_distance = measure_tuned(device, patterns, FootprintBase::squared_distance, training, variants, threads),
      .manhattan = measure_manhattan(patterns, variants, threads),
      .adaptive = measure(Memory::adaptive(device, patterns, training.similarity), variants, threads)};
}

}  // namespace attractor::bench
