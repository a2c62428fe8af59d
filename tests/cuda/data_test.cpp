/// Data on the host and on devices, and sets that pass through a device in many chunks.

#include <cmath>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include <attractor/error.hpp>

#include "kernels/cuda/device/capacity.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "tests/cuda/support_data.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"

namespace attractor::test {
namespace {

constexpr int max_steps = 5;

class CudaDataTest : public testing::TestWithParam<CudaKind> {
 protected:
  /// Everything at these places in turn: queries, clamped neurons, results.
  void expect_same_results(const std::vector<Place>& places, Spread spread = {}) const {
    std::string names;
    for (const Place place : places) names += to_string(place) + ' ';
    SCOPED_TRACE(names);
    const PlacedRows<float> queries(places.front(), queries_.view(), spread);
    const PlacedRows<std::uint8_t> clamped(places.back(), clamped_.view(), spread);
    const PlacedResults results(places, expected_, spread);

    relaxer_.relax(queries.view(), results.view(), {.clamped = clamped.view()});

    EXPECT_TRUE(same_results(results.read(), expected_));
    EXPECT_TRUE(results.margins_are_untouched());
  }

  Rng rng_{80};
  Matrix<float> queries_ = kind_queries(70);
  Matrix<std::uint8_t> clamped_ = random_mask(70, kind_dimension, 0.2, rng_);
  Relaxer relaxer_{GetParam().memory(Device::cuda()), {.max_steps = max_steps, .energy_trace = true}};
  Relaxation expected_ = relaxer_.relax(queries_, {.clamped = clamped_.view()});
};

INSTANTIATE_TEST_SUITE_P(Kinds, CudaDataTest, testing::ValuesIn(cuda_kinds()),
                         [](const auto& kind) { return kind.param.name; });
INSTANTIATE_TEST_SUITE_P(PartlyResident, CudaDataTest, testing::Values(partly_resident_kind()));

TEST_P(CudaDataTest, ResultsAreThoseOfTheHostsRelaxer) {
  // Sums differ in their last bits, so that a query near its threshold may halt a step apart.
  RelaxerOptions options = relaxer_.options();
  options.halting = fixed_steps();
  const Memory& memory = relaxer_.memory();

  const Relaxation result = Relaxer(memory, options).relax(queries_, {.clamped = clamped_});

  const Relaxation host = Relaxer(memory.copy_to(Device::cpu()), options).relax(queries_, {.clamped = clamped_});
  EXPECT_EQ(result.steps, host.steps);
  EXPECT_EQ(result.status, host.status);
  for (Index i = 0; i < host.states.size(); ++i) EXPECT_NEAR(result.states.data()[i], host.states.data()[i], 1e-5F);
  for (Index i = 0; i < host.contents.size(); ++i)
    EXPECT_NEAR(result.contents.data()[i], host.contents.data()[i], 1e-5F);
}

TEST_P(CudaDataTest, MayBeAllInOnePlace) {
  for (const Place place : all_places) expect_same_results({place});
}

TEST_P(CudaDataTest, MayBeInDifferentPlaces) {
  for (const Place first : all_places)
    for (const Place second : all_places)
      if (first != second) expect_same_results({first, second});
  expect_same_results({Place::device, Place::pageable, Place::managed, Place::pinned, Place::pageable});
}

TEST_P(CudaDataTest, MayLieApartAndStartAnywhere) {
  for (const Place place : all_places) {
    expect_same_results({place}, {.gap = 3, .offset = 1});
    expect_same_results({place}, {.gap = 8, .offset = 4});
  }
}

TEST_P(CudaDataTest, MayBeStatesAlone) {
  const Matrix<float> states = relaxer_.relax(queries_).states;
  for (const Place place : all_places) {
    const PlacedRows<float> result(place, states.view());

    relaxer_.relax(queries_, {.states = result.view()});

    EXPECT_TRUE(same_bits(result.read().view(), states.view())) << to_string(place);
  }
}

TEST_P(CudaDataTest, MayStillBeOnTheirWayOnTheDefaultStream) {
  const PlacedRows<float> source(Place::pinned, queries_.view());
  const PlacedRows<float> queries(Place::device, Matrix<float>(70, kind_dimension));
  const Matrix<float> expected = relaxer_.relax(queries_).states;
  const std::size_t bytes = static_cast<std::size_t>(queries_.size()) * sizeof(float);
  cuda::check(cudaMemcpyAsync(queries.view().data, source.view().data, bytes, cudaMemcpyDefault, nullptr),
              "cudaMemcpyAsync");

  EXPECT_TRUE(same_bits(relaxer_.relax(queries.view()).states.view(), expected.view()));
}

/// Visits, with its name, each view of results of which one part is `foreign` and the others are `own`.
template <class Visit>
void for_each_foreign_part(const RelaxationView& own, const RelaxationView& foreign, Visit&& visit) {
  const auto with = [&](const std::string& name, auto part) {
    RelaxationView results = own;
    results.*part = foreign.*part;
    visit(name, results);
  };
  with("states", &RelaxationView::states);
  with("steps", &RelaxationView::steps);
  with("energies", &RelaxationView::energies);
  with("statuses", &RelaxationView::status);
  with("energy traces", &RelaxationView::energy_trace);
  if (!own.contents.empty()) with("contents", &RelaxationView::contents);
}

TEST_P(CudaDataTest, OfAnotherDeviceAreRefusedByName) {
  if (Device::cuda_count() < 2) GTEST_SKIP() << "needs two CUDA devices";
  const PlacedResults own({Place::pageable}, expected_);
  const cuda::DeviceScope scope(1);
  const PlacedRows<float> queries(Place::device, queries_.view());
  const PlacedRows<std::uint8_t> clamped(Place::device, clamped_.view());
  const PlacedResults foreign({Place::device}, expected_);
  const auto expect_refusal = [&](const std::string& name, MatrixView<const float> from, const RelaxationView& results,
                                  const RelaxCall& call) {
    try {
      relaxer_.relax(from, results, call);
      ADD_FAILURE() << name << " of another device were accepted";
    } catch (const InvalidArgument& error) {
      EXPECT_EQ(error.what(), "the " + name + " are on CUDA device 1, this call works on device 0");
    }
  };

  expect_refusal("queries", queries.view(), own.view(), {});
  expect_refusal("clamped neurons", queries_, own.view(), {.clamped = clamped.view()});
  for_each_foreign_part(own.view(), foreign.view(), [&](const std::string& name, const RelaxationView& results) {
    expect_refusal(name, queries_, results, {});
  });
}

TEST(CudaPatternsTest, MayBeOnTheDevice) {
  Rng rng(81);
  const Matrix<float> patterns = random_bipolar(3, 16, rng);
  const Matrix<float> contents = random_gaussian(3, 5, rng);
  const Matrix<float> queries = kind_queries(40);
  const Device device = Device::cuda();
  using Make = std::function<Memory(MatrixView<const float>, MatrixView<const float>)>;
  const std::vector<Make> makers = {
      [&](auto rows, auto) { return Memory::hebbian(device, rows); },
      [&](auto rows, auto) { return Memory::projection(device, rows); },
      [&](auto rows, auto read_out) { return Memory::modern_hopfield(device, rows, {.contents = read_out}); }};
  for (const Make& make : makers) {
    const Memory expected = make(patterns, contents);
    for (const Place place : all_places) {
      const PlacedRows<float> placed_patterns(place, patterns.view(), {.gap = 3, .offset = 1});
      const PlacedRows<float> placed_contents(place, contents.view(), {.gap = 2, .offset = 3});

      const Memory memory = make(placed_patterns.view(), placed_contents.view());

      EXPECT_TRUE(same_bits(memory.patterns(), patterns.view())) << to_string(place);
      EXPECT_TRUE(same_bits(memory.contents(), expected.contents())) << to_string(place);
      EXPECT_TRUE(same_results(Relaxer(memory).relax(queries), Relaxer(expected).relax(queries))) << to_string(place);
    }
  }
}

TEST(CudaPatternsTest, MayBeImprintedFromTheDevice) {
  Rng rng(82);
  const Matrix<float> patterns = random_bipolar(4, 16, rng);
  const Matrix<float> contents = random_gaussian(4, 5, rng);
  const PlacedRows<float> last_pattern(Place::device, patterns.view().slice(3, 1));
  const PlacedRows<float> last_contents(Place::device, contents.view().slice(3, 1));
  Memory memory =
      Memory::modern_hopfield(Device::cuda(), patterns.view().slice(0, 3), {.contents = contents.view().slice(0, 3)});

  memory.imprint(last_pattern.view(), last_contents.view());

  EXPECT_TRUE(same_bits(memory.patterns(), patterns.view()));
  EXPECT_TRUE(same_bits(memory.contents(), contents.view()));
}

/// Sets of several chunks, which a callback or a token cuts at multiples of the least.
class CudaChunksTest : public testing::TestWithParam<CudaKind> {
 protected:
  static constexpr Index chunk = 128;
  static constexpr Index count = 2 * chunk + 50;

