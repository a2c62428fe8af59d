#include "kernels/cuda/adaptive/footprint.hpp"

#include <algorithm>
#include <string>

#include <attractor/error.hpp>

#include "kernels/cuda/adaptive/adaptive_scores.hpp"
#include "kernels/cuda/adaptive/lane_sort.cuh"
#include "kernels/cuda/device/compensated_sum.cuh"
#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/streamed/streamed.hpp"
#include "kernels/sizes.hpp"

namespace attractor::cuda {
namespace {

constexpr int threads = 128;

/// Rows first … first + results.rows − 1 of all. Of all matrices the rows start at multiples of 16 bytes and may be
/// read and written up to the next one.
struct Batch {
  bool cumulative;
  MatrixView<const float> patterns;
  MatrixView<const float> queries;
  const FootprintPair* pairs;  ///< those of this batch, or null
  Index first;
  MatrixView<float> results;
};

__device__ FootprintPair pair_of(const Batch& batch, Index row) {
  if (batch.pairs != nullptr) return batch.pairs[row];
  const Index i = batch.first + row;
  return {i / batch.patterns.rows, i % batch.patterns.rows};
}

/// What lower lanes of the pair have, added up: without this lane's own, which past the last rank is huge. For all
/// lanes of a warp.
__device__ CompensatedSum lower_sum(const PairLane& pair, const CompensatedSum& own) {
  double sum = own.value();
  for (int distance = 1; distance < pair.lanes; distance *= 2) {
    const double below = __shfl_up_sync(all_lanes, sum, static_cast<unsigned>(distance));
    if (pair.lane >= distance) sum += below;
  }
  double lower = __shfl_up_sync(all_lanes, sum, 1);
  if (pair.lane == 0) lower = 0.0;
  const auto high = static_cast<float>(lower);
  return {high, static_cast<float>(lower - static_cast<double>(high))};
}

/// Turns ranked terms into their running sums. Compensated floats, because the compiler would keep all terms as doubles
/// from the first pass to the second.
template <int count>
__device__ __forceinline__ void add_up(const PairLane& pair, float (&terms)[count]) {
  CompensatedSum own;
#pragma unroll
  for (int i = 0; i < count; ++i) own.add(terms[i]);
  CompensatedSum sum = lower_sum(pair, own);
#pragma unroll
  for (int i = 0; i < count; ++i) {
    sum.add(terms[i]);
    terms[i] = sum.high + sum.low;
  }
}

template <FootprintBase base, int count>
__global__ void __launch_bounds__(threads) rank_pairs(Batch batch, int lanes) {
  const Index thread = Index{blockIdx.x} * threads + threadIdx.x;
  // The last row stands in for those past it.
  const Index row = min(thread / lanes, batch.results.rows - 1);
  const PairLane pair = {lanes, static_cast<int>(thread % lanes)};
  const FootprintPair rows = pair_of(batch, row);
  const int dimension = static_cast<int>(batch.results.columns);
  const PairEntries entries = {batch.patterns.row(rows.pattern), batch.queries.row(rows.query), dimension, 0, 1};
  float terms[count];
  load_losses<base, false>(entries, pair, terms);
  sort(pair, dimension, terms);
#pragma unroll
  for (int i = 0; i < count; ++i) terms[i] = -terms[i];
  if (batch.cumulative) add_up(pair, terms);
  if (thread / lanes >= batch.results.rows) return;
  float* const to = batch.results.row(row) + pair.lane * count;
#pragma unroll
  for (int i = 0; i < count; i += 4)
    if (pair.lane * count + i < dimension) store4(to + i, float4{terms[i], terms[i + 1], terms[i + 2], terms[i + 3]});
}

template <int count>
void launch(FootprintBase base, const Batch& batch, cudaStream_t stream) {
  const int lanes = pair_lanes(static_cast<int>(batch.results.columns), count);
  const Index blocks = (batch.results.rows * lanes + threads - 1) / threads;
  const auto kernel = base == FootprintBase::dot ? rank_pairs<FootprintBase::dot, count>
                                                 : rank_pairs<FootprintBase::squared_distance, count>;
  launch_kernel("footprints", kernel, {static_cast<unsigned>(blocks), threads}, stream, batch, lanes);
}

void launch_footprints(FootprintBase base, const Batch& batch, cudaStream_t stream) {
  if (batch.results.columns <= 8 * warp_size)
    launch<8>(base, batch, stream);
  else if (batch.results.columns <= 64 * warp_size)
    launch<64>(base, batch, stream);
  else
    launch<most_ranks / warp_size>(base, batch, stream);
}

/// Where kernels write rows of results: there, on the device, if that will do; else in a buffer for a batch at a time.
class ResultRows {
 public:
  ResultRows(MatrixView<float> results, Index batch_rows)
      : results_(results),
        on_device_(is_here(results.data, "footprints")),
        in_place_(on_device_ && has_whole_quads(results)),
        stride_(padded(results.columns)),
        buffer_(in_place_ ? 0 : elements(batch_rows, stride_), "footprints") {}

  [[nodiscard]] MatrixView<float> batch(Index first, Index rows) const {
    if (in_place_) return results_.slice(first, rows);
    return {buffer_.data(), rows, results_.columns, stride_};
  }
  void finish(Index first, Index rows, cudaStream_t stream) const {
    if (!in_place_)
      copy_rows(results_.slice(first, rows), batch(first, rows),
                on_device_ ? cudaMemcpyDeviceToDevice : cudaMemcpyDeviceToHost, stream, "footprints");
    check(cudaStreamSynchronize(stream), "cudaStreamSynchronize after footprints");
  }

 private:
  MatrixView<float> results_;
  bool on_device_;
  bool in_place_;
  Index stride_;
  DeviceArray<float> buffer_;
};

}  // namespace

void footprints(int device, FootprintBase base, bool cumulative, MatrixView<const float> patterns,
                MatrixView<const float> queries, std::span<const FootprintPair> pairs, MatrixView<float> results) {
  if (patterns.columns > most_ranks)
    throw NotSupported("a CUDA device ranks at most " + std::to_string(most_ranks) + " entries; patterns have " +
                       std::to_string(patterns.columns) + " columns");
  if (results.rows == 0) return;
  const DeviceScope scope(device);
  const QuadRows all_patterns(patterns, "patterns");
  const QuadRows all_queries(queries, "queries");
  const Index most_rows =
      std::clamp<Index>(detail::sizes().footprint_floats / padded(results.columns), 1, results.rows);
  const ResultRows all_results(results, most_rows);
  const Stream stream = make_stream();
  for (Index first = 0; first < results.rows; first += most_rows) {
    const Index rows = std::min(most_rows, results.rows - first);
    const DeviceArray<FootprintPair> batch_pairs =
        upload(pairs.empty() ? pairs : pairs.subspan(elements(first), elements(rows)), "pairs");
    launch_footprints(base,
                      {cumulative, all_patterns.view(), all_queries.view(), batch_pairs.data(), first,
                       all_results.batch(first, rows)},
                      stream.get());
    all_results.finish(first, rows, stream.get());
  }
}

}  // namespace attractor::cuda
