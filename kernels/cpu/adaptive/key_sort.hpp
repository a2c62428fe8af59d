#pragma once

/// Sorts floats and tells where they were.

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include <attractor/matrix.hpp>

namespace attractor::cpu {

/// By digits of 8 bits, the last one first (Knuth, The Art of Computer Programming 3, §5.2.5, algorithm R): O(n). One
/// object per thread.
class KeySorter {
 public:
  /// For up to `most` values, 65,536 at most.
  explicit KeySorter(Index most) : keys_(static_cast<std::size_t>(most)), others_(static_cast<std::size_t>(most)) {}

  /// Sorts values, none of which is NaN, ascending; order[i] is where the i-th was before.
  void sort(float* values, Index count, std::uint16_t* order);

 private:
  /// A value as an integer of the same order, and its place below it.
  using Key = std::uint64_t;
  static constexpr std::size_t digits = 4;
  using Counts = std::array<std::array<std::uint32_t, 256>, digits>;

  static std::size_t digit(Key key, std::size_t which) { return key >> (32 + 8 * which) & 255U; }

  /// Moves the keys to where a digit has them. Keys that all have the same one stay.
  void move(std::size_t count, std::size_t which, std::array<std::uint32_t, 256>& counts);

  std::vector<Key> keys_;
  std::vector<Key> others_;
};

}  // namespace attractor::cpu
