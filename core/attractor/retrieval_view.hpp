#pragma once

/// Where a retrieval's results go.

#include <attractor/matrix_view.hpp>

namespace attractor {

/// Row i for query i; as many columns k as patterns are wanted for each, 1 to P, or 1 of an empty memory. What is in
/// them is as in Retrieval. Nothing may overlap the queries or one another.
struct RetrievalView {
  MatrixView<Index> pattern;         ///< [B × k], required
  MatrixView<float> posterior = {};  ///< [B × k], or empty: not wanted
};

}  // namespace attractor
