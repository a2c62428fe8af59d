#pragma once

/// What hard retrieval asks of a normalised memory. One object per thread.

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/cpu/engine/field.hpp"
#include "kernels/cpu/engine/tile.hpp"

namespace attractor::cpu {

/// How many patterns are asked for, and how many lanes ask at most.
struct RankingSize {
  Index ranks;
  Index lanes;
  bool posteriors = true;  ///< whether more than which patterns they are is asked for
  int shares = 1;          ///< threads that share the patterns
};

/// The best patterns of every lane, [lanes × count].
struct LaneRanking {
  explicit LaneRanking(const RankingSize& size)
      : count(size.ranks),
        pattern(static_cast<std::size_t>(size.lanes * size.ranks)),
        posterior(static_cast<std::size_t>(size.lanes * size.ranks)) {}

  void set(Index lane, Index rank, std::int32_t its_pattern, float its_posterior) {
    pattern[static_cast<std::size_t>(lane * count + rank)] = its_pattern;
    posterior[static_cast<std::size_t>(lane * count + rank)] = its_posterior;
  }

  Index count;
  std::vector<std::int32_t> pattern;
  std::vector<float> posterior;  ///< their weights, or anything finite where these aren't asked for; NaN where a score
                                 ///< is none, the largest isn't finite, or none is left
};

class RetrievalKernel {
 public:
  RetrievalKernel() = default;
  RetrievalKernel(const RetrievalKernel&) = delete;
  RetrievalKernel& operator=(const RetrievalKernel&) = delete;
  RetrievalKernel(RetrievalKernel&&) = delete;
  RetrievalKernel& operator=(RetrievalKernel&&) = delete;
  virtual ~RetrievalKernel() = default;

  /// Of the tile's states; lanes past `tile.lanes` hold anything.
  virtual const LaneRanking& retrieve(const Tile& tile) = 0;
};

std::unique_ptr<RetrievalKernel> make_retrieval_kernel(const EmptyField& field, const RankingSize& size);
std::unique_ptr<RetrievalKernel> make_retrieval_kernel(const SoftmaxField& field, const RankingSize& size);
std::unique_ptr<RetrievalKernel> make_retrieval_kernel(const AdaptiveField& field, const RankingSize& size);

}  // namespace attractor::cpu
