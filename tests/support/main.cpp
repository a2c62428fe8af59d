// Runs a suite, on the processor's best instruction set or on the one named by --instruction_set: baseline, for what
// every processor has, or a name as Highway spells it. The library chooses at run time; so does this, in the same
// table.

#include <cstdint>
#include <cstring>
#include <iostream>
#include <string>

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <attractor/device.hpp>

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

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  constexpr const char* option = "--instruction_set=";
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], option, std::strlen(option)) != 0) {
      std::cerr << "unknown option " << argv[i] << '\n';
      return 2;
    }
    std::string name = argv[i] + std::strlen(option);
    if (name == "baseline") name = hwy::TargetName(HWY_STATIC_TARGET);
    const std::int64_t target = supported_target(name);
    if (target == 0) {
      std::cerr << "this processor has no " << name << '\n';
      return skipped;
    }
    if (!use_target(target, name)) {
      std::cerr << "the library runs on " << attractor::Device::cpu().description() << ", not on " << name << '\n';
      return 1;
    }
  }
  return RUN_ALL_TESTS();
}
