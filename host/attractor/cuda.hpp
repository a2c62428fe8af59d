#pragma once

/// Relaxation and retrieval within an application's own CUDA work: on its stream, in its memory. Installed by builds
/// with CUDA only. Light, for CUDA sources: what makes a Relaxer, <attractor/relaxer.hpp>, takes nvcc several times
/// longer to read.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <attractor/export.h>
#include <attractor/matrix_view.hpp>
#include <attractor/relaxation_view.hpp>
#include <attractor/retrieval_view.hpp>

namespace attractor {

class Memory;   // <attractor/memory.hpp>
class Relaxer;  // <attractor/relaxer.hpp>

/// How one asynchronous call runs.
struct CudaCall {
  /// Of the memory's device. By default what the code that includes this means by the default stream: that of the
  /// thread where it is compiled for those (nvcc's --default-stream per-thread), else that of all threads, which a null
  /// handle always is.
#ifdef CUDA_API_PER_THREAD_DEFAULT_STREAM
  cudaStream_t stream = cudaStreamPerThread;
#else
  cudaStream_t stream = nullptr;
#endif
  /// Scratch on the memory's device, 256-byte aligned, of at least `workspace_bytes`, free again when the stream has
  /// come past this call. Empty: taken from and given back to the device's memory pool, in stream order.
  std::span<std::byte> workspace = {};
  /// [B × D] on the device; neurons with a nonzero entry are known and keep the query's value. Empty: none.
  MatrixView<const std::uint8_t> clamped = {};
  /// Patterns that take part, [1 × P] or [B × P] on the device, and what is added to their scores: as in RelaxCall.
  MatrixView<const std::uint8_t> valid_patterns = {};
  MatrixView<const float> log_prior = {};
  /// Inverse temperatures of the steps, as in RelaxCall: on the host, read before the call returns. On the device they
  /// take their room from its memory pool, in stream order, also where there is a workspace.
  std::span<const float> betas = {};
};

/// Scratch that `relax_async` needs for so many queries, in bytes. Bounded however many there are.
///
/// @throws InvalidArgument a negative number. @throws NotSupported the relaxer's memory isn't on one CUDA device, or
/// empty.
ATTRACTOR_EXPORT std::size_t workspace_bytes(const Relaxer& relaxer, Index queries);

/// Whether `relax_async` is a single launch (and some that read contents out) that can be captured in a CUDA graph: of
/// a kernel (one for every 2²⁴ queries) where the memory fits into a multiprocessor's shared memory and the update is
/// none of one neuron after another; else of a graph with loops whose ends the device decides on, which takes a driver
/// made for CUDA 12.4 or later. With an older one the host takes part in every step, and the call returns when the last
/// one is on the stream. The bits of the results are the same.
///
/// @throws NotSupported the relaxer's memory isn't on one CUDA device, or empty.
ATTRACTOR_EXPORT bool relaxes_in_one_launch(const Relaxer& relaxer);

/// Relaxes every row of `queries` [B × D], floats, int8 or bits, into `results`, in stream order: all data are on the
/// memory's device (or managed), and stay untouched until the stream has come past this call. So does the memory: keep
/// it, the relaxer or a copy of either until then.
///
/// A captured call needs a workspace. The graph refers to the data, the workspace and the memory, and keeps none of
/// them alive: all must outlive its last launch. The relaxer need not; its options are part of the graph. With loops in
/// it the graph can be neither cloned nor made part of another, as CUDA has it, and a capture in which this failed is
/// of no use.
///
/// A call in a workspace that is like the last one on this memory, the same arrays, sizes and options, launches the
/// same graph again; to make another takes the host longer.
///
/// @throws InvalidArgument as Relaxer::relax; data on the host or on another device; a workspace
///         too small, misaligned, on the host, or missing while the stream is being captured.
/// @throws NotSupported the memory isn't on one CUDA device, or empty; the stream is being captured and this isn't a
/// single launch; valid patterns or log-priors on a memory whose weights aren't normalised, or betas on one without a
/// beta; queries or states in 16 bits, or contents that aren't floats.
/// @throws DeviceError a CUDA call failed; the relaxer stays usable.
ATTRACTOR_EXPORT void relax_async(const Relaxer& relaxer, const QueryView& queries, const RelaxationView& results,
                                  const CudaCall& call = {});

/// How one asynchronous retrieval runs.
struct CudaRetrieval {
  /// As CudaCall's.
#ifdef CUDA_API_PER_THREAD_DEFAULT_STREAM
  cudaStream_t stream = cudaStreamPerThread;
#else
  cudaStream_t stream = nullptr;
#endif
  /// As CudaCall's, of at least `retrieval_workspace_bytes`.
  std::span<std::byte> workspace = {};
  /// Patterns that take part, [1 × P] or [B × P] on the device, and what is added to their scores: as in RelaxCall.
  MatrixView<const std::uint8_t> valid_patterns = {};
  MatrixView<const float> log_prior = {};
  /// Inverse temperature of the scores in place of the memory's own, as in RetrievalOptions. A graph keeps it.
  std::optional<float> beta = std::nullopt;
};

/// Scratch that `retrieve_async` needs for so many queries and `count` patterns of each, in bytes. Bounded however many
/// queries there are; for one pattern of softmax and adaptive memories also whatever P is, else with room for all
/// scores of at least one query. None for an empty memory.
///
/// @throws InvalidArgument a negative number of queries, a count outside [1, P]. @throws NotSupported the memory isn't
/// on a CUDA device, or is linear or dense associative.
ATTRACTOR_EXPORT std::size_t retrieval_workspace_bytes(const Memory& memory, Index queries, Index count = 1);

/// The patterns with the largest scores of every row of `queries` [B × D], and their weights, in stream order: what
/// `retrieve` gives, with the same bits, but that all data are on the memory's device (or managed), and stay untouched
/// until the stream has come past this call. So does the memory: keep it or a copy of it until then. A query that isn't
/// finite has −1 and NaN, and disturbs no other; so have all queries of an empty memory.
///
/// Never waits for the device, and with a workspace makes nothing there. A captured call needs one. The graph refers to
/// the data, the workspace and the memory, and keeps none of them alive: all must outlive its last launch.
///
/// @throws InvalidArgument null data, other than D columns, a stride below D or k, results of another number of rows,
///         k outside [1, P], results that overlap something; valid patterns or log-priors that are neither [1 × P] nor
///         [B × P]; a beta that isn't finite and positive; data on the host or on another device; a workspace too
///         small, misaligned, on the host, or missing while the stream is being captured. Nothing has been enqueued
///         then.
/// @throws NotSupported the memory isn't on a CUDA device, or is linear or dense associative: its weights are no
///         probabilities; a beta for an adaptive memory.
/// @throws DeviceError a CUDA call failed; the memory stays usable.
/// Complexity: as `retrieve`.
ATTRACTOR_EXPORT void retrieve_async(const Memory& memory, MatrixView<const float> queries,
                                     const RetrievalView& results, const CudaRetrieval& call = {});

}  // namespace attractor
