#include "kernels/cuda/resident/teams.hpp"

#include <cuda_fp16.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/cuda/device/capacity.hpp"
#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/resident/team.cuh"
#include "kernels/cuda/resident/teams_fit.hpp"
#include "kernels/cuda/resident/uniform_value.hpp"
#include "kernels/sizes.hpp"

namespace attractor::cuda {
namespace {

using teams::Form;
using teams::Jobs;
using teams::Launch;
using teams::Layout;

extern __shared__ uint4 shared_memory[];

/// The memory comes as it is. Code for 7.5 has no use for this and the next one.
[[maybe_unused]] __device__ void load_memory(const Launch& launch, std::byte* shared) {
  const auto thread = static_cast<int>(threadIdx.x);
  const auto threads = static_cast<int>(blockDim.x);
  const auto* const image = reinterpret_cast<const uint4*>(launch.image);
  for (int i = thread; i < launch.layout.image_bytes / 16; i += threads) reinterpret_cast<uint4*>(shared)[i] = image[i];
  __syncthreads();
}

/// What a state counts in what its next state is made of is of the update, too.
[[maybe_unused]] __device__ void make_factors(const Launch& launch, std::byte* shared) {
  const auto thread = static_cast<int>(threadIdx.x);
  const auto threads = static_cast<int>(blockDim.x);
  const auto* const diagonal = reinterpret_cast<const float*>(shared + launch.layout.diagonal);
  auto* const factors = reinterpret_cast<float*>(shared + launch.layout.factors);
  for (int i = thread; i < launch.layout.neurons; i += threads)
    factors[i] = fmaf(launch.gain, launch.diagonal_unit * diagonal[i], 1.0F);
  __syncthreads();
}

/// Threads of a block: kernels for any jobs take more registers, and dense ones, which keep readouts beside states.
constexpr int most_threads(Form form, Jobs jobs) {
  return (jobs == Jobs::plain ? teams::plain_warps(form) : teams::fewer_warps) * warp_size;
}

template <Form form, int planes, Jobs jobs>
__global__ void __launch_bounds__(most_threads(form, jobs), 1) relax_by_teams(const __grid_constant__ Launch launch) {
#if __CUDA_ARCH__ >= 800
  auto* const shared = reinterpret_cast<std::byte*>(shared_memory);
  load_memory(launch, shared);
  if constexpr (form == Form::factored) make_factors(launch, shared);
  teams::Team<form, planes, jobs>(launch, shared).run();
#endif
}

using Kernel = void (*)(Launch);

template <Form form, Jobs jobs>
Kernel kernel_for(const Layout& layout) {
  return layout.planes == 1 ? relax_by_teams<form, 1, jobs> : relax_by_teams<form, 2, jobs>;
}

template <Form form>
Kernel kernel_for(const Layout& layout, Jobs jobs) {
  return jobs == Jobs::plain ? kernel_for<form, Jobs::plain>(layout) : kernel_for<form, Jobs::any>(layout);
}

Kernel kernel_for(const Layout& layout, Jobs jobs) {
  return layout.form == Form::factored ? kernel_for<Form::factored>(layout, jobs)
                                       : kernel_for<Form::dense>(layout, jobs);
}

Jobs kind_of(const Layout& layout, const Job& job) {
  const auto at = [](const auto& rows) {
    return reinterpret_cast<std::uintptr_t>(rows.data) | static_cast<std::uintptr_t>(rows.row_stride) * sizeof(float);
  };
  const bool is_aligned = (at(job.queries) | at(job.states)) % sizeof(float4) == 0;
  const bool is_whole = layout.dimension == layout.neurons;
  const bool is_plain = job.clamped.data == nullptr && job.halting.watch != Halting::Watch::state;
  return is_plain && is_whole && is_aligned ? Jobs::plain : Jobs::any;
}

int divide_up(Index value, int divisor) { return static_cast<int>((value + divisor - 1) / divisor); }

std::optional<Layout> fit_layout(Form form, MatrixView<const float> matrix, int planes) {
  return teams::fit_layout({form, planes, matrix.rows, matrix.columns}, static_cast<Index>(shared_memory_limit()),
                           detail::sizes().team_warps);
}

/// Magnitudes of a matrix.
struct Extent {
  explicit Extent(MatrixView<const float> matrix) : columns(static_cast<std::size_t>(matrix.columns)) {
    for (Index i = 0; i < matrix.rows; ++i) {
      float row = 0.0F;
      double sum = 0.0;
      for (Index k = 0; k < matrix.columns; ++k) {
        const float value = std::abs(matrix(i, k));
        is_finite = is_finite && std::isfinite(value);
        row = std::max(row, value);
        columns[static_cast<std::size_t>(k)] = std::max(columns[static_cast<std::size_t>(k)], value);
        sum += value;
      }
      rows.push_back(row);
      largest_sum = std::max(largest_sum, sum);
      largest = std::max(largest, row);
    }
  }

