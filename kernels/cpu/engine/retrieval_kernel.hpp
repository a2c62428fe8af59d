#pragma once

/// What hard retrieval asks of a normalised memory. One object per thread.

#include <cstdint>
#include <memory>

#include "kernels/cpu/engine/field.hpp"
#include "kernels/cpu/engine/tile.hpp"

namespace attractor::cpu {

/// The best pattern of every lane.
struct LaneWinners {
  LaneArray<std::int32_t> pattern{};
  LaneArray<float> posterior{};  ///< its weight; NaN where a score is none, or the largest isn't finite
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
  virtual const LaneWinners& retrieve(const Tile& tile) = 0;
};

std::unique_ptr<RetrievalKernel> make_retrieval_kernel(const SoftmaxField& field);
std::unique_ptr<RetrievalKernel> make_retrieval_kernel(const AdaptiveField& field);

}  // namespace attractor::cpu
