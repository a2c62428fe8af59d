#include "kernels/cuda/resident/bipolar.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/bipolar_terms.hpp"
#include "kernels/cuda/device/capacity.hpp"
#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/resident/bipolar_warp.cuh"
#include "kernels/cuda/resident/uniform_value.hpp"
#include "kernels/sizes.hpp"

namespace attractor::cuda {
namespace {

using bipolar::Launch;
using bipolar::Layout;

extern __shared__ uint4 shared_memory[];

template <int digits, int groups>
__global__ void __launch_bounds__(bipolar::most_warps* warp_size, 1)
    relax_bipolar(const __grid_constant__ Launch launch) {
#if __CUDA_ARCH__ >= 800
  const auto* const image = reinterpret_cast<const uint4*>(launch.image);
  for (int i = static_cast<int>(threadIdx.x); i < launch.layout.image_bytes / 16; i += static_cast<int>(blockDim.x))
    shared_memory[i] = image[i];
  __syncthreads();
  bipolar::Warp<digits, groups>(launch, reinterpret_cast<std::byte*>(shared_memory)).run();
#endif
}

using Kernel = void (*)(Launch);

template <int digits>
Kernel kernel_for(int groups) {
  if (groups > 2) return relax_bipolar<digits, 0>;
  return groups == 1 ? relax_bipolar<digits, 1> : relax_bipolar<digits, 2>;
}

Kernel kernel_for(const Layout& layout) {
  return layout.digits == 1 ? kernel_for<1>(layout.groups) : kernel_for<2>(layout.groups);
}

int divide_up(Index value, int divisor) { return static_cast<int>((value + divisor - 1) / divisor); }

/// One digit has scores of up to 127, or half of even ones; two digits have any that fit.
Layout make_layout(MatrixView<const float> factor) {
  Layout layout{.dimension = static_cast<int>(factor.columns), .patterns = static_cast<int>(factor.rows)};
  layout.blocks = divide_up(factor.columns, bipolar::block_neurons);
  layout.groups = divide_up(factor.rows, bipolar::group_patterns);
  const bool even = layout.dimension % 2 == 0;
  layout.digits = layout.dimension <= (even ? 254 : 127) ? 1 : 2;
  layout.shift = layout.digits == 2 ? 0 : even ? 3 : 2;
  const int fragments = layout.groups * layout.blocks * bipolar::group_fragments * bipolar::fragment_bytes;
  layout.readouts = fragments;
  layout.starts = 2 * fragments;
  layout.image_bytes = layout.starts + layout.groups * bipolar::group_patterns * static_cast<int>(sizeof(int));
  const int words = layout.blocks * bipolar::fragment_bytes;
  layout.changes = words;
  layout.clamps = 2 * words;
  layout.scores = 3 * words;
  layout.warp_bytes = layout.scores + layout.groups * layout.digits * 2 * bipolar::fragment_bytes;
  return layout;
}

/// As many warps as there is room for; empty where there is none for one. More entries than any shared memory holds are
/// none of an int's size.
std::optional<Layout> fit_layout(MatrixView<const float> factor) {
  const auto room = static_cast<Index>(shared_memory_limit());
  if (factor.columns > bipolar::most_neurons || factor.rows * factor.columns > room) return std::nullopt;
  Layout layout = make_layout(factor);
  const auto most = static_cast<int>(std::min<Index>(bipolar::most_warps, detail::sizes().bipolar_warps));
  layout.warps = std::min(most, (static_cast<int>(room) - layout.image_bytes) / layout.warp_bytes);
  if (layout.warps < 1) return std::nullopt;
  layout.bytes = layout.image_bytes + layout.warps * layout.warp_bytes;
  return layout;
}

/// Entries of the factor, 0 where it has none.
struct Entries {
  MatrixView<const float> factor;
  int operator()(Index pattern, Index neuron) const {
    return pattern < factor.rows && neuron < factor.columns ? static_cast<int>(factor(pattern, neuron)) : 0;
  }
};

/// Writes right operands, byte by byte: calls entry(fragment, tile, lane, operand, i), of tiles 0 and 1.
template <class Entry>
void pack_fragments(int count, std::byte* to, const Entry& entry) {
  for (int fragment = 0; fragment < count; ++fragment)
    for (int lane = 0; lane < warp_size; ++lane)
      for (int at = 0; at < 16; ++at, ++to)
        *to = static_cast<std::byte>(static_cast<std::int8_t>(entry(fragment, at / 8, lane, at / 4 % 2, at % 4)));
}

/// Columns are patterns, the depth is neurons: operands come times 1, 2, 4 and 8.
void pack_scores(const Layout& layout, const Entries& entries, std::byte* to) {
  pack_fragments(layout.readouts / bipolar::fragment_bytes, to,
                 [&](int fragment, int tile, int lane, int operand, int i) {
                   const int part = fragment / 2 % 4;
                   const int block = fragment / bipolar::group_fragments % layout.blocks;
                   const int group = fragment / bipolar::group_fragments / layout.blocks;
                   const int pattern = group * bipolar::group_patterns + (fragment % 2 * 2 + tile) * 8 + lane / 4;
                   const int bit = 2 * part + operand;
                   const int neuron = block * bipolar::block_neurons + bipolar::neuron_of(lane % 4, 8 * i + bit);
                   return entries(pattern, neuron) * (bipolar::product_unit >> bit % 4);
                 });
}

/// Columns are neurons, the depth is patterns.
void pack_readouts(const Layout& layout, const Entries& entries, std::byte* to) {
  pack_fragments(layout.readouts / bipolar::fragment_bytes, to,
                 [&](int fragment, int tile, int lane, int operand, int i) {
                   const int group = fragment / 2 % layout.groups;
                   const int byte = fragment / 2 / layout.groups % 4;
                   const int block = fragment / 2 / layout.groups / 4;
                   const int column = lane / 4;
                   const int bit = 8 * byte + 2 * (fragment % 2 * 2 + tile) + column % 2;
                   const int neuron = block * bipolar::block_neurons + bipolar::neuron_of(column / 2, bit);
                   const int pattern = group * bipolar::group_patterns + bipolar::pattern_of(lane % 4, operand, i);
                   return -entries(pattern, neuron);
                 });
}

void pack_starts(const Layout& layout, const Entries& entries, int* to) {
  for (int pattern = 0; pattern < layout.groups * bipolar::group_patterns; ++pattern) {
    int sum = 0;
    for (int neuron = 0; neuron < layout.dimension; ++neuron) sum += entries(pattern, neuron);
    to[pattern] = -bipolar::product_unit / 2 * sum;
  }
}

std::vector<std::byte> make_image(const Layout& layout, const Entries& entries) {
  std::vector<std::byte> image(static_cast<std::size_t>(layout.image_bytes));
  pack_scores(layout, entries, image.data());
  pack_readouts(layout, entries, image.data() + layout.readouts);
  pack_starts(layout, entries, reinterpret_cast<int*>(image.data() + layout.starts));
  return image;
}

/// Of int8.
constexpr float largest_byte = 128.0F;

/// Magnitudes of queries up to which what counts as 0 is what does for states of ±1, by powers of two, and none of
/// which lets a sum overflow.
float most_magnitude(float resolution, float scale) {
  const auto widest = [&](float magnitude) { return detail::widest_zero(resolution, scale, magnitude); };
  float most = 1.0F;
  while (most < 0x1p40F && widest(2.0F * most) == widest(1.0F)) most *= 2.0F;
  return most;
}

/// In the unit that readouts come in, rounded up.
int in_units(const Layout& layout, Index readout) {
  const Index quadruple = 4 * readout;
  return static_cast<int>((quadruple + (Index{1} << layout.shift) - 1) >> layout.shift);
}

}  // namespace

std::optional<BipolarMemory> make_bipolar(MatrixView<const float> factor, std::span<const float> diagonal,
                                          std::span<const float> resolution, float scale) {
  if (!has_tensor_cores() || !detail::is_bipolar(factor)) return std::nullopt;
  const std::optional<float> own = uniform_value(diagonal);
  const std::optional<float> zero = uniform_value(resolution);
  if (!own || !zero) return std::nullopt;
  const std::optional<Layout> layout = fit_layout(factor);
  if (!layout) return std::nullopt;
  check(cudaFuncSetAttribute(kernel_for(*layout), cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(shared_memory_limit())),
        "cudaFuncSetAttribute for " + std::to_string(shared_memory_limit()) + " bytes of shared memory");
  return BipolarMemory{.layout = *layout,
                       .scale = scale,
                       .resolution = *zero,
                       .most_magnitude = most_magnitude(*zero, scale),
                       .own = static_cast<int>(*own),
                       .most_blocks = multiprocessor_count(),
                       .image = upload(std::span<const std::byte>(make_image(*layout, {factor})), "a memory of bytes")};
}

bool takes_job(const BipolarMemory& memory, const Job& job) {
  const Index entries = Index{memory.layout.patterns} * memory.layout.dimension;
  return job.update.kind == UpdateRule::Kind::sign &&
         detail::takes_integers(entries, memory.scale, job.update.at_zero) &&
         detail::widest_zero(memory.resolution, memory.scale, 1.0F).has_value();
}

bool takes_first_states(const BipolarMemory& memory, const Job& job) {
  // Queries that are relaxed in place would be gone for those that have to start again, and their first change isn't
  // known where halting asks whether it was small.
  const bool in_place = job.packed_queries.data == nullptr && job.queries.data == job.states.data;
  const bool asks_for_change = job.halting.watch == Halting::Watch::state && job.halting.absolute > 0.0F;
  const bool fits = job.packed_queries.data == nullptr || memory.most_magnitude >= largest_byte;
  return job.max_steps > 1 && !in_place && !asks_for_change && fits;
}

void launch_bipolar(const BipolarMemory& memory, const Job& job, const BipolarLaunch& part, cudaStream_t stream) {
  const Layout& layout = memory.layout;
  const int widest = *detail::widest_zero(memory.resolution, memory.scale, 1.0F);
  const detail::LeastReadouts least = detail::least_readouts(memory.own, widest, job.update.at_zero);
  const int start = -in_units(layout, least.after_positive);
  const Launch launch{.layout = layout,
                      .image = memory.image.data(),
                      .job = job,
                      .scale = memory.scale,
                      .own_squares = memory.own * layout.dimension,
                      .starts = {start, start, start, start},
                      .gap = -start - in_units(layout, least.after_negative),
                      .most_magnitude = memory.most_magnitude,
                      .part = part};
  // A warp for every 32 queries, spread over the device.
  const int wanted = divide_up(job.queries.rows, bipolar::warp_states);
  const int blocks = static_cast<int>(std::min<Index>({wanted, memory.most_blocks, detail::sizes().resident_blocks}));
  const int warps = std::min(layout.warps, divide_up(wanted, blocks));
  launch_kernel("relax_bipolar", kernel_for(layout),
                {static_cast<unsigned>(blocks), static_cast<unsigned>(warps * warp_size),
                 static_cast<std::size_t>(layout.image_bytes + warps * layout.warp_bytes)},
                stream, launch);
}

}  // namespace attractor::cuda
