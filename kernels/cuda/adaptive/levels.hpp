#pragma once

/// Which values the patterns of an adaptive memory have, where these are so few that its scores cost less by them.

#include <cstddef>
#include <cstdint>

#include <cuda_runtime_api.h>

#include <attractor/matrix_view.hpp>
#include <attractor/similarity.hpp>

#include "kernels/cuda/device/resources.hpp"

namespace attractor::cuda {

/// Most levels, of all entries together, and most entries: a block keeps the losses of a state beside all of them and
/// the weights in 48 KiB.
inline constexpr int most_levels = 4096;
inline constexpr int most_level_entries = 2048;

/// Patterns whose bits lie together.
inline constexpr int level_patterns = 128;

/// The values that patterns have at each entry, and which pattern has which. All pointers are on the device.
struct PatternLevels {
  int count = 0;                           ///< of levels, at most `most_levels`; 0: not known
  const float* values = nullptr;           ///< [count]
  const std::uint16_t* entries = nullptr;  ///< [count] where patterns have them
  /// [P/level_patterns × (count + 1)] bit p of an element is set where the p-th pattern has the level; none in the last
  /// of a row.
  const uint4* bits = nullptr;
  int first = 0;  ///< the pattern that a batch of pairs begins with
};

/// On the device; empty, where scores cost no less than by sorting networks.
struct DeviceLevels {
  explicit DeviceLevels() = default;

  /// Of patterns whose scores these are, on the host or, complete, on the device: where a few don't rule levels out,
  /// all come to the host. O(PD log V) for V values of an entry.
  DeviceLevels(MatrixView<const float> patterns, const AdaptiveSimilarity& similarity);

  [[nodiscard]] PatternLevels from(int pattern) const {
    return {static_cast<int>(values.size()), values.data(), entries.data(), bits.data(), pattern};
  }

  DeviceArray<float> values;
  DeviceArray<std::uint16_t> entries;
  DeviceArray<uint4> bits;
};

}  // namespace attractor::cuda
