#pragma once

/// The inverse temperatures of a call's steps, for engines of every kind.

#include <algorithm>
#include <span>

#include <attractor/host_device.hpp>

namespace attractor::detail {

/// β_1, β_2, …, where the engine reads them; none: the memory's own.
struct Schedule {
  const float* betas = nullptr;
  int count = 0;

  [[nodiscard]] ATTRACTOR_HOST_DEVICE bool empty() const { return count == 0; }

  /// β of the next step of a query that has taken so many, and of the energy that it descends.
  [[nodiscard]] ATTRACTOR_HOST_DEVICE float after(int steps) const { return betas[steps < count ? steps : count - 1]; }

  /// The first step that takes the last β.
  [[nodiscard]] ATTRACTOR_HOST_DEVICE int first_last() const { return count > 1 ? count : 1; }
};

/// What so many steps can take of a call's betas: one more than there are steps, for the energy after the last.
inline Schedule schedule_of(std::span<const float> betas, int max_steps) {
  const auto most = static_cast<std::size_t>(max_steps) + 1;
  return {betas.data(), static_cast<int>(std::min(betas.size(), most))};
}

}  // namespace attractor::detail
