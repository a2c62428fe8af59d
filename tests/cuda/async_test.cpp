/// Relaxation on the caller's streams: its order, its refusals, CUDA graphs, many calls at once.

#include <algorithm>
#include <cmath>
#include <optional>
#include <thread>

#include <gtest/gtest.h>

#include <attractor/bipolar.hpp>
#include <attractor/cuda.hpp>
#include <attractor/error.hpp>
#include <attractor/relaxer.hpp>

#include "kernels/cuda/device/resources.hpp"
#include "tests/cuda/support_data.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"

namespace attractor::test {
namespace {

void synchronise(const cuda::Stream& stream) {
  cuda::check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
}

/// What a call without waiting works on.
struct DeviceData {
  DeviceData(MatrixView<const float> query_rows, const Relaxation& like, Place place = Place::device)
      : queries(place, query_rows), results({place}, like) {}

  PlacedRows<float> queries;
  PlacedResults results;
};

/// Scratch that a relaxer needs, and more.
class Scratch {
 public:
  Scratch(const Relaxer& relaxer, Index queries, std::size_t more = 0)
      : size_(workspace_bytes(relaxer, queries) + more), data_(allocate(Place::device, size_)) {}
  [[nodiscard]] std::span<std::byte> span() const { return {static_cast<std::byte*>(data_.get()), size_}; }

 private:
  std::size_t size_;
  std::shared_ptr<void> data_;
};

class CudaAsyncTest : public testing::TestWithParam<CudaKind> {
 protected:
  [[nodiscard]] DeviceData device_data() const { return {queries_.view(), expected_}; }

