#include "tests/support/device.hpp"

namespace attractor::test {
namespace {

Device& chosen() {
  static Device device = Device::cpu();
  return device;
}

}  // namespace

Device test_device() { return chosen(); }

bool test_device_is_slow() { return test_device().kind() == Device::Kind::cuda; }

void use_device(const Device& device) { chosen() = device; }

}  // namespace attractor::test
