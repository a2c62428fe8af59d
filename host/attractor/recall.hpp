#pragma once

/// One-step recall: what a memory reads out for a query as it is, without relaxing it.

#include <cstdint>
#include <vector>

#include <attractor/export.h>
#include <attractor/matrix.hpp>
#include <attractor/memory.hpp>
#include <attractor/query_view.hpp>

namespace attractor {

struct RecallOptions {
  /// Patterns that take part, and what is added to their scores: as in RelaxCall.
  MatrixView<const std::uint8_t> valid_patterns = {};
  MatrixView<const float> log_prior = {};
  int threads = 0;  ///< of the CPU, at most 1024; 0: see RelaxerOptions
};

/// Results, in the order of the queries.
struct Recall {
  /// [B × M] Cᵀp, the weights p being those of the query; NaN where that isn't finite. Weights and sums beyond the
  /// range of float aren't finite either, those below it are 0. Where the separation leaves no pattern a weight
  /// (epanechnikov) nothing is read out, and all are NaN. Sums over the patterns of an empty memory are 0.
  Matrix<float> contents;
  /// [B] the sum of the weights, Minerva 2's echo intensity; NaN and beyond the range of float as contents. Empty for
  /// memories whose weights are normalised, for their sum is 1.
  std::vector<float> intensity;
};

/// Reads contents out at every query, once. A memory without contents reads its patterns out, C = A and M = D: u with
/// the self-coupling that relaxing may leave out, and without thresholds.
///
///   memory                    contents                       intensity
///   hebbian                   CᵀAx/D, or with a rate and     Σ_μ a_μ·x/D, or with them
///                             decay Σ_μ ηλ^(P−1−μ) c_μ       Σ_μ ηλ^(P−1−μ) a_μ·x/D
///                             a_μ·x/D
///   hebbian, centred          Cᵀ(A − a)x/D, without          Σ_μ (a_μ − a)·x/D
///                             contents (A − a)ᵀ(A − a)x/D
///   projection                Cᵀ(AAᵀ/D + λI)⁻¹Ax/D           the sum of (AAᵀ/D + λI)⁻¹Ax/D
///   dense_associative         Cᵀf(h), h = Ax/D               Σ f(h)
///   minerva                   Cᵀh³, the echo's content       Σ h³, its intensity
///   others, weights that      pᵀC, cross-attention with
///   sum to 1                  values C                       none
///
/// Correlation-matrix memories of patterns of ±1 take the signs of their contents (Amari 1972, Nakano 1972). The bits
/// of a result depend on its query and the memory alone, as far as those of a relaxation do.
///
/// @param queries [B × D] of any format, on the host, as what the options say of patterns.
/// @param memory is read out. @param options see RecallOptions.
/// @throws InvalidArgument null data, other than D columns, a stride below D; valid patterns or log-priors that are
///         neither [1 × P] nor [B × P].
/// @throws NotSupported the memory is Storkey's or bidirectional, which have no weights of patterns; valid patterns or
///         log-priors were given and the weights aren't normalised; queries that aren't floats on a memory on a CUDA
///         device.
/// @throws DeviceError, OutOfDeviceMemory
/// Complexity: O(P(D + M)) for each query, O(DM) where the evaluation is dense. Extra memory doesn't depend on B.
ATTRACTOR_EXPORT Recall recall(const Memory& memory, const QueryView& queries, const RecallOptions& options = {});

}  // namespace attractor
