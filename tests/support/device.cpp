#include "tests/support/device.hpp"

namespace attractor::test {
namespace {

Device& chosen() {
  static Device device = Device::cpu();
  return device;
}

}  // namespace

Device test_device() { return chosen(); }

void use_device(const Device& device) { chosen() = device; }

}  // namespace attractor::test
