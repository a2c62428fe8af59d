#pragma once

/// Rows that a caller gives, and what is made of them on the host.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <attractor/device.hpp>
#include <attractor/matrix.hpp>
#include <attractor/pattern_storage.hpp>

namespace attractor::detail {

Matrix<float> duplicate(MatrixView<const float> matrix);

/// The rows of `first`, then those of `second`.
Matrix<float> stack(MatrixView<const float> first, MatrixView<const float> second);

Matrix<float> select_rows(MatrixView<const float> matrix, const std::vector<Index>& rows);

/// Whether these are contents, be it of no patterns: those of a memory without any have no shape.
bool are_given(MatrixView<const float> contents);

/// The smallest and the largest entry of each column.
struct ColumnExtremes {
  std::vector<float> smallest;
  std::vector<float> largest;
};

/// Rows where they are: on the host but for what a caller gives.
class Rows {
 public:
  Rows() = default;
  Rows(Matrix<float> own) : own_(std::move(own)), view_(*own_) {}  // NOLINT(google-explicit-constructor): the same
  /// What the caller gives, on the host or on the device, checked: it must be finite and outlive this. `what` is the
  /// plural: "patterns".
  Rows(const Device& device, MatrixView<const float> given, const std::string& what);

  [[nodiscard]] MatrixView<const float> view() const { return view_; }

  /// The CUDA device that they are on; none: they are on the host.
  [[nodiscard]] std::optional<int> cuda_device() const { return cuda_device_; }

  /// Of rows on a device, of which there are some: found as they were checked.
  [[nodiscard]] const ColumnExtremes& extremes() const { return extremes_; }

  /// A matrix of one's own, of rows on the host.
  [[nodiscard]] Matrix<float> take() && { return own_ ? std::move(*own_) : duplicate(view_); }

 private:
  std::optional<Matrix<float>> own_;
  MatrixView<const float> view_ = {};
  std::optional<int> cuda_device_ = {};
  ColumnExtremes extremes_ = {};
};

/// The same on the host.
Rows on_host(Rows rows, const std::string& what);

/// The rows with these numbers, on the host. `what` is the plural: "patterns".
Matrix<float> fetch_rows(const Rows& rows, const std::vector<Index>& numbers, const std::string& what);

/// Of finite entries; 0 where there are none.
double largest_magnitude(const Rows& rows);

/// Rows, which are finite and, but for float32, on the host, as they are stored; `what` is the plural: "patterns".
///
/// @throws InvalidArgument a value is beyond the range.
Rows rounded(Rows rows, PatternStorage storage, const std::string& what);

}  // namespace attractor::detail
