#include "kernels/cuda/streamed/streamed.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/softmax/softmax_chunks.hpp"
#include "kernels/cuda/softmax/softmax_scan.hpp"
#include "kernels/cuda/softmax/tensor_scan.hpp"
#include "kernels/cuda/streamed/ordered_product.hpp"
#include "kernels/cuda/streamed/product.hpp"
#include "kernels/cuda/streamed/readout.cuh"
#include "kernels/cuda/streamed/separate.hpp"
#include "kernels/cuda/streamed/settle.hpp"
#include "kernels/cuda/streamed/stage.hpp"
#include "kernels/sizes.hpp"

namespace attractor::cuda {
namespace {

/// Of a chunk of patterns, whose weights are there.
OrderedProduct chunk_readout(const float* weights, Index weight_stride, int rows, const DeviceMatrix& contents,
                             int begin, int count, float* readouts) {
  return {.rows = rows,
          .columns = contents.stride,
          .inner = count,
          .factor = 1.0F,
          .a = weights,
          .a_stride = weight_stride,
          .b = contents.row(begin),
          .b_stride = contents.stride,
          .result = readouts,
          .result_stride = contents.stride};
}

/// The part of a relaxation's scratch that what is read out of a band takes: 16 MiB, which the second-level cache of a
/// large device keeps until the step kernel reads them.
constexpr Index band_share = 32;

/// The products of a step, by form: what each takes of the workspace, and how it launches them.
class FactoredStage {
 public:
  static int rows(const StreamedFactored& memory, Index queries) {
    const int parts = part_count(memory);
    return slot_count(queries,
                      Index{2} * memory.factor.stride + Index{parts > 1 ? 1 + parts : 1} * padded(memory.factor.rows));
  }
  FactoredStage(const StreamedFactored& memory, Workspace& workspace, int rows)
      : memory_(memory),
        parts_(part_count(memory)),
        band_rows_(std::min(rows, most_band_rows(memory))),
        scores_(workspace.take<float>(elements(rows, score_stride()))),
        part_scores_(workspace.take<float>(parts_ > 1 ? elements(Index{parts_} * rows, score_stride()) : 0)),
        products_(workspace.take<float>(elements(band_rows_, memory.factor.stride))) {}

  /// Before the first step.
  void start(const Job& job, cudaStream_t /*stream*/) { precision_ = job.products; }

  void score(const float* states, int rows, cudaStream_t stream) const {
    const DeviceMatrix& factor = memory_.factor;
    multiply_transposed({.floats = {.rows = rows,
                                    .columns = factor.rows,
                                    .inner = factor.columns,
                                    .factor = 1.0F,
                                    .a = states,
                                    .a_stride = factor.stride,
                                    .b = factor.data.data(),
                                    .b_stride = factor.stride,
                                    .result = scores_,
                                    .result_stride = score_stride()},
                         .halves = memory_.factor_halves.view(),
                         .precision = precision_,
                         .parts = parts_,
                         .part_results = part_scores_},
                        stream);
  }

  [[nodiscard]] int band_rows() const { return band_rows_; }

  [[nodiscard]] FactoredReadout read_out(int first, int rows, cudaStream_t stream) const {
    const DeviceMatrix& factor = memory_.factor;
    const float* const scores = scores_ + Index{first} * score_stride();
    multiply({.floats = {.rows = rows,
                         .columns = factor.stride,
                         .inner = factor.rows,
                         .factor = 1.0F,
                         .a = scores,
                         .a_stride = score_stride(),
                         .b = factor.data.data(),
                         .b_stride = factor.stride,
                         .result = products_,
                         .result_stride = factor.stride},
              .halves = memory_.factor_halves.view(),
              .precision = precision_},
             stream);
    return {.products = products_,
            .stride = factor.stride,
            .scores = scores,
            .score_stride = score_stride(),
            .patterns = factor.rows,
            .diagonal = memory_.diagonal.data(),
            .resolution = memory_.resolution.data(),
            .thresholds = memory_.thresholds.data(),
            .scale = memory_.scale};
  }

