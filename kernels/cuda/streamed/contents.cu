// What pointwise memories read out at states that stay where they are. All sums run in one order, whatever the batch.

#include <algorithm>

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/workspace.hpp"
#include "kernels/cuda/softmax/softmax_chunks.hpp"
#include "kernels/cuda/streamed/ordered_product.hpp"
#include "kernels/cuda/streamed/separate.hpp"
#include "kernels/cuda/streamed/streamed.hpp"
#include "kernels/sizes.hpp"

namespace attractor::cuda {
namespace {

constexpr int threads = 128;

/// The part of a relaxation's scratch that this takes: products of some hundred rows fill a device.
constexpr Index scratch_share = 8;

/// Rows that are read out at a time. It depends on no device, so that a graph may be captured.
int batch_rows(Index rows, Index row_floats) {
  const detail::Sizes& sizes = detail::sizes();
  const Index affordable = sizes.scratch_bytes / scratch_share / (static_cast<Index>(sizeof(float)) * row_floats);
  return static_cast<int>(std::clamp<Index>(rows, 1, std::clamp<Index>(affordable, 1, sizes.most_slots)));
}

/// What products leave: rows of them, and what becomes contents and sums of weights of those.
struct ContentProducts {
  const float* contents;  ///< [rows × stride]
  Index stride;
  const float* intensity;  ///< [rows × 4], of which the first counts
  const float* diagonal;   ///< [state stride] or null: 0
  float scale;
};

constexpr int intensity_stride = 4;

/// Through the scores: weights of one chunk of patterns after another, and what those read out.
class FactoredContents {
 public:
  struct Memory {
    const DeviceMatrix& factor;
    const DeviceContents& readout;
    PointwiseSeparation separation;
    float score_scale;
    float scale;

    [[nodiscard]] const DeviceMatrix& states() const { return factor; }
    [[nodiscard]] const DeviceMatrix& contents() const { return readout.matrix.rows > 0 ? readout.matrix : factor; }
    [[nodiscard]] int sums() const { return factor.rows > chunk_patterns() ? 2 : 1; }
  };

  static Index row_floats(const Memory& memory) {
    return chunk_patterns() + 3 + memory.sums() * Index{memory.contents().stride + intensity_stride};
  }
  FactoredContents(const Memory& memory, Workspace& workspace, int rows)
      : memory_(memory),
        weights_(workspace.take<float>(elements(rows, chunk_patterns()))),
        potentials_(workspace.take<double>(elements(rows))),
        total_weights_(workspace.take<float>(elements(rows))) {
    for (int i = 0; i < memory.sums(); ++i) {
      contents_[i] = workspace.take<float>(elements(rows, memory.contents().stride));
      intensity_[i] = workspace.take<float>(elements(rows, intensity_stride));
    }
  }

  [[nodiscard]] ContentProducts launch(const float* states, int rows, bool wants_intensity, cudaStream_t stream) const {
    for (int begin = 0; begin < memory_.factor.rows; begin += chunk_patterns()) {
      const int count = std::min(chunk_patterns(), memory_.factor.rows - begin);
      weigh(states, rows, begin, count, stream);
      add(memory_.contents(), contents_, rows, begin, count, stream);
      if (wants_intensity) add(memory_.readout.intensity, intensity_, rows, begin, count, stream);
    }
    return {.contents = contents_[0],
            .stride = memory_.contents().stride,
            .intensity = intensity_[0],
            .diagonal = nullptr,
            .scale = memory_.scale};
  }

 private:
  void weigh(const float* states, int rows, int begin, int count, cudaStream_t stream) const {
    launch_transposed_ordered_product({.rows = rows,
                                       .columns = count,
                                       .inner = memory_.factor.columns,
                                       .factor = memory_.score_scale,
                                       .a = states,
                                       .a_stride = memory_.factor.stride,
                                       .b = memory_.factor.row(begin),
                                       .b_stride = memory_.factor.stride,
                                       .result = weights_,
                                       .result_stride = chunk_patterns()},
                                      stream);
    launch_separate(memory_.separation,
                    {.rows = rows,
                     .patterns = count,
                     .scores = weights_,
                     .stride = chunk_patterns(),
                     .potentials = potentials_,
                     .total_weights = total_weights_,
                     .first = begin == 0},
                    stream);
  }

  /// sums[0] += this chunk's weights times rows of `matrix`, through sums[1].
  void add(const DeviceMatrix& matrix, float* const (&sums)[2], int rows, int begin, int count,
           cudaStream_t stream) const {
    float* const readouts = begin == 0 ? sums[0] : sums[1];
    launch_chunk_readout(weights_, chunk_patterns(), rows, matrix, begin, count, readouts, stream);
    if (begin > 0) launch_add(sums[0], nullptr, readouts, rows, matrix.stride, stream);
  }

  Memory memory_;
  float* weights_;
  double* potentials_;
  float* total_weights_;
  float* contents_[2] = {};  ///< those so far, and where there are several chunks those of one
  float* intensity_[2] = {};
};

/// Through weights CᵀF, or the memory's own with their diagonal.
class DenseContents {
 public:
  struct Memory {
    const StreamedDense& dense;

    [[nodiscard]] const DeviceMatrix& states() const { return dense.weights; }
    [[nodiscard]] const DeviceMatrix& weights() const {
      return dense.contents.matrix.rows > 0 ? dense.contents.matrix : dense.weights;
    }
    [[nodiscard]] int stride() const { return padded(weights().rows); }
  };

