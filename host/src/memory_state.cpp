#include "host/src/memory_state.hpp"

#include "host/src/rows.hpp"

namespace attractor::detail {

MatrixView<const float> StoredRows::view() const {
  if (packed_ == nullptr) return *rows_;
  const std::scoped_lock lock(mutex_);
  if (!rows_) rows_ = copy();
  return *rows_;
}

Matrix<float> StoredRows::copy() const {
  if (packed_ == nullptr) return duplicate(*rows_);
  Matrix<float> result(packed_->rows(), packed_->columns());
  packed_->copy_to(result);
  return result;
}

}  // namespace attractor::detail
