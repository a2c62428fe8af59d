#pragma once

/// A block of the resident kernel: keeps its slots filled and steps them until no query is left.

#include "kernels/cuda/resident/resident_slots.cuh"
#include "kernels/cuda/resident/resident_update.cuh"

namespace attractor::cuda::resident {

/// What a launch passes to the kernel.
struct Launch {
  Layout layout;
  const std::byte* image;
  float scale;
  float safe_magnitude;     ///< see ResidentMemory
  const float* resolution;  ///< [neurons], in the order of the state matrix
  Job job;
  unsigned long long* next_query;
  ListedRows left;  ///< the only queries to relax, unless null
  int slot_limit;   ///< slots of a block that are used
  bool masked;      ///< some neurons keep their state: clamped ones, or padding
  bool careful;     ///< readouts may stop being finite where no state shows it
};

/// `width` columns of each thread are in use, which makes 8·width slots, the first ones.
template <Form form, class Weight, int slots, int threads, int width = slots / row_classes>
class Worker {
 public:
  __device__ Worker(const Launch& launch, std::byte* shared)
      : launch_(launch),
        layout_(launch.layout),
        job_(launch.job),
        shared_(shared),
        weights_(reinterpret_cast<const Weight*>(shared)),
        diagonal_(reinterpret_cast<const float*>(shared + layout_.diagonal)),
        states_(reinterpret_cast<float*>(shared + layout_.states)),
        scores_(reinterpret_cast<float*>(shared + layout_.scores)),
        energy_sums_(reinterpret_cast<float*>(shared + layout_.energy_sums)),
        change_sums_(reinterpret_cast<float*>(shared + layout_.change_sums)),
        table_(slot_table(shared + layout_.slot_table, slots)),
        dispenser_(launch.job, launch.next_query, launch.left, launch.slot_limit, sits_out() ? -1 : 0),
        column_group_(static_cast<int>(threadIdx.x) % row_classes),
        row_thread_(static_cast<int>(threadIdx.x) / row_classes) {}

  __device__ void run() {
    if (dispenser_.total() == 0) return;
    load_memory();
    const SlotMask unscored = exchange();
    relax(!scores_newcomers(), unscored);
  }

  /// Steps until no query is left. Half steps: an evaluation, then an advance. Slots are judged as soon as all is
  /// known: after the evaluation where energies are wanted, else after the advance. `unscored` are newcomers.
  __device__ void relax(bool evaluates, SlotMask unscored) {
    Tile<width> readout = {};
    while (plan()->in_use > (evaluates && unscored == 0 ? few : 0)) {
      if (evaluates) {
        evaluate(readout);
        if (unscored != 0) score_newcomers(unscored);
        unscored = 0;
      } else {
        advance(readout);
      }
      __syncthreads();
      if (evaluates == job_.wants_energy && judge_slots()) unscored = exchange();
      evaluates = !evaluates;
    }
    if constexpr (few > 0) {
      // So few are left only when no query waits.
      close_gaps();
      Worker<form, Weight, slots, threads, width / 2>(launch_, shared_).relax(true, 0);
    }
  }

 private:
  /// With so many queries left, half the columns do.
  static constexpr int few = width > chunk_slots ? slots / 2 : 0;
  static constexpr int warps = threads / warp_lanes;
  /// Of every eight rows of sums, those that one of a slot's threads adds up: so the lanes of a warp read from
  /// different banks.
  static constexpr int share_rows = row_classes / sum_threads(threads, slots);
  static constexpr int stride = sum_stride(slots);

  /// The memory comes as it is; everything else starts as zeros, idle slots stay so.
  __device__ void load_memory() {
    const auto* image = reinterpret_cast<const uint4*>(launch_.image);
    auto* const at = reinterpret_cast<uint4*>(shared_);
    const int image_words = layout_.image_bytes / 16;
    for (int i = static_cast<int>(threadIdx.x); i < layout_.bytes / 16; i += threads)
      at[i] = i < image_words ? image[i] : uint4{};
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < slots; i += threads) {
      table_.query[i] = -1;
      table_.departing[i] = -1;
    }
    if (threadIdx.x == 0) block_state()->careful = launch_.careful ? 1 : 0;
    __syncthreads();
  }

