#include "kernels/cuda/streamed/step.hpp"

#include <type_traits>

#include "kernels/cuda/device/block_reduce.cuh"
#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/math.cuh"
#include "kernels/cuda/streamed/readout.cuh"

namespace attractor::cuda {
namespace {

constexpr float not_a_number = __builtin_nanf("");

__device__ __forceinline__ int thread() { return static_cast<int>(threadIdx.x); }

__device__ void write_outcome(const Job& job, Index query, int steps, double energy, Status status) {
  if (job.steps != nullptr) job.steps[query] = steps;
  if (job.energies != nullptr) job.energies[query] = static_cast<float>(energy);
  if (job.status != nullptr) job.status[query] = status;
}

/// For all threads of the block: the trace past a query's last step.
__device__ void end_trace(const Job& job, Index query, int steps) {
  if (job.energy_trace.data == nullptr) return;
  float* const trace = job.energy_trace.row(query);
  for (int t = steps + thread(); t < job.max_steps; t += step_threads) trace[t] = not_a_number;
}

/// For all threads of the block: a query that never took a step; its state is the query.
__device__ void finish_unstarted(const Job& job, Index query, Status status) {
  const float* const from = job.queries.row(query);
  float* const to = job.states.row(query);
  for (Index k = thread(); k < job.queries.columns; k += step_threads) to[k] = from[k];
  end_trace(job, query, 0);
  if (thread() == 0) write_outcome(job, query, 0, not_a_number, status);
}

/// For all threads of the block: copies a query into a row of `stride` elements. Its largest |x|; not finite if some x
/// isn't. Past its end are zeros, whatever a query that diverged has left there.
__device__ float load_query(const Job& job, Index query, float* row, Index stride) {
  const float* const from = job.queries.row(query);
  unsigned largest = 0;
  for (Index k = thread(); k < job.queries.columns; k += step_threads) {
    row[k] = from[k];
    // Bits of magnitudes are in the order of the magnitudes, infinity and then NaN the largest.
    largest = max(largest, __float_as_uint(fabsf(from[k])));
  }
  for (Index k = job.queries.columns + thread(); k < stride; k += step_threads) row[k] = 0.0F;
  return __uint_as_float(reduce_block<step_threads>(largest, [](unsigned a, unsigned b) { return max(a, b); }));
}

/// For all threads of the block: gives a slot the next query that is finite, or `first` if that one is; others diverge
/// at once. Whether there is one.
__device__ bool refill(const Job& job, const Slots& slots, int row, float* states, Index first = -1) {
  __shared__ Index next;
  for (;; first = -1) {
    if (thread() == 0)
      next = first >= 0 ? first : slots.reserved + static_cast<Index>(atomicAdd(&slots.counts->started, 1ULL));
    __syncthreads();
    const Index query = next;
    const bool none = query >= job.queries.rows;
    const float magnitude = none ? 0.0F : load_query(job, query, states + row * slots.stride, slots.stride);
    if (isfinite(magnitude)) {
      if (thread() == 0)
        slots.slot[row] = Slot{.query = none ? -1 : query, .steps = 0, .magnitude = magnitude, .judge = {}};
      return !none;
    }
    finish_unstarted(job, query, Status::diverged);
    if (thread() == 0) atomicAdd(&slots.counts->finished, 1ULL);
    __syncthreads();
  }
}

/// Zeros from column `first` on, which products read but no query writes.
__device__ void clear(const Slots& slots, int row, Index first) {
  for (Index k = first + thread(); k < slots.stride; k += step_threads) {
    slots.states[row * slots.stride + k] = 0.0F;
    slots.next[row * slots.stride + k] = 0.0F;
  }
}

__global__ void __launch_bounds__(step_threads, 8) start_kernel(Job job, Slots slots) {
  const int row = static_cast<int>(blockIdx.x);
  clear(slots, row, job.queries.columns);
  if (!refill(job, slots, row, slots.states, row)) clear(slots, row, 0);
}

/// What a step is judged by.
struct Sums {
  double energy;
  double squared_change;
  float finite;       ///< 0 exactly if the next state and what it follows from are finite
  unsigned returned;  ///< 0 exactly if the next state is the last one but one; where cycles are detected
};

__device__ __forceinline__ float next_element(float x, float next, std::uint8_t clamped) {
  return clamped != 0 ? x : next;
}

/// Clamp marks of four neurons. What lies past the dimension keeps its zeros.
__device__ __forceinline__ uchar4 clamps(const std::uint8_t* row, int k, int dimension) {
  if (row == nullptr && k + 4 <= dimension) return {0, 0, 0, 0};
  const auto mark = [&](int i) -> std::uint8_t {
    if (k + i >= dimension) return 1;
    return row == nullptr ? std::uint8_t{0} : row[k + i];
  };
  return {mark(0), mark(1), mark(2), mark(3)};
}

/// This thread's share of the energy's sum.
template <class Sum, class Readout>
__device__ double energy_share(const Readout& readout, const float* state, Index stride, int row) {
  auto sum = readout.template extra<Sum>(row);
  for (int k = 4 * thread(); k < stride; k += 4 * step_threads) {
    const float4 x = load4(state + k);
    sum.add(readout.template energy_terms<typename Sum::Term>(k, x, readout.field(row, k, x)));
  }
  return sum.value();
}

/// 0 if all four are finite, else NaN.
__device__ __forceinline__ float zero_of(float4 values) {
  return (values.x * 0.0F + values.y * 0.0F) + (values.z * 0.0F + values.w * 0.0F);
}

/// 0 exactly if the bits are the same.
__device__ __forceinline__ unsigned different_bits(float4 a, float4 b) {
  const auto different = [](float one, float other) { return __float_as_uint(one) ^ __float_as_uint(other); };
  return different(a.x, b.x) | different(a.y, b.y) | different(a.z, b.z) | different(a.w, b.w);
}

/// Fields as an update takes them: a sign is not decided by rounding.
template <class UpdateType>
__device__ __forceinline__ float4 decided(float4 u, const float* resolution, float magnitude) {
  if constexpr (!std::is_same_v<UpdateType, SignUpdate>) return u;
  return combine(u, load4(resolution), [&](float field, float r) { return without_noise(field, r * magnitude); });
}

/// Writes the next state of a row, and this thread's share of the sums.
template <class Readout, class UpdateType>
__device__ Sums advance(const Readout& readout, const UpdateType& update, const Job& job, const Slots& slots, int row,
                        const std::uint8_t* clamped) {
  const float* const state = slots.states + row * slots.stride;
  float* const next = slots.next + row * slots.stride;
  const FloatOps ops;
  CompensatedSum energy = readout.template extra<CompensatedSum>(row);
  CompensatedSum squared_change;
  const bool wants_change = job.halting.watch == Halting::Watch::state;
  const Slot& slot = slots.slot[row];
  // From the first step on all that moves is ±1.
  const float magnitude = readout.rounding_magnitude(slot.steps == 0 ? slot.magnitude : fmaxf(slot.magnitude, 1.0F));
  // What the next state replaces is the last one but one.
  const bool wants_return = job.detects_cycles() && slot.steps > 0;
  float finite = 0.0F;
  unsigned returned = 0;
  for (int k = 4 * thread(); k < slots.stride; k += 4 * step_threads) {
    const float4 x = load_passing4(state + k);
    const float4 field = readout.field(row, k, x);
    const float4 u = decided<UpdateType>(field, readout.resolution + k, magnitude);
    const uchar4 kept = clamps(clamped, k, static_cast<int>(job.queries.columns));
    const float4 y = {next_element(x.x, apply_update(update, ops, x.x, u.x), kept.x),
                      next_element(x.y, apply_update(update, ops, x.y, u.y), kept.y),
                      next_element(x.z, apply_update(update, ops, x.z, u.z), kept.z),
                      next_element(x.w, apply_update(update, ops, x.w, u.w), kept.w)};
    if (wants_return) returned |= different_bits(y, load4(next + k));
    store_passing4(next + k, y);
    energy.add(readout.template energy_terms<float>(k, x, field));
    if (wants_change) {
      const float4 change = {y.x - x.x, y.y - x.y, y.z - x.z, y.w - x.w};
      squared_change.add(sum_products<float>(change, change));
    }
    finite += zero_of(field) + zero_of(y);
  }
  double energy_sum = energy.value();
  if (job.wants_energy && !isfinite(energy_sum)) energy_sum = energy_share<WideSum>(readout, state, slots.stride, row);
  return {energy_sum, squared_change.value(), finite, returned};
}

/// The sums of all threads, in a fixed order, on thread 0.
__device__ Sums block_sums(Sums mine) {
  constexpr int warps = step_threads / 32;
  __shared__ Sums shared[warps];
  for (int offset = warp_size / 2; offset > 0; offset /= 2) {
    mine.energy += __shfl_xor_sync(all_lanes, mine.energy, offset);
    mine.squared_change += __shfl_xor_sync(all_lanes, mine.squared_change, offset);
    mine.finite += __shfl_xor_sync(all_lanes, mine.finite, offset);
    mine.returned |= __shfl_xor_sync(all_lanes, mine.returned, offset);
  }
  if (thread() % 32 == 0) shared[thread() / 32] = mine;
  __syncthreads();
  Sums sums = {};
  if (thread() == 0)
    for (const Sums& warp : shared)
      sums = {sums.energy + warp.energy, sums.squared_change + warp.squared_change, sums.finite + warp.finite,
              sums.returned | warp.returned};
  return sums;
}

/// What becomes of a query after a step.
enum class Verdict : unsigned char { stays, leaves_with_state, leaves_with_next };

/// One thread's judgement of a query: the energy of x_t, then the state x_{t+1}.
class Judge {
 public:
  __device__ Judge(const Job& job, Slot& slot) : job_(job), slot_(slot) {}

