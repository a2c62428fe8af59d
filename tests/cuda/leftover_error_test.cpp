/// An error of the application's own, of a call that failed, that it handled and never cleared: no function here may
/// take it for its own failure, nor take it away.

#include <limits>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>
#include <attractor/cuda.hpp>
#include <attractor/error.hpp>

#include "kernels/cuda/device/resources.hpp"
#include "tests/cuda/support_data.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

constexpr Index query_count = 70;

/// Runs `work` with an error left behind.
template <class Work>
void expect_undisturbed(const std::string& name, Work&& work) {
  SCOPED_TRACE(name);
  void* data = nullptr;
  ASSERT_EQ(cudaMalloc(&data, std::numeric_limits<std::size_t>::max() / 4), cudaErrorMemoryAllocation);

  EXPECT_NO_THROW(work());

  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation) << "the application's error is gone";
}

class CudaLeftoverErrorTest : public testing::TestWithParam<CudaKind> {
 protected:
  [[nodiscard]] Memory memory() const { return GetParam().memory(Device::cuda()); }

  Matrix<float> queries_ = kind_queries(query_count);
  Relaxer relaxer_{memory(), {.max_steps = 5, .energy_trace = true}};
  Relaxation expected_ = relaxer_.relax(queries_);
};

INSTANTIATE_TEST_SUITE_P(Kinds, CudaLeftoverErrorTest, testing::ValuesIn(cuda_kinds()),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(CudaLeftoverErrorTest, MemoriesAreMadeAndChanged) {
  const Memory original = memory();
  std::optional<Memory> made;
  expect_undisturbed("make", [&] { made = memory(); });
  expect_undisturbed("imprint", [&] {
    if (original.similarity() == nullptr) made->imprint(original.patterns(), original.contents());
  });
  expect_undisturbed("forget", [&] { made->forget(std::vector<Index>{0}); });
  expect_undisturbed("copy to the CPU and back",
                     [&] { static_cast<void>(original.copy_to(Device::cpu()).copy_to(Device::cuda())); });
  expect_undisturbed("destroy", [&] { made.reset(); });
}

TEST_P(CudaLeftoverErrorTest, QueriesRelax) {
  for (const Place place : all_places) {
    const PlacedRows<float> queries(place, queries_.view());
    const PlacedResults results({place}, expected_);
    expect_undisturbed(to_string(place), [&] { relaxer_.relax(queries.view(), results.view()); });
    EXPECT_TRUE(same_results(results.read(), expected_));
  }
}

TEST_P(CudaLeftoverErrorTest, QueriesRelaxOnAllDevices) {
  const std::vector<Device> devices = Device::cuda_devices();
  if (devices.size() < 2) GTEST_SKIP() << "needs two CUDA devices";
  std::optional<Relaxer> shared;
  Relaxation result;
  expect_undisturbed("make", [&] { shared.emplace(memory(), devices, relaxer_.options()); });
  expect_undisturbed("relax", [&] { result = shared->relax(queries_); });
  EXPECT_TRUE(same_results(result, expected_));
}

TEST_P(CudaLeftoverErrorTest, QueriesRelaxOnTheCallersStream) {
  const cuda::Stream stream = cuda::make_stream();
  const PlacedRows<float> queries(Place::device, queries_.view());
  const PlacedResults results({Place::device}, expected_);
  std::size_t bytes = 0;
  expect_undisturbed("workspace_bytes", [&] { bytes = workspace_bytes(relaxer_, query_count); });
  expect_undisturbed("relaxes_in_one_launch", [&] { static_cast<void>(relaxes_in_one_launch(relaxer_)); });
  const std::shared_ptr<void> scratch = allocate(Place::device, bytes);
  for (const std::span<std::byte> workspace : {std::span(static_cast<std::byte*>(scratch.get()), bytes), {}})
    expect_undisturbed(std::to_string(workspace.size()) + " bytes of workspace", [&] {
      relax_async(relaxer_, queries.view(), results.view(), {.stream = stream.get(), .workspace = workspace});
      cuda::check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
    });
  EXPECT_TRUE(same_results(results.read(), expected_));
}

TEST_P(CudaLeftoverErrorTest, RefusedArgumentsLeaveItToo) {
  const PlacedResults results({Place::device}, expected_);
  expect_undisturbed("data on the host",
                     [&] { EXPECT_THROW(relax_async(relaxer_, queries_, results.view()), InvalidArgument); });
  expect_undisturbed("no such device",
                     [&] { EXPECT_THROW(static_cast<void>(Device::cuda(Device::cuda_count())), InvalidArgument); });
}

TEST_P(CudaLeftoverErrorTest, PatternsAreRetrieved) {
  const Memory stored = memory();
  const auto call = [&] { return retrieve(stored, queries_); };
  if (GetParam().normalised) {
    const Retrieval expected = call();
    expect_undisturbed("retrieve", [&] { EXPECT_EQ(call().pattern, expected.pattern); });
  } else {
    expect_undisturbed("retrieve", [&] { EXPECT_THROW(static_cast<void>(call()), NotSupported); });
  }
}

TEST_P(CudaLeftoverErrorTest, ContentsAreRecalled) {
  const Memory stored = memory();
  const Recall expected = recall(stored, queries_);
  expect_undisturbed("recall", [&] {
    const Recall result = recall(stored, queries_);
    EXPECT_TRUE(same_bits(result.contents.view(), expected.contents.view()));
    EXPECT_EQ(result.intensity, expected.intensity);
  });
}

TEST(CudaLeftoverErrorOfDevicesTest, DevicesAreFoundAndDescribed) {
  expect_undisturbed("count", [] { EXPECT_GT(Device::cuda_count(), 0); });
  expect_undisturbed("best", [] { static_cast<void>(Device::best()); });
  expect_undisturbed("description", [] { static_cast<void>(Device::cuda().description()); });
  expect_undisturbed("description of the CPU", [] { static_cast<void>(Device::cpu().description()); });
}

/// Ranks sorted in registers, and across lanes.
TEST(CudaLeftoverErrorOfFitsTest, FootprintsAndFitsAreMade) {
  Rng rng(150);
  for (const Index dimension : {12, 70}) {
    const Matrix<float> patterns = random_gaussian(3, dimension, rng);
    const Variants pairs = make_variants(patterns, 40);
    const AdaptiveSimilarity similarity{.dot = std::vector<float>(static_cast<std::size_t>(dimension), 0.05F)};
    SimilarityGradient gradient;
    expect_undisturbed("footprint", [&] { static_cast<void>(footprint(Device::cuda(), patterns, pairs.queries)); });
    expect_undisturbed("cross_entropy", [&] {
      cross_entropy(Device::cuda(), patterns, similarity, pairs.queries, pairs.origins, &gradient);
    });
    expect_undisturbed("fit_similarity", [&] {
      static_cast<void>(fit_similarity(Device::cuda(), patterns, pairs.queries, pairs.origins, {.epochs = 2}));
    });
  }
}

}  // namespace
}  // namespace attractor::test
