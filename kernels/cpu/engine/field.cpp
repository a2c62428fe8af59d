#include "kernels/cpu/engine/field.hpp"

#include <algorithm>

#include "kernels/cpu/engine/threads.hpp"
#include "kernels/cpu/engine/tile.hpp"
#include "kernels/sizes.hpp"

namespace attractor::cpu {
namespace {

Index floats_of(const PackedMatrix& matrix) { return matrix.padded_rows() * matrix.padded_columns(); }

/// What a step of one state costs, in multiply-adds.
Index step_cost(const EmptyField& /*field*/) { return 0; }
Index step_cost(const FactoredField& field) { return 2 * floats_of(field.factor); }
Index step_cost(const DenseField& field) { return floats_of(field.weights); }
Index step_cost(const SoftmaxField& field) { return 2 * floats_of(field.patterns); }
/// Sorting a pair's terms takes some ten operations for each.
Index step_cost(const AdaptiveField& field) { return 10 * floats_of(field.patterns); }

/// Of whose patterns threads can each score a share.
bool has_shares(const Field& field) {
  return std::holds_alternative<SoftmaxField>(field) || std::holds_alternative<AdaptiveField>(field);
}

}  // namespace

WorkShares share_work(const Field& field, int asked, Index states) {
  const detail::Sizes& sizes = detail::sizes();
  const Index cost = std::visit([](const auto& own) { return step_cost(own); }, field);
  const Index worth = std::clamp<Index>(sizes.thread_cost / std::max<Index>(cost, 1), 1, least_lanes);
  const int most = team_size(asked, most_threads, 1);
  const int workers = team_size(asked, states, worth);
  if (!has_shares(field)) return {workers, 1};
  const int blocks = cost < sizes.shared_cost ? workers : team_size(workers, states, least_lanes);
  const Index own = std::min(states / blocks, least_lanes);
  // Threads that share patterns meet in every step.
  return {blocks, static_cast<int>(std::clamp<Index>(own * cost / (8 * sizes.thread_cost), 1, most / blocks))};
}

}  // namespace attractor::cpu
