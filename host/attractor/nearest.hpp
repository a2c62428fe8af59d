#pragma once

/// Which stored pattern a state has come to.

#include <vector>

#include <attractor/export.h>
#include <attractor/matrix.hpp>
#include <attractor/memory.hpp>
#include <attractor/query_view.hpp>

namespace attractor {

struct NearestOptions {
  Index count = 1;  ///< k, patterns for each state, 1 to P, or 1 of an empty memory
  int threads = 0;  ///< of the CPU, at most 1024; 0: see RelaxerOptions
};

/// Results, in the order of the states.
struct Nearest {
  /// [B × k] the patterns with the largest overlaps, the best first, of equals those stored first; −1 where the state
  /// isn't finite or the memory empty. Overlaps that differ by less than about 1e-6 may be taken for equal.
  std::vector<Index> pattern;
  /// [B × k] the overlap m = ξ·x/(‖ξ‖‖x‖) with each, right to float's rounding; 0 where either is 0, NaN where the
  /// pattern is −1. Below 0 it is the pattern's inverse that the state is near.
  std::vector<float> overlap;
};

/// The stored patterns nearest to each state by their overlap, for any memory; where −ξ is an attractor as ξ is (linear
/// memories without thresholds; dense associative ones of even order that aren't rectified) by its magnitude, for the
/// state may have come to either. Memories with normalised weights also `retrieve`, with posteriors.
///
/// @param states [B × D] of any format, on the host.
/// @param memory holds the patterns. @param options see NearestOptions.
/// @throws InvalidArgument null data, other than D columns, a stride below D, a count outside [1, P].
/// @throws DeviceError, OutOfDeviceMemory
/// Complexity: the scores of one or two steps of B queries, and O(PD) to lay the patterns out, each call anew.
ATTRACTOR_EXPORT Nearest nearest(const Memory& memory, const QueryView& states, const NearestOptions& options = {});

}  // namespace attractor
