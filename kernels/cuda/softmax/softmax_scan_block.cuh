#pragma once

/// A block holds a tile of states in shared memory and lets its part of the patterns pass by, 32 at a time: scores,
/// online softmax, readout into registers.
///
/// Scores: each thread computes 4 patterns × 8 states; the columns are dealt out to `parts` groups of threads, whose
/// partial sums meet in shared memory. Readout: each thread keeps 8 states × 4 or 8 content columns. So both products
/// do 32 or more multiply-adds for 3 or 4 shared loads of 16 bytes.
///
/// What happens to a state depends on that state alone. The block skips what all its states agree to skip, and that
/// would have multiplied by 1 or added 0.

#include <cuda_pipeline.h>

#include <cstddef>

#include <attractor/host_device.hpp>

#include "kernels/cuda/device/compensated_sum.cuh"
#include "kernels/cuda/device/quad.cuh"
#include "kernels/cuda/softmax/softmax_scan.hpp"

namespace attractor::cuda::softmax {

inline constexpr int tile_patterns = 32;
inline constexpr int thread_patterns = 4;
inline constexpr int thread_states = 8;

/// How a block's threads share the work. A quad is four floats: neighbouring states or neighbouring columns.
template <int states_, int warps_, int thread_quads_>
struct Scheme {
  static constexpr int states = states_;
  static constexpr int state_quads = states / 4;
  static constexpr int warps = warps_;
  static constexpr int threads = warps * warp_size;

  /// Products: lanes along the states. Scores: groups of threads along the columns.
  static constexpr int state_lanes = states / thread_states;
  static constexpr int parts = threads / (state_lanes * tile_patterns / thread_patterns);
  /// Distance of two patterns' scores, such that a phase of 8 lanes meets no bank twice.
  static constexpr int score_pitch = state_quads % 16 == 0 ? state_quads : state_quads + 4;

  /// Softmax: each thread has four states and every `softmax_groups`-th pattern.
  static constexpr int softmax_groups = threads / state_quads;
  static constexpr int softmax_patterns = tile_patterns / softmax_groups;

  /// Readout: lanes along the columns; quads of columns for a thread and for the block.
  static constexpr int column_lanes = warp_size / state_lanes;
  static constexpr int thread_quads = thread_quads_;
  static constexpr int column_quads = warps * column_lanes * thread_quads;

  static_assert(parts >= 2, "what the softmax leaves for the readout takes the place of the second part's scores");
};

/// Where things lie in shared memory, in quads.
struct Layout {
  bool one_matrix = true;  ///< contents are read from the tile of patterns
  int pattern_quads = 0;
  int pattern_pitch = 0;
  int content_pitch = 0;
};

/// An odd distance between rows puts the same column of neighbouring rows into different banks.
inline constexpr int odd(int quads) { return quads | 1; }

ATTRACTOR_HOST_DEVICE constexpr int quads_of(int columns) { return (columns + 3) / 4; }

template <class S>
std::size_t shared_bytes(const Layout& layout) {
  const int states = 4 * layout.pattern_quads * S::state_quads;
  const int tiles = tile_patterns * (layout.pattern_pitch + layout.content_pitch);
  const int scores = S::parts * tile_patterns * S::score_pitch;
  const int maxima = S::warps * S::state_quads;
  return sizeof(float4) * static_cast<std::size_t>(states + tiles + scores + maxima);
}

/// Columns of a matrix that pass through shared memory, a tile of rows at a time.
struct Panel {
  const float* first = nullptr;  ///< first of these columns in row 0
  Index stride = 0;
  int quads = 0;  ///< this many columns, over 4
  int pitch = 0;  ///< in shared memory
};

/// One block's work. Methods are called by all threads.
template <class S>
class Scanner {
 public:
  __device__ Scanner(const SoftmaxScan& scan, const Layout& layout, float cutoff, float4* shared)
      : scan_(scan),
        layout_(layout),
        cutoff_(cutoff),
        thread_(static_cast<int>(threadIdx.x)),
        first_row_(static_cast<Index>(blockIdx.x) * S::states),
        rows_left_(static_cast<int>(min(scan.rows - first_row_, Index{S::states}))),
        first_quad_(static_cast<int>(blockIdx.z) * S::column_quads),
        column_quads_(min(quads_of(scan.content_columns) - first_quad_, S::column_quads)),
        states_(shared),
        scores_(states_ + 4 * layout.pattern_quads * S::state_quads),
        maxima_(scores_ + S::parts * tile_patterns * S::score_pitch),
        tiles_(maxima_ + S::warps * S::state_quads),
        maximum_(least_maximum()) {}

