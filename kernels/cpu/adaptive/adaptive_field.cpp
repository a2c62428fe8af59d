#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "kernels/cpu/adaptive/adaptive.hpp"
#include "kernels/cpu/adaptive/levels.hpp"
#include "kernels/cpu/adaptive/margin_sample.hpp"
#include "kernels/cpu/adaptive/rounding.hpp"
#include "kernels/log_prior.hpp"
#include "kernels/sizes.hpp"

namespace attractor::cpu {
namespace {

RankWeights scaled(const std::vector<float>& weights, float beta, Index ranks) {
  RankWeights result{.values = weights, .stride = static_cast<Index>(weights.size()) > ranks ? ranks : 0};
  for (float& weight : result.values) weight *= beta;
  return result;
}

/// Whether scores from rounded terms are to show which exact ones matter.
bool is_screened(const AdaptiveField& field, Index patterns) {
  return field.precision == TermPrecision::full &&
         patterns * field.patterns.columns() >= detail::sizes().screened_entries;
}

/// Whether scores may be made by levels: exact ones of entries that are ranked all together.
bool may_have_levels(const AdaptiveField& field) {
  return field.precision == TermPrecision::full && field.groups.count() == 1;
}

/// Those of a memory with more patterns, some of which have other values: looked for when there are an eighth more
/// patterns than the last time, so that each of them costs its own size.
Levels levels_of_more(const AdaptiveField& field, MatrixView<const float> more) {
  if (may_have_levels(field) && 8 * (field.patterns.rows() + more.rows) >= 9 * field.levels.sought)
    return find_levels(field.patterns, more);
  Levels none;
  none.sought = field.levels.sought;
  return none;
}

}  // namespace

RankGroups::RankGroups(Index dimension, Index groups) {
  order.reserve(static_cast<std::size_t>(dimension));
  first.push_back(0);
  for (Index group = 0; group < groups; ++group) {
    for (Index i = 0; i < dimension; ++i)
      if (rank_group(i, groups) == group) order.push_back(i);
    first.push_back(static_cast<Index>(order.size()));
  }
}

AdaptiveField make_adaptive(PackedMatrix patterns, const AdaptiveSimilarity& similarity) {
  const Index dimension = patterns.columns();
  AdaptiveField field{.patterns = std::move(patterns),
                      .groups = RankGroups(dimension, similarity.groups),
                      .precision = similarity.precision};
  set_weights(field, similarity);
  if (may_have_levels(field)) field.levels = find_levels(field.patterns, {nullptr, 0, dimension});
  field.screened = is_screened(field, field.patterns.rows());
  if (field.screened || field.precision != TermPrecision::full) field.rounding = make_rounding(field);
  if (field.screened) sample_margins(field, field.rounding);
  return field;
}

void append(AdaptiveField& field, MatrixView<const float> patterns) {
  const Index count = field.patterns.rows() + patterns.rows;
  const bool screened = is_screened(field, count);
  Rounding rounding;
  if (screened) {
    rounding = field.screened ? field.rounding : make_rounding(field);
    if (field.patterns.rows() >= 2 * rounding.sampled) sample_margins(field, rounding);
    widen(rounding, patterns);
  }
  const bool keeps_levels = !field.levels.empty() && has_levels(field.levels, patterns);
  std::optional<Levels> levels;
  if (keeps_levels)
    reserve(field.levels, count);
  else
    levels = levels_of_more(field, patterns);
  field.patterns.reserve(count);
  field.log_prior.resize(static_cast<std::size_t>(count), 0.0F);
  field.patterns.append(patterns);
  if (keeps_levels)
    append(field.levels, patterns);
  else
    field.levels = std::move(*levels);
  field.rounding = std::move(rounding);
  field.screened = screened;
}

void remove(AdaptiveField& field, std::span<const Index> patterns) noexcept {
  field.patterns.remove(patterns);
  remove(field.levels, patterns);
  const Index count = field.patterns.rows();
  field.log_prior.resize(static_cast<std::size_t>(count));
  field.levels.sought = std::min(field.levels.sought, count);
  // What rounded terms of more patterns are off by holds for these, too.
  field.screened = is_screened(field, count);
}

void set_weights(AdaptiveField& field, const AdaptiveSimilarity& similarity) {
  const Index ranks = rank_count(field.patterns.columns(), field.groups.count());
  field.squared_distance = scaled(similarity.squared_distance, similarity.beta_squared_distance, ranks);
  field.dot = scaled(similarity.dot, similarity.beta_dot, ranks);
  field.log_prior = detail::relative_log_prior(similarity.log_prior);
  field.energy_offset = -detail::largest_log_prior(similarity.log_prior);
  field.log_prior.resize(static_cast<std::size_t>(field.patterns.rows()), 0.0F);
  field.screened = false;
}

}  // namespace attractor::cpu
