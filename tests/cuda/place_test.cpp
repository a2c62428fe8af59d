/// Data in the wrong place: each message names them.

#include <functional>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>
#include <attractor/cuda.hpp>
#include <attractor/error.hpp>

#include "kernels/cuda/device/resources.hpp"
#include "tests/cuda/support_data.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

constexpr Index query_count = 12;

/// That `name` are not where the host can read them.
void expect_off_host(const std::string& name, const std::function<void()>& call) {
  expect_invalid(call, {name + " are at an address that the host can't read"});
}

template <class T>
PlacedRows<T> on_device(const Matrix<T>& values) {
  return {Place::device, values.view()};
}

class CudaPlaceTest : public testing::TestWithParam<CudaKind> {
 protected:
  /// Calls visit(name, results) with results of which one part, of this name, is at `odd` and the rest at `place`.
  void for_each_odd_result(Place place, Place odd,
                           const std::function<void(const std::string&, const RelaxationView&)>& visit) const {
    const PlacedResults even({place}, expected_);
    const PlacedResults moved({odd}, expected_);
    const RelaxationView from = moved.view();
    const auto visit_with = [&](const std::string& name, const std::function<void(RelaxationView&)>& move) {
      RelaxationView view = even.view();
      move(view);
      visit(name, view);
    };
    visit_with("states", [&](auto& view) { view.states = from.states; });
    visit_with("steps", [&](auto& view) { view.steps = from.steps; });
    visit_with("energies", [&](auto& view) { view.energies = from.energies; });
    visit_with("status", [&](auto& view) { view.status = from.status; });
    visit_with("energy traces", [&](auto& view) { view.energy_trace = from.energy_trace; });
    if (!expected_.contents.empty()) visit_with("contents", [&](auto& view) { view.contents = from.contents; });
  }

  Matrix<float> queries_ = kind_queries(query_count);
  Matrix<std::uint8_t> mask_{query_count, kind_dimension};
  RelaxerOptions options_{.max_steps = 5, .energy_trace = true};
  Relaxer on_cpu_{GetParam().memory(Device::cpu()), options_};
  Relaxer on_cuda_{GetParam().memory(Device::cuda()), options_};
  Relaxation expected_ = on_cpu_.relax(queries_);
};

