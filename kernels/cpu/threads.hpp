#pragma once

#include <omp.h>

#include <algorithm>

#include "kernels/cpu/tile.hpp"

namespace attractor::cpu {

/// As many threads as are asked for, 0 for as many as OpenMP would use, and can fill a block of lanes.
inline int useful_threads(int asked, Index queries) {
  const Index limit = asked > 0 ? asked : omp_get_max_threads();
  return static_cast<int>(std::clamp<Index>((queries + least_lanes - 1) / least_lanes, 1, limit));
}

}  // namespace attractor::cpu
