#include "kernels/cuda/resident/resident.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/cuda/device/capacity.hpp"
#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/workspace.hpp"
#include "kernels/cuda/resident/resident_fit.hpp"
#include "kernels/cuda/resident/resident_worker.cuh"
#include "kernels/cuda/resident/teams_fit.hpp"
#include "kernels/sizes.hpp"

namespace attractor::cuda {
namespace {

using resident::Form;
using resident::Launch;
using resident::Layout;
using resident::SharedMemoryLimits;
using resident::Storage;
using resident::StoredMatrix;

extern __shared__ uint4 shared_memory[];

/// Blocks that should fit on a multiprocessor; more would leave too few registers for the tiles.
constexpr int least_blocks(int slots, int threads) { return threads > 128 ? 1 : (slots == 64 ? 256 : 384) / threads; }

template <Form form, class Weight, int slots, int threads>
__global__ void __launch_bounds__(threads, least_blocks(slots, threads))
    relax_resident(const __grid_constant__ Launch launch) {
  resident::Worker<form, Weight, slots, threads>(launch, reinterpret_cast<std::byte*>(shared_memory)).run();
}

using Kernel = void (*)(Launch);

template <Form form, int slots, int threads>
Kernel kernel_for(Storage storage) {
  return storage == Storage::single ? relax_resident<form, float, slots, threads>
                                    : relax_resident<form, __half, slots, threads>;
}

template <int slots>
Kernel kernel_for(const Layout& layout) {
  if (layout.form == Form::factored) return kernel_for<Form::factored, slots, 128>(layout.storage);
  switch (layout.threads) {
    case 64: return kernel_for<Form::dense, slots, 64>(layout.storage);
    case 128: return kernel_for<Form::dense, slots, 128>(layout.storage);
    default: return kernel_for<Form::dense, slots, 256>(layout.storage);
  }
}

Kernel kernel_for(const Layout& layout) { return layout.slots == 64 ? kernel_for<64>(layout) : kernel_for<32>(layout); }

bool exact_in_half(MatrixView<const float> values) {
  for (Index i = 0; i < values.rows; ++i)
    for (Index j = 0; j < values.columns; ++j)
      if (__half2float(__float2half(values(i, j))) != values(i, j)) return false;
  return true;
}

SharedMemoryLimits device_limits() {
  return {
      .of_block = static_cast<int>(std::min(static_cast<Index>(shared_memory_limit()), detail::sizes().float_bytes)),
      .of_multiprocessor = attribute(cudaDevAttrMaxSharedMemoryPerMultiprocessor),
      .reserved = attribute(cudaDevAttrReservedSharedMemoryPerBlock)};
}

/// Weights in half precision only where they are exact and single precision doesn't fit.
std::optional<Layout> choose_layout(Form form, MatrixView<const float> weights) {
  const SharedMemoryLimits limits = device_limits();
  StoredMatrix matrix{.form = form, .rows = weights.rows, .columns = weights.columns};
  const std::optional<Layout> single = fit_layout(matrix, limits);
  if (single) return single;
  matrix.storage = Storage::half;
  const std::optional<Layout> half = fit_layout(matrix, limits);
  return half && exact_in_half(weights) ? half : std::nullopt;
}

Index least_bytes(Form form, MatrixView<const float> weights, std::span<const float> diagonal) {
  const Index of_floats = resident::least_bytes({.form = form,
                                                 .storage = exact_in_half(weights) ? Storage::half : Storage::single,
                                                 .rows = weights.rows,
                                                 .columns = weights.columns});
  return std::min(of_floats, least_team_bytes(form, weights, diagonal).value_or(of_floats));
}

std::string explain(Form form, MatrixView<const float> weights, std::span<const float> diagonal) {
  return "a block needs at least " + std::to_string(least_bytes(form, weights, diagonal)) +
         " bytes of shared memory and may have " + std::to_string(shared_memory_limit());
}

/// The weights as they lie in shared memory: neurons in the order of the state matrix.
template <class Weight>
void pack_weights(const Layout& layout, MatrixView<const float> weights, Weight* image) {
  for (Index i = 0; i < weights.rows; ++i) {
    const Index row = layout.form == Form::dense ? resident::row_of(static_cast<int>(i), layout.neurons) : i;
    for (int k = 0; k < layout.dimension; ++k)
      image[row * layout.row_stride + resident::row_of(k, layout.neurons)] = static_cast<Weight>(weights(i, k));
  }
}

/// Sums over a row of magnitudes.
double absolute_sum(const float* row, Index count) {
  return std::accumulate(row, row + count, 0.0, [](double sum, float value) { return sum + std::abs(double{value}); });
}

/// The largest sum of magnitudes that a product with this memory adds up, for states of magnitude 1.
double largest_sum(Form form, MatrixView<const float> weights, std::span<const float> diagonal) {
  double largest = 0.0;
  std::vector<double> readouts(diagonal.begin(), diagonal.end());
  readouts.resize(static_cast<std::size_t>(weights.columns), 0.0);
  for (Index i = 0; i < weights.rows; ++i) {
    const double sum = absolute_sum(weights.row(i), weights.columns);
    largest = std::max(largest, sum);
    if (form == Form::factored)
      for (Index k = 0; k < weights.columns; ++k)
        readouts[static_cast<std::size_t>(k)] += sum * std::abs(double{weights(i, k)});
  }
  return std::max(largest, *std::max_element(readouts.begin(), readouts.end()));
}

/// Nothing overflows for states below it. 0 where the weights have already.
float safe_magnitude(double sum) {
  constexpr double within_range = 1e38;
  const double magnitude = within_range / sum;
  return std::isnan(magnitude) ? 0.0F : static_cast<float>(std::min(magnitude, within_range));
}

FloatMemory make_floats(const Layout& layout, MatrixView<const float> weights, std::span<const float> diagonal,
                        std::span<const float> resolution, float scale) {
  std::vector<std::byte> image(static_cast<std::size_t>(layout.image_bytes));
  if (layout.storage == Storage::single) {
    pack_weights(layout, weights, reinterpret_cast<float*>(image.data()));
  } else {
    pack_weights(layout, weights, reinterpret_cast<__half*>(image.data()));
  }
  auto* const negative_diagonal = reinterpret_cast<float*>(image.data() + layout.diagonal);
  for (std::size_t k = 0; k < diagonal.size(); ++k)
    negative_diagonal[resident::row_of(static_cast<int>(k), layout.neurons)] = -diagonal[k];
  std::vector<float> resolutions(static_cast<std::size_t>(layout.neurons), 0.0F);
  for (std::size_t k = 0; k < resolution.size(); ++k)
    resolutions[static_cast<std::size_t>(resident::row_of(static_cast<int>(k), layout.neurons))] = resolution[k];
  // As much as there is, for the next memory may use the same kernel with another size.
  const int most_bytes = static_cast<int>(shared_memory_limit());
  check(cudaFuncSetAttribute(kernel_for(layout), cudaFuncAttributeMaxDynamicSharedMemorySize, most_bytes),
        "cudaFuncSetAttribute for " + std::to_string(most_bytes) + " bytes of shared memory");
  int blocks = 0;
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel_for(layout), layout.threads,
                                                      static_cast<std::size_t>(layout.bytes)),
        "cudaOccupancyMaxActiveBlocksPerMultiprocessor");
  return {.layout = layout,
          .scale = scale,
          .most_blocks = std::max(blocks, 1) * multiprocessor_count(),
          .image = upload(std::span<const std::byte>(image), "a resident memory"),
          .resolution = upload(std::span<const float>(resolutions), "a resident memory's resolution")};
}

