#pragma once

/// Sizes inside the engines that only large inputs reach.

#include <attractor/export.hpp>
#include <attractor/matrix.hpp>

namespace attractor::detail {

/// How much is done at a time. No result's bits depend on the sizes of a fixed memory's blocks of work, but for those
/// that are marked: they cut sums.
struct Sizes {
  // The CPU.
  Index pattern_block = 256;  ///< patterns summed apart in a readout: they stay in the second-level cache. Cuts sums.
  Index segment_patterns = 65536;  ///< patterns between two readouts: bounds the scores kept. Cuts sums.
  Index weighed_patterns = 16384;  ///< of factored linear memories: bounds their weights, at 4 MiB for each thread
  Index fit_parts = 32;            ///< parts of a fit's queries, each with a gradient of its own. Cuts sums.

  /// So small that inputs of a few dozen rows cross every one of them.
  ATTRACTOR_EXPORT static Sizes tiny();
};

/// Those in use. Read when work begins; only tests write them, while nothing runs.
ATTRACTOR_EXPORT Sizes& sizes();

}  // namespace attractor::detail
