#include "kernels/cuda/softmax/stored_schedule.hpp"

#include <algorithm>

#include "kernels/cuda/device/launch.hpp"

namespace attractor::cuda {
namespace {

constexpr int most_values = 256;

/// As many as an argument holds.
struct Values {
  float value[most_values];
};

__global__ void __launch_bounds__(most_values) store_kernel(Values values, int count, float* to) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < count) to[i] = values.value[i];
}

}  // namespace

void launch_store(const detail::Schedule& schedule, float* to, cudaStream_t stream) {
  for (int first = 0; first < schedule.count; first += most_values) {
    const int count = std::min(most_values, schedule.count - first);
    Values values = {};
    std::copy_n(schedule.betas + first, count, values.value);
    launch_kernel("store_kernel", store_kernel, {1, most_values}, stream, values, count, to + first);
  }
}

}  // namespace attractor::cuda
