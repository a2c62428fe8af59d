#include "host/src/softmax_rules.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <variant>

#include "core/double_ops.hpp"

namespace attractor::detail {
namespace {

#define ATTRACTOR_MATH inline
#include "core/separation-inl.hpp"
#undef ATTRACTOR_MATH

/// The largest |entry| of a column.
double reach(const PatternStatistics& patterns, std::size_t k) {
  return std::max(std::abs(static_cast<double>(patterns.smallest[k])),
                  std::abs(static_cast<double>(patterns.largest[k])));
}

bool is_far(const PatternStatistics& patterns, std::size_t k) {
  const double spread = static_cast<double>(patterns.largest[k]) - static_cast<double>(patterns.smallest[k]);
  const double most = reach(patterns, k);
  return most > 0.0 && 2.0 * spread <= most;
}

double potential_of_zeros(const SoftmaxSeparation& /*separation*/, double count) { return std::log(count); }

double potential_of_zeros(const TopSeparation& separation, double count) {
  return std::log(std::min(count, static_cast<double>(separation.count)));
}

double potential_of_zeros(const EpanechnikovSeparation& separation, double count) {
  return std::log(static_cast<double>(separation.epsilon) + count);
}

/// Of separations by an excess: that of all scores is the level, n level^k = 1.
template <class Excess>
double potential_of_zeros(const Excess& separation, double count) {
  const double level = std::pow(count, -1.0 / static_cast<double>(excess_exponent(separation)));
  const double y = excess(separation, DoubleOps{}, 0.0, level);
  const double weight = excess_weight(separation, DoubleOps{}, y, power_below(separation, DoubleOps{}, y));
  return excess_potential(separation, level, count * weight * y);
}

/// What −½β‖a − x‖² has beside β(a − c)·x and what all patterns share, by ‖a‖² and ‖c‖².
double distance_offset(float beta, double square, double centre_square) {
  return -0.5 * static_cast<double>(beta) * (square - centre_square);
}

std::vector<double> distance_offsets(float beta, const std::vector<double>& squares, double centre_square) {
  std::vector<double> result;
  std::transform(squares.begin(), squares.end(), std::back_inserter(result),
                 [=](double square) { return distance_offset(beta, square, centre_square); });
  return result;
}

/// Where the largest is.
std::size_t place_of_largest(const std::vector<double>& values) {
  return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

/// Each less `common`.
std::vector<float> relative_to(double common, const std::vector<double>& values) {
  std::vector<float> result;
  std::transform(values.begin(), values.end(), std::back_inserter(result),
                 [=](double value) { return static_cast<float>(value - common); });
  return result;
}

/// β/‖a‖, 0 where that is 0.
std::vector<float> inverse_norms(const std::vector<double>& squares, float beta) {
  std::vector<float> result;
  std::transform(squares.begin(), squares.end(), std::back_inserter(result), [=](double square) {
    return square == 0.0 ? 0.0F : static_cast<float>(static_cast<double>(beta) / std::sqrt(square));
  });
  return result;
}

}  // namespace

bool takes_absolute_scores(const NormalisedSeparation& separation) {
  return std::holds_alternative<EpanechnikovSeparation>(separation);
}

std::vector<float> distance_scales(const ModernHopfieldOptions& rule, Index pattern_count) {
  if (rule.similarity != Similarity::squared_distance) return {};
  std::vector<float> result(static_cast<std::size_t>(pattern_count), -0.5F * rule.beta);
  return result;
}

std::vector<double> squared_norms(MatrixView<const float> patterns) {
  std::vector<double> result;
  for (Index i = 0; i < patterns.rows; ++i)
    result.push_back(squared_norm(patterns.row(i), static_cast<std::size_t>(patterns.columns)));
  return result;
}

bool takes_norms(const ModernHopfieldOptions& rule) {
  return rule.similarity == Similarity::cosine || rule.similarity == Similarity::squared_distance;
}

ScoreTerms score_terms(const ModernHopfieldOptions& rule, const PatternStatistics& statistics,
                       const std::vector<double>& squares, const std::vector<float>& centre) {
  ScoreTerms terms;
  if (rule.similarity == Similarity::cosine) terms.scale = inverse_norms(squares, rule.beta);
  const std::vector<double> log_prior(rule.log_prior.begin(), rule.log_prior.end());
  const double centre_square = squared_norm(centre.data(), centre.size());
  std::vector<double> offset;
  if (rule.similarity == Similarity::squared_distance) offset = distance_offsets(rule.beta, squares, centre_square);
  // Both relative to the same pattern: what is near the largest score stays small, and exact.
  if (!log_prior.empty()) {
    std::vector<double> sum = log_prior;
    if (!offset.empty()) std::transform(offset.begin(), offset.end(), sum.begin(), sum.begin(), std::plus<>());
    const std::size_t largest = place_of_largest(sum);
    terms.common_log_prior = log_prior[largest];
    if (!offset.empty()) terms.common_offset = offset[largest];
  } else if (rule.similarity == Similarity::squared_distance) {
    terms.common_offset = distance_offset(rule.beta, statistics.shortest_square, centre_square);
  }
  terms.offset = relative_to(terms.common_offset, offset);
  terms.log_prior = relative_to(terms.common_log_prior, log_prior);
  return terms;
}

double potential_of_zeros(const NormalisedSeparation& separation, Index count) {
  return std::visit([&](const auto& kind) { return potential_of_zeros(kind, static_cast<double>(count)); }, separation);
}

double squared_norm(const float* values, std::size_t count) {
  double sum = 0.0;
  for (std::size_t k = 0; k < count; ++k) sum += static_cast<double>(values[k]) * static_cast<double>(values[k]);
  return sum;
}

bool has_centre(const PatternStatistics& statistics) {
  for (std::size_t k = 0; k < statistics.smallest.size(); ++k)
    if (is_far(statistics, k)) return true;
  return false;
}

std::vector<double> column_sums(MatrixView<const float> matrix) {
  std::vector<double> sums(static_cast<std::size_t>(matrix.columns), 0.0);
  for (Index i = 0; i < matrix.rows; ++i)
    std::transform(sums.begin(), sums.end(), matrix.row(i), sums.begin(),
                   [](double sum, float entry) { return sum + static_cast<double>(entry); });
  return sums;
}

std::vector<float> centre_of(const PatternStatistics& statistics, const std::vector<double>& sums) {
  std::vector<float> centre(sums.size(), 0.0F);
  for (std::size_t k = 0; k < centre.size(); ++k)
    if (is_far(statistics, k)) centre[k] = static_cast<float>(sums[k] / static_cast<double>(statistics.count));
  return centre;
}

Matrix<float> less_centre(MatrixView<const float> patterns, const std::vector<float>& centre) {
  Matrix<float> result(patterns.rows, patterns.columns);
  for (Index i = 0; i < patterns.rows; ++i)
    std::transform(patterns.row(i), patterns.row(i) + patterns.columns, centre.begin(), result.row(i),
                   [](float entry, float mean) { return entry - mean; });
  return result;
}

double norm_offset(const PatternStatistics& patterns, const std::vector<float>& centre) {
  return 0.5 * patterns.longest_square - 0.5 * squared_norm(centre.data(), centre.size());
}

std::vector<float> readout_resolution(const PatternStatistics& patterns, int order) {
  std::vector<float> result(patterns.smallest.size());
  for (std::size_t k = 0; k < result.size(); ++k) result[k] = static_cast<float>(order * 0x1p-21 * reach(patterns, k));
  return result;
}

}  // namespace attractor::detail
