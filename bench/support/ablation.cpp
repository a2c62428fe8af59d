#include "bench/support/ablation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include <omp.h>

#include "bench/support/similarities.hpp"

namespace attractor::bench {
namespace {

constexpr std::array<FootprintBase, 2> bases = {FootprintBase::squared_distance, FootprintBase::dot};

/// Asked queries whose features are held at once.
constexpr Index chunk_queries = 64;

/// A residual below this moves no weight.
constexpr double negligible = 1e-7;

/// Features of every query with every pattern, a matrix [B·P × D] for each base.
using Features = std::array<Matrix<float>, bases.size()>;

/// A weight for each feature.
using Weights = std::array<std::vector<float>, bases.size()>;

float term(FootprintBase base, float pattern, float state) {
  return base == FootprintBase::dot ? pattern * state : -(pattern - state) * (pattern - state);
}

Matrix<float> unsorted_features(MatrixView<const float> patterns, MatrixView<const float> queries, FootprintBase base,
                                bool cumulative) {
  Matrix<float> features(queries.rows * patterns.rows, patterns.columns);
  for (Index row = 0; row < features.rows(); ++row) {
    const float* const pattern = patterns.row(row % patterns.rows);
    const float* const query = queries.row(row / patterns.rows);
    for (Index j = 0; j < patterns.columns; ++j) features(row, j) = term(base, pattern[j], query[j]);
    if (cumulative) std::partial_sum(features.row(row), features.row(row) + patterns.columns, features.row(row));
  }
  return features;
}

Features make_features(const Device& device, MatrixView<const float> patterns, MatrixView<const float> queries,
                       FeatureKind kind, int threads) {
  Features features;
  for (std::size_t k = 0; k < bases.size(); ++k)
    features[k] = kind.sorted ? footprint(device, patterns, queries,
                                          {.base = bases[k], .cumulative = kind.cumulative, .threads = threads})
                              : unsorted_features(patterns, queries, bases[k], kind.cumulative);
  return features;
}

/// The standard deviation of each feature over all pairs, or 1 where it doesn't vary.
std::vector<double> spreads(const Matrix<float>& features) {
  const auto columns = static_cast<std::size_t>(features.columns());
  std::vector<double> sums(columns, 0.0);
  std::vector<double> squares(columns, 0.0);
  for (Index row = 0; row < features.rows(); ++row)
    for (std::size_t j = 0; j < columns; ++j) {
      const auto value = static_cast<double>(features.row(row)[j]);
      sums[j] += value;
      squares[j] += value * value;
    }
  const auto count = static_cast<double>(features.rows());
  for (std::size_t j = 0; j < columns; ++j) {
    const double variance = squares[j] / count - (sums[j] / count) * (sums[j] / count);
    sums[j] = variance > 0.0 ? std::sqrt(variance) : 1.0;
  }
  return sums;
}

float score(const Features& features, const Weights& weights, Index pair) {
  float sum = 0.0F;
  for (std::size_t k = 0; k < bases.size(); ++k) {
    const float* const row = features[k].row(pair);
    const float* const weight = weights[k].data();
#pragma omp simd reduction(+ : sum)
    for (Index j = 0; j < features[k].columns(); ++j) sum += weight[j] * row[j];
  }
  return sum;
}

std::vector<double> scores(const Features& features, const Weights& weights, Index query, Index patterns) {
  std::vector<double> result(static_cast<std::size_t>(patterns));
  for (Index p = 0; p < patterns; ++p)
    result[static_cast<std::size_t>(p)] = static_cast<double>(score(features, weights, query * patterns + p));
  return result;
}

/// The mean cross-entropy of the origins and its derivatives by the weights.
struct Loss {
  double value = 0.0;
  std::array<std::vector<double>, bases.size()> gradient;
};

/// Adds one query's share.
void add_query(const Features& features, const Weights& weights, const Variants& variants, Index query, Index patterns,
               Loss& loss) {
  std::vector<double> residual = scores(features, weights, query, patterns);
  const auto origin = static_cast<std::size_t>(variants.origins[static_cast<std::size_t>(query)]);
  const double largest = *std::max_element(residual.begin(), residual.end());
  loss.value += largest - residual[origin];
  for (double& value : residual) value = std::exp(value - largest);
  const double sum = std::accumulate(residual.begin(), residual.end(), 0.0);
  loss.value += std::log(sum);
  for (double& value : residual) value /= sum;
  residual[origin] -= 1.0;
  for (Index p = 0; p < patterns; ++p) {
    const double share = residual[static_cast<std::size_t>(p)];
    if (std::abs(share) < negligible) continue;
    for (std::size_t k = 0; k < bases.size(); ++k) {
      const float* const row = features[k].row(query * patterns + p);
      for (std::size_t j = 0; j < loss.gradient[k].size(); ++j)
        loss.gradient[k][j] += share * static_cast<double>(row[j]);
    }
  }
}

Loss empty_loss(Index dimension) {
  Loss loss;
  for (auto& gradient : loss.gradient) gradient.assign(static_cast<std::size_t>(dimension), 0.0);
  return loss;
}

Loss mean_loss(const Features& features, const Weights& weights, const Variants& variants, Index patterns,
               int threads) {
  const Index dimension = features[0].columns();
  const Index queries = variants.queries.rows();
  std::vector<Loss> parts(static_cast<std::size_t>(threads), empty_loss(dimension));
#pragma omp parallel for schedule(static) num_threads(threads)
  for (Index i = 0; i < queries; ++i)
    add_query(features, weights, variants, i, patterns, parts[static_cast<std::size_t>(omp_get_thread_num())]);
  Loss loss = empty_loss(dimension);
  const double share = 1.0 / static_cast<double>(queries);
  for (const Loss& part : parts) {
    loss.value += share * part.value;
    for (std::size_t k = 0; k < bases.size(); ++k)
      for (std::size_t j = 0; j < part.gradient[k].size(); ++j) loss.gradient[k][j] += share * part.gradient[k][j];
  }
  return loss;
}

/// Kingma and Ba 2015, algorithm 1, with the usual constants, on weights in units of their features' spread: raw
/// running sums grow with D, and a rate that suits some features makes others diverge.
class Adam {
 public:
  Adam(const Features& features, double rate)
      : first_(empty_loss(features[0].columns()).gradient), second_(first_), rate_(rate) {
    for (std::size_t k = 0; k < bases.size(); ++k) spreads_[k] = spreads(features[k]);
  }