  __device__ __forceinline__ BlockState* block_state() const {
    return reinterpret_cast<BlockState*>(shared_ + layout_.slot_table + slots * slot_bytes);
  }
  __device__ __forceinline__ Exchange* plan() const { return &block_state()->exchange; }

  // The first half of a step: scores, or for a dense memory readouts.

  __device__ __forceinline__ void evaluate(Tile<width>& readout) {
    if constexpr (form == Form::factored) {
      for (int first = 0; first < layout_.rows; first += pass_patterns) score(first);
    } else {
      multiply_states(readout);
    }
  }

  /// One pass of patterns. Groups of threads share the neurons; then their sums come together in a fixed order.
  __device__ __forceinline__ void score(int first) {
    const int patterns = patterns_of_pass(layout_);
    const int pattern_threads = patterns / tile_rows;
    const int group = row_thread_ / pattern_threads;
    const int pattern = row_thread_ % pattern_threads;
    const int groups = row_threads(threads) / pattern_threads;
    const int neurons = layout_.neurons / groups;
    Tile<width> tile;
    const Weight* const weights = weights_ + (first + pattern) * layout_.row_stride;
    const int row_distance = pattern_threads * layout_.row_stride;
    const int begin = group * neurons;
    add_score<Start::yes>(weights + begin, row_distance, column(begin), slots, tile);
    const int count = min(neurons, class_rows());
    for (int row = begin; row < begin + neurons; row += count)
      add_scores(weights + row, row_distance, column(row), slots, row == begin ? 4 : 0, count, tile);
    const int slice = group % layout_.slices;
    float* const sums = (slice == 0 ? scores_ + (first + pattern) * stride : partial_scores(pattern, slice)) +
                        column_group_ * chunk_slots;
    const int distance = pattern_threads * stride * (slice == 0 ? 1 : layout_.slices - 1);
    if (group < layout_.slices) store_tile(sums, distance, tile);
    __syncthreads();
    for (int turn = layout_.slices; turn < groups; turn += layout_.slices) {
      if (group - slice == turn) add_tile(sums, distance, tile);
      __syncthreads();
    }
    if (layout_.slices > 1) add_slices(first, patterns);
  }

  /// Slice 0 is the scores themselves. A pattern's other slices lie together.
  __device__ __forceinline__ float* partial_scores(int pattern, int slice) const {
    auto* const partial = reinterpret_cast<float*>(shared_ + layout_.partial_scores);
    return partial + (pattern * (layout_.slices - 1) + slice - 1) * stride;
  }

  __device__ __forceinline__ void add_slices(int first, int patterns) const {
    constexpr int chunks = slots / chunk_slots;
    for (int i = static_cast<int>(threadIdx.x); i < patterns * chunks; i += threads) {
      const int pattern = i / chunks;
      const int slot = i % chunks * chunk_slots;
      auto* const total = reinterpret_cast<float4*>(scores_ + (first + pattern) * stride + slot);
      float4 sum = *total;
      const float* const slices = partial_scores(pattern, 1) + slot;
#pragma unroll 3
      for (int slice = 0; slice < layout_.slices - 1; ++slice) {
        const float4 part = *reinterpret_cast<const float4*>(slices + slice * stride);
        sum = make_float4(sum.x + part.x, sum.y + part.y, sum.z + part.z, sum.w + part.w);
      }
      *total = sum;
    }
    __syncthreads();
  }