  static detail::Sizes small_chunks() {
    detail::Sizes sizes;
    sizes.least_chunk = chunk;
    return sizes;
  }

  void expect_cancelled(const Relaxation& result, Index i) const {
    const auto at = static_cast<std::size_t>(i);
    ASSERT_EQ(result.steps[at], 0) << "query " << i;
    ASSERT_TRUE(std::isnan(result.energies[at])) << "query " << i;
  }

  SizesScope sizes_{small_chunks()};
  Matrix<float> queries_ = kind_queries(count);
  Relaxer relaxer_{GetParam().memory(Device::cuda()), {.max_steps = 2, .energy_trace = true}};
};

INSTANTIATE_TEST_SUITE_P(Kinds, CudaChunksTest, testing::ValuesIn(cuda_kinds()),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(CudaChunksTest, GiveTheResultsOfTheWhole) {
  std::vector<Index> finished;

  const Relaxation result = relaxer_.relax(queries_, {.progress = [&](const Progress& progress) {
                                             EXPECT_EQ(progress.total, count);
                                             finished.push_back(progress.finished);
                                           }});

  EXPECT_TRUE(same_results(result, relaxer_.relax(queries_)));
  std::vector<Index> chunks(finished.size());
  std::adjacent_difference(finished.begin(), finished.end(), chunks.begin());
  std::sort(chunks.begin(), chunks.end());
  EXPECT_EQ(chunks, (std::vector<Index>{50, chunk, chunk}));
}

TEST_P(CudaChunksTest, StoppedOnTheWayAreFinishedOrCancelledAsAWhole) {
  std::stop_source source;

  const Relaxation result = relaxer_.relax(
      queries_, {.progress = [&](const Progress&) { source.request_stop(); }, .stop = source.get_token()});

  const Relaxation undisturbed = relaxer_.relax(queries_);
  Index cancelled = 0;
  for (Index i = 0; i < count; ++i) {
    const Status status = result.status[static_cast<std::size_t>(i)];
    const Status of_chunk = result.status[static_cast<std::size_t>(i / chunk * chunk)];
    ASSERT_EQ(status == Status::cancelled, of_chunk == Status::cancelled) << "query " << i;
    if (status == Status::cancelled) {
      ++cancelled;
      expect_cancelled(result, i);
    } else {
      ASSERT_TRUE(same_row(result, i, undisturbed, i)) << "query " << i;
    }
  }
  EXPECT_GT(cancelled, 0);
  EXPECT_LT(cancelled, count);
}

TEST_P(CudaChunksTest, StoppedBeforehandAreAllCancelled) {
  std::stop_source source;
  source.request_stop();
  const RelaxCall call{.stop = source.get_token()};

  const Relaxation result = relaxer_.relax(queries_, call);

  EXPECT_EQ(std::count(result.status.begin(), result.status.end(), Status::cancelled), count);
  for (Index i = 0; i < count; ++i) expect_cancelled(result, i);
}

TEST_P(CudaChunksTest, StoppedBeforehandSaySoWhereverTheResultsLie) {
  const Relaxation undisturbed = relaxer_.relax(queries_);
  std::stop_source source;
  source.request_stop();
  for (const Place place : all_places) {
    const PlacedResults results({place}, undisturbed);

    relaxer_.relax(queries_, results.view(), {.stop = source.get_token()});

    const Relaxation result = results.read();
    EXPECT_EQ(std::count(result.status.begin(), result.status.end(), Status::cancelled), count) << to_string(place);
    for (Index i = 0; i < count; ++i) expect_cancelled(result, i);
  }
}

TEST_P(CudaChunksTest, ThatProgressThrowsFromLeaveTheRelaxerUsable) {
  int calls = 0;
  const RelaxCall call{.progress = [&](const Progress&) {
    ++calls;
    throw std::domain_error("enough");
  }};

  EXPECT_THROW(static_cast<void>(relaxer_.relax(queries_, call)), std::domain_error);

  EXPECT_EQ(calls, 1) << "called again after it had thrown";
  const MatrixView<const float> first = queries_.view().slice(0, 50);
  EXPECT_TRUE(same_results(relaxer_.relax(first), relaxer_.relax(first)));
}

TEST_P(CudaChunksTest, MayPassBetweenPlaces) {
  const Relaxation expected = relaxer_.relax(queries_);
  for (const std::vector<Place>& places :
       {std::vector{Place::device, Place::pageable}, std::vector{Place::pinned, Place::device}}) {
    const PlacedRows<float> queries(places.front(), queries_.view(), {.gap = 1, .offset = 1});
    const PlacedResults results(places, expected, {.gap = 3, .offset = 2});

    relaxer_.relax(queries.view(), results.view(), {.progress = [](const Progress&) {}});

    EXPECT_TRUE(same_results(results.read(), expected));
    EXPECT_TRUE(results.margins_are_untouched());
  }
}

/// Softmax memories against the host's, which sums in another order: near its threshold a query might halt a step
/// apart.
void expect_close_to_the_host(const Memory& memory, MatrixView<const float> queries) {
  const RelaxerOptions options{.halting = fixed_steps(), .max_steps = 3, .energies = true};

  const Relaxation result = Relaxer(memory, options).relax(queries);

  const Relaxation host = Relaxer(memory.copy_to(Device::cpu()), options).relax(queries);
  EXPECT_EQ(result.steps, host.steps);
  EXPECT_EQ(result.status, host.status);
  for (std::size_t i = 0; i < host.energies.size(); ++i)
    EXPECT_NEAR(result.energies[i], host.energies[i], 1e-4F * (1.0F + std::abs(host.energies[i])));
  for (Index i = 0; i < host.states.size(); ++i)
    ASSERT_NEAR(result.states.data()[i], host.states.data()[i], 1e-4F) << "element " << i;
  for (Index i = 0; i < host.contents.size(); ++i)
    ASSERT_NEAR(result.contents.data()[i], host.contents.data()[i], 1e-4F) << "element " << i;
}

class CudaPlacementTest : public testing::TestWithParam<Evaluation> {
 protected:
  [[nodiscard]] Memory memory_for(Placement placement) const {
    return Memory::hebbian(Device::cuda(), patterns_, {.evaluation = GetParam(), .placement = placement});
  }

  Rng rng_{85};
  // Wide enough for products on tensor cores.
  Matrix<float> patterns_ = random_gaussian(5, 80, rng_);
};

TEST_P(CudaPlacementTest, PartlyResidentMemoriesRelaxAsOthersDo) {
  if (!cuda::has_tensor_cores()) GTEST_SKIP();
  const Matrix<float> queries = noisy_copies(patterns_, 40, 0.3F, 2.0F, rng_);
  const Memory resident = memory_for(Placement::resident);
  const Memory streamed = memory_for(Placement::streamed);
  const SizesScope scope(no_resident_floats());
  const Memory partly_resident = memory_for(Placement::automatic);
  const PlacedRows<float> on_device(Place::device, patterns_.view());
  const Memory from_device = Memory::hebbian(Device::cuda(), on_device.view(), {.evaluation = GetParam()});
  for (const Update& update :
       {tanh_update(0.7F), sign_update(), readout_update(), blend_update(0.5F), asynchronous_sign_update(3)}) {
    const RelaxerOptions options{.update = update, .max_steps = 4, .energy_trace = true};
    const bool is_tanh = std::holds_alternative<TanhUpdate>(update);

    const Relaxation result = Relaxer(partly_resident, options).relax(queries);

    const Relaxation expected = Relaxer(is_tanh ? resident : streamed, options).relax(queries);
    EXPECT_TRUE(same_results(result, expected)) << update.index();
    EXPECT_TRUE(same_results(Relaxer(from_device, options).relax(queries), expected)) << update.index();
  }
}

INSTANTIATE_TEST_SUITE_P(, CudaPlacementTest, testing::Values(Evaluation::factored, Evaluation::dense),
                         [](const auto& test) { return test.param == Evaluation::dense ? "dense" : "factored"; });

/// A namespace's variable is destroyed after what was made later, such as the driver's state.
std::optional<Relaxer> last_to_go;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

TEST(CudaShutdownTest, StaticRelaxersGoQuietly) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (const CudaKind& kind : cuda_kinds())
    EXPECT_EXIT(
        {
          last_to_go.emplace(kind.memory(Device::cuda()));
          static_cast<void>(last_to_go->relax(kind_queries(10)));
          std::exit(0);  // NOLINT(concurrency-mt-unsafe): no other thread is there
        },
        testing::ExitedWithCode(0), "")
        << kind.name;
}

class CudaLongStatesTest : public testing::TestWithParam<int> {};

TEST_P(CudaLongStatesTest, RelaxByProducts) {
  const int dimension = GetParam();
  Rng rng(84);
  // More patterns than one chunk has.
  detail::Sizes sizes;
  sizes.softmax_chunk = 32;
  const SizesScope scope(sizes);
  for (const Index count : {6, 70}) {
    const Matrix<float> patterns = random_gaussian(count, dimension, rng);
    const Matrix<float> contents = random_gaussian(count, 7, rng);
    const Matrix<float> queries = noisy_copies(patterns, 5, 0.1F, 1.0F, rng);
    const Memory memory = Memory::modern_hopfield(Device::cuda(), patterns, {.beta = 0.01F});
    expect_close_to_the_host(memory, queries);
    expect_close_to_the_host(
        Memory::modern_hopfield(Device::cuda(), patterns, {.beta = 0.01F, .contents = contents.view()}), queries);
    const Relaxer relaxer(memory, {.max_steps = 3});
    EXPECT_TRUE(same_row(relaxer.relax(queries), 4, relaxer.relax(queries.view().slice(4, 1)), 0))
        << "depends on its batch";
  }
}

// Longer than what tensor cores scan, and than what is scanned as floats.
INSTANTIATE_TEST_SUITE_P(Dimensions, CudaLongStatesTest, testing::Values(300, 2501));

TEST(CudaSoftmaxTest, ManyPatternsAreScannedInParts) {
  Rng rng(85);
  const Matrix<float> patterns = random_gaussian(2500, 8, rng);
  const Matrix<float> contents = random_gaussian(2500, 11, rng);
  const Matrix<float> queries = noisy_copies(patterns, 70, 0.1F, 0.5F, rng);
  const Memory memory = Memory::modern_hopfield(Device::cuda(), patterns, {.beta = 1.0F, .contents = contents.view()});
  expect_close_to_the_host(memory, queries);

  const Relaxer relaxer(memory, {.max_steps = 3});
  const Relaxation whole = relaxer.relax(queries);
  EXPECT_TRUE(same_row(whole, 69, relaxer.relax(queries.view().slice(69, 1)), 0)) << "depends on its batch";
}

TEST(CudaSoftmaxTest, PatternsAndContentsOf16BitsAreRefusedByName) {
  Rng rng(86);
  const Matrix<float> patterns = random_gaussian(3, 8, rng);
  const ModernHopfieldOptions options{.storage = PatternStorage::bfloat16};
  const Memory memory = Memory::modern_hopfield(Device::cpu(), patterns, options);
  const auto expect_refused = [](const auto& make) {
    try {
      static_cast<void>(make());
      ADD_FAILURE() << "accepted";
    } catch (const NotSupported& error) {
      EXPECT_NE(std::string(error.what()).find("bfloat16"), std::string::npos) << error.what();
    }
  };
  expect_refused([&] { return Memory::modern_hopfield(Device::cuda(), patterns, options); });
  expect_refused([&] { return Memory::exponential(Device::cuda(), patterns, {.storage = options.storage}); });
  expect_refused([&] { return memory.copy_to(Device::cuda()); });
  const ModernHopfieldOptions of_contents{.contents = patterns, .content_storage = options.storage};
  const Memory with_contents = Memory::modern_hopfield(Device::cpu(), patterns, of_contents);
  expect_refused([&] { return Memory::modern_hopfield(Device::cuda(), patterns, of_contents); });
  expect_refused([&] { return with_contents.copy_to(Device::cuda()); });
}

}  // namespace
}  // namespace attractor::test