  Matrix<float> queries_ = kind_queries(70);
  Relaxer relaxer_{GetParam().memory(Device::cuda()), {.max_steps = 5, .energy_trace = true}};
  Relaxation expected_ = relaxer_.relax(queries_);
  cuda::Stream stream_ = cuda::make_stream();
};

INSTANTIATE_TEST_SUITE_P(Kinds, CudaAsyncTest, testing::ValuesIn(cuda_kinds()),
                         [](const auto& kind) { return kind.param.name; });
INSTANTIATE_TEST_SUITE_P(PartlyResident, CudaAsyncTest, testing::Values(partly_resident_kind()));

TEST_P(CudaAsyncTest, GivesTheResultsOfAWaitingCall) {
  const Scratch scratch(relaxer_, 70);
  for (cudaStream_t stream : {stream_.get(), cudaStream_t{nullptr}})
    for (const std::span<std::byte> workspace : {scratch.span(), std::span<std::byte>()}) {
      const DeviceData data = device_data();

      relax_async(relaxer_, data.queries.view(), data.results.view(), {.stream = stream, .workspace = workspace});

      cuda::check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
      EXPECT_TRUE(same_results(data.results.read(), expected_))
          << (stream == nullptr ? "default stream, " : "stream, ") << workspace.size() << " bytes of workspace";
    }
}

TEST_P(CudaAsyncTest, TakesClampedNeuronsAndManagedMemory) {
  Rng rng(90);
  const Matrix<std::uint8_t> mask = random_mask(70, kind_dimension, 0.3, rng);
  const PlacedRows<std::uint8_t> clamped(Place::managed, mask.view(), {.gap = 1, .offset = 1});
  const DeviceData data(queries_, expected_, Place::managed);

  relax_async(relaxer_, data.queries.view(), data.results.view(), {.stream = stream_.get(), .clamped = clamped.view()});

  synchronise(stream_);
  EXPECT_TRUE(same_results(data.results.read(), relaxer_.relax(queries_, {.clamped = mask.view()})));
}

TEST_P(CudaAsyncTest, RelaxesInPlace) {
  for (const Place place : {Place::device, Place::managed}) {
    const DeviceData data(queries_, expected_, place);
    RelaxationView results = data.results.view();
    results.states = data.queries.view();

    relax_async(relaxer_, data.queries.view(), results, {.stream = stream_.get()});

    synchronise(stream_);
    EXPECT_TRUE(same_bits(data.queries.read(), expected_.states)) << to_string(place);
  }
}

/// Queries come and states go by copies on the same stream; what comes after doesn't change what went before.
TEST_P(CudaAsyncTest, RunsInTheOrderOfItsStream) {
  const Index count = queries_.rows();
  const std::size_t bytes = static_cast<std::size_t>(queries_.size()) * sizeof(float);
  const PlacedRows<float> first(Place::pinned, queries_.view());
  const Matrix<float> others = select(queries_, std::vector<Index>(static_cast<std::size_t>(count), 3));
  const PlacedRows<float> second(Place::pinned, others.view());
  const PlacedRows<float> first_states(Place::pinned, count, kind_dimension);
  const PlacedRows<float> second_states(Place::pinned, count, kind_dimension);
  const DeviceData data = device_data();
  const auto copy = [&](MatrixView<float> to, MatrixView<float> from) {
    cuda::check(cudaMemcpyAsync(to.data, from.data, bytes, cudaMemcpyDefault, stream_.get()), "cudaMemcpyAsync");
  };
  const auto enqueue = [&](const PlacedRows<float>& from, const PlacedRows<float>& to) {
    copy(data.queries.view(), from.view());
    relax_async(relaxer_, data.queries.view(), data.results.view(), {.stream = stream_.get()});
    copy(to.view(), *data.results.view().states.floats());
  };

  enqueue(first, first_states);
  enqueue(second, second_states);

  synchronise(stream_);
  EXPECT_TRUE(same_bits(first_states.read().view(), expected_.states.view()));
  EXPECT_TRUE(same_bits(second_states.read().view(), relaxer_.relax(others).states.view()));
}

TEST_P(CudaAsyncTest, CallsOnOneStreamShareAWorkspace) {
  const Scratch scratch(relaxer_, 70);
  const std::vector<DeviceData> calls = {device_data(), device_data(), device_data()};

  for (const DeviceData& data : calls)
    relax_async(relaxer_, data.queries.view(), data.results.view(),
                {.stream = stream_.get(), .workspace = scratch.span()});

  synchronise(stream_);
  for (const DeviceData& data : calls) EXPECT_TRUE(same_results(data.results.read(), expected_));
}

TEST_P(CudaAsyncTest, CallsOnManyStreamsDontDisturbEachOther) {
  const std::vector<DeviceData> calls = {device_data(), device_data(), device_data(), device_data()};
  std::vector<cuda::Stream> streams;
  for (std::size_t i = 0; i < calls.size(); ++i) streams.push_back(cuda::make_stream());

  for (std::size_t i = 0; i < calls.size(); ++i)
    relax_async(relaxer_, calls[i].queries.view(), calls[i].results.view(), {.stream = streams[i].get()});

  for (std::size_t i = 0; i < calls.size(); ++i) {
    synchronise(streams[i]);
    EXPECT_TRUE(same_results(calls[i].results.read(), expected_)) << "stream " << i;
  }
}

TEST_P(CudaAsyncTest, NoQueriesAreNoWork) {
  relax_async(relaxer_, MatrixView<const float>(nullptr, 0, kind_dimension),
              {.states = MatrixView<float>(nullptr, 0, kind_dimension)}, {.stream = stream_.get()});

  EXPECT_EQ(cudaStreamQuery(stream_.get()), cudaSuccess);
}

/// Signs in int8 and bits, whatever relaxes them, all at a time or some.
TEST_P(CudaAsyncTest, PackedStatesAreThoseOfFloats) {
  const Relaxer relaxer(relaxer_.memory(), {.update = sign_update(), .max_steps = 5, .energies = true});
  std::for_each(queries_.data(), queries_.data() + queries_.size(), [](float& x) { x = std::copysign(1.0F, x); });
  const Relaxation expected = relaxer.relax(queries_);
  Matrix<std::int8_t> numbers(70, kind_dimension);
  std::transform(queries_.data(), queries_.data() + queries_.size(), numbers.data(),
                 [](float x) { return static_cast<std::int8_t>(x); });
  const BitMatrix bits = to_bits(queries_);
  const MatrixView<const std::uint8_t> bytes(bits.data(), 70, bytes_of_bits(kind_dimension));
  const Spread spread{.gap = 3, .offset = 1};
  const auto as_bits = [](const PlacedRows<std::uint8_t>& rows) {
    return BitView<std::uint8_t>(rows.view().data, 70, kind_dimension, rows.view().row_stride);
  };
  const PlacedRows<std::int8_t> int8_queries(Place::device, numbers, spread);
  const PlacedRows<std::uint8_t> bit_queries(Place::device, bytes, spread);
  for (const Index rows : {Index{70}, Index{9}}) {
    SCOPED_TRACE(rows);
    detail::Sizes sizes = detail::sizes();
    sizes.scratch_bytes = rows * kind_dimension * static_cast<Index>(sizeof(float));
    const SizesScope scope(sizes);
    for (const QueryView& queries : {QueryView(int8_queries.view()), QueryView(as_bits(bit_queries))})
      for (const int format : {0, 1, 2}) {
        if (format == 2 && queries.as<BitView<const std::uint8_t>>() == nullptr) continue;
        SCOPED_TRACE(format);
        const DeviceData data(queries_, expected);
        const PlacedRows<std::int8_t> int8_states(Place::device, 70, kind_dimension, spread);
        const PlacedRows<std::uint8_t> bit_states(Place::device, 70, bytes.columns, spread);
        RelaxationView results = data.results.view();
        if (format == 1) results.states = int8_states.view();
        if (format == 2) results.states = as_bits(bit_states);

        relax_async(relaxer, queries, results, {.stream = stream_.get()});

        synchronise(stream_);
        Relaxation found = data.results.read();
        const Matrix<std::int8_t> found_numbers = int8_states.read();
        const Matrix<std::uint8_t> found_bytes = bit_states.read();
        if (format == 1)
          std::copy(found_numbers.data(), found_numbers.data() + found_numbers.size(), found.states.data());
        if (format == 2) found.states = from_bits({found_bytes.data(), 70, kind_dimension});
        EXPECT_TRUE(same_results(found, expected));
        EXPECT_TRUE(int8_states.margins_are_untouched() && bit_states.margins_are_untouched());
      }
  }
}

TEST_P(CudaAsyncTest, ScratchIsBounded) {
  EXPECT_GT(workspace_bytes(relaxer_, 1), 0U);
  EXPECT_LE(workspace_bytes(relaxer_, 1), workspace_bytes(relaxer_, 1000));
  EXPECT_EQ(workspace_bytes(relaxer_, Index{1} << 30), workspace_bytes(relaxer_, Index{1} << 40));
  EXPECT_THROW(static_cast<void>(workspace_bytes(relaxer_, -1)), InvalidArgument);
}

TEST_P(CudaAsyncTest, RefusesAWorkspaceThatItCannotUse) {
  const DeviceData data = device_data();
  const Scratch scratch(relaxer_, 70, 4);
  const std::size_t needed = workspace_bytes(relaxer_, 70);
  std::vector<std::byte> host(needed);
  const auto expect_refusal = [&](std::span<std::byte> workspace, const std::string& words) {
    try {
      relax_async(relaxer_, data.queries.view(), data.results.view(),
                  {.stream = stream_.get(), .workspace = workspace});
      ADD_FAILURE() << "accepted, though " << words;
    } catch (const InvalidArgument& error) {
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  };

  expect_refusal(scratch.span().first(needed - 1), "this call needs " + std::to_string(needed));
  expect_refusal(scratch.span().subspan(4), "no multiple of 256");
  expect_refusal(host, "is on the host");
}

TEST_P(CudaAsyncTest, RefusesDataOnTheHost) {
  const DeviceData data = device_data();
  for (const Place place : {Place::pageable, Place::pinned}) {
    const DeviceData host(queries_, expected_, place);
    const Matrix<std::uint8_t> clamped = filled<std::uint8_t>(70, kind_dimension, 0);
    EXPECT_THROW(relax_async(relaxer_, host.queries.view(), data.results.view()), InvalidArgument);
    EXPECT_THROW(relax_async(relaxer_, data.queries.view(), host.results.view()), InvalidArgument);
    RelaxationView mixed = data.results.view();
    mixed.steps = host.results.view().steps;
    EXPECT_THROW(relax_async(relaxer_, data.queries.view(), mixed), InvalidArgument);
    EXPECT_THROW(relax_async(relaxer_, data.queries.view(), data.results.view(), {.clamped = clamped.view()}),
                 InvalidArgument);
  }
}

TEST_P(CudaAsyncTest, RefusesAMemoryThatIsNotOnOneCudaDevice) {
  std::vector<Relaxer> relaxers = {Relaxer(GetParam().memory(Device::cpu()), relaxer_.options())};
  if (Device::cuda_count() > 1)
    relaxers.emplace_back(relaxer_.memory(), std::vector{Device::cuda(0), Device::cuda(1)}, relaxer_.options());
  const DeviceData data = device_data();
  for (const Relaxer& relaxer : relaxers) {
    EXPECT_THROW(static_cast<void>(workspace_bytes(relaxer, 1)), NotSupported);
    EXPECT_THROW(static_cast<void>(relaxes_in_one_launch(relaxer)), NotSupported);
    try {
      relax_async(relaxer, data.queries.view(), data.results.view());
      ADD_FAILURE() << "accepted";
    } catch (const NotSupported& error) {
      for (const Device& device : relaxer.devices())
        EXPECT_NE(std::string(error.what()).find(device.description()), std::string::npos) << error.what();
    }
  }
}

TEST_P(CudaAsyncTest, RelaxesInOneLaunch) { EXPECT_TRUE(relaxes_in_one_launch(relaxer_)); }

/// Each thread with streams and relaxers of its own and one relaxer of all.
TEST_P(CudaAsyncTest, ManyThreadsWithManyRelaxersAtOnce) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      const cuda::Stream stream = cuda::make_stream();
      const Relaxer own(relaxer_.memory(), relaxer_.options());
      for (const Relaxer* const relaxer : std::initializer_list<const Relaxer*>{&own, &relaxer_}) {
        const DeviceData data = device_data();
        relax_async(*relaxer, data.queries.view(), data.results.view(), {.stream = stream.get()});
        synchronise(stream);
        EXPECT_TRUE(same_results(data.results.read(), expected_));
      }
    });
}

