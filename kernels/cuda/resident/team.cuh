#pragma once

/// A team of warps: keeps its 16 states filled and steps them until no query is left.
///
/// States and patterns are sums of two fp16 terms each, scaled by powers of two (device/tensor.cuh); scores, too, of
/// which none can be larger than their scale is for. Of the products of terms the smallest is left out. Registers have
/// states as they are scaled, from when they come to when they go. So have weights of dense memories in place of
/// patterns: states themselves, not scores, are what readouts are made of, and stay in registers beside these.

#include <cstdint>
#include <limits>

#include "kernels/cuda/device/math.cuh"
#include "kernels/cuda/device/tensor.cuh"
#include "kernels/cuda/engine/job.hpp"
#include "kernels/cuda/resident/query_end.cuh"
#include "kernels/cuda/resident/teams_layout.hpp"

namespace attractor::cuda::teams {

static_assert(sizeof(detail::EndJudge) == judge_bytes);

inline constexpr float largest_float = std::numeric_limits<float>::max();

/// Of states below 1, which all are from the first step on unless some neurons are clamped. Faint ones have others.
inline constexpr float state_scale = 0x1p14F;

/// Of states below 2⁻¹¹.
inline constexpr float least_faint_scale = 0x1p26F;

/// What a launch passes to the kernel.
struct Launch {
  Layout layout;
  const std::byte* image;
  Job job;
  float safe_magnitude;  ///< see ResidentMemory
  float score_scale;     ///< of sums of scores, before they are taken apart
  float readout_unit;    ///< of readouts times the update's gain, for states of scale 1
  int readout_exponent;  ///< of readouts without it
  double score_weight;   ///< of squares of scores in the energy; dense: of states times readouts
  double state_weight;   ///< of squares of scaled states, the negative diagonal and all, if that is uniform
  float diagonal_unit;   ///< of the memory's diagonal
  bool is_uniform;
  float uniform_factor;  ///< what a state counts in what its next state is made of, where all count the same
  float gain;            ///< of the update, and the memory's scale
  int reserved;          ///< queries that a team takes at a time
  QueryCounter* next_query;
};

/// NaN where one of them is.
__device__ __forceinline__ float larger_magnitude(float a, float b) {
  float result = fabsf(b);
#if __CUDA_ARCH__ >= 800
  asm("max.NaN.f32 %0, %0, %1;" : "+f"(result) : "f"(a));
#endif
  return result;
}

/// Which jobs a kernel is for. Those of any kind take more registers, and results of the others are the same bits.
enum class Jobs : bool { plain, any };

/// `planes`: fp16 terms of an entry of a pattern or weight. Plain jobs watch no states and have no clamped neurons;
/// their rows are whole warps' neurons at multiples of 16 bytes.
template <Form form, int planes, Jobs jobs>
class Team {
 public:
  __device__ Team(const Launch& launch, std::byte* shared)
      : launch_(launch),
        layout_(launch.layout),
        job_(launch.job),
        lane_(static_cast<int>(threadIdx.x) % warp_size),
        team_(static_cast<int>(threadIdx.x) / warp_size / launch.layout.members),
        member_(static_cast<int>(threadIdx.x) / warp_size % launch.layout.members),
        own_(shared + layout_.first_team + team_ * layout_.team_bytes),
        neurons_(shared + my_neuron() * 4),
        first_score_row_(static_cast<unsigned>(__cvta_generic_to_shared(shared)) +
                         row_offset(lane_ / 16 * 8 + lane_ % 8, lane_ / 8 % 2)),
        first_readout_row_(static_cast<unsigned>(__cvta_generic_to_shared(shared)) +
                           row_offset(lane_ / 8 % 2 * 8 + lane_ % 8, lane_ / 16)),
        masked_(jobs == Jobs::any && launch.job.clamped.data != nullptr) {}

  /// States are judged as soon as all is known: where energies are wanted after their scores, or after the readouts of
  /// dense memories, else after the advance. New ones come after the advance, so that none has to sit one out.
  __device__ void run() {
    while (arrive()) {
      Readouts readouts[kept_blocks];
      if constexpr (is_dense)
        read_states(readouts);
      else
        score();
      if (job_.wants_energy) depart(ended());
      advance(readouts);
      if (!job_.wants_energy) depart(ended());
    }
  }

 private:
  static constexpr bool is_dense = form == Form::dense;

  /// What warps have parts of, which are of their neurons or patterns. Dense: states times readouts, not squares.
  enum Part : unsigned char { score_squares, state_squares, changes, oddities, magnitudes, clamped_magnitudes };

  /// Steps of neurons that are updated at a time, and that neurons are left out by; factored: that are read out so,
  /// too.
  static constexpr int block_steps = jobs == Jobs::plain ? 4 : 2;
  using Readouts = float[block_steps][2][4];
  static constexpr int kept_blocks = is_dense ? warp_steps / block_steps : 1;  ///< at a time

  // Where things lie.

  [[nodiscard]] __device__ __forceinline__ int my_neuron() const { return member_ * warp_neurons + lane_ % 4 * 4; }

  static constexpr int lane_neurons = 4 * warp_steps;

  /// How far the lane's neurons are from its first.
  [[nodiscard]] __device__ __forceinline__ static int offset_of(int i) { return i / 4 * step_neurons + i % 4; }
  [[nodiscard]] __device__ __forceinline__ bool is_neuron(int i) const {
    return my_neuron() + offset_of(i) < layout_.dimension;
  }

