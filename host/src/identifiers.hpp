#pragma once

/// What patterns go by, whatever becomes of others: numbers in the order of their coming, none given twice.

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <attractor/matrix_view.hpp>

namespace attractor::detail {

/// The identifiers of a memory's patterns, which ascend. Until a pattern goes they are the indices, and take no space.
class Identifiers {
 public:
  explicit Identifiers(Index count) : count_(count), next_(count) {}
  /// @param listed ascends, and is below `next`
  Identifiers(std::vector<Index> listed, Index next)
      : listed_(std::move(listed)), count_(static_cast<Index>(listed_.size())), next_(next) {}

  [[nodiscard]] Index operator[](Index index) const {
    return are_indices() ? index : listed_[static_cast<std::size_t>(index)];
  }

  /// The place of the pattern that goes by this one; −1 where there is none.
  [[nodiscard]] Index index_of(Index identifier) const {
    if (are_indices()) return identifier >= 0 && identifier < count_ ? identifier : -1;
    const auto found = std::lower_bound(listed_.begin(), listed_.end(), identifier);
    return found != listed_.end() && *found == identifier ? static_cast<Index>(found - listed_.begin()) : -1;
  }

  /// What the next pattern will go by.
  [[nodiscard]] Index next() const { return next_; }
  [[nodiscard]] bool are_indices() const { return count_ == next_; }

  /// So that neither `append` of so many nor `remove` needs memory. @throws std::bad_alloc
  void make_room(Index count) {
    const auto needed = static_cast<std::size_t>(count_ + count);
    if (listed_.capacity() < needed) listed_.reserve(std::max(needed, 2 * listed_.size()));
  }

  /// After `make_room`.
  void append(Index count) noexcept {
    if (!are_indices())
      for (Index i = 0; i < count; ++i) listed_.push_back(next_ + i);
    count_ += count;
    next_ += count;
  }

  /// Takes out those of these indices, which ascend; after `make_room`.
  void remove(std::span<const Index> indices) noexcept {
    if (indices.empty()) return;
    if (are_indices()) {
      listed_.resize(static_cast<std::size_t>(count_));
      std::iota(listed_.begin(), listed_.end(), Index{0});
    }
    auto kept = listed_.begin();
    auto gone = indices.begin();
    for (Index i = 0; i < count_; ++i)
      if (gone != indices.end() && *gone == i)
        ++gone;
      else
        *kept++ = listed_[static_cast<std::size_t>(i)];
    listed_.erase(kept, listed_.end());
    count_ = static_cast<Index>(listed_.size());
  }

 private:
  std::vector<Index> listed_;  ///< empty while they are the indices
  Index count_;
  Index next_;
};

}  // namespace attractor::detail
