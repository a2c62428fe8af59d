#include "kernels/cuda/softmax/retrieval.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>
#include <variant>

#include "kernels/cuda/device/block_reduce.cuh"
#include "kernels/cuda/device/compensated_sum.cuh"
#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/quad.cuh"
#include "kernels/cuda/engine/device_terms.hpp"
#include "kernels/cuda/softmax/rank_key.cuh"
#include "kernels/cuda/softmax/softmax_chunks.hpp"
#include "kernels/cuda/softmax/stored_schedule.hpp"
#include "kernels/cuda/streamed/rank.hpp"
#include "kernels/cuda/streamed/rough_rank.hpp"

namespace attractor::cuda {
namespace {

constexpr int pick_threads = 128;

/// Scores of one chunk of patterns, and what is known of those before.
struct PickedChunk {
  int begin;
  int count;
  const float* scores;  ///< [rows × stride]
  Index stride;
  float* maxima;               ///< [rows] largest s
  double* sums;                ///< [rows] Σ exp(s − maximum), or without shares what is 0 or NaN where that is
  MatrixView<Index> patterns;  ///< [rows × 1] the first with the largest score
};

/// One block for each row.
template <bool has_shares>
__global__ void __launch_bounds__(pick_threads) pick_kernel(PickedChunk chunk) {
  const Index row = blockIdx.x;
  const bool is_first = chunk.begin == 0;
  const float* const scores = chunk.scores + row * chunk.stride;
  const auto for_each = [&](const auto& visit) {
    for (int i = static_cast<int>(threadIdx.x); i < chunk.count; i += pick_threads) visit(i, scores[i]);
  };
  ThreadBest own;
  bool are_numbers = true;
  for_each([&](int i, float score) {
    own.see(chunk.begin + i, score);
    if constexpr (!has_shares) are_numbers = are_numbers && !isnan(score);
  });
  const RankKey best = reduce_block<pick_threads>(own.key(), larger_key);
  const float largest = score_of(best);
  const float before = is_first ? -INFINITY : chunk.maxima[row];
  const float maximum = fmaxf(before, largest);
  double total = 0.0;
  const double earlier = is_first ? 0.0 : chunk.sums[row];
  if constexpr (has_shares) {
    const float reference = finite_or_above(maximum);
    CompensatedSum sum;
    for_each([&](int /*i*/, float score) { sum.add(expf(score - reference)); });
    total = reduce_block<pick_threads>(sum.value(), [](double a, double b) { return a + b; });
    if (!is_first) total = fma(earlier, static_cast<double>(expf(before - reference)), total);
  } else {
    are_numbers = __syncthreads_and(are_numbers ? 1 : 0) != 0 && largest < INFINITY;
    total = earlier + (are_numbers ? (best == 0 ? 0.0 : 1.0) : NAN);
  }
  if (threadIdx.x != 0) return;
  chunk.maxima[row] = maximum;
  chunk.sums[row] = total;
  if (is_first || largest > before) chunk.patterns(row, 0) = pattern_of(best);
}

constexpr int share_threads = 128;

/// The winner's share of the softmax is 1/Σ exp(s − max). 0: no score is above −∞. NaN: the largest is +∞, or one is
/// NaN.
__global__ void __launch_bounds__(share_threads)
    share_kernel(const double* sums, int rows, MatrixView<Index> patterns, MatrixView<float> shares) {
  const Index row = Index{blockIdx.x} * share_threads + threadIdx.x;
  if (row >= rows) return;
  const double sum = sums[row];
  const bool scored = isfinite(sum) && sum > 0.0;
  if (!scored) patterns(row, 0) = -1;
  if (shares.data != nullptr) shares(row, 0) = scored ? static_cast<float>(1.0 / sum) : NAN;
}

NormalisedSeparation separation_of(const StreamedSoftmax& memory) { return memory.terms.separation; }
NormalisedSeparation separation_of(const StreamedAdaptive& /*memory*/) { return SoftmaxSeparation{}; }

/// Whether the best is found chunk by chunk, unless from rough scores.
template <class Memory>
bool picks(const Memory& memory, Index count) {
  return count == 1 && std::holds_alternative<SoftmaxSeparation>(separation_of(memory));
}

/// Whether all scores of a query are kept.
template <class Memory>
bool keeps_scores(const Memory& memory, Index count) {
  return !picks(memory, count) || has_rough_scores(memory);
}

/// Scores of a query that are kept at a time.
template <class Memory>
int row_scores(const Memory& memory, Index count) {
  return keeps_scores(memory, count) ? padded(memory.patterns.rows) : chunk_patterns();
}

/// Queries whose scores, and so much else for each, take no more than the scratch of a relaxation.
template <class Memory>
int batch_rows(const Memory& memory, Index queries, Index count, Index other_bytes) {
  const detail::Sizes& sizes = detail::sizes();
  const Index row_bytes = static_cast<Index>(sizeof(float)) * row_scores(memory, count) + other_bytes;
  return static_cast<int>(
      std::min(std::clamp<Index>(sizes.scratch_bytes / row_bytes, 1, sizes.retrieval_rows), queries));
}

/// What a batch of queries is scored in.
struct Scratch {
  template <class Memory>
  Scratch(const Memory& memory, int most, Index count, Workspace& space)
      : states(space.take<float>(elements(most, memory.patterns.stride))),
        score_stride(row_scores(memory, count)),
        scores(space.take<float>(elements(most, score_stride))),
        maxima(picks(memory, count) ? space.take<float>(elements(most)) : nullptr),
        sums(picks(memory, count) ? space.take<double>(elements(most)) : nullptr),
        beta(space.take<float>(1)) {}

