#pragma once

/// Which patterns are kept, whether for a lane or a block of lanes.

#include <hwy/aligned_allocator.h>

#include <algorithm>
#include <cstdint>
#include <new>

#include <attractor/matrix.hpp>

namespace attractor::cpu {

/// A list of patterns in the order in which they are stored; what it keeps of each is up to who derives from it.
class CandidatePatterns {
 public:
  void clear() { count_ = 0; }

  [[nodiscard]] Index count() const { return count_; }
  [[nodiscard]] Index pattern(Index i) const { return patterns_[static_cast<std::size_t>(i)]; }

  /// There are so many: the first ones of those that have been written.
  void resize(Index count) { count_ = count; }

  /// The first from `from` on whose pattern is at least `least`.
  [[nodiscard]] Index first_from(Index from, Index least) const {
    const std::int32_t* const begin = patterns_.get();
    return std::lower_bound(begin + from, begin + count_, least) - begin;
  }

 protected:
  /// Takes the memory of `most` of them. @throws std::bad_alloc
  explicit CandidatePatterns(Index most)
      : patterns_(hwy::AllocateAligned<std::int32_t>(static_cast<std::size_t>(most + 1))) {
    if (!patterns_) throw std::bad_alloc();
  }

  /// From the first on; one more than there may be, since candidates are written before they are counted.
  [[nodiscard]] std::int32_t* patterns() { return patterns_.get(); }

 private:
  hwy::AlignedFreeUniquePtr<std::int32_t[]> patterns_;
  Index count_ = 0;
};

}  // namespace attractor::cpu
