#include "kernels/cpu/adaptive/key_sort.hpp"

#include <bit>

namespace attractor::cpu {
namespace {

constexpr std::uint32_t sign = std::uint32_t{1} << 31U;

/// The bits of floats that aren't negative have the floats' order; those of negative ones have the opposite.
std::uint32_t ordered(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return (bits & sign) != 0 ? ~bits : bits | sign;
}

float value_of(std::uint32_t key) { return std::bit_cast<float>((key & sign) != 0 ? key & ~sign : ~key); }

}  // namespace

void KeySorter::sort(float* values, Index count, std::uint16_t* order) {
  Counts counts{};
  const auto size = static_cast<std::size_t>(count);
  for (std::size_t i = 0; i < size; ++i) {
    const Key key = Key{ordered(values[i])} << 32U | i;
    keys_[i] = key;
    for (std::size_t which = 0; which < digits; ++which) ++counts[which][digit(key, which)];
  }
  for (std::size_t which = 0; which < digits; ++which) move(size, which, counts[which]);
  for (std::size_t i = 0; i < size; ++i) {
    values[i] = value_of(static_cast<std::uint32_t>(keys_[i] >> 32U));
    order[i] = static_cast<std::uint16_t>(keys_[i]);
  }
}

void KeySorter::move(std::size_t count, std::size_t which, std::array<std::uint32_t, 256>& counts) {
  if (counts[digit(keys_.front(), which)] == count) return;
  std::uint32_t before = 0;
  for (std::uint32_t& place : counts) before += std::exchange(place, before);
  for (std::size_t i = 0; i < count; ++i) others_[counts[digit(keys_[i], which)]++] = keys_[i];
  keys_.swap(others_);
}

}  // namespace attractor::cpu
