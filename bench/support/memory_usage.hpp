#pragma once

/// Memory of this process as the kernel counts it (Linux).

#include <attractor/matrix.hpp>

namespace attractor::bench {

Index resident_bytes();       ///< now
Index peak_resident_bytes();  ///< the most since the process began or since `reset_peak`
void reset_peak();            ///< @throws std::runtime_error the kernel doesn't allow it
Index available_bytes();      ///< what new processes could use without swapping

}  // namespace attractor::bench
