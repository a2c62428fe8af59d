/// Every call to CUDA fails in its turn: each failure is an exception that names the call, leaks nothing,
/// leaves no error behind for others to find, and the memory works on.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include <attractor/bipolar.hpp>
#include <attractor/error.hpp>

#include "kernels/cuda/adaptive/footprint.hpp"
#include "kernels/cuda/device/device_matrix.hpp"
#include "kernels/cuda/device/graph.hpp"
#include "kernels/cuda/device/mapped_matrix.hpp"
#include "kernels/cuda/device/matrix_scan.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/engine/lane_buffers.hpp"
#include "kernels/cuda/engine/recall.hpp"
#include "kernels/cuda/engine/relax.hpp"
#include "kernels/cuda/engine/retrieve.hpp"
#include "kernels/cuda/fit/cross_entropy.hpp"
#include "kernels/cuda/streamed/factor_scan.hpp"
#include "kernels/cuda/streamed/gram.hpp"
#include "tests/cuda/support_data.hpp"
#include "tests/cuda/support_faults.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"

namespace attractor::test {
namespace {

/// A memory and what relaxes on it.
struct Subject {
  std::string name;
  std::function<cuda::DeviceMemory()> memory;
  RelaxerOptions options;
  Matrix<float> queries;
  Matrix<float> log_prior = {};  ///< of the call; empty: none
  Index content_columns = 0;
  bool normalised = false;  ///< its weights sum to 1: patterns can be retrieved
};

/// Where memories are: not on the current device if there are several.
int home() { return Device::cuda_count() - 1; }

Subject linear_subject(const std::string& name, bool dense, cuda::Tier tier, detail::Sizes sizes = detail::sizes()) {
  Rng rng(110);
  const auto patterns = std::make_shared<Matrix<float>>(random_bipolar(3, 16, rng));
  const auto weights = std::make_shared<Matrix<float>>(16, 16);
  for (Index i = 0; i < 16; ++i)
    for (Index j = 0; j < 16; ++j) {
      (*weights)(i, j) = 0.0F;
      for (Index p = 0; p < 3; ++p) (*weights)(i, j) += (*patterns)(p, i) * (*patterns)(p, j);
    }
  const auto contents = std::make_shared<Matrix<float>>(random_gaussian(dense ? 5 : 3, dense ? 16 : 5, rng));
  const auto make = [=] {
    const SizesScope scope(sizes);
    const std::vector<float> diagonal(16, 0.0F);
    const std::vector<float> intensity(dense ? 16 : 3, 1.0F);
    const cuda::ContentViews read_out{.matrix = contents->view(), .intensity = intensity};
    return dense ? cuda::DeviceMemory::dense(home(), weights->view(), {}, 1.0F / 16.0F, tier, read_out)
                 : cuda::DeviceMemory::factored(home(), patterns->view(), diagonal, {}, 1.0F / 16.0F, tier, read_out);
  };
  return {.name = name,
          .memory = make,
          .options = {.update = sign_update(), .max_steps = 3, .energy_trace = true},
          .queries = flipped_copies(patterns->view(), 9, 0.35, rng),
          .content_columns = 5};
}

/// A fixed number of steps.
Subject softmax_subject(const std::string& name, Index count, Index dimension, float beta,
                        NormalisedSeparation separation = softmax(), Similarity similarity = Similarity::dot) {
  Rng rng(111);
  const auto patterns = std::make_shared<Matrix<float>>(random_gaussian(count, dimension, rng));
  const auto contents = std::make_shared<Matrix<float>>(random_gaussian(count, 5, rng));
  return {.name = name,
          .memory =
              [=] {
                return cuda::DeviceMemory::softmax(home(), patterns->view(), contents->view(), {},
                                                   {.similarity = similarity, .separation = separation, .beta = beta});
              },
          .options = {.update = readout_update(), .halting = fixed_steps(), .max_steps = 2, .energy_trace = true},
          .queries = noisy_copies(patterns->view(), 6, 0.1F, 2.0F, rng),
          .log_prior = random_gaussian(6, count, rng),
          .content_columns = 5,
          .normalised = true};
}

/// More patterns than are scored at a time.
Subject pointwise_subject(const std::string& name) {
  Rng rng(112);
  const auto patterns = std::make_shared<Matrix<float>>(random_bipolar(10, 16, rng));
  const auto contents = std::make_shared<Matrix<float>>(random_gaussian(10, 5, rng));
  return {.name = name,
          .memory =
              [=] {
                const std::vector<float> intensity(10, 1.0F);
                return cuda::DeviceMemory::pointwise(home(), patterns->view(), {}, PolynomialSeparation{.order = 4},
                                                     1.0F / 16.0F, 16.0F,
                                                     {.matrix = contents->view(), .intensity = intensity});
              },
          .options = {.update = sign_update(), .max_steps = 3, .energy_trace = true},
          .queries = flipped_copies(patterns->view(), 9, 0.35, rng),
          .content_columns = 5};
}

Subject adaptive_subject(const std::string& name, Index count, Index dimension) {
  Rng rng(113);
  const auto patterns = std::make_shared<Matrix<float>>(random_gaussian(count, dimension, rng));
  const auto contents = std::make_shared<Matrix<float>>(random_gaussian(count, 5, rng));
  const AdaptiveSimilarity similarity{.squared_distance = std::vector<float>(static_cast<std::size_t>(dimension), 0.1F),
                                      .dot = std::vector<float>(static_cast<std::size_t>(dimension), 0.05F),
                                      .log_prior = std::vector<float>(static_cast<std::size_t>(count), 0.2F)};
  return {.name = name,
          .memory =
              [=] { return cuda::DeviceMemory::adaptive(home(), patterns->view(), contents->view(), {}, similarity); },
          .options = {.update = readout_update(), .halting = fixed_steps(), .max_steps = 2, .energy_trace = true},
          .queries = noisy_copies(patterns->view(), 6, 0.1F, 2.0F, rng),
          .content_columns = 5,
          .normalised = true};
}

/// Longer than tensor cores scan.
constexpr int long_dimension = 260;

/// Fewer patterns than that subject has are scored at a time.
detail::Sizes small_chunks() {
  detail::Sizes sizes;
  sizes.softmax_chunk = 8;
  sizes.least_slots = 24;  // So that a graph has loops for 9 slots and for 6.
  return sizes;
}

std::vector<Subject> make_subjects() {
  std::vector<Subject> subjects;
  subjects.push_back(linear_subject("resident_factored", false, cuda::Tier::resident));
  subjects.push_back(linear_subject("resident_dense", true, cuda::Tier::resident));
  for (const Update& update : {tanh_update(), sign_update()}) {
    const bool is_tanh = std::holds_alternative<TanhUpdate>(update);
    subjects.push_back(linear_subject(is_tanh ? "partly_resident_tanh" : "partly_resident_sign", false,
                                      cuda::Tier::either, no_resident_floats()));
    subjects.back().options.update = update;
  }
  subjects.push_back(linear_subject("streamed_factored", false, cuda::Tier::streamed));
  subjects.push_back(linear_subject("streamed_dense", true, cuda::Tier::streamed));
  subjects.push_back(pointwise_subject("pointwise"));
  for (const bool dense : {false, true}) {
    subjects.push_back(linear_subject(dense ? "swept_dense" : "swept_factored", dense, cuda::Tier::either));
    subjects.back().options.update = asynchronous_sign_update(3);
  }
  subjects.push_back(softmax_subject("softmax_scan", 9, 16, 0.3F));
  subjects.push_back(softmax_subject("softmax_products", 10, long_dimension, 0.01F));
  subjects.back().options.max_steps = 1;  // Each takes long.
  subjects.push_back(softmax_subject("entmax", 10, 16, 0.3F, entmax()));
  subjects.push_back(softmax_subject("top", 9, 16, 0.3F, top(4)));
  subjects.push_back(softmax_subject("manhattan", 10, 16, 0.3F, softmax(), Similarity::manhattan));
  subjects.push_back(adaptive_subject("adaptive_in_registers", 9, 16));
  subjects.push_back(adaptive_subject("adaptive_across_lanes", 9, 70));
  return subjects;
}

const std::vector<Subject>& subjects() {
  static const std::vector<Subject> all = make_subjects();
  return all;
}

/// How a call gets its data.
enum class Way : unsigned char { from_host, from_device, async, captured };

constexpr Way all_ways[] = {Way::from_host, Way::from_device, Way::async, Way::captured};

std::string to_string(Way way) {
  switch (way) {
    case Way::from_host: return "from_host";
    case Way::from_device: return "from_device";
    case Way::async: return "async";
    case Way::captured: break;
  }
  return "captured";
}

/// Room for what a relaxation of this subject gives.
Relaxation empty_results(const Subject& subject) {
  const Index rows = subject.queries.rows();
  const auto count = static_cast<std::size_t>(rows);
  return {.states = Matrix<float>(rows, subject.queries.columns()),
          .steps = std::vector<std::int32_t>(count),
          .energies = std::vector<float>(count),
          .status = std::vector<Status>(count),
          .energy_trace = Matrix<float>(rows, subject.options.max_steps),
          .contents = subject.content_columns > 0 ? Matrix<float>(rows, subject.content_columns) : Matrix<float>()};
}

detail::PatternTerms terms_of(const Subject& subject, MatrixView<const float> log_prior) {
  return subject.log_prior.empty() ? detail::PatternTerms{} : detail::PatternTerms{.log_prior = log_prior};
}

/// Scratch of a call on the device that memories are on.
class CallWorkspace {
 public:
  explicit CallWorkspace(std::size_t bytes) : bytes_(bytes) {
    const cuda::DeviceScope scope(home());
    data_ = allocate(Place::device, bytes);
  }
  [[nodiscard]] std::span<std::byte> span() const { return {static_cast<std::byte*>(data_.get()), bytes_}; }

