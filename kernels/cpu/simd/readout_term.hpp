#pragma once

#include <attractor/matrix.hpp>

namespace attractor::cpu {

/// One term of a readout Σ p_μ a_μ: where row μ starts in the packed matrix, and where its weights lie.
struct ReadoutTerm {
  Index row_offset;
  Index weight_offset;
};

}  // namespace attractor::cpu
