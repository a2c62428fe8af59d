#pragma once

/// The pairs that adaptive kernels work on: each state x of a batch with each pattern ξ.

#include <attractor/host_device.hpp>
#include <attractor/matrix_view.hpp>

namespace attractor::cuda {

/// All pointers are on the device. Rows start at multiples of 16 bytes: strides are multiples of 4. What lies between a
/// row's last column and the next multiple of 4 isn't used, but must be readable.
struct PairBatch {
  const float* states = nullptr;  ///< [rows × dimension]
  Index state_stride = 0;
  int rows = 0;

  const float* patterns = nullptr;  ///< [pattern_count × dimension], finite
  Index pattern_stride = 0;
  int pattern_count = 0;
  int dimension = 0;

  int groups = 1;  ///< rank_count(dimension, groups) ≤ most_ranks

  /// rank_count, for the device too.
  [[nodiscard]] ATTRACTOR_HOST_DEVICE int ranks() const { return (dimension + groups - 1) / groups; }
};

}  // namespace attractor::cuda