 private:
  static int part_count(const StreamedFactored& memory) {
    return memory.factor_halves.view().high == nullptr ? 1 : product_parts(memory.factor.columns);
  }
  static int most_band_rows(const StreamedFactored& memory) {
    const detail::Sizes& sizes = detail::sizes();
    const Index row_bytes = static_cast<Index>(sizeof(float)) * memory.factor.stride;
    return static_cast<int>(
        std::clamp(sizes.scratch_bytes / band_share / row_bytes, sizes.least_slots, sizes.most_slots));
  }
  [[nodiscard]] int score_stride() const { return padded(memory_.factor.rows); }

  const StreamedFactored& memory_;
  int parts_;
  int band_rows_;
  float* scores_;
  float* part_scores_;
  float* products_;
  Products precision_ = Products::exact;
};

class DenseStage {
 public:
  static int rows(const StreamedDense& memory, Index queries) {
    return slot_count(queries, Index{3} * memory.weights.stride);
  }
  DenseStage(const StreamedDense& memory, Workspace& workspace, int rows)
      : memory_(memory), products_(workspace.take<float>(elements(rows, memory.weights.stride))) {}

  /// Before the first step.
  void start(const Job& job, cudaStream_t /*stream*/) { precision_ = job.products; }

  DenseReadout launch(const float* states, int rows, const RowTerms& /*terms*/, cudaStream_t stream) const {
    const DeviceMatrix& weights = memory_.weights;
    multiply({.floats = {.rows = rows,
                         .columns = weights.stride,
                         .inner = weights.rows,
                         .factor = 1.0F,
                         .a = states,
                         .a_stride = weights.stride,
                         .b = weights.data.data(),
                         .b_stride = weights.stride,
                         .result = products_,
                         .result_stride = weights.stride},
              .halves = memory_.weight_halves.view(),
              .precision = precision_},
             stream);
    return {.products = products_,
            .stride = weights.stride,
            .resolution = memory_.resolution.data(),
            .thresholds = memory_.thresholds.data(),
            .scale = memory_.scale};
  }

 private:
  const StreamedDense& memory_;
  float* products_;
  Products precision_ = Products::exact;
};

/// One chunk of patterns after another: scores, their weights, and what those read out.
class PointwiseStage {
 public:
  static int rows(const StreamedPointwise& memory, Index queries) {
    return slot_count(queries, Index{several(memory) ? 4 : 3} * memory.patterns.stride + chunk_patterns() + 6);
  }
  PointwiseStage(const StreamedPointwise& memory, Workspace& workspace, int rows)
      : memory_(memory),
        scores_(workspace.take<float>(elements(rows, chunk_patterns()))),
        potentials_(workspace.take<double>(elements(rows))),
        total_weights_(workspace.take<float>(elements(rows))),
        units_{.largest = workspace.take<float>(elements(rows)),
               .exponents = workspace.take<int>(elements(rows)),
               .changes = workspace.take<float>(elements(rows))},
        products_(workspace.take<float>(elements(rows, memory.patterns.stride))),
        chunk_products_(workspace.take<float>(several(memory) ? elements(rows, memory.patterns.stride) : 0)) {}

  /// Before the first step.
  void start(const Job& job, cudaStream_t /*stream*/) { wants_signs_ = job.update.kind == UpdateRule::Kind::sign; }

  PointwiseReadout launch(const float* states, int rows, const RowTerms& /*terms*/, cudaStream_t stream) const {
    for (int begin = 0; begin < memory_.patterns.rows; begin += chunk_patterns())
      read_out_chunk(begin, std::min(chunk_patterns(), memory_.patterns.rows - begin), states, rows, stream);
    return {.products = products_,
            .stride = memory_.patterns.stride,
            .potentials = potentials_,
            .total_weights = total_weights_,
            .exponents = wants_signs_ ? nullptr : units_.exponents,
            .resolution = memory_.resolution.data(),
            .energy_scale = memory_.energy_scale};
  }

 private:
  static bool several(const StreamedPointwise& memory) { return memory.patterns.rows > chunk_patterns(); }

