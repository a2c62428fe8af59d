#include <attractor/device.hpp>
#include <attractor/error.hpp>

#include "host/src/cuda_backend.hpp"
#include "kernels/cpu/instruction_set.hpp"

namespace attractor {

Device Device::cpu() { return {Kind::cpu, 0}; }

Device Device::cuda(int index) {
  if (!detail::has_cuda()) throw NotSupported("there is no CUDA device: this build of attractor has no CUDA");
  const int count = cuda_count();
  if (index < 0 || index >= count)
    throw InvalidArgument("there is no CUDA device " + std::to_string(index) + "; this machine has " +
                          std::to_string(count));
  return {Kind::cuda, index};
}

int Device::cuda_count() { return detail::cuda_device_count(); }

Device Device::best() { return cuda_count() > 0 ? cuda(0) : cpu(); }

std::string Device::description() const {
  if (kind_ == Kind::cpu) return std::string("cpu (") + cpu::instruction_set() + ")";
  return "cuda:" + std::to_string(index_) + " (" + detail::cuda_description(index_) + ")";
}

}  // namespace attractor