  __device__ void run() {
    const Index tiles = (scan_.pattern_count + tile_patterns - 1) / tile_patterns;
    const Index begin = tiles * blockIdx.y / scan_.splits;
    const Index end = tiles * (blockIdx.y + 1) / scan_.splits;
    fetch_patterns(begin, end);
    load_states();
    const Index run = scan_.run_patterns / tile_patterns;
    for (Index tile = begin; tile < end; ++tile) {
      pass(tile, end);
      if ((tile + 1 - begin) % run == 0 && tile + 1 < end && scan_.remainders != nullptr) end_run();
    }
    store();
  }

 private:
  /// One tile of patterns, whose copy into shared memory is under way.
  __device__ __forceinline__ void pass(Index tile, Index end) {
    __pipeline_wait_prior(0);
    __syncthreads();
    // With one matrix the next tile goes where the one before this was; with two, each waits for its own space.
    if (layout_.one_matrix)
      fetch_patterns(tile + 1, end);
    else
      fetch_contents(tile);
    score(pattern_tile(tile));
    __syncthreads();
    if (!layout_.one_matrix) fetch_patterns(tile + 1, end);
    const bool rose = weigh(tile * tile_patterns, patterns_left(tile));
    if (!layout_.one_matrix) __pipeline_wait_prior(1);
    __syncthreads();
    if (thread_ < S::states) add_weights(rose);
    if (rose) rescale();
    if (has_columns()) read_out(content_tile(tile));
  }

  __device__ float4* pattern_tile(Index tile) const {
    return layout_.one_matrix ? tiles_ + (tile & 1) * tile_patterns * layout_.pattern_pitch : tiles_;
  }

  __device__ float4* content_tile(Index tile) const {
    return layout_.one_matrix ? pattern_tile(tile) + first_quad_ : tiles_ + tile_patterns * layout_.pattern_pitch;
  }

  /// What the softmax leaves for the readout takes the place of the second part's scores, which are dead by then.
  __device__ float4* sums() const { return scores_ + tile_patterns * S::score_pitch; }
  __device__ float4* corrections() const { return sums() + S::warps * S::state_quads; }
  __device__ unsigned* weighted() const { return reinterpret_cast<unsigned*>(corrections() + S::state_quads); }

  __device__ void fetch_patterns(Index tile, Index end) const {
    if (tile < end)
      fetch({scan_.patterns, scan_.pattern_stride, layout_.pattern_quads, layout_.pattern_pitch}, tile,
            pattern_tile(tile));
    __pipeline_commit();
  }

  __device__ void fetch_contents(Index tile) const {
    fetch({scan_.contents + 4 * first_quad_, scan_.content_stride, column_quads_, layout_.content_pitch}, tile,
          content_tile(tile));
    __pipeline_commit();
  }

  /// Starts to copy a tile. Rows past the last pattern become 0: their weights are, and 0 times garbage may be NaN.
  __device__ __forceinline__ void fetch(const Panel& panel, Index tile, float4* to) const {
    constexpr int lanes = 8;  // 128 bytes in a row
    constexpr int row_step = S::threads / lanes;
    const int lane = thread_ % lanes;
    const int rows = patterns_left(tile);
    int row = thread_ / lanes;
    const float* from = panel.first + (tile * tile_patterns + row) * panel.stride;
    to += row * panel.pitch;
    for (; row < rows; row += row_step, from += row_step * panel.stride, to += row_step * panel.pitch)
      for (int quad = lane; quad < panel.quads; quad += lanes)
        __pipeline_memcpy_async(to + quad, from + 4 * quad, sizeof(float4));
    for (; row < tile_patterns; row += row_step, to += row_step * panel.pitch)
      for (int quad = lane; quad < panel.quads; quad += lanes) to[quad] = filled(0.0F);
  }

  __device__ int patterns_left(Index tile) const {
    return static_cast<int>(min(scan_.pattern_count - tile * tile_patterns, Index{tile_patterns}));
  }

