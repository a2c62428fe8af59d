#pragma once

/// Softmax readouts by library products, for states too long for the fused scan: scores of one chunk of patterns after
/// another, each weighed against the largest score so far.

#include <cublas_v2.h>

#include <attractor/matrix.hpp>

namespace attractor::cuda {

/// Patterns of a chunk: enough to make the products efficient, few enough that scores stay a small part of the scratch.
inline constexpr int chunk_patterns = 1024;

/// All pointers on the device; strides are multiples of four and padding columns zero.
struct SoftmaxChunks {
  const float* states;  ///< [rows × state_stride]
  int state_stride;
  int rows;
  const float* patterns;  ///< [pattern_count × pattern_stride]
  int pattern_stride;
  const float* contents;  ///< [pattern_count × content_stride]
  int content_stride;
  int pattern_count;
  float beta;
  float* scores;    ///< [rows × chunk_patterns], scratch
  float* maxima;    ///< [rows] largest βa·x
  float* sums;      ///< [rows] Σ exp(βa·x − maximum)
  float* readouts;  ///< [rows × content_stride] Σ exp(βa·x − maximum) c
};

/// Runs on the handle's stream.
void launch_softmax_chunks(const SoftmaxChunks& chunks, cublasHandle_t blas);

}  // namespace attractor::cuda
