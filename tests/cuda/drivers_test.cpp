/// Whoever drives the steps of a relaxation, the host or the device, the results are the same bits.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>
#include <attractor/cuda.hpp>

#include "kernels/cuda/device/graph.hpp"
#include "kernels/cuda/engine/job.hpp"
#include "tests/cuda/support_data.hpp"
#include "tests/support/data.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"

namespace attractor::test {
namespace {

constexpr Index dimension = 20;
constexpr Index query_count = 40;

/// Few slots, which many queries pass through and the last ones leave one by one.
detail::Sizes few_slots(Index most) {
  detail::Sizes sizes;
  sizes.most_slots = most;
  sizes.least_slots = 1;
  sizes.softmax_chunk = 4;
  return sizes;
}

/// A relaxation on a stream of its own, at once or as a graph that is launched twice.
Relaxation relax_on_stream(const Relaxer& relaxer, MatrixView<const float> query_rows, const RelaxCall& call,
                           const Relaxation& like, bool captured) {
  const PlacedRows<float> queries(Place::device, query_rows);
  const PlacedRows<std::uint8_t> clamped =
      call.clamped.data == nullptr ? PlacedRows<std::uint8_t>() : PlacedRows<std::uint8_t>(Place::device, call.clamped);
  const PlacedResults results({Place::device}, like);
  const std::size_t bytes = workspace_bytes(relaxer, query_rows.rows);
  const std::shared_ptr<void> scratch = allocate(Place::device, bytes);
  const cuda::Stream stream = cuda::make_stream();
  const auto enqueue = [&](cudaStream_t on) {
    relax_async(relaxer, queries.view(), results.view(),
                {.stream = on,
                 .workspace = {static_cast<std::byte*>(scratch.get()), bytes},
                 .clamped = clamped.view(),
                 .betas = call.betas});
  };
  if (captured) {
    const cuda::Graph graph = cuda::make_graph();
    cuda::capture(stream.get(), graph.get(), enqueue);
    const cuda::ExecutableGraph executable = cuda::instantiate(graph);
    for (int i = 0; i < 2; ++i) cuda::check(cudaGraphLaunch(executable.get(), stream.get()), "cudaGraphLaunch");
  } else {
    enqueue(stream.get());
  }
  cuda::check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
  return results.read();
}

void expect_same_bits(const Relaxer& relaxer, MatrixView<const float> queries, const RelaxCall& call = {}) {
  const Relaxation expected = relaxer.relax(queries, call);
  for (const bool captured : {false, true})
    EXPECT_TRUE(same_results(relax_on_stream(relaxer, queries, call, expected, captured), expected))
        << (captured ? "captured" : "at once");
}

/// One for each way in which steps are made of kernels.
struct Stepped {
  std::string name;
  std::function<Memory(MatrixView<const float> patterns)> memory;
};

std::ostream& operator<<(std::ostream& out, const Stepped& stepped) { return out << stepped.name; }

Stepped linear(const std::string& name, Evaluation evaluation) {
  return {name, [=](MatrixView<const float> patterns) {
            return Memory::hebbian(Device::cuda(), patterns,
                                   {.evaluation = evaluation, .placement = Placement::streamed});
          }};
}

Stepped softmax_like(const std::string& name, const ModernHopfieldOptions& options) {
  return {name,
          [=](MatrixView<const float> patterns) { return Memory::modern_hopfield(Device::cuda(), patterns, options); }};
}

std::vector<Stepped> stepped_memories() {
  return {linear("streamed_factored", Evaluation::factored),
          linear("streamed_dense", Evaluation::dense),
          {"dense_associative",
           [](MatrixView<const float> patterns) {
             return Memory::dense_associative(Device::cuda(), patterns, {.order = 3});
           }},
          softmax_like("scanned", {.beta = 0.2F}),
          softmax_like("in_chunks", {.beta = 0.1F, .similarity = Similarity::manhattan}),
          softmax_like("settled", {.beta = 0.2F, .separation = entmax()}),
          softmax_like("keeping",
                       {.beta = 0.05F, .similarity = Similarity::squared_distance, .separation = epanechnikov()}),
          {"adaptive", [](MatrixView<const float> patterns) {
             return Memory::adaptive(Device::cuda(), patterns,
                                     {.dot = std::vector<float>(static_cast<std::size_t>(dimension), 0.05F)});
           }}};
}

class CudaDriversTest : public testing::TestWithParam<Stepped> {
 protected:
  [[nodiscard]] Relaxer relaxer(const RelaxerOptions& options) const {
    return Relaxer(GetParam().memory(patterns_), options);
  }

