#pragma once

/// Sums of many floats whose error does not grow with their number.

namespace attractor::cuda {

/// Knuth's two-sum: exact up to the rounding of the low part.
struct CompensatedSum {
  using Term = float;
  float high = 0.0F;
  float low = 0.0F;

  __device__ __forceinline__ void add(float term) {
    const float sum = high + term;
    const float from_term = sum - high;
    low += (high - (sum - from_term)) + (term - from_term);
    high = sum;
  }
  [[nodiscard]] __device__ __forceinline__ double value() const {
    return static_cast<double>(high) + static_cast<double>(low);
  }
};

/// For terms that floats may not hold.
struct WideSum {
  using Term = double;
  double sum = 0.0;

  __device__ __forceinline__ void add(double term) { sum += term; }
  [[nodiscard]] __device__ __forceinline__ double value() const { return sum; }
};

}  // namespace attractor::cuda
