#pragma once

/// Softmax readouts without a fused scan: scores of one chunk of patterns after another, each weighed against the
/// largest score so far. How scores are made and how weights are read out is the caller's.

#include <cuda_runtime_api.h>

#include <functional>

#include <attractor/matrix_view.hpp>

#include "kernels/sizes.hpp"

namespace attractor::cuda {

/// Patterns of a chunk, a multiple of 4.
inline int chunk_patterns() { return static_cast<int>(detail::sizes().softmax_chunk); }

/// All pointers on the device.
struct SoftmaxChunks {
  int rows;
  int pattern_count;
  int chunk;      ///< chunk_patterns()
  float* scores;  ///< [rows × chunk] of one chunk; then their weights, exp(s − maximum)
  float* maxima;  ///< [rows] largest s
  double* sums;   ///< [rows] Σ exp(s − maximum)
  /// [rows × readout_stride] Σ exp(s − maximum) c. The other two are scratch of that shape where there are several
  /// chunks, so that sums of their readouts don't drift.
  float* readouts;
  float* remainders;
  float* chunk_readouts;
  int readout_stride;
};

/// Enqueues one step for the patterns from `begin` on, `count` of them: writes their scores.
using ScoreChunk = std::function<void(int begin, int count)>;
/// Writes what the weights of these patterns read out.
using ReadOutChunk = std::function<void(int begin, int count, float* readouts)>;

void launch_softmax_chunks(const SoftmaxChunks& chunks, const ScoreChunk& score, const ReadOutChunk& read_out,
                           cudaStream_t stream);

}  // namespace attractor::cuda
