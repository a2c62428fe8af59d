#pragma once

/// Where the caller's arrays are.

#include <string>

namespace attractor::cuda {

enum class Location : unsigned char {
  pageable,  ///< host memory that copies must be staged for
  pinned,    ///< page-locked host memory
  device,    ///< memory that kernels on the device in question can use: its own, or managed
};

/// @param name for the message: "the states"
/// @throws InvalidArgument the array is on another CUDA device.
Location locate(const void* data, int device, const std::string& name);

}  // namespace attractor::cuda
