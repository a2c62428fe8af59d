#include "kernels/cuda/resident/teams_fit.hpp"

#include <algorithm>

namespace attractor::cuda::teams {
namespace {

constexpr int term_bytes = 2;

int divide_up(Index value, int divisor) { return static_cast<int>((value + divisor - 1) / divisor); }

bool has_warps(const StoredMatrix& matrix) { return matrix.columns <= Index{fewer_warps} * warp_neurons; }

Index bytes_of_entries(const StoredMatrix& matrix) { return matrix.rows * matrix.columns * matrix.planes * term_bytes; }

/// With no team yet. Rows are 16 bytes apart, modulo 128: those that eight lanes load fall into different banks.
Layout make_layout(const StoredMatrix& matrix) {
  Layout layout{.dimension = static_cast<int>(matrix.columns), .planes = matrix.planes, .form = matrix.form};
  const bool factored = matrix.form == Form::factored;
  layout.members = divide_up(matrix.columns, warp_neurons);
  layout.neurons = layout.members * warp_neurons;
  layout.groups = divide_up(matrix.rows, group_patterns);
  layout.row_bytes = layout.neurons * term_bytes + 16;
  const int plane = layout.groups * group_patterns * layout.row_bytes;
  const int vector = factored ? layout.neurons * static_cast<int>(sizeof(float)) : 0;
  layout.low = plane;
  layout.diagonal = layout.planes * plane;
  layout.image_bytes = layout.diagonal + vector;
  layout.factors = layout.image_bytes;
  layout.first_team = layout.factors + vector;
  layout.partial = layout.groups * group_bytes;
  const bool has_partial = factored && layout.members > 1;
  layout.parts = layout.partial + (has_partial ? layout.members * pass_groups(layout.planes) * group_bytes : 0);
  constexpr int parts_bytes = part_kinds * team_states * static_cast<int>(sizeof(float));
  layout.judges = layout.parts + layout.members * parts_bytes;
  layout.next_query = layout.judges + team_states * judge_bytes;
  layout.ended = layout.next_query + static_cast<int>(sizeof(int));
  layout.team_bytes = layout.next_query + 16;
  return layout;
}

}  // namespace

std::optional<Layout> fit_layout(const StoredMatrix& matrix, Index room, Index warps) {
  // More entries than there is room for may not be of an int's size.
  if (!has_warps(matrix) || bytes_of_entries(matrix) > room) return std::nullopt;
  Layout layout = make_layout(matrix);
  const auto most = static_cast<int>(std::min<Index>(plain_warps(matrix.form), warps));
  layout.teams =
      std::min(std::max(most / layout.members, 1), (static_cast<int>(room) - layout.first_team) / layout.team_bytes);
  if (layout.teams < 1) return std::nullopt;
  layout.bytes = layout.first_team + layout.teams * layout.team_bytes;
  return layout;
}

std::optional<Index> least_bytes(const StoredMatrix& matrix) {
  constexpr Index far_too_many = Index{1} << 24;
  if (!has_warps(matrix)) return std::nullopt;
  const Index entries = bytes_of_entries(matrix);
  if (entries > far_too_many) return entries;
  const Layout layout = make_layout(matrix);
  return layout.first_team + layout.team_bytes;
}

}  // namespace attractor::cuda::teams
