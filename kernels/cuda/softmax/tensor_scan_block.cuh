#pragma once

/// The softmax scan on tensor cores. A warp holds 16 or 32 states and lets its part of the patterns pass by, 32 at a
/// time, from a tile in shared memory that it shares with the block's other warps: scores, online softmax, readout. The
/// scores' sums lie in registers as the readout's left operand does, so that weights don't leave their thread.
///
/// Floats are multiplied as sums of two fp16 terms each. A state's row is scaled by a power of two so that its largest
/// magnitude is 2¹⁴ to 2¹⁵, weights by 2¹⁵, matrices as in half_matrix.hpp; x = high + low + e, |low| ≤ 2⁻¹¹|x|,
/// |e| ≤ 2⁻²³|x| or, at fp16's floor, 2⁻³⁹ of the largest. Of the four products of terms low·low is left out.
///
/// What a score errs by, with u = 2⁻²⁴, on devices that align what they add to the largest of it, drop all below
/// float's last place, and do so again with the sum: a step of 16 columns adds 17 values of at most ‖x'‖‖a'‖, x' and a'
/// being what the step sees of the state and the pattern, and so errs by at most 2u·18·‖x'‖‖a'‖; where it is done in
/// two times 8, by 2u·20. Each step begins with 0, and steps are added up as floats; their ‖x'‖‖a'‖ add up to at most
/// ‖x‖‖a‖. So that is 40u, and u for each step. Products with low terms, 2⁻¹¹ of the others, add less than u; e and
/// low·low 8u; the floor √D u/8, since no row of patterns is below 2⁻¹² of the largest. In all
///   |error| ≤ (49 + D/16 + √D/8) u ‖x‖‖a‖,
/// and below 16 columns 2(D + 4) in place of 40, where a chain of float multiply-adds errs by up to D u.
///
/// Of readouts, a tile's 32 patterns are two steps, then added up as floats: 89u and u for each tile of a run, of
/// Σ w|c|; and P·2⁻¹⁶u of the largest c for the floor of weights, 2⁻⁴⁰ of the largest.
///
/// Rounded scans know the high terms alone, |e| ≤ 2⁻¹¹|x|, of one product instead of three, and leave it to tensor
/// cores to add up the steps of scores. Each step adds to what the ones before have, at most ‖x‖‖a‖, and errs by 40u of
/// that. Factors of 11 bits make it 2⁻¹⁰ + 2⁻²², or where one of them is exact 2⁻¹¹; with the floor
///   |error| ≤ (2⁻¹⁰ + (5 + 40⌈D/16⌉ + √D/8) u) ‖x‖‖a‖,
/// and 2(D + 4) in place of 40 below 16 columns. Readouts err by 2⁻¹⁰ + 2⁻²² of Σ w|c| more, or 2⁻¹¹ where contents are
/// exact; sums of weights are those of floats.
///
/// What happens to a state depends on that state alone. A warp skips what all its states agree to skip, and that would
/// have multiplied by 1 or added 0.

#include <cuda_pipeline.h>

#include <cstddef>

#include "kernels/cuda/device/compensated_sum.cuh"
#include "kernels/cuda/device/quad.cuh"
#include "kernels/cuda/device/tensor.cuh"
#include "kernels/cuda/softmax/softmax_scan.hpp"

namespace attractor::cuda::softmax {

inline constexpr int tensor_tile = 32;  ///< patterns

/// How many fp16 terms values are taken apart into, states and weights, and how many planes of patterns and contents
/// are read.
enum class ScanTerms : unsigned char {
  rounded,    ///< one of both
  one_plane,  ///< two of values; the second plane would be 0
  two_planes  ///< two of both
};
constexpr int value_terms(ScanTerms terms) { return terms == ScanTerms::rounded ? 1 : 2; }
constexpr int plane_count(ScanTerms terms) { return terms == ScanTerms::two_planes ? 2 : 1; }

/// How a block's threads share the work.
template <int steps_, int row_tiles_, int most_warps_>
struct TensorScheme {
  /// States and contents have up to 16·steps columns.
  static constexpr int steps = steps_;
  static constexpr int columns = tensor_depth * steps;
  static constexpr int row_tiles = row_tiles_;  ///< of 16 states, a warp's
  static constexpr int warp_states = tensor_rows * row_tiles;
  static constexpr int most_warps = most_warps_;

