#pragma once

/// Corrupted copies of stored patterns: what is asked of a memory, and what it should answer.

#include <optional>
#include <random>
#include <string>
#include <vector>

#include <attractor/matrix.hpp>

namespace attractor::bench {

using Random = std::mt19937_64;

struct QuerySet {
  std::string corruption;                   ///< "flip", "block", "noise" or "mixed"
  std::optional<double> level;              ///< of one corruption, in its own unit
  Matrix<float> queries;                    ///< [B × D]
  std::vector<Index> targets;               ///< [B] the pattern each query is a copy of
  [[nodiscard]] std::string title() const;  ///< for people: "flip 5 %", "block 8×8", "noise 1.5", "mixed"
};

/// [count × dimension] independent, fair ±1.
Matrix<float> random_patterns(Index count, Index dimension, Random& random);

/// Copies of patterns drawn at random, the nearest whole number of pixels to `share` of them negated. Level: per cent.
QuerySet flipped_queries(MatrixView<const float> patterns, Index count, double share, Random& random);

/// Copies of glyphs drawn at random, a square of `side` pixels somewhere in each turned to paper. Level: per cent of
/// the glyph's pixels.
QuerySet occluded_queries(MatrixView<const float> glyphs, Index count, Index side, Random& random);

/// tanh(ξ + σ·noise) with standard normal noise, of patterns drawn at random. Level: σ.
QuerySet noisy_queries(MatrixView<const float> patterns, Index count, double sigma, Random& random);

/// All queries of these sets in random order.
QuerySet mixed_queries(const std::vector<QuerySet>& sets, Random& random);

}  // namespace attractor::bench
