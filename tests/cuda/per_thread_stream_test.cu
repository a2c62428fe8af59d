/// An application compiled with --default-stream per-thread: what it means by the default stream is its thread's own.

#include <cuda_runtime.h>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>
#include <attractor/cuda.hpp>

#include "tests/support/data.hpp"
#include "tests/support/results.hpp"

#ifndef CUDA_API_PER_THREAD_DEFAULT_STREAM
#error "compile this with --default-stream per-thread"
#endif

namespace attractor::test {
namespace {

constexpr Index dimension = 32;
constexpr Index query_count = 40;

void check_cuda(cudaError_t status) { ASSERT_EQ(status, cudaSuccess) << cudaGetErrorString(status); }

/// Managed memory would be read at once by the host; this isn't.
class DeviceRows {
 public:
  DeviceRows() { check_cuda(cudaMalloc(&data_, bytes)); }
  DeviceRows(const DeviceRows&) = delete;
  DeviceRows& operator=(const DeviceRows&) = delete;
  ~DeviceRows() { static_cast<void>(cudaFree(data_)); }

  [[nodiscard]] MatrixView<float> view() const { return {static_cast<float*>(data_), query_count, dimension}; }

  void write(const Matrix<float>& values) const {
    check_cuda(cudaMemcpy(data_, values.data(), bytes, cudaMemcpyHostToDevice));
  }
  [[nodiscard]] Matrix<float> read() const {
    Matrix<float> values(query_count, dimension);
    check_cuda(cudaMemcpy(values.data(), data_, bytes, cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  static constexpr std::size_t bytes = query_count * dimension * sizeof(float);
  void* data_ = nullptr;
};

__global__ void negate(const float* from, float* to, int count) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) to[i] = -from[i];
}

class PerThreadStreamTest : public testing::Test {
 protected:
  /// Leaves the making of the queries to this thread's default stream.
  void enqueue_queries() const {
    constexpr int count = query_count * dimension;
    negate<<<(count + 127) / 128, 128>>>(negative_.view().data, queries_.view().data, count);
    check_cuda(cudaGetLastError());
  }

  void SetUp() override {
    Matrix<float> negative(query_count, dimension);
    for (Index i = 0; i < negative.size(); ++i) negative.data()[i] = -host_queries_.data()[i];
    negative_.write(negative);
    Matrix<float> nothing(query_count, dimension);
    std::fill_n(nothing.data(), nothing.size(), 0.0F);
    queries_.write(nothing);
  }

  Rng rng_{160};
  Matrix<float> patterns_ = random_bipolar(3, dimension, rng_);
  Matrix<float> host_queries_ = flipped_copies(patterns_, query_count, 0.2, rng_);
  Relaxer relaxer_{Memory::hebbian(Device::cuda(), patterns_)};
  Relaxation expected_ = relaxer_.relax(host_queries_);
  DeviceRows negative_;
  DeviceRows queries_;
};

TEST_F(PerThreadStreamTest, CallsWaitForQueriesFromIt) {
  enqueue_queries();

  EXPECT_TRUE(same_results(relaxer_.relax(queries_.view()), expected_));
}

TEST_F(PerThreadStreamTest, AsynchronousCallsRunOnItByDefault) {
  EXPECT_EQ(CudaCall{}.stream, cudaStreamPerThread);
  const DeviceRows states;
  enqueue_queries();

  relax_async(relaxer_, queries_.view(), {.states = states.view()});

  EXPECT_TRUE(same_bits(states.read().view(), expected_.states.view()));
}

TEST_F(PerThreadStreamTest, MemoriesTakePatternsFromIt) {
  enqueue_queries();

  EXPECT_TRUE(same_bits(Memory::hebbian(Device::cuda(), queries_.view()).patterns(), host_queries_.view()));
}

}  // namespace
}  // namespace attractor::test
