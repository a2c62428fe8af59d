#pragma once

/// What the public headers of memories and relaxers keep to themselves, for the rest of the host layer.

#include <optional>
#include <span>

#include <attractor/relaxer.hpp>

#include "host/src/memory_state.hpp"

namespace attractor::detail {

struct Access {
  static const MemoryState& state(const Memory& memory) { return *memory.state_; }

  /// A memory of any rule, whose patterns go by these identifiers, or by their indices. @throws as the named functions
  /// of Memory.
  static Memory make(const Device& device, const Rule& rule, MatrixView<const float> patterns,
                     MatrixView<const float> contents, std::optional<Identifiers> identifiers = std::nullopt);

  /// Of a call with these betas.
  static RelaxerOptions options(const Relaxer& relaxer, std::span<const float> betas) {
    return relaxer.options_at(betas);
  }
};

/// Empty memories do on any device.
inline bool works_on_host(const Memory& memory) {
  return memory.device().kind() == Device::Kind::cpu || memory.pattern_count() == 0;
}

}  // namespace attractor::detail
