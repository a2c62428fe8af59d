#pragma once

/// What a Memory holds: the rule it was made by, the patterns as given, and the engine that relaxes queries on them.

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "host/src/engine.hpp"
#include "host/src/pattern_statistics.hpp"
#include "host/src/rule.hpp"

namespace attractor::detail {

/// Rows as given. Where an engine keeps them in the layout of its kernels that is the only copy, until somebody asks
/// for the rows.
class StoredRows {
 public:
  explicit StoredRows(Matrix<float> rows) : rows_(std::move(rows)) {}
  /// `packed` outlives this.
  explicit StoredRows(const cpu::PackedMatrix& packed) : packed_(&packed) {}

  /// Where an engine keeps them; else null.
  [[nodiscard]] const cpu::PackedMatrix* packed() const { return packed_; }
  [[nodiscard]] Index count() const { return packed_ != nullptr ? packed_->rows() : rows_->rows(); }
  [[nodiscard]] Index columns() const { return packed_ != nullptr ? packed_->columns() : rows_->columns(); }

  /// Any number of threads may ask; the first one lays out what an engine keeps. @throws std::bad_alloc
  [[nodiscard]] MatrixView<const float> view() const;

  /// The rows, without keeping more of them here. @throws std::bad_alloc
  [[nodiscard]] Matrix<float> copy() const;

  /// After the engine has taken some in or out; views end. Nobody else uses this.
  void change() noexcept { rows_.reset(); }

 private:
  const cpu::PackedMatrix* packed_ = nullptr;
  mutable std::mutex mutex_;
  mutable std::optional<Matrix<float>> rows_;
};

struct MemoryState {
  Device device;
  Rule rule;
  PatternStatistics statistics;
  Evaluation evaluation;
  std::unique_ptr<Engine> engine;
  StoredRows patterns;
  StoredRows contents;
};

}  // namespace attractor::detail