  /// Dense: products of the thread's neurons, and their share of xᵀWx.
  __device__ __forceinline__ void multiply_states(Tile<width>& readout) const {
    const int row = row_thread_ * tile_rows;
    if (row >= layout_.neurons) return;
    add_four_terms<Start::yes>(weights_ + row, layout_.row_stride, column(0), slots, readout);
    for (int k = 0; k < layout_.neurons; k += class_rows())
      add_terms(weights_ + k * layout_.row_stride + row, layout_.row_stride, column(k), slots, k == 0 ? 4 : 0,
                class_rows(), readout);
    float sums[width] = {};
#pragma unroll
    for (int r = 0; r < tile_rows; ++r) {
      float x[width];
      load_columns(column(row) + r * slots, x);
#pragma unroll
      for (int c = 0; c < width; ++c) sums[c] = fmaf(x[c], readout[r][c], sums[c]);
    }
    if (job_.wants_energy) store_columns(sum_row(energy_sums_), sums);
  }

  // The second half of a step: new states.

  __device__ __forceinline__ void advance(Tile<width>& readout) {
    for (int row = row_thread_ * tile_rows; row < layout_.neurons; row += row_threads(threads) * tile_rows) {
      float diagonal[tile_rows] = {};
      if constexpr (form == Form::factored) {
        const float* const scores = scores_ + column_group_ * chunk_slots;
        add_four_terms<Start::yes>(weights_ + row, layout_.row_stride, scores, stride, readout);
        add_terms(weights_ + row, layout_.row_stride, scores, stride, 4, layout_.rows, readout);
        load_weights(diagonal_ + row, diagonal);
      }
      const auto finish_readout = [&](int r, float x, float product) {
        return form == Form::factored ? fmaf(diagonal[r], x, product) : product;
      };
      int steps[width] = {};
      if constexpr (form == Form::dense) load_steps(steps);
      if (block_state()->careful != 0) check_readouts(row, steps, finish_readout, readout);
      advance_tile(job_.update, launch_.scale, column(row), slots, steps, finish_readout,
                   {launch_.resolution + row, table_.magnitude + column_group_ * chunk_slots}, readout);
      settle(row, diagonal, readout);
    }
  }

  /// Marks the slots that have a readout which isn't finite. `readout` finishes products.
  template <class Readout>
  __device__ __forceinline__ void check_readouts(int row, const int (&steps)[width], const Readout& readout,
                                                 const Tile<width>& products) const {
    float checks[width] = {};
#pragma unroll
    for (int r = 0; r < tile_rows; ++r) {
      float x[width];
      load_columns(column(row) + r * slots, x);
#pragma unroll
      for (int c = 0; c < width; ++c) checks[c] = fmaf(readout(r, x[c], products[r][c]), 0.0F, checks[c]);
    }
    // Newcomers that sit out have no readouts yet.
#pragma unroll
    for (int c = 0; c < width; ++c)
      if (steps[c] >= 0 && !(checks[c] == 0.0F)) atomicOr(table_.flags + slot_of(c), diverged);
  }

  /// Puts new states in the place of the old ones and takes the sums over them.
  __device__ __forceinline__ void settle(int row, const float (&diagonal)[tile_rows], Tile<width>& tile) {
    float* const states = column(row);
    if (launch_.masked) {
      const auto* const masks = reinterpret_cast<const std::uint8_t*>(shared_ + layout_.masks);
      keep_masked(states, slots, masks + row / tile_rows * slots + column_group_ * chunk_slots, tile);
    }
    // A finite sum means finite states; the reverse isn't true.
    bool finite = true;
    if (watches_change()) {
      float sums[width] = {};
      add_changes(states, slots, tile, sums);
      finite = all_finite(sums);
      leave_sums(change_sums_, row, sums);
    }
    if (form == Form::factored && job_.wants_energy) {
      float sums[width] = {};
      add_squares(tile, diagonal, sums);
      finite = all_finite(sums);
      leave_sums(energy_sums_, row, sums);
    } else if (!watches_change()) {
      float sums[width] = {};
      add_zeros(tile, sums);
      finite = all_finite(sums);
    }
    if (!finite) mark_diverged(tile);
    if (job_.detects_cycles()) note_changes(row, tile);
    store_tile(states, slots, tile);
  }

