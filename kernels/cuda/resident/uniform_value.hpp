#pragma once

#include <algorithm>
#include <optional>
#include <span>

namespace attractor::cuda {

/// What all neurons have, if they have the same, as they do with patterns of ±1, and with none, which is 0.
inline std::optional<float> uniform_value(std::span<const float> values) {
  if (values.empty()) return 0.0F;
  const auto is_first = [&](float value) { return value == values[0]; };
  if (!std::all_of(values.begin(), values.end(), is_first)) return std::nullopt;
  return values[0];
}

}  // namespace attractor::cuda