 private:
  std::size_t bytes_;
  std::shared_ptr<void> data_;
};

/// One way of relaxing a subject's queries, over and over.
class Calls {
 public:
  Calls(const Subject& subject, Way way, const cuda::DeviceScope& /*home*/ = cuda::DeviceScope(home()))
      : subject_(subject),
        way_(way),
        queries_(place(), subject.queries.view()),
        log_prior_(subject.log_prior.empty() ? PlacedRows<float>()
                                             : PlacedRows<float>(place(), subject.log_prior.view())),
        results_({place()}, empty_results(subject)) {}

  void relax(const cuda::DeviceMemory& memory, cudaStream_t stream = nullptr) const {
    if (way_ == Way::async) return enqueue(memory, {}, stream);
    if (way_ == Way::captured) return relax_in_graph(memory);
    const cuda::DeviceMemory* const replica = &memory;
    cuda::relax({&replica, 1}, subject_.options, queries_.view(), results_.view(), {}, terms());
  }

  /// An asynchronous call. Without workspace it takes its own.
  void enqueue(const cuda::DeviceMemory& memory, std::span<std::byte> workspace, cudaStream_t stream) const {
    cuda::relax_async(memory, subject_.options, queries_.view(), results_.view(), {.patterns = terms()}, workspace,
                      stream);
  }
  [[nodiscard]] CallWorkspace make_workspace(const cuda::DeviceMemory& memory) const {
    const cuda::DeviceScope scope(home());
    return CallWorkspace(memory.workspace_bytes(subject_.queries.rows(), cuda::to_rule(*subject_.options.update)));
  }

  /// Waits, too.
  [[nodiscard]] Relaxation results() const {
    const cuda::DeviceScope scope(home());
    return results_.read();
  }

 private:
  void relax_in_graph(const cuda::DeviceMemory& memory) const {
    const cuda::DeviceScope scope(home());
    const CallWorkspace workspace = make_workspace(memory);
    const cuda::Stream stream = cuda::make_stream();
    const cuda::Graph graph = cuda::make_graph();
    cuda::capture(stream.get(), graph.get(),
                  [&](cudaStream_t captured) { enqueue(memory, workspace.span(), captured); });
    cuda::check(cudaGraphLaunch(cuda::instantiate(graph).get(), stream.get()), "cudaGraphLaunch");
    cuda::check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
  }

  [[nodiscard]] detail::PatternTerms terms() const { return terms_of(subject_, log_prior_.view()); }
  [[nodiscard]] Place place() const { return way_ == Way::from_host ? Place::pageable : Place::device; }