  /// Keeps which neurons change, and flags the slots where it isn't those of the step before.
  __device__ __forceinline__ void note_changes(int row, const Tile<width>& tile) const {
    const Changes<width> changes = changes_of(column(row), slots, tile);
    std::byte* const kept = shared_ + layout_.changes + row / tile_rows * slots + column_group_ * chunk_slots;
#pragma unroll
    for (int i = 0; i < width / chunk_slots; ++i) {
      auto& four = *reinterpret_cast<unsigned*>(kept + i * chunk_distance);
      const unsigned others = four ^ changes.neurons[i];
      four = changes.neurons[i];
#pragma unroll
      for (int j = 0; j < chunk_slots; ++j) {
        const int c = i * chunk_slots + j;
        const int flags = ((others >> (8 * j) & 0xffU) != 0 ? changed_others : 0) |
                          ((changes.strange >> c & 1U) != 0 ? changed_strange : 0);
        if (flags != 0) atomicOr(table_.flags + slot_of(c), flags);
      }
    }
  }

  /// One sum over all neurons of the thread, which come tile by tile.
  __device__ __forceinline__ void leave_sums(float* all, int row, float (&sums)[width]) const {
    if (row < row_threads(threads) * tile_rows) return store_columns(sum_row(all), sums);
    float before[width];
    load_columns(sum_row(all), before);
#pragma unroll
    for (int c = 0; c < width; ++c) sums[c] += before[c];
    store_columns(sum_row(all), sums);
  }

  __device__ void mark_diverged(const Tile<width>& tile) const {
    float checks[width] = {};
    add_zeros(tile, checks);
#pragma unroll
    for (int c = 0; c < width; ++c)
      if (!(checks[c] == 0.0F)) atomicOr(table_.flags + slot_of(c), diverged);
  }

  __device__ __forceinline__ void load_steps(int (&steps)[width]) const {
#pragma unroll
    for (int c = 0; c < width; c += chunk_slots) {
      const int4 chunk = *reinterpret_cast<const int4*>(table_.steps + slot_of(c));
      steps[c] = chunk.x;
      steps[c + 1] = chunk.y;
      steps[c + 2] = chunk.z;
      steps[c + 3] = chunk.w;
    }
  }

  // Halting.

  __device__ __forceinline__ bool watches_change() const { return job_.halting.watch == Halting::Watch::state; }

  /// Judges every slot, a few threads for each. True in all threads if some query has come to its end.
  __device__ __forceinline__ bool judge_slots() {
    constexpr int per_warp = warp_slots(threads, slots);
    const int lane = static_cast<int>(threadIdx.x) % warp_lanes;
    const int slot = static_cast<int>(threadIdx.x) / warp_lanes * per_warp + lane % per_warp;
    const int share = lane / per_warp;
    const double energy = job_.wants_energy ? slot_energy(slot, share) : double{not_a_number()};
    const double change = watches_change() ? over_shares(sum_of_slot(change_sums_, slot, share)) : 0.0;
    const bool ended = share == 0 && judge(job_, table_, slot, energy, change);
    return __syncthreads_or(ended) != 0;
  }

  __device__ __forceinline__ double slot_energy(int slot, int share) const {
    double energy = energy_of(score_squares(slot, share) + sum_of_slot(energy_sums_, slot, share));
    // Sums of floats overflow before scores and readouts do.
    const bool overflowed = table_.query[slot] >= 0 && !isfinite(energy);
    if (__any_sync(~0U, overflowed) != 0) {
      const double wide = energy_of(score_squares(slot, share) + wide_sum(slot, share));
      if (overflowed) energy = wide;
    }
    return energy;
  }

