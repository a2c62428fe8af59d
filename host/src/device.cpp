#include <attractor/device.hpp>

#include <charconv>
#include <string>
#include <string_view>
#include <system_error>

#include <attractor/error.hpp>

#include "host/src/cuda_backend.hpp"
#include "kernels/cpu/engine/instruction_set.hpp"

namespace attractor {

Device Device::cpu() { return {Kind::cpu, 0}; }

Device Device::cuda(int index) {
  if (!detail::has_cuda()) throw NotSupported("there is no CUDA device: this build of attractor has no CUDA");
  const std::string hidden = detail::cuda_obstacle();
  if (!hidden.empty()) throw NotSupported("CUDA can't be used: " + hidden);
  const int count = detail::cuda_device_count();
  if (index < 0 || index >= count)
    throw InvalidArgument("there is no CUDA device " + std::to_string(index) + "; this machine has " +
                          std::to_string(count));
  const Device device(Kind::cuda, index);
  const std::string obstacle = detail::cuda_obstacle(index);
  if (!obstacle.empty()) throw NotSupported(device.description() + " can't be used: " + obstacle);
  return device;
}

std::vector<Device> Device::cuda_devices() {
  std::vector<Device> devices;
  for (int index = 0; index < detail::cuda_device_count(); ++index)
    if (detail::cuda_obstacle(index).empty()) devices.push_back(Device(Kind::cuda, index));
  return devices;
}

int Device::cuda_count() { return static_cast<int>(cuda_devices().size()); }

Device Device::named(std::string_view name) {
  if (name == "best") return best();
  if (name == "cpu") return cpu();
  if (name == "cuda") return cuda();
  constexpr std::string_view prefix = "cuda:";
  int index = 0;
  const char* const end = name.data() + name.size();
  if (name.starts_with(prefix)) {
    const auto [last, error] = std::from_chars(name.data() + prefix.size(), end, index);
    if (error == std::errc() && last == end) return cuda(index);
  }
  throw InvalidArgument("there is no device \"" + std::string(name) + "\"; known are best, cpu, cuda and cuda:N");
}

Device Device::best() {
  const std::vector<Device> devices = cuda_devices();
  return devices.empty() ? cpu() : devices.front();
}

std::string Device::description() const {
  if (kind_ == Kind::cuda) return "cuda:" + std::to_string(index_) + " (" + detail::cuda_description(index_) + ")";
  const std::string hidden = detail::cuda_obstacle();
  return std::string("cpu (") + cpu::instruction_set() + ")" +
         (hidden.empty() ? "" : ", CUDA can't be used: " + hidden);
}

}  // namespace attractor
