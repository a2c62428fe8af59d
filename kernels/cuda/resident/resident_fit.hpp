#pragma once

/// Which linear memories fit a multiprocessor's shared memory, and how. Needs no CUDA.

#include <optional>

#include <attractor/matrix_view.hpp>

#include "kernels/cuda/resident/resident_layout.hpp"

namespace attractor::cuda::resident {

/// What a device has, in bytes.
struct SharedMemoryLimits {
  int of_block = 0;
  int of_multiprocessor = 0;
  int reserved = 0;  ///< of a block, for the system
};

/// The matrix that a linear memory keeps: its patterns, or its weights.
struct StoredMatrix {
  Form form = Form::factored;
  Storage storage = Storage::single;
  Index rows = 0;
  Index columns = 0;
};

/// The layout for that matrix; empty where it doesn't fit. Many slots rather than few: a thread's tile of 8 × 8 makes
/// as much of what it reads from shared memory as the arithmetic can take, one of 8 × 4 doesn't.
std::optional<Layout> fit_layout(const StoredMatrix& matrix, const SharedMemoryLimits& limits);

/// The least bytes that a block needs for it, or no more than those of the matrix where that is far too much.
Index least_bytes(const StoredMatrix& matrix);

}  // namespace attractor::cuda::resident
