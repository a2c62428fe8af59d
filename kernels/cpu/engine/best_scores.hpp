#pragma once

/// The largest scores of every lane of a tile.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "kernels/cpu/engine/retrieval_kernel.hpp"
#include "kernels/cpu/engine/tile.hpp"

namespace attractor::cpu {

struct PatternScore {
  std::int32_t pattern;
  float score;
};

/// Keeps as many of them as there are ranks for each of the lanes, those stored first of equal ones. Patterns come in
/// order.
class BestScores {
 public:
  /// None where but one is asked for, which needs no collection.
  explicit BestScores(const RankingSize& size)
      : count_(size.ranks > 1 ? static_cast<std::size_t>(size.ranks) : 0),
        lanes_(static_cast<std::size_t>(size.lanes)) {
    for (std::vector<PatternScore>& lane : lanes_) lane.reserve(count_);
  }

  /// Of the first `lanes` lanes; others want nothing.
  void start(Index lanes) {
    for (std::vector<PatternScore>& lane : lanes_) lane.clear();
    least_.fill(std::numeric_limits<float>::infinity());
    std::fill_n(least_.begin(), lanes, -std::numeric_limits<float>::infinity());
  }

  /// What a score must be above to be kept.
  [[nodiscard]] const float* least() const { return least_.data(); }

  /// O(log count). The score is above the least of its lane.
  void add(Index lane, Index pattern, float score) {
    std::vector<PatternScore>& kept = lanes_[static_cast<std::size_t>(lane)];
    if (kept.size() == count_) {
      std::pop_heap(kept.begin(), kept.end(), is_better);
      kept.pop_back();
    }
    kept.push_back({static_cast<std::int32_t>(pattern), score});
    std::push_heap(kept.begin(), kept.end(), is_better);
    if (kept.size() == count_) least_[static_cast<std::size_t>(lane)] = kept.front().score;
  }

  /// Adds another's, of later patterns.
  void add(const BestScores& later) {
    for (std::size_t lane = 0; lane < lanes_.size(); ++lane)
      for (const PatternScore& own : later.lanes_[lane])
        if (lanes_[lane].size() < count_ || is_better(own, lanes_[lane].front()))
          add(static_cast<Index>(lane), own.pattern, own.score);
  }

  /// The best first. Ends the lane's collection.
  std::span<const PatternScore> sort(Index lane) {
    std::vector<PatternScore>& kept = lanes_[static_cast<std::size_t>(lane)];
    std::sort_heap(kept.begin(), kept.end(), is_better);
    return kept;
  }

 private:
  static bool is_better(const PatternScore& a, const PatternScore& b) {
    return a.score > b.score || (a.score == b.score && a.pattern < b.pattern);
  }

  std::size_t count_;
  std::vector<std::vector<PatternScore>> lanes_;  ///< heaps, the worst on top
  LaneArray<float> least_{};
};

}  // namespace attractor::cpu
