#pragma once

/// Work on rows that threads share, for what is made once.

#include <algorithm>

#include <attractor/matrix.hpp>

#include "kernels/cpu/engine/threads.hpp"

namespace attractor::detail {

/// Calls work(i) for rows [first, end), on threads where the rows' `products` multiply-adds each are worth it.
template <class Work>
void for_rows(Index first, Index end, Index products, const Work& work) {
  constexpr Index least_work = 1 << 15;  // Multiply-adds that are worth a thread: less takes no longer than waking it.
  constexpr Index chunk = 8;
  const Index rows = end - first;
  const int team = cpu::team_size(0, std::min(rows, rows * products / least_work), 1);
  cpu::run_chunks(team, rows, chunk, [&](int /*share*/, Index from, Index to) {
    for (Index i = first + from; i < first + to; ++i) work(i);
  });
}

}  // namespace attractor::detail
