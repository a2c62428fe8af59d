#pragma once

/// What a call says of patterns, wherever it is, brought to scratch on the device for one batch of queries after
/// another.

#include <algorithm>
#include <cstdint>
#include <string>

#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/device/workspace.hpp"
#include "kernels/pattern_terms.hpp"

namespace attractor::cuda {

/// Bytes that a query's own terms take.
inline Index term_row_bytes(const detail::PatternTerms& terms, Index pattern_count) {
  const auto own = [](const auto& matrix) { return matrix.data != nullptr && matrix.row_stride > 0 ? 1 : 0; };
  return pattern_count * (own(terms.log_prior) * static_cast<Index>(sizeof(float)) + own(terms.valid));
}

class DeviceTerms {
 public:
  /// For batches of `most` queries at most.
  DeviceTerms(const detail::PatternTerms& terms, Index most, Workspace& space)
      : valid_(space.take<std::uint8_t>(elements(term_rows(terms.valid, most), terms.valid.columns))),
        log_prior_(space.take<float>(elements(term_rows(terms.log_prior, most), terms.log_prior.columns))) {}

  /// Those of a batch, where they lie now.
  [[nodiscard]] detail::PatternTerms upload(const detail::PatternTerms& terms, cudaStream_t stream) const {
    return {.valid = upload(terms.valid, valid_, stream, "valid patterns"),
            .log_prior = upload(terms.log_prior, log_prior_, stream, "log-priors")};
  }

 private:
  /// How many rows of a matrix of terms a batch needs: all may be one.
  template <class T>
  static Index term_rows(MatrixView<const T> terms, Index rows) {
    return terms.data == nullptr ? 0 : terms.row_stride == 0 ? 1 : rows;
  }

  template <class T>
  static MatrixView<const T> upload(MatrixView<const T> terms, T* to, cudaStream_t stream, const std::string& what) {
    if (terms.data == nullptr) return {};
    const Index rows = term_rows(terms, terms.rows);
    copy_rows(MatrixView<T>(to, rows, terms.columns),
              MatrixView<const T>(terms.data, rows, terms.columns, std::max(terms.row_stride, terms.columns)),
              cudaMemcpyDefault, stream, what);
    return {to, terms.rows, terms.columns, terms.row_stride == 0 ? 0 : terms.columns};
  }

  std::uint8_t* valid_;
  float* log_prior_;
};

}  // namespace attractor::cuda
