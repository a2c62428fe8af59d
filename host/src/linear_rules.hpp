#pragma once

/// The learning rules of linear memories. Every rule gives a factor F and a scale with W = scale·FᵀF.

#include <vector>

#include <attractor/matrix.hpp>

namespace attractor::detail {

/// The patterns less the mean of all their entries.
Matrix<float> centred_factor(MatrixView<const float> patterns);

/// F [P × D] with FᵀF = Aᵀ(AAᵀ/D + ridge·I)⁻¹A/D: F = L⁻¹A/√D, LLᵀ the Cholesky factorisation of the Gram matrix.
///
/// @throws DependentPatterns a pivot falls below 1e-8 of its pattern's squared norm: to that accuracy the pattern is a
///         combination of those before it.
Matrix<float> projection_factor(MatrixView<const float> patterns, float ridge);

/// What is taken out of FᵀF to clear its diagonal [D]: zeros with `self_coupling`.
std::vector<float> removed_diagonal(MatrixView<const float> factor, bool self_coupling);

/// The smallest fields that can be told from 0 in units of u = scale·FᵀFx, for states of at most 1 [D], see
/// core/attractor/update.hpp. Complexity: O(PD).
std::vector<float> field_resolution(MatrixView<const float> factor, float scale);

/// FᵀF [D × D], its diagonal zero unless `self_coupling`.
Matrix<float> weights(MatrixView<const float> factor, bool self_coupling);

}  // namespace attractor::detail