  void read_out_chunk(int begin, int count, const float* states, int rows, cudaStream_t stream) const {
    const DeviceMatrix& patterns = memory_.patterns;
    launch_transposed_ordered_product({.rows = rows,
                                       .columns = count,
                                       .inner = patterns.columns,
                                       .factor = memory_.score_scale,
                                       .a = states,
                                       .a_stride = patterns.stride,
                                       .b = patterns.row(begin),
                                       .b_stride = patterns.stride,
                                       .result = scores_,
                                       .result_stride = chunk_patterns()},
                                      stream);
    launch_separate(memory_.separation,
                    {.rows = rows,
                     .patterns = count,
                     .scores = scores_,
                     .stride = chunk_patterns(),
                     .potentials = potentials_,
                     .total_weights = total_weights_,
                     .first = begin == 0,
                     .units = units_},
                    stream);
    float* const products = begin == 0 ? products_ : chunk_products_;
    launch_chunk_readout(scores_, chunk_patterns(), rows, patterns, begin, count, products, stream);
    if (begin > 0) launch_add(products_, units_.changes, products, rows, patterns.stride, stream);
  }

  const StreamedPointwise& memory_;
  float* scores_;
  double* potentials_;
  float* total_weights_;
  ScoreUnits units_;
  float* products_;
  float* chunk_products_;
  bool wants_signs_ = false;
};

/// Softmax readouts of one chunk of patterns after another.
class ChunkScratch {
 public:
  /// Floats that a row takes.
  static Index row_floats(int pattern_count, int readout_stride) {
    return chunk_patterns() + Index{several(pattern_count) ? 3 : 1} * readout_stride + 3;
  }
  ChunkScratch(Workspace& workspace, int rows, int pattern_count, int readout_stride)
      : capacity_(rows),
        pattern_count_(pattern_count),
        maxima_(workspace.take<float>(elements(rows))),
        sums_(workspace.take<double>(elements(rows))),
        readouts_(workspace.take<float>(elements(rows, readout_stride))),
        remainders_(workspace.take<float>(several(pattern_count) ? elements(rows, readout_stride) : 0)),
        chunk_readouts_(workspace.take<float>(several(pattern_count) ? elements(rows, readout_stride) : 0)),
        scores_(workspace.take<float>(elements(rows, chunk_patterns()))) {}

  [[nodiscard]] SoftmaxChunks chunks(int rows, int readout_stride) const {
    return {.rows = rows,
            .pattern_count = pattern_count_,
            .chunk = chunk_patterns(),
            .scores = scores_,
            .maxima = maxima_,
            .sums = sums_,
            .readouts = readouts_,
            .remainders = remainders_,
            .chunk_readouts = chunk_readouts_,
            .readout_stride = readout_stride};
  }

  /// What the chunks leave, the rest to be filled in.
  [[nodiscard]] SoftmaxReadout readout(int readout_stride) const {
    SoftmaxReadout readout = {};
    readout.maxima = maxima_;
    readout.sums = sums_;
    readout.readouts = readouts_;
    readout.capacity = capacity_;
    readout.stride = readout_stride;
    readout.splits = 1;
    return readout;
  }

 private:
  static bool several(int pattern_count) { return pattern_count > chunk_patterns(); }

