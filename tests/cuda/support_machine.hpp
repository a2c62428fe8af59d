#pragma once

/// The CUDA runtime as it is on other machines. This program's definitions of some of its calls come before the
/// runtime's own, which is a shared library, and change what they say.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <map>
#include <optional>
#include <utility>

namespace attractor::test {

/// What is other than here; by default nothing.
struct Machine {
  std::optional<cudaError_t> device_count_status = std::nullopt;
  std::optional<int> driver_version = std::nullopt;  ///< 12020 is 12.2
  std::map<int, cudaError_t> code_status = {};       ///< by device: what asking for a kernel's attributes returns
  std::map<std::pair<int, cudaDeviceAttr>, int> attributes = {};  ///< by device
  std::map<int, std::size_t> room = {};  ///< by device: bytes that this program can have from now on
};

/// Makes the runtime say so for a scope.
class MachineScope {
 public:
  explicit MachineScope(const Machine& machine);
  MachineScope(const MachineScope&) = delete;
  MachineScope& operator=(const MachineScope&) = delete;
  ~MachineScope();
};

/// What copies moved while it lives, in whichever thread. One at a time.
class Traffic {
 public:
  Traffic();
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;
  ~Traffic() = default;

  /// Bytes to the host, and from it; of copies whose way the runtime was left to find, both.
  [[nodiscard]] std::size_t to_host() const;
  [[nodiscard]] std::size_t from_host() const;
};

}  // namespace attractor::test
