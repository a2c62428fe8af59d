/// One relaxer on all CUDA devices of the machine, of which there may be one.

#include <cmath>
#include <iostream>

#include <gtest/gtest.h>

#include <attractor/error.hpp>

#include "kernels/cuda/device/resources.hpp"
#include "tests/cuda/support_data.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

/// Those that can share queries with the first.
std::vector<Device> all_devices() {
  const Memory memory = cuda_kinds().front().memory(Device::cuda());
  std::vector<Device> devices = {Device::cuda()};
  for (const Device& device : Device::cuda_devices()) {
    if (device == devices.front()) continue;
    try {
      const Relaxer shared(memory, std::vector{devices.front(), device});
      devices.push_back(device);
    } catch (const NotSupported& refusal) {
      std::cout << refusal.what() << '\n';
    }
  }
  return devices;
}

class CudaShardingTest : public testing::TestWithParam<CudaKind> {
 protected:
  std::vector<Device> devices_ = all_devices();
  Memory memory_ = GetParam().memory(Device::cuda());
  RelaxerOptions options_{.max_steps = 5, .energy_trace = true};
  Relaxer alone_{memory_, options_};
  Relaxer shared_{memory_, devices_, options_};
};

INSTANTIATE_TEST_SUITE_P(Kinds, CudaShardingTest, testing::ValuesIn(cuda_kinds()),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(CudaShardingTest, KnowsItsDevices) {
  EXPECT_EQ(shared_.devices(), devices_);
  EXPECT_EQ(shared_.memory().device(), devices_.front());
}

TEST_P(CudaShardingTest, GivesTheResultsOfOneDeviceInOrder) {
  for (const Index count : {1, 2, 9, 300}) {
    const Matrix<float> queries = kind_queries(count);
    EXPECT_TRUE(same_results(shared_.relax(queries), alone_.relax(queries))) << count << " queries";
  }
}

TEST_P(CudaShardingTest, TakesClampedNeuronsFromTheHost) {
  Rng rng(100);
  const Matrix<float> queries = kind_queries(60);
  const Matrix<std::uint8_t> clamped = random_mask(60, kind_dimension, 0.3, rng);

  const Relaxation result = shared_.relax(queries, {.clamped = clamped.view()});

  EXPECT_TRUE(same_results(result, alone_.relax(queries, {.clamped = clamped.view()})));
}

TEST_P(CudaShardingTest, TakesPinnedDataThatLieApart) {
  const Matrix<float> queries = kind_queries(60);
  const Relaxation expected = alone_.relax(queries);
  const PlacedRows<float> pinned(Place::pinned, queries.view(), {.gap = 3, .offset = 1});
  const PlacedResults results({Place::pinned, Place::pageable}, expected, {.gap = 1, .offset = 2});

  shared_.relax(pinned.view(), results.view());

  EXPECT_TRUE(same_results(results.read(), expected));
  EXPECT_TRUE(results.margins_are_untouched());
}

TEST_P(CudaShardingTest, ReportsTheProgressOfAllDevices) {
  const Matrix<float> queries = kind_queries(300);
  std::vector<Index> finished;

  const Relaxation result = shared_.relax(queries, {.progress = [&](const Progress& progress) {
                                            EXPECT_EQ(progress.total, 300);
                                            finished.push_back(progress.finished);
                                          }});

  EXPECT_TRUE(std::is_sorted(finished.begin(), finished.end()));
  ASSERT_FALSE(finished.empty());
  EXPECT_EQ(finished.back(), 300);
  EXPECT_TRUE(same_results(result, alone_.relax(queries)));
}

TEST_P(CudaShardingTest, CancelsTheWorkOfAllDevices) {
  const Matrix<float> queries = kind_queries(300);
  std::stop_source source;
  source.request_stop();

  const PlacedResults results({Place::pageable}, alone_.relax(queries));
  const Matrix<float> before = results.read().states;

  shared_.relax(queries, results.view(), {.stop = source.get_token()});

  const Relaxation result = results.read();
  EXPECT_EQ(std::count(result.status.begin(), result.status.end(), Status::cancelled), 300);
  EXPECT_TRUE(same_bits(result.states.view(), before.view())) << "what never started was written";
}

TEST_P(CudaShardingTest, LeavesTheCurrentDeviceAsItWas) {
  const cuda::DeviceScope scope(devices_.back().index());

  static_cast<void>(shared_.relax(kind_queries(30)));

  int current = -1;
  cuda::check(cudaGetDevice(&current), "cudaGetDevice");
  EXPECT_EQ(current, devices_.back().index());
}

TEST_P(CudaShardingTest, RefusesDataOnADevice) {
  if (devices_.size() < 2) GTEST_SKIP() << "needs two CUDA devices";
  const Matrix<float> queries = kind_queries(30);
  const Relaxation expected = alone_.relax(queries);
  for (const Place place : {Place::device, Place::managed}) {
    const PlacedRows<float> placed(place, queries.view());
    const PlacedResults results({place}, expected);
    const PlacedResults mixed({Place::pageable, place}, expected);
    EXPECT_THROW(static_cast<void>(shared_.relax(placed.view())), InvalidArgument);
    EXPECT_THROW(shared_.relax(queries, results.view()), InvalidArgument);
    EXPECT_THROW(shared_.relax(queries, mixed.view()), InvalidArgument);
  }
}

TEST_P(CudaShardingTest, TakesAMemoryFromAnyDevice) {
  const Matrix<float> queries = kind_queries(60);
  const Relaxation expected = alone_.relax(queries);

  EXPECT_TRUE(same_results(Relaxer(memory_.copy_to(Device::cpu()), devices_, options_).relax(queries), expected));
  EXPECT_TRUE(same_results(Relaxer(memory_, std::vector{devices_.back()}, options_).relax(queries), expected));
}

TEST_P(CudaShardingTest, CopiesOfAMemoryAreTheSameOnEveryDevice) {
  const Matrix<float> queries = kind_queries(60);
  const Relaxation expected = alone_.relax(queries);
  const Memory host = memory_.copy_to(Device::cpu());
  EXPECT_EQ(host.device(), Device::cpu());
  for (const Device& device : devices_)
    for (const Memory& original : {memory_, host}) {
      const Memory copy = original.copy_to(device);
      EXPECT_EQ(copy.device(), device);
      EXPECT_EQ(copy.evaluation(), memory_.evaluation());
      EXPECT_TRUE(same_bits(copy.patterns(), memory_.patterns()));
      EXPECT_TRUE(same_bits(copy.contents(), memory_.contents()));
      EXPECT_TRUE(same_results(Relaxer(copy, options_).relax(queries), expected)) << device.description();
    }
}

TEST_P(CudaShardingTest, CopiesOutliveTheOriginal) {
  const Matrix<float> queries = kind_queries(20);
  const Relaxation expected = alone_.relax(queries);
  const auto copy_of_passing_memory = [&] { return GetParam().memory(Device::cuda()).copy_to(devices_.back()); };

  EXPECT_TRUE(same_results(Relaxer(copy_of_passing_memory(), options_).relax(queries), expected));
}

/// The message names the device at fault.
void expect_refusal(const std::vector<Device>& devices, const std::string& words) {
  const Memory memory = cuda_kinds().front().memory(Device::cuda());
  try {
    const Relaxer relaxer(memory, devices);
    ADD_FAILURE() << "accepted";
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
  }
}

TEST(CudaDevicesTest, MustBeDifferentCudaDevices) {
  const Device first = Device::cuda();
  expect_refusal({}, "needs a device");
  expect_refusal({first, first}, first.description() + " is named twice");
  expect_refusal({first, Device::cpu()}, Device::cpu().description() + " is none");
  expect_refusal({Device::cpu(), first}, Device::cpu().description() + " is none");
}

TEST(CudaDevicesTest, MustExist) {
  EXPECT_THROW(static_cast<void>(Device::cuda(Device::cuda_count())), InvalidArgument);
  EXPECT_THROW(static_cast<void>(Device::cuda(-1)), InvalidArgument);
}

}  // namespace
}  // namespace attractor::test
