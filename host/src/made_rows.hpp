#pragma once

/// What rules make of patterns or contents where these are, on the host or on a CUDA device: of the same bits.

#include <memory>
#include <optional>
#include <vector>

#include <attractor/matrix.hpp>

#include "host/src/cuda_backend.hpp"

namespace attractor::detail {

/// Keeps what was made last.
class MadeRows {
 public:
  /// Of what lies on this device; none: on the host.
  explicit MadeRows(std::optional<int> cuda_device = std::nullopt) : cuda_device_(cuda_device) {}

  [[nodiscard]] std::optional<int> cuda_device() const { return cuda_device_; }
  /// Whether what it is made of is what a form views.
  [[nodiscard]] bool is_empty() const { return on_host_.empty() && placed_ == nullptr; }

  // Each returns a view of what it made, which may be of what was made before.

  /// Of rows on the host, something else.
  MatrixView<const float> keep(Matrix<float> rows);

  /// Rows less the mean of all their entries.
  MatrixView<const float> centred(MatrixView<const float> rows);

  /// Row μ times √(decay^(P − 1 − μ)), so that FᵀF fades with each pattern that follows.
  MatrixView<const float> faded(MatrixView<const float> rows, float decay);

  /// Rows less one.
  MatrixView<const float> less(MatrixView<const float> rows, const std::vector<float>& row);

 private:
  MatrixView<const float> keep(std::unique_ptr<PlacedMatrix> rows);

  std::optional<int> cuda_device_;
  Matrix<float> on_host_;
  std::unique_ptr<PlacedMatrix> placed_;
};

}  // namespace attractor::detail
