#include "kernels/cuda/engine/relax.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <variant>
#include <vector>

#include <attractor/error.hpp>

#include "kernels/cuda/device/default_streams.hpp"
#include "kernels/cuda/device/graph.hpp"
#include "kernels/cuda/device/workspace.hpp"
#include "kernels/cuda/engine/call_scratch.hpp"
#include "kernels/cuda/engine/lane_buffers.hpp"
#include "kernels/cuda/engine/staging.hpp"
#include "kernels/cuda/softmax/stored_schedule.hpp"
#include "kernels/cuda/streamed/step.hpp"
#include "kernels/progress_meter.hpp"
#include "kernels/sizes.hpp"

namespace attractor::cuda {
namespace {

/// A chunk's share of the memory that its device has left: two of them and the scratch fit well.
constexpr Index share_of_left = 8;

/// A set with no more than this share of a chunk is one, without a look at what its device has left.
constexpr Index share_of_chunk = 8;

/// Of a set that is cut only so that the caller hears of progress or can stop.
constexpr Index progress_chunks = 16;

/// Lanes of each device: while one relaxes, the other copies.
constexpr int lanes_per_device = 2;

bool wants_energy(const RelaxerOptions& options) {
  return options.halting->watch == Halting::Watch::energy || options.energies || options.energy_trace;
}

template <class T>
MatrixView<T> column(std::span<T> values) {
  return {values.data(), static_cast<Index>(values.size()), 1};
}

/// Rows of any format as the bytes that they take.
template <class Byte>
struct RowBytes {
  using Void = std::conditional_t<std::is_const_v<Byte>, const void, void>;

  template <class T>
  MatrixView<Byte> operator()(MatrixView<T> rows) const {
    constexpr Index size = sizeof(T);
    return {static_cast<Byte*>(static_cast<Void*>(rows.data)), rows.rows, rows.columns * size, rows.row_stride * size};
  }
  template <class Bits>
  MatrixView<Byte> operator()(BitView<Bits> rows) const {
    return {static_cast<Byte*>(static_cast<Void*>(rows.data)), rows.rows, bytes_of_bits(rows.columns), rows.row_stride};
  }
};

MatrixView<const float> as_floats(MatrixView<const std::byte> rows) {
  constexpr Index size = sizeof(float);
  return {static_cast<const float*>(static_cast<const void*>(rows.data)), rows.rows, rows.columns / size,
          rows.row_stride / size};
}
MatrixView<float> as_floats(MatrixView<std::byte> rows) {
  constexpr Index size = sizeof(float);
  return {static_cast<float*>(static_cast<void*>(rows.data)), rows.rows, rows.columns / size, rows.row_stride / size};
}

/// Of rows that are no floats; host/ lets no others of 16 bits come here.
std::optional<RowFormat> packed_format(const QueryView& rows) {
  if (rows.floats() != nullptr) return std::nullopt;
  return rows.as<BitView<const std::uint8_t>>() != nullptr ? RowFormat::bits : RowFormat::int8;
}

/// What formats a call's rows have.
struct Formats {
  Formats(const QueryView& query_rows, const ResultView& state_rows)
      : dimension(query_rows.columns()),
        queries(packed_format(query_rows)),
        states(packed_format(state_rows.written())) {}

  /// Floats of so many rows, for kernels that know nothing else.
  [[nodiscard]] Index scratch_floats(Index rows) const { return states ? rows * dimension : 0; }

  Index dimension;
  std::optional<RowFormat> queries;
  std::optional<RowFormat> states;
};

/// A job's queries and states, all on the device.
struct Rows {
  Rows(const Formats& formats, MatrixView<const std::byte> query_rows, MatrixView<std::byte> state_rows, float* scratch)
      : states(formats.states ? MatrixView<float>(scratch, query_rows.rows, formats.dimension) : as_floats(state_rows)),
        queries(formats.queries ? states : as_floats(query_rows)) {
    if (formats.queries) packed_queries = {query_rows.data, query_rows.row_stride, *formats.queries};
    if (formats.states) packed_states = {state_rows.data, state_rows.row_stride, *formats.states};
  }