void destroy_graph(cudaGraph_t graph) { static_cast<void>(cudaGraphDestroy(graph)); }
void destroy_executable(cudaGraphExec_t graph) { static_cast<void>(cudaGraphExecDestroy(graph)); }
using Graph = std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, decltype(&destroy_graph)>;
using Executable = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, decltype(&destroy_executable)>;

/// What `enqueue` puts on the stream, as a graph.
template <class Enqueue>
Graph capture(const cuda::Stream& stream, Enqueue&& enqueue,
              cudaStreamCaptureMode mode = cudaStreamCaptureModeThreadLocal) {
  cuda::check(cudaStreamBeginCapture(stream.get(), mode), "cudaStreamBeginCapture");
  enqueue();
  cudaGraph_t graph = nullptr;
  cuda::check(cudaStreamEndCapture(stream.get(), &graph), "cudaStreamEndCapture");
  return {graph, destroy_graph};
}

std::size_t node_count(const Graph& graph) {
  std::size_t count = 0;
  cuda::check(cudaGraphGetNodes(graph.get(), nullptr, &count), "cudaGraphGetNodes");
  return count;
}

Executable instantiate(const Graph& graph) {
  cudaGraphExec_t executable = nullptr;
  cuda::check(cudaGraphInstantiate(&executable, graph.get(), 0), "cudaGraphInstantiate");
  return {executable, destroy_executable};
}

