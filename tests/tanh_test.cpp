/// The engine's own tanh, through the update that applies it: with gain 0, x' = tanh(x).

#include <cmath>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"

namespace attractor::test {
namespace {

Matrix<float> tanh_of(const Matrix<float>& values) {
  const Matrix<float> pattern = matrix({{1.0F}});
  const Relaxer relaxer(Memory::hebbian(Device::cpu(), pattern.view()),
                        {.update = tanh_update(0.0F), .halting = fixed_steps(), .max_steps = 1});
  return relaxer.relax(values).states;
}

/// The fit errs by 2.1e-8, the Newton step on the coarsest reciprocal estimate (12 bits) by 2⁻²³, and the ten roundings
/// of polynomials and products by half a unit each, most of them scaled down: together below 8·2⁻²⁴.
TEST(TanhTest, IsAccurateOverItsRange) {
  const Index count = 1 << 15;
  Matrix<float> values(count, 1);
  for (Index i = 0; i < count; ++i) {
    const double exponent = -30.0 + 40.0 * static_cast<double>(i) / static_cast<double>(count);
    values(i, 0) = static_cast<float>((i % 2 == 0 ? 1.0 : -1.0) * std::exp2(exponent));
  }

  const Matrix<float> result = tanh_of(values);

  for (Index i = 0; i < count; ++i) {
    const double exact = std::tanh(static_cast<double>(values(i, 0)));
    ASSERT_NEAR(result(i, 0), exact, 8.0 * 0x1p-24 * std::abs(exact)) << "tanh(" << values(i, 0) << ")";
  }
}

TEST(TanhTest, KeepsZeroAndSaturates) {
  const Matrix<float> result = tanh_of(matrix({{0.0F}, {-0.0F}, {9.5F}, {-9.5F}, {3e38F}, {-3e38F}}));

  EXPECT_EQ(result(0, 0), 0.0F);
  EXPECT_EQ(result(1, 0), 0.0F);
  for (Index i = 2; i < 6; ++i) EXPECT_NEAR(result(i, 0), i % 2 == 0 ? 1.0F : -1.0F, 0x1p-22) << i;
}

}  // namespace
}  // namespace attractor::test
