#include "kernels/cuda/engine/call_scratch.hpp"

#include <cstdint>

#include <attractor/error.hpp>

#include "kernels/cuda/device/graph.hpp"
#include "kernels/cuda/device/pointer.hpp"
#include "kernels/cuda/device/workspace.hpp"

namespace attractor::cuda {
namespace {

void check_workspace(std::span<std::byte> workspace, std::size_t needed, int device) {
  if (workspace.size() < needed)
    throw InvalidArgument("the workspace has " + std::to_string(workspace.size()) + " bytes; this call needs " +
                          std::to_string(needed));
  if (locate(workspace.data(), device, "the bytes of the workspace") != Location::device)
    throw InvalidArgument("the workspace is on the host; it must be on the memory's device");
  if (reinterpret_cast<std::uintptr_t>(workspace.data()) % Workspace::alignment != 0)  // NOLINT: the address matters
    throw InvalidArgument("the workspace starts at an address that is no multiple of " +
                          std::to_string(Workspace::alignment));
}

/// Bytes that the device's pool is to give.
std::size_t missing(const std::string& call, std::span<std::byte> workspace, std::size_t needed, int device,
                    cudaStream_t stream) {
  if (!workspace.empty()) {
    check_workspace(workspace, needed, device);
    return 0;
  }
  if (is_capturing(stream))
    throw InvalidArgument(call + " within a CUDA graph needs a workspace of " + std::to_string(needed) +
                          " bytes, which each launch of the graph uses");
  return needed;
}

}  // namespace

CallScratch::CallScratch(const std::string& call, std::span<std::byte> workspace, std::size_t needed, int device,
                         cudaStream_t stream)
    : workspace_(workspace), own_(missing(call, workspace, needed, device, stream), stream) {}

}  // namespace attractor::cuda
