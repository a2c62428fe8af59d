#pragma once

/// What a call says of patterns and temperatures.

#include <span>

#include <attractor/relaxation.hpp>

#include "host/src/memory_state.hpp"
#include "kernels/pattern_terms.hpp"

namespace attractor::detail {

/// Those of a call with so many queries.
///
/// @throws InvalidArgument their shapes don't fit. @throws NotSupported the memory's weights aren't normalised.
PatternTerms call_terms(const MemoryState& memory, Index query_count, const RelaxCall& call);

/// Whether patterns can be retrieved of a memory.
///
/// @throws NotSupported its weights aren't normalised.
void check_retrieves(const MemoryState& memory);

/// Whether a memory can take these inverse temperatures in place of its own.
///
/// @throws InvalidArgument one isn't finite and positive, or they are on a device. @throws NotSupported the memory has
/// no temperature to replace.
void check_call_betas(const MemoryState& memory, std::span<const float> betas);

}  // namespace attractor::detail
