#include "kernels/cuda/toolbox.hpp"

namespace attractor::cuda {

ToolboxPool::~ToolboxPool() {
  // Handles are destroyed on their own device. There is no one to tell of a failure.
  int before = 0;
  static_cast<void>(cudaGetDevice(&before));
  static_cast<void>(cudaSetDevice(device_));
  idle_.clear();
  static_cast<void>(cudaSetDevice(before));
}

}  // namespace attractor::cuda
