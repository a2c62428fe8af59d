#pragma once

/// What linear memories need to know of a factor F [P × D] that lies on the current device and is complete. Each
/// returns when it has its answer, whose bits are those that the host finds.

#include <vector>

#include <attractor/matrix_view.hpp>

namespace attractor::cuda {

/// The largest magnitude of entries that are all integers; infinite where one isn't. Entries are finite.
float largest_integer(MatrixView<const float> factor);

/// Σ_μ F_μi² [D], in the order of the patterns.
std::vector<double> squared_columns(MatrixView<const float> factor);

/// Fᵀw [D] in double, in the order of the patterns.
std::vector<double> weighted_sum(MatrixView<const float> factor, const std::vector<double>& weights);

/// FᵀFx [D] in double: scores of every sixteenth entry by itself, then of these; their readout in the order of the
/// patterns.
std::vector<double> gram_product(MatrixView<const float> factor, const std::vector<double>& x);

}  // namespace attractor::cuda
