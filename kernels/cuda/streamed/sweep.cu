#include "kernels/cuda/streamed/sweep.hpp"

#include <type_traits>
#include <variant>

#include "core/sweep_order.hpp"
#include "kernels/cuda/device/block_reduce.cuh"
#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/math.cuh"

namespace attractor::cuda {
namespace {

constexpr int threads = 128;

__device__ __forceinline__ int thread() { return static_cast<int>(threadIdx.x); }

template <class T>
__device__ T add_up(T own) {
  return reduce_block<threads>(own, [](T a, T b) { return a + b; });
}

/// The field that decides a neuron's sign, and the least that can be told from 0; the same on all threads.
struct Decision {
  float field;
  float least;
};

__device__ __forceinline__ float threshold_of(const float* thresholds, int neuron) {
  return thresholds == nullptr ? 0.0F : thresholds[neuron];
}

/// A thread's share of Σ θx.
__device__ double threshold_sum(const float* thresholds, const float* state, int dimension) {
  double sum = 0.0;
  if (thresholds == nullptr) return sum;
  for (int k = thread(); k < dimension; k += threads)
    sum += static_cast<double>(thresholds[k]) * static_cast<double>(state[k]);
  return sum;
}

/// The products Fx follow, in integers where patterns and states are ±1, so that no rounding adds up. Each thread has
/// every so many of them to itself.
template <class Separation>
class Products {
 public:
  __device__ Products(const Separation& separation, const SweptFactor& memory, float* products, float magnitude)
      : separation_(separation), memory_(memory), products_(products), magnitude_(magnitude) {}

  /// Σ 2F(h) − Σ (diagonal·x² + 2θx/scale).
  [[nodiscard]] __device__ double potential(const float* state, int dimension) const {
    double sum = 0.0;
    for (int p = thread(); p < memory_.patterns; p += threads) {
      const float h = memory_.score_scale * products_[p];
      sum += twice_potential(separation_, WideOps{}, double{h}, double{separate(separation_, FloatOps{}, h)});
    }
    if (memory_.diagonal != nullptr)
      for (int k = thread(); k < dimension; k += threads)
        sum -= static_cast<double>(memory_.diagonal[k]) * static_cast<double>(state[k]) * static_cast<double>(state[k]);
    sum -= 2.0 / static_cast<double>(memory_.scale) * threshold_sum(memory_.thresholds, state, dimension);
    return add_up(sum);
  }

  [[nodiscard]] __device__ Decision decide(int neuron, float x) const {
    float sum = 0.0F;
    float size = 0.0F;
    for (int p = thread(); p < memory_.patterns; p += threads) {
      const float entry = entry_at(p, neuron);
      if constexpr (is_linear) {
        sum = fmaf(entry, products_[p], sum);
      } else {
        const float step = memory_.score_scale * entry;
        const float without = memory_.score_scale * fmaf(-entry, x, products_[p]);
        const float term = entry * mean_weight(separation_, FloatOps{}, without, step);
        sum += term;
        size += fabsf(term);
      }
    }
    sum = add_up(sum);
    if constexpr (is_linear) {
      const float removed = memory_.diagonal == nullptr ? 0.0F : memory_.diagonal[neuron] * x;
      return {memory_.scale * (sum - removed) - threshold_of(memory_.thresholds, neuron),
              memory_.resolution[neuron] * magnitude_};
    } else {
      return {sum, relative_rounding(separation_) * add_up(size)};
    }
  }

  __device__ void follow(int neuron, float change) {
    for (int p = thread(); p < memory_.patterns; p += threads)
      products_[p] = fmaf(entry_at(p, neuron), change, products_[p]);
  }

 private:
  static constexpr bool is_linear = std::is_same_v<Separation, LinearSeparation>;

  [[nodiscard]] __device__ float entry_at(int pattern, int neuron) const {
    return memory_.factor[Index{pattern} * memory_.stride + neuron];
  }

  Separation separation_;
  const SweptFactor& memory_;
  float* products_;
  float magnitude_;
};

/// Fields follow: likewise.
class Fields {
 public:
  __device__ Fields(const SweptWeights& memory, float* fields, int dimension, float magnitude)
      : memory_(memory), fields_(fields), dimension_(dimension), magnitude_(magnitude) {}