  /// As HalfMatrix has it: fp16's floor is below what float's rounding does to any row or column.
  [[nodiscard]] bool is_even() const {
    const auto even = [this](float value) { return value == 0.0F || value >= 0x1p-12F * largest; };
    return std::all_of(rows.begin(), rows.end(), even) && std::all_of(columns.begin(), columns.end(), even);
  }

  /// Of the unit in which the largest magnitude becomes 2¹⁴ to 2¹⁵.
  [[nodiscard]] int exponent() const { return std::ilogb(largest) - 14; }

  std::vector<float> rows;
  std::vector<float> columns;
  float largest = 0.0F;
  double largest_sum = 0.0;  ///< of a row
  bool is_finite = true;
};

/// Whether two fp16 terms hold a matrix as floats do, and the diagonal is one of numbers.
bool are_held(const Extent& extent, std::span<const float> diagonal) {
  constexpr float least = 0x1p-100F;
  const auto is_finite = [](float value) { return std::isfinite(value); };
  return extent.is_finite && extent.largest >= least && extent.is_even() &&
         std::all_of(diagonal.begin(), diagonal.end(), is_finite);
}

bool is_exact(MatrixView<const float> matrix, float scale) {
  for (Index i = 0; i < matrix.rows; ++i)
    for (Index k = 0; k < matrix.columns; ++k)
      if (__half2float(__float2half_rn(scale * matrix(i, k))) != scale * matrix(i, k)) return false;
  return true;
}

std::vector<std::byte> make_image(const Layout& layout, MatrixView<const float> matrix, std::span<const float> diagonal,
                                  float scale, float diagonal_unit) {
  std::vector<std::byte> image(static_cast<std::size_t>(layout.image_bytes));
  for (int i = 0; i < matrix.rows; ++i) {
    const int row = layout.form == Form::dense ? teams::column_of(i) : i;
    auto* const high = reinterpret_cast<__half*>(image.data() + row * layout.row_bytes);
    auto* const low = reinterpret_cast<__half*>(image.data() + layout.low + row * layout.row_bytes);
    for (int k = 0; k < layout.dimension; ++k) {
      const int column = teams::column_of(k);
      const float value = scale * matrix(i, k);
      high[column] = __float2half_rn(value);
      if (layout.planes == 2) low[column] = __float2half_rn(value - __half2float(high[column]));
    }
  }
  auto* const negative = reinterpret_cast<float*>(image.data() + layout.diagonal);
  for (std::size_t k = 0; k < diagonal.size(); ++k) negative[k] = -diagonal[k] / diagonal_unit;
  return image;
}

float largest_magnitude(std::span<const float> values) {
  float largest = 0.0F;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

/// The power of two that brings all magnitudes below 1, or twice that at the end of float's range.
float unit_of(float largest) {
  return largest == 0.0F ? 1.0F : std::ldexp(1.0F, std::min(std::ilogb(largest) + 1, 127));
}

}  // namespace

std::optional<TeamMemory> make_teams(teams::Form form, MatrixView<const float> matrix, std::span<const float> diagonal,
                                     float scale) {
  if (!has_tensor_cores()) return std::nullopt;
  if (!fit_layout(form, matrix, 1)) return std::nullopt;
  const Extent extent(matrix);
  if (!are_held(extent, diagonal)) return std::nullopt;
  const int exponent = extent.exponent();
  const float to_terms = std::ldexp(1.0F, -exponent);
  const std::optional<Layout> layout = fit_layout(form, matrix, is_exact(matrix, to_terms) ? 1 : 2);
  if (!layout) return std::nullopt;
  for (const Jobs jobs : {Jobs::plain, Jobs::any})
    check(cudaFuncSetAttribute(kernel_for(*layout, jobs), cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shared_memory_limit())),
          "cudaFuncSetAttribute for " + std::to_string(shared_memory_limit()) + " bytes of shared memory");
  // States of less than 2¹⁵ make no larger sums than 2¹⁵ times the row's, which becomes 2¹⁴ to 2¹⁵.
  const int sum_exponent = std::ilogb(extent.largest_sum * double{to_terms});
  const float largest_diagonal = largest_magnitude(diagonal);
  const float diagonal_unit = unit_of(largest_diagonal);
  return TeamMemory{
      .layout = *layout,
      .scale = scale,
      .unit = std::ldexp(1.0F, exponent),
      .score_scale = std::ldexp(1.0F, -1 - sum_exponent),
      .uniform_diagonal = uniform_value(diagonal),
      .diagonal_unit = diagonal_unit,
      .largest_diagonal = largest_diagonal,
      .most_blocks = multiprocessor_count(),
      .image = upload(std::span<const std::byte>(make_image(*layout, matrix, diagonal, to_terms, diagonal_unit)),
                      "a memory of halves")};
}

std::optional<Index> least_team_bytes(teams::Form form, MatrixView<const float> matrix,
                                      std::span<const float> diagonal) {
  const Extent extent(matrix);
  if (!has_tensor_cores() || !are_held(extent, diagonal)) return std::nullopt;
  const int planes = is_exact(matrix, std::ldexp(1.0F, -extent.exponent())) ? 1 : 2;
  return teams::least_bytes({form, planes, matrix.rows, matrix.columns});
}

bool takes_update(const TeamMemory& memory, const UpdateRule& update) {
  return update.kind == UpdateRule::Kind::tanh &&
         std::isfinite(update.parameter * memory.scale * memory.largest_diagonal);
}

void launch_teams(const TeamMemory& memory, const Job& job, float safe_magnitude, QueryCounter* next_query,
                  cudaStream_t stream) {
  const Layout& layout = memory.layout;
  // A team for every 16 queries, spread over the device.
  const int wanted = divide_up(job.queries.rows, teams::team_states);
  const int blocks = static_cast<int>(std::min<Index>({wanted, memory.most_blocks, detail::sizes().resident_blocks}));
  const Jobs jobs = kind_of(layout, job);
  const int most = most_threads(layout.form, jobs) / warp_size / layout.members;
  const int teams = std::min({layout.teams, most, divide_up(wanted, blocks)});
  const double gain = double{job.update.parameter} * double{memory.scale};
  const double unit = memory.unit;
  const bool is_dense = layout.form == Form::dense;
  // Dense: of states, which readouts take in place of scores.
  const double score_unit = is_dense ? 1.0 : unit / double{memory.score_scale};
  const double of_energy = -0.5 * double{memory.scale};
  constexpr double state_unit = 1.0 / (double{teams::state_scale} * double{teams::state_scale});
  const float uniform = memory.uniform_diagonal.value_or(0.0F);
  const Launch launch{.layout = layout,
                      .image = memory.image.data(),
                      .job = job,
                      .safe_magnitude = safe_magnitude,
                      .score_scale = memory.score_scale,
                      .readout_unit = static_cast<float>(gain * unit * score_unit),
                      .readout_exponent = std::ilogb(unit * score_unit),
                      .score_weight = of_energy * score_unit * (is_dense ? unit : score_unit) * state_unit,
                      .state_weight = (memory.uniform_diagonal ? -double{uniform} : double{memory.diagonal_unit}) *
                                      of_energy * state_unit,
                      .diagonal_unit = memory.diagonal_unit,
                      .is_uniform = memory.uniform_diagonal.has_value(),
                      .uniform_factor = std::fma(static_cast<float>(gain), -uniform, 1.0F),
                      .gain = static_cast<float>(gain),
                      .reserved = std::clamp(wanted / (blocks * teams * 4), 1, teams::team_states),
                      .next_query = next_query};
  launch_kernel("relax_by_teams", kernel_for(layout, jobs),
                {static_cast<unsigned>(blocks), static_cast<unsigned>(teams * layout.members * warp_size),
                 static_cast<std::size_t>(layout.first_team + teams * layout.team_bytes)},
                stream, launch);
}

}  // namespace attractor::cuda
