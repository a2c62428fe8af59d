#pragma once

/// Moves states between rows of the caller's matrices and lanes of a tile.

#include "kernels/cpu/tile.hpp"

namespace attractor::cpu {

/// Sets or clears all bits of a lane's mask.
void set_mask(LaneArray<float>& mask, Index lane, bool value);
bool mask_is_set(const LaneArray<float>& mask, Index lane);

/// Copies `count` floats into a lane of `rows` ≥ count, and zeros after them. False if one of them isn't finite; the
/// lane then holds them all the same.
bool load_lane(const float* row, Index count, float* lane, Index rows);

void store_lane(const float* lane, Index count, float* row);

/// Copies a lane's `rows` floats to another lane.
void copy_lane(const float* from, float* to, Index rows);

/// Marks the neurons with a nonzero byte as clamped, the others as free.
void load_clamps(const std::uint8_t* row, Index count, float* lane);

}  // namespace attractor::cpu