  MatrixView<float> states;
  MatrixView<const float> queries;
  PackedQueries packed_queries;
  PackedStates packed_states;
};

/// The caller's arrays, all of them located.
struct Arrays {
  Formats formats;
  Placed<const std::byte> queries;
  Placed<const std::uint8_t> clamped;
  Placed<const std::uint8_t> valid_patterns;
  Placed<const float> log_prior;
  Placed<const float> betas;  ///< one row for all queries
  Placed<std::byte> states;
  Placed<std::int32_t> steps;
  Placed<float> energies;
  Placed<Status> status;
  Placed<float> energy_trace;
  Placed<float> contents;

  Arrays(const QueryView& query_rows, const CallInputs& inputs, const RelaxationView& results, int device)
      : formats(query_rows, results.states),
        queries(std::visit(RowBytes<const std::byte>{}, query_rows.formats()), device, "the queries"),
        clamped(inputs.clamped, device, "the clamped neurons"),
        valid_patterns(inputs.patterns.valid, device, "the valid patterns"),
        log_prior(inputs.patterns.log_prior, device, "the log-priors"),
        betas({inputs.schedule.betas, query_rows.rows(), inputs.schedule.count, 0}, device, "the betas"),
        states(std::visit(RowBytes<std::byte>{}, results.states.formats()), device, "the states"),
        steps(column(results.steps), device, "the steps"),
        energies(column(results.energies), device, "the energies"),
        status(column(results.status), device, "the statuses"),
        energy_trace(results.energy_trace, device, "the energy traces"),
        contents(*results.contents.floats(), device, "the contents") {}

  /// Calls visit(array) for each array there is.
  template <class Visit>
  void for_each(Visit&& visit) const {
    const auto visit_present = [&](const auto& array) {
      if (array.matrix.data != nullptr) visit(array);
    };
    visit_present(queries);
    visit_present(clamped);
    visit_present(valid_patterns);
    visit_present(log_prior);
    visit_present(betas);
    visit_present(states);
    visit_present(steps);
    visit_present(energies);
    visit_present(status);
    visit_present(energy_trace);
    visit_present(contents);
  }

  /// The name of one that is on a device, or of one that isn't; empty where there is none.
  [[nodiscard]] std::string one(bool on_device) const {
    std::string name;
    for_each([&](const auto& array) {
      if (name.empty() && (array.location == Location::device) == on_device) name = array.name;
    });
    return name;
  }

  /// Steps of the library's own, where the caller wants none: they say at which temperature contents are read out.
  [[nodiscard]] Index own_steps(Index rows) const {
    const bool needed = betas.matrix.data != nullptr && contents.matrix.data != nullptr;
    return needed && steps.matrix.data == nullptr ? rows : 0;
  }