  float* states;  ///< columns from the dimension to the stride are zero
  int score_stride;
  float* scores;
  float* maxima;
  double* sums;
  float* beta;
};

/// Results of a batch on the device.
struct Found {
  MatrixView<Index> patterns;
  MatrixView<float> shares;
};

/// The best of all, of one chunk of patterns after another.
template <class Memory>
void launch_pick(const Memory& memory, const Scratch& scratch, const RowTerms& terms, const Found& found,
                 cudaStream_t stream) {
  const auto rows = static_cast<int>(found.patterns.rows);
  const bool has_shares = found.shares.data != nullptr;
  for (int begin = 0; begin < memory.patterns.rows; begin += chunk_patterns()) {
    const int count = std::min(chunk_patterns(), memory.patterns.rows - begin);
    launch_scores(memory, {scratch.states, rows, terms, begin, count, scratch.scores, scratch.score_stride}, stream);
    launch_kernel("pick_kernel", has_shares ? pick_kernel<true> : pick_kernel<false>,
                  {static_cast<unsigned>(rows), pick_threads}, stream,
                  PickedChunk{.begin = begin,
                              .count = count,
                              .scores = scratch.scores,
                              .stride = scratch.score_stride,
                              .maxima = scratch.maxima,
                              .sums = scratch.sums,
                              .patterns = found.patterns});
  }
  const auto blocks = static_cast<unsigned>((rows + share_threads - 1) / share_threads);
  launch_kernel("share_kernel", share_kernel, {blocks, share_threads}, stream, scratch.sums, rows, found.patterns,
                found.shares);
}

/// The best k, once all scores are there.
template <class Memory>
void launch_ranking(const Memory& memory, const Scratch& scratch, const RowTerms& terms, const Found& found,
                    cudaStream_t stream) {
  const auto rows = static_cast<int>(found.patterns.rows);
  launch_scores(memory, {scratch.states, rows, terms, 0, memory.patterns.rows, scratch.scores, scratch.score_stride},
                stream);
  launch_rank(separation_of(memory),
              {.rows = rows,
               .patterns = memory.patterns.rows,
               .scores = scratch.scores,
               .stride = scratch.score_stride,
               .best = found.patterns,
               .shares = found.shares},
              stream);
}

/// The best k patterns of a call that asks for no more, from rough scores. By tensor_product_block.cuh these are right
/// to (49 + n/16 + √n/8) u ‖a‖‖x‖ for n columns and u = 2⁻²⁴, float sums to n u/(1 − n u) of that, and both are then
/// times β, for another u each. Halves are below 2¹⁵ units.
void launch_rough_ranking(const StreamedSoftmax& memory, const Scratch& scratch, const Found& found,
                          cudaStream_t stream) {
  const auto rows = static_cast<int>(found.patterns.rows);
  const auto columns = static_cast<double>(memory.patterns.columns);
  launch_rough_scores(memory, {scratch.states, rows, {}, 0, memory.patterns.rows, scratch.scores, scratch.score_stride},
                      stream);
  launch_rough_rank({.rows = rows,
                     .states = scratch.states,
                     .patterns = &memory.patterns,
                     .scores = scratch.scores,
                     .stride = scratch.score_stride,
                     .beta = memory.terms.beta,
                     .length = std::sqrt(columns) * 0x1p15 * static_cast<double>(memory.pattern_halves.unit),
                     .error = (64.0 + 2.0 * columns) * 0x1p-24,
                     .best = found.patterns},
                    stream);
}

/// A call's batches of queries, one after another in the same scratch.
template <class Memory>
class Batches {
 public:
  Batches(const Memory& memory, const RetrievalJob& job, const Scratch& scratch, int most, cudaStream_t stream)
      : memory_(memory), job_(job), scratch_(scratch), stream_(stream) {
    check(cudaMemsetAsync(scratch.states, 0, bytes_of<float>(Index{most} * memory.patterns.stride), stream),
          "cudaMemsetAsync of queries");
    launch_store(job.schedule, scratch.beta, stream);
  }