  int capacity_;
  int pattern_count_;
  float* maxima_;
  double* sums_;
  float* readouts_;
  float* remainders_;
  float* chunk_readouts_;
  float* scores_;
};

/// Of patterns or contents.
template <class Memory>
int largest_stride(const Memory& memory) {
  return std::max(memory.patterns.stride, memory.contents.stride);
}

/// What the readouts and energies of a dot-product memory need beside what its weights come to.
void add_terms(const StreamedSoftmax& memory, SoftmaxReadout& readout) {
  readout.beta = memory.terms.beta;
  readout.norm_weight = memory.terms.quadratic ? 0.5 : 0.0;
  readout.potential_offset = memory.terms.potential_offset;
  readout.energy_offset = memory.terms.energy_offset;
  readout.resolution = memory.resolution.data();
}

/// Whether scores are products of states and patterns, times β and with offsets.
bool takes_plain_products(const StreamedSoftmax& memory) { return memory.terms.similarity == Similarity::dot; }

/// States that are too long for tensor cores' scan are multiplied on them, which takes less than a scan of floats.
bool is_scanned(const StreamedSoftmax& memory) {
  const int dimension = memory.patterns.columns;
  const bool multiplied = memory.pattern_halves.data.size() > 0 && !has_tensor_scan(dimension);
  return takes_plain_products(memory) && !multiplied && softmax_scan_fits(dimension);
}

HalfMatrixView halves_of(const StreamedSoftmax& memory, const DeviceMatrix& contents) {
  return (&contents == &memory.patterns ? memory.pattern_halves : memory.content_halves).view();
}

/// Of patterns that take two halves the products of the lower ones are left out, which would part scores that are equal
/// as floats: only states that are too long for a scan are multiplied so.
HalfMatrixView score_halves(const StreamedSoftmax& memory) {
  return memory.pattern_halves.exact || !is_scanned(memory) ? memory.pattern_halves.view() : HalfMatrixView();
}

/// Of states and patterns.
OrderedProduct product_of(const StreamedSoftmax& memory, const ScoreJob& job) {
  const DeviceMatrix& patterns = memory.patterns;
  return {.rows = job.rows,
          .columns = job.count,
          .inner = patterns.columns,
          .factor = memory.scale.size() == 0 ? memory.terms.beta : 1.0F,
          .a = job.states,
          .a_stride = patterns.stride,
          .b = patterns.row(job.begin),
          .b_stride = patterns.stride,
          .result = job.scores,
          .result_stride = job.score_stride};
}

ScoreOffsets offsets_of(const StreamedSoftmax& memory) { return {memory.offset.data(), memory.log_prior.data()}; }

/// Of scores that are products or distances so far.
void launch_memory_terms(const StreamedSoftmax& memory, const ScoreJob& job, cudaStream_t stream) {
  launch_score_terms({.scores = job.scores,
                      .stride = job.score_stride,
                      .rows = job.rows,
                      .first = job.begin,
                      .count = job.count,
                      .scales = memory.scale.data(),
                      .offsets = offsets_of(memory),
                      .states = memory.terms.similarity == Similarity::cosine ? job.states : nullptr,
                      .state_stride = memory.patterns.stride,
                      .dimension = memory.patterns.columns,
                      .terms = job.terms,
                      .beta = memory.terms.beta},
                     stream);
}

/// A dot-product memory whose scores don't leave the multiprocessor.
class ScanScratch {
 public:
  static Index row_floats(const StreamedSoftmax& memory) {
    const Index parts = split_count(memory);
    return parts * (Index{takes_runs(memory) ? 2 : 1} * largest_stride(memory) + 3);
  }
  ScanScratch(Workspace& workspace, int rows, const StreamedSoftmax& memory)
      : capacity_(rows), splits_(split_count(memory)) {
    const std::size_t parts = elements(splits_, rows);
    const std::size_t size = parts * static_cast<std::size_t>(largest_stride(memory));
    maxima_ = workspace.take<float>(parts);
    sums_ = workspace.take<double>(parts);
    readouts_ = workspace.take<float>(size);
    if (takes_runs(memory)) remainders_ = workspace.take<float>(size);
  }

  SoftmaxReadout launch(const StreamedSoftmax& memory, const DeviceMatrix& contents, const float* states, int rows,
                        const RowTerms& terms, cudaStream_t stream) const {
    const DeviceMatrix& patterns = memory.patterns;
    launch_softmax_scan({.states = states,
                         .state_stride = patterns.stride,
                         .rows = rows,
                         .patterns = patterns.data.data(),
                         .pattern_stride = patterns.stride,
                         .contents = contents.data.data(),
                         .content_stride = contents.stride,
                         .pattern_halves = memory.pattern_halves.view(),
                         .content_halves = halves_of(memory, contents),
                         .products = memory.terms.products,
                         .pattern_count = patterns.rows,
                         .dimension = patterns.columns,
                         .content_columns = contents.columns,
                         .beta = memory.terms.beta,
                         .offsets = offsets_of(memory),
                         .terms = terms,
                         .splits = splits_,
                         .maxima = maxima_,
                         .sums = sums_,
                         .readouts = readouts_,
                         .capacity = capacity_,
                         .readout_stride = contents.stride,
                         .run_patterns = run_patterns(),
                         .remainders = remainders_},
                        stream);
    SoftmaxReadout readout = {};
    readout.maxima = maxima_;
    readout.sums = sums_;
    readout.readouts = readouts_;
    readout.capacity = capacity_;
    readout.stride = contents.stride;
    readout.splits = splits_;
    return readout;
  }