  /// Bytes of a row of what must be copied, and of floats for what isn't.
  [[nodiscard]] Index staged_row_bytes() const {
    Index bytes = formats.scratch_floats(1) * static_cast<Index>(sizeof(float));
    for_each([&](const auto& array) {
      if (array.location != Location::device && array.matrix.row_stride > 0)
        bytes += array.matrix.columns * static_cast<Index>(sizeof(*array.matrix.data));
    });
    return bytes;
  }
};

/// The results' states are those of the rows.
Job make_job(const RelaxerOptions& options, const Rows& rows, const CallInputs& inputs, const RelaxationView& results) {
  return {.queries = rows.queries,
          .clamped = inputs.clamped,
          .patterns = inputs.patterns,
          .schedule = inputs.schedule,
          .states = rows.states,
          .packed_queries = rows.packed_queries,
          .packed_states = rows.packed_states,
          .steps = results.steps.data(),
          .energies = results.energies.data(),
          .status = results.status.data(),
          .energy_trace = results.energy_trace,
          .halting = *options.halting,
          .update = to_rule(*options.update),
          .max_steps = options.max_steps,
          .wants_energy = wants_energy(options),
          .products = options.tf32 ? Products::rounded : Products::exact};
}

/// How the states that a job has left are scored.
RowTerms terms_of(const Job& job) { return {.patterns = job.patterns, .schedule = job.schedule, .steps = job.steps}; }

/// Relaxes a job and reads out what its states, as they are written, recall.
void relax_and_recall(const DeviceMemory& memory, const Job& job, MatrixView<float> contents, void* scratch,
                      Driver driver, cudaStream_t stream) {
  memory.relax(job, scratch, driver, stream);
  if (contents.data == nullptr) return;
  launch_unpack({job.packed_states.data, job.packed_states.stride, job.packed_states.format}, job.states, {}, stream);
  memory.recall(job.states, terms_of(job), contents, nullptr, scratch, stream);
}

/// One call, shared by its lanes.
struct Call {
  const RelaxerOptions& options;
  const Arrays& arrays;
  Index chunk_rows;
  detail::ProgressMeter& meter;
  std::atomic<Index> next = 0;
  std::atomic<bool> failed = false;

  [[nodiscard]] UpdateRule update() const { return to_rule(*options.update); }
  [[nodiscard]] Index total() const { return arrays.queries.matrix.rows; }
  /// Queries of the chunks that lanes have taken: the first so many.
  [[nodiscard]] Index taken() const { return std::min(next.load(), total()); }
};

/// A chunk of each of the caller's arrays, and scratch.
struct Staging {
  Staging(const DeviceMemory& memory, const Arrays& arrays, Index rows, const UpdateRule& update, StagingSpace& space)
      : queries(arrays.queries, rows, space, "queries"),
        clamped(arrays.clamped, rows, space, "clamped neurons"),
        valid_patterns(arrays.valid_patterns, rows, space, "valid patterns"),
        log_prior(arrays.log_prior, rows, space, "log-priors"),
        betas(arrays.betas, rows, space, "betas"),
        states(arrays.states, rows, space, "states"),
        steps(arrays.steps, rows, space, "steps"),
        energies(arrays.energies, rows, space, "energies"),
        status(arrays.status, rows, space, "statuses"),
        energy_trace(arrays.energy_trace, rows, space, "energy traces"),
        contents(arrays.contents, rows, space, "contents"),
        own_steps(space.device.take<std::int32_t>(elements(arrays.own_steps(rows)))),
        floats(space.device.take<float>(elements(arrays.formats.scratch_floats(rows)))),
        scratch(space.device.take<std::byte>(memory.workspace_bytes(rows, update))) {}

  template <class Visit>
  void for_each_result(Visit&& visit) const {
    visit(states);
    visit(steps);
    visit(energies);
    visit(status);
    visit(energy_trace);
    visit(contents);
  }

  StagedRows<const std::byte> queries;
  StagedRows<const std::uint8_t> clamped;
  StagedRows<const std::uint8_t> valid_patterns;
  StagedRows<const float> log_prior;
  StagedRows<const float> betas;
  StagedRows<std::byte> states;
  StagedRows<std::int32_t> steps;
  StagedRows<float> energies;
  StagedRows<Status> status;
  StagedRows<float> energy_trace;
  StagedRows<float> contents;
  std::int32_t* own_steps;  ///< of a chunk, where the caller wants none
  float* floats;            ///< states of a chunk, where the caller's are none
  std::byte* scratch;
};

Staging make_staging(const DeviceMemory& memory, const Call& call, LaneBuffers& buffers) {
  StagingSpace needed;
  static_cast<void>(Staging(memory, call.arrays, call.chunk_rows, call.update(), needed));  // Measures.
  buffers.reserve(needed.device.used(), needed.pinned.used());
  StagingSpace space{Workspace(buffers.device()), Workspace(buffers.pinned())};
  return {memory, call.arrays, call.chunk_rows, call.update(), space};
}

/// Takes one chunk after another from the host to the device and its results back.
class Lane {
 public:
  /// The memory's device is current.
  Lane(const DeviceMemory& memory, Call& call)
      : call_(call), memory_(memory), buffers_(memory.lanes()), staging_(make_staging(memory, call, *buffers_)) {}
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane() = default;

