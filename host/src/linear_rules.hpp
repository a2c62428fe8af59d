#pragma once

/// The learning rules of linear memories. All but Storkey's give a factor F and a scale with W = scale·FᵀF.

#include <vector>

#include <attractor/matrix.hpp>

#include "host/src/form.hpp"

namespace attractor::detail {

/// The sum of each row.
std::vector<double> row_sums(MatrixView<const float> matrix);

/// The mean of all entries of rows with these sums.
double mean_entry(const std::vector<double>& row_sums, Index columns);

/// The matrix less one value.
Matrix<float> less_value(MatrixView<const float> matrix, double value);

/// What rows of a factor are multiplied by, √(decay^(P − 1 − μ)), so that FᵀF fades with each pattern that follows.
std::vector<double> fading(Index rows, float decay);

/// The matrix with its rows times these factors.
Matrix<float> scaled_rows(MatrixView<const float> matrix, const std::vector<double>& factors);

/// ξᵀη between the layers of pairs [ξ | η], `first` and all other neurons, summed over the pairs [D × D].
Matrix<float> bidirectional_weights(MatrixView<const float> pairs, Index first);

/// The largest magnitude of entries that are all integers; infinite where one isn't.
double largest_integer(MatrixView<const float> matrix);

/// Adds Σ_μ F_μi² [D], in the order of the patterns.
void add_squares(MatrixView<const float> factor, std::vector<double>& sums);

/// What is taken out of FᵀF to clear its diagonal [D]: zeros with `self_coupling`. The factor may be on a device.
std::vector<float> removed_diagonal(const PointwiseForm& form);

/// The smallest fields that can be told from 0 in units of u = scale·FᵀFx, for states of at most 1 [D], see
/// core/attractor/update.hpp. Complexity: O(PD).
std::vector<float> field_resolution(MatrixView<const float> factor, float scale);

/// The same of weights that are FᵀF [D × D] but for their diagonal, and FᵀF's diagonal. Complexity: O(D²).
std::vector<float> field_resolution(MatrixView<const float> weights, const std::vector<double>& diagonal, float scale);

/// That of a form with a factor of its own, which may be on a device, or weights, found where it has none.
std::vector<float> resolution_of(const PointwiseForm& form);

/// The same for weights that have no factor [D], in units of scale·Wx: by Cauchy and Schwarz |W_i x| is at most
/// |W_i| √D max|x|.
std::vector<float> weight_resolution(MatrixView<const float> weights, float scale);

/// The weights of a dense linear memory [D × D], without its scale.
Matrix<float> weights(const PointwiseForm& form);

/// What a dense linear memory keeps to read out at states that stay; each may be empty.
struct DenseReadout {
  Matrix<float> contents;        ///< CᵀF [M × D]
  std::vector<float> intensity;  ///< intensityᵀF [D], for the sum of its patterns' weights
  std::vector<float> diagonal;   ///< [D] where there are no contents: what its weights lack of FᵀF
};

/// Of one that weighs no patterns, nothing.
DenseReadout dense_readout(const PointwiseForm& form);

}  // namespace attractor::detail
