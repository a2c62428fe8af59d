#include "kernels/cuda/softmax/retrieval.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/quad.cuh"
#include "kernels/cuda/engine/device_terms.hpp"
#include "kernels/cuda/softmax/softmax_chunks.hpp"
#include "kernels/cuda/softmax/stored_schedule.hpp"
#include "kernels/cuda/streamed/settle.hpp"

namespace attractor::cuda {
namespace {

/// Each warp has a row.
constexpr int pick_warps = 4;

/// Notes the first pattern with the largest score of a chunk where that is larger than in all chunks before.
__global__ void __launch_bounds__(pick_warps* warp_size)
    pick_kernel(SoftmaxChunks chunks, int begin, int count, Index* patterns) {
  const Index row = Index{blockIdx.x} * pick_warps + threadIdx.x / warp_size;
  const int lane = static_cast<int>(threadIdx.x % warp_size);
  if (row >= chunks.rows) return;
  const float* const scores = chunks.scores + row * chunks.chunk;
  float largest = -INFINITY;
  int first = count;
  for (int i = lane; i < count; i += warp_size) {
    if (!(scores[i] > largest)) continue;
    largest = scores[i];
    first = i;
  }
  for (int distance = warp_size / 2; distance > 0; distance /= 2) {
    const float other = __shfl_xor_sync(all_lanes, largest, distance);
    const int other_first = __shfl_xor_sync(all_lanes, first, distance);
    if (other > largest || (other == largest && other_first < first)) {
      largest = other;
      first = other_first;
    }
  }
  if (lane == 0 && (begin == 0 || largest > chunks.maxima[row])) patterns[row] = begin + first;
}

/// The winner's share of the softmax is 1/Σ exp(s − max). 0: no score is above −∞. NaN: the largest is +∞, or one is
/// NaN.
__global__ void __launch_bounds__(pick_warps* warp_size)
    share_kernel(const double* sums, int rows, Index* patterns, float* shares) {
  const Index row = Index{blockIdx.x} * (pick_warps * warp_size) + threadIdx.x;
  if (row >= rows) return;
  const double sum = sums[row];
  const bool scored = isfinite(sum) && sum > 0.0;
  if (!scored) patterns[row] = -1;
  shares[row] = scored ? static_cast<float>(1.0 / sum) : NAN;
}

unsigned blocks(int rows, int block_rows) { return static_cast<unsigned>((rows + block_rows - 1) / block_rows); }

/// A call, and whether all scores of its queries are kept.
struct Call {
  MatrixView<const float> queries;
  const detail::PatternTerms& terms;  ///< on the host
  int ranks;
  bool keeps_scores;
  detail::Schedule schedule = {};  ///< on the host
};

/// What a batch of queries needs on the device.
struct Batch {
  Batch(int most, const DeviceMatrix& stored, const Call& call, int row_scores, Workspace& space)
      : states(space.take<float>(elements(most, stored.stride))),
        score_stride(row_scores),
        scores(space.take<float>(elements(most, row_scores))),
        maxima(space.take<float>(elements(most))),
        sums(space.take<double>(elements(most))),
        potentials(call.keeps_scores ? space.take<double>(elements(most)) : nullptr),
        patterns(space.take<Index>(elements(most, call.ranks))),
        shares(space.take<float>(elements(most, call.ranks))),
        terms(call.terms, most, space),
        betas(space.take<float>(elements(call.schedule.count))) {}