  void step(const Loss& loss, Weights& weights) {
    ++steps_;
    const double first_share = 1.0 - std::pow(first_decay, steps_);
    const double second_share = 1.0 - std::pow(second_decay, steps_);
    for (std::size_t k = 0; k < bases.size(); ++k)
      for (std::size_t j = 0; j < weights[k].size(); ++j) {
        const double slope = loss.gradient[k][j] / spreads_[k][j];
        first_[k][j] += (1.0 - first_decay) * (slope - first_[k][j]);
        second_[k][j] += (1.0 - second_decay) * (slope * slope - second_[k][j]);
        const double root = std::sqrt(second_[k][j] / second_share) + epsilon;
        weights[k][j] -= static_cast<float>(rate_ * first_[k][j] / first_share / root / spreads_[k][j]);
      }
  }

 private:
  static constexpr double first_decay = 0.9;
  static constexpr double second_decay = 0.999;
  static constexpr double epsilon = 1e-8;

  std::array<std::vector<double>, bases.size()> first_;
  std::array<std::vector<double>, bases.size()> second_;
  std::array<std::vector<double>, bases.size()> spreads_;
  double rate_;
  int steps_ = 0;
};

Index right_answers(const Features& features, const Weights& weights, const Variants& variants, Index patterns) {
  Index right = 0;
  for (Index i = 0; i < variants.queries.rows(); ++i) {
    const std::vector<double> all = scores(features, weights, i, patterns);
    const Index best = std::max_element(all.begin(), all.end()) - all.begin();
    if (best == variants.origins[static_cast<std::size_t>(i)]) ++right;
  }
  return right;
}

}  // namespace

double ablation_accuracy(const Device& device, MatrixView<const float> patterns, FeatureKind kind,
                         const Variants& fitted, const Variants& asked, const AblationOptions& options) {
  const int threads = options.threads > 0 ? options.threads : omp_get_max_threads();
  Weights weights;
  weights.fill(std::vector<float>(static_cast<std::size_t>(patterns.columns), 0.0F));
  {
    const Features features = make_features(device, patterns, fitted.queries, kind, threads);
    Adam adam(features, static_cast<double>(options.rate));
    for (int epoch = 1; epoch <= options.epochs; ++epoch) {
      const Loss loss = mean_loss(features, weights, fitted, patterns.rows, threads);
      adam.step(loss, weights);
      if (options.progress) options.progress(epoch, loss.value);
    }
  }
  Index right = 0;
  for (Index first = 0; first < asked.queries.rows(); first += chunk_queries) {
    const Variants chunk = rows_of(asked, first, std::min(chunk_queries, asked.queries.rows() - first));
    const Features features = make_features(device, patterns, chunk.queries, kind, threads);
    right += right_answers(features, weights, chunk, patterns.rows);
  }
  return static_cast<double>(right) / static_cast<double>(asked.queries.rows());
}

}  // namespace attractor::bench
