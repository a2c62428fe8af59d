#include <attractor/cuda.hpp>

#include "bench/support/cublas.hpp"
#include "bench/support/relaxation_timer.hpp"
#include "kernels/cuda/device/resources.hpp"

namespace attractor::bench {
namespace {

using cuda::check;
using cuda::DeviceArray;

/// The time a stream takes from one point to another.
class EventTimer {
 public:
  explicit EventTimer(cudaStream_t stream) : stream_(stream), start_(make()), end_(make()) {}

  template <class Work>
  double seconds(Work&& work) {
    check(cudaEventRecord(start_.get(), stream_), "cudaEventRecord");
    work();
    check(cudaEventRecord(end_.get(), stream_), "cudaEventRecord");
    check(cudaEventSynchronize(end_.get()), "cudaEventSynchronize");
    float milliseconds = 0.0F;
    check(cudaEventElapsedTime(&milliseconds, start_.get(), end_.get()), "cudaEventElapsedTime");
    return 1e-3 * static_cast<double>(milliseconds);
  }

 private:
  static cuda::Event make() {
    cudaEvent_t event = nullptr;
    check(cudaEventCreate(&event), "cudaEventCreate");
    return cuda::Event(event);
  }

  cudaStream_t stream_;
  cuda::Event start_;
  cuda::Event end_;
};

template <class T>
void fetch(const DeviceArray<T>& from, T* to) {
  check(cudaMemcpy(to, from.data(), from.bytes(), cudaMemcpyDeviceToHost), "cudaMemcpy of results");
}

class CudaTimer final : public RelaxationTimer {
 public:
  CudaTimer(const Device& device, MatrixView<const float> queries)
      : scope_(device.index()),
        count_(static_cast<std::size_t>(queries.rows)),
        results_(queries),
        stream_(cuda::make_stream()),
        timer_(stream_.get()),
        queries_(count_ * static_cast<std::size_t>(queries.columns), "queries"),
        states_(queries_.size(), "states"),
        steps_(count_, "steps"),
        status_(count_, "statuses") {
    check(cudaMemcpy2D(queries_.data(), row_bytes(queries.columns), queries.data, row_bytes(queries.row_stride),
                       row_bytes(queries.columns), count_, cudaMemcpyHostToDevice),
          "cudaMemcpy2D of queries");
  }

  double seconds(const Relaxer& relaxer) override {
    const Index rows = results_.states.rows();
    const Index columns = results_.states.columns();
    const std::size_t needed = workspace_bytes(relaxer, rows);
    if (workspace_.size() < needed) workspace_ = DeviceArray<std::byte>(needed, "scratch");
    const RelaxationView view{.states = {states_.data(), rows, columns},
                              .steps = {steps_.data(), count_},
                              .status = {status_.data(), count_}};
    const CudaCall call{.stream = stream_.get(), .workspace = {workspace_.data(), workspace_.size()}};
    return timer_.seconds([&] { relax_async(relaxer, {queries_.data(), rows, columns}, view, call); });
  }

  const Results& results() override {
    fetch(states_, results_.states.data());
    fetch(steps_, results_.steps.data());
    fetch(status_, results_.status.data());
    return results_;
  }

 private:
  static std::size_t row_bytes(Index floats) { return static_cast<std::size_t>(floats) * sizeof(float); }

  cuda::DeviceScope scope_;
  std::size_t count_;
  Results results_;
  cuda::Stream stream_;
  EventTimer timer_;
  DeviceArray<float> queries_;
  DeviceArray<float> states_;
  DeviceArray<std::int32_t> steps_;
  DeviceArray<Status> status_;
  DeviceArray<std::byte> workspace_;
};

}  // namespace

std::unique_ptr<RelaxationTimer> make_cuda_timer(const Device& device, MatrixView<const float> queries) {
  return std::make_unique<CudaTimer>(device, queries);
}

struct CudaProduct::State {
  State(const Device& device, Index m, Index n, Index k)
      : scope(device.index()),
        rows(static_cast<int>(m)),
        columns(static_cast<int>(n)),
        inner(static_cast<int>(k)),
        stream(cuda::make_stream()),
        timer(stream.get()),
        blas(make_blas(stream.get())),
        a(static_cast<std::size_t>(m * k), "a factor"),
        b(static_cast<std::size_t>(n * k), "a factor"),
        c(static_cast<std::size_t>(m * n), "a product") {
    check(cudaMemset(a.data(), 0, a.bytes()), "cudaMemset");
    check(cudaMemset(b.data(), 0, b.bytes()), "cudaMemset");
  }

  cuda::DeviceScope scope;
  int rows;
  int columns;
  int inner;
  cuda::Stream stream;
  EventTimer timer;
  Blas blas;
  DeviceArray<float> a;
  DeviceArray<float> b;
  DeviceArray<float> c;
};

CudaProduct::CudaProduct(const Device& device, Index rows, Index columns, Index inner)
    : state_(std::make_unique<State>(device, rows, columns, inner)) {}
CudaProduct::~CudaProduct() = default;
CudaProduct::CudaProduct(CudaProduct&& other) noexcept = default;
CudaProduct& CudaProduct::operator=(CudaProduct&& other) noexcept = default;

double CudaProduct::seconds() {
  State& s = *state_;
  return s.timer.seconds(
      [&] { multiply(s.blas.get(), s.rows, s.columns, s.inner, s.a.data(), s.b.data(), s.c.data()); });
}

}  // namespace attractor::bench