  __device__ Verdict judge(double energy, const Sums& sums) {
    const detail::EndRule rule = job_.end();
    if (job_.wants_energy && slot_.steps > 0) {
      energy_ = energy;
      trace(energy);
      if (slot_.judge.energy_ends(rule, slot_.steps, energy)) return Verdict::leaves_with_state;
    }
    ++slot_.steps;
    energy_ = not_a_number;
    const bool finite = sums.finite == 0.0F;
    if (!finite) trace(energy_);
    const bool ends = slot_.judge.state_ends(rule, slot_.steps, {finite, sums.squared_change, sums.returned == 0});
    return ends ? Verdict::leaves_with_next : Verdict::stays;
  }
  [[nodiscard]] __device__ double energy() const { return energy_; }

 private:
  __device__ void trace(double energy) const {
    if (job_.energy_trace.data != nullptr) job_.energy_trace(slot_.query, slot_.steps - 1) = static_cast<float>(energy);
  }

  const Job& job_;
  Slot& slot_;
  double energy_ = not_a_number;
};

template <class Readout>
__global__ void __launch_bounds__(step_threads, 8) step_kernel(Readout readout, Job job, Slots slots) {
  __shared__ Verdict verdict;
  __shared__ int steps;
  const int row = static_cast<int>(blockIdx.x);
  const Index query = slots.slot[row].query;
  if (query < 0) return;
  readout.begin(row);
  const std::uint8_t* const clamped = job.clamped.data == nullptr ? nullptr : job.clamped.row(query);
  Sums sums;
  visit_update(job.update, [&](const auto& update) { sums = advance(readout, update, job, slots, row, clamped); });
  sums = block_sums(sums);
  if (thread() == 0) {
    Slot slot = slots.slot[row];
    Judge judge(job, slot);
    verdict = judge.judge(job.wants_energy ? readout.energy(sums.energy) : 0.0, sums);
    steps = slot.steps;
    slots.slot[row] = slot;
    if (verdict != Verdict::stays) {
      write_outcome(job, query, slot.steps, judge.energy(), slot.judge.status());
      atomicAdd(&slots.counts->finished, 1ULL);
    }
  }
  __syncthreads();
  if (verdict == Verdict::stays) return;
  const float* const from = (verdict == Verdict::leaves_with_state ? slots.states : slots.next) + row * slots.stride;
  for (Index k = thread(); k < job.states.columns; k += step_threads) job.states.row(query)[k] = from[k];
  end_trace(job, query, steps);
  __syncthreads();
  refill(job, slots, row, slots.next);
}

}  // namespace

void launch_start(const Job& job, const Slots& slots, int rows, cudaStream_t stream) {
  launch_kernel("start_kernel", start_kernel, {static_cast<unsigned>(rows), step_threads}, stream, job, slots);
}

template <class Readout>
void launch_step(const Readout& readout, const Job& job, const Slots& slots, int rows, cudaStream_t stream) {
  launch_kernel("step_kernel", step_kernel<Readout>, {static_cast<unsigned>(rows), step_threads}, stream, readout, job,
                slots);
}

template void launch_step(const FactoredReadout&, const Job&, const Slots&, int, cudaStream_t);
template void launch_step(const DenseReadout&, const Job&, const Slots&, int, cudaStream_t);
template void launch_step(const PointwiseReadout&, const Job&, const Slots&, int, cudaStream_t);
template void launch_step(const SweptReadout&, const Job&, const Slots&, int, cudaStream_t);
template void launch_step(const SoftmaxReadout&, const Job&, const Slots&, int, cudaStream_t);
template void launch_step(const KeepingReadout&, const Job&, const Slots&, int, cudaStream_t);

}  // namespace attractor::cuda