/// Whether states stay within the larger of 1 and the query's magnitude.
bool is_bounded(const UpdateRule& update) {
  return update.kind == UpdateRule::Kind::tanh || update.kind == UpdateRule::Kind::sign;
}

/// What launches count, at the start of their workspace; the queries that are left lie behind.
struct Counters {
  QueryCounter next_query;
  QueryCounter next_bipolar_query;
  QueryCounter next_to_step;
  QueryCounter next_stepped;
  unsigned left;
  unsigned left_after_step;
};

struct Scratch {
  Scratch(bool lists, Index queries, Workspace& space)
      : counters(space.take<Counters>(1)),
        left_rows(space.take<unsigned>(lists ? elements(queries) : 0)),
        left_rows_after_step(space.take<unsigned>(lists ? elements(queries) : 0)) {}

  [[nodiscard]] ListedRows left() const { return {.rows = left_rows, .count = &counters->left}; }
  [[nodiscard]] ListedRows left_after_step() const {
    return {.rows = left_rows_after_step, .count = &counters->left_after_step};
  }

  Counters* counters;
  unsigned* left_rows;
  unsigned* left_rows_after_step;
};

void launch_floats(const ResidentMemory& memory, const Job& job, QueryCounter* next_query, ListedRows left,
                   cudaStream_t stream) {
  const Index queries = job.queries.rows;
  const FloatMemory& floats = *memory.floats;
  const Layout& layout = floats.layout;
  const auto blocks = std::min(
      {(queries + layout.slots - 1) / layout.slots, Index{floats.most_blocks}, detail::sizes().resident_blocks});
  const Launch launch{.layout = layout,
                      .image = floats.image.data(),
                      .scale = floats.scale,
                      .safe_magnitude = memory.safe_magnitude,
                      .resolution = floats.resolution.data(),
                      .job = job,
                      .next_query = next_query,
                      .left = left,
                      .slot_limit = static_cast<int>(std::min<Index>((queries + blocks - 1) / blocks, layout.slots)),
                      .masked = job.clamped.data != nullptr || layout.dimension < layout.neurons,
                      .careful = job.clamped.data != nullptr && !is_bounded(job.update)};
  launch_kernel(
      "relax_resident", kernel_for(layout),
      {static_cast<unsigned>(blocks), static_cast<unsigned>(layout.threads), static_cast<std::size_t>(layout.bytes)},
      stream, launch);
}