  /// Transposes the states into [column][state], 4 × 4 at a time: 8 lanes along the states store without a bank
  /// conflict, 4 along the columns load whole sectors.
  __device__ void load_states() const {
    constexpr int blocks = S::state_quads / 8;
    const int row_quad = thread_ % 8 + thread_ / warp_size % blocks * 8;
    const int first = thread_ / 8 % 4 + thread_ / (warp_size * blocks) * 4;
    for (int quad = first; quad < layout_.pattern_quads; quad += S::threads / S::state_quads) {
      float4 rows[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) rows[i] = load_state(4 * row_quad + i, quad);
#pragma unroll
      for (int i = 0; i < 4; ++i)
        states_[(4 * quad + i) * S::state_quads + row_quad] = {element(rows[0], i), element(rows[1], i),
                                                               element(rows[2], i), element(rows[3], i)};
    }
  }

  /// Four columns of a state, 0 where there are none.
  __device__ float4 load_state(int row, int quad) const {
    if (row >= rows_left_) return filled(0.0F);
    const float* const from = scan_.states + (first_row_ + row) * scan_.state_stride + 4 * quad;
    const int columns = scan_.dimension - 4 * quad;
    if (columns >= 4) return load4(from);
    return {from[0], columns > 1 ? from[1] : 0.0F, columns > 2 ? from[2] : 0.0F, 0.0F};
  }

  /// a·x over this thread's share of the columns.
  __device__ __forceinline__ void score(const float4* patterns) const {
    const int state = thread_ % S::state_lanes;
    const int pattern = thread_ / S::state_lanes % (tile_patterns / thread_patterns);
    const int part = thread_ / tile_threads;
    float products[thread_patterns][thread_states] = {};
    const float4* a[thread_patterns];
#pragma unroll
    for (int j = 0; j < thread_patterns; ++j)
      a[j] = patterns + (pattern + j * pattern_step) * layout_.pattern_pitch + part;
    const int quads = (layout_.pattern_quads - part + S::parts - 1) / S::parts;
    const float4* x = states_ + 4 * part * S::state_quads + state;
    for (int quad = 0; quad < quads; ++quad) {
      multiply(a, x, products);
#pragma unroll
      for (int j = 0; j < thread_patterns; ++j) a[j] += S::parts;
      x += 4 * S::parts * S::state_quads;
    }
    float4* const to = scores_ + (part * tile_patterns + pattern) * S::score_pitch + state;
#pragma unroll
    for (int j = 0; j < thread_patterns; ++j)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float* const p = products[j] + 4 * half;
        to[j * pattern_step * S::score_pitch + half * S::state_lanes] = {p[0], p[1], p[2], p[3]};
      }
  }