  float* states;  ///< columns from the dimension to the stride are zero
  int score_stride;
  float* scores;
  float* maxima;
  double* sums;
  double* potentials;
  Index* patterns;
  float* shares;
  DeviceTerms terms;
  float* betas;
};

template <class Memory>
void launch_softmax_batch(const Memory& memory, const Batch& batch, int rows, const RowTerms& terms,
                          cudaStream_t stream) {
  const SoftmaxChunks chunks{.rows = rows,
                             .pattern_count = memory.patterns.rows,
                             .chunk = chunk_patterns(),
                             .scores = batch.scores,
                             .maxima = batch.maxima,
                             .sums = batch.sums,
                             .readouts = nullptr,
                             .remainders = nullptr,
                             .chunk_readouts = nullptr,
                             .readout_stride = 0};
  launch_softmax_chunks(
      chunks,
      [&](int begin, int count) {
        launch_scores(memory, {batch.states, rows, terms, begin, count, chunks.scores, chunks.chunk}, stream);
        launch_kernel("pick_kernel", pick_kernel, {blocks(rows, pick_warps), pick_warps * warp_size}, stream, chunks,
                      begin, count, batch.patterns);
      },
      {}, stream);
  launch_kernel("share_kernel", share_kernel, {blocks(rows, pick_warps * warp_size), pick_warps * warp_size}, stream,
                batch.sums, rows, batch.patterns, batch.shares);
}

NormalisedSeparation separation_of(const StreamedSoftmax& memory) { return memory.terms.separation; }
NormalisedSeparation separation_of(const StreamedAdaptive& /*memory*/) { return SoftmaxSeparation{}; }

template <class Memory>
void launch_settled_batch(const Memory& memory, const Batch& batch, int rows, int ranks, const RowTerms& terms,
                          cudaStream_t stream) {
  launch_scores(memory, {batch.states, rows, terms, 0, memory.patterns.rows, batch.scores, batch.score_stride}, stream);
  launch_settle(separation_of(memory),
                {.rows = rows,
                 .patterns = memory.patterns.rows,
                 .scores = batch.scores,
                 .stride = batch.score_stride,
                 .origins = batch.maxima,
                 .sums = batch.sums,
                 .potentials = batch.potentials,
                 .ranks = ranks,
                 .best = batch.patterns,
                 .shares = batch.shares},
                stream);
}

/// Scores of a query that are kept at a time.
int row_scores(const DeviceMatrix& patterns, bool keeps_scores) {
  return keeps_scores ? padded(patterns.rows) : chunk_patterns();
}

/// Queries whose scores and terms take no more than the scratch of a relaxation.
Index batch_rows(const Call& call, Index pattern_count, int scores) {
  const detail::Sizes& sizes = detail::sizes();
  const Index row_bytes = static_cast<Index>(sizeof(float)) * scores + term_row_bytes(call.terms, pattern_count) +
                          static_cast<Index>(sizeof(Index) + sizeof(float)) * call.ranks;
  return std::clamp<Index>(sizes.scratch_bytes / row_bytes, 1, sizes.retrieval_rows);
}

template <class Memory>
void retrieve_all(const Memory& memory, const Call& call, LanePool& lanes, MatrixView<Index> patterns,
                  MatrixView<float> posteriors) {
  const DeviceMatrix& stored = memory.patterns;
  const int scores = row_scores(stored, call.keeps_scores);
  const auto most = static_cast<int>(std::min(batch_rows(call, stored.rows, scores), call.queries.rows));
  const LaneLoan lane(lanes);
  const Batch batch = carve(*lane, [&](Workspace& space) { return Batch(most, stored, call, scores, space); });
  cudaStream_t stream = lane->stream();
  check(cudaMemsetAsync(batch.states, 0, bytes_of<float>(Index{most} * stored.stride), stream),
        "cudaMemsetAsync of queries");
  launch_store(call.schedule, batch.betas, stream);
  for (Index first = 0; first < call.queries.rows; first += most) {
    const auto rows = static_cast<int>(std::min<Index>(most, call.queries.rows - first));
    copy_rows(MatrixView<float>(batch.states, rows, call.queries.columns, stored.stride),
              call.queries.slice(first, rows), cudaMemcpyHostToDevice, stream, "queries");
    const RowTerms terms{.patterns = batch.terms.upload(call.terms.slice(first, rows), stream),
                         .schedule = {batch.betas, call.schedule.count}};
    if (call.keeps_scores)
      launch_settled_batch(memory, batch, rows, call.ranks, terms, stream);
    else
      launch_softmax_batch(memory, batch, rows, terms, stream);
    copy_rows(patterns.slice(first, rows), MatrixView<const Index>(batch.patterns, rows, call.ranks),
              cudaMemcpyDeviceToHost, stream, "retrieved patterns");
    copy_rows(posteriors.slice(first, rows), MatrixView<const float>(batch.shares, rows, call.ranks),
              cudaMemcpyDeviceToHost, stream, "posteriors");
    check(cudaStreamSynchronize(stream), "cudaStreamSynchronize after retrieval");
    // A share that is no number is of a query with scores that are none.
    for (Index i = first; i < first + rows; ++i)
      for (Index r = 0; r < call.ranks; ++r)
        if (!std::isfinite(posteriors(i, r))) patterns(i, r) = -1;
  }
}

}  // namespace

void retrieve(const StreamedSoftmax& memory, MatrixView<const float> queries, const detail::PatternTerms& terms,
              const detail::Schedule& schedule, LanePool& lanes, MatrixView<Index> patterns,
              MatrixView<float> posteriors) {
  const auto ranks = static_cast<int>(patterns.columns);
  retrieve_all(memory, {queries, terms, ranks, ranks > 1 || !is_softmax(memory), schedule}, lanes, patterns,
               posteriors);
}
void retrieve(const StreamedAdaptive& memory, MatrixView<const float> queries, const detail::PatternTerms& terms,
              LanePool& lanes, MatrixView<Index> patterns, MatrixView<float> posteriors) {
  const auto ranks = static_cast<int>(patterns.columns);
  retrieve_all(memory, {queries, terms, ranks, ranks > 1}, lanes, patterns, posteriors);
}

}  // namespace attractor::cuda
