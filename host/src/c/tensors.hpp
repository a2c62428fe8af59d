#pragma once

/// Tensors of C's as the views that the library takes.

#include <attractor/attractor.h>
#include <attractor/query_view.hpp>

#include <cstdint>
#include <span>

namespace attractor::c {

/// Which elements a tensor has.
enum class Elements : unsigned char { float32, float16, bfloat16, int8, uint8, int32, int64, boolean };

/// @throws InvalidArgument, as all of these, with the name of the argument: it isn't what is asked for.
MatrixView<float> float_matrix(const attractor_tensor& tensor, const char* name);
std::span<float> float_vector(const attractor_tensor& tensor, const char* name);
std::span<std::int32_t> int32_vector(const attractor_tensor& tensor, const char* name);
std::span<std::uint8_t> byte_vector(const attractor_tensor& tensor, const char* name);
MatrixView<std::uint8_t> byte_matrix(const attractor_tensor& tensor, const char* name);
MatrixView<std::int64_t> index_matrix(const attractor_tensor& tensor, const char* name);

/// The same, or nothing where there is no tensor.
MatrixView<float> optional_float_matrix(const attractor_tensor* tensor, const char* name);
MatrixView<std::uint8_t> optional_byte_matrix(const attractor_tensor* tensor, const char* name);

/// Rows of any format; bytes are packed bits of so many columns.
QueryView queries(const attractor_tensor& tensor, Index columns, const char* name);
ResultView results(const attractor_tensor& tensor, Index columns, const char* name);

}  // namespace attractor::c
