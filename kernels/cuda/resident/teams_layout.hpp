#pragma once

/// How the kernel of teams divides a block's shared memory, and where it has neurons.
///
/// A team of warps works on 16 states at a time, each warp on 128 of their neurons. Lane 4g + t has of states g and
/// g + 8 four neighbours of every 16 neurons: what it has of a sum of products on tensor cores is what the next product
/// takes of its left operand, states as well as scores.
///
/// Rows of a dense memory's weights take the place of patterns, and states that of scores.

#include <attractor/host_device.hpp>

#include "kernels/cuda/resident/resident_layout.hpp"

namespace attractor::cuda::teams {

using resident::Form;

inline constexpr int team_states = 16;
inline constexpr int step_neurons = 16;  ///< of a product's depth, or two of its columns
inline constexpr int warp_steps = 8;     ///< that a warp has of these
inline constexpr int warp_neurons = warp_steps * step_neurons;
inline constexpr int group_patterns = 16;  ///< likewise, of a product's depth
inline constexpr int group_bytes = 1024;   ///< of a group's scores, as left operands or as floats
inline constexpr int part_kinds = 6;       ///< of what the warps of a team have parts of
inline constexpr int judge_bytes = 16;     ///< of what judges a state
inline constexpr int most_warps = 12;      ///< with 168 registers a thread
inline constexpr int fewer_warps = 8;      ///< with 255, which dense memories take, that keep readouts beside states

/// Whose scores come together at a time, at most, so that registers are enough.
ATTRACTOR_HOST_DEVICE constexpr int pass_groups(int planes) { return planes == 1 ? 4 : 2; }

/// Of a block, at most; less than that where jobs aren't plain.
ATTRACTOR_HOST_DEVICE constexpr int plain_warps(Form form) { return form == Form::factored ? most_warps : fewer_warps; }

/// Sizes, and where each part starts, in bytes.
struct Layout {
  int dimension = 0;
  int neurons = 0;    ///< of a team
  int members = 0;    ///< warps of a team
  int groups = 0;     ///< of 16 patterns
  int planes = 0;     ///< fp16 terms of a pattern's entry
  int row_bytes = 0;  ///< from one pattern to the next
  int teams = 0;      ///< of a block of threads

  int low = 0;          ///< the second plane, after the first
  int diagonal = 0;     ///< factored: [neurons] float, negative
  int image_bytes = 0;  ///< so far the memory
  int factors = 0;      ///< likewise: what a state counts in what its next state is made of
  int first_team = 0;   ///< after it each team has its own
  int team_bytes = 0;
  int partial = 0;     ///< factored, of a team, after its scores: [members, groups of a pass], sums of each warp
  int parts = 0;       ///< of a team, [members × kinds × 16] float: what warps know of their states
  int judges = 0;      ///< likewise, [16]
  int next_query = 0;  ///< likewise, the first of those that the team has got
  int ended = 0;       ///< likewise, a bit for each state whose query has come to its end
  int bytes = 0;
  Form form = Form::factored;
};

/// Where a pattern's row has a neuron, and where its weights' row is: each lane's four are two neighbours of two
/// columns.
ATTRACTOR_HOST_DEVICE constexpr int column_of(int neuron) {
  const int within = neuron % step_neurons;
  return neuron - within + within % 4 / 2 * 8 + within / 4 * 2 + within % 2;
}

}  // namespace attractor::cuda::teams
