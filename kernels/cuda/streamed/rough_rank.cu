#include "kernels/cuda/streamed/rough_rank.hpp"

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/quad.cuh"
#include "kernels/cuda/streamed/ranking.cuh"

namespace attractor::cuda {
namespace {

/// What a block's row has, as kernels take it.
struct Arguments {
  const float* states;
  const float* patterns;
  int row_floats;  ///< of both
  double length;   ///< of the longest pattern
  double error;
  float beta;
  float* scores;
  RankedRows ranked;
};

class RoughRow {
 public:
  __device__ RoughRow(const Arguments& arguments, Shortlist& list)
      : arguments_(arguments),
        list_(list),
        state_(arguments.states + Index{blockIdx.x} * arguments.row_floats),
        scores_(arguments.scores + Index{blockIdx.x} * arguments.ranked.stride) {}

  __device__ void run() {
    const double length = state_length();
    if (!isfinite(length)) {
      // The sum of some pattern's products is +∞ or NaN, or all are −∞: none is the best.
      for (Index rank = static_cast<int>(threadIdx.x); rank < wanted(); rank += settle_threads) note(rank, 0);
      return;
    }
    const double largest_product = arguments_.length * length;
    if (is_within_floats(largest_product) && is_within_floats(arguments_.beta * largest_product)) {
      list_candidates(arguments_.error * arguments_.beta * largest_product);
      if (list_.count <= most_listed) {
        rank_candidates();
        return;
      }
    }
    rank_all();
  }

 private:
  [[nodiscard]] __device__ Index wanted() const { return arguments_.ranked.best.columns; }

  /// So that neither products nor sums overflow, and what underflows is less than errors.
  [[nodiscard]] __device__ static bool is_within_floats(double value) { return value > 0x1p-60 && value < 0x1p100; }

  template <class Visit>
  __device__ void for_each(const Visit& visit) const {
    for (int i = static_cast<int>(threadIdx.x); i < arguments_.ranked.patterns; i += settle_threads) visit(i);
  }

  [[nodiscard]] __device__ double state_length() const {
    double squares = 0.0;
    for (int k = static_cast<int>(threadIdx.x); k < arguments_.row_floats; k += settle_threads)
      squares += static_cast<double>(state_[k]) * static_cast<double>(state_[k]);
    return sqrt(add_up(squares));
  }

  /// Those that are less than two errors below one that at least as many as are wanted reach: no other can be better
  /// than all of these.
  __device__ void list_candidates(double error) {
    ThreadBest best;
    for_each([&](int i) { best.see(i, scores_[i]); });
    const float floor = score_of(floor_of(best.key(), wanted()));
    const float least = __double2float_rd(static_cast<double>(floor) - 2.0 * error);
    for_each([&](int i) {
      if (scores_[i] >= least) list_.add(static_cast<RankKey>(i));
    });
    __syncthreads();
  }

  __device__ void rank_candidates() {
    for (int i = static_cast<int>(threadIdx.x); i < list_.count; i += settle_threads) {
      const auto pattern = static_cast<int>(list_.keys[i]);
      list_.keys[i] = rank_key(score(pattern), pattern);
    }
    __syncthreads();
    rank_listed(list_, wanted(), [this](Index rank, RankKey key) { note(rank, key); });
  }

  /// The sum in the order of launch_transposed_ordered_product, for the same bits.
  [[nodiscard]] __device__ float score(int pattern) const {
    const float* const entries = arguments_.patterns + Index{pattern} * arguments_.row_floats;
    const FloatOps ops;
    float sum = 0.0F;
#pragma unroll 4
    for (int k = 0; k < arguments_.row_floats; k += 4) {
      const float4 a = load4(entries + k);
      const float4 x = load4(state_ + k);
      sum = add_entries<Similarity::dot>(ops, sum, a.x, x.x);
      sum = add_entries<Similarity::dot>(ops, sum, a.y, x.y);
      sum = add_entries<Similarity::dot>(ops, sum, a.z, x.z);
      sum = add_entries<Similarity::dot>(ops, sum, a.w, x.w);
    }
    return sum * arguments_.beta;
  }

  /// Where there are too many candidates, or products may leave the range of float.
  __device__ void rank_all() {
    for_each([&](int i) { scores_[i] = score(i); });
    __syncthreads();
    if (threadIdx.x == 0) list_.count = 0;
    rank_row<SoftmaxRow>(SoftmaxSeparation{}, arguments_.ranked, list_);
  }

  __device__ void note(Index rank, RankKey key) const {
    arguments_.ranked.best(blockIdx.x, rank) = key == 0 ? -1 : pattern_of(key);
  }

  const Arguments& arguments_;
  Shortlist& list_;
  const float* state_;
  float* scores_;
};

/// One block for each row.
__global__ void __launch_bounds__(settle_threads) rough_rank_kernel(Arguments arguments) {
  __shared__ Shortlist list;
  // Reductions come before any is listed.
  if (threadIdx.x == 0) list.count = 0;
  RoughRow(arguments, list).run();
}

}  // namespace

void launch_rough_rank(const RoughRows& rows, cudaStream_t stream) {
  const DeviceMatrix& patterns = *rows.patterns;
  const RankedRows ranked{.rows = rows.rows,
                          .patterns = patterns.rows,
                          .scores = rows.scores,
                          .stride = rows.stride,
                          .best = rows.best,
                          .shares = {}};
  launch_kernel("rough_rank_kernel", rough_rank_kernel, {static_cast<unsigned>(rows.rows), settle_threads}, stream,
                Arguments{.states = rows.states,
                          .patterns = patterns.data.data(),
                          .row_floats = patterns.stride,
                          .length = rows.length,
                          .error = rows.error,
                          .beta = rows.beta,
                          .scores = rows.scores,
                          .ranked = ranked});
}

}  // namespace attractor::cuda
