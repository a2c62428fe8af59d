#pragma once

/// What the host needs to drive steps on one stream.

#include <array>
#include <cstddef>
#include <optional>

#include "kernels/cuda/device/graph.hpp"
#include "kernels/cuda/device/pool.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/engine/job.hpp"
#include "kernels/cuda/engine/slots.hpp"

namespace attractor::cuda {

/// How many steps the host may be ahead of the device: enough to hide its own delay, few enough that little is done in
/// vain after the last query has halted.
inline constexpr std::size_t steps_ahead = 4;

/// All that a relaxation by a certain memory, as a graph, depends on.
struct LoopKey {
  Job job;
  void* block;        ///< its workspace,
  std::size_t bytes;  ///< and what is used of it

  [[nodiscard]] bool operator==(const LoopKey&) const = default;
};

/// Calls with the same key may be launched by the same graph: they share a workspace, so none begins before another has
/// ended.
struct Loop {
  std::optional<LoopKey> key;  ///< none: there is no graph
  ExecutableGraph graph;
};

struct Toolbox {
  PinnedArray<QueryCounts> counts{steps_ahead, "query counts"};
  std::array<Event, steps_ahead> arrived = {make_event(), make_event(), make_event(), make_event()};
  Stream whole = make_stream();  ///< graphs are captured on these: of a call,
  Stream parts = make_stream();  ///< and what its loops and branches execute
  Loop loop;                     ///< of the last call that was a graph

  [[nodiscard]] std::size_t bytes() const { return counts.bytes(); }
};

using ToolboxPool = Pool<Toolbox>;

}  // namespace attractor::cuda
