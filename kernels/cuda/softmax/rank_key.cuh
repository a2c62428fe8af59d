#pragma once

/// Scores and their patterns as integers.

#include <cuda_runtime_api.h>

namespace attractor::cuda {

/// Falls from the best to the worst: in the order of scores, then of patterns. 0: a score that is −∞ or NaN.
using RankKey = unsigned long long;  // NOLINT(google-runtime-int): of the shuffles

/// As large as their numbers get.
inline constexpr int last_pattern = 0x7fffffff;

__device__ __forceinline__ RankKey rank_key(float score, int pattern) {
  if (!(score > -INFINITY)) return 0;
  const unsigned bits = __float_as_uint(score + 0.0F);  // −0 is no other score than 0.
  const unsigned ordered = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
  return (static_cast<RankKey>(ordered) << 32U) | static_cast<unsigned>(last_pattern - pattern);
}

/// Of a key that isn't 0.
__device__ __forceinline__ int pattern_of(RankKey key) { return last_pattern - static_cast<int>(key & 0xffffffffU); }

/// −∞ where the key is 0.
__device__ __forceinline__ float score_of(RankKey key) {
  if (key == 0) return -INFINITY;
  const auto ordered = static_cast<unsigned>(key >> 32U);
  return __uint_as_float((ordered & 0x80000000U) != 0 ? ordered ^ 0x80000000U : ~ordered);
}

__device__ __forceinline__ RankKey larger_key(RankKey a, RankKey b) { return a > b ? a : b; }

/// The best of the scores that a thread sees, of equal ones the first.
struct ThreadBest {
  float score = -INFINITY;
  int pattern = 0;

  /// Patterns come in order.
  __device__ __forceinline__ void see(int its_pattern, float its_score) {
    if (!(its_score > score)) return;
    score = its_score;
    pattern = its_pattern;
  }
  [[nodiscard]] __device__ RankKey key() const { return rank_key(score, pattern); }
};

}  // namespace attractor::cuda