  /// Whether the warp has neurons of a step, as it has of all steps before. What is left fills up its 128 and is 0.
  [[nodiscard]] __device__ __forceinline__ bool has_step(int step) const {
    return jobs == Jobs::plain || member_ * warp_neurons + step * step_neurons < layout_.dimension;
  }

  /// Of a pattern of a group, at the first or second eight columns of a step.
  [[nodiscard]] __device__ __forceinline__ unsigned row_offset(int pattern, int eight) const {
    return static_cast<unsigned>(pattern * layout_.row_bytes + member_ * warp_neurons * 2 + eight * 16);
  }

  [[nodiscard]] __device__ __forceinline__ uint4* scores() const { return reinterpret_cast<uint4*>(own_) + lane_; }

  /// From a warp's sums in a pass to the next one's.
  static constexpr int partial_distance = pass_groups(planes) * 2 * warp_size;

  /// Of a warp's sums in a pass: of a group's first or second eight patterns.
  [[nodiscard]] __device__ __forceinline__ float4* partial(int member, int group, int tile) const {
    return reinterpret_cast<float4*>(own_ + layout_.partial) + member * partial_distance +
           (group * 2 + tile) * warp_size + lane_;
  }

  /// From a warp's parts to the next one's.
  static constexpr int part_distance = part_kinds * team_states;

  /// Of a state.
  [[nodiscard]] __device__ __forceinline__ float* part_of(Part kind, int member, int state) const {
    return reinterpret_cast<float*>(own_ + layout_.parts) + member * part_distance + kind * team_states + state;
  }

  [[nodiscard]] __device__ __forceinline__ bool is_masked() const { return jobs == Jobs::any && masked_; }

  [[nodiscard]] __device__ __forceinline__ bool is_alone() const { return layout_.members == 1; }

  /// Of the lane's state. It is for the warp alone that judges.
  [[nodiscard]] __device__ __forceinline__ detail::EndJudge& judge() const {
    return reinterpret_cast<detail::EndJudge*>(own_ + layout_.judges)[lane_ % team_states];
  }

  [[nodiscard]] __device__ __forceinline__ bool is_judge() const { return member_ == 0; }

  /// All warps of the team have come here, and what they wrote before is seen.
  __device__ __forceinline__ void meet() const {
    if (is_alone()) return;
    asm volatile("bar.sync %0, %1;" ::"r"(1 + team_), "r"(layout_.members * warp_size) : "memory");
  }

  // Sums over states: from what lanes have of their two, lane i < 16 gets that of state i, and lane i + 16 too.

  __device__ __forceinline__ void take_sums(Part kind, const float (&sums)[2]) {
    const bool odd = lane_ % 2 != 0;
    float own = (odd ? sums[1] : sums[0]) + __shfl_xor_sync(all_lanes, odd ? sums[0] : sums[1], 1);
    own += __shfl_xor_sync(all_lanes, own, 2);
    parts_[kind] = __shfl_sync(all_lanes, own, lane_ % 8 * 4 + lane_ / 8 % 2);
  }

  /// The warp's part, for the team once it has met.
  __device__ __forceinline__ void publish(Part kind) const {
    if (!is_alone() && lane_ < team_states) *part_of(kind, member_, lane_) = parts_[kind];
  }

  [[nodiscard]] __device__ __forceinline__ double total(Part kind) const {
    if (is_alone()) return static_cast<double>(parts_[kind]);
    double sum = 0.0;
#pragma unroll 1
    for (int member = 0; member < layout_.members; ++member)
      sum += static_cast<double>(*part_of(kind, member, lane_ % team_states));
    return sum;
  }

  /// What queries are judged by.
  __device__ __forceinline__ void publish_outcomes() const {
    if (checked_) publish(oddities);
    if (watches_change()) publish(changes);
    if (!job_.wants_energy) return;
    if constexpr (!is_dense) publish(state_squares);
    publish(score_squares);
  }

  // The first half of a step: scores.

  __device__ __forceinline__ void score() {
    float squares[2] = {};
    int first = 0;
    for (; first + most_groups <= layout_.groups; first += most_groups) score_pass<most_groups>(first, squares);
    if (most_groups > 2 && first + 2 <= layout_.groups) {
      score_pass<2>(first, squares);
      first += 2;
    }
    if (first < layout_.groups) score_pass<1>(first, squares);
  }

  static constexpr int most_groups = pass_groups(planes);

  /// Left operands, of a step of the depth.
  struct Operand {
    TensorRows high;
    TensorRows low;
  };

  [[nodiscard]] __device__ __forceinline__ static Operand operand_of(const float (&x)[8]) {
    Operand result;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int at = i % 2 * 4 + i / 2 * 2;
      split_anew(x[at], x[at + 1], result.high.pairs[i], result.low.pairs[i]);
    }
    return result;
  }

  /// sums += operand · columns, of 16 columns; `low` are the columns' second terms.
  __device__ __forceinline__ static void add_product(const Operand& rows, const unsigned (&high)[4],
                                                     const unsigned (&low)[4], float (&sums)[2][4]) {
#pragma unroll
    for (int tile = 0; tile < 2; ++tile) {
      float(&own)[4] = sums[tile];
      multiply_add(own, rows.low, high[2 * tile], high[2 * tile + 1], own);
      if constexpr (planes == 2) multiply_add(own, rows.high, low[2 * tile], low[2 * tile + 1], own);
      multiply_add(own, rows.high, high[2 * tile], high[2 * tile + 1], own);
    }
  }

