#pragma once

/// The queries in flight of a block: who they are, when they halt, how they come and go.

#include <attractor/matrix_view.hpp>

#include "kernels/cuda/engine/job.hpp"
#include "kernels/cuda/resident/bipolar.hpp"
#include "kernels/cuda/resident/query_end.cuh"
#include "kernels/cuda/resident/resident_layout.hpp"

namespace attractor::cuda::resident {

/// One entry for each slot, in shared memory.
struct SlotTable {
  Index* query;      ///< −1: idle
  Index* departing;  ///< the query whose result waits to be written, −1: none
  detail::EndJudge* judge;
  int* steps;           ///< −1: not evaluated yet
  int* departed_steps;  ///< steps of the departing query
  int* flags;           ///< what the last step did, as follows
  float* magnitude;     ///< of the states that the next step starts from, at least
};

/// Flags of a slot.
inline constexpr int diverged = 1;              ///< the state or the readout isn't finite
inline constexpr int changed_others = 2;        ///< other neurons changed than in the step before
inline constexpr int changed_strange = 4;       ///< some neuron changed that wasn't ±1
inline constexpr int changed_strange_last = 8;  ///< so it was in the step before

__device__ __forceinline__ SlotTable slot_table(std::byte* at, int slots) {
  SlotTable table{};
  table.query = reinterpret_cast<Index*>(at);
  table.departing = table.query + slots;
  table.judge = reinterpret_cast<detail::EndJudge*>(table.departing + slots);
  table.steps = reinterpret_cast<int*>(table.judge + slots);
  table.departed_steps = table.steps + slots;
  table.flags = table.departed_steps + slots;
  table.magnitude = reinterpret_cast<float*>(table.flags + slots);
  return table;
}
static_assert(2 * sizeof(Index) + sizeof(detail::EndJudge) + 3 * sizeof(int) + sizeof(float) == slot_bytes);

/// Ends a slot's query: its numbers are written, its state waits for the exchange.
__device__ __forceinline__ void retire(const Job& job, const SlotTable& table, int slot, int steps, float energy,
                                       Status status) {
  const Index query = table.query[slot];
  if (job.steps != nullptr) job.steps[query] = steps;
  if (job.energies != nullptr) job.energies[query] = energy;
  if (job.status != nullptr) job.status[query] = status;
  table.departing[slot] = query;
  table.departed_steps[slot] = steps;
  table.query[slot] = -1;
}

/// Whether a slot's state is what it was two steps before: the neurons that changed in both steps are the same, and
/// were ±1, so that each came back. Makes the flags those of the step before.
__device__ __forceinline__ bool take_return(const SlotTable& table, int slot) {
  const int flags = table.flags[slot];
  table.flags[slot] = (flags & changed_strange) != 0 ? changed_strange_last : 0;
  return (flags & (changed_others | changed_strange_last)) == 0;
}

/// Takes what is known of a slot after a step or its evaluation. True if its query has come to its end.
__device__ inline bool judge(const Job& job, const SlotTable& table, int slot, double energy, double squared_change) {
  if (table.query[slot] < 0) return false;
  const int t = ++table.steps[slot];
  if (t == 0) {
    table.flags[slot] = 0;
    return false;
  }
  // From the first step on all that moves under a bounded update is at most 1.
  if (t == 1) table.magnitude[slot] = fmaxf(table.magnitude[slot], 1.0F);
  const bool bad = (table.flags[slot] & diverged) != 0;
  const float result = bad ? not_a_number() : static_cast<float>(energy);
  if (job.energy_trace.data != nullptr) job.energy_trace.row(table.query[slot])[t - 1] = result;
  const bool returned = job.detects_cycles() && take_return(table, slot);
  detail::EndJudge& judge = table.judge[slot];
  const detail::EndRule rule = job.end();
  if (!judge.state_ends(rule, t, {!bad, squared_change, returned}) &&
      !(job.wants_energy && judge.energy_ends(rule, t, energy)))
    return false;
  retire(job, table, slot, t, result, judge.status());
  return true;
}

/// One warp moves the entries of the upper half of 64 slots into gaps of the lower half. Leaves in `departed_steps` of
/// the upper half where each went, −1: nowhere.
__device__ inline void move_entries(const SlotTable& table, int lane) {
  const int slot = warp_lanes + lane;
  const bool moves = table.query[slot] >= 0;
  const unsigned moving = __ballot_sync(~0U, moves);
  unsigned gaps = __ballot_sync(~0U, table.query[lane] < 0);
  for (int i = __popc(moving & ((1U << lane) - 1)); i > 0; --i) gaps &= gaps - 1;
  const int gap = moves ? __ffs(static_cast<int>(gaps)) - 1 : -1;
  table.departed_steps[slot] = gap;
  // A ballot orders no memory accesses: all lanes have read where others are about to write.
  __syncwarp();
  if (!moves) return;
  table.query[gap] = table.query[slot];
  table.judge[gap] = table.judge[slot];
  table.steps[gap] = table.steps[slot];
  table.flags[gap] = table.flags[slot];
  table.magnitude[gap] = table.magnitude[slot];
  table.query[slot] = -1;
  table.steps[slot] = -1;
}

/// What an exchange has to do, in shared memory.
struct Exchange {
  SlotMask changed;   ///< slots from or to which a state moves
  SlotMask arriving;  ///< slots whose query's state waits to be loaded
  int in_use;         ///< number of slots that have a query
};

/// What a block's threads share beside the slots.
struct BlockState {
  Exchange exchange;
  int careful;  ///< nonzero: some query's readouts might leave the range of float, so all are looked at
};
static_assert(sizeof(BlockState) == block_bytes);

/// One warp gives idle slots below `limit` the next queries.
class Dispenser {
 public:
  /// `first_steps`: the steps of a newcomer.
  __device__ Dispenser(const Job& job, unsigned long long* next, ListedRows left, int limit, int first_steps)
      : listed_(left.rows),
        total_(left.count == nullptr ? job.queries.rows : Index{*left.count}),
        next_(next),
        limit_(limit),
        first_steps_(first_steps) {}

