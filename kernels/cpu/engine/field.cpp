#include "kernels/cpu/engine/field.hpp"

#include <algorithm>

#include "kernels/cpu/engine/threads.hpp"
#include "kernels/cpu/engine/tile.hpp"
#include "kernels/sizes.hpp"

namespace attractor::cpu {
namespace {

bool has_unit_rows(const FactoredField& field) { return field.unit_rows.scores.data() != nullptr; }

Index floats_of(const PackedMatrix& matrix) { return matrix.padded_rows() * matrix.padded_columns(); }

/// What a step of one state costs, in multiply-adds.
Index step_cost(const EmptyField& /*field*/) { return 0; }
/// The matrix unit makes five products while vectors make one, and those of several states in the time of one.
Index step_cost(const FactoredField& field) { return 2 * floats_of(field.factor) / (has_unit_rows(field) ? 8 : 1); }
Index step_cost(const DenseField& field) { return floats_of(field.weights); }
Index step_cost(const SoftmaxField& field) { return 2 * floats_of(field.patterns); }
/// Sorting a pair's terms takes some ten operations for each.
Index step_cost(const AdaptiveField& field) { return 10 * floats_of(field.patterns); }

/// Of whose patterns threads can each score a share.
bool has_shares(const Field& field) {
  return std::holds_alternative<SoftmaxField>(field) || std::holds_alternative<AdaptiveField>(field);
}

/// Of how many states one costs as much as all: of those that a register holds, or where threads can share patterns
/// those of a register block.
Index states_together(const Field& field) { return has_shares(field) ? least_lanes : 16; }

/// How many states are so few that each is dealt with by itself. The matrix unit takes as many as a register holds at
/// once.
Index single_states(const Field& field) {
  const auto* const factored = std::get_if<FactoredField>(&field);
  const bool by_unit = factored != nullptr && has_unit_rows(*factored);
  return by_unit || std::holds_alternative<DenseField>(field) ? 0 : detail::sizes().single_lanes;
}

}  // namespace

WorkShares share_work(const Field& field, int asked, Index states, bool each_by_itself) {
  const detail::Sizes& sizes = detail::sizes();
  const Index cost = std::visit([](const auto& own) { return step_cost(own); }, field);
  const Index worth = std::clamp<Index>(sizes.thread_cost / std::max<Index>(cost, 1), 1, least_lanes);
  const int most = team_size(asked, most_threads, 1);
  const int workers = team_size(asked, states, worth);
  const bool large = cost >= sizes.shared_cost;
  const bool few = states <= workers * single_states(field);
  const bool apart = each_by_itself || (few && !large);
  const int blocks = apart ? workers : team_size(workers, states, states_together(field));
  if (!has_shares(field) || !(few || large)) return {blocks, 1};
  const Index own = std::min(states / blocks, least_lanes);
  // Threads that share patterns meet in every step.
  return {blocks, static_cast<int>(std::clamp<Index>(own * cost / (8 * sizes.thread_cost), 1, most / blocks))};
}

}  // namespace attractor::cpu
