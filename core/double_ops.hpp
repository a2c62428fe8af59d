#pragma once

/// The operations of core/*-inl.hpp on double, as far as the reference uses them.

#include <cmath>

namespace attractor::detail {

struct DoubleOps {
  static double set(double value) { return value; }
  static double mul(double a, double b) { return a * b; }
  static double mul_add(double a, double b, double c) { return a * b + c; }
  static double sub(double a, double b) { return a - b; }
  static double quotient(int a, int b) { return static_cast<double>(a) / static_cast<double>(b); }
  static double positive_part(double value) { return value < 0.0 ? 0.0 : value; }
  static double power(double base, double exponent) { return base > 0.0 ? std::pow(base, exponent) : base; }
  static double tanh(double value) { return std::tanh(value); }
  static double sign_or(double value, double otherwise) {
    if (value == 0.0) return otherwise;
    return std::isnan(value) ? value : std::copysign(1.0, value);
  }
};

}  // namespace attractor::detail
