#include "kernels/cuda/streamed.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "kernels/cuda/compaction.hpp"
#include "kernels/cuda/count_follower.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/ordered_product.hpp"
#include "kernels/cuda/product.hpp"
#include "kernels/cuda/readout.cuh"
#include "kernels/cuda/softmax_chunks.hpp"
#include "kernels/cuda/softmax_scan.hpp"
#include "kernels/cuda/step.hpp"
#include "kernels/cuda/workspace.hpp"

namespace attractor::cuda {
namespace {

/// Scratch is bounded whatever the number of queries. The rows fill any device's products; more would only make the end
/// of a call longer, when slots run empty.
constexpr std::size_t scratch_budget = std::size_t{512} << 20U;
constexpr Index most_rows = 8192;
constexpr Index least_rows = 64;

/// Of the device's memory, the most that scratch takes on a small one.
constexpr std::size_t scratch_share = 16;

constexpr int padded(Index columns) { return static_cast<int>((columns + 3) / 4 * 4); }

/// Slots of a job whose every row takes about `row_floats` floats of scratch.
int slot_count(Index queries, Index row_floats) {
  std::size_t left = 0;
  std::size_t total = 0;
  check(cudaMemGetInfo(&left, &total), "cudaMemGetInfo");
  // What is left may differ when the scratch is used; the total doesn't.
  const std::size_t budget = std::min(scratch_budget, total / scratch_share);
  const auto affordable = static_cast<Index>(budget / (sizeof(float) * static_cast<std::size_t>(row_floats)));
  return static_cast<int>(std::clamp<Index>(queries, 1, std::clamp(affordable, least_rows, most_rows)));
}

/// The products of a step, by form: what each takes of the workspace, and how it launches them.
class FactoredStage {
 public:
  static int rows(const StreamedFactored& memory, Index queries) {
    return slot_count(queries, Index{3} * memory.factor.stride + padded(memory.factor.rows));
  }
  FactoredStage(const StreamedFactored& memory, Workspace& workspace, int rows)
      : memory_(memory),
        scores_(workspace.take<float>(elements(rows, padded(memory.factor.rows)))),
        products_(workspace.take<float>(elements(rows, memory.factor.stride))) {}

  FactoredReadout launch(const float* states, int rows, cublasHandle_t blas, cudaStream_t /*stream*/) const {
    const DeviceMatrix& factor = memory_.factor;
    const int score_stride = padded(factor.rows);
    multiply_transposed(blas, rows, factor.rows, factor.stride, 1.0F, states, factor.stride, factor.data.data(),
                        factor.stride, scores_, score_stride);
    multiply(blas, rows, factor.stride, factor.rows, scores_, score_stride, factor.data.data(), factor.stride, 0.0F,
             products_, factor.stride);
    return {products_, factor.stride, scores_, score_stride, factor.rows, memory_.diagonal.data(), memory_.scale};
  }

 private:
  const StreamedFactored& memory_;
  float* scores_;
  float* products_;
};

class DenseStage {
 public:
  static int rows(const StreamedDense& memory, Index queries) {
    return slot_count(queries, Index{3} * memory.weights.stride);
  }
  DenseStage(const StreamedDense& memory, Workspace& workspace, int rows)
      : memory_(memory), products_(workspace.take<float>(elements(rows, memory.weights.stride))) {}

  DenseReadout launch(const float* states, int rows, cublasHandle_t blas, cudaStream_t /*stream*/) const {
    const DeviceMatrix& weights = memory_.weights;
    multiply(blas, rows, weights.stride, weights.rows, states, weights.stride, weights.data.data(), weights.stride,
             0.0F, products_, weights.stride);
    return {products_, weights.stride, memory_.scale};
  }

 private:
  const StreamedDense& memory_;
  float* products_;
};

class SoftmaxStage {
 public:
  static int rows(const StreamedSoftmax& memory, Index queries) {
    const Index readout = std::max(memory.patterns.stride, memory.contents.stride);
    return slot_count(queries, Index{2} * memory.patterns.stride + most_partial(memory) * (readout + 2));
  }
  SoftmaxStage(const StreamedSoftmax& memory, Workspace& workspace, int rows)
      : memory_(memory),
        capacity_(rows),
        fused_(softmax_scan_fits(memory.patterns.columns)),
        splits_(split_count(memory)) {
    const auto parts = static_cast<std::size_t>(splits_) * static_cast<std::size_t>(rows);
    maxima_ = workspace.take<float>(parts);
    sums_ = workspace.take<float>(parts);
    readouts_ = workspace.take<float>(
        parts * static_cast<std::size_t>(std::max(memory.patterns.stride, memory.contents.stride)));
    scores_ = fused_ ? nullptr : workspace.take<float>(elements(rows, chunk_patterns));
  }

