/// What a call says of patterns, wherever it lies: each place gives the bits of the host's.

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>
#include <attractor/cuda.hpp>
#include <attractor/error.hpp>

#include "kernels/cuda/device/resources.hpp"
#include "tests/cuda/support_data.hpp"
#include "tests/support/data.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"

namespace attractor::test {
namespace {

constexpr Index query_count = 50;
constexpr Index pattern_count = 45;

class CudaPatternTermsTest : public testing::TestWithParam<Place> {
 protected:
  [[nodiscard]] PlacedRows<std::uint8_t> placed(MatrixView<const std::uint8_t> rows) const {
    return {GetParam(), rows, {.gap = 3, .offset = 1}};
  }
  [[nodiscard]] PlacedRows<float> placed(MatrixView<const float> rows) const {
    return {GetParam(), rows, {.gap = 3, .offset = 1}};
  }

  Rng rng_{700};
  Matrix<float> patterns_ = random_gaussian(pattern_count, 12, rng_);
  Matrix<float> queries_ = noisy_copies(patterns_, query_count, 0.1F, 1.0F, rng_);
  Matrix<std::uint8_t> valid_ = random_mask(query_count, pattern_count, 0.7, rng_);
  Matrix<float> log_prior_ = random_gaussian(query_count, pattern_count, rng_);
  std::vector<Memory> memories_ = {
      Memory::modern_hopfield(Device::cuda(), patterns_,
                              {.beta = 0.3F, .contents = log_prior_.view().slice(0, pattern_count)}),
      Memory::modern_hopfield(Device::cuda(), patterns_, {.beta = 0.3F, .similarity = Similarity::manhattan}),
      Memory::modern_hopfield(Device::cuda(), patterns_, {.beta = 0.3F, .separation = entmax()})};
  RelaxerOptions options_{.update = blend_update(0.5F), .max_steps = 7, .energy_trace = true};
};

INSTANTIATE_TEST_SUITE_P(Places, CudaPatternTermsTest,
                         testing::Values(Place::pageable, Place::pinned, Place::managed, Place::device));

TEST_P(CudaPatternTermsTest, MayLieThere) {
  for (const Memory& memory : memories_) {
    const Relaxer relaxer(memory, options_);
    const Relaxation expected = relaxer.relax(queries_, {.valid_patterns = valid_, .log_prior = log_prior_});
    EXPECT_TRUE(same_results(
        relaxer.relax(queries_, {.valid_patterns = placed(valid_).view(), .log_prior = placed(log_prior_).view()}),
        expected))
        << memory.rule();
  }
}

/// One row for all queries, in chunks of a few.
TEST_P(CudaPatternTermsTest, MayBeOneRowForAllChunks) {
  const MatrixView<const std::uint8_t> valid = valid_.view().slice(3, 1);
  const MatrixView<const float> log_prior = log_prior_.view().slice(4, 1);
  for (const Memory& memory : memories_) {
    const Relaxer relaxer(memory, options_);
    const Relaxation expected = relaxer.relax(queries_, {.valid_patterns = valid, .log_prior = log_prior});
    detail::Sizes sizes = detail::sizes();
    sizes.chunk_bytes = 2000;
    const SizesScope scope(sizes);
    EXPECT_TRUE(same_results(
        relaxer.relax(queries_, {.valid_patterns = placed(valid).view(), .log_prior = placed(log_prior).view()}),
        expected))
        << memory.rule();
  }
}

TEST_P(CudaPatternTermsTest, MayComeWithACallThatDoesNotWait) {
  const PlacedRows<float> queries(Place::device, queries_.view());
  const PlacedRows<std::uint8_t> valid = placed(valid_);
  const PlacedRows<float> log_prior = placed(log_prior_.view().slice(4, 1));
  const bool near = GetParam() == Place::managed || GetParam() == Place::device;
  for (const Memory& memory : memories_) {
    const Relaxer relaxer(memory, options_);
    const Relaxation expected =
        relaxer.relax(queries_, {.valid_patterns = valid_, .log_prior = log_prior_.view().slice(4, 1)});
    const PlacedResults results({Place::device}, expected);
    const CudaCall call{.valid_patterns = valid.view(), .log_prior = log_prior.view()};
    if (!near) {
      EXPECT_THROW(relax_async(relaxer, queries.view(), results.view(), call), InvalidArgument);
      continue;
    }
    relax_async(relaxer, queries.view(), results.view(), call);
    cuda::check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    EXPECT_TRUE(same_results(results.read(), expected)) << memory.rule();
  }
}

TEST(CudaPatternTermsOfDevicesTest, GoToAllOfThem) {
  if (Device::cuda_count() < 2) GTEST_SKIP() << "needs two CUDA devices";
  Rng rng(701);
  const Matrix<float> patterns = random_gaussian(pattern_count, 12, rng);
  const Matrix<float> queries = noisy_copies(patterns, query_count, 0.1F, 1.0F, rng);
  const Matrix<std::uint8_t> valid = random_mask(query_count, pattern_count, 0.7, rng);
  const Matrix<float> log_prior = random_gaussian(1, pattern_count, rng);
  detail::Sizes sizes = detail::sizes();
  sizes.least_chunk = 4;
  const SizesScope scope(sizes);
  const Memory memory = Memory::modern_hopfield(Device::cuda(), patterns, {.beta = 0.3F});
  const RelaxCall call{.valid_patterns = valid, .log_prior = log_prior};

  const Relaxation result = Relaxer(memory, Device::cuda_devices()).relax(queries, call);

  EXPECT_TRUE(same_results(result, Relaxer(memory).relax(queries, call)));
}

}  // namespace
}  // namespace attractor::test