  /// Queries of all blocks.
  [[nodiscard]] __device__ Index total() const { return total_; }

  template <int slots>
  __device__ Exchange fill(const SlotTable& table) {
    const int lane = static_cast<int>(threadIdx.x) % warp_lanes;
    unsigned idle[slots / warp_lanes];
    int wanted = 0;
#pragma unroll
    for (int i = 0; i < slots / warp_lanes; ++i) {
      const int slot = i * warp_lanes + lane;
      idle[i] = __ballot_sync(~0U, slot < limit_ && table.query[slot] < 0);
      wanted += __popc(idle[i]);
    }
    Index first = reserve(wanted, lane);
    Exchange exchange{};
#pragma unroll
    for (int i = 0; i < slots / warp_lanes; ++i) {
      const int slot = i * warp_lanes + lane;
      const int rank = __popc(idle[i] & ((1U << lane) - 1));
      const bool arrives = (idle[i] >> lane & 1U) != 0 && first + rank < total_;
      if (arrives) enter(table, slot, query_at(first + rank));
      first += __popc(idle[i]);
      const unsigned arriving = __ballot_sync(~0U, arrives);
      const unsigned departing = __ballot_sync(~0U, table.departing[slot] >= 0);
      exchange.arriving |= static_cast<SlotMask>(arriving) << (i * warp_lanes);
      exchange.changed |= static_cast<SlotMask>(arriving | departing) << (i * warp_lanes);
      exchange.in_use += __popc(__ballot_sync(~0U, table.query[slot] >= 0));
    }
    return exchange;
  }

 private:
  /// The first of `count` queries that no other block gets; they may lie past the last one.
  __device__ Index reserve(int count, int lane) {
    if (count == 0 || exhausted_) return total_;
    unsigned long long first = 0;
    if (lane == 0) first = atomicAdd(next_, static_cast<unsigned long long>(count));
    first = __shfl_sync(~0U, first, 0);
    exhausted_ = static_cast<Index>(first) + count >= total_;
    return static_cast<Index>(first);
  }

  [[nodiscard]] __device__ Index query_at(Index i) const { return listed_ == nullptr ? i : Index{listed_[i]}; }

  __device__ void enter(const SlotTable& table, int slot, Index query) {
    table.query[slot] = query;
    table.steps[slot] = first_steps_;
    table.flags[slot] = 0;
    table.judge[slot] = detail::EndJudge{};
  }

  const unsigned* listed_;
  Index total_;
  unsigned long long* next_;
  int limit_;
  int first_steps_;
  bool exhausted_ = false;
};

/// One slot's state between global memory and its column of the state matrix. Eight lanes work together, each on one
/// class of neurons: so they touch eight neighbours in global memory at a time.
struct ColumnMover {
  const Job& job;
  float* column;        ///< the lane's first neuron
  std::uint8_t* masks;  ///< the lane's first mask
  int slots;
  int dimension;
  int class_rows;  ///< neurons of a class
  int lane;        ///< 0 … 7

  /// The lane's neurons, without padding.
  __device__ __forceinline__ int count() const { return (dimension - lane + row_classes - 1) / row_classes; }

  __device__ __forceinline__ void store(Index query) const {
    float* const row = job.states.row(query) + lane;
#pragma unroll 8
    for (int j = 0; j < count(); ++j) row[j * row_classes] = column[j * slots];
  }

  /// The bits of the largest |x|: such bits are in the order of the magnitudes, infinity and then NaN the largest.
  __device__ __forceinline__ unsigned load(Index query) const {
    const float* const row = job.queries.row(query) + lane;
    unsigned largest = 0;
#pragma unroll 8
    for (int j = 0; j < count(); ++j) {
      const float value = row[j * row_classes];
      largest = max(largest, __float_as_uint(fabsf(value)));
      column[j * slots] = value;
    }
    for (int j = count(); j < class_rows; ++j) column[j * slots] = 0.0F;
    return largest;
  }

  /// Marks the clamped neurons, and those that are padding.
  __device__ __forceinline__ void load_masks(Index query) const {
    const bool clamped = job.clamped.data != nullptr;
    const std::uint8_t* const row = clamped ? job.clamped.row(query) + lane : nullptr;
    for (int j = 0; j < class_rows; j += 8) {
      unsigned mask = 0;
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const int k = lane + (j + i) * row_classes;
        const bool keeps = k >= dimension || (clamped && row[(j + i) * row_classes] != 0);
        mask |= keeps ? 1U << i : 0U;
      }
      masks[j / 8 * slots] = static_cast<std::uint8_t>(mask);
    }
  }

  /// NaN for the steps that a query didn't take.
  __device__ __forceinline__ void end_trace(Index query, int steps) const {
    float* const row = job.energy_trace.row(query);
    for (int t = steps + lane; t < job.max_steps; t += row_classes) row[t] = not_a_number();
  }
};

}  // namespace attractor::cuda::resident
