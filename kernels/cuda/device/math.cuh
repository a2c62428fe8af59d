#pragma once

/// The formulas of core/ on the device, in float.

#include <attractor/separation.hpp>
#include <attractor/similarity.hpp>
#include <attractor/update.hpp>

#include "kernels/cuda/engine/job.hpp"

namespace attractor::cuda {

#define ATTRACTOR_MATH __device__ __forceinline__
#include "core/separation-inl.hpp"
#include "core/similarity-inl.hpp"
#include "core/tanh-inl.hpp"
#include "core/update-inl.hpp"
#undef ATTRACTOR_MATH

/// The operations of core/*-inl.hpp on float.
struct FloatOps {
  __device__ __forceinline__ float set(float value) const { return value; }
  __device__ __forceinline__ float mul(float a, float b) const { return a * b; }
  __device__ __forceinline__ float mul_add(float a, float b, float c) const { return fmaf(a, b, c); }
  __device__ __forceinline__ float quotient(int a, int b) const {
    return static_cast<float>(a) / static_cast<float>(b);
  }
  __device__ __forceinline__ float positive_part(float value) const { return value < 0.0F ? 0.0F : value; }
  __device__ __forceinline__ float add(float a, float b) const { return a + b; }
  __device__ __forceinline__ float sub(float a, float b) const { return a - b; }
  __device__ __forceinline__ float div(float a, float b) const { return a / b; }
  __device__ __forceinline__ float min(float a, float b) const { return fminf(a, b); }
  __device__ __forceinline__ float max(float a, float b) const { return fmaxf(a, b); }
  __device__ __forceinline__ float abs(float value) const { return fabsf(value); }
  __device__ __forceinline__ float power(float base, float exponent) const {
    return base > 0.0F ? powf(base, exponent) : base;
  }
  __device__ __forceinline__ float tanh(float value) const { return rational_tanh(*this, value); }
  /// NaN stays NaN, which fminf and fmaxf don't promise. `limit` is positive.
  __device__ __forceinline__ float clamp(float value, float limit) const {
#if __CUDA_ARCH__ >= 860
    // The smaller magnitude, with the sign of the product: one instruction.
    float result;
    asm("min.NaN.xorsign.abs.f32 %0, %1, %2;" : "=f"(result) : "f"(value), "f"(limit));
    return result;
#elif __CUDA_ARCH__ >= 800
    float result = value;
    asm("min.NaN.f32 %0, %0, %1;" : "+f"(result) : "f"(limit));
    asm("max.NaN.f32 %0, %0, %1;" : "+f"(result) : "f"(-limit));
    return result;
#else
    return fabsf(value) > limit ? copysignf(limit, value) : value;
#endif
  }
  /// a/b by a reciprocal that is at most one unit in the last place off (CUDA C++ Programming Guide), and one
  /// instruction.
  __device__ __forceinline__ float ratio(float a, float b) const {
    float result;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(b));
    return a * result;
  }
  __device__ __forceinline__ float sign_or(float value, float otherwise) const {
    if (value == 0.0F) return otherwise;
    return isnan(value) ? value : copysignf(1.0F, value);
  }
};

/// Those of potentials on double, where squares of floats don't overflow.
struct WideOps {
  __device__ __forceinline__ double mul(double a, double b) const { return a * b; }
  __device__ __forceinline__ double quotient(int a, int b) const {
    return static_cast<double>(a) / static_cast<double>(b);
  }
};

/// A field that is no larger than its rounding counts as exactly 0.
__device__ __forceinline__ float without_noise(float field, float rounding) {
  return fabsf(field) <= rounding ? 0.0F : field;
}

/// Calls `body` with the update as its type of core/. The branch is the same for all threads; keep it outside loops.
template <class Body>
__device__ __forceinline__ void visit_update(UpdateRule rule, Body&& body) {
  switch (rule.kind) {
    case UpdateRule::Kind::tanh: return body(TanhUpdate{rule.parameter});
    case UpdateRule::Kind::sign: return body(SignUpdate{rule.at_zero});
    // What is read out is what a sweep has left.
    case UpdateRule::Kind::asynchronous_sign:
    case UpdateRule::Kind::readout: return body(ReadoutUpdate{});
    case UpdateRule::Kind::blend: return body(BlendUpdate{rule.parameter});
  }
}

}  // namespace attractor::cuda
