#include "kernels/sizes.hpp"

namespace attractor::detail {

Sizes Sizes::tiny() { return {.pattern_block = 3, .segment_patterns = 8, .weighed_patterns = 8, .fit_parts = 2}; }

Sizes& sizes() {
  static Sizes in_use;
  return in_use;
}

}  // namespace attractor::detail
