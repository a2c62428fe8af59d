#include <attractor/device.hpp>

#include <hwy/targets.h>

namespace attractor {

Device Device::cpu() { return Device(Kind::cpu); }

Device Device::best() { return cpu(); }

std::string Device::description() const {
  // The lowest bit set is the best instruction set that both this machine and this build have.
  const auto supported = hwy::SupportedTargets();
  return std::string("cpu (") + hwy::TargetName(supported & -supported) + ")";
}

}  // namespace attractor