  /// Of `count` groups of patterns.
  template <int count>
  __device__ __forceinline__ void score_pass(int first, float (&squares)[2]) {
    float sums[count][2][4] = {};
    const unsigned group_distance = static_cast<unsigned>(group_patterns * layout_.row_bytes);
    const unsigned from = first_score_row_ + static_cast<unsigned>(first) * group_distance;
#pragma unroll
    for (int step = 0; step < warp_steps; ++step) {
      if (step % block_steps == 0 && !has_step(step)) break;
      const Operand rows = operand_of(x_[step]);
#pragma unroll
      for (int group = 0; group < count; ++group) {
        const unsigned at = from + static_cast<unsigned>(group) * group_distance + step * step_neurons * 2;
        unsigned high[4];
        unsigned low[4];
        load_matrices(high, at);
        if constexpr (planes == 2) load_matrices(low, at + static_cast<unsigned>(layout_.low));
        add_product(rows, high, low, sums[group]);
      }
    }
    if (is_alone()) {
#pragma unroll
      for (int group = 0; group < count; ++group) keep_scores(first + group, sums[group], squares);
    } else {
      share_scores<count>(first, sums, squares);
    }
    if (job_.wants_energy && first + count == layout_.groups) {
      take_sums(score_squares, squares);
      publish_outcomes();
    }
    meet();
  }

  /// Every warp adds up those of some groups.
  template <int count>
  __device__ __forceinline__ void share_scores(int first, const float (&sums)[count][2][4], float (&squares)[2]) const {
#pragma unroll
    for (int group = 0; group < count; ++group)
#pragma unroll
      for (int tile = 0; tile < 2; ++tile) {
        const float(&own)[4] = sums[group][tile];
        *partial(member_, group, tile) = {own[0], own[1], own[2], own[3]};
      }
    meet();
#pragma unroll 1
    for (int group = member_; group < count; group += layout_.members) {
      const float4* from = partial(0, group, 0);
      float4 total[2] = {from[0], from[warp_size]};
#pragma unroll 1
      for (int member = 1; member < layout_.members; ++member) {
        from += partial_distance;
        total[0] = sum(total[0], from[0]);
        total[1] = sum(total[1], from[warp_size]);
      }
      const float sums_of_all[2][4] = {{total[0].x, total[0].y, total[0].z, total[0].w},
                                       {total[1].x, total[1].y, total[1].z, total[1].w}};
      keep_scores(first + group, sums_of_all, squares);
    }
  }

  /// As left operands of readouts.
  __device__ __forceinline__ void keep_scores(int group, const float (&sums)[2][4], float (&squares)[2]) const {
    unsigned high[4];
    unsigned low[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float first = sums[i / 2][i % 2 * 2] * launch_.score_scale;
      const float second = sums[i / 2][i % 2 * 2 + 1] * launch_.score_scale;
      squares[i % 2] = fmaf(first, first, fmaf(second, second, squares[i % 2]));
      split(first, second, high[i], low[i]);
    }
    uint4* const to = scores() + group * 2 * warp_size;
    to[0] = {high[0], high[1], high[2], high[3]};
    to[warp_size] = {low[0], low[1], low[2], low[3]};
  }

  // Or readouts of dense memories.

  /// Warps have read all states before new ones come.
  __device__ __forceinline__ void read_states(Readouts (&readouts)[kept_blocks]) {
    keep_states();
    meet();
    read_out(0, readouts);
    if (job_.wants_energy) {
      float products[2] = {};
      add_products(readouts, products);
      take_sums(score_squares, products);
      publish_outcomes();
    }
    meet();
  }

  /// As left operands of readouts.
  __device__ __forceinline__ void keep_states() const {
#pragma unroll
    for (int step = 0; step < warp_steps; ++step) {
      const int group = member_ * warp_steps + step;
      if (group >= layout_.groups) break;
      const Operand rows = operand_of(x_[step]);
      uint4* const to = scores() + group * 2 * warp_size;
      to[0] = {rows.high.pairs[0], rows.high.pairs[1], rows.high.pairs[2], rows.high.pairs[3]};
      to[warp_size] = {rows.low.pairs[0], rows.low.pairs[1], rows.low.pairs[2], rows.low.pairs[3]};
    }
  }

  __device__ __forceinline__ void add_products(Readouts (&readouts)[kept_blocks], float (&products)[2]) const {
    stay_in_branch();
#pragma unroll
    for (int step = 0; step < warp_steps; ++step) {
      if (step % block_steps == 0 && !has_step(step)) break;
#pragma unroll
      for (int e = 0; e < 8; ++e)
        products[e / 4] = fmaf(x_[step][e], at(readouts[step / block_steps][step % block_steps], e), products[e / 4]);
    }
  }

  // The second half of a step: new states.

