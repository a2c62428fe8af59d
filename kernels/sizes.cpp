#include "kernels/sizes.hpp"

namespace attractor::detail {

Sizes Sizes::tiny() { return {.weighed_patterns = 8}; }

Sizes& sizes() {
  static Sizes in_use;
  return in_use;
}

}  // namespace attractor::detail
