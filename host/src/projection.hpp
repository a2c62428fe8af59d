#pragma once

/// The projection rule: with LLᵀ the Cholesky factorisation of AAᵀ/D + ridge·I it makes F = L⁻¹A/√D, for which FᵀF =
/// Aᵀ(AAᵀ/D + ridge·I)⁻¹A/D, and so for contents in the place of the left A. A row of L and of F follows from the rows
/// before: more patterns leave them as they are.

#include <vector>

#include <attractor/matrix.hpp>

namespace attractor::detail {

struct ProjectionFactors {
  Matrix<float> factor;          ///< F [P × D]
  Matrix<float> contents;        ///< L⁻¹C/√D [P × M]; empty: there are none
  std::vector<float> intensity;  ///< [P] the same for contents of 1
};

class Projection {
 public:
  [[nodiscard]] Index count() const { return static_cast<Index>(solved_ones_.size()); }

  /// What the rule makes of `more` patterns and their contents after the `stored` ones, for which this has been called
  /// before with the same ridge.
  ///
  /// @throws DependentPatterns a pivot falls below 1e-8 of its pattern's squared norm: to that accuracy the pattern is
  /// a combination of those before it. @throws std::bad_alloc. Then only `truncate` leads back to what there was.
  /// Complexity: O(QP(D + M) + QP²) in double precision for Q more that make P.
  ProjectionFactors add(MatrixView<const float> stored, MatrixView<const float> more, MatrixView<const float> contents,
                        float ridge);

  /// As if no more patterns had come than these first ones.
  void truncate(Index count) noexcept;

 private:
  double* lower(Index i) { return lower_.data() + i * (i + 1) / 2; }
  void resize(Index count);
  void factorise(Index first, Index end);

  Index columns_ = 0;
  Index content_columns_ = 0;
  std::vector<double> lower_ = {};            ///< L, its rows one after another without what is above the diagonal
  std::vector<double> solved_ = {};           ///< L⁻¹A [P × D]
  std::vector<double> solved_contents_ = {};  ///< L⁻¹C [P × M]
  std::vector<double> solved_ones_ = {};      ///< [P] L⁻¹ times ones
};

}  // namespace attractor::detail