  /// From a thread's share of the sum; for all threads of a slot.
  __device__ __forceinline__ double energy_of(double share) const {
    return -0.5 * static_cast<double>(launch_.scale) * over_shares(share);
  }

  /// A thread's share of a slot's Σ h².
  __device__ __forceinline__ double score_squares(int slot, int share) const {
    double squares = 0.0;
    if constexpr (form == Form::factored) {
      for (int first = share * share_rows; first < layout_.rows; first += row_classes) {
#pragma unroll
        for (int p = first; p < first + share_rows; ++p) {
          const auto score = static_cast<double>(scores_[p * stride + slot]);
          squares = fma(score, score, squares);
        }
      }
    }
    return squares;
  }

  /// A thread's share of what energy_sums_ has of a slot, in doubles.
  __device__ __forceinline__ double wide_sum(int slot, int share) const {
    double sum = 0.0;
#pragma unroll 1
    for (int k = share; k < layout_.neurons; k += sum_threads(threads, slots)) {
      const auto x = static_cast<double>(state_of(slot, k));
      const double weight = form == Form::dense ? wide_readout(slot, k) : static_cast<double>(diagonal_[k]) * x;
      sum = fma(weight, x, sum);
    }
    return sum;
  }

  /// Wx at row k of the state matrix.
  __device__ __forceinline__ double wide_readout(int slot, int k) const {
    double sum = 0.0;
#pragma unroll 1
    for (int j = 0; j < layout_.neurons; ++j) {
      const auto weight = static_cast<float>(weights_[k * layout_.row_stride + j]);
      sum = fma(static_cast<double>(weight), static_cast<double>(state_of(slot, j)), sum);
    }
    return sum;
  }

  /// At row k of the state matrix.
  __device__ __forceinline__ float state_of(int slot, int k) const {
    return column_of(slot, k / class_rows())[k % class_rows() * slots];
  }

  /// A thread's share of a slot's sum.
  __device__ __forceinline__ double sum_of_slot(const float* sums, int slot, int share) const {
    double sum = 0.0;
#pragma unroll
    for (int first = 0; first < row_threads(threads); first += row_classes) {
#pragma unroll
      for (int i = first; i < first + share_rows; ++i)
        sum += static_cast<double>(sums[(share * share_rows + i) * stride + slot]);
    }
    return sum;
  }

  /// Adds up over the threads of a slot.
  __device__ static double over_shares(double value) {
#pragma unroll
    for (int distance = warp_slots(threads, slots); distance < warp_lanes; distance *= 2)
      value += __shfl_xor_sync(~0U, value, distance);
    return value;
  }

  // Exchange of queries.

  /// Writes the states that depart and gives idle slots new queries. One that isn't finite departs at once.
  __device__ __forceinline__ SlotMask exchange() {
    SlotMask unscored = 0;
    bool again = true;
    while (again) {
      if (threadIdx.x < warp_lanes) {
        const Exchange exchange = dispenser_.template fill<slots>(table_);
        if (threadIdx.x == 0) *plan() = exchange;
      }
      __syncthreads();
      const SlotMask arriving = plan()->arriving;
      again = __syncthreads_or(move_columns()) != 0;
      if (scores_newcomers()) {
        score_newcomers(arriving);
      } else if (form == Form::factored) {
        unscored |= arriving;
      }
    }
    return unscored;
  }

  // Newcomers. With energies slots are judged, and so filled, after an evaluation that newcomers then miss. The scores
  // of one state are little work; a dense product is as much as a step, so there newcomers sit out the advance. Without
  // energies they are evaluated with all others, but scored by the same sums afterwards: what is asked for must not
  // change the bits of a result.

  __device__ __forceinline__ bool scores_newcomers() const { return form == Form::factored && job_.wants_energy; }

  __device__ __forceinline__ bool sits_out() const { return form == Form::dense && job_.wants_energy; }