/// A job's first step, of which nothing but the states is written.
Job first_step_of(Job job) {
  job.steps = nullptr;
  job.energies = nullptr;
  job.status = nullptr;
  job.energy_trace = {};
  job.halting = fixed_steps();
  job.max_steps = 1;
  job.wants_energy = false;
  return job;
}

/// What of a job is relaxed in integers: queries of ±1, and others once a step in floats has made them ±1. Returns
/// those that are left.
ListedRows launch_integers(const ResidentMemory& memory, const Job& job, const Scratch& scratch, cudaStream_t stream) {
  Counters* const counters = scratch.counters;
  launch_bipolar(*memory.bipolar, job, {.next_query = &counters->next_bipolar_query, .left = scratch.left()}, stream);
  if (!takes_first_states(*memory.bipolar, job)) return scratch.left();
  job.unpack(scratch.left(), stream);
  launch_floats(memory, first_step_of(job), &counters->next_to_step, scratch.left(), stream);
  launch_bipolar(*memory.bipolar, job,
                 {.next_query = &counters->next_stepped,
                  .queries = scratch.left(),
                  .left = scratch.left_after_step(),
                  .stepped = true},
                 stream);
  return scratch.left_after_step();
}

void launch_once(const ResidentMemory& memory, const Job& job, void* workspace, cudaStream_t stream) {
  const bool in_integers = memory.bipolar.has_value() && takes_job(*memory.bipolar, job);
  Workspace space(workspace);
  const Scratch scratch(in_integers, job.queries.rows, space);
  Counters* const counters = scratch.counters;
  check(cudaMemsetAsync(counters, 0, sizeof(Counters), stream), "cudaMemsetAsync of the query counters");
  const ListedRows left = in_integers ? launch_integers(memory, job, scratch, stream) : ListedRows{};
  job.unpack(left, stream);
  if (memory.teams.has_value() && takes_update(*memory.teams, job.update))
    launch_teams(*memory.teams, job, memory.safe_magnitude, &counters->next_query, stream);
  else
    launch_floats(memory, job, &counters->next_query, left, stream);
  job.pack(left, stream);
}

std::optional<ResidentMemory> make_resident(Form form, MatrixView<const float> matrix, std::span<const float> diagonal,
                                            std::span<const float> resolution, float scale) {
  ResidentMemory memory;
  if (const std::optional<Layout> layout = choose_layout(form, matrix)) {
    memory.floats = make_floats(*layout, matrix, diagonal, resolution, scale);
    if (form == Form::factored) memory.bipolar = make_bipolar(matrix, diagonal, resolution, scale);
  }
  memory.teams = make_teams(form, matrix, diagonal, scale);
  if (!memory.floats && !memory.teams) return std::nullopt;
  memory.safe_magnitude = safe_magnitude(largest_sum(form, matrix, diagonal));
  return memory;
}

bool may_be_resident(Form form, Index rows, Index columns) {
  const StoredMatrix matrix{.form = form, .storage = Storage::half, .rows = rows, .columns = columns};
  if (fit_layout(matrix, device_limits())) return true;
  return has_tensor_cores() &&
         teams::fit_layout({form, 1, rows, columns}, static_cast<Index>(shared_memory_limit())).has_value();
}

}  // namespace

std::optional<ResidentMemory> make_resident_factored(MatrixView<const float> factor, std::span<const float> diagonal,
                                                     std::span<const float> resolution, float scale) {
  return make_resident(Form::factored, factor, diagonal, resolution, scale);
}

std::optional<ResidentMemory> make_resident_dense(MatrixView<const float> weights, std::span<const float> resolution,
                                                  float scale) {
  return make_resident(Form::dense, weights, {}, resolution, scale);
}

bool may_be_resident_factored(Index rows, Index columns) { return may_be_resident(Form::factored, rows, columns); }
bool may_be_resident_dense(Index neurons) { return may_be_resident(Form::dense, neurons, neurons); }

std::string why_not_resident_factored(MatrixView<const float> factor, std::span<const float> diagonal) {
  return explain(Form::factored, factor, diagonal);
}
std::string why_not_resident_dense(MatrixView<const float> weights) { return explain(Form::dense, weights, {}); }

bool takes_update(const ResidentMemory& memory, const UpdateRule& update) {
  return memory.floats || (memory.teams && takes_update(*memory.teams, update));
}

std::size_t resident_workspace_bytes(const ResidentMemory& memory, Index queries) {
  Workspace space;
  static_cast<void>(Scratch(memory.bipolar.has_value(), std::min(queries, launch_queries), space));  // Measures.
  return space.used();
}

void launch_resident(const ResidentMemory& memory, const Job& job, void* workspace, cudaStream_t stream,
                     Index most_queries) {
  for_each_launch(job, most_queries, [&](const Job& part) { launch_once(memory, part, workspace, stream); });
}

}  // namespace attractor::cuda