  const Subject& subject_;
  Way way_;
  PlacedRows<float> queries_;
  PlacedRows<float> log_prior_;
  PlacedResults results_;
};

/// The best patterns of a subject's queries.
void retrieve(const cuda::DeviceMemory& memory, const Subject& subject, std::vector<Index>& patterns,
              std::vector<float>& posteriors, Index count = 1) {
  const Index rows = subject.queries.rows();
  patterns.resize(static_cast<std::size_t>(rows * count));
  posteriors.resize(patterns.size());
  memory.retrieve({.queries = subject.queries,
                   .terms = terms_of(subject, subject.log_prior.view()),
                   .patterns = {patterns.data(), rows, count},
                   .posteriors = {posteriors.data(), rows, count}});
}

/// The same of queries on the device, in the caller's stream: at once, or by a graph.
class DeviceRetrieval {
 public:
  DeviceRetrieval(const Subject& subject, Index count, const cuda::DeviceScope& /*home*/ = cuda::DeviceScope(home()))
      : queries_(Place::device, subject.queries.view()),
        log_prior_(subject.log_prior.empty() ? PlacedRows<float>()
                                             : PlacedRows<float>(Place::device, subject.log_prior.view())),
        patterns_(Place::device, subject.queries.rows(), count),
        posteriors_(Place::device, subject.queries.rows(), count),
        job_{.queries = queries_.view(),
             .terms = terms_of(subject, log_prior_.view()),
             .patterns = patterns_.view(),
             .posteriors = posteriors_.view()} {}

  [[nodiscard]] CallWorkspace make_workspace(const cuda::DeviceMemory& memory) const {
    return CallWorkspace(memory.retrieval_workspace_bytes(job_.queries.rows, job_.patterns.columns));
  }
  /// Without workspace it takes its own.
  void enqueue(const cuda::DeviceMemory& memory, std::span<std::byte> workspace, cudaStream_t stream = nullptr) const {
    cuda::retrieve_async(memory, job_, workspace, stream);
  }
  void retrieve_in_graph(const cuda::DeviceMemory& memory, std::span<std::byte> workspace) const {
    const cuda::DeviceScope scope(home());
    const cuda::Stream stream = cuda::make_stream();
    const cuda::Graph graph = cuda::make_graph();
    cuda::capture(stream.get(), graph.get(), [&](cudaStream_t captured) { enqueue(memory, workspace, captured); });
    cuda::check(cudaGraphLaunch(cuda::instantiate(graph).get(), stream.get()), "cudaGraphLaunch");
    cuda::check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
  }

  /// Waits, too.
  [[nodiscard]] std::vector<Index> patterns() const {
    const cuda::DeviceScope scope(home());
    const Matrix<Index> found = patterns_.read();
    return {found.data(), found.data() + found.size()};
  }

 private:
  PlacedRows<float> queries_;
  PlacedRows<float> log_prior_;
  PlacedRows<Index> patterns_;
  PlacedRows<float> posteriors_;
  cuda::RetrievalJob job_;
};

/// What a subject's queries read out.
struct Echoes {
  explicit Echoes(const Subject& of)
      : subject(of),
        contents(of.queries.rows(), of.content_columns),
        intensity(of.normalised ? 0 : static_cast<std::size_t>(of.queries.rows())) {}

  void recall(const cuda::DeviceMemory& memory) {
    cuda::recall(memory, subject.queries, terms_of(subject, subject.log_prior.view()), contents, intensity);
  }

  const Subject& subject;
  Matrix<float> contents;
  std::vector<float> intensity;
};

/// What the message must have: a kernel is named instead of its launch.
std::string words_for(std::string call) {
  if (call == "cudaLaunchKernelExC") return "launch of ";
  if (call.ends_with("_v2")) call.resize(call.size() - 3);
  if (call.ends_with("WithFlags") && call.starts_with("cudaOccupancy")) call.resize(call.size() - 9);
  return call;
}

bool allocates(const std::string& call) { return call.starts_with("cudaMalloc") || call == "cudaGraphCreate"; }

/// Calls that destructors make, too, where a failure has no one to tell.
bool may_fail_unheard(const std::string& call) { return call == "cudaStreamSynchronize" || call == "cudaSetDevice"; }

/// Runs `work` while the nth call fails, and checks how it ends. False if there is no nth call.
template <class Work>
bool fails_well(const std::string& call, int nth, Work&& work) {
  const Fault fault(call, nth);
  try {
    work();
    EXPECT_TRUE(!fault.has_struck() || may_fail_unheard(call)) << "the failure was not noticed";
  } catch (const DeviceError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find(words_for(call)), std::string::npos) << message;
    EXPECT_EQ(dynamic_cast<const OutOfDeviceMemory*>(&error) != nullptr, allocates(call)) << message;
    EXPECT_TRUE(fault.has_struck()) << message;
  }
  EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "an error was left behind";
  return fault.has_struck();
}

/// Calls visit(call, n) for each call and n = 1, 2, … while it returns true. A host that polls may make any number of
/// queries; the first ones must do.
template <class Visit>
void for_each_fault(Visit&& visit) {
  for (const std::string& call : faulty_calls()) {
    const int most = call == "cudaEventQuery" ? 10 : 500;
    int nth = 1;
    for (bool struck = true; struck && nth <= most; ++nth) {
      SCOPED_TRACE(call + " number " + std::to_string(nth));
      struck = visit(call, nth);
    }
    EXPECT_LT(nth, 500) << call << " never stops";
  }
}

/// Work that fails in each way leaks nothing, and gives what `check` expects when it is done again.
template <class Work, class Check>
void expect_survival(const Work& work, const Check& check) {
  for_each_fault([&](const std::string& call, int nth) {
    const std::size_t live = live_resources();
    const bool struck = fails_well(call, nth, work);
    EXPECT_EQ(live_resources(), live);
    if (struck) work();
    check();
    return struck;
  });
}

class CudaFaultsTest : public testing::TestWithParam<std::size_t> {
 protected:
  SizesScope sizes_{small_chunks()};
  const Subject& subject_ = subjects()[GetParam()];
};

std::string subject_name(const testing::TestParamInfo<std::size_t>& info) { return subjects()[info.param].name; }

INSTANTIATE_TEST_SUITE_P(Subjects, CudaFaultsTest, testing::Range(std::size_t{0}, subjects().size()), subject_name);

TEST_P(CudaFaultsTest, MakingAMemorySurvivesThem) {
  for_each_fault([&](const std::string& call, int nth) {
    const std::size_t live = live_resources();
    std::optional<cuda::DeviceMemory> memory;
    const bool struck = fails_well(call, nth, [&] { memory.emplace(subject_.memory()); });
    memory.reset();
    EXPECT_EQ(live_resources(), live);
    return struck;
  });
}

/// Subjects and ways. Where a call takes long it gets its data in two ways: its launches are the same in all.
std::vector<std::pair<std::size_t, Way>> subjects_and_ways() {
  std::vector<std::pair<std::size_t, Way>> all;
  for (std::size_t i = 0; i < subjects().size(); ++i)
    for (const Way way : all_ways)
      if (subjects()[i].queries.columns() <= 256 || way == Way::from_host || way == Way::captured)
        all.emplace_back(i, way);
  return all;
}

class CudaCallFaultsTest : public testing::TestWithParam<std::pair<std::size_t, Way>> {
 protected:
  SizesScope sizes_{small_chunks()};
  const Subject& subject_ = subjects()[GetParam().first];
};

INSTANTIATE_TEST_SUITE_P(Subjects, CudaCallFaultsTest, testing::ValuesIn(subjects_and_ways()), [](const auto& call) {
  return subjects()[call.param.first].name + '_' + to_string(call.param.second);
});

TEST_P(CudaCallFaultsTest, RelaxingSurvivesThem) {
  const Calls calls(subject_, GetParam().second);
  calls.relax(subject_.memory());
  const Relaxation expected = calls.results();
  for_each_fault([&](const std::string& call, int nth) {
    const std::size_t live = live_resources();
    bool struck = false;
    {
      const cuda::DeviceMemory memory = subject_.memory();
      struck = fails_well(call, nth, [&] { calls.relax(memory); });
      if (struck) calls.relax(memory);
      EXPECT_TRUE(same_results(calls.results(), expected));
    }
    EXPECT_EQ(live_resources(), live);
    return struck;
  });
}

/// The host takes no part in the steps.
TEST_P(CudaFaultsTest, AnAsynchronousCallIsOneLaunch) {
  const Calls calls(subject_, Way::async);
  const cuda::DeviceMemory memory = subject_.memory();
  const bool resident = memory.is_resident(cuda::to_rule(*subject_.options.update));
  const CallRecord record;

  calls.relax(memory);

  std::map<std::string, int> counts = record.counts();
  EXPECT_EQ(counts["cudaGraphLaunch"], resident ? 0 : 1);
  for (const char* const call : {"cudaEventRecord", "cudaEventQuery", "cudaStreamSynchronize"})
    EXPECT_EQ(counts[call], 0) << call;
}

/// A driver that knows no loops in graphs: the host drives the steps, and can't in a graph.
TEST_P(CudaFaultsTest, OldDriversGiveTheSameBits) {
  const Calls calls(subject_, Way::async);
  const cuda::DeviceMemory memory = subject_.memory();
  calls.relax(memory);
  const Relaxation expected = calls.results();
  const bool resident = memory.is_resident(cuda::to_rule(*subject_.options.update));
  const OldDriver driver(12030);
  const CallRecord record;

  calls.relax(memory);

  EXPECT_TRUE(same_results(calls.results(), expected));
  EXPECT_FALSE(record.counts().contains("cudaGraphLaunch"));
  const Calls captured(subject_, Way::captured);
  if (resident)
    EXPECT_NO_THROW(captured.relax(memory));
  else
    EXPECT_THROW(captured.relax(memory), NotSupported);
}

/// A set of two chunks, one for each lane.
class ManyChunks {
 public:
  void relax(const cuda::DeviceMemory& memory) {
    const cuda::DeviceMemory* const replica = &memory;
    cuda::relax({&replica, 1}, subject_.options, queries_, {.states = states_},
                {.progress = [](const Progress& /*progress*/) {}});
  }
  [[nodiscard]] cuda::DeviceMemory make_memory() const { return subject_.memory(); }
  [[nodiscard]] MatrixView<const float> states() const { return states_.view(); }

