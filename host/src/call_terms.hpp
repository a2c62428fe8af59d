#pragma once

/// What a call says of patterns.

#include <attractor/relaxation.hpp>

#include "host/src/memory_state.hpp"
#include "kernels/pattern_terms.hpp"

namespace attractor::detail {

/// Those of a call with so many queries.
///
/// @throws InvalidArgument their shapes don't fit. @throws NotSupported the memory's weights aren't normalised.
PatternTerms call_terms(const MemoryState& memory, Index query_count, const RelaxCall& call);

}  // namespace attractor::detail
