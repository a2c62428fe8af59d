#pragma once

/// The step of the streamed tier: one kernel for everything that follows the products.

#include <cuda_runtime_api.h>

#include "kernels/cuda/engine/job.hpp"
#include "kernels/cuda/engine/slots.hpp"

namespace attractor::cuda {

struct FactoredReadout;
struct DenseReadout;
struct SoftmaxReadout;

/// Gives each of the first `rows` slots a query.
void launch_start(const Job& job, const Slots& slots, int rows, cudaStream_t stream);

/// For each of the first `rows` slots: computes the energy of its state and judges it; writes the next state, judges
/// that; a query that halts is written out, and a waiting one takes its slot.
template <class Readout>
void launch_step(const Readout& readout, const Job& job, const Slots& slots, int rows, cudaStream_t stream);

}  // namespace attractor::cuda
