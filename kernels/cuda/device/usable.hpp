#pragma once

/// Which CUDA devices this build can run on.

#include <string>

namespace attractor::cuda {

/// Devices of this machine, usable or not; 0 where there is no driver, or one that won't do.
int device_count();

/// What keeps this machine's driver from showing devices to this build: "the NVIDIA driver is made for CUDA 12.2, this
/// build for 13.0". Empty where nothing does, or where there is no driver at all.
std::string driver_obstacle();

/// Why this build's kernels can't run on a device; empty where they can. Makes its context.
std::string device_obstacle(int device);

}  // namespace attractor::cuda
