#pragma once

/// Elements of arrays, of whatever type, as floats, marks and indices.

#include <cstdint>
#include <string>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <attractor/matrix.hpp>

namespace attractor::python {

/// An array of at most two dimensions, as rows and columns.
struct Elements {
  const void* data = nullptr;
  nanobind::dlpack::dtype type;
  Index rows = 1;
  Index columns = 1;
  Index row_stride = 0;  ///< of elements
  Index column_stride = 0;
};

/// "float32", "complex64", …
std::string name_of(nanobind::dlpack::dtype type);

/// Each rounded to the nearest float; bool becomes 0 and 1.
///
/// @throws nanobind::type_error elements that aren't real numbers.
void convert(const Elements& from, float* to, const std::string& what);

/// 1 where an element isn't 0.
///
/// @throws nanobind::type_error elements that are neither bool nor integers.
void convert(const Elements& from, std::uint8_t* to, const std::string& what);

/// @throws nanobind::type_error elements that aren't integers.
void convert(const Elements& from, Index* to, const std::string& what);

}  // namespace attractor::python
