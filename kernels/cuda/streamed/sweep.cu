#include "kernels/cuda/streamed/sweep.hpp"

#include <type_traits>
#include <variant>

#include "core/score_unit.hpp"
#include "core/sweep_order.hpp"
#include "kernels/cuda/device/block_reduce.cuh"
#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/math.cuh"

namespace attractor::cuda {
namespace {

#define ATTRACTOR_MATH __device__ __forceinline__
#include "core/score_unit-inl.hpp"
#undef ATTRACTOR_MATH

constexpr int threads = 128;

__device__ __forceinline__ int thread() { return static_cast<int>(threadIdx.x); }

template <class T>
__device__ T add_up(T own) {
  return reduce_block<threads>(own, [](T a, T b) { return a + b; });
}

__device__ float largest_of(float own) {
  return reduce_block<threads>(own, [](float a, float b) { return fmaxf(a, b); });
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
    const int exponent = exponent_of_scores();
    const float unit = ldexpf(1.0F, exponent);
    double sum = 0.0;
    for (int p = thread(); p < memory_.patterns; p += threads) {
      const float h = score(p) * unit;
      sum += twice_potential(separation_, WideOps{}, double{h}, double{separate(separation_, FloatOps{}, h)});
    }
    if (memory_.diagonal != nullptr)
      for (int k = thread(); k < dimension; k += threads)
        sum -= static_cast<double>(memory_.diagonal[k]) * static_cast<double>(state[k]) * static_cast<double>(state[k]);
    sum -= 2.0 / static_cast<double>(memory_.scale) * threshold_sum(memory_.thresholds, state, dimension);
    sum = add_up(sum);
    if constexpr (has_units) sum = ldexp(sum, -separation_.order * exponent);
    return sum;
  }

  [[nodiscard]] __device__ Decision decide(int neuron, float x) const {
    if constexpr (is_linear) {
      float sum = 0.0F;
      for (int p = thread(); p < memory_.patterns; p += threads) sum = fmaf(entry_at(p, neuron), products_[p], sum);
      const float removed = memory_.diagonal == nullptr ? 0.0F : memory_.diagonal[neuron] * x;
      return {memory_.scale * (add_up(sum) - removed) - threshold_of(memory_.thresholds, neuron),
              memory_.resolution[neuron] * magnitude_};
    } else {
      Terms terms = add_terms(neuron, x, 1.0F);
      if constexpr (has_units)
        if (!fit(terms.size)) terms = add_terms(neuron, x, unit_for(neuron, x));
      return {terms.sum, relative_rounding(separation_) * terms.size};
    }
  }

  __device__ void follow(int neuron, float change) {
    for (int p = thread(); p < memory_.patterns; p += threads)
      products_[p] = fmaf(entry_at(p, neuron), change, products_[p]);
  }

 private:
  static constexpr bool is_linear = std::is_same_v<Separation, LinearSeparation>;
  /// Powers, whose scores may be in another unit than 1.
  static constexpr bool has_units = std::is_same_v<Separation, PolynomialSeparation>;

  /// What all patterns add to the field, and its magnitude; the same on all threads.
  struct Terms {
    float sum;
    float size;
  };

  /// Of scores times `unit`: a·f(h), with f's mean between the neuron's two states.
  [[nodiscard]] __device__ Terms add_terms(int neuron, float x, float unit) const {
    float sum = 0.0F;
    float size = 0.0F;
    for (int p = thread(); p < memory_.patterns; p += threads) {
      const float without = score_without(p, neuron, x) * unit;
      const float term = entry_at(p, neuron) * mean_weight(separation_, FloatOps{}, without, step_of(p, neuron) * unit);
      sum += term;
      size += fabsf(term);
    }
    return {add_up(sum), add_up(size)};
  }

  static __device__ bool fit(float size) {
    return size >= detail::least_fitting_sum && size <= detail::most_fitting_sum;
  }

  /// By the largest score that either of the neuron's two states would have.
  [[nodiscard]] __device__ float unit_for(int neuron, float x) const {
    float largest = 0.0F;
    for (int p = thread(); p < memory_.patterns; p += threads) {
      const float without = score_without(p, neuron, x);
      const float half = fabsf(step_of(p, neuron));
      largest = fmaxf(largest, counted_size(separation_, FloatOps{}, without + half));
      largest = fmaxf(largest, counted_size(separation_, FloatOps{}, without - half));
    }
    return ldexpf(1.0F, detail::unit_exponent(largest_of(largest)));
  }

  /// The power of two that the state's scores are multiplied by before their powers are taken.
  [[nodiscard]] __device__ int exponent_of_scores() const {
    if constexpr (!has_units) {
      return 0;
    } else {
      float largest = 0.0F;
      for (int p = thread(); p < memory_.patterns; p += threads)
        largest = fmaxf(largest, counted_size(separation_, FloatOps{}, score(p)));
      return detail::unit_exponent(largest_of(largest), separation_.order);
    }
  }

  [[nodiscard]] __device__ float entry_at(int pattern, int neuron) const {
    return memory_.factor[Index{pattern} * memory_.stride + neuron];
  }
  [[nodiscard]] __device__ float score(int pattern) const { return memory_.score_scale * products_[pattern]; }
  /// What a neuron that is 1 adds to a score.
  [[nodiscard]] __device__ float step_of(int pattern, int neuron) const {
    return memory_.score_scale * entry_at(pattern, neuron);
  }
  /// A score but for what the neuron adds to it.
  [[nodiscard]] __device__ float score_without(int pattern, int neuron, float x) const {
    return memory_.score_scale * fmaf(-entry_at(pattern, neuron), x, products_[pattern]);
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