  /// `kept`: readouts of dense memories.
  __device__ __forceinline__ void advance(Readouts (&kept)[kept_blocks]) {
    const Factors factors[2] = {factors_of(scale_[0]), factors_of(scale_[1])};
    StateSums sums;
#pragma unroll
    for (int block = 0; block < warp_steps; block += block_steps) {
      if (!has_step(block)) break;
      if constexpr (is_dense) {
        update(block, factors, kept[block / block_steps], sums);
      } else {
        Readouts readouts[1];
        read_out(block, readouts);
        update(block, factors, readouts[0], sums);
      }
    }
    checked_ = careful_;
    if (checked_) take_sums(oddities, sums.oddities);
    if (watches_change()) take_sums(changes, sums.changes);
    if (have_faint(factors[0].unit, factors[1].unit)) {
      keep_faint(factors, sums);
    } else {
#pragma unroll
      for (int row = 0; row < 2; ++row) scale_[row] = later_scale(row);
    }
    if (!is_dense && job_.wants_energy) take_sums(state_squares, sums.squares);
  }

  /// From the first step on all that moves is at most 1.
  [[nodiscard]] __device__ __forceinline__ float later_scale(int row) const {
    return is_masked() ? later_scale_[row] : state_scale;
  }

  /// Of states of a scale, in what their next ones are made of. Never infinite, so that 0 stays 0.
  struct Factors {
    float readout;
    float state;  ///< where it is the same for all neurons
    float unit;   ///< of the state
  };

  [[nodiscard]] __device__ __forceinline__ Factors factors_of(float scale) const {
    const float unit = split_unit(scale);
    const float state = fmaxf(fminf(launch_.uniform_factor * unit, largest_float), -largest_float);
    return {fminf(launch_.readout_unit * unit, largest_float), state, unit};
  }

  /// What a lane adds up of its two states.
  struct StateSums {
    float oddities[2] = {};  ///< 0, or NaN where a readout isn't finite
    float changes[2] = {};
    float squares[2] = {};  ///< of scaled states, times the negative diagonal, unless that is uniform
  };

  /// Of all blocks that are kept, from one on.
  __device__ __forceinline__ void read_out(int block, Readouts (&readouts)[kept_blocks]) const {
    const uint4* from = scores();
    unsigned at = first_readout_row_ + static_cast<unsigned>(block * step_neurons * 2);
    read_group<Start::yes>(from, at, readouts);
    int left = layout_.groups - 1;
#pragma unroll 1
    for (; left >= unrolled_groups; left -= unrolled_groups) read_groups<unrolled_groups>(from, at, readouts);
#pragma unroll 1
    for (; left > 0; --left) read_groups<1>(from, at, readouts);
  }

  /// As many as registers allow.
#if __CUDA_ARCH__ >= 1000
  static constexpr int unrolled_groups = 1;
#else
  static constexpr int unrolled_groups = !is_dense && planes == 1 ? 3 : 1;
#endif

  /// Of so many next ones.
  template <int count>
  __device__ __forceinline__ void read_groups(const uint4*& from, unsigned& at,
                                              Readouts (&readouts)[kept_blocks]) const {
#pragma unroll
    for (int i = 0; i < count; ++i) {
      from += 2 * warp_size;
      at += static_cast<unsigned>(group_patterns * layout_.row_bytes);
      read_group<Start::no>(from, at, readouts);
    }
  }

  /// Whether a group of patterns is the first: sums start from 0.
  enum class Start : bool { no, yes };

  template <Start start>
  __device__ __forceinline__ void read_group(const uint4* from, unsigned at, Readouts (&readouts)[kept_blocks]) const {
    const uint4 high_rows = from[0];
    const uint4 low_rows = from[warp_size];
    const Operand rows{{{high_rows.x, high_rows.y, high_rows.z, high_rows.w}},
                       {{low_rows.x, low_rows.y, low_rows.z, low_rows.w}}};
#pragma unroll
    for (int step = 0; step < kept_blocks * block_steps; ++step) {
      if (step > 0 && step % block_steps == 0 && !has_step(step)) break;
      float(&sums)[2][4] = readouts[step / block_steps][step % block_steps];
      unsigned high[4];
      unsigned low[4];
      load_transposed_matrices(high, at + step * step_neurons * 2);
      if constexpr (planes == 2)
        load_transposed_matrices(low, at + static_cast<unsigned>(layout_.low) + step * step_neurons * 2);
      if constexpr (start == Start::yes) {
#pragma unroll
        for (auto& tile : sums)
#pragma unroll
          for (float& sum : tile) sum = 0.0F;
      }
      add_product(rows, high, low, sums);
    }
  }

  [[nodiscard]] __device__ __forceinline__ static float& at(float (&sums)[2][4], int i) {
    return sums[i % 4 / 2][i / 4 * 2 + i % 2];
  }

  /// Of floats, one for each neuron, which start there.
  [[nodiscard]] __device__ __forceinline__ float4 four_of(int values, int step) const {
    return reinterpret_cast<const float4*>(neurons_ + values)[step * step_neurons / 4];
  }

  /// New states in the place of old ones. Readouts become what is of use.
  __device__ __forceinline__ void update(int block, const Factors (&factors)[2], Readouts& readouts, StateSums& sums) {
    if (careful_) add_oddities(block, readouts, sums);
    add_states(block, factors, readouts);
#pragma unroll
    for (int i = 0; i < block_steps; ++i)
#pragma unroll
      for (int e = 0; e < 8; ++e) at(readouts[i], e) = rational_tanh(FloatOps{}, at(readouts[i], e), state_scale);
    if (is_masked()) keep_clamped(block, factors, readouts);
    if (watches_change()) add_changes(block, factors, readouts, sums);
#pragma unroll
    for (int i = 0; i < block_steps; ++i)
#pragma unroll
      for (int e = 0; e < 8; ++e) x_[block + i][e] = at(readouts[i], e);
    if (!is_dense && job_.wants_energy) add_squares(block, sums);
  }