  /// Relaxes chunks until none are left, or none are wanted. A failure ends the other lanes too.
  void run() {
    try {
      const DeviceScope scope(memory_.device());
      while (!call_.failed && !call_.meter.stopped()) {
        const Index first = call_.next.fetch_add(call_.chunk_rows);
        if (first >= call_.total()) return;
        relax_chunk(first, std::min(call_.chunk_rows, call_.total() - first));
      }
    } catch (...) {
      call_.failed = true;
      failure_ = std::current_exception();
    }
  }

  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void relax_chunk(Index first, Index count) {
    cudaStream_t stream = buffers_->stream();
    staging_.queries.upload(first, count, stream);
    staging_.clamped.upload(first, count, stream);
    staging_.valid_patterns.upload(first, count, stream);
    staging_.log_prior.upload(first, count, stream);
    staging_.betas.upload(first, count, stream);
    const Job job = make_chunk_job(first, count);
    relax_and_recall(memory_, job, staging_.contents.on_device(first, count), staging_.scratch, Driver::host, stream);
    staging_.for_each_result([&](const auto& rows) { rows.download(first, count, stream); });
    check(cudaStreamSynchronize(stream),
          "cudaStreamSynchronize after the relaxation of " + std::to_string(count) + " queries");
    staging_.for_each_result([&](const auto& rows) { rows.deliver(first, count); });
    call_.meter.add(count);
  }

  [[nodiscard]] Job make_chunk_job(Index first, Index count) const {
    const auto vector = [&](const auto& rows) {
      return std::span(rows.on_device(first, count).data, static_cast<std::size_t>(count));
    };
    const MatrixView<const float> betas = staging_.betas.on_device(first, count);
    const Rows rows(call_.arrays.formats, staging_.queries.on_device(first, count),
                    staging_.states.on_device(first, count), staging_.floats);
    Job job = make_job(call_.options, rows,
                       {.clamped = staging_.clamped.on_device(first, count),
                        .patterns = {.valid = staging_.valid_patterns.on_device(first, count),
                                     .log_prior = staging_.log_prior.on_device(first, count)},
                        .schedule = {betas.data, static_cast<int>(betas.columns)}},
                       {.steps = vector(staging_.steps),
                        .energies = vector(staging_.energies),
                        .status = vector(staging_.status),
                        .energy_trace = staging_.energy_trace.on_device(first, count)});
    if (call_.arrays.own_steps(count) > 0) job.steps = staging_.own_steps;
    return job;
  }

  Call& call_;
  const DeviceMemory& memory_;
  LaneLoan buffers_;
  Staging staging_;
  std::exception_ptr failure_;
};

using Lanes = std::vector<std::unique_ptr<Lane>>;

/// All of a call's lanes, or a failure before any work.
Lanes make_lanes(std::span<const DeviceMemory* const> replicas, Call& call) {
  const Index chunks = (call.total() + call.chunk_rows - 1) / call.chunk_rows;
  const Index count = std::min(chunks, static_cast<Index>(replicas.size()) * lanes_per_device);
  Lanes lanes;
  lanes.reserve(static_cast<std::size_t>(count));
  while (lanes.size() < static_cast<std::size_t>(count)) {
    const DeviceMemory& memory = *replicas[lanes.size() % replicas.size()];
    const DeviceScope scope(memory.device());
    lanes.push_back(std::make_unique<Lane>(memory, call));
  }
  return lanes;
}

/// On a thread each, as far as there are threads to be had; the lanes that run take all chunks.
void run_all(const Lanes& lanes) {
  std::vector<std::jthread> threads;
  threads.reserve(lanes.size());
  try {
    for (std::size_t i = 1; i < lanes.size(); ++i) threads.emplace_back([&lanes, i] { lanes[i]->run(); });
  } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch)
  }
  lanes.front()->run();
}