 private:
  static detail::Sizes small_chunks_of_queries() {
    detail::Sizes sizes;
    sizes.least_chunk = 24;
    return sizes;
  }

  SizesScope sizes_{small_chunks_of_queries()};
  const Subject& subject_ = subjects().front();
  Rng rng_{112};
  Matrix<float> queries_ = random_bipolar(40, subject_.queries.columns(), rng_);
  Matrix<float> states_{queries_.rows(), queries_.columns()};
};

/// The lanes of a call end with the one that failed.
TEST(CudaLaneFaultsTest, SetsOfManyChunksSurviveThem) {
  ManyChunks chunks;
  chunks.relax(chunks.make_memory());
  const Matrix<float> expected = copy(chunks.states());
  for_each_fault([&](const std::string& call, int nth) {
    const std::size_t live = live_resources();
    bool struck = false;
    {
      const cuda::DeviceMemory memory = chunks.make_memory();
      struck = fails_well(call, nth, [&] { chunks.relax(memory); });
      if (struck) chunks.relax(memory);
      EXPECT_TRUE(same_bits(chunks.states(), expected.view()));
    }
    EXPECT_EQ(live_resources(), live);
    return struck;
  });
}

/// Bits take room for floats where they are relaxed as such.
TEST(CudaPackedFaultsTest, CallsOfBitsSurviveThem) {
  for (const Subject& subject : subjects()) {
    if (!subject.name.ends_with("_factored")) continue;
    SCOPED_TRACE(subject.name);
    const cuda::DeviceScope scope(home());
    const cuda::DeviceMemory memory = subject.memory();
    const cuda::DeviceMemory* const replica = &memory;
    const Index rows = subject.queries.rows();
    const Index neurons = subject.queries.columns();
    const BitMatrix queries = to_bits(subject.queries);
    BitMatrix states(rows, neurons);
    const PlacedRows<std::uint8_t> device_queries(Place::device, {queries.data(), rows, bytes_of_bits(neurons)});
    const PlacedRows<std::uint8_t> device_states(Place::device, rows, bytes_of_bits(neurons));
    const auto relax = [&] { cuda::relax({&replica, 1}, subject.options, queries, {.states = states}, {}); };
    const auto relax_async = [&] {
      cuda::relax_async(memory, subject.options, BitView<std::uint8_t>(device_queries.view().data, rows, neurons),
                        {.states = BitView<std::uint8_t>(device_states.view().data, rows, neurons)}, {}, {}, nullptr);
    };
    relax();
    const Matrix<float> expected = from_bits(states);
    relax_async();  // Its graph stays with the memory.
    expect_survival(relax, [&] { EXPECT_TRUE(same_bits(from_bits(states), expected)); });
    expect_survival(relax_async, [&] {
      const Matrix<std::uint8_t> found = device_states.read();
      EXPECT_TRUE(same_bits(from_bits({found.data(), rows, neurons}), expected));
    });
  }
}

/// Calls that make or release something or ask how much memory is left, and so may wait for all that the device does.
std::map<std::string, int> lasting_calls(const CallRecord& record) {
  std::map<std::string, int> calls = record.counts();
  std::erase_if(calls, [](const auto& call) {
    static const std::set<std::string> lasting = {"cudaGraphCreate",
                                                  "cudaGraphDestroy",
                                                  "cudaGraphInstantiate",
                                                  "cudaGraphExecDestroy",
                                                  "cudaMemGetInfo",
                                                  "cudaMalloc",
                                                  "cudaFree",
                                                  "cudaMallocHost",
                                                  "cudaFreeHost",
                                                  "cudaStreamCreateWithFlags",
                                                  "cudaStreamDestroy",
                                                  "cudaEventDestroy",
                                                  "cudaEventCreateWithFlags"};
    return !lasting.contains(call.first);
  });
  return calls;
}

TEST_P(CudaCallFaultsTest, ASecondCallMakesAndReleasesNothing) {
  const Way way = GetParam().second;
  if (way == Way::captured) GTEST_SKIP() << "makes what it needs for its graph";
  const Calls calls(subject_, way);
  const cuda::DeviceMemory memory = subject_.memory();
  const CallWorkspace workspace = calls.make_workspace(memory);
  const auto relax = [&] {
    if (way == Way::async)
      calls.enqueue(memory, workspace.span(), nullptr);
    else
      calls.relax(memory);
  };
  relax();
  const Relaxation expected = calls.results();
  const CallRecord record;

  relax();

  EXPECT_EQ(lasting_calls(record), (std::map<std::string, int>()));
  EXPECT_TRUE(same_results(calls.results(), expected));
}

/// With a workspace not even the first one does, nor does it wait or take from the device's pool.
TEST_P(CudaFaultsTest, ARetrievalOnTheDeviceMakesAndReleasesNothing) {
  if (!subject_.normalised) GTEST_SKIP() << "its weights are no probabilities";
  const cuda::DeviceMemory memory = subject_.memory();
  for (const Index count : {1, 2}) {
    const DeviceRetrieval retrieval(subject_, count);
    const CallWorkspace workspace = retrieval.make_workspace(memory);
    const CallRecord record;

    retrieval.enqueue(memory, workspace.span());

    EXPECT_EQ(lasting_calls(record), (std::map<std::string, int>()));
    std::map<std::string, int> counts = record.counts();
    for (const char* const call : {"cudaStreamSynchronize", "cudaEventQuery", "cudaMallocAsync", "cudaFreeAsync"})
      EXPECT_EQ(counts[call], 0) << call;
  }
}

TEST_P(CudaFaultsTest, ASecondRecallOrRetrievalMakesAndReleasesNothing) {
  const cuda::DeviceMemory memory = subject_.memory();
  Echoes echoes(subject_);
  std::vector<Index> patterns;
  std::vector<float> posteriors;
  const auto work = [&] {
    echoes.recall(memory);
    for (const Index count : {1, 2})
      if (subject_.normalised) retrieve(memory, subject_, patterns, posteriors, count);
  };
  work();
  const CallRecord record;

  work();

  EXPECT_EQ(lasting_calls(record), (std::map<std::string, int>()));
}

/// In another place, and with other rules in the same place.
TEST_P(CudaFaultsTest, AnAsynchronousCallIsTheLastOneAgainOnlyIfItIsTheSame) {
  std::vector<Subject> own = make_subjects();
  Subject& subject = own[GetParam()];
  const cuda::DeviceMemory memory = subject.memory();
  const Calls calls(subject, Way::async);
  const Calls elsewhere(subject, Way::async);
  const Calls waiting(subject, Way::from_device);
  const CallWorkspace workspace = calls.make_workspace(memory);
  const auto expect_results = [&](const Calls& asynchronous) {
    asynchronous.enqueue(memory, workspace.span(), nullptr);
    waiting.relax(memory);
    EXPECT_TRUE(same_results(asynchronous.results(), waiting.results()));
  };
  expect_results(calls);
  expect_results(elsewhere);
  expect_results(calls);
  subject.options.max_steps = 1;
  expect_results(calls);
}

TEST(CudaLanesTest, ASecondCallOfManyChunksMakesAndReleasesNothing) {
  ManyChunks chunks;
  const cuda::DeviceMemory memory = chunks.make_memory();
  chunks.relax(memory);
  const CallRecord record;

  chunks.relax(memory);

  EXPECT_EQ(lasting_calls(record), (std::map<std::string, int>()));
}

TEST(CudaLanesTest, RowsWithoutGapsAreCopiedFlat) {
  const Calls calls(subjects().front(), Way::from_host);
  const cuda::DeviceMemory memory = subjects().front().memory();
  const CallRecord record;

  calls.relax(memory);

  EXPECT_FALSE(record.counts().contains("cudaMemcpy2DAsync"));
  EXPECT_GT(record.counts().at("cudaMemcpyAsync"), 0);
}

/// As many threads as calls on one memory, then a call alone.
TEST(CudaLanesTest, CallsOfManyThreadsHaveLanesOfTheirOwn) {
  const cuda::DeviceMemory memory = subjects().front().memory();
  const Calls alone(subjects().front(), Way::from_host);
  alone.relax(memory);
  const Relaxation expected = alone.results();
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      const Calls calls(subjects().front(), Way::from_host);
      for (int repetition = 0; repetition < 5; ++repetition) {
        calls.relax(memory);
        EXPECT_TRUE(same_results(calls.results(), expected));
      }
    });
}

