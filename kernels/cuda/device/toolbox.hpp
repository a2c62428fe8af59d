#pragma once

/// What the host needs to drive steps on one stream.

#include <array>
#include <cstddef>

#include "kernels/cuda/device/pool.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/engine/slots.hpp"

namespace attractor::cuda {

/// How many steps the host may be ahead of the device: enough to hide its own delay, few enough that little is done in
/// vain after the last query has halted.
inline constexpr std::size_t steps_ahead = 4;

struct Toolbox {
  Blas blas = make_blas();
  PinnedArray<QueryCounts> counts{steps_ahead, "query counts"};
  std::array<Event, steps_ahead> arrived = {make_event(), make_event(), make_event(), make_event()};

  [[nodiscard]] std::size_t bytes() const { return counts.bytes(); }
};

using ToolboxPool = Pool<Toolbox>;

}  // namespace attractor::cuda