INSTANTIATE_TEST_SUITE_P(Kinds, CudaPlaceTest, testing::ValuesIn(cuda_kinds()),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(CudaPlaceTest, AMemoryOnTheCpuTakesWhatTheHostCanRead) {
  for (const Place place : {Place::pinned, Place::managed}) {
    const PlacedRows<float> queries(place, queries_.view());
    const PlacedResults results({place}, expected_);
    on_cpu_.relax(queries.view(), results.view());
    EXPECT_TRUE(same_results(results.read(), expected_)) << to_string(place);
  }
}

TEST_P(CudaPlaceTest, AMemoryOnTheCpuRefusesDeviceData) {
  const PlacedRows<float> queries = on_device(queries_);
  const PlacedRows<std::uint8_t> clamped = on_device(mask_);
  expect_off_host("queries", [&] { static_cast<void>(on_cpu_.relax(queries.view())); });
  expect_off_host("clamped neurons", [&] { static_cast<void>(on_cpu_.relax(queries_, {.clamped = clamped.view()})); });
  for_each_odd_result(Place::pageable, Place::device, [&](const std::string& name, const RelaxationView& results) {
    expect_off_host(name, [&] { on_cpu_.relax(queries_, results); });
  });
}

TEST_P(CudaPlaceTest, AnAsynchronousCallNamesWhatIsOnTheHost) {
  const PlacedRows<float> queries = on_device(queries_);
  const PlacedResults results({Place::device}, expected_);
  for (const Place place : {Place::pageable, Place::pinned}) {
    const PlacedRows<float> near(place, queries_.view());
    const PlacedRows<std::uint8_t> clamped(place, mask_.view());
    expect_invalid([&] { relax_async(on_cuda_, near.view(), results.view()); }, {"the queries are on the host"});
    expect_invalid([&] { relax_async(on_cuda_, queries.view(), results.view(), {.clamped = clamped.view()}); },
                   {"the clamped neurons are on the host"});
    for_each_odd_result(Place::device, place, [&](const std::string& name, const RelaxationView& odd) {
      expect_invalid([&] { relax_async(on_cuda_, queries.view(), odd); },
                     {"the " + name + (name == "status" ? "es" : "") + " are on the host"});
    });
  }
}

TEST_P(CudaPlaceTest, ARelaxerOnSeveralDevicesNamesWhatIsOnOne) {
  const std::vector<Device> devices = Device::cuda_devices();
  if (devices.size() < 2) GTEST_SKIP() << "needs two CUDA devices";
  const Relaxer shared(on_cuda_.memory(), devices, options_);
  const PlacedRows<float> queries = on_device(queries_);
  expect_invalid([&] { static_cast<void>(shared.relax(queries.view())); }, {"the queries are on a device"});
  for_each_odd_result(Place::pageable, Place::device, [&](const std::string& name, const RelaxationView& odd) {
    expect_invalid([&] { shared.relax(queries_, odd); },
                   {"the " + name + (name == "status" ? "es" : "") + " are on a device"});
  });
}

TEST_P(CudaPlaceTest, DataOnAnotherDeviceAreNamed) {
  const std::vector<Device> devices = Device::cuda_devices();
  if (devices.size() < 2) GTEST_SKIP() << "needs two CUDA devices";
  const cuda::DeviceScope scope(devices.back().index());
  const PlacedRows<float> queries = on_device(queries_);
  const std::string there = " are on CUDA device " + std::to_string(devices.back().index());
  expect_invalid([&] { static_cast<void>(on_cuda_.relax(queries.view())); }, {"the queries" + there});
  for_each_odd_result(Place::pageable, Place::device, [&](const std::string& name, const RelaxationView& odd) {
    expect_invalid([&] { on_cuda_.relax(queries_, odd); }, {"the " + name + (name == "status" ? "es" : "") + there});
  });
}

TEST_P(CudaPlaceTest, PatternsOnADeviceMakeAMemoryThereOnly) {
  const Memory memory = on_cuda_.memory();
  const PlacedRows<float> patterns(Place::device, memory.patterns());
  EXPECT_TRUE(same_bits(Memory::hebbian(Device::cuda(), patterns.view()).patterns(), memory.patterns()));
  expect_off_host("patterns", [&] { static_cast<void>(Memory::hebbian(Device::cpu(), patterns.view())); });
  expect_off_host("patterns", [&] { static_cast<void>(Memory::projection(Device::cpu(), patterns.view())); });
  expect_off_host("patterns", [&] { static_cast<void>(Memory::modern_hopfield(Device::cpu(), patterns.view())); });
  expect_off_host("contents", [&] {
    static_cast<void>(Memory::modern_hopfield(Device::cpu(), memory.patterns(), {.contents = patterns.view()}));
  });
  Memory on_cpu = memory.copy_to(Device::cpu());
  expect_off_host("patterns", [&] { on_cpu.imprint(patterns.view()); });
}

TEST(CudaPlaceOfRetrievalTest, AMemoryOnTheCpuNamesWhatIsOnADevice) {
  const Matrix<float> host_queries = kind_queries(query_count);
  const PlacedRows<float> queries = on_device(host_queries);
  const Matrix<float> host_patterns = kind_queries(3);
  const Memory memory = Memory::modern_hopfield(Device::cpu(), host_patterns);
  const PlacedRows<Index> found(Place::device, query_count, 1);
  const PlacedRows<float> posteriors(Place::device, query_count, 1);
  std::vector<Index> patterns(query_count);
  const MatrixView<Index> pattern_rows(patterns.data(), query_count, 1);
  expect_off_host("queries", [&] { static_cast<void>(retrieve(memory, queries.view())); });
  expect_off_host("retrieved patterns", [&] { retrieve(memory, host_queries, {.pattern = found.view()}); });
  expect_off_host("posteriors",
                  [&] { retrieve(memory, host_queries, {.pattern = pattern_rows, .posterior = posteriors.view()}); });
}

TEST(CudaPlaceOfFitsTest, FitsAndFootprintsOnTheCpuNameWhatIsOnADevice) {
  const Matrix<float> host_queries = kind_queries(query_count);
  const Matrix<float> host_patterns = kind_queries(3);
  const std::vector<Index> host_origins(query_count, 0);
  const AdaptiveSimilarity similarity{.dot = std::vector<float>(static_cast<std::size_t>(kind_dimension), 0.5F)};
  const PlacedRows<float> queries = on_device(host_queries);
  const PlacedRows<float> patterns = on_device(host_patterns);
  const PlacedRows<Index> origins = on_device(filled<Index>(query_count, 1, 0));
  const PlacedRows<float> footprints(Place::device, 3 * query_count, kind_dimension);
  const Device cpu = Device::cpu();
  const auto refuse_fits = [&](const std::string& name, MatrixView<const float> a, MatrixView<const float> x,
                               std::span<const Index> of) {
    expect_off_host(name, [&] { cross_entropy(cpu, a, similarity, x, of); });
    expect_off_host(name, [&] { static_cast<void>(fit_similarity(cpu, a, x, of)); });
  };
  refuse_fits("patterns", patterns.view(), host_queries, host_origins);
  refuse_fits("queries", host_patterns, queries.view(), host_origins);
  refuse_fits("origins", host_patterns, host_queries, origins.column());
  expect_off_host("patterns", [&] { static_cast<void>(fit_similarity(cpu, patterns.view(), VariantOptions{}, 5)); });
  expect_off_host("patterns", [&] { static_cast<void>(footprint(cpu, patterns.view(), host_queries)); });
  expect_off_host("queries", [&] { static_cast<void>(footprint(cpu, host_patterns, queries.view())); });
  expect_off_host("footprints", [&] { footprint(cpu, host_patterns, host_queries, footprints.view()); });
}

/// On either device these take data on the host.
TEST(CudaPlaceOfFitsTest, RecallAndVariantsNameWhatIsOnADevice) {
  const Matrix<float> host_patterns = kind_queries(3);
  const PlacedRows<float> patterns = on_device(host_patterns);
  for (const Device& device : {Device::cpu(), Device::cuda()}) {
    const Memory memory = Memory::modern_hopfield(device, host_patterns);
    expect_off_host("queries", [&] { static_cast<void>(recall(memory, patterns.view())); });
  }
  expect_off_host("patterns", [&] { static_cast<void>(make_variants(patterns.view(), 5)); });
  expect_off_host("patterns", [&] { static_cast<void>(vary(patterns.view())); });
}

}  // namespace
}  // namespace attractor::test