TEST(CudaPoolTest, KeepsNoMoreThanItMay) {
  const std::size_t live = live_resources();
  {
    cuda::LanePool pool(home(), 1000);
    const cuda::DeviceScope scope(home());
    {
      const cuda::LanePool::Loan large = pool.take();
      large->reserve(1001, 0);
      const cuda::LanePool::Loan small = pool.take();
      small->reserve(600, 300);
      const cuda::LanePool::Loan one_too_many = pool.take();
      one_too_many->reserve(0, 300);
    }
    EXPECT_EQ(live_resources(), live + 2) << "a stream and its pinned block";
    const cuda::LanePool::Loan kept = pool.take();
    EXPECT_EQ(kept->bytes(), 300U);
  }
  EXPECT_EQ(live_resources(), live);
}

TEST(CudaPoolTest, BlocksOnlyGrow) {
  const cuda::DeviceScope scope(home());
  cuda::LaneBuffers buffers;
  buffers.reserve(500, 200);
  const std::byte* const device = buffers.device();
  const std::byte* const pinned = buffers.pinned();

  buffers.reserve(400, 200);

  EXPECT_EQ(buffers.device(), device);
  EXPECT_EQ(buffers.pinned(), pinned);
  buffers.reserve(501, 200);
  EXPECT_EQ(buffers.bytes(), 701U);
  EXPECT_EQ(buffers.pinned(), pinned);
}