  /// Of a tile's rows, in units of 16 bytes: odd, so that 8 rows meet no bank twice.
  static constexpr int row_chunks = columns / 8;
  static constexpr int pitch = row_chunks + 1;
  static constexpr int plane = tensor_tile * pitch;
  /// What each lane keeps for itself, of states of so many terms.
  static constexpr int state_chunks(int terms) { return terms * row_tiles * steps; }
  static constexpr int row_chunks_of_lane = 2 * row_tiles;
  static constexpr int warp_chunks(int terms) { return warp_size * (state_chunks(terms) + row_chunks_of_lane); }

  static constexpr std::size_t shared_bytes(int warps, ScanTerms terms, bool one_matrix) {
    const int stage = plane * plane_count(terms) * (one_matrix ? 1 : 2);
    return sizeof(uint4) * static_cast<std::size_t>(2 * stage + warps * warp_chunks(value_terms(terms)));
  }
};

/// One block's work. Methods are called by all lanes of a warp.
/// @tparam shifted_scores there is more to scores than products
template <class S, ScanTerms terms, bool shifted_scores>
class TensorScanner {
 public:
  __device__ TensorScanner(const SoftmaxScan& scan, bool one_matrix, float cutoff, uint4* shared)
      : scan_(scan),
        one_matrix_(one_matrix),
        cutoff_(cutoff * log2_e),
        lane_(static_cast<int>(threadIdx.x) % warp_size),
        first_row_(((static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x) / warp_size) * S::warp_states),
        rows_left_(static_cast<int>(min(scan.rows - first_row_, Index{S::warp_states}))),
        first_column_(static_cast<int>(blockIdx.z) * S::columns),
        tiles_(shared),
        kept_states_(shared + 2 * stage_chunks() + threadIdx.x / warp_size * warp_chunks + lane_),
        kept_rows_(reinterpret_cast<float*>(kept_states_ - lane_ + warp_size * state_chunks) + lane_) {}

  __device__ void run() {
    const Index tiles = (scan_.pattern_count + tensor_tile - 1) / tensor_tile;
    const auto begin = static_cast<int>(tiles * blockIdx.y / scan_.splits);
    const auto end = static_cast<int>(tiles * (blockIdx.y + 1) / scan_.splits);
    if (begin < end) fetch(begin);
    load_states();
    const auto run = static_cast<int>(min(scan_.run_patterns / tensor_tile, Index{end}));
    int run_end = begin + run;
    for (int tile = begin; tile < end; ++tile) {
      __pipeline_wait_prior(0);
      __syncthreads();
      if (tile + 1 < end) fetch(tile + 1);
      if (rows_left_ <= 0) continue;
      if (tile == run_end && scan_.remainders != nullptr) {
        end_run();
        run_end += run;
      }
      pass(tile);
    }
    if (rows_left_ > 0) store();
  }

 private:
  static constexpr float log2_e = 0x1.715476p+0F;
  static constexpr float weight_scale = 0x1p15F;
  static constexpr int patterns_of_lane = tensor_tile / tensor_columns;  ///< pairs of them
  static constexpr int pattern_steps = tensor_tile / tensor_depth;
  static constexpr int values = value_terms(terms);
  static constexpr int planes = plane_count(terms);
  static constexpr int state_chunks = S::state_chunks(values);
  static constexpr int warp_chunks = S::warp_chunks(values);

  __device__ int stage_chunks() const { return S::plane * planes * (one_matrix_ ? 1 : 2); }
  __device__ uint4* pattern_tile(int tile) const { return tiles_ + (tile & 1) * stage_chunks(); }
  __device__ uint4* content_tile(int tile) const { return pattern_tile(tile) + (one_matrix_ ? 0 : S::plane * planes); }

  __device__ int patterns_left(int tile) const {
    return static_cast<int>(min(scan_.pattern_count - Index{tile} * tensor_tile, Index{tensor_tile}));
  }

  __device__ void fetch(int tile) const {
    fetch(scan_.pattern_halves, 0, tile, pattern_tile(tile));
    if (!one_matrix_) fetch(scan_.content_halves, first_column_, tile, content_tile(tile));
    __pipeline_commit();
  }

