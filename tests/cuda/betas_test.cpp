/// Inverse temperatures of a call on CUDA devices: they come from the host, and stay on the device for as long as the
/// call takes.

#include <algorithm>
#include <cmath>
#include <vector>

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

class CudaBetasTest : public testing::Test {
 protected:
  [[nodiscard]] Relaxation relax(const Memory& memory, std::span<const float> betas) const {
    return Relaxer(memory, options_).relax(queries_, {.betas = betas});
  }

  Rng rng_{710};
  Matrix<float> patterns_ = random_gaussian(pattern_count, 12, rng_);
  Matrix<float> contents_ = random_gaussian(pattern_count, 3, rng_);
  Matrix<float> queries_ = noisy_copies(patterns_, query_count, 0.1F, 1.0F, rng_);
  /// Scanned, in chunks, and settled.
  std::vector<Memory> memories_ = {
      Memory::modern_hopfield(Device::cuda(), patterns_, {.beta = 0.3F, .contents = contents_}),
      Memory::modern_hopfield(Device::cuda(), patterns_,
                              {.beta = 0.3F, .similarity = Similarity::manhattan, .contents = contents_}),
      Memory::modern_hopfield(Device::cuda(), patterns_,
                              {.beta = 0.3F, .separation = entmax(), .contents = contents_})};
  std::vector<float> betas_ = {0.05F, 0.1F, 0.4F, 0.2F, 0.9F};
  RelaxerOptions options_{.update = blend_update(0.5F),
                          .halting = energy_stable({.absolute = 1e-3F, .relative = 0.0F}),
                          .max_steps = 9,
                          .energy_trace = true};
};

TEST_F(CudaBetasTest, TakeTheirPlaceWhereverTheHostReadsThem) {
  const MatrixView<const float> row(betas_.data(), 1, 5);
  for (const Memory& memory : memories_) {
    const Relaxation expected = relax(memory, betas_);
    for (const Place place : {Place::pinned, Place::managed}) {
      const PlacedRows<float> placed(place, row);
      EXPECT_TRUE(same_results(relax(memory, {placed.view().data, 5}), expected)) << memory.rule();
    }
    const PlacedRows<float> out_of_reach(Place::device, row);
    EXPECT_THROW(static_cast<void>(relax(memory, {out_of_reach.view().data, 5})), InvalidArgument);
  }
}

TEST_F(CudaBetasTest, HoldForAllChunks) {
  for (const Memory& memory : memories_) {
    const Relaxation expected = relax(memory, betas_);
    Matrix<float> states(query_count, 12);
    Matrix<float> contents(query_count, 3);
    detail::Sizes sizes = detail::sizes();
    sizes.chunk_bytes = 1000;
    const SizesScope scope(sizes);

    EXPECT_TRUE(same_results(relax(memory, betas_), expected)) << memory.rule();
    Relaxer(memory, options_).relax(queries_, {.states = states, .contents = contents}, {.betas = betas_});

    EXPECT_TRUE(same_bits(contents.view(), expected.contents.view())) << memory.rule();
  }
}

/// The caller's are free again when the call returns, whatever the stream has still to do.
TEST_F(CudaBetasTest, MayComeWithACallThatDoesNotWait) {
  const Matrix<float> some = copy(queries_.view().slice(0, 5));
  const PlacedRows<float> queries(Place::device, some.view());
  std::vector<float> many(300);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = 0.01F * static_cast<float>(1 + (i * 7) % 90);
  for (const Memory& memory : memories_)
    for (const std::vector<float>& betas : {betas_, many, std::vector<float>{0.7F}})
      for (const bool bare : {false, true}) {
        RelaxerOptions options = options_;
        if (betas.size() > 100) options = {.halting = fixed_steps(), .max_steps = 270, .energy_trace = true};
        const Relaxer relaxer(memory, options);
        const Relaxation expected = relaxer.relax(some, {.betas = betas});
        const PlacedResults results({Place::device}, expected);
        RelaxationView view = results.view();
        if (bare) view = {.states = view.states, .contents = view.contents};
        const PlacedRows<float> placed(Place::pinned, MatrixView<const float>(betas.data(), 1, std::ssize(betas)));
        const cuda::Stream stream = cuda::make_stream();

        relax_async(relaxer, queries.view(), view,
                    {.stream = stream.get(), .betas = {placed.view().data, betas.size()}});

        std::fill_n(placed.view().data, betas.size(), std::nanf(""));
        cuda::check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
        const Relaxation found = results.read();
        if (bare) {
          EXPECT_TRUE(same_bits(found.states.view(), expected.states.view())) << memory.rule();
          EXPECT_TRUE(same_bits(found.contents.view(), expected.contents.view())) << memory.rule();
        } else {
          EXPECT_TRUE(same_results(found, expected)) << memory.rule();
        }
      }
}

TEST_F(CudaBetasTest, DefaultToleranceIsInUnitsOfTheLastForACallThatDoesNotWait) {
  const PlacedRows<float> queries(Place::device, queries_.view());
  const std::vector<float> betas = {0.02F};
  const Relaxer relaxer(memories_.front());
  const Relaxation expected = relaxer.relax(queries_, {.betas = betas});
  const PlacedResults results({Place::device}, expected);

  relax_async(relaxer, queries.view(), results.view(), {.betas = betas});

  cuda::check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  EXPECT_TRUE(same_results(results.read(), expected));
}

TEST_F(CudaBetasTest, BadOnesAreRefusedByACallThatDoesNotWait) {
  const PlacedRows<float> queries(Place::device, queries_.view());
  const Relaxer relaxer(memories_.front(), options_);
  const PlacedResults results({Place::device}, relaxer.relax(queries_));
  const std::vector<float> negative = {-1.0F};
  const Relaxer linear(Memory::hebbian(Device::cuda(), patterns_), options_);
  const PlacedResults linear_results({Place::device}, linear.relax(queries_));

  EXPECT_THROW(relax_async(relaxer, queries.view(), results.view(), {.betas = negative}), InvalidArgument);
  EXPECT_THROW(relax_async(linear, queries.view(), linear_results.view(), {.betas = betas_}), NotSupported);
}

TEST(CudaBetasOfDevicesTest, GoToAllOfThem) {
  if (Device::cuda_count() < 2) GTEST_SKIP() << "needs two CUDA devices";
  Rng rng(711);
  const Matrix<float> patterns = random_gaussian(pattern_count, 12, rng);
  const Matrix<float> queries = noisy_copies(patterns, query_count, 0.1F, 1.0F, rng);
  const std::vector<float> betas = {0.1F, 0.5F, 0.3F};
  detail::Sizes sizes = detail::sizes();
  sizes.least_chunk = 4;
  const SizesScope scope(sizes);
  const Memory memory = Memory::modern_hopfield(Device::cuda(), patterns, {.beta = 1.0F});

  const Relaxation result = Relaxer(memory, Device::cuda_devices()).relax(queries, {.betas = betas});

  EXPECT_TRUE(same_results(result, Relaxer(memory).relax(queries, {.betas = betas})));
}

}  // namespace
}  // namespace attractor::test