/// Another thread may be capturing a graph at any time.
class CudaCaptureTest : public testing::TestWithParam<std::size_t> {
 protected:
  SizesScope sizes_{small_chunks()};
  const Subject& subject_ = subjects()[GetParam()];
};

INSTANTIATE_TEST_SUITE_P(Subjects, CudaCaptureTest, testing::Range(std::size_t{0}, subjects().size()), subject_name);

TEST_P(CudaCaptureTest, OfAnotherThreadIsNotSpoiled) {
  const Calls calls(subject_, Way::from_host);
  const Calls device_calls(subject_, Way::async);
  const DeviceRetrieval device_retrieval(subject_, 2);
  const cuda::Stream stream = [] {
    const cuda::DeviceScope scope(home());
    return cuda::make_stream();
  }();
  const CallRecord record;
  {
    const cuda::DeviceMemory memory = subject_.memory();
    calls.relax(memory);
    device_calls.relax(memory, stream.get());
    std::vector<Index> patterns;
    std::vector<float> posteriors;
    if (subject_.normalised) {
      retrieve(memory, subject_, patterns, posteriors);
      device_retrieval.enqueue(memory, {}, stream.get());
    }
    Echoes(subject_).recall(memory);
  }

  EXPECT_EQ(record.spoilers(), std::set<std::string>());
}

TEST(CudaCaptureOfOthersTest, IsNotSpoiledByFootprintsAndFits) {
  Rng rng(117);
  const Matrix<float> patterns = random_gaussian(3, 20, rng);
  const Matrix<float> queries = random_gaussian(5, 20, rng);
  const std::vector<Index> origins = {0, 1, 2, 0, 1};
  Matrix<float> footprints(15, 20);
  const CallRecord record;

  cuda::footprints(home(), FootprintBase::dot, true, patterns, queries, {}, footprints);
  cuda::CrossEntropy(home(), patterns, 1)({.dot = std::vector<float>(20, 0.05F)}, queries, origins, nullptr);

  EXPECT_EQ(record.spoilers(), std::set<std::string>());
}

TEST(CudaCaptureOfOthersTest, ExemptionsEndWithTheirScope) {
  const auto mode = [] {
    cudaStreamCaptureMode now = cudaStreamCaptureModeGlobal;
    cuda::check(cudaThreadExchangeStreamCaptureMode(&now), "cudaThreadExchangeStreamCaptureMode");
    return now;
  };
  {
    const cuda::DeviceScope outer(home());
    const cuda::DeviceScope inner(0);
  }
  EXPECT_EQ(mode(), cudaStreamCaptureModeGlobal);
  const Fault fault("cudaGetDevice", 1);
  EXPECT_THROW(cuda::DeviceScope(0), DeviceError);
  EXPECT_EQ(mode(), cudaStreamCaptureModeGlobal);
}

/// Tanh updates of real-valued states, some of which halt long before others.
class CudaTimingTest : public testing::TestWithParam<bool> {
 protected:
  CudaTimingTest() {
    Rng rng(118);
    subject_.options = {.update = tanh_update(), .halting = state_stable(1e-4F), .max_steps = 40, .energy_trace = true};
    subject_.queries = random_gaussian(60, 16, rng);
  }

  [[nodiscard]] Relaxation run() const {
    const Calls calls(subject_, Way::from_host);
    const cuda::DeviceMemory memory = subject_.memory();
    calls.relax(memory);
    return calls.results();
  }

  Subject subject_ = linear_subject("streamed", GetParam(), cuda::Tier::streamed);
};

INSTANTIATE_TEST_SUITE_P(Streamed, CudaTimingTest, testing::Bool(),
                         [](const auto& dense) { return dense.param ? "dense" : "factored"; });

TEST_P(CudaTimingTest, CountsThatArriveLateChangeNothing) {
  const Relaxation prompt = run();
  const auto [least, most] = std::minmax_element(prompt.steps.begin(), prompt.steps.end());
  ASSERT_LT(*least, *most) << "no query leaves before the others";
  for (const int queries : {1, 2, 3, 5, 100}) {
    const LateEvents late(queries);

    EXPECT_TRUE(same_results(run(), prompt)) << queries << " queries";
  }
}

/// On a device whose blocks run in any order, and a software device told to do so.
TEST_P(CudaTimingTest, TheSameCallGivesTheSameBits) {
  const Relaxation first = run();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(same_results(run(), first)) << "call " << i;
}

TEST_P(CudaTimingTest, WhatElseIsOnTheDeviceChangesNothing) {
  const Relaxation plenty = run();
  const LittleLeft little(1000);

  EXPECT_TRUE(same_results(run(), plenty));
}

/// Statics are destroyed when the process ends, which may be after the driver has gone.
TEST(CudaShutdownTest, MemoriesOutliveTheDriver) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (std::size_t i = 0; i < subjects().size(); ++i)
    EXPECT_EXIT(
        {
          {
            const cuda::DeviceMemory memory = subjects()[i].memory();
            Calls(subjects()[i], Way::from_host).relax(memory);
            unload_driver();
          }
          std::_Exit(0);
        },
        testing::ExitedWithCode(0), "^$")
        << subjects()[i].name;
}

TEST(CudaRetrievalFaultsTest, RetrievingSurvivesThem) {
  const SizesScope sizes(small_chunks());
  for (const Subject& subject : subjects()) {
    if (!subject.normalised) continue;
    SCOPED_TRACE(subject.name);
    const cuda::DeviceMemory memory = subject.memory();
    for (const Index count : {1, 2}) {
      std::vector<Index> patterns;
      std::vector<float> posteriors;
      const auto find = [&] { retrieve(memory, subject, patterns, posteriors, count); };
      find();
      const std::vector<Index> expected = patterns;
      expect_survival(find, [&] { EXPECT_EQ(patterns, expected); });
    }
  }
}

TEST(CudaRetrievalFaultsTest, RetrievingOnTheDeviceSurvivesThem) {
  const SizesScope sizes(small_chunks());
  for (const Subject& subject : subjects()) {
    if (!subject.normalised) continue;
    SCOPED_TRACE(subject.name);
    const cuda::DeviceMemory memory = subject.memory();
    for (const Index count : {1, 2}) {
      std::vector<Index> expected;
      std::vector<float> posteriors;
      retrieve(memory, subject, expected, posteriors, count);
      const DeviceRetrieval retrieval(subject, count);
      const CallWorkspace workspace = retrieval.make_workspace(memory);
      const auto check = [&] { EXPECT_EQ(retrieval.patterns(), expected); };
      expect_survival([&] { retrieval.enqueue(memory, workspace.span()); }, check);
      expect_survival([&] { retrieval.enqueue(memory, {}); }, check);
      expect_survival([&] { retrieval.retrieve_in_graph(memory, workspace.span()); }, check);
    }
  }
}

