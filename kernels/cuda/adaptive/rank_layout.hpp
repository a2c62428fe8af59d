#pragma once

/// How the ranks of a pair are spread over threads.

namespace attractor::cuda {

/// Ranks that one thread sorts.
inline constexpr int tile_ranks = 64;

/// Most ranks that a pair can have: where lanes share a pair, a warp's.
inline constexpr int most_ranks = 4096;

/// Terms of a lane where lanes share a pair: more of them where a warp couldn't hold all ranks otherwise.
inline constexpr int lane_terms = 64;
inline constexpr int most_lane_terms = most_ranks / 32;

constexpr int terms_of_lane(int ranks) { return ranks <= lane_terms * 32 ? lane_terms : most_lane_terms; }

constexpr int quotient_up(int dividend, int divisor) { return (dividend + divisor - 1) / divisor; }

}  // namespace attractor::cuda