 private:
  /// Parts of the pattern set that are scanned side by side, so that few queries occupy a large device. A function of
  /// the memory alone: a query's bits must not depend on how many others there are.
  static int split_count(const StreamedSoftmax& memory) {
    return static_cast<int>(std::clamp<Index>(memory.patterns.rows / detail::sizes().split_patterns, 1, most_splits));
  }
  static Index run_patterns() { return detail::sizes().run_patterns; }
  static bool takes_runs(const StreamedSoftmax& memory) {
    return softmax_scan_takes_runs(memory.patterns.rows, split_count(memory), run_patterns());
  }

  int capacity_;
  int splits_;
  float* maxima_ = nullptr;
  double* sums_ = nullptr;
  float* readouts_ = nullptr;
  float* remainders_ = nullptr;
};

class SoftmaxStage {
 public:
  static int rows(const StreamedSoftmax& memory, Index queries) {
    const Index scratch = is_scanned(memory) ? ScanScratch::row_floats(memory)
                                             : ChunkScratch::row_floats(memory.patterns.rows, largest_stride(memory));
    return slot_count(queries, Index{2} * memory.patterns.stride + scratch);
  }
  SoftmaxStage(const StreamedSoftmax& memory, Workspace& workspace, int rows) : memory_(memory) {
    if (is_scanned(memory))
      scan_.emplace(workspace, rows, memory);
    else
      chunks_.emplace(workspace, rows, memory.patterns.rows, largest_stride(memory));
  }

  SoftmaxReadout launch(const float* states, int rows, const RowTerms& terms, cudaStream_t stream) const {
    SoftmaxReadout readout = read_out(memory_.patterns, states, rows, terms, stream);
    readout.centre = memory_.centre.data();
    readout.terms = terms;
    return readout;
  }

  /// Readouts of `contents`, which has a row for every pattern.
  SoftmaxReadout read_out(const DeviceMatrix& contents, const float* states, int rows, const RowTerms& terms,
                          cudaStream_t stream) const {
    SoftmaxReadout readout = scan_ ? scan_->launch(memory_, contents, states, rows, terms, stream)
                                   : read_out_chunks(contents, states, rows, terms, stream);
    add_terms(memory_, readout);
    return readout;
  }

 private:
  SoftmaxReadout read_out_chunks(const DeviceMatrix& contents, const float* states, int rows, const RowTerms& terms,
                                 cudaStream_t stream) const {
    const SoftmaxChunks chunks = chunks_->chunks(rows, contents.stride);
    const HalfMatrixView halves = halves_of(memory_, contents);
    launch_softmax_chunks(
        chunks,
        [&](int begin, int count) {
          launch_scores(memory_,
                        {states, rows, terms, begin, count, chunks.scores, chunks.chunk, memory_.terms.products},
                        stream);
        },
        [&](int begin, int count, float* readouts) {
          multiply({.floats = chunk_readout(chunks.scores, chunks.chunk, rows, contents, begin, count, readouts),
                    .halves = halves.from(begin),
                    .precision = memory_.terms.products},
                   stream);
        },
        stream);
    return chunks_->readout(contents.stride);
  }

  const StreamedSoftmax& memory_;
  std::optional<ScanScratch> scan_;
  std::optional<ChunkScratch> chunks_;
};

/// A memory whose separation needs all scores at once.
class SettledStage {
 public:
  static int rows(const StreamedSoftmax& memory, Index queries) {
    const Index readouts = Index{several(memory) ? 2 : 1} * largest_stride(memory);
    // Rows are as long as there are patterns.
    return slot_count(queries, Index{2} * memory.patterns.stride + score_stride(memory) + readouts + 5, 1);
  }
  SettledStage(const StreamedSoftmax& memory, Workspace& workspace, int rows)
      : memory_(memory),
        capacity_(rows),
        scores_(workspace.take<float>(elements(rows, score_stride(memory)))),
        maxima_(workspace.take<float>(elements(rows))),
        sums_(workspace.take<double>(elements(rows))),
        potentials_(workspace.take<double>(elements(rows))),
        readouts_(workspace.take<float>(elements(rows, largest_stride(memory)))),
        chunk_readouts_(workspace.take<float>(several(memory) ? elements(rows, largest_stride(memory)) : 0)) {}

