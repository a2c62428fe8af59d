#include "kernels/cuda/device/graph.hpp"

// What knows of edges has names of its own before CUDA 13.
#if CUDART_VERSION < 13000
#undef cudaStreamGetCaptureInfo
#define cudaStreamGetCaptureInfo cudaStreamGetCaptureInfo_v3
#define cudaGraphAddNode cudaGraphAddNode_v2
#define cudaStreamUpdateCaptureDependencies cudaStreamUpdateCaptureDependencies_v2
#endif

namespace attractor::cuda {
namespace {

constexpr int first_version_with_conditions = 12040;

/// Of a stream that is being captured: what comes next in its graph depends on this.
struct Front {
  cudaGraph_t graph = nullptr;
  const cudaGraphNode_t* nodes = nullptr;
  const cudaGraphEdgeData* edges = nullptr;
  std::size_t count = 0;
};

Front front_of(cudaStream_t stream) {
  Front front;
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check(cudaStreamGetCaptureInfo(stream, &status, nullptr, &front.graph, &front.nodes, &front.edges, &front.count),
        "cudaStreamGetCaptureInfo");
  if (status != cudaStreamCaptureStatusActive) check(cudaErrorStreamCaptureInvalidated, "cudaStreamGetCaptureInfo");
  return front;
}

}  // namespace

bool device_decides() {
  int version = 0;
  check(cudaDriverGetVersion(&version), "cudaDriverGetVersion");
  return version >= first_version_with_conditions;
}

bool is_capturing(cudaStream_t stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(stream, &status), "cudaStreamIsCapturing");
  return status != cudaStreamCaptureStatusNone;
}

cudaGraph_t captured_graph(cudaStream_t stream) { return front_of(stream).graph; }

cudaGraph_t add_conditional(cudaStream_t stream, cudaGraphConditionalHandle handle, cudaGraphConditionalNodeType type) {
  const Front front = front_of(stream);
  cudaGraphNodeParams parameters = {};
  parameters.type = cudaGraphNodeTypeConditional;
  auto& conditional = parameters.conditional;  // NOLINT(cppcoreguidelines-pro-type-union-access): by the type
  conditional.handle = handle;
  conditional.type = type;
  conditional.size = 1;
  cudaGraphNode_t node = nullptr;
  check(cudaGraphAddNode(&node, front.graph, front.nodes, front.edges, front.count, &parameters),
        "cudaGraphAddNode of a conditional node");
  check(cudaStreamUpdateCaptureDependencies(stream, &node, nullptr, 1, cudaStreamSetCaptureDependencies),
        "cudaStreamUpdateCaptureDependencies");
  return conditional.phGraph_out[0];
}

cudaGraphConditionalHandle make_condition(cudaGraph_t graph, bool value) {
  cudaGraphConditionalHandle handle = 0;
  check(cudaGraphConditionalHandleCreate(&handle, graph, value ? 1 : 0, cudaGraphCondAssignDefault),
        "cudaGraphConditionalHandleCreate");
  return handle;
}

Capture::Capture(cudaStream_t stream, cudaGraph_t graph) : stream_(stream) {
  // The thread is exempt from captures of others; so are others from this one, which nothing can spoil.
  check(cudaStreamBeginCaptureToGraph(stream, graph, nullptr, nullptr, 0, cudaStreamCaptureModeRelaxed),
        "cudaStreamBeginCaptureToGraph");
}

Capture::~Capture() {
  if (!is_open_) return;
  cudaGraph_t graph = nullptr;  // Not ours.
  discard(cudaStreamEndCapture(stream_, &graph));
}

void Capture::end() {
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(stream_, &graph), "cudaStreamEndCapture");
  is_open_ = false;
}

Graph make_graph() {
  cudaGraph_t graph = nullptr;
  check(cudaGraphCreate(&graph, 0), "cudaGraphCreate");
  return Graph(graph);
}

ExecutableGraph instantiate(const Graph& graph) {
  cudaGraphExec_t executable = nullptr;
  check(cudaGraphInstantiate(&executable, graph.get(), 0), "cudaGraphInstantiate");
  return ExecutableGraph(executable);
}

}  // namespace attractor::cuda
