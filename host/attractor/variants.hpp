#pragma once

/// Variants: corrupted copies of patterns whose origins are known, to fit and to test retrieval with.

#include <cstdint>
#include <optional>
#include <vector>

#include <attractor/export.h>
#include <attractor/matrix.hpp>

namespace attractor {

/// How a variant x of a pattern ξ comes about (arXiv 2511.20609; what it leaves open was chosen such that its figures
/// come out). `s` is the severity, every n is standard normal.
enum class Variant : unsigned char {
  noisy,   ///< x = ξ + s·spread·n, n drawn for each entry
  masked,  ///< round(s·D) entries, chosen at random, are replaced by `mask_value` or, without one, by spread·n each
  biased,  ///< x = ξ + s·spread·n, one n for all entries
  mixed,   ///< all of them at once: a mask, then noise, then a bias
};

struct VariantOptions {
  Variant variant = Variant::mixed;
  float severity = 0.4F;                           ///< s ≥ 0, finite; for masked and mixed ones at most 1
  float spread = 1.0F;                             ///< ≥ 0, finite: the unit of noise, masks and bias
  std::optional<float> mask_value = std::nullopt;  ///< finite
  std::uint64_t seed = 1;
};

struct Variants {
  Matrix<float> queries;       ///< [count × D]
  std::vector<Index> origins;  ///< [count] the pattern that each comes from
};

/// `count` variants of patterns drawn uniformly at random. The same arguments give the same variants on every machine:
/// what is random in row i depends on the seed and i alone. Entries beyond the range of float are clamped to it.
///
/// @param patterns [P × D], finite, on the host.
/// @param count ≥ 0. @param options see VariantOptions.
/// @throws InvalidArgument null data, non-positive sizes, a value that isn't finite, a negative count, an option out of
///         range. @throws std::bad_alloc Complexity: O(count·D).
ATTRACTOR_EXPORT Variants make_variants(MatrixView<const float> patterns, Index count,
                                        const VariantOptions& options = {});

/// One variant of every pattern, in order: row i is of pattern i.
///
/// @return [P × D]
/// @throws InvalidArgument as `make_variants`. Complexity: O(PD).
ATTRACTOR_EXPORT Matrix<float> vary(MatrixView<const float> patterns, const VariantOptions& options = {});

}  // namespace attractor
