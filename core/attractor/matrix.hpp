#pragma once

/// Row-major matrices: non-owning views for arguments, an owning type for results. One pattern or query per row.

#include <cstddef>
#include <limits>
#include <memory>
#include <new>

#include <attractor/matrix_view.hpp>

namespace attractor {

/// An owning, contiguous, row-major matrix. Elements start uninitialised: results are written exactly once.
template <class T>
class Matrix {
 public:
  Matrix() = default;

  /// @throws std::bad_alloc, also for sizes below 0 and for those whose product no memory holds
  Matrix(Index rows, Index columns)
      : rows_(rows), columns_(columns), data_(std::make_unique_for_overwrite<T[]>(element_count(rows, columns))) {}

  [[nodiscard]] Index rows() const { return rows_; }
  [[nodiscard]] Index columns() const { return columns_; }
  [[nodiscard]] Index size() const { return rows_ * columns_; }
  [[nodiscard]] bool empty() const { return size() == 0; }

  [[nodiscard]] T* data() { return data_.get(); }
  [[nodiscard]] const T* data() const { return data_.get(); }
  [[nodiscard]] T* row(Index i) { return data() + i * columns_; }
  [[nodiscard]] const T* row(Index i) const { return data() + i * columns_; }
  [[nodiscard]] T& operator()(Index i, Index j) { return row(i)[j]; }
  [[nodiscard]] const T& operator()(Index i, Index j) const { return row(i)[j]; }

  [[nodiscard]] MatrixView<T> view() { return {data(), rows_, columns_}; }
  [[nodiscard]] MatrixView<const T> view() const { return {data(), rows_, columns_}; }
  operator MatrixView<T>() { return view(); }              // NOLINT(google-explicit-constructor): views are free
  operator MatrixView<const T>() const { return view(); }  // NOLINT(google-explicit-constructor): views are free

 private:
  static std::size_t element_count(Index rows, Index columns) {
    if (rows < 0 || columns < 0 || (columns > 0 && rows > std::numeric_limits<Index>::max() / columns))
      throw std::bad_array_new_length();
    return static_cast<std::size_t>(rows * columns);
  }

  Index rows_ = 0;
  Index columns_ = 0;
  std::unique_ptr<T[]> data_;
};

}  // namespace attractor
