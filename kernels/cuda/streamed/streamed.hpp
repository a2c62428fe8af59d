#pragma once

/// The streamed tier: memories of any size in device memory. Each step is a product or two over all queries in flight
/// and one kernel for the rest. The device drives the steps, as part of a graph, or the host, seldom more than a few
/// ahead of the device; the bits of the results are the same.

#include <cstddef>
#include <span>
#include <string>
#include <variant>

#include <attractor/separation.hpp>
#include <attractor/similarity.hpp>

#include "kernels/cuda/adaptive/adaptive_scores.hpp"
#include "kernels/cuda/device/device_matrix.hpp"
#include "kernels/cuda/device/half_matrix.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/device/toolbox.hpp"
#include "kernels/cuda/engine/job.hpp"
#include "kernels/cuda/softmax/score_terms.hpp"

namespace attractor::cuda {

/// What a pointwise memory has beside to read contents out by. Where there are none, its patterns are read out.
struct DeviceContents {
  DeviceMatrix matrix;          ///< C [P × M], of dense memories CᵀF [M × D]; no rows: there are none
  DeviceMatrix intensity;       ///< what weights add to their sum [P × 1], of dense memories what states do [1 × D]
  DeviceArray<float> diagonal;  ///< [stride] of dense memories without contents: what their weights lack of FᵀF
};

/// u = Wx − θ, W = scale·FᵀF less its diagonal; `diagonal` is that of FᵀF where it is taken out, else 0.
struct StreamedFactored {
  DeviceMatrix factor;            ///< [P × D]
  HalfMatrix factor_halves;       ///< where tensor cores multiply by it
  DeviceArray<float> diagonal;    ///< [stride]
  DeviceArray<float> resolution;  ///< [stride] the rounding of fields, for states of magnitude 1
  DeviceArray<float> thresholds;  ///< θ [stride] or empty: 0
  float scale = 1.0F;
  DeviceContents contents;
};

/// u = Wx − θ.
struct StreamedDense {
  DeviceMatrix weights;           ///< W/scale [D × D], symmetric
  HalfMatrix weight_halves;       ///< where tensor cores multiply by them
  DeviceArray<float> resolution;  ///< [stride] the rounding of fields, for states of magnitude 1
  DeviceArray<float> thresholds;  ///< θ [stride] or empty: 0
  float scale = 1.0F;
  DeviceContents contents;
};

/// u = Aᵀp(score_scale·Ax), E = −energy_scale·Σ F(h).
struct StreamedPointwise {
  DeviceMatrix patterns;          ///< [P × D]
  DeviceArray<float> resolution;  ///< [stride] the rounding of fields, for weights that add up to 1
  PointwiseSeparation separation;
  float score_scale = 1.0F;
  float energy_scale = 1.0F;
  DeviceContents contents;
};

/// What a softmax memory has beside its matrices: p of the scores s, E = −(Ω*(s) + potential_offset)/β +
/// quadratic·½‖x − centre‖² + energy_offset. Scores are scale_μ g(a_μ, x) + offset_μ + log_prior_μ, g as in
/// SoftmaxForm.
struct SoftmaxTerms {
  Similarity similarity = Similarity::dot;
  NormalisedSeparation separation = SoftmaxSeparation{};
  float beta = 1.0F;
  bool quadratic = true;
  double potential_offset = 0.0;
  double energy_offset = 0.0;
  Products products = Products::exact;  ///< of relaxations and recalls, where tensor cores make them
};

struct StreamedSoftmax {
  DeviceMatrix patterns;         ///< [P × D], less the centre
  DeviceArray<float> scale;      ///< [P] or empty: β
  DeviceArray<float> offset;     ///< [P] or empty: 0; in proportion to β
  DeviceArray<float> log_prior;  ///< [P] or empty: 0
  DeviceMatrix contents;         ///< [P × M]; no rows where the memory is auto-associative
  HalfMatrix pattern_halves;     ///< where tensor cores multiply by them
  HalfMatrix content_halves;
  DeviceArray<float> centre;      ///< [stride] or empty: 0
  DeviceArray<float> resolution;  ///< [stride] the rounding of readouts
  SoftmaxTerms terms;
};

inline bool is_softmax(const StreamedSoftmax& memory) {
  return std::holds_alternative<SoftmaxSeparation>(memory.terms.separation);
}

/// Where scores of states go, and of which patterns.
struct ScoreJob {
  const float* states;  ///< [rows × stride]
  int rows;
  RowTerms terms;
  int begin;      ///< the first pattern
  int count;      ///< of patterns
  float* scores;  ///< [rows × score_stride]
  Index score_stride;
  Products products = Products::exact;  ///< by tensor cores
};

/// Scores in one order of sums, whatever the number of rows.
void launch_scores(const StreamedSoftmax& memory, const ScoreJob& job, cudaStream_t stream);

/// Whether tensor cores make scores of a softmax memory's products for less than launch_scores does, though of other
/// bits.
bool has_rough_scores(const StreamedSoftmax& memory);

/// A memory's that has them, for calls that say nothing of patterns and temperatures.
void launch_rough_scores(const StreamedSoftmax& memory, const ScoreJob& job, cudaStream_t stream);

/// Rank weights of one base, β included, as the kernel of adaptive scores reads them.
struct DeviceRankWeights {
  explicit DeviceRankWeights() = default;
  DeviceRankWeights(std::span<const float> weights, float beta, int ranks, const std::string& purpose);
  [[nodiscard]] RankWeights view() const { return {.values = values.data(), .stride = stride}; }

