#pragma once

/// Relaxation on the CPU: tiles of queries, one per thread, each lane refilled as soon as its query halts.

#include <attractor/relaxation.hpp>

#include "kernels/cpu/engine/field.hpp"
#include "kernels/pattern_terms.hpp"
#include "kernels/query_view.hpp"

namespace attractor::cpu {

/// `patterns` is what the call says of them. The result of query i goes to row i. Arguments are valid (host/ has
/// checked them) and `options.update` is set.
///
/// @return how many queries have a state, the first so many: all, unless the call was cancelled.
Index relax(const Field& field, const RelaxerOptions& options, const QueryView& queries, const RelaxationView& results,
            const RelaxCall& call, const detail::PatternTerms& patterns);

}  // namespace attractor::cpu