TEST(CudaRecallFaultsTest, RecallingSurvivesThem) {
  const SizesScope sizes(small_chunks());
  for (const Subject& subject : subjects()) {
    SCOPED_TRACE(subject.name);
    const cuda::DeviceMemory memory = subject.memory();
    Echoes echoes(subject);
    echoes.recall(memory);
    const Matrix<float> contents = copy(echoes.contents);
    const std::vector<float> intensity = echoes.intensity;
    expect_survival([&] { echoes.recall(memory); },
                    [&] {
                      EXPECT_TRUE(same_bits(echoes.contents.view(), contents.view()));
                      EXPECT_EQ(echoes.intensity, intensity);
                    });
  }
}

TEST(CudaFootprintFaultsTest, FootprintsSurviveThem) {
  Rng rng(114);
  const Matrix<float> patterns = random_gaussian(3, 20, rng);
  const Matrix<float> queries = random_gaussian(5, 20, rng);
  Matrix<float> footprints(15, 20);
  const auto make = [&] { cuda::footprints(home(), FootprintBase::dot, true, patterns, queries, {}, footprints); };
  make();
  const Matrix<float> expected = copy(footprints);
  expect_survival(make, [&] { EXPECT_TRUE(same_bits(footprints.view(), expected.view())); });
}

/// Of rows that kernels can take as they lie, and of those that are copied.
TEST(CudaFootprintFaultsTest, FootprintsOnTheDeviceSurviveThem) {
  Rng rng(119);
  const Matrix<float> patterns = random_gaussian(3, 20, rng);
  const Matrix<float> queries = random_gaussian(5, 20, rng);
  Matrix<float> expected(15, 20);
  cuda::footprints(home(), FootprintBase::dot, true, patterns, queries, {}, expected);
  const cuda::DeviceScope scope(home());
  for (const Index gap : {0, 1}) {
    const PlacedRows<float> own_patterns(Place::device, patterns.view(), {.gap = gap});
    const PlacedRows<float> own_queries(Place::device, queries.view(), {.gap = gap});
    const PlacedRows<float> results(Place::device, 15, 20, {.gap = gap});
    expect_survival(
        [&] {
          cuda::footprints(home(), FootprintBase::dot, true, own_patterns.view(), own_queries.view(), {},
                           results.view());
        },
        [&] { EXPECT_TRUE(same_bits(results.read().view(), expected.view())); });
  }
}

/// Of patterns just uploaded, in three batches.
TEST(CudaCrossEntropyFaultsTest, LossesSurviveThem) {
  for (const Index dimension : {12, 70}) {
    SCOPED_TRACE(dimension);
    Rng rng(115);
    const Matrix<float> patterns = random_gaussian(3, dimension, rng);
    const Matrix<float> queries = random_gaussian(5, dimension, rng);
    const std::vector<Index> origins = {0, 1, 2, 0, 1};
    const AdaptiveSimilarity similarity{
        .squared_distance = std::vector<float>(static_cast<std::size_t>(dimension), 0.1F),
        .dot = std::vector<float>(static_cast<std::size_t>(dimension), 0.05F),
        .log_prior = std::vector<float>(3, 0.2F)};
    SimilarityGradient gradient{.squared_distance = std::vector<double>(similarity.squared_distance.size()),
                                .dot = std::vector<double>(similarity.dot.size()),
                                .log_prior = std::vector<double>(3)};
    double loss = 0.0;
    const auto compute = [&] {
      loss = cuda::CrossEntropy(home(), patterns, 1, 6)(similarity, queries, origins, &gradient);
    };
    compute();
    const double expected = loss;
    const std::vector<double> derivatives = gradient.dot;
    expect_survival(compute, [&] {
      EXPECT_EQ(loss, expected);
      EXPECT_EQ(gradient.dot, derivatives);
    });
  }
}

/// Scratch, and what other calls left in it, stays with the patterns.
TEST(CudaCrossEntropyFaultsTest, LaterLossesSurviveThem) {
  Rng rng(116);
  const Matrix<float> patterns = random_gaussian(3, 12, rng);
  const Matrix<float> queries = random_gaussian(8, 12, rng);
  const std::vector<Index> origins = {0, 1, 2, 0, 1, 2, 0, 1};
  const AdaptiveSimilarity similarity{.dot = std::vector<float>(12, 0.05F)};
  const auto compute = [&](cuda::CrossEntropy& cross_entropy, Index count) {
    return cross_entropy(similarity, queries.view().slice(0, count),
                         std::span(origins).first(static_cast<std::size_t>(count)), nullptr);
  };
  cuda::CrossEntropy whole(home(), patterns, 1);
  const double expected = compute(whole, 8);
  for_each_fault([&](const std::string& call, int nth) {
    const std::size_t live = live_resources();
    bool struck = false;
    {
      cuda::CrossEntropy cross_entropy(home(), patterns, 1);
      compute(cross_entropy, 2);
      struck = fails_well(call, nth, [&] { compute(cross_entropy, 8); });
      EXPECT_EQ(compute(cross_entropy, 8), expected);
    }
    EXPECT_EQ(live_resources(), live);
    return struck;
  });
}

TEST(CudaCrossEntropyFaultsTest, LossesOnTheDeviceSurviveThem) {
  Rng rng(120);
  const Matrix<float> patterns = random_gaussian(3, 10, rng);
  const Matrix<float> queries = random_gaussian(8, 10, rng);
  const std::vector<Index> origins = {0, 1, 2, 0, 1, 2, 0, 1};
  const AdaptiveSimilarity similarity{.dot = std::vector<float>(10, 0.05F)};
  const double expected = cuda::CrossEntropy(home(), patterns, 1, 9)(similarity, queries, origins, nullptr);
  const cuda::DeviceScope scope(home());
  const PlacedRows<float> placed(Place::device, queries.view(), {.gap = 1});
  double loss = 0.0;
  expect_survival(
      [&] { loss = cuda::CrossEntropy(home(), patterns, 1, 9)(similarity, placed.view(), origins, nullptr); },
      [&] { EXPECT_EQ(loss, expected); });
}

