#pragma once

/// What memories that read patterns out take from them beside the patterns.

#include <vector>

#include <attractor/matrix.hpp>
#include <attractor/memory.hpp>
#include <attractor/separation.hpp>

#include "host/src/pattern_statistics.hpp"

namespace attractor::detail {

/// In double: squares leave the range of float.
double squared_norm(const float* values, std::size_t count);

/// Whether the entries of some column are far from 0: at least twice their spread in magnitude, so that differences of
/// them are exact.
bool has_centre(const PatternStatistics& statistics);

/// Σ_μ a_μi [D], in the order of the patterns.
std::vector<double> column_sums(MatrixView<const float> matrix);

/// The means [D] of those columns, from the sums of all; 0 for the others, whose entries stay as exact as they are.
/// Scores of patterns less this differ by what is common to all of them.
std::vector<float> centre_of(const PatternStatistics& statistics, const std::vector<double>& sums);

/// Each row less `centre`.
Matrix<float> less_centre(MatrixView<const float> patterns, const std::vector<float>& centre);

/// ½ max‖a‖² − ½‖centre‖².
double norm_offset(const PatternStatistics& patterns, const std::vector<float>& centre);

/// Whether weights go by scores as they are: nothing that all patterns have in common may be left out of them.
bool takes_absolute_scores(const NormalisedSeparation& separation);

/// What makes products or distances scores: see SoftmaxForm.
struct ScoreTerms {
  std::vector<float> scale = {};      ///< [P] or empty: β
  std::vector<float> offset = {};     ///< [P] or empty: 0; what grows with β, less `common_offset`
  std::vector<float> log_prior = {};  ///< [P] or empty: 0; less `common_log_prior`
  double common_offset = 0.0;         ///< of the pattern for which both together are largest
  double common_log_prior = 0.0;
};

/// ‖a‖² of each pattern.
std::vector<double> squared_norms(MatrixView<const float> patterns);

/// Whether the terms of scores take those of patterns.
bool takes_norms(const ModernHopfieldOptions& rule);

/// Of patterns with these ‖a‖² where it takes them: all or, where the rule has no priors, some or none of those that
/// the statistics are of.
ScoreTerms score_terms(const ModernHopfieldOptions& rule, const PatternStatistics& statistics,
                       const std::vector<double>& squares, const std::vector<float>& centre);

/// −½β [P] of squared distances, else nothing.
std::vector<float> distance_scales(const ModernHopfieldOptions& rule, Index pattern_count);

/// Ω* of so many scores of 0.
double potential_of_zeros(const NormalisedSeparation& separation, Index count);

/// The smallest readouts of these patterns under weights that add up to 1 that can be told from 0 [D], see
/// core/attractor/update.hpp. Weights that are powers of scores err by `order` times as much.
std::vector<float> readout_resolution(const PatternStatistics& patterns, int order = 1);

}  // namespace attractor::detail
