#pragma once

/// A memory as one CUDA device holds it, and how queries already on that device relax on it.

#include <memory>
#include <optional>
#include <variant>

#include <attractor/separation.hpp>
#include <attractor/similarity.hpp>

#include "kernels/cuda/engine/job.hpp"
#include "kernels/cuda/engine/lane_buffers.hpp"
#include "kernels/cuda/resident/resident.hpp"
#include "kernels/cuda/softmax/retrieval.hpp"
#include "kernels/cuda/streamed/streamed.hpp"

namespace attractor::cuda {

/// Which tier a linear memory is for; either: resident where it fits.
enum class Tier : unsigned char { either, resident, streamed };

/// Of a linear memory.
struct LinearVectors {
  std::span<const float> resolution = {};  ///< [D]
  std::span<const float> thresholds = {};  ///< θ [D] or empty: 0
};

/// Of a softmax memory; each may be empty.
struct SoftmaxVectors {
  std::span<const float> centre = {};      ///< [D]
  std::span<const float> resolution = {};  ///< [D]
  std::span<const float> scale = {};       ///< [P]
  std::span<const float> offset = {};      ///< [P]
  std::span<const float> log_prior = {};   ///< [P]
};

/// What a pointwise memory reads out, as DeviceContents; each may be empty.
struct ContentViews {
  MatrixView<const float> matrix = {};    ///< C [P × M], of dense memories CᵀF [M × D]
  std::span<const float> intensity = {};  ///< [P], of dense memories [D]
  std::span<const float> diagonal = {};   ///< [D]
};

/// Immutable once made, and shared by all threads.
class DeviceMemory {
 public:
  // Matrices are on the host or, complete, on the device, those that may become resident on the host; all else is on
  // the host.
  // `resolution` [D]: sign updates take a field of at most so much, for linear memories times the magnitude of the
  // state, for rounding of 0.

  /// u = scale·(Fᵀ(Fx) − diagonal∘x) − θ. @throws NotSupported it must be resident and doesn't fit.
  static DeviceMemory factored(int device, MatrixView<const float> factor, std::span<const float> diagonal,
                               const LinearVectors& vectors, float scale, Tier tier, const ContentViews& contents = {});
  /// u = scale·Wx − θ. @throws NotSupported it must be resident and doesn't fit.
  static DeviceMemory dense(int device, MatrixView<const float> weights, const LinearVectors& vectors, float scale,
                            Tier tier, const ContentViews& contents = {});
  /// The same, streamed, of weights that are on the device.
  static DeviceMemory dense(int device, DeviceMatrix weights, const LinearVectors& vectors, float scale,
                            const ContentViews& contents = {});
  /// u = patternsᵀ·p(score_scale·patterns·x), E = −energy_scale·Σ F(h); the resolution is in units of Σ|p|.
  static DeviceMemory pointwise(int device, MatrixView<const float> patterns, std::span<const float> resolution,
                                const PointwiseSeparation& separation, float score_scale, float energy_scale,
                                const ContentViews& contents = {});
  /// u = centre + patternsᵀ·p; the patterns come less the centre.
  static DeviceMemory softmax(int device, MatrixView<const float> patterns, MatrixView<const float> contents,
                              const SoftmaxVectors& vectors, const SoftmaxTerms& terms);
  /// @throws NotSupported more ranks than the kernels sort.
  static DeviceMemory adaptive(int device, MatrixView<const float> patterns, MatrixView<const float> contents,
                               std::span<const float> resolution, const AdaptiveSimilarity& similarity);

  [[nodiscard]] int device() const { return device_; }

  /// What it was made of, but that of dense memories, on the device.
  [[nodiscard]] MatrixView<const float> patterns() const;
  [[nodiscard]] MatrixView<const float> contents() const;

  /// Whether relaxations by this update are one launch whoever drives others: those of a memory in shared memory are,
  /// unless neurons are updated one after another, or only tanh's fits there.
  [[nodiscard]] bool is_resident(const UpdateRule& update) const;

  /// Streams and buffers of waiting calls, for the next ones.
  [[nodiscard]] LanePool& lanes() const { return *lanes_; }

  /// Scratch of `relax` by this update and, where there are contents, of `recall`, for so many queries.
  [[nodiscard]] std::size_t workspace_bytes(Index queries, const UpdateRule& update) const;

  /// Scratch of `recall` alone, contents or not.
  [[nodiscard]] std::size_t recall_workspace_bytes(Index states) const;

  /// Enqueues the relaxation of all queries. Its device is current. `driver` is for what isn't resident.
  void relax(const Job& job, void* workspace, Driver driver, cudaStream_t stream) const;

  /// contents_i = Cᵀp with the weights p of state_i, for every row, or what patterns read out where there are no
  /// contents; and intensity_i = Σp unless that is null: it is for pointwise memories.
  void recall(MatrixView<const float> states, const RowTerms& terms, MatrixView<float> contents, float* intensity,
              void* workspace, cudaStream_t stream) const;

  /// The patterns with the largest scores of each query, as many as there are columns, and their weights, from
  /// and to the host's memory or the device's; −1 and NaN where scores aren't finite. For memories whose weights are
  /// normalised. Waits for the results.
  void retrieve(const RetrievalJob& job) const;

  /// Enqueues the same from device memory to device memory. Its device is current.
  void launch_retrieval(const RetrievalJob& job, void* workspace, cudaStream_t stream) const;

  /// Scratch of that, for so many queries and patterns of each.
  [[nodiscard]] std::size_t retrieval_workspace_bytes(Index queries, Index count) const;

 private:
  /// What isn't relaxed in shared memory, as asynchronous updates are not, is streamed.
  struct Resident {
    ResidentMemory memory;
    std::variant<StreamedFactored, StreamedDense> streamed;
  };
  using Form =
      std::variant<Resident, StreamedFactored, StreamedDense, StreamedPointwise, StreamedSoftmax, StreamedAdaptive>;
  /// What is done with a form, by its kind.
  struct Patterns;
  struct Contents;
  struct WorkspaceBytes;
  struct SweepBytes;
  struct RecallBytes;
  struct Relax;
  struct Sweep;
  struct Recall;
  struct Retrieve;
  struct LaunchRetrieval;
  struct RetrievalBytes;

  DeviceMemory(int device, Form form);

  int device_;
  Form form_;
  std::unique_ptr<ToolboxPool> tools_;
  std::unique_ptr<LanePool> lanes_;
};

}  // namespace attractor::cuda
