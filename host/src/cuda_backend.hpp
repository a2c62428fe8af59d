#pragma once

/// What the host layer asks of CUDA. A build without CUDA has no devices; it says so where it is asked for one.

#include <span>
#include <string>

#include "host/src/engine.hpp"

namespace attractor::detail {

/// CUDA devices of this machine that this build can use; 0 where there is no driver.
int cuda_device_count();

/// Whether the library was built with CUDA.
bool has_cuda();

/// For people: name and compute capability.
std::string cuda_description(int device);

/// A contiguous copy of a matrix, which may be on the host or, for a memory on a CUDA device, on that.
///
/// @throws InvalidArgument the matrix is where `device` can't read it; `what` is its name, "patterns".
Matrix<float> copy_to_host(const Device& device, MatrixView<const float> matrix, const std::string& what);

/// Relaxation shared out among the same memory on several CUDA devices.
void relax_sharded(std::span<const Engine* const> replicas, const RelaxerOptions& options,
                   MatrixView<const float> queries, const RelaxationView& results, const RelaxCall& call);

}  // namespace attractor::detail
