/// Machines whose devices, driver or memory aren't those of this one.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>
#include <attractor/error.hpp>

#include "tests/cuda/support_data.hpp"
#include "tests/cuda/support_machine.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"

namespace attractor::test {
namespace {

/// A device of another compute capability than any here, for which this build has no code.
void make_unusable(Machine& machine, const Device& device) {
  machine.attributes[{device.index(), cudaDevAttrComputeCapabilityMajor}] = 2;
  machine.code_status[device.index()] = cudaErrorNoKernelImageForDevice;
}

TEST(CudaMachineTest, ADriverThatIsTooOldIsSaid) {
  const MachineScope scope({.device_count_status = cudaErrorInsufficientDriver, .driver_version = 12020});
  const std::string runtime = std::to_string(CUDART_VERSION / 1000) + "." + std::to_string(CUDART_VERSION % 1000 / 10);

  EXPECT_EQ(Device::cuda_count(), 0);
  EXPECT_EQ(Device::best(), Device::cpu());
  EXPECT_NE(Device::best().description().find("driver is made for CUDA 12.2, this build for " + runtime),
            std::string::npos)
      << Device::best().description();
  expect_error<NotSupported>([] { static_cast<void>(Device::cuda()); }, {"driver", "12.2", runtime});
}

TEST(CudaMachineTest, ADriverThatFailsIsSaid) {
  const MachineScope scope({.device_count_status = cudaErrorSystemDriverMismatch});

  EXPECT_EQ(Device::best(), Device::cpu());
  EXPECT_NE(Device::best().description().find("cudaErrorSystemDriverMismatch"), std::string::npos);
  expect_error<NotSupported>([] { static_cast<void>(Device::cuda()); }, {"cudaErrorSystemDriverMismatch"});
}

TEST(CudaMachineTest, NoDriverAndNoDeviceAreNothingToSpeakOf) {
  const std::string usual = Device::cpu().description();
  for (const Machine& machine : {Machine{.device_count_status = cudaErrorInsufficientDriver, .driver_version = 0},
                                 Machine{.device_count_status = cudaErrorNoDevice}}) {
    const MachineScope scope(machine);
    EXPECT_EQ(Device::cuda_count(), 0);
    EXPECT_EQ(Device::best(), Device::cpu());
    EXPECT_EQ(Device::cpu().description(), usual);
    expect_error<InvalidArgument>([] { static_cast<void>(Device::cuda()); }, {"no CUDA device 0", "has 0"});
  }
}

TEST(CudaMachineTest, DevicesWithoutCodeAreNotOffered) {
  Machine machine;
  for (const Device& device : Device::cuda_devices()) make_unusable(machine, device);
  const std::string description = Device::cuda().description();
  const MachineScope scope(machine);

  EXPECT_EQ(Device::cuda_count(), 0);
  EXPECT_EQ(Device::best(), Device::cpu());
  expect_error<NotSupported>([] { static_cast<void>(Device::cuda()); }, {description, "no code"});
}

TEST(CudaMachineTest, TheOthersAre) {
  const std::vector<Device> devices = Device::cuda_devices();
  if (devices.size() < 2) GTEST_SKIP() << "needs two CUDA devices";
  Machine machine;
  make_unusable(machine, devices.front());
  const MachineScope scope(machine);

  EXPECT_EQ(Device::cuda_devices(), std::vector(devices.begin() + 1, devices.end()));
  EXPECT_EQ(Device::best(), devices[1]);
  EXPECT_EQ(Device::cuda(devices[1].index()), devices[1]);
  expect_error<NotSupported>([&] { static_cast<void>(Device::cuda(devices.front().index())); }, {"no code"});
}

TEST(CudaMachineTest, UnlikeDevicesDontShareQueries) {
  const std::vector<Device> devices = Device::cuda_devices();
  if (devices.size() < 2) GTEST_SKIP() << "needs two CUDA devices";
  const Memory memory = cuda_kinds().front().memory(Device::cuda());
  const int second = devices[1].index();
  for (const auto& [attribute, value] :
       std::map<cudaDeviceAttr, int>{{cudaDevAttrMaxSharedMemoryPerBlockOptin, 65537},
                                     {cudaDevAttrMaxSharedMemoryPerMultiprocessor, 65538},
                                     {cudaDevAttrMultiProcessorCount, 65539},
                                     {cudaDevAttrComputeCapabilityMinor, 65540}}) {
    const MachineScope scope({.attributes = {{{second, attribute}, value}}});
    expect_error<NotSupported>([&] { const Relaxer shared(memory, devices); },
                               {devices[0].description(), devices[1].description(), std::to_string(value)});
    EXPECT_NO_THROW(Relaxer(memory, std::vector{devices[1]}));
  }
}

TEST(CudaMachineTest, TheDeviceThatHasNoRoomForItsShareIsNamed) {
  const std::vector<Device> devices = Device::cuda_devices();
  if (devices.size() < 2) GTEST_SKIP() << "needs two CUDA devices";
  for (const CudaKind& kind : cuda_kinds()) {
    const Memory memory = kind.memory(devices[0]);
    const MachineScope scope({.room = {{devices[1].index(), 0}}});
    expect_error<OutOfDeviceMemory>([&] { const Relaxer shared(memory, devices); },
                                    {"cudaMalloc", "CUDA device " + std::to_string(devices[1].index())});
  }
}

/// Neither queries nor results would fit.
TEST(CudaMachineTest, SetsLargerThanADeviceRelaxInChunks) {
  Rng rng(86);
  const Matrix<float> patterns = random_bipolar(2, 256, rng);
  const Matrix<float> queries = flipped_copies(patterns, 12000, 0.1, rng);  // 12 MB
  const Memory memory = Memory::hebbian(Device::cuda(), patterns);
  const Relaxation expected = Relaxer(Memory::hebbian(Device::cuda(), patterns)).relax(queries);
  const MachineScope scope({.room = {{memory.device().index(), std::size_t{8} << 20U}}});

  EXPECT_TRUE(same_results(Relaxer(memory).relax(queries), expected));
}

TEST(CudaPlacementTest, ARefusalSaysWhatIsNeededAndWhatThereIs) {
  const MachineScope scope({.attributes = {{{0, cudaDevAttrMaxSharedMemoryPerBlockOptin}, 65536}}});
  Rng rng(87);
  const Matrix<float> patterns = random_gaussian(60, 512, rng);
  const auto make = [&](MatrixView<const float> of, Evaluation evaluation) {
    static_cast<void>(
        Memory::hebbian(Device::cuda(), of, {.evaluation = evaluation, .placement = Placement::resident}));
  };

  // Two fp16 terms of 64 × 520 entries are less than floats are: with a diagonal and what it makes, the scores of 64
  // patterns and parts of them, and what else a team keeps.
  expect_error<NotSupported>([&] { make(patterns, Evaluation::factored); },
                             {"60 × 512", "at least 151312 bytes of shared memory", "may have 65536"});
  expect_error<NotSupported>([&] { make(patterns, Evaluation::dense); }, {"512 × 512", "may have 65536"});
  expect_error<NotSupported>([&] { make(random_gaussian(2, 5000, rng), Evaluation::factored); },
                             {"2 × 5000", "at least 40000 bytes"});
}

using Rows = MatrixView<const float>;

/// Rules that take patterns where they are on the device.
std::map<std::string, std::function<Memory(Rows)>> rules_on_the_device() {
  const Device device = Device::cuda();
  return {
      {"softmax", [=](Rows rows) { return Memory::modern_hopfield(device, rows, {.contents = rows}); }},
      {"squared_distance",
       [=](Rows rows) {
         return Memory::modern_hopfield(device, rows, {.similarity = Similarity::squared_distance, .contents = rows});
       }},
      {"exponential", [=](Rows rows) { return Memory::exponential(device, rows, {.contents = rows}); }},
      {"dense_associative", [=](Rows rows) { return Memory::dense_associative(device, rows, {.contents = rows}); }},
      {"minerva", [=](Rows rows) { return Memory::minerva(device, rows, {.contents = rows}); }},
      {"adaptive",
       [=](Rows rows) {
         const std::vector<float> weights(static_cast<std::size_t>(rank_count(rows.columns, 2)), 0.1F);
         return Memory::adaptive(device, rows, {.dot = weights, .groups = 2}, {.contents = rows});
       }},
      {"hebbian",
       [=](Rows rows) {
         return Memory::hebbian(
             device, rows, {.evaluation = Evaluation::factored, .placement = Placement::streamed, .contents = rows});
       }},
      {"hebbian_dense",
       [=](Rows rows) {
         return Memory::hebbian(device, rows,
                                {.evaluation = Evaluation::dense, .placement = Placement::streamed, .contents = rows});
       }},
      {"hebbian_centred_and_fading", [=](Rows rows) {
         return Memory::hebbian(device, rows,
                                {.centred = true,
                                 .decay = 0.99F,
                                 .evaluation = Evaluation::factored,
                                 .placement = Placement::streamed,
                                 .contents = rows});
       }}};
}

TEST(CudaTrafficTest, PatternsOnTheDeviceStayThere) {
  constexpr Index count = 300;
  constexpr Index dimension = 250;
  constexpr std::size_t bytes = sizeof(float) * count * dimension;
  // For each pattern and column, and for the eight products by FᵀF of linear memories.
  constexpr std::size_t few = sizeof(double) * 12 * (count + dimension);
  Rng rng(91);
  Matrix<float> patterns = random_gaussian(count, dimension, rng);
  for (Index i = 0; i < count; ++i) patterns(i, 7) += 50.0F;  // What softmax-like memories take out.
  const PlacedRows<float> placed(Place::device, patterns.view(), {.gap = 2});
  for (const auto& [name, make] : rules_on_the_device()) {
    SCOPED_TRACE(name);
    const Traffic making;
    const Memory memory = make(placed.view());
    EXPECT_LT(making.to_host(), few);
    EXPECT_GT(making.to_host(), 0U);
    EXPECT_LT(making.from_host(), few);
    const Traffic asking;
    EXPECT_TRUE(same_bits(memory.patterns(), patterns.view()));
    EXPECT_TRUE(same_bits(memory.contents(), patterns.view()));
    EXPECT_TRUE(same_bits(memory.patterns(), patterns.view()));
    EXPECT_EQ(asking.to_host(), 2 * bytes) << "each comes to the host once";
    EXPECT_EQ(asking.from_host(), 0U);
  }
}

/// Levels are ruled out by a few patterns.
TEST(CudaTrafficTest, PatternsOfManyValuesStayOnTheDevice) {
  Rng rng(92);
  const Matrix<float> patterns = random_gaussian(640, 20, rng);
  const PlacedRows<float> placed(Place::device, patterns.view());
  const AdaptiveSimilarity similarity{.dot = std::vector<float>(20, 0.1F)};
  const Traffic traffic;
  static_cast<void>(Memory::adaptive(Device::cuda(), placed.view(), similarity));
  EXPECT_LT(traffic.to_host(), sizeof(float) * static_cast<std::size_t>(patterns.size()) / 3);
}

/// Pairs of a query and its origin for fits and footprints.
struct Pairs {
  Matrix<float> patterns;
  Matrix<float> queries = {};
  std::vector<Index> origins = {};
};

Pairs make_pairs(Index count, Index dimension) {
  Rng rng(93);
  Pairs pairs{.patterns = random_gaussian(20, dimension, rng)};
  pairs.queries = noisy_copies(pairs.patterns, count, 0.1F, 1.0F, rng);
  for (Index i = 0; i < count; ++i) pairs.origins.push_back(i % 20);
  return pairs;
}

/// All that a fit of these pairs copies from the host in so many epochs.
std::size_t uploaded(Rows patterns, Rows queries, std::span<const Index> origins, int epochs) {
  const FitOptions options{.optimiser = Optimiser::adam, .epochs = epochs, .held_out = 0.5F, .patience = epochs};
  const Traffic traffic;
  const Fit fit = fit_similarity(Device::cuda(), patterns, queries, origins, options);
  EXPECT_EQ(fit.history.size(), static_cast<std::size_t>(epochs));
  return traffic.from_host();
}

/// An epoch sends weights, of two losses and two bases, and no queries.
TEST(CudaTrafficTest, QueriesOfAFitGoToTheDeviceOnce) {
  constexpr Index count = 1500;
  constexpr Index dimension = 24;
  constexpr std::size_t query_bytes = sizeof(float) * count * dimension;
  constexpr std::size_t weights = sizeof(float) * 4 * 2 * dimension;
  const Pairs pairs = make_pairs(count, dimension);
  const std::size_t first = uploaded(pairs.patterns, pairs.queries, pairs.origins, 1);
  EXPECT_GE(first, query_bytes);
  EXPECT_LE(uploaded(pairs.patterns, pairs.queries, pairs.origins, 4), first + 3 * weights);
  EXPECT_LT(first, query_bytes + query_bytes / 2);

  detail::Sizes sizes;
  sizes.fit_query_share = Index{1} << 62;
  const SizesScope scope(sizes);
  EXPECT_GE(uploaded(pairs.patterns, pairs.queries, pairs.origins, 4), 4 * query_bytes) << "too many to stay";
}

TEST(CudaTrafficTest, QueriesOfAFitStayOnTheDevice) {
  constexpr Index count = 2000;
  constexpr Index dimension = 64;
  constexpr std::size_t query_bytes = sizeof(float) * count * dimension;
  constexpr std::size_t sampled = sizeof(float) * (1024 + 20) * dimension;
  constexpr std::size_t few = sizeof(double) * 3 * count;  // Origins, numbers and losses.
  const Pairs pairs = make_pairs(count, dimension);
  const PlacedRows<float> patterns(Place::device, pairs.patterns.view());
  const PlacedRows<float> queries(Place::device, pairs.queries.view(), {.gap = 1});
  const PlacedRows<Index> origins(Place::device, MatrixView<const Index>(pairs.origins.data(), count, 1));
  const Traffic fitting;
  EXPECT_LT(uploaded(patterns.view(), queries.view(), origins.column(), 1), few);
  const Traffic again;
  const FitOptions options{.epochs = 1};
  static_cast<void>(fit_similarity(Device::cuda(), patterns.view(), queries.view(), origins.column(), options));
  EXPECT_LT(again.to_host(), sampled + 2 * few);
  static_assert(sampled + 2 * few < query_bytes);
  const Traffic asking;
  const AdaptiveSimilarity similarity{.dot = std::vector<float>(dimension, 0.1F)};
  cross_entropy(Device::cuda(), patterns.view(), similarity, queries.view(), origins.column());
  EXPECT_LT(asking.to_host(), few);
  EXPECT_LT(asking.from_host(), few);
}

TEST(CudaTrafficTest, FootprintsOfDataOnTheDeviceStayThere) {
  const Pairs pairs = make_pairs(90, 30);
  const PlacedRows<float> patterns(Place::device, pairs.patterns.view());
  const PlacedRows<float> queries(Place::device, pairs.queries.view(), {.gap = 3});
  for (const Index gap : {2, 3}) {
    const PlacedRows<float> footprints(Place::device, 1800, 30, {.gap = gap});
    const Traffic traffic;
    footprint(Device::cuda(), patterns.view(), queries.view(), footprints.view());
    // Whether each matrix is finite: the smallest and the largest entry of each column.
    EXPECT_EQ(traffic.to_host(), 2 * 2 * 30 * sizeof(float));
    EXPECT_EQ(traffic.from_host(), 2 * 2 * 30 * sizeof(float));
  }
}

}  // namespace
}  // namespace attractor::test
