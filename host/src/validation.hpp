#pragma once

/// Checks of arguments: each throws InvalidArgument with the values that disagree, or does nothing.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <attractor/fit.hpp>
#include <attractor/matrix.hpp>
#include <attractor/memory.hpp>
#include <attractor/relaxation.hpp>
#include <attractor/retrieval_view.hpp>
#include <attractor/variants.hpp>

#include "kernels/pattern_terms.hpp"
#include "kernels/query_view.hpp"

namespace attractor::detail {

/// Non-null data, positive sizes, a stride of at least the columns. `what` is the plural: "patterns".
void check_pattern_layout(MatrixView<const float> matrix, const std::string& what);

/// The same of what a memory stores, which may have no rows.
void check_stored_layout(MatrixView<const float> matrix, const std::string& what);

/// In host memory, without NaN and infinity.
void check_finite(MatrixView<const float> matrix, const std::string& what);

/// @throws InvalidArgument that this entry is NaN or infinite
[[noreturn]] void refuse_not_finite(const std::string& what, Index row, Index column, float value);

void check_options(const RelaxerOptions& options);
void check_options(const VariantOptions& options);
void check_options(const FitOptions& options, Index dimension);

/// That many rows of `columns` can be asked for.
void check_count(Index count, Index columns, const std::string& what);

/// The similarity fits so many patterns of this dimension; its priors are `check_log_prior`'s.
void check_similarity(const AdaptiveSimilarity& similarity, Index pattern_count, Index dimension);

/// One for each neuron, or none.
///
/// @throws InvalidArgument
void check_thresholds(const std::vector<float>& thresholds, Index dimension);

/// Whether both layers of a bidirectional memory have neurons.
///
/// @throws InvalidArgument
void check_layers(Index first, Index dimension);

/// None, or one for each pattern: finite or −∞, not all −∞.
void check_log_prior(const std::vector<float>& log_prior, Index pattern_count);

/// Between 1 and all, or 1 where there are none.
void check_retrieval_count(Index count, Index pattern_count);

/// What a call says of patterns, a row for each query: each of the two has one row, or one for each query, and
/// `pattern_count` columns, or isn't there.
PatternTerms checked_pattern_terms(MatrixView<const std::uint8_t> valid, MatrixView<const float> log_prior,
                                   Index query_count, Index pattern_count);

/// Inverse temperatures in place of a memory's own.
void check_betas(std::span<const float> betas, float own);

/// A row of `pattern_count` patterns for each query.
void check_origins(std::span<const Index> origins, Index query_count, Index pattern_count);

/// Every origin is possible: its prior isn't 0. The origins are rows of the patterns.
void check_origin_priors(const AdaptiveSimilarity& similarity, std::span<const Index> origins);

/// Queries without the optional parts of a call.
void check_queries(const QueryView& queries, Index dimension);

/// Floats, where a memory works on such a device.
///
/// @throws NotSupported they are of another format.
void check_floats(const QueryView& rows, const std::string& what, const Device& device);

/// Floats of 16 bits are, too. Contents are of 32.
void check_formats(const QueryView& rows, const std::string& what, const Device& device);
void check_formats(const RelaxationView& results, const Device& device);

void check_threads(int threads);

/// Terms of patterns and queries of so many columns, all finite and of a magnitude of `largest` at most, are finite
/// too, and so are their sums.
void check_squares(double largest, Index columns);

/// There is a row of contents for each of `pattern_count` patterns.
void check_content_rows(MatrixView<const float> contents, Index pattern_count);

/// Layouts of patterns and of queries that come from them.
void check_fit_layout(MatrixView<const float> patterns, MatrixView<const float> queries);

/// Queries and the optional parts of a call fit a memory of `dimension`.
void check_call(const QueryView& queries, const RelaxCall& call, Index dimension);

/// All data of a call on the host.
void check_on_host(const QueryView& queries, const RelaxationView& results, const RelaxCall& call,
                   const PatternTerms& terms);

/// Results have the shapes of this call, are all produced by these options, overlap nothing, and their states can hold
/// whatever becomes of such queries.
void check_results(const RelaxationView& results, const QueryView& queries, const RelaxCall& call,
                   const RelaxerOptions& options, Index content_columns);

/// Footprints have `rows` rows of the patterns' columns, and overlap nothing.
void check_results(MatrixView<float> footprints, MatrixView<const float> patterns, MatrixView<const float> queries,
                   Index rows);

/// Results of a retrieval have a row for each query, as many columns as patterns can be asked for, and overlap nothing.
void check_results(const RetrievalView& results, const QueryView& queries, const PatternTerms& terms,
                   Index pattern_count);

}  // namespace attractor::detail