/// Some of the queries on a device, as fits have them there.
TEST(CudaCrossEntropyFaultsTest, LossesOfChosenPairsSurviveThem) {
  Rng rng(121);
  const Matrix<float> patterns = random_gaussian(3, 10, rng);
  const Matrix<float> queries = random_gaussian(8, 10, rng);
  const std::vector<Index> numbers = {1, 2, 6, 7};
  const std::vector<Index> origins = {0, 1, 2, 0};
  const AdaptiveSimilarity similarity{.dot = std::vector<float>(10, 0.05F)};
  cuda::CrossEntropy cross_entropy(home(), patterns, 1, 9);
  const double expected = cross_entropy(similarity, select(queries, numbers), origins, nullptr);
  const cuda::DeviceScope scope(home());
  const PlacedRows<float> placed(Place::device, queries.view(), {.gap = 1});
  const auto rows_of = [](const std::vector<Index>& values) { return MatrixView<const Index>(values.data(), 4, 1); };
  const PlacedRows<Index> placed_numbers(Place::device, rows_of(numbers));
  const PlacedRows<Index> placed_origins(Place::device, rows_of(origins));
  const cuda::PlacedPairs pairs{.queries = placed.view(),
                                .numbers = placed_numbers.view().data,
                                .origins = placed_origins.view().data,
                                .count = 4};
  double loss = 0.0;
  expect_survival([&] { loss = cross_entropy(similarity, pairs, nullptr); }, [&] { EXPECT_EQ(loss, expected); });
}

/// What a memory asks of patterns on its device, and what it is then made of.
TEST(CudaPlacedPatternsFaultsTest, LookingAtThemSurvivesFaults) {
  Rng rng(117);
  const Matrix<float> patterns = random_gaussian(5, 6, rng);
  const cuda::DeviceScope scope(home());
  const PlacedRows<float> placed(Place::device, patterns.view());
  const std::vector<double> x(6, 0.5);
  Matrix<float> fetched(5, 6);
  Matrix<float> chosen(2, 6);
  const auto look = [&] {
    static_cast<void>(cuda::first_not_finite(placed.view()));
    static_cast<void>(cuda::column_range(placed.view()));
    static_cast<void>(cuda::squared_norms(placed.view()));
    static_cast<void>(cuda::largest_integer(placed.view()));
    static_cast<void>(cuda::squared_columns(placed.view()));
    static_cast<void>(cuda::gram_product(placed.view(), x));
    static_cast<void>(cuda::row_sums(placed.view()));
    static_cast<void>(cuda::weighted_sum(placed.view(), {1.0, 2.0, 3.0, 4.0, 5.0}));
    cuda::download(placed.view(), fetched, "patterns");
    cuda::download_rows(placed.view(), std::array<Index, 2>{4, 1}, chosen, "patterns");
  };
  expect_survival(look, [&] { EXPECT_TRUE(same_bits(fetched.view(), patterns.view())); });
}

/// What rules make of them there.
TEST(CudaPlacedPatternsFaultsTest, MakingMatricesOfThemSurvivesFaults) {
  Rng rng(122);
  const Matrix<float> patterns = random_gaussian(5, 6, rng);
  const cuda::DeviceScope scope(home());
  const PlacedRows<float> placed(Place::device, patterns.view());
  const std::vector<float> row(6, 0.5F);
  Matrix<float> weights(6, 6);
  const auto make = [&] {
    static_cast<void>(cuda::less_value(placed.view(), 0.5, "patterns"));
    static_cast<void>(cuda::less_row(placed.view(), row, "patterns"));
    static_cast<void>(cuda::scaled_rows(placed.view(), {1.0, 0.5, 0.25, 0.125, 0.0625}, "patterns"));
    static_cast<void>(cuda::transposed_product(placed.view(), placed.view(), "contents"));
    cuda::download(cuda::gram(placed.view(), true, "weights").view(), weights, "weights");
  };
  make();
  const Matrix<float> expected = copy(weights);
  expect_survival(make, [&] { EXPECT_TRUE(same_bits(weights.view(), expected.view())); });
}

TEST(CudaPlacedPatternsFaultsTest, SayingWhichEntryIsNotFiniteSurvivesFaults) {
  Matrix<float> patterns = filled(3, 5, 1.0F);
  patterns(1, 2) = std::numeric_limits<float>::infinity();
  const cuda::DeviceScope scope(home());
  const PlacedRows<float> placed(Place::device, patterns.view());
  Index column = 0;
  expect_survival([&] { column = cuda::first_not_finite(placed.view()).value().column; },
                  [&] { EXPECT_EQ(column, 2); });
}

TEST(CudaPlacedPatternsFaultsTest, MakingAMemorySurvivesThem) {
  Rng rng(118);
  const Matrix<float> patterns = random_gaussian(5, 16, rng);
  const Matrix<float> few_values = random_bipolar(5, 16, rng);
  const AdaptiveSimilarity similarity{.dot = std::vector<float>(16, 0.1F)};
  const cuda::DeviceScope scope(home());
  const PlacedRows<float> placed(Place::device, patterns.view());
  const PlacedRows<float> placed_values(Place::device, few_values.view());
  for_each_fault([&](const std::string& call, int nth) {
    const std::size_t live = live_resources();
    std::optional<cuda::DeviceMemory> softmax;
    std::optional<cuda::DeviceMemory> adaptive;
    std::optional<cuda::DeviceMemory> dense;
    const bool struck = fails_well(call, nth, [&] {
      softmax.emplace(cuda::DeviceMemory::softmax(home(), placed.view(), placed.view(), {}, {}));
      adaptive.emplace(cuda::DeviceMemory::adaptive(home(), placed_values.view(), placed.view(), {}, similarity));
      dense.emplace(cuda::DeviceMemory::dense(home(), cuda::gram(placed.view(), true, "weights"), {}, 1.0F));
    });
    softmax.reset();
    adaptive.reset();
    dense.reset();
    EXPECT_EQ(live_resources(), live);
    return struck;
  });
}

TEST(CudaFaultCoverageTest, EachCallThatCanFailIsMade) {
  for (const Subject& subject : subjects()) {
    const cuda::DeviceMemory memory = subject.memory();
    for (const Way way : all_ways) {
      const Calls calls(subject, way);
      calls.relax(memory);
      static_cast<void>(calls.results());
    }
  }
  std::set<std::string> expected = faulty_calls();
  if (Device::cuda_count() == 1) expected.erase("cudaSetDevice");
  EXPECT_EQ(calls_made(), expected);
}

}  // namespace
}  // namespace attractor::test