  /// Starts to copy a tile. Columns and rows that aren't there become 0.
  __device__ __forceinline__ void fetch(const HalfMatrixView& matrix, int first_column, int tile, uint4* to) const {
    const int step = static_cast<int>(blockDim.x) / S::row_chunks;
    const int chunk = static_cast<int>(threadIdx.x) % S::row_chunks;
    const int first = static_cast<int>(threadIdx.x) / S::row_chunks;
    const int rows = first_column + 8 * chunk < matrix.stride ? patterns_left(tile) : 0;
#pragma unroll
    for (int term = 0; term < planes; ++term) {
      const std::uint16_t* const plane = term == 0 ? matrix.high : matrix.low;
      const std::uint16_t* const from = plane + Index{tile} * tensor_tile * matrix.stride + first_column + 8 * chunk;
      for (int row = first; row < tensor_tile; row += step) {
        const bool there = row < rows && plane != nullptr;
        __pipeline_memcpy_async(to + term * S::plane + row * S::pitch + chunk,
                                there ? from + row * matrix.stride : matrix.high, sizeof(uint4),
                                there ? 0 : sizeof(uint4));
      }
    }
  }

  /// What a lane has of a row beside what it needs all the time.
  enum Kept {
    score_unit,   ///< of sums of products, in nats
    run_maximum,  ///< what the sums of the runs before are relative to
    sum_high,     ///< the sum of this lane's weights
    sum_low,
    kept_count
  };

  __device__ float& kept(int m, int half, Kept what) const {
    return kept_rows_[((2 * m + half) * kept_count + what) * warp_size];
  }
  __device__ CompensatedSum sum(int m, int half) const { return {kept(m, half, sum_high), kept(m, half, sum_low)}; }
  __device__ void keep_sum(int m, int half, const CompensatedSum& sum) const {
    kept(m, half, sum_high) = sum.high;
    kept(m, half, sum_low) = sum.low;
  }

  // States.

  __device__ int row_of(int tile, int half) const { return tensor_rows * tile + 8 * half + lane_ / 4; }

