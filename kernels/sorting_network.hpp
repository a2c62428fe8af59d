#pragma once

/// Sorting networks as lists of comparators, for every device: what a comparator does doesn't depend on the values, so
/// one vector sorts a list in each lane. A comparator leaves the value that comes first in order at `first`.

#include <bit>
#include <cstddef>
#include <cstdint>

namespace attractor::detail {

struct Comparator {
  std::uint8_t first;
  std::uint8_t second;
};

/// A plain array, which device code reads too.
template <std::size_t count>
struct Network {
  static constexpr std::size_t size = count;
  Comparator comparators[count];
};

/// Sorts 8: 19 comparators, the fewest there are (Knuth, The Art of Computer Programming 3, §5.3.4).
inline constexpr Network<19> sort_8 = {{{0, 2},
                                        {1, 3},
                                        {4, 6},
                                        {5, 7},
                                        {0, 4},
                                        {1, 5},
                                        {2, 6},
                                        {3, 7},
                                        {0, 1},
                                        {2, 3},
                                        {4, 5},
                                        {6, 7},
                                        {2, 4},
                                        {3, 5},
                                        {1, 4},
                                        {3, 6},
                                        {1, 2},
                                        {3, 4},
                                        {5, 6}}};

/// Sorts 16: 60 comparators, the fewest known (Green 1969; Knuth, ibid.).
inline constexpr Network<60> sort_16 = {
    {{0, 1},  {2, 3},  {4, 5},   {6, 7},   {8, 9},  {10, 11}, {12, 13}, {14, 15}, {0, 2},  {1, 3},   {4, 6},   {5, 7},
     {8, 10}, {9, 11}, {12, 14}, {13, 15}, {0, 4},  {1, 5},   {2, 6},   {3, 7},   {8, 12}, {9, 13},  {10, 14}, {11, 15},
     {0, 8},  {1, 9},  {2, 10},  {3, 11},  {4, 12}, {5, 13},  {6, 14},  {7, 15},  {5, 10}, {6, 9},   {3, 12},  {13, 14},
     {4, 8},  {7, 11}, {1, 2},   {1, 4},   {7, 13}, {2, 8},   {11, 14}, {2, 4},   {5, 6},  {9, 10},  {11, 13}, {3, 8},
     {7, 12}, {6, 8},  {10, 12}, {3, 5},   {7, 9},  {3, 4},   {5, 6},   {7, 8},   {9, 10}, {11, 12}, {6, 7},   {8, 9}}};

template <std::size_t n>
constexpr auto make_merge_start() {
  Network<(static_cast<std::size_t>(std::countr_zero(n)) - 1) * n / 2 + 1> network{};
  std::size_t count = 0;
  for (std::size_t k = n / 2; k >= 1; k /= 2)
    for (std::size_t from = k == n / 2 ? 0 : k; from + k < n; from += 2 * k)
      for (std::size_t i = from; i < from + k; ++i)
        network.comparators[count++] = {static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i + k)};
  return network;
}

/// Batcher's odd-even merge of the two sorted halves of n values (Knuth, §5.2.2, algorithm M): n/2 apart, then n/4, and
/// so on. Also the first log₂ n layers of the merge of longer lists, on n rows that lie evenly spread over them.
template <std::size_t n>
inline constexpr auto merge_start = make_merge_start<n>();

/// Rows that a step of merge_window needs of the step before.
template <std::size_t n>
inline constexpr std::size_t merge_carry = n / 2 - 1;

template <std::size_t n>
constexpr auto make_merge_window() {
  Network<static_cast<std::size_t>(std::countr_zero(n)) * n / 2> network{};
  std::size_t count = 0;
  // Row i of the window is row i + 1 of the merge.
  for (std::size_t k = n / 2; k >= 1; k /= 2)
    for (std::size_t from = k; from < n; from += 2 * k)
      for (std::size_t i = from; i < from + k; ++i)
        network.comparators[count++] = {static_cast<std::uint8_t>(i - 1), static_cast<std::uint8_t>(i + k - 1)};
  return network;
}

/// Any later log₂ n layers of the merge, one step of n rows: takes the rows of the last step that aren't done yet,
/// merge_carry<n> of them, and n new ones; the first n rows are done then.
template <std::size_t n>
inline constexpr auto merge_window = make_merge_window<n>();

}  // namespace attractor::detail
