#pragma once

/// One pass of a batch of states over a softmax memory: for each state x and each part of the patterns a_μ, contents
/// c_μ,
///   m = max_μ s_μ,   l = Σ_μ exp(s_μ − m),   r = Σ_μ exp(s_μ − m) c_μ,   s_μ = β a_μ·x + offset_μ + terms.
/// β is the memory's or, where the call has a schedule, that of the row.
/// Scores never leave the multiprocessor. Whoever combines the parts has lse = m + ln l and u = r / l.

#include <cuda_runtime_api.h>

#include <attractor/matrix_view.hpp>

#include "kernels/cuda/device/half_matrix.hpp"
#include "kernels/cuda/engine/job.hpp"
#include "kernels/cuda/softmax/score_terms.hpp"

namespace attractor::cuda {

/// All pointers are on the device. Rows of matrices start at multiples of 16 bytes: strides are multiples of 4, and
/// what lies between a row's last column and the next multiple of 4 is zero in patterns and contents, anything in
/// states.
struct SoftmaxScan {
  const float* states = nullptr;  ///< [rows × dimension]
  Index state_stride = 0;
  int rows = 0;

  const float* patterns = nullptr;  ///< [pattern_count × dimension]
  Index pattern_stride = 0;
  const float* contents = nullptr;  ///< [pattern_count × content_columns]; the patterns themselves are read once
  Index content_stride = 0;
  /// The same for tensor cores, which take them where the device and the dimension let them; β is positive then.
  HalfMatrixView pattern_halves = {};
  HalfMatrixView content_halves = {};
  Products products = Products::exact;  ///< by tensor cores; floats are exact in any case
  Index pattern_count = 0;
  int dimension = 0;
  int content_columns = 0;
  float beta = 1.0F;
  ScoreOffsets offsets = {};
  RowTerms terms = {};  ///< what the call says of patterns and temperatures for each row

  int splits = 1;  ///< parts of the pattern set, cut at multiples of 32; one without weight has m = −∞, l = 0, r = 0
  float* maxima = nullptr;    ///< m: [splits × capacity]
  double* sums = nullptr;     ///< l: [splits × capacity]
  float* readouts = nullptr;  ///< r: [splits × capacity × readout_stride], columns up to a multiple of 4 are written
  Index capacity = 0;
  Index readout_stride = 0;

  /// Readouts are added up so many patterns at a time, a multiple of 32, so that their error doesn't grow with the
  /// number of patterns; where a split has more, in `remainders`, scratch shaped as `readouts`.
  Index run_patterns = 1024;
  float* remainders = nullptr;
};

/// Whether a split of this scan has more patterns than a run.
bool softmax_scan_takes_runs(Index pattern_count, int splits, Index run_patterns);

/// Whether the current device's multiprocessors have the shared memory for states of this dimension.
bool softmax_scan_fits(int dimension);

/// Enqueues one kernel. Weights that together are less than half an ulp of l count as 0. The bits of a row's results
/// depend on the row, the memory, `splits` and the device's compute capability and shared memory alone: not on other
/// rows, its place, `rows` or `capacity`. A state that has a score of +∞ or NaN has an l and an r of NaN there.
void launch_softmax_scan(const SoftmaxScan& scan, cudaStream_t stream);

}  // namespace attractor::cuda
