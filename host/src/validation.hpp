#pragma once

/// Checks of arguments: each throws InvalidArgument with the values that disagree, or does nothing.

#include <string>

#include <attractor/matrix.hpp>
#include <attractor/memory.hpp>
#include <attractor/relaxation.hpp>

namespace attractor::detail {

/// Non-null data, positive sizes, a stride of at least the columns, finite values. `what` is the plural: "patterns".
void check_patterns(MatrixView<const float> matrix, const std::string& what);

void check_options(const ProjectionOptions& options);
void check_options(const ModernHopfieldOptions& options);
void check_options(const RelaxerOptions& options);

/// Contents, if there are any, belong to `pattern_count` patterns.
void check_contents(MatrixView<const float> contents, Index pattern_count);

/// Queries and the optional parts of a call fit a memory of `dimension`.
void check_call(MatrixView<const float> queries, const RelaxCall& call, Index dimension);

/// Results have the shapes of this call, are all produced by these options, and overlap nothing.
void check_results(const RelaxationView& results, MatrixView<const float> queries, const RelaxCall& call,
                   const RelaxerOptions& options, Index content_columns);

}  // namespace attractor::detail
