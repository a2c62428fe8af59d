#pragma once

#include "kernels/sizes.hpp"

namespace attractor::test {

/// Sizes inside the engines for the scope of a test.
class SizesScope {
 public:
  explicit SizesScope(const detail::Sizes& sizes) : before_(detail::sizes()) { detail::sizes() = sizes; }
  SizesScope(const SizesScope&) = delete;
  SizesScope& operator=(const SizesScope&) = delete;
  ~SizesScope() { detail::sizes() = before_; }

 private:
  detail::Sizes before_;
};

}  // namespace attractor::test