/// Sets every byte of the entries from `first` on.
template <class T>
void fill(const Placed<T>& entries, Index first, unsigned char byte, int device) {
  const Index count = entries.matrix.rows - first;
  if (entries.matrix.data == nullptr || count == 0) return;
  T* const begin = entries.matrix.row(first);
  if (entries.location != Location::device) {
    std::memset(begin, byte, bytes_of<T>(count));
    return;
  }
  const DeviceScope scope(device);
  const Stream stream = make_stream();
  check(cudaMemsetAsync(begin, byte, bytes_of<T>(count), stream.get()), "cudaMemsetAsync of what was cancelled");
  check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize after a cancelled call");
}

/// What a cancelled call says of the queries that it never took. Their states stay as they were.
void cancel_untaken(const Arrays& arrays, Index first, int device) {
  fill(arrays.steps, first, 0, device);
  fill(arrays.energies, first, 0xFF, device);  // NaN
  fill(arrays.status, first, static_cast<unsigned char>(Status::cancelled), device);
}

/// Bytes for a chunk on one device.
Index chunk_budget(const DeviceMemory& memory) {
  const DeviceScope scope(memory.device());
  std::size_t left = 0;
  std::size_t total = 0;
  check(cudaMemGetInfo(&left, &total), "cudaMemGetInfo");
  return std::min(detail::sizes().chunk_bytes, static_cast<Index>(left) / share_of_left);
}

/// That of the device that has least to give.
Index chunk_budget(std::span<const DeviceMemory* const> replicas) {
  Index budget = detail::sizes().chunk_bytes;
  for (const DeviceMemory* const memory : replicas) budget = std::min(budget, chunk_budget(*memory));
  return budget;
}

Index chunk_rows(const Arrays& arrays, const RelaxCall& call, std::span<const DeviceMemory* const> replicas) {
  const auto devices = static_cast<Index>(replicas.size());
  const Index total = arrays.queries.matrix.rows;
  const Index row_bytes = arrays.staged_row_bytes();
  const Index least_chunk = detail::sizes().least_chunk;
  const bool is_small = row_bytes * total <= detail::sizes().chunk_bytes / share_of_chunk;
  Index rows = is_small ? total : std::max<Index>(chunk_budget(replicas) / row_bytes, 1);
  if (call.progress || call.stop.stop_possible()) rows = std::min(rows, std::max(total / progress_chunks, least_chunk));
  if (devices > 1)
    rows = std::min(rows, std::max(total / (devices * lanes_per_device * 2),
                                   std::min(least_chunk, (total + devices - 1) / devices)));
  return std::min(rows, total);
}

/// The temperatures of an asynchronous call on the device, and steps of its own where contents need them and the caller
/// doesn't want any; from the stream's present on until it gets to where this ends.
class AsyncSchedule {
 public:
  AsyncSchedule(const detail::Schedule& schedule, Index queries, const RelaxationView& results, cudaStream_t stream)
      : count_(schedule.count),
        betas_(bytes_of<float>(schedule.count), stream),
        steps_(!schedule.empty() && !results.contents.empty() && results.steps.empty() ? bytes_of<std::int32_t>(queries)
                                                                                       : 0,
               stream) {
    launch_store(schedule, betas(), stream);
  }

  void enter(Job& job) const {
    job.schedule = {betas(), count_};
    if (steps_.data() != nullptr) job.steps = static_cast<std::int32_t*>(steps_.data());
  }

 private:
  [[nodiscard]] float* betas() const { return static_cast<float*>(betas_.data()); }

  int count_;
  PooledScratch betas_;
  PooledScratch steps_;
};

