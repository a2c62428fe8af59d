#pragma once

/// Sizes inside the engines that only large inputs reach.

#include <attractor/export.hpp>
#include <attractor/matrix.hpp>

namespace attractor::detail {

/// How much is done at a time.
struct Sizes {
  // The CPU.
  Index weighed_patterns = 16384;  ///< of factored linear memories: bounds their weights, at 4 MiB for each thread

  /// So small that inputs of a few dozen rows cross every one of them.
  ATTRACTOR_EXPORT static Sizes tiny();
};

/// Those in use. Read when work begins; only tests write them, while nothing runs.
ATTRACTOR_EXPORT Sizes& sizes();

}  // namespace attractor::detail
