#pragma once

/// Which values the patterns of an adaptive memory have, where these are so few that its scores cost less by them.

#include <span>

#include "kernels/cpu/engine/field.hpp"

namespace attractor::cpu {

/// Of the patterns of a memory and more of them. None, where scores cost no less than by sorting networks.
///
/// O(PD log V) for V values of an entry.
Levels find_levels(const PackedMatrix& patterns, MatrixView<const float> more);

/// Whether entries have no other values than these.
bool has_levels(const Levels& levels, MatrixView<const float> patterns);

/// Makes room for so many patterns. @throws std::bad_alloc, with nothing changed
void reserve(Levels& levels, Index patterns);

/// Adds patterns, for which there is room and which have no other values.
void append(Levels& levels, MatrixView<const float> patterns) noexcept;

/// Takes patterns out, which ascend; later ones move up.
void remove(Levels& levels, std::span<const Index> patterns) noexcept;

}  // namespace attractor::cpu
