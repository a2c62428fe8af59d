#include "host/src/stored_rows.hpp"

#include <algorithm>

#include "host/src/rows.hpp"

namespace attractor::detail {

MatrixView<const float> StoredRows::view() const {
  if (packed_ == nullptr && !fetch_) return {own_.data(), count_, columns_};
  const std::scoped_lock lock(mutex_);
  if (!laid_out_) laid_out_ = copy();
  return *laid_out_;
}

Matrix<float> StoredRows::copy() const {
  if (packed_ == nullptr && !fetch_) return duplicate(view());
  Matrix<float> result(count(), columns());
  if (fetch_)
    fetch_(result);
  else
    packed_->copy_to(result);
  return result;
}

void StoredRows::append(MatrixView<const float> rows) {
  if (packed_ != nullptr) return;
  const Index count = count_ + rows.rows;
  const bool fits = count <= own_.rows();
  Matrix<float> grown = fits ? Matrix<float>() : Matrix<float>(std::max(count, own_.rows() * 3 / 2), columns());
  Matrix<float>& target = fits ? own_ : grown;
  if (!fits) std::copy_n(own_.data(), count_ * columns(), grown.data());
  for (Index i = 0; i < rows.rows; ++i) std::copy_n(rows.row(i), columns(), target.row(count_ + i));
  if (!fits) own_ = std::move(grown);
  count_ = count;
}

void StoredRows::remove(std::span<const Index> rows) noexcept {
  if (packed_ != nullptr) return;
  cpu::for_moves(rows, count_, [&](Index from, Index to) { std::copy_n(own_.row(from), columns(), own_.row(to)); });
  count_ -= static_cast<Index>(rows.size());
}

}  // namespace attractor::detail
