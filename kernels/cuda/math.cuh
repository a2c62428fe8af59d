#pragma once

/// The formulas of core/ on the device, in float.

#include <attractor/separation.hpp>
#include <attractor/update.hpp>

namespace attractor::cuda {

#define ATTRACTOR_MATH __device__ inline
#include "core/separation-inl.hpp"
#include "core/update-inl.hpp"
#undef ATTRACTOR_MATH

/// The operations of core/update-inl.hpp and core/separation-inl.hpp on float.
struct FloatOps {
  __device__ float set(float value) const { return value; }
  __device__ float mul(float a, float b) const { return a * b; }
  __device__ float mul_add(float a, float b, float c) const { return fmaf(a, b, c); }
  __device__ float sub(float a, float b) const { return a - b; }
  __device__ float tanh(float value) const { return tanhf(value); }
  __device__ float sign_or(float value, float otherwise) const {
    if (value == 0.0F) return otherwise;
    return isnan(value) ? value : copysignf(1.0F, value);
  }
};

}  // namespace attractor::cuda
