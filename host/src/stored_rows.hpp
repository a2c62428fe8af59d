#pragma once

/// Patterns and contents of a memory as given.

#include <algorithm>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include <attractor/matrix.hpp>

#include "kernels/cpu/engine/packed_matrix.hpp"

namespace attractor::detail {

/// Rows as given. Where an engine keeps them, in the layout of its kernels or on its device, that is the only copy,
/// until somebody asks for the rows.
class StoredRows {
 public:
  explicit StoredRows(Matrix<float> rows) : own_(std::move(rows)), count_(own_.rows()), columns_(own_.columns()) {}
  /// `packed` outlives this.
  explicit StoredRows(const cpu::PackedMatrix& packed) : packed_(&packed) {}
  /// On a device: `fetch` writes the rows wherever it is told, for any number of threads.
  StoredRows(Index count, Index columns, std::function<void(MatrixView<float>)> fetch)
      : fetch_(std::move(fetch)), count_(count), columns_(columns) {}

  /// Whether an engine keeps them on the host.
  [[nodiscard]] bool is_packed() const { return packed_ != nullptr; }
  [[nodiscard]] Index count() const { return packed_ != nullptr ? packed_->rows() : count_; }
  [[nodiscard]] Index columns() const { return packed_ != nullptr ? packed_->columns() : columns_; }
  [[nodiscard]] float at(Index i, Index k) const { return packed_ != nullptr ? packed_->at(i, k) : own_(i, k); }

  /// Any number of threads may ask; the first one lays out what an engine keeps. @throws std::bad_alloc, DeviceError
  [[nodiscard]] MatrixView<const float> view() const;

  /// The rows, without keeping more of them here. @throws std::bad_alloc, DeviceError
  [[nodiscard]] Matrix<float> copy() const;

  // For a memory that nobody else uses. Views end.

  /// After an engine has taken rows in or out.
  void change() noexcept { laid_out_.reset(); }

  /// Adds rows, which may be some of these, in time for these alone, amortised; none where an engine does.
  ///
  /// @throws std::bad_alloc, with nothing changed
  void append(MatrixView<const float> rows);

  /// Takes rows out, which ascend; later ones move up. None where an engine does.
  void remove(std::span<const Index> rows) noexcept;

  /// Leaves the first rows; all where an engine keeps them.
  void truncate(Index count) noexcept { count_ = std::min(count_, count); }

 private:
  const cpu::PackedMatrix* packed_ = nullptr;
  std::function<void(MatrixView<float>)> fetch_;
  Matrix<float> own_;  ///< with room for more than `count_` rows
  Index count_ = 0;
  Index columns_ = 0;
  mutable std::mutex mutex_;
  mutable std::optional<Matrix<float>> laid_out_;
};

}  // namespace attractor::detail