  __device__ void load_states() {
#pragma unroll
    for (int m = 0; m < S::row_tiles; ++m) {
      float largest[2] = {0.0F, 0.0F};
#pragma unroll
      for (int k = 0; k < S::steps; ++k)
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const float2 x = load_state(m, k, i);
          largest[i % 2] = fmaxf(largest[i % 2], fmaxf(fabsf(x.x), fabsf(x.y)));
        }
      float scales[2];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        scales[half] = split_scale(largest_of_quad(largest[half]));
        begin_row(m, half, scales[half]);
      }
#pragma unroll
      for (int k = 0; k < S::steps; ++k) {
        Operand x;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const float2 pair = load_state(m, k, i);
          take_apart(pair.x * scales[i % 2], pair.y * scales[i % 2], x, i);
        }
        keep_state(m, k, x);
      }
    }
  }

  /// The i-th pair of a step's left operand, 0 where there is none.
  __device__ __forceinline__ float2 load_state(int m, int k, int i) const {
    const int row = row_of(m, i % 2);
    const int column = tensor_depth * k + 8 * (i / 2) + 2 * (lane_ % 4);
    if (row >= rows_left_ || column >= scan_.dimension) return {0.0F, 0.0F};
    const float* const from = scan_.states + (first_row_ + row) * scan_.state_stride + column;
    if (column + 1 == scan_.dimension) return {from[0], 0.0F};
    return *reinterpret_cast<const float2*>(from);
  }

  /// A row that isn't there has a maximum that no score exceeds, so it has no weights.
  __device__ __forceinline__ void begin_row(int m, int half, float scale) {
    const int row = row_of(m, half);
    const bool scheduled = row < rows_left_ && !scan_.terms.schedule.empty();
    const double beta = scheduled ? scan_.terms.beta(first_row_ + row) : scan_.beta;
    const double unit = beta * static_cast<double>(scan_.pattern_halves.unit) * static_cast<double>(split_unit(scale));
    kept(m, half, score_unit) = clamped(unit);
    kept(m, half, run_maximum) = -INFINITY;
    keep_sum(m, half, {});
    maxima_[m][half] = row < rows_left_ ? -INFINITY : INFINITY;
  }

  /// Neither 0, which times −∞ is NaN, nor ∞, which times 0 is.
  __device__ static float clamped(double unit) { return static_cast<float>(fmin(fmax(unit, 0x1p-126), 0x1p127)); }

  /// A left operand, the high term first.
  struct Operand {
    TensorRows parts[values];
  };

  /// Two neighbours, the i-th pair of an operand.
  __device__ __forceinline__ static void take_apart(float first, float second, Operand& to, int i) {
    if constexpr (values == 2)
      split(first, second, to.parts[0].pairs[i], to.parts[1].pairs[i]);
    else
      to.parts[0].pairs[i] = pair_bits(__floats2half2_rn(first, second));
  }

  __device__ __forceinline__ uint4* kept_state(int m, int k, int term) const {
    return kept_states_ + (values * (m * S::steps + k) + term) * warp_size;
  }

  __device__ __forceinline__ void keep_state(int m, int k, const Operand& x) const {
#pragma unroll
    for (int term = 0; term < values; ++term) {
      const unsigned(&pairs)[4] = x.parts[term].pairs;
      *kept_state(m, k, term) = {pairs[0], pairs[1], pairs[2], pairs[3]};
    }
  }

  __device__ __forceinline__ Operand state(int m, int k) const {
    Operand x;
#pragma unroll
    for (int term = 0; term < values; ++term) {
      const uint4 pairs = *kept_state(m, k, term);
      x.parts[term] = {{pairs.x, pairs.y, pairs.z, pairs.w}};
    }
    return x;
  }

  // Scores, weights, readouts.

  __device__ __forceinline__ void pass(int tile) {
    score(pattern_tile(tile));
    if (patterns_left(tile) < tensor_tile) drop_patterns(patterns_left(tile));
    scale_scores();
    if constexpr (shifted_scores) shift_scores(tile);
    if (!raise_maxima()) return;
    Operand weights[pattern_steps][S::row_tiles];
    weigh(weights);
    read_out(weights, content_tile(tile));
  }

  /// a·x in units of the row, 16 columns at a time.
  __device__ __forceinline__ void score(const uint4* patterns) {
    const uint4* const from = patterns + (lane_ % 8 + lane_ / 16 * 8) * S::pitch + lane_ / 8 % 2;
    const unsigned address = address_of(from);
#pragma unroll
    for (int k = 0; k < S::steps; ++k) {
      Operand x[S::row_tiles];
#pragma unroll
      for (int m = 0; m < S::row_tiles; ++m) x[m] = state(m, k);
#pragma unroll
      for (int pair = 0; pair < patterns_of_lane / 2; ++pair) {
        const unsigned at = address + sizeof(uint4) * (tensor_depth * pair * S::pitch + 2 * k);
        unsigned high[4];
        load_matrices(high, at);
        if constexpr (values == 1) {
          add_to_scores(x, k, pair, high);
        } else {
          float sums[S::row_tiles][2][4];
          add_products<true>(sums, x, 1, high);
          if constexpr (planes == 2) {
            unsigned low[4];
            load_matrices(low, at + sizeof(uint4) * S::plane);
            add_products(sums, x, 0, low);
          }
          add_products(sums, x, 0, high);
          for_sums([&](int m, int n, int i) {
            float& score = scores_[m][2 * pair + n][i];
            score = k == 0 ? sums[m][n][i] : score + sums[m][n][i];
          });
        }
      }
    }
  }

  /// What tensor cores add up.
  __device__ __forceinline__ void add_to_scores(const Operand (&x)[S::row_tiles], int k, int pair,
                                                const unsigned (&patterns)[4]) {
#pragma unroll
    for (int m = 0; m < S::row_tiles; ++m)
#pragma unroll
      for (int n = 0; n < 2; ++n) {
        float(&score)[4] = scores_[m][2 * pair + n];
        if (k == 0)
          multiply_add(score, x[m].parts[0], patterns[2 * n], patterns[2 * n + 1], {0.0F, 0.0F, 0.0F, 0.0F});
        else
          multiply_add(score, x[m].parts[0], patterns[2 * n], patterns[2 * n + 1], score);
      }
  }

  /// Calls f(m, n, i) for all sums of products with 16 × 16.
  template <class F>
  __device__ __forceinline__ static void for_sums(F&& f) {
#pragma unroll
    for (int m = 0; m < S::row_tiles; ++m)
#pragma unroll
      for (int n = 0; n < 2; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) f(m, n, i);
  }

  /// Of one term of the left operands with 16 × 16 of the right.
  /// @tparam first nothing is there yet
  template <bool first = false>
  __device__ __forceinline__ static void add_products(float (&sums)[S::row_tiles][2][4],
                                                      const Operand (&left)[S::row_tiles], int term,
                                                      const unsigned (&right)[4]) {
#pragma unroll
    for (int n = 0; n < 2; ++n)
#pragma unroll
      for (int m = 0; m < S::row_tiles; ++m) {
        const unsigned* const pair = right + 2 * n;
        if constexpr (first)
          multiply_add(sums[m][n], left[m].parts[term], pair[0], pair[1], {0.0F, 0.0F, 0.0F, 0.0F});
        else
          multiply_add(sums[m][n], left[m].parts[term], pair[0], pair[1], sums[m][n]);
      }
  }

  /// Of the tile, that of a lane's score.
  __device__ int pattern_of(int n, int i) const { return tensor_columns * n + 2 * (lane_ % 4) + i % 2; }

  /// Calls f(m, n, i) for all of a lane's scores.
  template <class F>
  __device__ __forceinline__ static void for_scores(F&& f) {
#pragma unroll
    for (int m = 0; m < S::row_tiles; ++m)
#pragma unroll
      for (int n = 0; n < patterns_of_lane; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) f(m, n, i);
  }

  /// Calls f(m, half) for all of a lane's rows.
  template <class F>
  __device__ __forceinline__ static void for_rows(F&& f) {
#pragma unroll
    for (int m = 0; m < S::row_tiles; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half) f(m, half);
  }

  __device__ __forceinline__ void drop_patterns(int left) {
    for_scores([&](int m, int n, int i) {
      if (pattern_of(n, i) >= left) scores_[m][n][i] = -INFINITY;
    });
  }

  /// To nats, whether something is added then or not: a prior of 0 must not show.
  __device__ __forceinline__ void scale_scores() {
    for_rows([&](int m, int half) {
      const float unit = kept(m, half, score_unit);
#pragma unroll
      for (int n = 0; n < patterns_of_lane; ++n)
#pragma unroll
        for (int i = 0; i < 2; ++i) scores_[m][n][2 * half + i] *= unit;
    });
  }

  __device__ __forceinline__ void shift_scores(int tile) {
    for_scores([&](int m, int n, int i) {
      const Index pattern = Index{tile} * tensor_tile + pattern_of(n, i);
      const Index row = first_row_ + row_of(m, i / 2);
      if (pattern >= scan_.pattern_count || row >= scan_.rows) return;
      const float factor = scan_.terms.schedule.empty() ? 1.0F : scan_.terms.beta(row) / scan_.beta;
      float score = scores_[m][n][i];
      if (!scan_.offsets.empty()) score = shifted(score, scan_.offsets.of(pattern, factor));
      if (!scan_.terms.patterns.empty()) score = shifted(score, scan_.terms.of(row, pattern));
      scores_[m][n][i] = score;
    });
  }

  /// Brings sums and readouts to the tile's maxima where these are larger. Whether some row has a weight in the tile;
  /// NaN is one.
  __device__ __forceinline__ bool raise_maxima() {
    float largest[S::row_tiles][2];
    bool rises = false;
    for_rows([&](int m, int half) {
      float value = scores_[m][0][2 * half];
#pragma unroll
      for (int n = 0; n < patterns_of_lane; ++n)
#pragma unroll
        for (int i = 0; i < 2; ++i) value = larger(value, scores_[m][n][2 * half + i]);
      largest[m][half] = largest_of_quad(value);
      rises |= largest[m][half] > maxima_[m][half];
    });
    if (__any_sync(all_lanes, rises)) for_rows([&](int m, int half) { raise_maximum(m, half, largest[m][half]); });
    bool weighted = false;
    for_rows([&](int m, int half) { weighted |= !(exponent(largest[m][half], maxima_[m][half]) < -cutoff_); });
    return __any_sync(all_lanes, weighted);
  }

  /// NaN where one is.
  __device__ __forceinline__ static float larger(float a, float b) {
    float result = 0.0F;
#if __CUDA_ARCH__ >= 800
    asm("max.NaN.f32 %0, %1, %2;" : "=f"(result) : "f"(a), "f"(b));
#endif
    return result;
  }

  /// Of the four lanes that share a row.
  __device__ __forceinline__ static float largest_of_quad(float value) {
    value = larger(value, __shfl_xor_sync(all_lanes, value, 1));
    return larger(value, __shfl_xor_sync(all_lanes, value, 2));
  }

  __device__ __forceinline__ void raise_maximum(int m, int half, float largest) {
    const float before = maxima_[m][half];
    if (largest > before) maxima_[m][half] = largest;
    const float correction = before == maxima_[m][half] ? 1.0F : weight(before, maxima_[m][half]);
    const CompensatedSum before_sum = sum(m, half);
    const float scaled = __fmul_rn(before_sum.high, correction);
    keep_sum(m, half, {scaled, fmaf(before_sum.low, correction, fmaf(before_sum.high, correction, -scaled))});
#pragma unroll
    for (int n = 0; n < 2 * S::steps; ++n)
#pragma unroll
      for (int i = 0; i < 2; ++i) readouts_[m][n][2 * half + i] *= correction;
  }

  /// log₂ of a weight.
  __device__ __forceinline__ float exponent(float score, float maximum) const {
    return (score - finite_or_above(maximum)) * log2_e;
  }

  /// 2 to the exponent, and 0 below the cutoff. NaN passes through.
  ///
  /// With d the difference of a score and the maximum, in nats: the factor, the difference and the product are rounded,
  /// each to du of a weight, and ex2.approx to 4u (PTX ISA). Since d·e⁻ᵈ < 0.37 these are less than 6u of the largest
  /// weight, whatever the scores.
  __device__ __forceinline__ float weight(float score, float maximum) const {
    const float t = exponent(score, maximum);
    float power;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(t < -cutoff_ ? -INFINITY : t));
    return power;
  }

  /// Turns scores into weights, and those into the left operands of the readout.
  __device__ __forceinline__ void weigh(Operand (&weights)[pattern_steps][S::row_tiles]) {
#pragma unroll
    for (int m = 0; m < S::row_tiles; ++m) {
      float tile_sums[2] = {0.0F, 0.0F};
#pragma unroll
      for (int n = 0; n < patterns_of_lane; ++n)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const float first = weight(scores_[m][n][2 * half], maxima_[m][half]) * weight_scale;
          const float second = weight(scores_[m][n][2 * half + 1], maxima_[m][half]) * weight_scale;
          tile_sums[half] += first + second;
          take_apart(first, second, weights[n / 2][m], half + 2 * (n % 2));
        }
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        CompensatedSum weights_of_lane = sum(m, half);
        weights_of_lane.add(tile_sums[half]);
        keep_sum(m, half, weights_of_lane);
      }
    }
  }

  __device__ __forceinline__ void read_out(const Operand (&weights)[pattern_steps][S::row_tiles],
                                           const uint4* contents) {
    const unsigned address = address_of(contents + lane_ % 16 * S::pitch + lane_ / 16);
#pragma unroll
    for (int pair = 0; pair < S::steps; ++pair) {
      unsigned high[pattern_steps][4];
      float sums[S::row_tiles][2][4];
#pragma unroll
      for (int step = 0; step < pattern_steps; ++step) {
        const unsigned at = address + sizeof(uint4) * (tensor_depth * step * S::pitch + 2 * pair);
        load_transposed_matrices(high[step], at);
        if constexpr (values == 2) {
          if (step == 0)
            add_products<true>(sums, weights[step], 1, high[step]);
          else
            add_products(sums, weights[step], 1, high[step]);
        }
        if constexpr (planes == 2) {
          unsigned low[4];
          load_transposed_matrices(low, at + sizeof(uint4) * S::plane);
          add_products(sums, weights[step], 0, low);
        }
      }
#pragma unroll
      for (int step = 0; step < pattern_steps; ++step) {
        if (step == 0 && values == 1)
          add_products<true>(sums, weights[step], 0, high[step]);
        else
          add_products(sums, weights[step], 0, high[step]);
      }
      for_sums([&](int m, int n, int i) { readouts_[m][2 * pair + n][i] += sums[m][n][i]; });
    }
  }

  // Results.

  /// Adds what the run has read out to what those before it have.
  __device__ void end_run() {
    add_run(false);
#pragma unroll
    for (int m = 0; m < S::row_tiles; ++m)
#pragma unroll
      for (int n = 0; n < 2 * S::steps; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) readouts_[m][n][i] = 0.0F;
  }

  /// Leaves sums in compensated form, or after the last run as floats.
  __device__ __forceinline__ void add_run(bool last) {
    for_rows([&](int m, int half) {
      if (row_of(m, half) < rows_left_) {
        const float correction = has_runs_ ? weight(kept(m, half, run_maximum), maxima_[m][half]) : 0.0F;
        for_columns(m, half, [&](Index at, float2 readout) { add_pair(at, readout, correction, last, m, half); });
      }
      kept(m, half, run_maximum) = maxima_[m][half];
    });
    has_runs_ = true;
  }

  /// Calls f(place in results, readouts) for all neighbouring columns of a row.
  template <class F>
  __device__ __forceinline__ void for_columns(int m, int half, F&& f) const {
    int column = first_column_ + 2 * (lane_ % 4);
    // The compiler is not to know, or it keeps all places and whether they are there in registers during the scan.
    asm volatile("" : "+r"(column));
    const int columns = (scan_.content_columns + 3) / 4 * 4;
    const Index row = result_of(m, half) * scan_.readout_stride;
#pragma unroll
    for (int n = 0; n < 2 * S::steps; ++n, column += tensor_columns)
      if (column < columns)
        f(row + column,
          float2{readouts_[m][n][2 * half] * readout_unit(), readouts_[m][n][2 * half + 1] * readout_unit()});
  }

  __device__ __forceinline__ void add_pair(Index at, float2 readout, float correction, bool last, int m,
                                           int half) const {
    float2 high = {0.0F, 0.0F};
    float2 low = {0.0F, 0.0F};
    if (has_runs_) {
      high = *reinterpret_cast<const float2*>(scan_.readouts + at);
      low = *reinterpret_cast<const float2*>(scan_.remainders + at);
    }
    const auto add = [&](float& high_part, float& low_part, float term) {
      // Rounded, and not fused with the sum, which is to be exact.
      CompensatedSum sum{__fmul_rn(high_part, correction), __fmul_rn(low_part, correction)};
      sum.add(term);
      high_part = last ? settled(sum.high + sum.low, m, half) : sum.high;
      low_part = sum.low;
    };
    add(high.x, low.x, readout.x);
    add(high.y, low.y, readout.y);
    *reinterpret_cast<float2*>(scan_.readouts + at) = high;
    if (!last) *reinterpret_cast<float2*>(scan_.remainders + at) = low;
  }

  __device__ float readout_unit() const { return scan_.content_halves.unit * (1.0F / weight_scale); }

  __device__ Index result_of(int m, int half) const {
    return static_cast<Index>(blockIdx.y) * scan_.capacity + first_row_ + row_of(m, half);
  }

  /// What a sum comes to where the largest score is beyond floats. −0 becomes 0: whether a zero product was added or
  /// skipped must not show.
  template <class T>
  __device__ __forceinline__ T settled(T value, int m, int half) const {
    return maxima_[m][half] == INFINITY ? static_cast<T>(NAN) : value + T{0};
  }

  __device__ __forceinline__ void store() {
    if (has_runs_)
      add_run(true);
    else
      for_rows([&](int m, int half) {
        if (row_of(m, half) >= rows_left_) return;
        for_columns(m, half, [&](Index at, float2 readout) {
          *reinterpret_cast<float2*>(scan_.readouts + at) = {settled(readout.x, m, half), settled(readout.y, m, half)};
        });
      });
    if (blockIdx.z > 0) return;
    for_rows([&](int m, int half) {
      double total = sum(m, half).value();
      total += __shfl_xor_sync(all_lanes, total, 1);
      total += __shfl_xor_sync(all_lanes, total, 2);
      if (lane_ % 4 > 0 || row_of(m, half) >= rows_left_) return;
      scan_.sums[result_of(m, half)] = settled(total / weight_scale, m, half);
      scan_.maxima[result_of(m, half)] = maxima_[m][half];
    });
  }

  const SoftmaxScan& scan_;
  bool one_matrix_;
  float cutoff_;  ///< in units of log₂
  int lane_;
  Index first_row_;   ///< of the warp
  int rows_left_;     ///< of its states, or none
  int first_column_;  ///< of this block's contents

  uint4* tiles_;
  uint4* kept_states_;  ///< [row tile][step][term][lane], of this lane
  float* kept_rows_;    ///< [row tile][half][Kept][lane], of this lane

  // Of the rows that this lane shares with three more.
  float maxima_[S::row_tiles][2];
  bool has_runs_ = false;  ///< there are such sums

  float scores_[S::row_tiles][patterns_of_lane][4];
  float readouts_[S::row_tiles][2 * S::steps][4] = {};
};

}  // namespace attractor::cuda::softmax
