#include "bench/support/relaxation_timer.hpp"

#include "bench/support/timing.hpp"

namespace attractor::bench {
namespace {

class CpuTimer final : public RelaxationTimer {
 public:
  explicit CpuTimer(MatrixView<const float> queries) : queries_(queries), results_(queries) {}

  double seconds(const Relaxer& relaxer) override {
    return bench::seconds([&] { relaxer.relax(queries_, results_.view()); });
  }
  const Results& results() override { return results_; }

 private:
  MatrixView<const float> queries_;
  Results results_;
};

}  // namespace

std::unique_ptr<RelaxationTimer> make_timer(const Device& device, MatrixView<const float> queries) {
  if (device.kind() == Device::Kind::cuda) return make_cuda_timer(device, queries);
  return std::make_unique<CpuTimer>(queries);
}

}  // namespace attractor::bench