  SoftmaxReadout launch(const float* states, int rows, const RowTerms& terms, cudaStream_t stream) const {
    SoftmaxReadout readout = read_out(memory_.patterns, states, rows, terms, stream);
    readout.centre = memory_.centre.data();
    readout.terms = terms;
    return readout;
  }

  /// Readouts of `contents`, which has a row for every pattern.
  SoftmaxReadout read_out(const DeviceMatrix& contents, const float* states, int rows, const RowTerms& terms,
                          cudaStream_t stream) const {
    const int patterns = memory_.patterns.rows;
    launch_scores(memory_, {states, rows, terms, 0, patterns, scores_, score_stride(memory_)}, stream);
    launch_settle(memory_.terms.separation,
                  {.rows = rows,
                   .patterns = patterns,
                   .scores = scores_,
                   .stride = score_stride(memory_),
                   .origins = maxima_,
                   .sums = sums_,
                   .potentials = potentials_},
                  stream);
    for (int begin = 0; begin < patterns; begin += chunk_patterns()) {
      const int count = std::min(chunk_patterns(), patterns - begin);
      float* const readouts = begin == 0 ? readouts_ : chunk_readouts_;
      launch_chunk_readout(scores_ + begin, score_stride(memory_), rows, contents, begin, count, readouts, stream);
      if (begin > 0) launch_add(readouts_, nullptr, readouts, rows, contents.stride, stream);
    }
    SoftmaxReadout readout = {};
    readout.maxima = maxima_;
    readout.sums = sums_;
    readout.potentials = potentials_;
    readout.readouts = readouts_;
    readout.capacity = capacity_;
    readout.stride = contents.stride;
    readout.splits = 1;
    add_terms(memory_, readout);
    return readout;
  }

 private:
  static bool several(const StreamedSoftmax& memory) { return memory.patterns.rows > chunk_patterns(); }
  static Index score_stride(const StreamedSoftmax& memory) { return padded(memory.patterns.rows); }

  const StreamedSoftmax& memory_;
  int capacity_;
  float* scores_;
  float* maxima_;
  double* sums_;
  double* potentials_;
  float* readouts_;
  float* chunk_readouts_;
};

/// One whose separation may leave no pattern a weight.
class KeepingStage : public SettledStage {
 public:
  using SettledStage::SettledStage;

  KeepingReadout launch(const float* states, int rows, const RowTerms& terms, cudaStream_t stream) const {
    return {SettledStage::launch(states, rows, terms, stream)};
  }
};

class AdaptiveStage {
 public:
  static int rows(const StreamedAdaptive& memory, Index queries) {
    return slot_count(queries, Index{2} * memory.patterns.stride +
                                   ChunkScratch::row_floats(memory.patterns.rows, largest_stride(memory)));
  }
  AdaptiveStage(const StreamedAdaptive& memory, Workspace& workspace, int rows)
      : memory_(memory), chunks_(workspace, rows, memory.patterns.rows, largest_stride(memory)) {}

  SoftmaxReadout launch(const float* states, int rows, const RowTerms& terms, cudaStream_t stream) const {
    return read_out(memory_.patterns, states, rows, terms, stream);
  }

  /// Readouts of `contents`, which has a row for every pattern.
  SoftmaxReadout read_out(const DeviceMatrix& contents, const float* states, int rows, const RowTerms& terms,
                          cudaStream_t stream) const {
    const SoftmaxChunks chunks = chunks_.chunks(rows, contents.stride);
    launch_softmax_chunks(
        chunks,
        [&](int begin, int count) {
          launch_scores(memory_, {states, rows, terms, begin, count, chunks.scores, chunks.chunk}, stream);
        },
        [&](int begin, int count, float* readouts) {
          launch_chunk_readout(chunks.scores, chunks.chunk, rows, contents, begin, count, readouts, stream);
        },
        stream);
    SoftmaxReadout readout = chunks_.readout(contents.stride);
    readout.beta = 1.0F;
    readout.norm_weight = 0.0;
    readout.energy_offset = memory_.energy_offset;
    readout.resolution = memory_.resolution.data();
    return readout;
  }

