// Runs a suite: on the CPU, or with --device=cuda on the first CUDA device; on the processor's best instruction set or
// on the one named by --instruction_set: baseline, for what every processor has, or a name as Highway spells it. The
// library chooses at run time; so does this, in the same table. With --sizes=tiny the engines do little at a time, so
// that small inputs reach what else only large ones do. With --matrix_unit=emulated plain code stands in for the
// processor's unit for small matrices, whether it has one or not.

#include <cstdint>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <attractor/device.hpp>

#include "kernels/cpu/matrix_unit/matrix_unit.hpp"
#include "kernels/sizes.hpp"
#include "tests/support/device.hpp"

namespace {

/// ctest's word for a test that this machine cannot run.
constexpr int skipped = 77;

/// The instruction set of this name if the processor has it, else 0.
std::int64_t supported_target(const std::string& name) {
  for (std::int64_t targets = hwy::SupportedTargets(); targets != 0; targets &= targets - 1) {
    const std::int64_t target = targets & -targets;
    if (name == hwy::TargetName(target)) return target;
  }
  return 0;
}

/// Makes the library use this instruction set; false if it does not.
bool use_target(std::int64_t target, const std::string& name) {
  hwy::SetSupportedTargetsForTest(target);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  return attractor::Device::cpu().description().find("(" + name + ")") != std::string::npos;
}

/// Makes the library use the instruction set of this name; the exit status if it can't.
std::optional<int> choose_instruction_set(std::string name) {
  if (name == "baseline") name = hwy::TargetName(HWY_STATIC_TARGET);
  const std::int64_t target = supported_target(name);
  if (target == 0) {
    std::cerr << "this processor has no " << name << '\n';
    return skipped;
  }
  if (use_target(target, name)) return std::nullopt;
  std::cerr << "the library runs on " << attractor::Device::cpu().description() << ", not on " << name << '\n';
  return 1;
}

/// Makes the suite use this device; the exit status if it can't.
std::optional<int> choose_device(const std::string& name) {
  if (name != "cuda") return std::nullopt;
  const std::vector<attractor::Device> devices = attractor::Device::cuda_devices();
  if (devices.empty()) {
    std::cerr << "there is no CUDA device\n";
    return skipped;
  }
  attractor::test::use_device(devices.front());
  return std::nullopt;
}

/// Acts on one of this program's options; the exit status if that ends it.
std::optional<int> take_option(std::string_view option) {
  constexpr std::string_view instruction_set = "--instruction_set=";
  constexpr std::string_view device = "--device=";
  if (option.starts_with(instruction_set))
    return choose_instruction_set(std::string(option.substr(instruction_set.size())));
  if (option.starts_with(device)) return choose_device(std::string(option.substr(device.size())));
  if (option == "--matrix_unit=emulated") attractor::cpu::matrix_unit() = attractor::cpu::MatrixUnit::emulated;
  if (option == "--sizes=tiny") attractor::detail::sizes() = attractor::detail::Sizes::tiny();
  return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  // Before GoogleTest makes the lists of cases, which depend on the device.
  for (int i = 1; i < argc; ++i)
    if (const std::optional<int> status = take_option(argv[i])) return *status;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