using CudaGraphTest = CudaAsyncTest;

INSTANTIATE_TEST_SUITE_P(Kinds, CudaGraphTest, testing::ValuesIn(cuda_kinds()),
                         [](const auto& kind) { return kind.param.name; });
INSTANTIATE_TEST_SUITE_P(PartlyResident, CudaGraphTest, testing::Values(partly_resident_kind()));

TEST_P(CudaGraphTest, RelaxesTheQueriesOfEachLaunch) {
  const Scratch scratch(relaxer_, 70);
  const DeviceData data = device_data();
  const Graph graph = capture(stream_, [&] {
    relax_async(relaxer_, data.queries.view(), data.results.view(),
                {.stream = stream_.get(), .workspace = scratch.span()});
  });
  const Executable executable = instantiate(graph);
  for (const Index first : {1, 2, 3}) {
    std::vector<Index> rows(70);
    for (Index i = 0; i < 70; ++i) rows[static_cast<std::size_t>(i)] = first * i % 70;
    const Matrix<float> queries = select(queries_, rows);
    data.queries.write(queries);

    cuda::check(cudaGraphLaunch(executable.get(), stream_.get()), "cudaGraphLaunch");

    synchronise(stream_);
    EXPECT_TRUE(same_results(data.results.read(), relaxer_.relax(queries)));
  }
}

TEST_P(CudaGraphTest, NeedsAWorkspace) {
  const DeviceData data = device_data();

  const Graph graph = capture(stream_, [&] {
    try {
      relax_async(relaxer_, data.queries.view(), data.results.view(), {.stream = stream_.get()});
      ADD_FAILURE() << "accepted";
    } catch (const InvalidArgument& error) {
      EXPECT_NE(std::string(error.what()).find(std::to_string(workspace_bytes(relaxer_, 70)) + " bytes"),
                std::string::npos)
          << error.what();
    }
  });

  EXPECT_EQ(node_count(graph), 0U);
}

