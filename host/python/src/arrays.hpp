#pragma once

/// Arrays of any library, in and out.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <attractor/device.hpp>
#include <attractor/matrix.hpp>
#include <attractor/query_view.hpp>

namespace attractor::python {

namespace nb = nanobind;

/// What stubs and messages call an array of any library; that it is one shows when it is read.
class Array : public nb::object {
  static bool is_any(PyObject* /*object*/) { return true; }

 public:
  NB_OBJECT_DEFAULT(Array, nb::object, "attractor.Array", is_any)
};

/// An array of a library that only the caller knows, so that stubs leave it open.
class Result : public nb::object {
  static bool is_any(PyObject* /*object*/) { return true; }

 public:
  NB_OBJECT_DEFAULT(Result, nb::object, "typing.Any", is_any)
};

/// A library whose arrays results can be.
enum class Library : unsigned char { numpy, torch, jax, tensorflow };

/// That of an argument, or of what bits are in; NumPy where it is another exporter of buffers.
Library library_of(nb::handle array);

/// Where an array may lie.
enum class Place : unsigned char {
  host,
  device,  ///< or on a CUDA device; which one it must be the library finds out
};

/// What a call takes that works on that device, in the place of the host's memory or in its own.
inline Place place_of(const Device& device) {
  return device.kind() == Device::Kind::cuda ? Place::device : Place::host;
}

/// A matrix of floats: a view of float32 rows that are contiguous in themselves, else a converted copy. Made and
/// destroyed with the interpreter's lock.
class FloatMatrix {
 public:
  /// @throws nb::type_error no array, or of elements that aren't real numbers. @throws InvalidArgument not of two
  /// dimensions. @throws NotSupported somewhere else, or on a device and not to be taken as it is.
  FloatMatrix(const Array& array, const std::string& what, Place place = Place::host);
  /// An empty view where there is no array.
  FloatMatrix(const std::optional<Array>& array, const std::string& what, Place place = Place::host);

  [[nodiscard]] MatrixView<const float> view() const { return view_; }
  [[nodiscard]] bool is_on_device() const;

 private:
  void read(const Array& array, const std::string& what, Place place);

  nb::ndarray<nb::ro> source_;
  Matrix<float> copy_;
  MatrixView<const float> view_;
};

/// Rows of ±1 as packed bits, which their bytes don't say of themselves.
struct Bits {
  Array array;    ///< of bytes
  Index columns;  ///< bits of a row
};

/// A matrix of queries: a view of rows that the library takes as they are on a device, else a copy as floats.
class QueryMatrix {
 public:
  /// @throws as FloatMatrix; InvalidArgument also for bits whose bytes are of another number or not contiguous,
  /// nb::type_error for bits in other elements than uint8.
  QueryMatrix(const Array& array, const std::string& what, const Device& device, Place place = Place::host);

  [[nodiscard]] const QueryView& view() const { return view_; }
  [[nodiscard]] bool is_on_device() const;

 private:
  nb::ndarray<nb::ro> source_;
  Matrix<float> copy_;
  QueryView view_;
};

/// A matrix of marks: a view of elements of one byte, else a copy of 0 and 1. No array is an empty view.
class MarkMatrix {
 public:
  /// @throws as FloatMatrix; nb::type_error also for elements that are neither bool nor integers.
  MarkMatrix(const std::optional<Array>& array, const std::string& what, Place place = Place::host);

  [[nodiscard]] MatrixView<const std::uint8_t> view() const { return view_; }

 private:
  nb::ndarray<nb::ro> source_;
  Matrix<std::uint8_t> copy_;
  MatrixView<const std::uint8_t> view_;
};

/// Where results go: a caller's array of just these elements, written where it is. No array is empty views.
template <class T>
class Buffer {
 public:
  /// @throws nb::type_error no array, of other elements, or one that can't be written. @throws InvalidArgument of
  /// another number of dimensions, or rows that aren't contiguous. @throws NotSupported somewhere else.
  Buffer(const std::optional<Array>& array, const std::string& what, std::size_t dimensions, Place place);

  [[nodiscard]] MatrixView<T> rows() const { return view_; }
  [[nodiscard]] std::span<T> values() const { return {view_.data, static_cast<std::size_t>(view_.columns)}; }

 private:
  nb::ndarray<> target_;
  MatrixView<T> view_;
};

/// Where states or contents go, in any format. No array is an empty view.
class ResultRows {
 public:
  /// @throws as Buffer and QueryMatrix.
  ResultRows(const std::optional<Array>& array, const std::string& what, Place place);

  [[nodiscard]] const ResultView& view() const { return view_; }

 private:
  nb::ndarray<> target_;
  ResultView view_;
};

/// A vector of numbers, from an array of one dimension or a sequence.
///
/// @throws as FloatMatrix.
std::vector<float> read_floats(nb::handle values, const std::string& what);
std::vector<Index> read_indices(nb::handle values, const std::string& what);

/// Whole numbers as `read_indices` reads them, or a view of int64 that lie on a device. Made and destroyed with the
/// interpreter's lock.
class Indices {
 public:
  /// @throws as FloatMatrix.
  Indices(nb::handle values, const std::string& what, Place place);

  [[nodiscard]] std::span<const Index> view() const { return view_; }

 private:
  nb::ndarray<nb::ro> source_;
  std::vector<Index> copy_;
  std::span<const Index> view_;
};

/// Empty where there are none.
inline std::vector<float> read_floats(const std::optional<nb::object>& values, const std::string& what) {
  return values ? read_floats(*values, what) : std::vector<float>();
}

/// Hands results over, without a copy, as an array of that library.
template <class T>
Result give(Library library, Matrix<T>&& values);
/// [rows × columns]; with `columns` 0 [rows].
template <class T>
Result give(Library library, std::vector<T>&& values, Index columns = 0);

/// The rows that a view shows, as a NumPy array that can't be written; `owner` keeps them.
Result show(MatrixView<const float> rows, nb::handle owner);

}  // namespace attractor::python
