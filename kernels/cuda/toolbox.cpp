#include "kernels/cuda/toolbox.hpp"

#include <attractor/error.hpp>

namespace attractor::cuda {

ToolboxPool::~ToolboxPool() {
  try {
    const DeviceScope scope(device_);
    idle_.clear();
  } catch (const DeviceError&) {  // NOLINT(bugprone-empty-catch)
    // Handles should be destroyed on their own device. There is no one to tell that they weren't.
  }
}

}  // namespace attractor::cuda