/// The memory must outlive the graph; any copy of it will do.
TEST_P(CudaGraphTest, OutlivesItsRelaxer) {
  const Scratch scratch(relaxer_, 70);
  const DeviceData data = device_data();
  auto relaxer = std::make_unique<Relaxer>(GetParam().memory(Device::cuda()), relaxer_.options());
  const Memory memory = relaxer->memory();
  const Graph graph = capture(stream_, [&] {
    relax_async(*relaxer, data.queries.view(), data.results.view(),
                {.stream = stream_.get(), .workspace = scratch.span()});
  });
  const Executable executable = instantiate(graph);

  relaxer.reset();
  cuda::check(cudaGraphLaunch(executable.get(), stream_.get()), "cudaGraphLaunch");

  synchronise(stream_);
  EXPECT_TRUE(same_results(data.results.read(), expected_));
}

/// Whether the device lets a thread exempt itself from the captures of others, as CUDA does.
bool knows_exemptions() {
  const cuda::Stream stream = cuda::make_stream();
  cuda::check(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeGlobal), "cudaStreamBeginCapture");
  void* data = nullptr;
  {
    const cuda::CaptureExemption exemption;
    cuda::discard(cudaMalloc(&data, 4));
  }
  cudaGraph_t graph = nullptr;
  const bool survived = cudaStreamEndCapture(stream.get(), &graph) == cudaSuccess;
  cuda::discard(cudaGetLastError());
  if (graph != nullptr) destroy_graph(graph);
  if (data != nullptr) cuda::discard(cudaFree(data));
  return survived && data != nullptr;
}

/// This thread captures a stream that waits for the default one, while another one makes, uses and destroys a memory.
TEST_P(CudaGraphTest, OfAnotherThreadIsNotSpoiled) {
  std::vector<cudaStreamCaptureMode> modes = {cudaStreamCaptureModeRelaxed};
  if (knows_exemptions()) modes.insert(modes.end(), {cudaStreamCaptureModeThreadLocal, cudaStreamCaptureModeGlobal});
  const Scratch scratch(relaxer_, 70);
  cudaStream_t raw = nullptr;
  cuda::check(cudaStreamCreate(&raw), "cudaStreamCreate");
  const cuda::Stream blocking(raw);
  for (const cudaStreamCaptureMode mode : modes) {
    SCOPED_TRACE(mode);
    const Graph graph = capture(
        blocking,
        [&] {
          cuda::check(cudaMemsetAsync(scratch.span().data(), 0, 4, blocking.get()), "cudaMemsetAsync");
          std::jthread([&] {
            const Relaxer relaxer(GetParam().memory(Device::cuda()), relaxer_.options());
            EXPECT_TRUE(same_results(relaxer.relax(queries_), expected_));
          }).join();
        },
        mode);

    EXPECT_EQ(node_count(graph), 1U);
  }
}

TEST_P(CudaGraphTest, SurvivesRefusedArguments) {
  const DeviceData data = device_data();

  const Graph graph = capture(stream_, [&] {
    EXPECT_ANY_THROW(relax_async(relaxer_, queries_, data.results.view(), {.stream = stream_.get()}));
  });

  EXPECT_EQ(node_count(graph), 0U);
}

/// One neuron after another, also where the memory fits shared memory.
TEST(CudaSweepsTest, RelaxOnStreamsAndInGraphs) {
  Rng rng(91);
  const Matrix<float> patterns = random_bipolar(5, kind_dimension, rng);
  const Matrix<float> queries = kind_queries(70);
  const Memory memory = Memory::hebbian(Device::cuda(), patterns);
  for (const std::optional<std::uint64_t>& seed : {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(4)}) {
    const Relaxer relaxer(memory, {.update = asynchronous_sign_update(seed), .max_steps = 5, .energy_trace = true});
    const Relaxation expected = relaxer.relax(queries);
    const Scratch scratch(relaxer, 70);
    const DeviceData at_once(queries, expected);
    const DeviceData captured(queries, expected);
    const cuda::Stream stream = cuda::make_stream();
    const auto enqueue = [&](const DeviceData& data) {
      relax_async(relaxer, data.queries.view(), data.results.view(),
                  {.stream = stream.get(), .workspace = scratch.span()});
    };

    EXPECT_TRUE(relaxes_in_one_launch(relaxer));
    enqueue(at_once);
    const Graph graph = capture(stream, [&] { enqueue(captured); });
    cuda::check(cudaGraphLaunch(instantiate(graph).get(), stream.get()), "cudaGraphLaunch");

    synchronise(stream);
    EXPECT_TRUE(same_results(at_once.results.read(), expected));
    EXPECT_TRUE(same_results(captured.results.read(), expected));
  }
}

}  // namespace
}  // namespace attractor::test
