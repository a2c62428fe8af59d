#pragma once

#include <utility>

#include <attractor/similarity.hpp>

namespace attractor::python {

/// A similarity that knows the shape of its weights.
struct RankedSimilarity {
  AdaptiveSimilarity value;
  Index ranks = 0;  ///< R
};

}  // namespace attractor::python
