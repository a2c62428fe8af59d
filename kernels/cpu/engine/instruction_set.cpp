// Which instruction set the kernels run on here.

#include "kernels/cpu/engine/instruction_set.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/engine/instruction_set.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

const char* this_instruction_set() { return hwy::TargetName(HWY_TARGET); }

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attractor::cpu {

HWY_EXPORT(this_instruction_set);

const char* instruction_set() { return HWY_DYNAMIC_DISPATCH(this_instruction_set)(); }

bool sorts_integers_faster() {
#if HWY_ARCH_X86
  return static_cast<bool>(__builtin_cpu_is("amd"));  // NOLINT(readability-redundant-casting): GCC has an int.
#else
  return false;
#endif
}

}  // namespace attractor::cpu
#endif
