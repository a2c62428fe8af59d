#pragma once

/// What memories with normalised weights give for states that stay where they are: contents, or the most likely
/// patterns.

#include <attractor/matrix.hpp>

#include "kernels/cpu/engine/field.hpp"
#include "kernels/pattern_terms.hpp"

namespace attractor::cpu {

/// contents_i = pᵀC for every row. The weights of the memory are normalised.
void recall(const Field& field, const PackedMatrix& contents, MatrixView<const float> states,
            const detail::PatternTerms& terms, MatrixView<float> readouts, int threads);

/// The patterns with the largest scores of every row, as many as `patterns` and `posteriors` have columns, and their
/// weights; −1 and NaN where a row isn't finite or no more patterns have a score. The weights of the memory are
/// normalised.
void retrieve(const Field& field, MatrixView<const float> states, const detail::PatternTerms& terms,
              MatrixView<Index> patterns, MatrixView<float> posteriors, int threads);

}  // namespace attractor::cpu
