#include "kernels/cpu/matrix_unit/tile_permission.hpp"

#if ATTRACTOR_HAS_AMX
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace attractor::cpu {

#if ATTRACTOR_HAS_AMX

namespace {

[[gnu::target("xsave")]] bool system_saves_registers() {
  constexpr std::uint64_t registers = (1U << 17U) | (1U << 18U);
  return (static_cast<std::uint64_t>(_xgetbv(0)) & registers) == registers;
}

}  // namespace

bool may_use_tiles(unsigned of_these) {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  constexpr unsigned saves_registers = 1U << 27U;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & saves_registers) == 0) return false;
  const unsigned wanted = (1U << 24U) | of_these;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & wanted) != wanted || !system_saves_registers()) return false;
  constexpr std::int64_t request_permission = 0x1023;
  constexpr std::int64_t register_data = 18;
  return syscall(SYS_arch_prctl, request_permission, register_data) == 0;
}

#else

bool may_use_tiles(unsigned /*of_these*/) { return false; }

#endif

}  // namespace attractor::cpu
