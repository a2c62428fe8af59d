#include <stdexcept>
#include <string>

#include "kernels/cuda/device/math.cuh"
#include "tests/cuda/formulas.hpp"

namespace attractor::test {
namespace {

void check(cudaError_t status, const char* call) {
  if (status != cudaSuccess) throw std::runtime_error(std::string(call) + ": " + cudaGetErrorString(status));
}

/// Device memory for the length of a test.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::size_t count) : count_(count) {
    check(cudaMalloc(&data_, count * sizeof(T)), "cudaMalloc");
  }
  explicit DeviceArray(std::span<const T> values) : DeviceArray(values.size()) {
    check(cudaMemcpy(data_, values.data(), values.size_bytes(), cudaMemcpyHostToDevice), "cudaMemcpy");
  }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  ~DeviceArray() { cudaFree(data_); }

  T* data() { return data_; }

  std::vector<T> read() const {
    check(cudaGetLastError(), "launch");
    std::vector<T> values(count_);
    check(cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost), "cudaMemcpy");
    return values;
  }

 private:
  std::size_t count_;
  T* data_ = nullptr;
};

template <class UpdateRule>
__global__ void update_all(UpdateRule update, const float* states, const float* readouts, float* next, int count) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) next[i] = cuda::apply_update(update, cuda::FloatOps{}, states[i], readouts[i]);
}

__global__ void find_halt(Halting rule, const double* values, int count, int* halt) {
  HaltingMonitor monitor;
  *halt = 0;
  for (int t = 1; t <= count && *halt == 0; ++t) {
    const bool halts = rule.watch == Halting::Watch::energy ? monitor.energy_halts(rule, t, values[t - 1])
                                                            : monitor.state_halts(rule, t, values[t - 1]);
    if (halts) *halt = t;
  }
}

int device_halt(const Halting& rule, std::span<const double> values) {
  DeviceArray<double> device_values(values);
  DeviceArray<int> halt(1);
  find_halt<<<1, 1>>>(rule, device_values.data(), static_cast<int>(values.size()), halt.data());
  return halt.read().front();
}

}  // namespace

std::vector<float> device_update(const Update& update, std::span<const float> states, std::span<const float> readouts) {
  DeviceArray<float> x(states);
  DeviceArray<float> u(readouts);
  DeviceArray<float> next(states.size());
  const int count = static_cast<int>(states.size());
  std::visit(
      [&](const auto& g) { update_all<<<(count + 127) / 128, 128>>>(g, x.data(), u.data(), next.data(), count); },
      update);
  return next.read();
}

int device_energy_halt(const Halting& rule, std::span<const double> energies) { return device_halt(rule, energies); }

int device_state_halt(const Halting& rule, std::span<const double> squared_changes) {
  return device_halt(rule, squared_changes);
}

}  // namespace attractor::test
