#pragma once

/// A schedule on its way to the device.

#include <cuda_runtime_api.h>

#include "kernels/schedule.hpp"

namespace attractor::cuda {

/// Enqueues what writes the schedule's temperatures to `to` on the device. They travel as arguments of kernels, so that
/// the host's are free again when this returns, whatever kind of memory they are in.
void launch_store(const detail::Schedule& schedule, float* to, cudaStream_t stream);

}  // namespace attractor::cuda