  Rng rng_{720};
  Matrix<float> patterns_ = random_gaussian(9, dimension, rng_);
  Matrix<float> queries_ = noisy_copies(patterns_, query_count, 0.3F, 1.0F, rng_);
};

INSTANTIATE_TEST_SUITE_P(Memories, CudaDriversTest, testing::ValuesIn(stepped_memories()),
                         [](const auto& memory) { return memory.param.name; });

TEST_P(CudaDriversTest, QueriesThatHaltByTheirEnergy) {
  for (const Index slots : {query_count, Index{13}, Index{1}}) {
    const SizesScope scope(few_slots(slots));
    SCOPED_TRACE(slots);
    const Index count = std::min(query_count, 4 * slots);
    expect_same_bits(relaxer({.update = tanh_update(), .max_steps = 30, .energy_trace = true}),
                     queries_.view().slice(0, count));
  }
}

TEST_P(CudaDriversTest, QueriesThatHaltByTheirState) {
  const SizesScope scope(few_slots(13));
  expect_same_bits(
      relaxer({.update = tanh_update(), .halting = state_stable(1e-3F), .max_steps = 30, .energies = false}), queries_);
}

/// States of two steps before move with the queries to fewer slots: what is exact in any order must be what it is where
/// none move. Overloaded linear memories have cycles.
TEST_P(CudaDriversTest, QueriesThatEndInCycles) {
  const Matrix<float> patterns = random_bipolar(9, dimension, rng_);
  const Matrix<float> queries = flipped_copies(patterns, query_count, 0.4, rng_);
  const Relaxer relaxer(GetParam().memory(patterns), {.update = sign_update(), .max_steps = 12, .energy_trace = true});
  detail::Sizes no_moves = few_slots(4 * query_count);
  no_moves.least_slots = no_moves.most_slots;
  const auto relax_with = [&](const detail::Sizes& sizes) {
    const SizesScope scope(sizes);
    return relaxer.relax(queries);
  };
  const Relaxation unmoved = relax_with(no_moves);

  EXPECT_TRUE(same_results(relax_with(few_slots(27)), unmoved));

  if (GetParam().name.starts_with("streamed")) {
    EXPECT_TRUE(std::ranges::count(unmoved.status, Status::oscillating) > 2);
  }
  const SizesScope scope(few_slots(27));
  expect_same_bits(relaxer, queries);
}

TEST_P(CudaDriversTest, AnyNumberOfSteps) {
  for (const int steps : {1, 2, 3, 4, 5}) {
    SCOPED_TRACE(steps);
    expect_same_bits(
        relaxer({.update = tanh_update(), .halting = fixed_steps(), .max_steps = steps, .energies = false}),
        queries_.view().slice(0, 5));
  }
}

TEST_P(CudaDriversTest, QueriesThatNeverStart) {
  Matrix<float> queries = copy(queries_);
  for (const Index row : {Index{0}, Index{7}, query_count - 1})
    queries(row, 3) = std::numeric_limits<float>::infinity();
  const SizesScope scope(few_slots(11));
  expect_same_bits(relaxer({.update = tanh_update(), .max_steps = 6}), queries);
}

TEST_P(CudaDriversTest, ClampedNeurons) {
  const Matrix<std::uint8_t> clamped = random_mask(query_count, dimension, 0.3, rng_);
  const SizesScope scope(few_slots(20));
  expect_same_bits(relaxer({.update = tanh_update(), .max_steps = 12}), queries_, {.clamped = clamped.view()});
}

TEST(CudaDriversOfSweepsTest, QueriesThatSettle) {
  Rng rng(721);
  const Matrix<float> patterns = random_bipolar(7, dimension, rng);
  const Matrix<float> queries = flipped_copies(patterns, query_count, 0.35, rng);
  for (const Evaluation evaluation : {Evaluation::factored, Evaluation::dense})
    for (const Index slots : {query_count, Index{13}}) {
      const SizesScope scope(few_slots(slots));
      expect_same_bits(Relaxer(Memory::hebbian(Device::cuda(), patterns, {.evaluation = evaluation}),
                               {.update = asynchronous_sign_update(5), .max_steps = 12, .energy_trace = true}),
                       queries);
    }
}

TEST(CudaDriversOfBetasTest, QueriesFollowTheSchedule) {
  Rng rng(722);
  const Matrix<float> patterns = random_gaussian(9, dimension, rng);
  const Matrix<float> queries = noisy_copies(patterns, query_count, 0.3F, 1.0F, rng);
  const std::vector<float> betas = {0.05F, 0.1F, 0.4F, 0.2F, 0.9F};
  const SizesScope scope(few_slots(13));
  for (const NormalisedSeparation& separation : {softmax(), entmax()})
    expect_same_bits(
        Relaxer(Memory::modern_hopfield(Device::cuda(), patterns, {.beta = 0.3F, .separation = separation}),
                {.max_steps = 20, .energy_trace = true}),
        queries, {.betas = betas});
}

/// A graph is launched again only for the same job.
TEST(CudaJobTest, IsAnotherWhereAnyPartIs) {
  float number = 0.0F;
  std::uint8_t mark = 0;
  std::int32_t count = 0;
  Status status = Status::converged;
  const MatrixView<float> numbers(&number, 1, 1);
  const std::vector<std::function<void(cuda::Job&)>> changes = {
      [&](cuda::Job& job) { job.queries = numbers; },
      [&](cuda::Job& job) {
        job.clamped = {&mark, 1, 1};
      },
      [&](cuda::Job& job) {
        job.patterns.valid = {&mark, 1, 1};
      },
      [&](cuda::Job& job) { job.patterns.log_prior = numbers; },
      [&](cuda::Job& job) { job.schedule.betas = &number; },
      [&](cuda::Job& job) { job.schedule.count = 1; },
      [&](cuda::Job& job) { job.states = numbers; },
      [&](cuda::Job& job) { job.steps = &count; },
      [&](cuda::Job& job) { job.energies = &number; },
      [&](cuda::Job& job) { job.status = &status; },
      [&](cuda::Job& job) { job.energy_trace = numbers; },
      [&](cuda::Job& job) { job.halting.watch = Halting::Watch::state; },
      [&](cuda::Job& job) { job.halting.absolute = 0.5F; },
      [&](cuda::Job& job) { job.halting.relative = 0.5F; },
      [&](cuda::Job& job) { job.halting.patience = 2; },
      [&](cuda::Job& job) { job.update.kind = cuda::UpdateRule::Kind::tanh; },
      [&](cuda::Job& job) { job.update.parameter = 0.5F; },
      [&](cuda::Job& job) { job.update.at_zero = AtZero::zero; },
      [&](cuda::Job& job) { job.update.seed = 0; },
      [&](cuda::Job& job) { job.max_steps = 2; },
      [&](cuda::Job& job) { job.wants_energy = true; },
      [&](cuda::Job& job) { job.states.rows = 1; },
      [&](cuda::Job& job) { job.states.columns = 1; },
      [&](cuda::Job& job) { job.states.row_stride = 1; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    cuda::Job job = {};
    changes[i](job);
    EXPECT_FALSE(job == cuda::Job{}) << "change " << i;
    EXPECT_TRUE(job == cuda::Job(job)) << "change " << i;
  }
}

}  // namespace
}  // namespace attractor::test
