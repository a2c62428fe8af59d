#pragma once

/// What adaptive similarity needs beside relaxation: footprints, and the loss that its weights are fitted by.

#include <span>
#include <utility>
#include <vector>

#include <attractor/matrix.hpp>
#include <attractor/similarity.hpp>

#include "kernels/cpu/engine/field.hpp"

namespace attractor::cpu {

/// A memory with this similarity, which is valid.
AdaptiveField make_adaptive(PackedMatrix patterns, const AdaptiveSimilarity& similarity);

/// Stores more patterns behind those there are; its precision is full, and its patterns share their weights and have no
/// priors. @throws std::bad_alloc, with nothing changed
void append(AdaptiveField& field, MatrixView<const float> patterns);

/// Takes patterns out, which ascend; later ones move up. As for `append`.
void remove(AdaptiveField& field, std::span<const Index> patterns) noexcept;

/// Gives it other weights and priors of another similarity with as many groups. Its precision is full, and all scores
/// are made exactly from now on: a fit changes weights too often to look for those that matter.
void set_weights(AdaptiveField& field, const AdaptiveSimilarity& similarity);

/// Row i of `results`: the ranked terms of pairs[i], running sums if `cumulative`. Without pairs, of query i / P and
/// pattern i % P.
void footprints(FootprintBase base, bool cumulative, const PackedMatrix& patterns, MatrixView<const float> queries,
                std::span<const FootprintPair> pairs, MatrixView<float> results, int threads);

/// Σ over queries of −log softmax(s)_origin. Overwrites the parts of `gradient` (unless null) that aren't empty, which
/// have the shapes of the field's, with the derivatives by weights that include β, and by priors. The bits don't depend
/// on the number of threads.
double cross_entropy(const AdaptiveField& field, MatrixView<const float> queries, std::span<const Index> origins,
                     SimilarityGradient* gradient, int threads);

}  // namespace attractor::cpu
