#pragma once

/// How much memory devices have.

#include <cstddef>

namespace attractor::cuda {

/// Bytes of the current device's memory, used or not. It is asked once: the answer waits for what the device does.
std::size_t memory_capacity();

}  // namespace attractor::cuda
