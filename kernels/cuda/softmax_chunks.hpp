#pragma once

/// Softmax readouts without a fused scan: scores of one chunk of patterns after another, each weighed against the
/// largest score so far. How scores are made and how weights are read out is the caller's.

#include <cuda_runtime_api.h>

#include <functional>

#include <attractor/matrix_view.hpp>

namespace attractor::cuda {

/// Patterns of a chunk: enough to make the products efficient, few enough that scores stay a small part of the scratch.
inline constexpr int chunk_patterns = 1024;

/// All pointers on the device.
struct SoftmaxChunks {
  int rows;
  int pattern_count;
  float* scores;    ///< [rows × chunk_patterns] of one chunk; then their weights, exp(s − maximum)
  float* maxima;    ///< [rows] largest s
  float* sums;      ///< [rows] Σ exp(s − maximum)
  float* readouts;  ///< [rows × readout_stride] Σ exp(s − maximum) c
  int readout_stride;
};

/// Enqueues one step for the patterns from `begin` on, `count` of them.
using ChunkStep = std::function<void(int begin, int count)>;

/// `score` writes the scores of a chunk; `read_out` adds what its weights read out to `readouts`, which it overwrites
/// if `begin` is 0.
void launch_softmax_chunks(const SoftmaxChunks& chunks, const ChunkStep& score, const ChunkStep& read_out,
                           cudaStream_t stream);

}  // namespace attractor::cuda
