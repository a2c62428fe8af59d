#pragma once

/// Scratch of an asynchronous call.

#include <cstddef>
#include <span>
#include <string>

#include "kernels/cuda/device/resources.hpp"

namespace attractor::cuda {

/// The caller's workspace or, without one, room in the device's pool from the stream's present on until it gets to
/// where this ends.
class CallScratch {
 public:
  /// @param call for messages: "a relaxation"
  /// @throws InvalidArgument a workspace that kernels and libraries can't use, or none while the stream is being
  /// captured.
  CallScratch(const std::string& call, std::span<std::byte> workspace, std::size_t needed, int device,
              cudaStream_t stream);

  [[nodiscard]] void* data() const { return workspace_.empty() ? own_.data() : workspace_.data(); }

 private:
  std::span<std::byte> workspace_;
  PooledScratch own_;
};

}  // namespace attractor::cuda
