#pragma once

/// Several memories side by side: each relaxes columns of its own of every query.

#include <cstdint>
#include <span>
#include <vector>

#include <attractor/export.h>
#include <attractor/matrix.hpp>
#include <attractor/memory.hpp>
#include <attractor/relaxer.hpp>

namespace attractor {

/// Results of a call, in the order of the queries; those of each head are as if it had been called alone.
struct HeadsRelaxation {
  Matrix<float> states;        ///< [B × ΣD_h]
  Matrix<std::int32_t> steps;  ///< [H × B] updates applied
  Matrix<float> energies;      ///< [H × B] of the returned states, NaN of heads that have none
  Matrix<Status> status;       ///< [H × B]
  Matrix<float> contents;      ///< [B × ΣM_h]; no columns of heads that are auto-associative
};

/// H relaxers over groups of columns, each query halting in each of them by itself. With modern Hopfield memories,
/// their readout update and one step this is multi-head attention without its projections (Vaswani et al. 2017;
/// Ramsauer et al. 2020): patterns are keys, contents values, queries queries, β = 1/√D_h. `valid_patterns` and
/// `log_prior` of a call are then its mask and bias, the same for all heads.
class ATTRACTOR_EXPORT Heads {
 public:
  /// @throws InvalidArgument there are none, or one is to keep energy traces.
  explicit Heads(std::vector<Relaxer> heads);

  /// Modern Hopfield memories of equal groups of columns, as many as there are betas.
  ///
  /// @param patterns [P × HD] on the host or, for a CUDA device, on that; finite, copied.
  /// @param device holds the memories. @param betas [H] inverse temperature of each head.
  /// @param options of all heads; `beta` itself has no meaning here; contents are [P × HM].
  /// @param relaxation how each head relaxes.
  /// @throws InvalidArgument as Memory::modern_hopfield, no betas, or columns that H doesn't divide.
  static Heads modern_hopfield(const Device& device, MatrixView<const float> patterns, std::span<const float> betas,
                               const ModernHopfieldOptions& options = {}, const RelaxerOptions& relaxation = {});

  /// Relaxes every row of `queries` [B × ΣD_h], head after head. Clamped neurons are [B × ΣD_h]; what a call says of
  /// patterns holds for all heads, whose pattern counts must then be the same, and so do betas. Progress counts each
  /// query once a head.
  ///
  /// @throws as Relaxer::relax; InvalidArgument also for bits of which a head's first column isn't a byte's first bit.
  /// Complexity: that of the heads' own calls; queries and results aren't copied.
  [[nodiscard]] HeadsRelaxation relax(const QueryView& queries, const RelaxCall& call = {}) const;

  [[nodiscard]] const std::vector<Relaxer>& relaxers() const { return heads_; }
  [[nodiscard]] Index dimension() const;        ///< ΣD_h
  [[nodiscard]] Index content_columns() const;  ///< ΣM_h

 private:
  std::vector<Relaxer> heads_;
};

}  // namespace attractor
