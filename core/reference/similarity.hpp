#pragma once

/// The oracle of adaptive similarity, in double precision.

#include <span>
#include <vector>

#include <attractor/matrix.hpp>
#include <attractor/similarity.hpp>

namespace attractor::reference {

/// log Σ exp(values), of at least one.
double log_sum_exp(const std::vector<double>& values);

/// The ranked terms q̃ of a pattern and a state, in descending order; with several groups, their sums by rank.
std::vector<double> ranked_terms(FootprintBase base, std::span<const double> pattern, std::span<const double> state,
                                 Index groups = 1);

/// Their running sums.
std::vector<double> footprint(FootprintBase base, std::span<const double> pattern, std::span<const double> state);

/// s_μ for every pattern.
std::vector<double> adaptive_scores(const AdaptiveSimilarity& similarity, MatrixView<const double> patterns,
                                    std::span<const double> state);

/// Σ over queries of −log softmax(s)_origin; adds its derivatives to `gradient`, which has their shapes.
double cross_entropy(const AdaptiveSimilarity& similarity, MatrixView<const double> patterns,
                     MatrixView<const double> queries, std::span<const Index> origins, SimilarityGradient& gradient);

}  // namespace attractor::reference
