#pragma once

/// Work in a child process: for what changes the process, or may hang or end it.

#include <functional>

#include <gtest/gtest.h>

namespace attractor::test {

/// Forks; succeeds if `work` returns true in the child within a minute. The child doesn't return from this.
testing::AssertionResult succeeds_in_child(const std::function<bool()>& work);

}  // namespace attractor::test
