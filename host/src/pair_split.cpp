#include "host/src/pair_split.hpp"

#include <algorithm>
#include <cmath>

#include "host/src/philox.hpp"

namespace attractor::detail {
namespace {

/// Sequence 0 of a seed samples pairs.
constexpr std::uint64_t split_sequence = 1;

}  // namespace

PairSplit split_pairs(Index count, double share, std::uint64_t seed) {
  const Index asked = std::llround(share * static_cast<double>(count));
  const Index held_out = std::min(asked, count - 1);
  PairSplit split;
  split.fitted.reserve(static_cast<std::size_t>(count - held_out));
  split.held_out.reserve(static_cast<std::size_t>(held_out));
  RandomSequence random(seed, split_sequence);
  for (Index i = 0; i < count; ++i) {
    // Selection sampling, as in masking.
    const bool choose = random.below(count - i) < held_out - static_cast<Index>(split.held_out.size());
    (choose ? split.held_out : split.fitted).push_back(i);
  }
  return split;
}

}  // namespace attractor::detail
