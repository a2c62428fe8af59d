#pragma once

/// The learning rules of linear memories. Every rule gives a factor F and a scale with W = scale·FᵀF.

#include <attractor/matrix.hpp>

#include "kernels/cpu/field.hpp"

namespace attractor::detail {

/// F [P × D] with FᵀF = Aᵀ(AAᵀ/D + ridge·I)⁻¹A/D: F = L⁻¹A/√D, LLᵀ the Cholesky factorisation of the Gram matrix.
///
/// @throws DependentPatterns a pivot falls below 1e-8 of its pattern's squared norm: to that accuracy the pattern is a
///         combination of those before it.
Matrix<float> projection_factor(MatrixView<const float> patterns, float ridge);

/// The factored form of W = scale·FᵀF, its diagonal zero unless `self_coupling`.
cpu::FactoredField factored_field(MatrixView<const float> factor, float scale, bool self_coupling);

/// The dense form of the same.
cpu::DenseField dense_field(MatrixView<const float> factor, float scale, bool self_coupling);

}  // namespace attractor::detail
