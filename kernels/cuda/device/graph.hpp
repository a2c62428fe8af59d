#pragma once

/// CUDA graphs with loops and branches that the device decides on. What they are made of is captured from streams.

#include <cuda_runtime_api.h>

#include "kernels/cuda/device/resources.hpp"

namespace attractor::cuda {

using Graph = Owner<cudaGraph_t, cudaGraphDestroy>;

/// To destroy one that is being executed is no error: it stays until it has ended.
using ExecutableGraph = Owner<cudaGraphExec_t, cudaGraphExecDestroy>;

/// Whether the driver lets a device decide how often a part of a graph is executed: from CUDA 12.4 on.
bool device_decides();

bool is_capturing(cudaStream_t stream);

/// The graph that a stream is being captured in.
cudaGraph_t captured_graph(cudaStream_t stream);

/// Adds a branch or a loop to the graph that a stream is being captured in, after what it has so far. The graph of what
/// is to be executed, which is empty and takes kernels, copies within the device and conditional nodes.
cudaGraph_t add_conditional(cudaStream_t stream, cudaGraphConditionalHandle handle, cudaGraphConditionalNodeType type);

/// A condition of a graph; its value each time that the graph is launched.
cudaGraphConditionalHandle make_condition(cudaGraph_t graph, bool value);

/// While it lives, what is enqueued on a stream goes into a graph, which has nothing before it.
class Capture {
 public:
  Capture(cudaStream_t stream, cudaGraph_t graph);
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  /// After a failure ends it, too; the graph isn't whole then.
  ~Capture();

  void end();

 private:
  cudaStream_t stream_;
  bool is_open_ = true;
};

/// Adds what `enqueue(stream)` enqueues to a graph that has nothing yet.
template <class Enqueue>
void capture(cudaStream_t stream, cudaGraph_t graph, Enqueue&& enqueue) {
  Capture scope(stream, graph);
  enqueue(stream);
  scope.end();
}

Graph make_graph();
ExecutableGraph instantiate(const Graph& graph);

}  // namespace attractor::cuda
