#pragma once

/// Arrays where CUDA calls may find them, and a memory of each kind that a CUDA device relaxes in a way of its own.

#include <cuda_runtime_api.h>

#include <algorithm>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include <attractor/attractor.hpp>

#include "kernels/cuda/device/error.hpp"
#include "kernels/sizes.hpp"
#include "tests/support/data.hpp"

namespace attractor::test {

enum class Place : unsigned char { pageable, pinned, device, managed };

inline constexpr Place all_places[] = {Place::pageable, Place::pinned, Place::device, Place::managed};

std::string to_string(Place place);

/// Bytes at a place, on the current device where it is one.
std::shared_ptr<void> allocate(Place place, std::size_t bytes);

/// How many elements lie between two rows, and before the first one.
struct Spread {
  Index gap = 0;
  Index offset = 0;
};

/// A matrix somewhere. What lies between its rows is known, so that a stray write is seen.
template <class T>
class PlacedRows {
 public:
  PlacedRows() = default;

  PlacedRows(Place place, MatrixView<const T> values, Spread spread = {})
      : rows_(values.rows), columns_(values.columns), spread_(spread), data_(allocate(place, bytes())) {
    write(values);
  }

  /// Room for results.
  PlacedRows(Place place, Index rows, Index columns, Spread spread = {})
      : PlacedRows(place, Matrix<T>(rows, columns), spread) {}

  [[nodiscard]] MatrixView<T> view() const {
    if (data_ == nullptr) return {};
    return {static_cast<T*>(data_.get()) + spread_.offset, rows_, columns_, stride()};
  }

  /// The first column of every row, of rows without gaps.
  [[nodiscard]] std::span<T> column() const {
    return {view().data, static_cast<std::size_t>(data_ == nullptr ? 0 : rows_)};
  }

  void write(MatrixView<const T> values) const {
    std::vector<T> elements(count(), margin);
    for (Index i = 0; i < rows_; ++i)
      std::copy_n(values.row(i), columns_, elements.data() + spread_.offset + i * stride());
    cuda::check(cudaMemcpy(data_.get(), elements.data(), bytes(), cudaMemcpyDefault), "cudaMemcpy");
  }

  [[nodiscard]] Matrix<T> read() const {
    const std::vector<T> elements = download();
    return copy_of({elements.data() + spread_.offset, rows_, columns_, stride()});
  }

  [[nodiscard]] bool margins_are_untouched() const {
    if (data_ == nullptr) return true;
    const std::vector<T> elements = download();
    const auto is_margin = [](T element) { return element == margin; };
    bool untouched = std::all_of(elements.begin(), elements.begin() + spread_.offset, is_margin);
    for (Index i = 0; i < rows_; ++i) {
      const T* const end = elements.data() + spread_.offset + i * stride() + columns_;
      untouched = untouched && std::all_of(end, end + spread_.gap, is_margin);
    }
    return untouched;
  }

 private:
  static constexpr T margin = static_cast<T>(77);

  static Matrix<T> copy_of(MatrixView<const T> values) {
    Matrix<T> result(values.rows, values.columns);
    for (Index i = 0; i < values.rows; ++i) std::copy_n(values.row(i), values.columns, result.row(i));
    return result;
  }

  [[nodiscard]] std::vector<T> download() const {
    std::vector<T> elements(count());
    cuda::check(cudaMemcpy(elements.data(), data_.get(), bytes(), cudaMemcpyDefault), "cudaMemcpy");
    return elements;
  }

  [[nodiscard]] Index stride() const { return columns_ + spread_.gap; }
  [[nodiscard]] std::size_t count() const { return static_cast<std::size_t>(spread_.offset + rows_ * stride()); }
  [[nodiscard]] std::size_t bytes() const { return count() * sizeof(T); }

  Index rows_ = 0;
  Index columns_ = 0;
  Spread spread_;
  std::shared_ptr<void> data_;
};

/// Room for results like those of another call, each part at the next of these places.
class PlacedResults {
 public:
  PlacedResults(const std::vector<Place>& places, const Relaxation& like, Spread spread = {});

  [[nodiscard]] RelaxationView view() const;
  [[nodiscard]] Relaxation read() const;
  [[nodiscard]] bool margins_are_untouched() const;

 private:
  PlacedRows<float> states_;
  PlacedRows<std::int32_t> steps_;
  PlacedRows<float> energies_;
  PlacedRows<Status> status_;
  PlacedRows<float> energy_trace_;
  PlacedRows<float> contents_;
};

/// A way of relaxing on a CUDA device. With sign updates of bipolar states every sum of the linear memories is of
/// integers, so exact in any order: results of all kinds are the same in every bit, whatever the batch.
struct CudaKind {
  std::string name;
  bool normalised = false;
  std::function<Memory(const Device& device)> memory;
};

inline constexpr Index kind_dimension = 16;

const std::vector<CudaKind>& cuda_kinds();
std::ostream& operator<<(std::ostream& out, const CudaKind& kind);

/// With which linear memories are as where floats don't fit shared memory: resident under tanh updates alone.
detail::Sizes no_resident_floats();
/// Such a memory; copies of it are as others.
CudaKind partly_resident_kind();

/// Bipolar queries of the dimension of those memories: some near a pattern, some far from all.
Matrix<float> kind_queries(Index count);

}  // namespace attractor::test
