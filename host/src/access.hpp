#pragma once

/// What a memory's public header keeps to itself, for the rest of the host layer.

#include "host/src/memory_state.hpp"

namespace attractor::detail {

struct Access {
  static const MemoryState& state(const Memory& memory) { return *memory.state_; }
};

}  // namespace attractor::detail
