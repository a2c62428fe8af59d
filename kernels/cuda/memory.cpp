#include "kernels/cuda/memory.hpp"

#include <string>
#include <utility>

#include <attractor/error.hpp>

namespace attractor::cuda {
namespace {

struct WorkspaceBytes {
  Index queries;
  std::size_t operator()(const ResidentMemory& /*memory*/) const { return resident_workspace_bytes; }
  template <class Streamed>
  std::size_t operator()(const Streamed& memory) const {
    return cuda::workspace_bytes(memory, queries);
  }
};

struct Relax {
  const Job& job;
  Products products;
  void* workspace;
  ToolboxPool& tools;
  cudaStream_t stream;

  void operator()(const ResidentMemory& memory) const { launch_resident(memory, job, workspace, stream); }
  void operator()(const StreamedSoftmax& memory) const {
    const ToolboxPool::Loan loan = tools.take();
    cuda::relax(memory, job, workspace, *loan, stream);
  }
  template <class Linear>
  void operator()(const Linear& memory) const {
    const ToolboxPool::Loan loan = tools.take();
    cuda::relax(memory, job, workspace, *loan, products, stream);
  }
};

/// After a memory turned out not to fit.
void check_may_stream(Tier tier, MatrixView<const float> matrix) {
  if (tier == Tier::resident)
    throw NotSupported("a linear memory of " + std::to_string(matrix.rows) + " × " + std::to_string(matrix.columns) +
                       " doesn't fit the shared memory of this device; use streamed placement");
}

}  // namespace

DeviceMemory::DeviceMemory(int device, Form form)
    : device_(device), form_(std::move(form)), tools_(std::make_unique<ToolboxPool>(device)) {}

DeviceMemory DeviceMemory::factored(int device, MatrixView<const float> factor, std::span<const float> diagonal,
                                    float scale, Tier tier) {
  const DeviceScope scope(device);
  if (tier != Tier::streamed) {
    if (std::optional<ResidentMemory> resident = make_resident_factored(factor, diagonal, scale))
      return {device, std::move(*resident)};
    check_may_stream(tier, factor);
  }
  std::vector<float> padded(diagonal.begin(), diagonal.end());
  DeviceMatrix matrix(factor, "the memory's factor");
  padded.resize(static_cast<std::size_t>(matrix.stride), 0.0F);
  return {device, StreamedFactored{.factor = std::move(matrix),
                                   .diagonal = upload(std::span<const float>(padded), "the memory's diagonal"),
                                   .scale = scale}};
}

DeviceMemory DeviceMemory::dense(int device, MatrixView<const float> weights, float scale, Tier tier) {
  const DeviceScope scope(device);
  if (tier != Tier::streamed) {
    if (std::optional<ResidentMemory> resident = make_resident_dense(weights, scale))
      return {device, std::move(*resident)};
    check_may_stream(tier, weights);
  }
  return {device, StreamedDense{.weights = DeviceMatrix(weights, "the memory's weights"), .scale = scale}};
}

DeviceMemory DeviceMemory::softmax(int device, MatrixView<const float> patterns, MatrixView<const float> contents,
                                   float beta, double energy_offset) {
  const DeviceScope scope(device);
  return {device, StreamedSoftmax{.patterns = DeviceMatrix(patterns, "the memory's patterns"),
                                  .contents = DeviceMatrix(contents, "the memory's contents"),
                                  .beta = beta,
                                  .energy_offset = energy_offset}};
}

std::size_t DeviceMemory::workspace_bytes(Index queries) const { return std::visit(WorkspaceBytes{queries}, form_); }

void DeviceMemory::relax(const Job& job, Products products, void* workspace, cudaStream_t stream) const {
  std::visit(Relax{job, products, workspace, *tools_, stream}, form_);
}

void DeviceMemory::recall(MatrixView<const float> states, MatrixView<float> contents, void* workspace,
                          cudaStream_t stream) const {
  const ToolboxPool::Loan loan = tools_->take();
  cuda::recall(std::get<StreamedSoftmax>(form_), states, contents, workspace, *loan, stream);
}

}  // namespace attractor::cuda
