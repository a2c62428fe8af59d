#include "host/src/pair_split.hpp"

#include <algorithm>
#include <cmath>

#include "host/src/philox.hpp"

namespace attractor::detail {
namespace {

/// Sequence 0 of a seed samples pairs.
constexpr std::uint64_t split_sequence = 1;

Pairs allocate(Index count, Index dimension) {
  return {Matrix<float>(count, dimension), std::vector<Index>(static_cast<std::size_t>(count))};
}

}  // namespace

PairSplit split_pairs(MatrixView<const float> queries, std::span<const Index> origins, double share,
                      std::uint64_t seed) {
  const Index asked = std::llround(share * static_cast<double>(queries.rows));
  const Index held_out = std::min(asked, queries.rows - 1);
  PairSplit split{allocate(queries.rows - held_out, queries.columns), allocate(held_out, queries.columns)};
  RandomSequence random(seed, split_sequence);
  Index chosen = 0;
  for (Index i = 0; i < queries.rows; ++i) {
    // Selection sampling, as in masking.
    const bool choose = random.below(queries.rows - i) < held_out - chosen;
    Pairs& part = choose ? split.held_out : split.fitted;
    const Index place = choose ? chosen++ : i - chosen;
    std::copy_n(queries.row(i), queries.columns, part.queries.row(place));
    part.origins[static_cast<std::size_t>(place)] = origins[static_cast<std::size_t>(i)];
  }
  return split;
}

}  // namespace attractor::detail
