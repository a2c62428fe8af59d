#pragma once

/// One-step recall of queries on the host.

#include <span>

#include "kernels/cuda/engine/memory.hpp"

namespace attractor::cuda {

/// contents_i and, unless that is empty, intensity_i of every query, as DeviceMemory::recall; all data on the host.
/// Scratch is bounded whatever the number of queries.
void recall(const DeviceMemory& memory, MatrixView<const float> queries, const detail::PatternTerms& terms,
            MatrixView<float> contents, std::span<float> intensity);

}  // namespace attractor::cuda
