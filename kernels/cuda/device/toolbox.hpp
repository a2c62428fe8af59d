#pragma once

/// What the host needs to drive steps on one stream.

#include <array>
#include <cstddef>
#include <optional>
#include <span>

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
  cublasMath_t mode;

  [[nodiscard]] bool operator==(const LoopKey&) const = default;
};

/// Calls with the same key may be launched by the same graph: they share a workspace, so none begins before another has
/// ended.
struct Loop {
  std::optional<LoopKey> key;  ///< none: there is no graph
  ExecutableGraph graph;
};

struct Toolbox {
  Blas blas;  ///< made for the first product
  PinnedArray<QueryCounts> counts{steps_ahead, "query counts"};
  std::array<Event, steps_ahead> arrived = {make_event(), make_event(), make_event(), make_event()};
  Stream whole = make_stream();  ///< graphs are captured on these: of a call,
  Stream parts = make_stream();  ///< and what its loops and branches execute
  Loop loop;                     ///< of the last call that was a graph

  [[nodiscard]] std::size_t bytes() const { return counts.bytes(); }
};

using ToolboxPool = Pool<Toolbox>;

/// The products of a call, on its stream. cuBLAS is loaded and asked for nothing before there is one.
class Multiplier {
 public:
  /// @param scratch cuBLAS's own, which it may not take itself where products are captured in a graph.
  Multiplier(Toolbox& tools, cublasMath_t mode, std::span<std::byte> scratch, cudaStream_t stream)
      : tools_(tools), mode_(mode), scratch_(scratch), stream_(stream) {}

  [[nodiscard]] cublasHandle_t blas() {
    if (is_ready_) return tools_.blas.get();
    if (tools_.blas.get() == nullptr) tools_.blas = make_blas();
    check(cublasSetStream(tools_.blas.get(), stream_), "cublasSetStream");
    check(cublasSetWorkspace(tools_.blas.get(), scratch_.data(), scratch_.size()), "cublasSetWorkspace");
    check(cublasSetMathMode(tools_.blas.get(), mode_), "cublasSetMathMode");
    is_ready_ = true;
    return tools_.blas.get();
  }

 private:
  Toolbox& tools_;
  cublasMath_t mode_;
  std::span<std::byte> scratch_;
  cudaStream_t stream_;
  bool is_ready_ = false;
};

}  // namespace attractor::cuda
