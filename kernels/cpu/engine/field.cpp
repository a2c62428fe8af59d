#include "kernels/cpu/engine/field.hpp"

#include <algorithm>

#include "kernels/cpu/engine/tile.hpp"

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

}  // namespace

Index states_worth_a_thread(const Field& field) {
  // Some ten microseconds of work, as long as it takes to wake a thread.
  constexpr Index worth = Index{1} << 17;
  const Index cost = std::visit([](const auto& own) { return step_cost(own); }, field);
  return std::clamp<Index>(worth / std::max<Index>(cost, 1), 1, least_lanes);
}

}  // namespace attractor::cpu
