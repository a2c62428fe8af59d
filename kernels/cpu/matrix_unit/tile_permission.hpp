#pragma once

/// The registers of AMX, which a process may use once it has asked for them.

#include <cstdint>

#if defined(__x86_64__) && defined(__linux__)
#define ATTRACTOR_HAS_AMX 1
#else
#define ATTRACTOR_HAS_AMX 0
#endif

namespace attractor::cpu {

/// What is multiplied, as CPUID tells it.
inline constexpr unsigned tiles_of_bfloat16 = 1U << 22U;
inline constexpr unsigned tiles_of_bytes = 1U << 25U;

/// Whether the processor multiplies these and Linux lets this process use the registers.
bool may_use_tiles(unsigned of_these);

/// What LDTILECFG reads: the eight registers, all of 16 rows of 64 bytes.
struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

inline constexpr TileConfiguration tile_configuration;

}  // namespace attractor::cpu
