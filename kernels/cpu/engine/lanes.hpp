#pragma once

/// Moves states between rows of the caller's matrices and lanes of a tile.

#include <bit>
#include <cstdint>
#include <span>

#include "kernels/cpu/engine/tile.hpp"
#include "kernels/pattern_terms.hpp"
#include "kernels/query_view.hpp"

namespace attractor::cpu {

/// Sets or clears all bits of a lane's mask.
void set_mask(LaneArray<float>& mask, Index lane, bool value);

/// Whether the bits of a lane's mask are set.
inline bool is_set(const LaneArray<float>& mask, Index lane) {
  return std::bit_cast<std::uint32_t>(mask[static_cast<std::size_t>(lane)]) != 0;
}

bool all_finite(const detail::QueryRow& row, Index count);

/// Not finite where a value isn't.
float largest_magnitude(const detail::QueryRow& row, Index count);

/// A query on its way into a lane. Those of a call are all of one format.
struct Arrival {
  Index lane;
  detail::QueryRow query;
};

/// A state on its way out of a lane, likewise.
struct Departure {
  Index lane;
  detail::ResultRow result;
};

/// Copies queries of `tile.dimension` entries into their lanes, and zeros into the rows past them.
void load_lanes(std::span<const Arrival> arrivals, Tile& tile);

/// Copies `count` values of each lane of `lanes` [count × width] to its row, which can hold them unless they are NaN.
void store_lanes(std::span<const Departure> departures, const float* lanes, Index count, Index width);

/// Copies `count` values of a query to a result that can hold them.
void copy_row(const detail::QueryRow& from, const detail::ResultRow& to, Index count);

/// Of the first lanes, which is to take the place of each.
using LaneOrder = std::span<const std::uint8_t>;

/// Moves states, and what else a tile holds of them between an advance and the next evaluation.
void permute_lanes(Tile& tile, LaneOrder order);

/// Copies what a tile holds of a query beside its state, at the same time, to another lane.
void copy_query_values(Tile& tile, Index from, Index to);

/// Copies a lane's `rows` floats, `width` apart, to another lane.
void copy_lane(const float* from, float* to, Index rows, Index width);

/// Marks the neurons with a nonzero byte as clamped, the others as free.
void load_clamps(const std::uint8_t* row, Index count, float* lane, Index width);

/// Points the lane to what the call says of patterns for its query.
void set_pattern_terms(Tile& tile, Index lane, const detail::PatternTerms& terms, Index query);

}  // namespace attractor::cpu