  /// Enqueues that of queries [first, first + as many as there is room for), which lie as `kind` says.
  void launch(Index first, cudaMemcpyKind kind, const detail::PatternTerms& terms, const Found& found) const {
    const MatrixView<const float> queries = job_.queries.slice(first, found.patterns.rows);
    copy_rows(MatrixView<float>(scratch_.states, queries.rows, queries.columns, memory_.patterns.stride), queries, kind,
              stream_, "queries");
    const RowTerms row_terms{.patterns = terms, .schedule = {scratch_.beta, job_.schedule.count}};
    if constexpr (std::is_same_v<Memory, StreamedSoftmax>)
      if (found.shares.data == nullptr && row_terms.empty() && has_rough_scores(memory_)) {
        launch_rough_ranking(memory_, scratch_, found, stream_);
        return;
      }
    if (picks(memory_, job_.patterns.columns))
      launch_pick(memory_, scratch_, row_terms, found, stream_);
    else
      launch_ranking(memory_, scratch_, row_terms, found, stream_);
  }

 private:
  const Memory& memory_;
  const RetrievalJob& job_;
  const Scratch& scratch_;
  cudaStream_t stream_;
};

MatrixView<float> slice_if_any(MatrixView<float> matrix, Index first, Index rows) {
  return matrix.data == nullptr ? matrix : matrix.slice(first, rows);
}

/// What a batch of a waiting call needs on the device, wherever its data are.
struct Staging {
  template <class Memory>
  Staging(const Memory& memory, const RetrievalJob& job, int most, Workspace& space)
      : scratch(memory, most, job.patterns.columns, space),
        patterns(space.take<Index>(elements(most, job.patterns.columns))),
        shares(job.posteriors.data == nullptr ? nullptr : space.take<float>(elements(most, job.patterns.columns))),
        terms(job.terms, most, space) {}

  [[nodiscard]] Found found(Index rows, Index count) const { return {{patterns, rows, count}, {shares, rows, count}}; }

  Scratch scratch;
  Index* patterns;
  float* shares;
  DeviceTerms terms;
};

template <class Memory>
void retrieve_all(const Memory& memory, const RetrievalJob& job, LanePool& lanes) {
  const Index count = job.patterns.columns;
  const Index staged_bytes =
      term_row_bytes(job.terms, memory.patterns.rows) + static_cast<Index>(sizeof(Index) + sizeof(float)) * count;
  const int most = batch_rows(memory, job.queries.rows, count, staged_bytes);
  const LaneLoan lane(lanes);
  const Staging staging = carve(*lane, [&](Workspace& space) { return Staging(memory, job, most, space); });
  cudaStream_t stream = lane->stream();
  const Batches<Memory> batches(memory, job, staging.scratch, most, stream);
  for (Index first = 0; first < job.queries.rows; first += most) {
    const Index rows = std::min<Index>(most, job.queries.rows - first);
    const Found found = staging.found(rows, count);
    batches.launch(first, cudaMemcpyDefault, staging.terms.upload(job.terms.slice(first, rows), stream), found);
    copy_rows(job.patterns.slice(first, rows), found.patterns, cudaMemcpyDefault, stream, "retrieved patterns");
    if (found.shares.data != nullptr)
      copy_rows(job.posteriors.slice(first, rows), found.shares, cudaMemcpyDefault, stream, "posteriors");
    check(cudaStreamSynchronize(stream), "cudaStreamSynchronize after retrieval");
  }
}

template <class Memory>
std::size_t workspace_bytes_of(const Memory& memory, Index queries, Index count) {
  Workspace space;
  static_cast<void>(Scratch(memory, batch_rows(memory, queries, count, 0), count, space));
  return space.used();
}

template <class Memory>
void launch_all(const Memory& memory, const RetrievalJob& job, void* workspace, cudaStream_t stream) {
  const Index count = job.patterns.columns;
  const int most = batch_rows(memory, job.queries.rows, count, 0);
  Workspace space(workspace);
  const Scratch scratch(memory, most, count, space);
  const Batches<Memory> batches(memory, job, scratch, most, stream);
  for (Index first = 0; first < job.queries.rows; first += most) {
    const Index rows = std::min<Index>(most, job.queries.rows - first);
    batches.launch(first, cudaMemcpyDeviceToDevice, job.terms.slice(first, rows),
                   {job.patterns.slice(first, rows), slice_if_any(job.posteriors, first, rows)});
  }
}

}  // namespace

void retrieve(const StreamedSoftmax& memory, const RetrievalJob& job, LanePool& lanes) {
  retrieve_all(memory, job, lanes);
}
void retrieve(const StreamedAdaptive& memory, const RetrievalJob& job, LanePool& lanes) {
  retrieve_all(memory, job, lanes);
}

std::size_t retrieval_workspace_bytes(const StreamedSoftmax& memory, Index queries, Index count) {
  return workspace_bytes_of(memory, queries, count);
}
std::size_t retrieval_workspace_bytes(const StreamedAdaptive& memory, Index queries, Index count) {
  return workspace_bytes_of(memory, queries, count);
}

void launch_retrieval(const StreamedSoftmax& memory, const RetrievalJob& job, void* workspace, cudaStream_t stream) {
  launch_all(memory, job, workspace, stream);
}
void launch_retrieval(const StreamedAdaptive& memory, const RetrievalJob& job, void* workspace, cudaStream_t stream) {
  launch_all(memory, job, workspace, stream);
}

}  // namespace attractor::cuda