  /// To readouts, for what the next states are of.
  __device__ __forceinline__ void add_states(int block, const Factors (&factors)[2], Readouts& readouts) const {
    if (is_dense || launch_.is_uniform) {
#pragma unroll
      for (int i = 0; i < block_steps; ++i)
#pragma unroll
        for (int e = 0; e < 8; ++e) {
          float& value = at(readouts[i], e);
          value = fmaf(factors[e / 4].readout, value, factors[e / 4].state * x_[block + i][e]);
        }
      return;
    }
    stay_in_branch();
#pragma unroll
    for (int i = 0; i < block_steps; ++i) {
      const float4 own = four_of(layout_.factors, block + i);
#pragma unroll
      for (int e = 0; e < 8; ++e) {
        float& value = at(readouts[i], e);
        const float state = element(own, e % 4) * (factors[e / 4].unit * x_[block + i][e]);
        value = fmaf(factors[e / 4].readout, value, state);
      }
    }
  }

  /// What is in a branch stays there: it is not worth computing in vain.
  __device__ __forceinline__ static void stay_in_branch() { asm volatile(""); }

  /// By the readouts as they are without the update's gain.
  __device__ __forceinline__ void add_oddities(int block, Readouts& readouts, StateSums& sums) const {
    stay_in_branch();
    const ReadoutUnit unit[2] = {readout_unit(scale_[0]), readout_unit(scale_[1])};
    const float state_unit[2] = {split_unit(scale_[0]), split_unit(scale_[1])};
#pragma unroll
    for (int i = 0; i < block_steps; ++i) {
      const float4 own = is_dense ? float4{} : four_of(layout_.diagonal, block + i);
#pragma unroll
      for (int e = 0; e < 8; ++e) {
        const float part = at(readouts[i], e) * unit[e / 4].first;
        const float state = element(own, e % 4) * (state_unit[e / 4] * x_[block + i][e]);
        const float readout = fmaf(part, unit[e / 4].second, launch_.diagonal_unit * state);
        sums.oddities[e / 4] = fmaf(readout, 0.0F, sums.oddities[e / 4]);
      }
    }
  }

  /// Two factors, for the whole may lie out of float's range where the readout doesn't.
  struct ReadoutUnit {
    float first;
    float second;
  };

  [[nodiscard]] __device__ __forceinline__ ReadoutUnit readout_unit(float scale) const {
    // The least sum other than 0 is above 2⁻⁵⁰, the largest below 2⁵⁰: beyond 200 nothing changes.
    const int exponent =
        min(max(launch_.readout_exponent + 127 - static_cast<int>(__float_as_uint(scale) >> 23), -200), 200);
    return {power_of_two(127 + exponent / 2), power_of_two(127 + exponent - exponent / 2)};
  }

  /// And brings all to the scale that leaves room for them.
  __device__ __forceinline__ void keep_clamped(int block, const Factors (&factors)[2], Readouts& values) const {
    stay_in_branch();
    const float moved[2] = {later_scale_[0] * split_unit(state_scale), later_scale_[1] * split_unit(state_scale)};
    const float kept[2] = {later_scale_[0] * factors[0].unit, later_scale_[1] * factors[1].unit};
#pragma unroll
    for (int i = 0; i < block_steps; ++i)
#pragma unroll
      for (int e = 0; e < 8; ++e) {
        float& value = at(values[i], e);
        value = is_clamped(e / 4, (block + i) * 4 + e % 4) ? kept[e / 4] * x_[block + i][e] : moved[e / 4] * value;
      }
  }

  __device__ __forceinline__ void add_changes(int block, const Factors (&factors)[2], Readouts& values,
                                              StateSums& sums) const {
    stay_in_branch();
    const float unit[2] = {split_unit(later_scale(0)), split_unit(later_scale(1))};
#pragma unroll
    for (int i = 0; i < block_steps; ++i)
#pragma unroll
      for (int e = 0; e < 8; ++e) {
        const float change = unit[e / 4] * at(values[i], e) - factors[e / 4].unit * x_[block + i][e];
        sums.changes[e / 4] = fmaf(change, change, sums.changes[e / 4]);
      }
  }

  __device__ __forceinline__ void add_squares(int block, StateSums& sums) const {
    stay_in_branch();
    if (launch_.is_uniform) {
#pragma unroll
      for (int i = 0; i < 8 * block_steps; ++i) {
        const float x = x_[block + i / 8][i % 8];
        sums.squares[i % 8 / 4] = fmaf(x, x, sums.squares[i % 8 / 4]);
      }
      return;
    }
    stay_in_branch();
#pragma unroll
    for (int i = 0; i < block_steps; ++i) {
      const float4 own = four_of(layout_.diagonal, block + i);
#pragma unroll
      for (int e = 0; e < 8; ++e) {
        const float x = x_[block + i][e];
        sums.squares[e / 4] = fmaf(element(own, e % 4) * x, x, sums.squares[e / 4]);
      }
    }
  }

  // States of queries that came so faint, and as long as they are. Others have little to lose at one scale for all.

  /// By its unit.
  [[nodiscard]] __device__ __forceinline__ static bool is_faint(float unit) { return unit <= 1.0F / least_faint_scale; }

  /// Whether the team has any, of units of the lane's states: all its warps know those of all states.
  [[nodiscard]] __device__ __forceinline__ static bool have_faint(float first, float second) {
    return __any_sync(all_lanes, is_faint(fminf(first, second)));
  }

