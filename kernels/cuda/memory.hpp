#pragma once

/// A memory as one CUDA device holds it, and how queries already on that device relax on it.

#include <optional>
#include <variant>

#include "kernels/cuda/job.hpp"
#include "kernels/cuda/resident.hpp"
#include "kernels/cuda/streamed.hpp"

namespace attractor::cuda {

/// Which tier a linear memory is for; either: resident where it fits.
enum class Tier : unsigned char { either, resident, streamed };

/// Immutable once made, and shared by all threads.
class DeviceMemory {
 public:
  /// u = scale·(Fᵀ(Fx) − diagonal∘x). @throws NotSupported it must be resident and doesn't fit.
  static DeviceMemory factored(int device, MatrixView<const float> factor, std::span<const float> diagonal, float scale,
                               Tier tier);
  /// u = scale·Wx. @throws NotSupported it must be resident and doesn't fit.
  static DeviceMemory dense(int device, MatrixView<const float> weights, float scale, Tier tier);
  static DeviceMemory softmax(int device, MatrixView<const float> patterns, MatrixView<const float> contents,
                              float beta, double energy_offset);

  [[nodiscard]] int device() const { return device_; }

  /// Whether a relaxation is one launch, which never waits for the host.
  [[nodiscard]] bool is_resident() const { return std::holds_alternative<ResidentMemory>(form_); }

  /// Scratch of `relax` and `recall`, for so many queries.
  [[nodiscard]] std::size_t workspace_bytes(Index queries) const;

  /// Enqueues the relaxation of all queries. Its device is current. Resident memories return at once, others when the
  /// last step has been handed to the stream.
  void relax(const Job& job, Products products, void* workspace, cudaStream_t stream) const;

  /// contents_i = softmax(βA·state_i)ᵀC for every row; for memories that have contents.
  void recall(MatrixView<const float> states, MatrixView<float> contents, void* workspace, cudaStream_t stream) const;

 private:
  using Form = std::variant<ResidentMemory, StreamedFactored, StreamedDense, StreamedSoftmax>;
  DeviceMemory(int device, Form form);

  int device_;
  Form form_;
  std::unique_ptr<ToolboxPool> tools_;
};

}  // namespace attractor::cuda