  DeviceArray<float> values;
  Index stride = 0;
};

struct StreamedAdaptive {
  DeviceMatrix patterns;  ///< [P × D]
  DeviceMatrix contents;  ///< [P × M]; no rows where the memory is auto-associative
  DeviceRankWeights squared_distance;
  DeviceRankWeights dot;
  DeviceArray<float> log_prior;   ///< [P] or empty; relative to the largest
  DeviceArray<float> resolution;  ///< [stride] the rounding of readouts
  double energy_offset = 0.0;     ///< less the largest log-prior
  int groups = 1;
  DeviceLevels levels;
};

/// What a memory has for each neuron, with zeros up to the stride of its rows.
DeviceArray<float> upload_neurons(std::span<const float> values, const DeviceMatrix& rows, const std::string& purpose);

void launch_scores(const StreamedAdaptive& memory, const ScoreJob& job, cudaStream_t stream);
inline bool has_rough_scores(const StreamedAdaptive& /*memory*/) { return false; }

/// readouts [rows × contents.stride] = the weights of the `count` patterns from `begin` on, in rows of
/// `weight_stride`, times their contents.
void launch_chunk_readout(const float* weights, Index weight_stride, int rows, const DeviceMatrix& contents, int begin,
                          int count, float* readouts, cudaStream_t stream);

/// Scratch that relaxing so many queries takes; bounded whatever their number.
std::size_t workspace_bytes(const StreamedFactored& memory, Index queries);
std::size_t workspace_bytes(const StreamedDense& memory, Index queries);
std::size_t workspace_bytes(const StreamedPointwise& memory, Index queries);
std::size_t workspace_bytes(const StreamedSoftmax& memory, Index queries);
std::size_t workspace_bytes(const StreamedAdaptive& memory, Index queries);

/// Who decides after each step whether there is another.
enum class Driver : unsigned char {
  host,             ///< a call returns when the last step has been handed to the stream
  device,           ///< a call is one launch; where `device_decides()`
  captured_device,  ///< the same as part of the graph that the stream is being captured in
};

/// Relaxes the whole job. The bits of a result depend on its query, the memory and what the call says of it alone.
void relax(const StreamedFactored& memory, const Job& job, void* workspace, Toolbox& tools, Driver driver,
           cudaStream_t stream);
void relax(const StreamedDense& memory, const Job& job, void* workspace, Toolbox& tools, Driver driver,
           cudaStream_t stream);
void relax(const StreamedPointwise& memory, const Job& job, void* workspace, Toolbox& tools, Driver driver,
           cudaStream_t stream);
void relax(const StreamedSoftmax& memory, const Job& job, void* workspace, Toolbox& tools, Driver driver,
           cudaStream_t stream);
void relax(const StreamedAdaptive& memory, const Job& job, void* workspace, Toolbox& tools, Driver driver,
           cudaStream_t stream);

/// The same for asynchronous updates, which alone these take.
std::size_t sweep_workspace_bytes(const StreamedFactored& memory, Index queries);
std::size_t sweep_workspace_bytes(const StreamedDense& memory, Index queries);
std::size_t sweep_workspace_bytes(const StreamedPointwise& memory, Index queries);
void relax_by_sweeps(const StreamedFactored& memory, const Job& job, void* workspace, Toolbox& tools, Driver driver,
                     cudaStream_t stream);
void relax_by_sweeps(const StreamedDense& memory, const Job& job, void* workspace, Toolbox& tools, Driver driver,
                     cudaStream_t stream);
void relax_by_sweeps(const StreamedPointwise& memory, const Job& job, void* workspace, Toolbox& tools, Driver driver,
                     cudaStream_t stream);

/// contents_i = pᵀC for every row, or pᵀA where there are none, `terms` being what the call says of patterns and
/// temperatures for each; the workspace is that of a job of as many rows.
void recall(const StreamedSoftmax& memory, MatrixView<const float> states, const RowTerms& terms,
            MatrixView<float> contents, void* workspace, Toolbox& tools, cudaStream_t stream);
void recall(const StreamedAdaptive& memory, MatrixView<const float> states, const RowTerms& terms,
            MatrixView<float> contents, void* workspace, Toolbox& tools, cudaStream_t stream);

/// Scratch of the following, for so many rows; bounded whatever their number.
std::size_t recall_workspace_bytes(const StreamedFactored& memory, Index rows);
std::size_t recall_workspace_bytes(const StreamedDense& memory, Index rows);
std::size_t recall_workspace_bytes(const StreamedPointwise& memory, Index rows);

/// contents_i = Cᵀp for every row, or Aᵀp with the whole diagonal where there are none, and intensity_i = Σp unless
/// that is null. The bits of a row depend on its state and the memory alone; nothing waits for the host.
void recall(const StreamedFactored& memory, MatrixView<const float> states, MatrixView<float> contents,
            float* intensity, void* workspace, cudaStream_t stream);
void recall(const StreamedDense& memory, MatrixView<const float> states, MatrixView<float> contents, float* intensity,
            void* workspace, cudaStream_t stream);
void recall(const StreamedPointwise& memory, MatrixView<const float> states, MatrixView<float> contents,
            float* intensity, void* workspace, cudaStream_t stream);

}  // namespace attractor::cuda