  /// Four columns of 4 patterns times 8 states.
  __device__ __forceinline__ void multiply(const float4* const (&patterns)[thread_patterns], const float4* states,
                                           float (&products)[thread_patterns][thread_states]) const {
    float4 a[thread_patterns];
#pragma unroll
    for (int j = 0; j < thread_patterns; ++j) a[j] = *patterns[j];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const float4 x[2] = {states[k * S::state_quads], states[k * S::state_quads + S::state_lanes]};
#pragma unroll
      for (int j = 0; j < thread_patterns; ++j)
#pragma unroll
        for (int i = 0; i < thread_states; ++i)
          products[j][i] = fmaf(element(a[j], k), element(x[i / 4], i % 4), products[j][i]);
    }
  }

  /// No score exceeds the maximum of a state that is not there, so it has no weights.
  __device__ float4 least_maximum() const {
    const int left = rows_left_ - 4 * (thread_ % S::state_quads);
    const auto least = [left](int i) { return i < left ? -INFINITY : INFINITY; };
    return {least(0), least(1), least(2), least(3)};
  }

  /// Turns scores into weights. Whether some state's maximum rose: the same for all threads, since each warp sees all
  /// states.
  __device__ __forceinline__ bool weigh(Index first, int patterns_left) {
    const int state = thread_ % S::state_quads;
    const int group = thread_ / S::state_quads;
    float4 scores[S::softmax_patterns];
    float4 largest = filled(-INFINITY);
#pragma unroll
    for (int i = 0; i < S::softmax_patterns; ++i) {
      const int pattern = group + i * S::softmax_groups;
      scores[i] = pattern < patterns_left ? whole_score(first, pattern, state) : filled(-INFINITY);
      largest = maximum(largest, scores[i]);
    }
    largest = largest_of_block(largest, state);
    const bool rose = raise_maximum(largest, state);
    const float4 reference = each(maximum_, finite_or_above);
    float4 sum_of_tile = filled(0.0F);
    unsigned weighted = 0;
#pragma unroll
    for (int i = 0; i < S::softmax_patterns; ++i) {
      const int pattern = group + i * S::softmax_groups;
      const float4 weights = combine(scores[i], reference, [this](float s, float m) { return weight(s - m); });
      scores_[pattern * S::score_pitch + state] = weights;
      sum_of_tile = sum(sum_of_tile, weights);
      if (any_bit(weights)) weighted |= 1U << pattern;
    }
    publish_weighted(weighted);
    sum_of_tile = fold_lanes<S::state_quads>(sum_of_tile, sum);
    if (thread_ % warp_size < S::state_quads) sums()[thread_ / warp_size * S::state_quads + state] = sum_of_tile;
    return rose;
  }

  /// Patterns that have a weight in some state, a bit for each.
  __device__ __forceinline__ void publish_weighted(unsigned patterns) const {
#pragma unroll
    for (int distance = warp_size / 2; distance > 0; distance /= 2)
      patterns |= __shfl_xor_sync(all_lanes, patterns, distance);
    if (thread_ % warp_size == 0) weighted()[thread_ / warp_size] = patterns;
  }

  __device__ __forceinline__ unsigned weighted_patterns() const {
    unsigned patterns = 0;
#pragma unroll
    for (int warp = 0; warp < S::warps; ++warp) patterns |= weighted()[warp];
    return patterns;
  }

  /// Of four states with a pattern of the tile that begins with `first`.
  __device__ __forceinline__ float4 whole_score(Index first, int pattern, int state) const {
    float4 score = scores_[pattern * S::score_pitch + state];
#pragma unroll
    for (int part = 1; part < S::parts; ++part)
      score = sum(score, scores_[(part * tile_patterns + pattern) * S::score_pitch + state]);
    const float4 beta = betas(4 * state);
    score = combine(score, beta, [](float s, float b) { return s * b; });
    if (!scan_.offsets.empty()) score = combine(score, offsets(first + pattern, beta), shifted);
    if (!scan_.terms.patterns.empty()) score = combine(score, terms(first + pattern, 4 * state), shifted);
    return score;
  }

  /// Of the block's rows from `row` on.
  __device__ __forceinline__ float4 betas(int row) const {
    if (scan_.terms.schedule.empty()) return filled(scan_.beta);
    const auto of = [&](int i) { return row + i < rows_left_ ? scan_.terms.beta(first_row_ + row + i) : scan_.beta; };
    return {of(0), of(1), of(2), of(3)};
  }

  /// What the memory adds to the scores of a pattern at these temperatures.
  __device__ __forceinline__ float4 offsets(Index pattern, const float4& betas) const {
    if (scan_.terms.schedule.empty()) return filled(scan_.offsets.of(pattern, 1.0F));
    return each(betas, [&](float beta) { return scan_.offsets.of(pattern, beta / scan_.beta); });
  }

  /// What the call says of a pattern for the block's rows from `row` on.
  __device__ __forceinline__ float4 terms(Index pattern, int row) const {
    const auto of = [&](int i) { return row + i < rows_left_ ? scan_.terms.of(first_row_ + row + i, pattern) : 0.0F; };
    return {of(0), of(1), of(2), of(3)};
  }

  __device__ __forceinline__ float4 largest_of_block(float4 largest, int state) const {
    largest = fold_lanes<S::state_quads>(largest, maximum);
    if (thread_ % warp_size < S::state_quads) maxima_[thread_ / warp_size * S::state_quads + state] = largest;
    __syncthreads();
    largest = maxima_[state];
#pragma unroll
    for (int warp = 1; warp < S::warps; ++warp) largest = maximum(largest, maxima_[warp * S::state_quads + state]);
    return largest;
  }

  __device__ __forceinline__ bool raise_maximum(const float4& largest, int state) {
    const bool rises =
        largest.x > maximum_.x || largest.y > maximum_.y || largest.z > maximum_.z || largest.w > maximum_.w;
    if (!__any_sync(all_lanes, rises)) return false;
    const float4 before = maximum_;
    maximum_ = maximum(maximum_, largest);
    if (thread_ < S::state_quads)
      corrections()[state] =
          combine(before, maximum_, [this](float old, float now) { return weight(old - finite_or_above(now)); });
    return true;
  }

  /// exp(difference), for differences up to 0, and 0 below the cutoff. NaN passes through.
  ///
  /// With t = d log₂e rounded and e the rest, eᵈ = 2ᵗ (1 + e ln 2): the rounding of t is made good, so that the error
  /// is that of ex2.approx, at most 2 units in the last place (PTX ISA), and one rounding.
  __device__ __forceinline__ float weight(float difference) const {
    constexpr float vanishing = -200.0F;
    constexpr float log2_e = 0x1.715476p+0F;
    constexpr float log2_e_rest = 0x1.4ae0cp-26F;
    constexpr float ln_2 = 0x1.62e43p-1F;
    const float d = difference < -cutoff_ ? vanishing : difference;
    const float t = d * log2_e;
    const float rest = fmaf(d, log2_e_rest, fmaf(d, log2_e, -t));
    float power;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(t));
    return fmaf(power, rest * ln_2, power);
  }

  /// Adds the tile's weights of one state.
  __device__ __forceinline__ void add_weights(bool rose) {
    const auto* const tile_sums = reinterpret_cast<const float*>(sums());
    if (rose) sum_ *= reinterpret_cast<const float*>(corrections())[thread_];
#pragma unroll
    for (int warp = 0; warp < S::warps; ++warp) sum_ += tile_sums[warp * S::states + thread_];
  }

  __device__ int state_lane() const { return thread_ % S::state_lanes; }
  __device__ int column_quad(int i) const {
    const int lane = thread_ / S::state_lanes % S::column_lanes;
    return (thread_ / warp_size * S::thread_quads + i) * S::column_lanes + lane;
  }

  __device__ __forceinline__ void rescale() {
    const float4* const from = corrections() + state_lane();
    const float4 correction[2] = {from[0], from[S::state_lanes]};
#pragma unroll
    for (int i = 0; i < thread_states; ++i)
#pragma unroll
      for (int j = 0; j < thread_columns; ++j) readout_[i][j] *= element(correction[i / 4], i % 4);
  }

  __device__ bool has_columns() const {
    return thread_ / warp_size * S::thread_quads * S::column_lanes < column_quads_;
  }

  /// Adds the tile's patterns under their weights; where most have none, only those that have.
  __device__ __forceinline__ void read_out(const float4* contents) {
    constexpr int many = tile_patterns * 3 / 4;
    const float4* const weights = scores_ + state_lane();
    const float4* columns[S::thread_quads];
#pragma unroll
    for (int q = 0; q < S::thread_quads; ++q) columns[q] = contents + min(column_quad(q), column_quads_ - 1);
    unsigned patterns = weighted_patterns();
    if (__popc(patterns) > many) {
#pragma unroll 4
      for (int pattern = 0; pattern < tile_patterns; ++pattern) {
        add_pattern(weights + pattern * S::score_pitch, columns, 0);
#pragma unroll
        for (int q = 0; q < S::thread_quads; ++q) columns[q] += layout_.content_pitch;
      }
    } else {
      for (; patterns != 0; patterns &= patterns - 1) {
        const int pattern = __ffs(patterns) - 1;
        add_pattern(weights + pattern * S::score_pitch, columns, pattern * layout_.content_pitch);
      }
    }
  }

  __device__ __forceinline__ void add_pattern(const float4* weights, const float4* const (&columns)[S::thread_quads],
                                              int offset) {
    const float4 w[2] = {weights[0], weights[S::state_lanes]};
#pragma unroll
    for (int q = 0; q < S::thread_quads; ++q) {
      const float4 c = columns[q][offset];
#pragma unroll
      for (int i = 0; i < thread_states; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j)
          readout_[i][4 * q + j] = fmaf(element(w[i / 4], i % 4), element(c, j), readout_[i][4 * q + j]);
    }
  }

  /// Adds what the run has read out to what those before it have.
  __device__ void end_run() {
    add_run(false);
#pragma unroll
    for (int i = 0; i < thread_states; ++i)
#pragma unroll
      for (int j = 0; j < thread_columns; ++j) readout_[i][j] = 0.0F;
  }

  /// Leaves sums in compensated form, or after the last run as floats.
  __device__ void add_run(bool last) {
    // The tile before may still be read.
    __syncthreads();
    if (thread_ < S::state_quads)
      corrections()[thread_] =
          combine(run_maximum_, maximum_, [this](float old, float now) { return weight(old - finite_or_above(now)); });
    __syncthreads();
    const float4 correction[2] = {corrections()[state_lane()], corrections()[state_lane() + S::state_lanes]};
#pragma unroll
    for (int i = 0; i < thread_states; ++i) {
      const int row = row_of(i);
      if (row >= rows_left_) continue;
#pragma unroll
      for (int q = 0; q < S::thread_quads; ++q)
        if (column_quad(q) < column_quads_)
          add_quad(first_result() + row, q, element(correction[i / 4], i % 4), last, readout_[i]);
    }
    run_maximum_ = maximum_;
    has_runs_ = true;
  }

  __device__ __forceinline__ void add_quad(Index result, int q, float correction, bool last,
                                           const float (&readout)[4 * S::thread_quads]) const {
    const Index at = result * scan_.readout_stride + 4 * (first_quad_ + column_quad(q));
    float4 high = filled(0.0F);
    float4 low = filled(0.0F);
    if (has_runs_) {
      high = load4(scan_.readouts + at);
      low = load4(scan_.remainders + at);
    }
    const auto add = [&](float& high_part, float& low_part, float term) {
      // Rounded, and not fused with the sum, which is to be exact.
      CompensatedSum sum{__fmul_rn(high_part, correction), __fmul_rn(low_part, correction)};
      sum.add(term);
      high_part = last ? sum.high + sum.low + 0.0F : sum.high;
      low_part = sum.low;
    };
    add(high.x, low.x, readout[4 * q]);
    add(high.y, low.y, readout[4 * q + 1]);
    add(high.z, low.z, readout[4 * q + 2]);
    add(high.w, low.w, readout[4 * q + 3]);
    store4(scan_.readouts + at, high);
    if (!last) store4(scan_.remainders + at, low);
  }

  /// Of the block, the i-th of the thread's states.
  __device__ __forceinline__ int row_of(int i) const { return 4 * (state_lane() + i / 4 * S::state_lanes) + i % 4; }

  __device__ __forceinline__ Index first_result() const {
    return static_cast<Index>(blockIdx.y) * scan_.capacity + first_row_;
  }

  __device__ __forceinline__ void store() {
    const Index first = first_result();
    if (has_runs_) {
      add_run(true);
    } else {
#pragma unroll
      for (int i = 0; i < thread_states; ++i)
        if (row_of(i) < rows_left_)
          store_readout(scan_.readouts + (first + row_of(i)) * scan_.readout_stride, readout_[i]);
    }
    if (blockIdx.z > 0) return;
    if (thread_ < S::states && thread_ < rows_left_) scan_.sums[first + thread_] = sum_;
    if (thread_ < S::state_quads)
#pragma unroll
      for (int i = 0; i < 4; ++i)
        if (4 * thread_ + i < rows_left_) scan_.maxima[first + 4 * thread_ + i] = element(maximum_, i);
  }

  /// −0 becomes 0: whether a zero product was added or skipped must not show.
  __device__ __forceinline__ void store_readout(float* row, const float (&readout)[4 * S::thread_quads]) const {
#pragma unroll
    for (int q = 0; q < S::thread_quads; ++q)
      if (column_quad(q) < column_quads_)
        reinterpret_cast<float4*>(row)[first_quad_ + column_quad(q)] = {
            readout[4 * q] + 0.0F, readout[4 * q + 1] + 0.0F, readout[4 * q + 2] + 0.0F, readout[4 * q + 3] + 0.0F};
  }

  static constexpr int pattern_step = tile_patterns / thread_patterns;
  static constexpr int tile_threads = S::state_lanes * pattern_step;
  static constexpr int thread_columns = 4 * S::thread_quads;

  const SoftmaxScan& scan_;
  const Layout& layout_;
  float cutoff_;
  int thread_;
  Index first_row_;
  int rows_left_;     ///< of this block's states
  int first_quad_;    ///< of this block's content columns
  int column_quads_;  ///< of them

  float4* states_;  ///< [column][state]
  float4* scores_;  ///< [part][pattern][state]; weights [pattern][state]
  float4* maxima_;  ///< [warp][state]
  float4* tiles_;

  float4 maximum_;                          ///< of states 4·(thread mod state_quads), …
  float4 run_maximum_ = filled(-INFINITY);  ///< what the sums of the runs before are relative to
  bool has_runs_ = false;                   ///< there are such sums
  double sum_ = 0.0;                        ///< of the thread's state
  float readout_[thread_states][thread_columns] = {};
};

}  // namespace attractor::cuda::softmax