 private:
  const StreamedAdaptive& memory_;
  ChunkScratch chunks_;
};

__global__ void __launch_bounds__(step_threads) normalise_kernel(SoftmaxReadout readout, MatrixView<float> contents) {
  const int row = static_cast<int>(blockIdx.x);
  readout.begin(row);
  for (int k = 4 * static_cast<int>(threadIdx.x); k < contents.columns; k += 4 * step_threads) {
    const float4 u = readout.field(row, k, {});
    const float values[] = {u.x, u.y, u.z, u.w};
    for (int i = 0; i < 4 && k + i < contents.columns; ++i) contents(row, k + i) = values[i];
  }
}

template <class Stage, class Memory>
void recall_streamed(const Memory& memory, MatrixView<const float> states, const RowTerms& terms,
                     MatrixView<float> contents, void* block, Toolbox& tools, cudaStream_t stream) {
  const int stride = memory.patterns.stride;
  Workspace workspace(block);
  Bench<Stage, Memory> bench(memory, stride, states.rows, workspace);
  float* const batch = bench.slots.states;
  check(cudaMemsetAsync(batch, 0, elements(bench.rows, stride) * sizeof(float), stream), "cudaMemsetAsync of states");
  for (Index first = 0; first < states.rows; first += bench.rows) {
    const auto rows = static_cast<int>(std::min<Index>(bench.rows, states.rows - first));
    copy_rows(MatrixView<float>(batch, rows, states.columns, stride), states.slice(first, rows),
              cudaMemcpyDeviceToDevice, stream, "states");
    const RowTerms row_terms = terms.slice(first, rows);
    const SoftmaxReadout readout = memory.contents.rows > 0
                                       ? bench.stage.read_out(memory.contents, batch, rows, row_terms, stream)
                                       : bench.stage.launch(batch, rows, row_terms, stream);
    launch_kernel("normalise_kernel", normalise_kernel, {static_cast<unsigned>(rows), step_threads}, stream, readout,
                  contents.slice(first, rows));
  }
}

}  // namespace

DeviceArray<float> upload_neurons(std::span<const float> values, const DeviceMatrix& rows, const std::string& purpose) {
  std::vector<float> padded_values(values.begin(), values.end());
  padded_values.resize(static_cast<std::size_t>(rows.stride), 0.0F);
  return upload(std::span<const float>(padded_values), purpose);
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

void launch_chunk_readout(const float* weights, Index weight_stride, int rows, const DeviceMatrix& contents, int begin,
                          int count, float* readouts, cudaStream_t stream) {
  launch_ordered_product(chunk_readout(weights, weight_stride, rows, contents, begin, count, readouts), stream);
}

void launch_scores(const StreamedAdaptive& memory, const ScoreJob& job, cudaStream_t stream) {
  const DeviceMatrix& patterns = memory.patterns;
  launch_adaptive_scores({.pairs = {.states = job.states,
                                    .state_stride = patterns.stride,
                                    .rows = job.rows,
                                    .patterns = patterns.row(job.begin),
                                    .pattern_stride = patterns.stride,
                                    .pattern_count = job.count,
                                    .dimension = patterns.columns,
                                    .groups = memory.groups},
                          .squared_distance = memory.squared_distance.view().from(job.begin),
                          .dot = memory.dot.view().from(job.begin),
                          .log_prior = memory.log_prior.size() == 0 ? nullptr : memory.log_prior.data() + job.begin,
                          .levels = memory.levels.from(job.begin),
                          .scores = job.scores,
                          .score_stride = job.score_stride},
                         stream);
  launch_score_terms({.scores = job.scores,
                      .stride = job.score_stride,
                      .rows = job.rows,
                      .first = job.begin,
                      .count = job.count,
                      .terms = job.terms},
                     stream);
}

void launch_scores(const StreamedSoftmax& memory, const ScoreJob& job, cudaStream_t stream) {
  const OrderedProduct product = product_of(memory, job);
  if (memory.terms.similarity == Similarity::manhattan)
    launch_ordered_distances(product, stream);
  else if (memory.terms.similarity == Similarity::squared_distance)
    launch_ordered_squares(product, stream);
  else
    multiply_transposed({.floats = product, .halves = score_halves(memory).from(job.begin), .precision = job.products},
                        stream);
  launch_memory_terms(memory, job, stream);
}

bool has_rough_scores(const StreamedSoftmax& memory) {
  const detail::Sizes& sizes = detail::sizes();
  const bool has_two_halves = memory.pattern_halves.data.size() > 0 && !memory.pattern_halves.exact;
  const bool has_terms = memory.scale.size() > 0 || !offsets_of(memory).empty();
  return has_two_halves && !has_terms && is_scanned(memory) && memory.patterns.rows >= sizes.rough_patterns &&
         memory.patterns.columns >= sizes.rough_columns;
}

void launch_rough_scores(const StreamedSoftmax& memory, const ScoreJob& job, cudaStream_t stream) {
  multiply_transposed({.floats = product_of(memory, job), .halves = memory.pattern_halves.view().from(job.begin)},
                      stream);
}

std::size_t workspace_bytes(const StreamedFactored& memory, Index queries) {
  return measure<FactoredStage>(memory, memory.factor.stride, queries);
}
std::size_t workspace_bytes(const StreamedDense& memory, Index queries) {
  return measure<DenseStage>(memory, memory.weights.stride, queries);
}
std::size_t workspace_bytes(const StreamedPointwise& memory, Index queries) {
  return measure<PointwiseStage>(memory, memory.patterns.stride, queries);
}
std::size_t workspace_bytes(const StreamedSoftmax& memory, Index queries) {
  const Index stride = memory.patterns.stride;
  return is_softmax(memory) ? measure<SoftmaxStage>(memory, stride, queries)
                            : measure<SettledStage>(memory, stride, queries);
}
std::size_t workspace_bytes(const StreamedAdaptive& memory, Index queries) {
  return measure<AdaptiveStage>(memory, memory.patterns.stride, queries);
}

void relax(const StreamedFactored& memory, const Job& job, void* workspace, Toolbox& tools, Driver driver,
           cudaStream_t stream) {
  relax_streamed<FactoredStage>(memory, memory.factor.stride, job, workspace, tools, driver, stream);
}
void relax(const StreamedDense& memory, const Job& job, void* workspace, Toolbox& tools, Driver driver,
           cudaStream_t stream) {
  relax_streamed<DenseStage>(memory, memory.weights.stride, job, workspace, tools, driver, stream);
}
void relax(const StreamedPointwise& memory, const Job& job, void* workspace, Toolbox& tools, Driver driver,
           cudaStream_t stream) {
  relax_streamed<PointwiseStage>(memory, memory.patterns.stride, job, workspace, tools, driver, stream);
}
void relax(const StreamedSoftmax& memory, const Job& job, void* workspace, Toolbox& tools, Driver driver,
           cudaStream_t stream) {
  const Index stride = memory.patterns.stride;
  if (is_softmax(memory))
    relax_streamed<SoftmaxStage>(memory, stride, job, workspace, tools, driver, stream);
  else if (std::holds_alternative<EpanechnikovSeparation>(memory.terms.separation))
    relax_streamed<KeepingStage>(memory, stride, job, workspace, tools, driver, stream);
  else
    relax_streamed<SettledStage>(memory, stride, job, workspace, tools, driver, stream);
}
void relax(const StreamedAdaptive& memory, const Job& job, void* workspace, Toolbox& tools, Driver driver,
           cudaStream_t stream) {
  relax_streamed<AdaptiveStage>(memory, memory.patterns.stride, job, workspace, tools, driver, stream);
}

void recall(const StreamedSoftmax& memory, MatrixView<const float> states, const RowTerms& terms,
            MatrixView<float> contents, void* workspace, Toolbox& tools, cudaStream_t stream) {
  if (is_softmax(memory))
    recall_streamed<SoftmaxStage>(memory, states, terms, contents, workspace, tools, stream);
  else
    recall_streamed<SettledStage>(memory, states, terms, contents, workspace, tools, stream);
}
void recall(const StreamedAdaptive& memory, MatrixView<const float> states, const RowTerms& terms,
            MatrixView<float> contents, void* workspace, Toolbox& tools, cudaStream_t stream) {
  recall_streamed<AdaptiveStage>(memory, states, terms, contents, workspace, tools, stream);
}

}  // namespace attractor::cuda