  /// Eight lanes for each newcomer, the same sums whenever it comes. The four at a time of a warp are in different
  /// places of their chunks, and so in different banks.
  __device__ __forceinline__ void score_newcomers(SlotMask newcomers) const {
    const int warp = static_cast<int>(threadIdx.x) / warp_lanes;
    const SlotMask all = newcomers & 0x1111'1111'1111'1111ULL << row_thread_ % chunk_slots;
    int turn = 0;
    for (SlotMask left = all; left != 0; left &= left - 1, ++turn) {
      if (turn % warps != warp) continue;
      const int slot = __ffsll(static_cast<long long>(left)) - 1;
      for (int first = 0; first < layout_.rows; first += tile_rows) score_newcomer(slot, first);
    }
    __syncthreads();
  }

  /// The scores of eight patterns. Each lane has the neurons of a class, in chunks of four; lanes start with different
  /// chunks, which fall into different banks.
  __device__ __forceinline__ void score_newcomer(int slot, int first) const {
    const int lane = column_group_;
    const int chunks = class_rows() / 4;
    const Weight* const weights = weights_ + first * layout_.row_stride + lane * class_rows();
    const float* const states = column_of(slot, lane);
    float sums[tile_rows] = {};
    int chunk = lane * min(chunks, row_classes) / row_classes;
    for (int i = 0; i < chunks; ++i) {
      add_state_score(weights + chunk * 4, layout_.row_stride, states + chunk * 4 * slots, slots, sums);
      chunk = chunk + 1 < chunks ? chunk + 1 : 0;
    }
    scores_[(first + lane) * stride + slot] = sum_across(sums);
  }

  /// A warp moves four slots at a time. True if one of the newcomers departs.
  __device__ __forceinline__ bool move_columns() {
    const int lane = static_cast<int>(threadIdx.x) % warp_lanes;
    const int warp = static_cast<int>(threadIdx.x) / warp_lanes;
    bool rejected = false;
    for (unsigned long long changed = plan()->changed & slots_of_warp(warp); changed != 0;) {
      const int first = (__ffsll(static_cast<long long>(changed)) - 1) / chunk_slots * chunk_slots;
      changed &= ~(0xfULL << first);
      const int slot = first + lane / row_classes;
      const bool moves = (plan()->changed >> slot & 1) != 0;
      unsigned largest = moves ? move_column(slot, lane % row_classes) : 0;
#pragma unroll
      for (int distance = 1; distance < row_classes; distance *= 2)
        largest = max(largest, __shfl_xor_sync(~0U, largest, distance));
      // A shuffle orders no memory accesses: all lanes have read what one of them now overwrites.
      __syncwarp();
      if (moves && lane % row_classes == 0) rejected |= conclude(slot, __uint_as_float(largest));
    }
    return rejected;
  }

  /// A bit for each slot that a warp moves: every `warps`-th chunk.
  __device__ static unsigned long long slots_of_warp(int warp) {
    unsigned long long all = 0;
#pragma unroll
    for (int first = 0; first < slots; first += warps * chunk_slots) all |= 0xfULL << first;
    return all << (warp * chunk_slots);
  }

  /// The bits of the largest magnitude that the lane has of a newcomer.
  __device__ __forceinline__ unsigned move_column(int slot, int lane) const {
    const ColumnMover mover{job_, column_of(slot, lane), mask_of(slot, lane), slots, layout_.dimension, class_rows(),
                            lane};
    const Index departing = table_.departing[slot];
    if (departing >= 0) {
      mover.store(departing);
      if (job_.energy_trace.data != nullptr) mover.end_trace(departing, table_.departed_steps[slot]);
    }
    if ((plan()->arriving >> slot & 1) == 0) return 0;
    if (launch_.masked) mover.load_masks(table_.query[slot]);
    return mover.load(table_.query[slot]);
  }