  /// Σ x·(u − θ).
  [[nodiscard]] __device__ double potential(const float* state, int dimension) const {
    double sum = 0.0;
    for (int k = thread(); k < dimension; k += threads)
      sum += static_cast<double>(state[k]) * static_cast<double>(memory_.scale * fields_[k]);
    return add_up(sum - 2.0 * threshold_sum(memory_.thresholds, state, dimension));
  }

  [[nodiscard]] __device__ Decision decide(int neuron, float /*x*/) const {
    __shared__ float field;
    // All have read the last one by now, and the field's own thread has followed all changes.
    __syncthreads();
    if (neuron % threads == thread()) field = memory_.scale * fields_[neuron];
    __syncthreads();
    return {field - threshold_of(memory_.thresholds, neuron), memory_.resolution[neuron] * magnitude_};
  }

  __device__ void follow(int neuron, float change) {
    const float* const row = memory_.weights + neuron * memory_.stride;
    for (int k = thread(); k < dimension_; k += threads) fields_[k] = fmaf(row[k], change, fields_[k]);
  }

 private:
  const SweptWeights& memory_;
  float* fields_;
  int dimension_;
  float magnitude_;
};

/// For all threads of a block, whose row this is.
template <class Followed>
__device__ void sweep(Followed& followed, const SweepRows& rows, const Job& job, Index row, Index query) {
  const float* const state = rows.states + row * rows.stride;
  float* const swept = rows.swept + row * rows.stride;
  const std::uint8_t* const clamped = job.clamped.data == nullptr ? nullptr : job.clamped.row(query);
  const double potential = job.wants_energy ? followed.potential(state, rows.dimension) : 0.0;
  if (thread() == 0) rows.potentials[row] = potential;
  for (int n = 0; n < rows.dimension; ++n) {
    const int neuron = rows.order == nullptr ? n : rows.order[n];
    const float x = state[neuron];
    float next = x;
    if (clamped == nullptr || clamped[neuron] == 0) {
      const Decision decision = followed.decide(neuron, x);
      next = apply_update(AsynchronousSignUpdate{.at_zero = job.update.at_zero}, FloatOps{}, x,
                          without_noise(decision.field, decision.least));
      if (!isfinite(decision.field)) next = NAN;
      if (next != x) followed.follow(neuron, next - x);
    }
    if (thread() == 0) swept[neuron] = next;
  }
  for (Index k = rows.dimension + thread(); k < rows.stride; k += threads) swept[k] = 0.0F;
}

/// Of the state: all that has moved is ±1.
__device__ float magnitude_of(const Slot& slot) { return fmaxf(slot.magnitude, 1.0F); }

template <class Separation>
__global__ void __launch_bounds__(threads)
    sweep_products_kernel(Separation separation, SweptFactor memory, SweepRows rows, Job job) {
  const Index row = blockIdx.x;
  const Slot& slot = rows.slots[row];
  if (slot.query < 0) return;
  Products<Separation> products(separation, memory, rows.followed + row * rows.followed_stride, magnitude_of(slot));
  sweep(products, rows, job, row, slot.query);
}

__global__ void __launch_bounds__(threads) sweep_fields_kernel(SweptWeights memory, SweepRows rows, Job job) {
  const Index row = blockIdx.x;
  const Slot& slot = rows.slots[row];
  if (slot.query < 0) return;
  Fields fields(memory, rows.followed + row * rows.followed_stride, rows.dimension, magnitude_of(slot));
  sweep(fields, rows, job, row, slot.query);
}

__global__ void order_kernel(std::uint64_t seed, int* order, int dimension) { detail::shuffle(seed, order, dimension); }

}  // namespace

void launch_sweep_order(std::uint64_t seed, int* order, int dimension, cudaStream_t stream) {
  launch_kernel("order_kernel", order_kernel, {1, 1}, stream, seed, order, dimension);
}

void launch_sweep(const PointwiseSeparation& separation, const SweptFactor& memory, const SweepRows& rows,
                  const Job& job, cudaStream_t stream) {
  std::visit(
      [&](const auto& kind) {
        launch_kernel("sweep_products_kernel", sweep_products_kernel<std::decay_t<decltype(kind)>>,
                      {static_cast<unsigned>(rows.rows), threads}, stream, kind, memory, rows, job);
      },
      separation);
}

void launch_sweep(const SweptWeights& memory, const SweepRows& rows, const Job& job, cudaStream_t stream) {
  launch_kernel("sweep_fields_kernel", sweep_fields_kernel, {static_cast<unsigned>(rows.rows), threads}, stream, memory,
                rows, job);
}

}  // namespace attractor::cuda
