#pragma once

/// What the host layer asks of CUDA. A build without CUDA has no devices; it says so where it is asked for one.

#include <optional>
#include <span>
#include <string>

#include <attractor/footprint.hpp>

#include "host/src/engine.hpp"
#include "host/src/fit_loss.hpp"

namespace attractor::detail {

/// CUDA devices of this machine, whether or not this build can use them; 0 where there is no driver.
int cuda_device_count();

/// What hides this machine's CUDA devices from this build, "the NVIDIA driver …"; empty where nothing does.
std::string cuda_obstacle();

/// Why this build can't use one of them, "this build has no code for …"; empty where it can.
std::string cuda_obstacle(int device);

/// Whether the library was built with CUDA.
bool has_cuda();

/// For people: name and compute capability.
std::string cuda_description(int device);

/// What the bits of results may depend on besides the arguments: "compute capability 9.0, 132 multiprocessors, …".
std::string cuda_traits(int device);

/// A copy of a matrix that is on `device`, a CUDA device; nothing where the host itself can read the matrix.
///
/// @throws InvalidArgument the matrix is on another device; `what` is its name, "patterns".
std::optional<Matrix<float>> fetch(const Device& device, MatrixView<const float> matrix, const std::string& what);

/// Relaxation shared out among the same memory on several CUDA devices.
void relax_sharded(std::span<const Engine* const> replicas, const RelaxerOptions& options, const QueryView& queries,
                   const RelaxationView& results, const RelaxCall& call, const PatternTerms& terms);

/// Row i of `results`: the footprint of pairs[i], or without pairs of query i / P and pattern i % P.
void cuda_footprints(int device, const FootprintOptions& options, MatrixView<const float> patterns,
                     MatrixView<const float> queries, std::span<const FootprintPair> pairs, MatrixView<float> results);

/// See make_fit_loss.
FitLoss make_cuda_fit_loss(int device, MatrixView<const float> patterns, Index groups);

}  // namespace attractor::detail
