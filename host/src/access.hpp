#pragma once

/// What a memory's public header keeps to itself, for the rest of the host layer.

#include "host/src/memory_state.hpp"

namespace attractor::detail {

struct Access {
  static const MemoryState& state(const Memory& memory) { return *memory.state_; }

  /// A memory of any rule. @throws as the named functions of Memory.
  static Memory make(const Device& device, const Rule& rule, MatrixView<const float> patterns,
                     MatrixView<const float> contents);
};

}  // namespace attractor::detail
