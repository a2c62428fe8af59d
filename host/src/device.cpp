#include <attractor/device.hpp>

#include "kernels/cpu/instruction_set.hpp"

namespace attractor {

Device Device::cpu() { return Device(Kind::cpu); }

Device Device::best() { return cpu(); }

std::string Device::description() const { return std::string("cpu (") + cpu::instruction_set() + ")"; }

}  // namespace attractor