  /// After a slot's columns have moved, with the magnitude of what arrived. True if that departs.
  __device__ bool conclude(int slot, float magnitude) const {
    table_.departing[slot] = -1;
    table_.magnitude[slot] = magnitude;
    if (isfinite(magnitude)) {
      if (!(fmaxf(magnitude, 1.0F) < launch_.safe_magnitude)) atomicOr(&block_state()->careful, 1);
      return false;
    }
    retire(job_, table_, slot, 0, not_a_number(), Status::diverged);
    return true;
  }

  // The end, when slots run empty.

  /// Moves the queries of the upper half of the slots into gaps of the lower half.
  __device__ void close_gaps() {
    const int lane = static_cast<int>(threadIdx.x) % warp_lanes;
    if (threadIdx.x < warp_lanes) move_entries(table_, lane);
    __syncthreads();
    for (int first = slots / 2 + static_cast<int>(threadIdx.x) / warp_lanes * chunk_slots; first < slots;
         first += warps * chunk_slots) {
      const int slot = first + lane / row_classes;
      const int gap = table_.departed_steps[slot];
      if (gap >= 0) move_column_to(gap, slot, lane % row_classes);
    }
    __syncthreads();
  }

  /// Everything that a column carries between an advance and an evaluation.
  __device__ void move_column_to(int gap, int slot, int lane) const {
    const float* const from = column_of(slot, lane);
    float* const to = column_of(gap, lane);
    for (int j = 0; j < class_rows(); ++j) to[j * slots] = from[j * slots];
    for (int j = 0; j < class_rows() / tile_rows; ++j) {
      mask_of(gap, lane)[j * slots] = mask_of(slot, lane)[j * slots];
      changes_at(gap, lane)[j * slots] = changes_at(slot, lane)[j * slots];
    }
    for (int i = lane; i < row_threads(threads); i += row_classes) {
      energy_sums_[i * stride + gap] = energy_sums_[i * stride + slot];
      change_sums_[i * stride + gap] = change_sums_[i * stride + slot];
    }
  }

  // Where things lie.

  /// A slot's first neuron of class `lane`.
  __device__ __forceinline__ float* column_of(int slot, int lane) const {
    return states_ + lane * class_rows() * slots + (slot / chunk_slots ^ lane) * chunk_slots + slot % chunk_slots;
  }

  __device__ __forceinline__ std::uint8_t* mask_of(int slot, int lane) const {
    auto* const masks = reinterpret_cast<std::uint8_t*>(shared_ + layout_.masks);
    return masks + lane * class_rows() / tile_rows * slots + slot;
  }

  /// What the last step changed, as mask_of.
  __device__ __forceinline__ std::byte* changes_at(int slot, int lane) const {
    return shared_ + layout_.changes + lane * class_rows() / tile_rows * slots + slot;
  }

  __device__ __forceinline__ int class_rows() const { return layout_.neurons / row_classes; }

  /// The thread's first chunk in a row of the state matrix; valid for the rows of one class.
  __device__ __forceinline__ float* column(int row) const {
    return states_ + row * slots + (column_group_ ^ row / class_rows()) * chunk_slots;
  }

  __device__ __forceinline__ int slot_of(int c) const {
    return column_group_ * chunk_slots + c / chunk_slots * chunk_distance + c % chunk_slots;
  }

  __device__ __forceinline__ float* sum_row(float* sums) const {
    return sums + row_thread_ * stride + column_group_ * chunk_slots;
  }

  const Launch& launch_;
  const Layout layout_;
  const Job job_;
  std::byte* shared_;
  const Weight* weights_;
  const float* diagonal_;
  float* states_;
  float* scores_;
  float* energy_sums_;
  float* change_sums_;
  SlotTable table_;
  Dispenser dispenser_;
  int column_group_;  ///< whose chunks the thread has
  int row_thread_;    ///< whose rows the thread has
};

}  // namespace attractor::cuda::resident