  SoftmaxReadout launch(const float* states, int rows, cublasHandle_t blas, cudaStream_t stream) const {
    return read_out(memory_.patterns, states, rows, blas, stream);
  }

  /// Readouts of `contents`, which has a row for every pattern.
  SoftmaxReadout read_out(const DeviceMatrix& contents, const float* states, int rows, cublasHandle_t blas,
                          cudaStream_t stream) const {
    const DeviceMatrix& patterns = memory_.patterns;
    if (fused_) {
      launch_softmax_scan({.states = states,
                           .state_stride = patterns.stride,
                           .rows = rows,
                           .patterns = patterns.data.data(),
                           .pattern_stride = patterns.stride,
                           .contents = contents.data.data(),
                           .content_stride = contents.stride,
                           .pattern_count = patterns.rows,
                           .dimension = patterns.columns,
                           .content_columns = contents.columns,
                           .beta = memory_.beta,
                           .splits = splits_,
                           .maxima = maxima_,
                           .sums = sums_,
                           .readouts = readouts_,
                           .capacity = capacity_,
                           .readout_stride = contents.stride},
                          stream);
    } else {
      launch_softmax_chunks(
          {.rows = rows,
           .pattern_count = patterns.rows,
           .scores = scores_,
           .maxima = maxima_,
           .sums = sums_,
           .readouts = readouts_,
           .readout_stride = contents.stride},
          [&](int begin, int count) {
            multiply_transposed(blas, rows, count, patterns.stride, memory_.beta, states, patterns.stride,
                                patterns.row(begin), patterns.stride, scores_, chunk_patterns);
          },
          [&](int begin, int count) {
            multiply(blas, rows, contents.stride, count, scores_, chunk_patterns, contents.row(begin), contents.stride,
                     begin == 0 ? 0.0F : 1.0F, readouts_, contents.stride);
          },
          stream);
    }
    return {.maxima = maxima_,
            .sums = sums_,
            .readouts = readouts_,
            .capacity = capacity_,
            .stride = contents.stride,
            .splits = splits_,
            .beta = memory_.beta,
            .norm_weight = 0.5,
            .energy_offset = memory_.energy_offset};
  }

 private:
  /// Parts of the pattern set that are scanned side by side, so that few queries occupy a large device. A function of
  /// the memory alone: a query's bits must not depend on how many others there are.
  static int split_count(const StreamedSoftmax& memory) {
    if (!softmax_scan_fits(memory.patterns.columns)) return 1;
    return std::clamp(memory.patterns.rows / 1024, 1, most_splits);
  }
  static Index most_partial(const StreamedSoftmax& memory) { return split_count(memory) + 1; }

  const StreamedSoftmax& memory_;
  int capacity_;
  bool fused_;
  int splits_;
  float* maxima_;
  float* sums_;
  float* readouts_;
  float* scores_;
};

class AdaptiveStage {
 public:
  static int rows(const StreamedAdaptive& memory, Index queries) {
    return slot_count(queries, Index{2} * memory.patterns.stride + readout_stride(memory) + chunk_patterns);
  }
  AdaptiveStage(const StreamedAdaptive& memory, Workspace& workspace, int rows)
      : memory_(memory),
        capacity_(rows),
        maxima_(workspace.take<float>(static_cast<std::size_t>(rows))),
        sums_(workspace.take<float>(static_cast<std::size_t>(rows))),
        readouts_(workspace.take<float>(elements(rows, readout_stride(memory)))),
        scores_(workspace.take<float>(elements(rows, chunk_patterns))) {}

  SoftmaxReadout launch(const float* states, int rows, cublasHandle_t blas, cudaStream_t stream) const {
    return read_out(memory_.patterns, states, rows, blas, stream);
  }

  /// Readouts of `contents`, which has a row for every pattern.
  SoftmaxReadout read_out(const DeviceMatrix& contents, const float* states, int rows, cublasHandle_t /*blas*/,
                          cudaStream_t stream) const {
    launch_softmax_chunks(
        {.rows = rows,
         .pattern_count = memory_.patterns.rows,
         .scores = scores_,
         .maxima = maxima_,
         .sums = sums_,
         .readouts = readouts_,
         .readout_stride = contents.stride},
        [&](int begin, int count) { launch_scores(memory_, states, rows, begin, count, scores_, stream); },
        [&](int begin, int count) {
          const OrderedProduct product{.rows = rows,
                                       .columns = contents.stride,
                                       .inner = count,
                                       .factor = 1.0F,
                                       .a = scores_,
                                       .a_stride = chunk_patterns,
                                       .b = contents.row(begin),
                                       .b_stride = contents.stride,
                                       .result = readouts_,
                                       .result_stride = contents.stride};
          if (begin == 0)
            launch_ordered_product(product, stream);
          else
            launch_added_ordered_product(product, stream);
        },
        stream);
    return {.maxima = maxima_,
            .sums = sums_,
            .readouts = readouts_,
            .capacity = capacity_,
            .stride = contents.stride,
            .splits = 1,
            .beta = 1.0F,
            .norm_weight = 0.0,
            .energy_offset = 0.0};
  }

