#pragma once

/// The patterns that a lane keeps for itself, where lanes are few.

#include <hwy/aligned_allocator.h>

#include <cstdint>
#include <new>

#include "kernels/cpu/engine/tile.hpp"
#include "kernels/cpu/softmax/candidate_patterns.hpp"

namespace attractor::cpu {

/// Patterns that could have weight in one lane, in the order in which they are stored, with their scores, which become
/// weights where they lie.
class LaneCandidates : public CandidatePatterns {
 public:
  /// Takes the memory of `most` of them. @throws std::bad_alloc
  explicit LaneCandidates(Index most)
      : CandidatePatterns(most), values_(hwy::AllocateAligned<float>(static_cast<std::size_t>(most + most_lanes))) {
    if (!values_) throw std::bad_alloc();
  }

  [[nodiscard]] float value(Index i) const { return values_[static_cast<std::size_t>(i)]; }
  /// From the first on; vectors may reach past the last.
  [[nodiscard]] float* values() { return values_.get(); }

  /// Adds those of `count` patterns from `first` on whose scores aren't below the least. There is no branch: which are
  /// is hard to foresee.
  void add(Index first, Index count, const float* scores, float least) {
    std::int32_t* const patterns = this->patterns();
    float* const values = values_.get();
    Index end = this->count();
    for (Index i = 0; i < count; ++i) {
      patterns[end] = static_cast<std::int32_t>(first + i);
      values[end] = scores[i];
      end += scores[i] < least ? 0 : 1;
    }
    resize(end);
  }

  /// Of those in [from, end), moves those for whose values keep() is true to `to`, not behind `from`, and on. Returns
  /// the end of what is kept.
  template <class Keep>
  Index move_kept(Index from, Index end, Index to, const Keep& keep) {
    std::int32_t* const patterns = this->patterns();
    float* const values = values_.get();
    for (Index i = from; i < end; ++i) {
      patterns[to] = patterns[i];
      values[to] = values[i];
      to += keep(values[i]) ? 1 : 0;
    }
    return to;
  }

 private:
  // More than there may be: candidates are written before they are counted, and values are read by vectors.
  hwy::AlignedFreeUniquePtr<float[]> values_;
};

}  // namespace attractor::cpu
