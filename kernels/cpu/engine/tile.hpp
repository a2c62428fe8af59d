#pragma once

/// A tile: the queries that one thread relaxes at a time.

#include <array>
#include <cstdint>

#include "kernels/cpu/engine/packed_matrix.hpp"

namespace attractor::cpu {

/// Queries in a tile: the least that fill the widest register block, and the most. Queries lie along vector lanes,
/// neurons along rows: no sum over neurons ever crosses lanes, so a query's bits cannot depend on its neighbours, its
/// place or the width of its tile.
inline constexpr Index least_lanes = 32;
inline constexpr Index most_lanes = 64;

/// One value for each lane of a tile, aligned for vector access.
template <class T>
struct alignas(64) LaneArray : std::array<T, most_lanes> {};

/// A sum kept as high + low, so that its error stays far below one rounding of its value.
struct LaneSums {
  LaneArray<float> high{};
  LaneArray<float> low{};

  [[nodiscard]] double value(Index lane) const {
    const auto i = static_cast<std::size_t>(lane);
    return static_cast<double>(high[i]) + static_cast<double>(low[i]);
  }
};

/// States in flight, one per lane, and what the kernels report about each.
struct Tile {
  Tile(Index state_dimension, Index lane_count, bool has_clamps, bool watches_cycles = false)
      : dimension(state_dimension),
        rows(padded(state_dimension)),
        width(lane_count),
        state(rows * width),
        clamps(has_clamps ? rows * width : 0),
        earlier(watches_cycles ? rows * width : 0),
        clamped(has_clamps),
        wants_return(watches_cycles) {}

  [[nodiscard]] float* column(Index lane) { return state.data() + lane; }

  Index dimension;        ///< D
  Index rows;             ///< D padded; the rows past D stay zero, for every update maps (0, 0) to 0
  Index width;            ///< lanes of the tile: elements from one row to the next
  Index lanes = 0;        ///< lanes in use are among the first `lanes`
  AlignedFloats state;    ///< x [rows × width]
  AlignedFloats clamps;   ///< [rows × width], all bits set where a neuron keeps its value
  AlignedFloats earlier;  ///< the states before these [rows × width], if returns are wanted
  bool clamped;           ///< `clamps` is in use

  LaneArray<float> held{};       ///< all bits set: the lane keeps its state through the next advance
  LaneArray<float> idle{};       ///< all bits set: no query here
  LaneArray<float> packed{};     ///< all bits set: the kernel keeps this state as bits, and none of it is in `state`
  LaneArray<float> magnitude{};  ///< of the states, at least: the unit of what sign updates take for 0
  bool any_held = false;

  /// Rows of what the call says of patterns [P], for each lane with a query; null: nothing.
  LaneArray<const std::uint8_t*> valid{};  ///< 0: as if the pattern weren't stored
  LaneArray<const float*> log_prior{};     ///< added to the scores
  bool has_pattern_terms = false;          ///< one of these is there

  /// The inverse temperatures at which normalised memories are to score the states.
  LaneArray<float> beta{};
  bool has_betas = false;  ///< else at their own

  bool wants_energy = false;  ///< evaluate is to write `energy`
  bool wants_change = false;  ///< advance is to write `squared_change`
  bool wants_return;          ///< advance is to write `returns`, and keep `earlier`

  LaneArray<float> finite{};          ///< 0 where readout and new state are finite, NaN where they aren't
  LaneArray<float> squared_change{};  ///< ‖x' − x‖²
  LaneArray<float> returns{};         ///< all bits clear where the new state is the one before the last
  LaneSums quadratic;                 ///< Σ weight·x'², the part of the energy that needs no scores
  LaneArray<double> energy{};
};

}  // namespace attractor::cpu
