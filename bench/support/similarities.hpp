#pragma once

/// How well similarities name the pattern that a corrupted query comes from.

#include <vector>

#include <attractor/attractor.hpp>

namespace attractor::bench {

/// What one similarity makes of one set of queries.
struct Outcome {
  double accuracy = 0.0;  ///< share of queries whose most similar pattern is their origin, or has its very entries
  double error = 0.0;     ///< mean over queries of |y − ξ|²/D, y the readout of one step and ξ the origin
};

/// Of a softmax memory.
Outcome measure(const Memory& memory, const Variants& variants, int threads);

/// Of −|x − ξ|₁; its readout is the nearest pattern itself.
Outcome measure_manhattan(MatrixView<const float> patterns, const Variants& variants, int threads);

/// A memory of an unweighted base with the inverse temperature β.
Memory fixed_memory(const Device& device, MatrixView<const float> patterns, FootprintBase base, float beta);

/// A memory with this similarity from terms of this precision.
Memory rounded_memory(const Device& device, MatrixView<const float> patterns, AdaptiveSimilarity similarity,
                      TermPrecision precision);

/// The β of a grid of powers of two whose readouts have the smallest error on these variants.
float tuned_beta(const Device& device, MatrixView<const float> patterns, FootprintBase base, const Variants& variants,
                 int threads);

/// All similarities on one set of queries. The fixed ones have tuned β: their errors depend on it, their accuracy
/// doesn't.
struct Contest {
  Outcome dot;
  Outcome squared_distance;
  Outcome manhattan;
  Outcome adaptive;

  /// The better of dot and squared distance, by accuracy.
  [[nodiscard]] const Outcome& best_fixed() const;
  [[nodiscard]] double gain() const { return adaptive.accuracy - best_fixed().accuracy; }
};

/// `count` of the variants, from `first` on.
Variants rows_of(const Variants& variants, Index first, Index count);

/// What the fitted similarity and the tuned β come from. Its patterns may be some of those that are asked for.
struct Training {
  MatrixView<const float> patterns;
  Variants variants;
  AdaptiveSimilarity similarity;
};

Contest compete(const Device& device, MatrixView<const float> patterns, const Training& training,
                const Variants& variants, int threads);

}  // namespace attractor::bench
