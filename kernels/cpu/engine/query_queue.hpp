#pragma once

/// The queries still waiting, shared by the threads of one call.

#include <algorithm>
#include <atomic>

#include <attractor/matrix.hpp>

namespace attractor::cpu {

/// Hands out each query once.
class QueryQueue {
 public:
  QueryQueue(Index total, Index threads) : total_(total), chunk_(std::clamp<Index>(total / (threads * 8), 1, 64)) {}

  /// Queries [first, end) for the calling thread; empty when none are left.
  struct Chunk {
    Index first = 0;
    Index end = 0;
    [[nodiscard]] bool empty() const { return first == end; }
  };
  Chunk take() {
    const Index first = std::min(next_.fetch_add(chunk_, std::memory_order_relaxed), total_);
    return {first, std::min(first + chunk_, total_)};
  }

  /// Queries that were handed out: the first so many.
  [[nodiscard]] Index taken() const { return std::min(next_.load(std::memory_order_relaxed), total_); }

 private:
  Index total_;
  Index chunk_;  ///< small enough that threads finish together, large enough that the counter is rarely touched
  std::atomic<Index> next_ = 0;
};

}  // namespace attractor::cpu
