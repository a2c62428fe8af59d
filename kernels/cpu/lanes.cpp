#include "kernels/cpu/lanes.hpp"

#include <bit>
#include <cmath>
#include <cstdint>

namespace attractor::cpu {
namespace {

constexpr float mask_bits(bool set) { return std::bit_cast<float>(set ? ~std::uint32_t{0} : std::uint32_t{0}); }

}  // namespace

void set_mask(LaneArray<float>& mask, Index lane, bool value) {
  mask[static_cast<std::size_t>(lane)] = mask_bits(value);
}

bool mask_is_set(const LaneArray<float>& mask, Index lane) {
  return std::signbit(mask[static_cast<std::size_t>(lane)]);
}

bool load_lane(const float* row, Index count, float* lane, Index rows) {
  float not_finite = 0.0F;  // 0·x is NaN exactly where x is NaN or infinite
  for (Index i = 0; i < count; ++i) {
    lane[i * tile_lanes] = row[i];
    not_finite += 0.0F * row[i];
  }
  for (Index i = count; i < rows; ++i) lane[i * tile_lanes] = 0.0F;
  return not_finite == 0.0F;
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
