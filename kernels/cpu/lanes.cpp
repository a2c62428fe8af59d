#include "kernels/cpu/lanes.hpp"

#include <bit>
#include <cmath>
#include <cstdint>

namespace attractor::cpu {
namespace {

constexpr float mask_bits(bool set) { return std::bit_cast<float>(set ? ~std::uint32_t{0} : std::uint32_t{0}); }

/// An exponent of all ones, plus one, carries into the sign bit. Integers, so that the loop is free of a chain of sums.
bool all_finite(const float* values, Index count) {
  std::uint32_t carries = 0;
  for (Index i = 0; i < count; ++i) carries |= (std::bit_cast<std::uint32_t>(values[i]) & 0x7f800000U) + 0x00800000U;
  return (carries >> 31U) == 0;
}

}  // namespace

void set_mask(LaneArray<float>& mask, Index lane, bool value) {
  mask[static_cast<std::size_t>(lane)] = mask_bits(value);
}

bool mask_is_set(const LaneArray<float>& mask, Index lane) {
  return std::signbit(mask[static_cast<std::size_t>(lane)]);
}

bool load_lane(const float* row, Index count, float* lane, Index rows) {
  for (Index i = 0; i < count; ++i) lane[i * tile_lanes] = row[i];
  for (Index i = count; i < rows; ++i) lane[i * tile_lanes] = 0.0F;
  return all_finite(row, count);
}

void store_lane(const float* lane, Index count, float* row) {
  for (Index i = 0; i < count; ++i) row[i] = lane[i * tile_lanes];
}

void copy_lane(const float* from, float* to, Index rows) {
  for (Index i = 0; i < rows; ++i) to[i * tile_lanes] = from[i * tile_lanes];
}

void load_clamps(const std::uint8_t* row, Index count, float* lane) {
  for (Index i = 0; i < count; ++i) lane[i * tile_lanes] = mask_bits(row[i] != 0);
}

}  // namespace attractor::cpu
