#pragma once

/// Checks of arguments: each throws InvalidArgument with the values that disagree, or does nothing.

#include <string>

#include <attractor/matrix.hpp>
#include <attractor/memory.hpp>
#include <attractor/relaxation.hpp>

namespace attractor::detail {

/// Non-null data, positive sizes, a stride of at least the columns. `what` is the plural: "patterns".
void check_pattern_layout(MatrixView<const float> matrix, const std::string& what);

/// Host memory without NaN and infinity.
void check_finite(MatrixView<const float> matrix, const std::string& what);

void check_options(const ProjectionOptions& options);
void check_options(const ModernHopfieldOptions& options);
void check_options(const RelaxerOptions& options);

/// There is a row of contents for each of `pattern_count` patterns.
void check_content_rows(MatrixView<const float> contents, Index pattern_count);

/// Queries and the optional parts of a call fit a memory of `dimension`.
void check_call(MatrixView<const float> queries, const RelaxCall& call, Index dimension);

/// Results have the shapes of this call, are all produced by these options, and overlap nothing.
void check_results(const RelaxationView& results, MatrixView<const float> queries, const RelaxCall& call,
                   const RelaxerOptions& options, Index content_columns);

}  // namespace attractor::detail