/// Queries of an asynchronous call that are relaxed at a time: all, where there need be no floats of them.
Index rows_of_part(const Formats& formats, Index rows) {
  const Index row_bytes = formats.scratch_floats(1) * static_cast<Index>(sizeof(float));
  return row_bytes == 0 ? rows : std::clamp<Index>(detail::sizes().scratch_bytes / row_bytes, 1, rows);
}

/// Of an asynchronous call.
Driver driver_for(bool is_captured) {
  if (is_captured) return Driver::captured_device;
  return device_decides() ? Driver::device : Driver::host;
}

}  // namespace

void relax(std::span<const DeviceMemory* const> replicas, const RelaxerOptions& options, const QueryView& queries,
           const RelaxationView& results, const RelaxCall& call, const detail::PatternTerms& terms) {
  const CallInputs inputs{
      .clamped = call.clamped, .patterns = terms, .schedule = detail::schedule_of(call.betas, options.max_steps)};
  const Arrays arrays(queries, inputs, results, replicas.front()->device());
  const std::string on_device = arrays.one(true);
  if (replicas.size() > 1 && !on_device.empty())
    throw InvalidArgument("a relaxer on several devices takes data on the host; " + on_device + " are on a device");
  if (!on_device.empty()) finish_default_streams(replicas.front()->device());
  detail::ProgressMeter meter(call, queries.rows());
  Call shared{.options = options, .arrays = arrays, .chunk_rows = chunk_rows(arrays, call, replicas), .meter = meter};
  const Lanes lanes = make_lanes(replicas, shared);
  run_all(lanes);
  for (const std::unique_ptr<Lane>& lane : lanes) lane->rethrow();
  cancel_untaken(arrays, shared.taken(), replicas.front()->device());
  meter.finish();
}

bool relaxes_in_one_launch(const DeviceMemory& memory, const UpdateRule& update) {
  return memory.is_resident(update) || device_decides();
}

void relax_async(const DeviceMemory& memory, const RelaxerOptions& options, const QueryView& queries,
                 const RelaxationView& results, const CallInputs& inputs, std::span<std::byte> workspace,
                 cudaStream_t stream) {
  const DeviceScope scope(memory.device());
  const Arrays arrays(queries, {.clamped = inputs.clamped, .patterns = inputs.patterns}, results, memory.device());
  const std::string on_host = arrays.one(false);
  if (!on_host.empty())
    throw InvalidArgument("an asynchronous relaxation takes data on the memory's device; " + on_host +
                          " are on the host");
  const UpdateRule update = to_rule(*options.update);
  const bool is_captured = is_capturing(stream);
  if (is_captured && !relaxes_in_one_launch(memory, update))
    throw NotSupported(
        "only synchronous updates of memories that fit into shared memory relax within a CUDA graph: the NVIDIA driver "
        "is older than CUDA 12.4");
  const Index count = queries.rows();
  const CallScratch scratch("a relaxation", workspace, memory.workspace_bytes(count, update), memory.device(), stream);
  const AsyncSchedule schedule(inputs.schedule, count, results, stream);
  const Index part = rows_of_part(arrays.formats, count);
  const PooledScratch floats(bytes_of<float>(arrays.formats.scratch_floats(part)), stream);
  Job job = make_job(
      options, Rows(arrays.formats, arrays.queries.matrix, arrays.states.matrix, static_cast<float*>(floats.data())),
      inputs, results);
  schedule.enter(job);
  const MatrixView<float> contents = *results.contents.floats();
  for (Index first = 0; first < count; first += part) {
    const Index rows = std::min(part, count - first);
    Job some = job.slice(first, rows);
    if (arrays.formats.states) some.queries = some.states = job.states.slice(0, rows);
    relax_and_recall(memory, some, contents.empty() ? contents : contents.slice(first, rows), scratch.data(),
                     driver_for(is_captured), stream);
  }
}

}  // namespace attractor::cuda
