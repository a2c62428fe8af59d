#pragma once

/// Relaxation on CUDA devices: queries and results on the host or on the device, sets of any size, one device or
/// several.

#include <span>

#include <attractor/relaxation.hpp>

#include "kernels/cuda/engine/memory.hpp"

namespace attractor::cuda {

/// What a call may bring beside queries.
struct CallInputs {
  MatrixView<const std::uint8_t> clamped = {};  ///< [B × D] or null
  detail::PatternTerms patterns = {};
  detail::Schedule schedule = {};  ///< on the host, or for kernels on the device
};

/// Queries and states are floats, int8 or bits, contents floats.
///
/// Arguments are valid but for where their data are (host/ has checked them) and `options.update` is set. Returns when
/// all results are there.
///
/// What is on the host streams through the devices in chunks, on two streams each, so that copies and relaxation
/// overlap. What is on the device may still be on its way there on the default stream, not on others. The chunks'
/// streams and buffers stay with the memory, so that the next call neither makes any nor, by a release, waits for what
/// else the devices do.
/// @param terms what the call says of patterns.
/// @param replicas the same memory on one or more devices; with several, all data must be on the host.
/// @throws InvalidArgument data on another device. @throws NotSupported data on the device while a stream that waits
/// for the default stream is being captured. @throws DeviceError
void relax(std::span<const DeviceMemory* const> replicas, const RelaxerOptions& options, const QueryView& queries,
           const RelaxationView& results, const RelaxCall& call, const detail::PatternTerms& terms = {});

/// Whether `relax_async` by this update is one launch, which never waits for the host and may be captured in a graph.
bool relaxes_in_one_launch(const DeviceMemory& memory, const UpdateRule& update);

/// As above for data on the memory's device, but for the schedule, which is on the host and taken at once; only
/// enqueues. Without workspace, takes some from the device's pool; for a schedule always.
///
/// @throws InvalidArgument data on the host; too small a workspace, or none while the stream is being captured.
/// @throws NotSupported the stream is being captured and this isn't one launch.
void relax_async(const DeviceMemory& memory, const RelaxerOptions& options, const QueryView& queries,
                 const RelaxationView& results, const CallInputs& inputs, std::span<std::byte> workspace,
                 cudaStream_t stream);

}  // namespace attractor::cuda