  /// Brings new states that are still below 2⁻¹² to scales of their own, for fp16's floor isn't far below them.
  __device__ __forceinline__ void keep_faint(const Factors (&factors)[2], StateSums& sums) {
    stay_in_branch();
    float most[2] = {};
#pragma unroll
    for (int i = 0; i < 8 * warp_steps; ++i) most[i % 8 / 4] = larger_magnitude(most[i % 8 / 4], x_[i / 8][i % 8]);
    constexpr unsigned all_states = (1U << team_states) - 1;
#pragma unroll
    for (int half = 0; half < 2; ++half) gather(magnitudes, half, most[half]);
    meet();
    if (!is_alone()) find_largest(magnitudes, all_states, most);
    meet();
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const bool stays = is_faint(factors[half].unit) && most[half] < 0x1p-12F * state_scale;
      const float factor = stays ? fminf(split_scale(most[half]), 0x1p112F) : 1.0F;
      scale_[half] = factor * later_scale(half);
#pragma unroll
      for (int i = 0; i < lane_neurons; ++i) x_[i / 4][4 * half + i % 4] *= factor;
    }
    if (is_dense || !job_.wants_energy) return;
    sums = {};
#pragma unroll
    for (int block = 0; block < warp_steps; block += block_steps)
      if (has_step(block)) add_squares(block, sums);
  }

  // Halting: lane i < 16 judges state i.

  [[nodiscard]] __device__ __forceinline__ bool watches_change() const {
    return jobs == Jobs::any && job_.halting.watch == Halting::Watch::state;
  }

  /// States whose queries have come to their end, a bit each. Writes their numbers.
  [[nodiscard]] __device__ __forceinline__ unsigned ended() {
    if (query_ >= 0) ++steps_;
    if (!job_.wants_energy && !watches_change() && !checked_) return ended_by_steps();
    if (!job_.wants_energy) {
      publish_outcomes();
      meet();
    }
    if (is_alone()) return __ballot_sync(all_lanes, ends(state_unit()));
    auto* const shared = reinterpret_cast<unsigned*>(own_ + layout_.ended);
    if (is_judge()) {
      const unsigned result = __ballot_sync(all_lanes, ends(state_unit()));
      if (lane_ == 0) *shared = result;
    }
    meet();
    return *shared;
  }

  /// Where all that counts is their number, every warp counts.
  [[nodiscard]] __device__ __forceinline__ unsigned ended_by_steps() const {
    detail::EndJudge any;
    return __ballot_sync(all_lanes,
                         has_stepped() && resident::ends(job_, end_rule(), query_, steps_, {}, 0.0, any, writes()));
  }

  /// Tanh updates of linear memories have neither cycles nor schedules.
  [[nodiscard]] __device__ __forceinline__ detail::EndRule end_rule() const {
    detail::EndRule rule{.halting = job_.halting, .max_steps = job_.max_steps, .wants_energy = job_.wants_energy};
    if (jobs == Jobs::plain && rule.halting.watch != Halting::Watch::energy)
      rule.halting.watch = Halting::Watch::nothing;
    return rule;
  }

  [[nodiscard]] __device__ __forceinline__ resident::Writes writes() const {
    return is_judge() ? resident::Writes::yes : resident::Writes::no;
  }

  /// Whether the lane's state has a query that has taken a step.
  [[nodiscard]] __device__ __forceinline__ bool has_stepped() const { return query_ >= 0 && steps_ > 0; }

  /// Of the lane's state, in that of states below 1.
  [[nodiscard]] __device__ __forceinline__ float state_unit() const {
    const bool is_usual = fmaxf(scale_[0], scale_[1]) < least_faint_scale;
    return !is_masked() && __all_sync(all_lanes, is_usual) ? 1.0F : state_scale * split_unit(of_state(scale_));
  }

  [[nodiscard]] __device__ __forceinline__ bool ends(float state_unit) const {
    if (!has_stepped()) return false;
    const bool finite = !checked_ || total(oddities) == 0.0;
    const double change = watches_change() ? total(changes) : 0.0;
    return resident::ends(job_, end_rule(), query_, steps_, {finite, change, false},
                          job_.wants_energy ? energy(state_unit) : 0.0, judge());
  }

  [[nodiscard]] __device__ __forceinline__ double energy(float state_unit) const {
    const double of_states = is_dense ? 0.0 : total(state_squares) * launch_.state_weight;
    const double energy = fma(total(score_squares), launch_.score_weight, of_states);
    if (state_unit == 1.0F) return energy;
    const double unit = static_cast<double>(state_unit);
    return energy * unit * unit;
  }

  // Exchange of queries. A quad has a state of the first eight and one of the others.

  /// Writes the states of queries that have ended.
  __device__ __forceinline__ void depart(unsigned departing) {
    if (departing == 0) return;
    store_half<0>(departing);
    store_half<1>(departing);
    if ((departing >> lane_ & 1U) != 0) query_ = -1;
  }

  template <int half>
  __device__ __forceinline__ void store_half(unsigned departing) const {
    if (!has_half(departing, half)) return;
    const int row = lane_ / 4 + 8 * half;
    const int query = __shfl_sync(all_lanes, query_, row);
    if ((departing >> row & 1U) == 0) return;
    float* const to = job_.states.row(query) + my_neuron();
    const float unit = split_unit(scale_[half]);
    if constexpr (jobs == Jobs::plain) {
#pragma unroll
      for (int step = 0; step < warp_steps; ++step) {
        const float* const x = x_[step] + 4 * half;
        store_passing4(to + step * step_neurons, {unit * x[0], unit * x[1], unit * x[2], unit * x[3]});
      }
    } else {
      const float* const from = job_.queries.row(query) + my_neuron();
#pragma unroll
      for (int i = 0; i < lane_neurons; ++i)
        if (is_neuron(i))
          to[offset_of(i)] = is_clamped(half, i) ? from[offset_of(i)] : unit * x_[i / 4][4 * half + i % 4];
    }
  }

  /// Of the lane's neurons. What it keeps is what came: of the smallest, the scale of the largest leaves less.
  [[nodiscard]] __device__ __forceinline__ bool is_clamped(int half, int neuron) const {
    return (clamped_[half] >> neuron & 1U) != 0;
  }

  /// Gives idle states the next queries. One that isn't finite departs at once. False if there is none left.
  __device__ __forceinline__ bool arrive() {
    const bool is_idle = lane_ < team_states && query_ < 0;
    const unsigned idle = __ballot_sync(all_lanes, is_idle);
    if (idle == 0) return true;
    if (has_queries()) {
      const unsigned arriving = __ballot_sync(all_lanes, assign(idle, is_idle));
      if (arriving != 0) load(arriving);
    }
    return __any_sync(all_lanes, query_ >= 0) || has_queries();
  }

  /// Whether there may be queries that wait.
  [[nodiscard]] __device__ __forceinline__ bool has_queries() const { return !exhausted_ || reserved_ < reserved_end_; }

  /// Whether the lane's state has got a query.
  __device__ __forceinline__ bool assign(unsigned idle, bool is_idle) {
    const int wanted = __popc(idle);
    const int rank = __popc(idle & ((1U << lane_) - 1));
    const int left = reserved_end_ - reserved_;
    int mine = rank < left ? reserved_ + rank : -1;
    reserved_ += min(left, wanted);
    if (wanted > left && !exhausted_) {
      const int more = wanted - left;
      const int count = max(more, launch_.reserved);
      const int first = reserve(count);
      const auto queries = static_cast<int>(job_.queries.rows);
      exhausted_ = first + count >= queries;
      reserved_end_ = min(first + count, queries);
      reserved_ = min(first + more, reserved_end_);
      if (rank >= left && first + rank - left < reserved_end_) mine = first + rank - left;
    }
    if (!is_idle || mine < 0) return false;
    query_ = mine;
    steps_ = job_.wants_energy ? -1 : 0;
    if (is_judge()) appoint_judge();
    return true;
  }

  /// By one store, where an assignment takes one for each byte.
  __device__ __forceinline__ void appoint_judge() const {
    const detail::EndJudge fresh;
    uint4 bytes;
    memcpy(&bytes, &fresh, sizeof(bytes));
    *reinterpret_cast<uint4*>(&judge()) = bytes;
  }

  /// The first of `count` queries that no other team gets; they may lie past the last one. Warps meet in every step, so
  /// all have read it before the next one is written; magnitudes of those that arrive, too.
  __device__ __forceinline__ int reserve(int count) const {
    auto* const shared = reinterpret_cast<int*>(own_ + layout_.next_query);
    int first = 0;
    if (lane_ == 0 && member_ == 0) {
      first = static_cast<int>(atomicAdd(launch_.next_query, static_cast<QueryCounter>(count)));
      if (!is_alone()) *shared = first;
    }
    if (is_alone()) return __shfl_sync(all_lanes, first, 0);
    meet();
    return *shared;
  }

  __device__ __forceinline__ void load(unsigned arriving) {
    float most[2] = {};
    float most_clamped[2] = {};
    load_half<0>(arriving, most[0], most_clamped[0]);
    load_half<1>(arriving, most[1], most_clamped[1]);
    if (!is_alone()) {
      meet();
      find_largest(magnitudes, arriving, most);
      if (is_masked()) find_largest(clamped_magnitudes, arriving, most_clamped);
    }
    bool is_usual = true;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      if ((arriving >> (lane_ / 4 + 8 * half) & 1U) == 0) continue;
      is_usual = is_usual && most[half] < INFINITY && is_safe(most[half]);
      scale_[half] = split_scale(most[half]);
      if (is_masked()) later_scale_[half] = split_scale(fmaxf(most_clamped[half], 1.0F));
#pragma unroll
      for (int i = 0; i < lane_neurons; ++i) x_[i / 4][4 * half + i % 4] *= scale_[half];
    }
    if (!__all_sync(all_lanes, is_usual)) inspect(arriving, of_state(most));
  }

  [[nodiscard]] __device__ __forceinline__ bool is_safe(float magnitude) const {
    return fmaxf(magnitude, 1.0F) < launch_.safe_magnitude;
  }

  /// The largest that the warp has of a half of its states, for the quad's, and for the team once it has met.
  __device__ __forceinline__ void gather(Part kind, int half, float& value) const {
    value = larger_magnitude(value, __shfl_xor_sync(all_lanes, value, 1));
    value = larger_magnitude(value, __shfl_xor_sync(all_lanes, value, 2));
    if (!is_alone() && lane_ % 4 == 0) *part_of(kind, member_, lane_ / 4 + 8 * half) = value;
  }

  /// The largest of all that the team has, of the lane's two states.
  __device__ __forceinline__ void find_largest(Part kind, unsigned arriving, float (&values)[2]) const {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      if (!has_half(arriving, half)) continue;
#pragma unroll 1
      for (int member = 0; member < layout_.members; ++member)
        values[half] = larger_magnitude(values[half], *part_of(kind, member, lane_ / 4 + 8 * half));
    }
  }

  [[nodiscard]] __device__ __forceinline__ static bool has_half(unsigned states, int half) {
    return (states >> (8 * half) & 0xFFU) != 0;
  }

  /// For the lane's state, of what quads have for their two.
  [[nodiscard]] __device__ __forceinline__ float of_state(const float (&values)[2]) const {
    const float first = __shfl_sync(all_lanes, values[0], lane_ % 8 * 4);
    const float second = __shfl_sync(all_lanes, values[1], lane_ % 8 * 4);
    return lane_ / 8 % 2 == 0 ? first : second;
  }

  /// Queries of such magnitudes, one of which isn't finite or might not stay so.
  __device__ __forceinline__ void inspect(unsigned arriving, float magnitude) {
    const bool arrives = (arriving >> lane_ & 1U) != 0;
    careful_ = careful_ || __any_sync(all_lanes, arrives && !is_safe(magnitude));
    const bool rejected = arrives && !isfinite(magnitude);
    if (rejected && is_judge()) resident::write_end(job_, query_, 0, resident::not_a_number(), Status::diverged);
    for (unsigned left = __ballot_sync(all_lanes, rejected); left != 0; left &= left - 1)
      copy(__shfl_sync(all_lanes, query_, __ffs(static_cast<int>(left)) - 1));
    if (rejected) query_ = -1;
  }

  /// A query as it came, for its state.
  __device__ __forceinline__ void copy(int query) const {
    const float* const from = job_.queries.row(query);
    float* const to = job_.states.row(query);
    const int end = min((member_ + 1) * warp_neurons, layout_.dimension);
#pragma unroll 1
    for (int i = member_ * warp_neurons + lane_; i < end; i += warp_size) to[i] = from[i];
  }

  /// And the largest magnitudes that come.
  template <int half>
  __device__ __forceinline__ void load_half(unsigned arriving, float& most, float& most_clamped) {
    if (!has_half(arriving, half)) return;
    const int row = lane_ / 4 + 8 * half;
    const int query = __shfl_sync(all_lanes, query_, row);
    if ((arriving >> row & 1U) != 0) load_row<half>(query, most, most_clamped);
    gather(magnitudes, half, most);
    if (is_masked()) gather(clamped_magnitudes, half, most_clamped);
  }

  template <int half>
  __device__ __forceinline__ void load_row(int query, float& most, float& most_clamped) {
    const float* const from = job_.queries.row(query) + my_neuron();
    if constexpr (jobs == Jobs::plain) {
#pragma unroll
      for (int step = 0; step < warp_steps; ++step) {
        const float4 values = load_passing4(from + step * step_neurons);
#pragma unroll
        for (int i = 0; i < 4; ++i) x_[step][4 * half + i] = element(values, i);
      }
    } else {
#pragma unroll
      for (int i = 0; i < lane_neurons; ++i) x_[i / 4][4 * half + i % 4] = is_neuron(i) ? from[offset_of(i)] : 0.0F;
    }
#pragma unroll
    for (int i = 0; i < lane_neurons; ++i) most = larger_magnitude(most, x_[i / 4][4 * half + i % 4]);
    if (is_masked()) clamped_[half] = clamped_neurons(query, most_clamped);
  }

  /// And the largest magnitude that they have.
  [[nodiscard]] __device__ __forceinline__ unsigned clamped_neurons(int query, float& most) const {
    const std::uint8_t* const clamped = job_.clamped.row(query) + my_neuron();
    const float* const from = job_.queries.row(query) + my_neuron();
    unsigned word = 0;
#pragma unroll 1
    for (int i = 0; i < lane_neurons; ++i) {
      if (!is_neuron(i) || clamped[offset_of(i)] == 0) continue;
      word |= 1U << i;
      most = larger_magnitude(most, from[offset_of(i)]);
    }
    return word;
  }

  const Launch& launch_;
  const Layout& layout_;
  const Job& job_;
  int lane_;
  int team_;
  int member_;
  std::byte* own_;            ///< the team's memory
  const std::byte* neurons_;  ///< the block's memory, as far on as the lane's first neuron in floats
  unsigned first_score_row_;  ///< addresses, of what the lane loads of the first group
  unsigned first_readout_row_;
  bool masked_;  ///< some neurons are clamped

  // States lane/4 and lane/4 + 8, times their scale: four neurons of each of every step.
  float x_[warp_steps][8] = {};
  float scale_[2] = {1.0F, 1.0F};
  float later_scale_[2] = {1.0F, 1.0F};  ///< from the first step on, where neurons are clamped
  unsigned clamped_[2] = {};             ///< a bit for each neuron

  // Of state `lane`.
  int query_ = -1;
  int steps_ = 0;
  float parts_[6] = {};  ///< of the warp

  // Queries that are the team's.
  int reserved_ = 0;
  int reserved_end_ = 0;
  bool exhausted_ = false;

  bool careful_ = false;  ///< some readout might leave the range of float, so all are looked at
  bool checked_ = false;  ///< they were in the last step
};

}  // namespace attractor::cuda::teams