 private:
  static int readout_stride(const StreamedAdaptive& memory) {
    return std::max(memory.patterns.stride, memory.contents.stride);
  }

  const StreamedAdaptive& memory_;
  int capacity_;
  float* maxima_;
  float* sums_;
  float* readouts_;
  float* scores_;
};

/// A job's slots and everything its steps write.
template <class Stage, class Memory>
struct Bench {
  Bench(const Memory& memory, Index stride, Index queries, Workspace& workspace)
      : rows(Stage::rows(memory, queries)), stage(memory, workspace, rows) {
    slots.slot = workspace.take<Slot>(static_cast<std::size_t>(rows));
    slots.states = workspace.take<float>(elements(rows, stride));
    slots.next = workspace.take<float>(elements(rows, stride));
    slots.stride = stride;
    slots.reserved = rows;
    slots.counts = workspace.take<QueryCounts>(1);
    compaction = take_compaction_scratch(workspace, rows);
  }

  int rows;
  Stage stage;
  Slots slots = {};
  CompactionScratch compaction = {};
};

template <class Stage, class Memory>
std::size_t measure(const Memory& memory, Index stride, Index queries) {
  Workspace workspace;
  Bench<Stage, Memory>(memory, stride, queries, workspace);
  return workspace.used();
}

template <class Stage, class Memory>
void relax_streamed(const Memory& memory, Index stride, const Job& job, void* block, Toolbox& tools, Products products,
                    cudaStream_t stream) {
  Workspace workspace(block);
  Bench<Stage, Memory> bench(memory, stride, job.queries.rows, workspace);
  cublasHandle_t blas = tools.blas.get();
  check(cublasSetStream(blas, stream), "cublasSetStream");
  check(cublasSetMathMode(blas, products == Products::tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH),
        "cublasSetMathMode");
  check(cudaMemsetAsync(bench.slots.counts, 0, sizeof(QueryCounts), stream), "cudaMemsetAsync of the query counts");
  int rows = bench.rows;
  launch_start(job, bench.slots, rows, stream);
  CountFollower follower(tools, bench.slots.counts, stream);
  for (;;) {
    launch_step(bench.stage.launch(bench.slots.states, rows, blas, stream), job, bench.slots, rows, stream);
    std::swap(bench.slots.states, bench.slots.next);
    follower.follow();
    if (follower.latest() == job.queries.rows) return;
    const Index left = job.queries.rows - follower.settled();
    // Fewer left than slots: none are waiting. Moving them costs about as much as reading them once more. Products may
    // round otherwise for another number of rows, which therefore must not depend on how fast the host is.
    if (4 * left <= 3 * Index{rows}) {
      compact(bench.slots, bench.compaction, rows, static_cast<int>(left), stream);
      rows = static_cast<int>(left);
    }
  }
}

__global__ void __launch_bounds__(step_threads) normalise_kernel(SoftmaxReadout readout, MatrixView<float> contents) {
  const int row = static_cast<int>(blockIdx.x);
  readout.begin(row);
  for (int k = 4 * static_cast<int>(threadIdx.x); k < contents.columns; k += 4 * step_threads) {
    const float4 u = readout.group(row, k, {}).u;
    const float values[] = {u.x, u.y, u.z, u.w};
    for (int i = 0; i < 4 && k + i < contents.columns; ++i) contents(row, k + i) = values[i];
  }
}

template <class Stage, class Memory>
void recall_streamed(const Memory& memory, MatrixView<const float> states, MatrixView<float> contents, void* block,
                     Toolbox& tools, cudaStream_t stream) {
  const int stride = memory.patterns.stride;
  Workspace workspace(block);
  Bench<Stage, Memory> bench(memory, stride, states.rows, workspace);
  check(cublasSetStream(tools.blas.get(), stream), "cublasSetStream");
  float* const batch = bench.slots.states;
  check(cudaMemsetAsync(batch, 0, elements(bench.rows, stride) * sizeof(float), stream), "cudaMemsetAsync of states");
  for (Index first = 0; first < states.rows; first += bench.rows) {
    const auto rows = static_cast<int>(std::min<Index>(bench.rows, states.rows - first));
    copy_rows(MatrixView<float>(batch, rows, states.columns, stride), states.slice(first, rows),
              cudaMemcpyDeviceToDevice, stream, "states");
    const SoftmaxReadout readout = bench.stage.read_out(memory.contents, batch, rows, tools.blas.get(), stream);
    launch_kernel("normalise_kernel", normalise_kernel, {static_cast<unsigned>(rows), step_threads}, stream, readout,
                  contents.slice(first, rows));
  }
}

}  // namespace

DeviceMatrix::DeviceMatrix(MatrixView<const float> matrix, const std::string& purpose)
    : rows(static_cast<int>(matrix.rows)), columns(static_cast<int>(matrix.columns)), stride(padded(matrix.columns)) {
  std::vector<float> values(elements(rows, stride), 0.0F);
  for (Index i = 0; i < matrix.rows; ++i) std::copy_n(matrix.row(i), matrix.columns, values.data() + i * stride);
  data = upload(std::span<const float>(values), purpose);
}

DeviceRankWeights::DeviceRankWeights(std::span<const float> weights, float beta, int ranks,
                                     const std::string& purpose) {
  const std::size_t row = static_cast<std::size_t>(ranks);
  const std::size_t rows = weights.size() / row;
  const auto padded_row = static_cast<std::size_t>(padded_ranks(ranks));
  std::vector<float> scaled(rows * padded_row, 0.0F);
  for (std::size_t i = 0; i < weights.size(); ++i) scaled[i / row * padded_row + i % row] = beta * weights[i];
  values = upload(std::span<const float>(scaled), purpose);
  stride = rows > 1 ? static_cast<Index>(padded_row) : 0;
}

void launch_scores(const StreamedAdaptive& memory, const float* states, int rows, int begin, int count, float* scores,
                   cudaStream_t stream) {
  const DeviceMatrix& patterns = memory.patterns;
  launch_adaptive_scores({.pairs = {.states = states,
                                    .state_stride = patterns.stride,
                                    .rows = rows,
                                    .patterns = patterns.row(begin),
                                    .pattern_stride = patterns.stride,
                                    .pattern_count = count,
                                    .dimension = patterns.columns,
                                    .groups = memory.groups},
                          .squared_distance = memory.squared_distance.view().from(begin),
                          .dot = memory.dot.view().from(begin),
                          .log_prior = memory.log_prior.size() == 0 ? nullptr : memory.log_prior.data() + begin,
                          .scores = scores,
                          .score_stride = chunk_patterns},
                         stream);
}

std::size_t workspace_bytes(const StreamedFactored& memory, Index queries) {
  return measure<FactoredStage>(memory, memory.factor.stride, queries);
}
std::size_t workspace_bytes(const StreamedDense& memory, Index queries) {
  return measure<DenseStage>(memory, memory.weights.stride, queries);
}
std::size_t workspace_bytes(const StreamedSoftmax& memory, Index queries) {
  return measure<SoftmaxStage>(memory, memory.patterns.stride, queries);
}
std::size_t workspace_bytes(const StreamedAdaptive& memory, Index queries) {
  return measure<AdaptiveStage>(memory, memory.patterns.stride, queries);
}

void relax(const StreamedFactored& memory, const Job& job, void* workspace, Toolbox& tools, Products products,
           cudaStream_t stream) {
  relax_streamed<FactoredStage>(memory, memory.factor.stride, job, workspace, tools, products, stream);
}
void relax(const StreamedDense& memory, const Job& job, void* workspace, Toolbox& tools, Products products,
           cudaStream_t stream) {
  relax_streamed<DenseStage>(memory, memory.weights.stride, job, workspace, tools, products, stream);
}
void relax(const StreamedSoftmax& memory, const Job& job, void* workspace, Toolbox& tools, cudaStream_t stream) {
  relax_streamed<SoftmaxStage>(memory, memory.patterns.stride, job, workspace, tools, Products::exact, stream);
}
void relax(const StreamedAdaptive& memory, const Job& job, void* workspace, Toolbox& tools, cudaStream_t stream) {
  relax_streamed<AdaptiveStage>(memory, memory.patterns.stride, job, workspace, tools, Products::exact, stream);
}

void recall(const StreamedSoftmax& memory, MatrixView<const float> states, MatrixView<float> contents, void* workspace,
            Toolbox& tools, cudaStream_t stream) {
  recall_streamed<SoftmaxStage>(memory, states, contents, workspace, tools, stream);
}
void recall(const StreamedAdaptive& memory, MatrixView<const float> states, MatrixView<float> contents, void* workspace,
            Toolbox& tools, cudaStream_t stream) {
  recall_streamed<AdaptiveStage>(memory, states, contents, workspace, tools, stream);
}

}  // namespace attractor::cuda