  static Index row_floats(const Memory& memory) { return memory.stride() + intensity_stride; }
  DenseContents(const Memory& memory, Workspace& workspace, int rows)
      : memory_(memory),
        contents_(workspace.take<float>(elements(rows, memory.stride()))),
        intensity_(workspace.take<float>(elements(rows, intensity_stride))) {}

  [[nodiscard]] ContentProducts launch(const float* states, int rows, bool wants_intensity, cudaStream_t stream) const {
    multiply(states, rows, memory_.weights(), contents_, memory_.stride(), stream);
    if (wants_intensity) multiply(states, rows, memory_.dense.contents.intensity, intensity_, intensity_stride, stream);
    return {.contents = contents_,
            .stride = memory_.stride(),
            .intensity = intensity_,
            .diagonal = memory_.dense.contents.diagonal.data(),
            .scale = memory_.dense.scale};
  }

 private:
  static void multiply(const float* states, int rows, const DeviceMatrix& weights, float* results, int stride,
                       cudaStream_t stream) {
    launch_transposed_ordered_product({.rows = rows,
                                       .columns = weights.rows,
                                       .inner = weights.columns,
                                       .factor = 1.0F,
                                       .a = states,
                                       .a_stride = weights.stride,
                                       .b = weights.data.data(),
                                       .b_stride = weights.stride,
                                       .result = results,
                                       .result_stride = stride},
                                      stream);
  }

  Memory memory_;
  float* contents_;
  float* intensity_;
};

/// One block for each row.
__global__ void __launch_bounds__(threads) deliver_kernel(ContentProducts products, MatrixView<const float> states,
                                                          MatrixView<float> contents, float* intensity) {
  const Index row = blockIdx.x;
  for (Index k = threadIdx.x; k < contents.columns; k += threads) {
    float sum = products.contents[row * products.stride + k];
    if (products.diagonal != nullptr) sum = fmaf(products.diagonal[k], states(row, k), sum);
    contents(row, k) = products.scale * sum;
  }
  if (intensity != nullptr && threadIdx.x == 0)
    intensity[row] = products.scale * products.intensity[row * intensity_stride];
}

/// Batches of states and what reads them out.
template <class Reader>
struct Bench {
  Bench(const typename Reader::Memory& memory, Index count, Workspace& workspace)
      : stride(memory.states().stride),
        rows(batch_rows(count, stride + Reader::row_floats(memory))),
        states(workspace.take<float>(elements(rows, stride))),
        reader(memory, workspace, rows) {}

  int stride;
  int rows;
  float* states;
  Reader reader;
};

template <class Reader>
std::size_t measure(const typename Reader::Memory& memory, Index rows) {
  Workspace workspace;
  const Bench<Reader> bench(memory, rows, workspace);
  return workspace.used();
}

template <class Reader>
void read_out(const typename Reader::Memory& memory, MatrixView<const float> states, MatrixView<float> contents,
              float* intensity, void* block, cudaStream_t stream) {
  Workspace workspace(block);
  const Bench<Reader> bench(memory, states.rows, workspace);
  check(cudaMemsetAsync(bench.states, 0, elements(bench.rows, bench.stride) * sizeof(float), stream),
        "cudaMemsetAsync of states");
  for (Index first = 0; first < states.rows; first += bench.rows) {
    const auto rows = static_cast<int>(std::min<Index>(bench.rows, states.rows - first));
    const MatrixView<float> batch(bench.states, rows, states.columns, bench.stride);
    copy_rows(batch, states.slice(first, rows), cudaMemcpyDeviceToDevice, stream, "states");
    const ContentProducts products = bench.reader.launch(bench.states, rows, intensity != nullptr, stream);
    launch_kernel("deliver_kernel", deliver_kernel, {static_cast<unsigned>(rows), threads}, stream, products,
                  MatrixView<const float>(batch), contents.slice(first, rows),
                  intensity == nullptr ? nullptr : intensity + first);
  }
}

FactoredContents::Memory factored(const StreamedFactored& memory) {
  return {.factor = memory.factor,
          .readout = memory.contents,
          .separation = LinearSeparation{},
          .score_scale = 1.0F,
          .scale = memory.scale};
}

FactoredContents::Memory factored(const StreamedPointwise& memory) {
  return {.factor = memory.patterns,
          .readout = memory.contents,
          .separation = memory.separation,
          .score_scale = memory.score_scale,
          .scale = 1.0F};
}

}  // namespace

std::size_t recall_workspace_bytes(const StreamedFactored& memory, Index rows) {
  return measure<FactoredContents>(factored(memory), rows);
}
std::size_t recall_workspace_bytes(const StreamedDense& memory, Index rows) {
  return measure<DenseContents>({memory}, rows);
}
std::size_t recall_workspace_bytes(const StreamedPointwise& memory, Index rows) {
  return measure<FactoredContents>(factored(memory), rows);
}

void recall(const StreamedFactored& memory, MatrixView<const float> states, MatrixView<float> contents,
            float* intensity, void* workspace, cudaStream_t stream) {
  read_out<FactoredContents>(factored(memory), states, contents, intensity, workspace, stream);
}
void recall(const StreamedDense& memory, MatrixView<const float> states, MatrixView<float> contents, float* intensity,
            void* workspace, cudaStream_t stream) {
  read_out<DenseContents>({memory}, states, contents, intensity, workspace, stream);
}
void recall(const StreamedPointwise& memory, MatrixView<const float> states, MatrixView<float> contents,
            float* intensity, void* workspace, cudaStream_t stream) {
  read_out<FactoredContents>(factored(memory), states, contents, intensity, workspace, stream);
}

}  // namespace attractor::cuda
