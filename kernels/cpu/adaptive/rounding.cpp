#include "kernels/cpu/adaptive/rounding.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>

namespace attractor::cpu {
namespace {

/// Σ over the entries of a state.
float total(const std::int16_t* weights, const RankGroups& groups) {
  double sum = 0.0;
  for (Index group = 0; group < groups.count(); ++group)
    sum = std::accumulate(weights, weights + groups.size(group), sum);
  return static_cast<float>(sum);
}

/// What a loss is off by at most, in steps, as rounded_scorer-inl.hpp has it.
struct LossErrors {
  double bits16;
  double bits8;
};
constexpr LossErrors distance_errors = {.bits16 = 3.55, .bits8 = 35.1};
constexpr LossErrors dot_errors = {.bits16 = 1.05, .bits8 = 64.6};

/// Appends what sums by these weights, whose integers are `rounded` times the last unit, are off by at most. Sorting
/// moves no rank by more than the largest error of a loss; beside there is what integers lack of the weights, times the
/// largest loss, and what sums of floats lose, here and in the exact score: a rounding for each term of a chain.
void append_errors(std::span<const float> row, const std::int16_t* rounded, const RankGroups& groups,
                   const LossErrors& losses, IntegerWeights& result) {
  constexpr double largest_loss = 16385.0;
  constexpr double roundoff = 0.5 * std::numeric_limits<float>::epsilon();
  const auto unit = static_cast<double>(result.units.back());
  double magnitude = 0.0;
  double lost = 0.0;
  for (Index group = 0; group < groups.count(); ++group)
    for (Index r = 0; r < groups.size(group); ++r) {
      const auto weight = static_cast<double>(row[static_cast<std::size_t>(r)]);
      magnitude += std::abs(weight);
      lost += std::abs(weight - unit * static_cast<double>(rounded[r]));
    }
  const auto chain = static_cast<double>(groups.order.size() + 32) + 2.0 * static_cast<double>(groups.count());
  const double sums = largest_loss * (roundoff * chain * (magnitude + lost) + lost);
  constexpr double up = 1.0001;  // The bound itself is rounded, too.
  result.errors16.push_back(static_cast<float>(up * (magnitude * losses.bits16 + sums)));
  result.errors8.push_back(static_cast<float>(up * (magnitude * losses.bits8 + sums)));
}

IntegerWeights integers(const RankWeights& weights, const RankGroups& groups, const LossErrors& losses) {
  IntegerWeights result;
  result.stride = weights.stride;
  const auto ranks = static_cast<std::size_t>(groups.ranks());
  result.values.resize(weights.values.size());
  for (std::size_t first = 0; first < weights.values.size(); first += ranks) {
    const std::span<const float> row(weights.values.data() + first, ranks);
    float largest = std::numeric_limits<float>::min();
    for (const float weight : row) largest = std::max(largest, std::abs(weight));
    std::int16_t* const rounded = result.values.data() + first;
    std::transform(row.begin(), row.end(), rounded, [=](float weight) {
      return static_cast<std::int16_t>(std::lround(weight / largest * IntegerWeights::largest));
    });
    result.units.push_back(largest / IntegerWeights::largest);
    result.totals.push_back(total(rounded, groups));
    append_errors(row, rounded, groups, losses, result);
  }
  return result;
}

void widen(Rounding& rounding, Index k, float entry) {
  const auto at = static_cast<std::size_t>(k);
  rounding.lowest[at] = std::min(rounding.lowest[at], entry);
  rounding.highest[at] = std::max(rounding.highest[at], entry);
}

void measure_ranges(Rounding& rounding) {
  for (std::size_t k = 0; k < rounding.centre.size(); ++k) {
    const float lowest = rounding.lowest[k];
    const float highest = rounding.highest[k];
    const float centre = lowest + 0.5F * (highest - lowest);
    rounding.centre[k] = centre;
    rounding.distance_reach = std::max({rounding.distance_reach, highest - centre, centre - lowest});
    rounding.dot_reach = std::max({rounding.dot_reach, std::abs(highest), std::abs(lowest)});
  }
}

}  // namespace

Rounding make_rounding(const AdaptiveField& field) {
  const PackedMatrix& patterns = field.patterns;
  const auto columns = static_cast<std::size_t>(patterns.columns());
  Rounding result{.centre = std::vector<float>(columns),
                  .lowest = std::vector<float>(columns, std::numeric_limits<float>::infinity()),
                  .highest = std::vector<float>(columns, -std::numeric_limits<float>::infinity())};
  for (Index i = 0; i < patterns.rows(); ++i)
    for (Index k = 0; k < patterns.columns(); ++k)
      widen(result, k, patterns.data()[patterns.row_offset(i) + panel_rows * k]);
  measure_ranges(result);
  result.squared_distance = integers(field.squared_distance, field.groups, distance_errors);
  result.dot = integers(field.dot, field.groups, dot_errors);
  return result;
}

void widen(Rounding& rounding, MatrixView<const float> patterns) noexcept {
  for (Index i = 0; i < patterns.rows; ++i)
    for (Index k = 0; k < patterns.columns; ++k) widen(rounding, k, patterns(i, k));
  measure_ranges(rounding);
}

}  // namespace attractor::cpu
