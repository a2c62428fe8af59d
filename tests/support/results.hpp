#pragma once

/// Comparisons of results, bit for bit: NaN equals the same NaN, 0 does not equal −0.

#include <ostream>
#include <span>

#include <gtest/gtest.h>

#include <attractor/relaxer.hpp>

namespace attractor {

/// Lets GoogleTest, which fixes the function's name, name a status.
// NOLINTNEXTLINE(readability-identifier-naming)
inline void PrintTo(Status status, std::ostream* out) { *out << to_string(status); }

}  // namespace attractor

namespace attractor::test {

testing::AssertionResult same_bits(std::span<const float> a, std::span<const float> b);
testing::AssertionResult same_bits(MatrixView<const float> a, MatrixView<const float> b);

/// Every part of both results is the same.
testing::AssertionResult same_results(const Relaxation& a, const Relaxation& b);

/// Every part of row `i` of `a` is that of row `j` of `b`.
testing::AssertionResult same_row(const Relaxation& a, Index i, const Relaxation& b, Index j);

}  // namespace attractor::test
