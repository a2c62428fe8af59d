#pragma once

/// Random numbers that are the same on every machine: integers by Philox, everything else by arithmetic that IEEE 754
/// rounds alike everywhere (the standard library's distributions and logarithms differ between its makers).

#include <array>
#include <cmath>
#include <cstdint>

#include <attractor/matrix.hpp>

namespace attractor::detail {

/// Philox4x32-10: a bijection of the counter for each key (Salmon et al. 2011, Parallel random numbers: as easy as
/// 1, 2, 3).
constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t first = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t second = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(second >> 32U) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(second),
               static_cast<std::uint32_t>(first >> 32U) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(first)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

/// ln x for normal x > 0, to a few units in the last place: x = 2ᵉm, √½ ≤ m < √2, ln m = 2 artanh((m − 1) / (m + 1)).
inline double portable_log(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);
  if (m < 0.70710678118654752) {
    m *= 2.0;
    --exponent;
  }
  const double s = (m - 1.0) / (m + 1.0);
  double series = 0.0;
  for (int k = 21; k >= 1; k -= 2) series = series * s * s + 1.0 / k;
  return 2.0 * s * series + exponent * 0.69314718055994531;
}

/// One of 2⁶⁴ independent sequences for each seed.
class RandomSequence {
 public:
  RandomSequence(std::uint64_t seed, std::uint64_t sequence)
      : key_{low(seed), high(seed)}, sequence_{low(sequence), high(sequence)} {}

  /// Uniform in [0, 1), 53 bits.
  double uniform() {
    if (used_ == block_.size()) refill();
    const std::uint64_t bits = std::uint64_t{block_[used_]} << 32U | block_[used_ + 1];
    used_ += 2;
    return static_cast<double>(bits >> 11U) * 0x1p-53;
  }

  /// Uniform in [0, count); the bias is below count · 2⁻⁵³.
  Index below(Index count) { return static_cast<Index>(uniform() * static_cast<double>(count)); }

  /// Standard normal, by the polar form of Box and Muller's method (Marsaglia, Bray 1964).
  double normal() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    double x = 0.0;
    double y = 0.0;
    double squared_radius = 0.0;
    do {
      x = 2.0 * uniform() - 1.0;
      y = 2.0 * uniform() - 1.0;
      squared_radius = x * x + y * y;
    } while (squared_radius >= 1.0 || squared_radius == 0.0);
    const double scale = std::sqrt(-2.0 * portable_log(squared_radius) / squared_radius);
    spare_ = scale * y;
    has_spare_ = true;
    return scale * x;
  }

 private:
  static std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
  static std::uint32_t high(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32U); }

  void refill() {
    block_ = philox({low(position_), high(position_), sequence_[0], sequence_[1]}, key_);
    ++position_;
    used_ = 0;
  }

  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 2> sequence_;
  std::uint64_t position_ = 0;
  std::array<std::uint32_t, 4> block_ = {};
  std::size_t used_ = 4;
  double spare_ = 0.0;
  bool has_spare_ = false;
};

}  // namespace attractor::detail
