#include "host/src/c/tensors.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include <attractor/error.hpp>
#include <attractor/narrow_floats.hpp>

namespace attractor::c {
namespace {

/// Codes of DLPack's.
struct ElementCode {
  Elements elements;
  std::uint8_t code;
  std::uint8_t bits;
  std::string_view name;
};
constexpr std::array<ElementCode, 8> codes = {{{Elements::float32, 2, 32, "float32"},
                                               {Elements::float16, 2, 16, "float16"},
                                               {Elements::bfloat16, 4, 16, "bfloat16"},
                                               {Elements::int8, 0, 8, "int8"},
                                               {Elements::uint8, 1, 8, "uint8"},
                                               {Elements::int32, 0, 32, "int32"},
                                               {Elements::int64, 0, 64, "int64"},
                                               {Elements::boolean, 6, 8, "bool"}}};

const ElementCode* code_of(const attractor_tensor& tensor) {
  for (const ElementCode& code : codes)
    if (code.code == tensor.type_code && code.bits == tensor.type_bits && tensor.type_lanes == 1) return &code;
  return nullptr;
}

std::string words_of(const attractor_tensor& tensor) {
  if (const ElementCode* const code = code_of(tensor)) return std::string(code->name);
  return "type " + std::to_string(tensor.type_code) + " of " + std::to_string(tensor.type_bits) + " bits";
}

[[noreturn]] void fail(const char* name, const std::string& what) { throw InvalidArgument(name + (" " + what)); }

void expect(const attractor_tensor& tensor, Elements elements, const char* name) {
  const ElementCode* const code = code_of(tensor);
  if (code != nullptr && code->elements == elements) return;
  for (const ElementCode& wanted : codes)
    if (wanted.elements == elements)
      fail(name, "has elements of " + words_of(tensor) + "; they must be " + std::string(wanted.name));
}

void expect_dimensions(const attractor_tensor& tensor, int count, const char* name) {
  if (tensor.ndim != count)
    fail(name, "has " + std::to_string(tensor.ndim) + " dimensions; it must have " + std::to_string(count));
  if (tensor.shape == nullptr) fail(name, "has no shape");
  constexpr std::array<std::int32_t, 4> known = {1, 2, 3, 13};  // The host, CUDA, page-locked, managed.
  if (std::find(known.begin(), known.end(), tensor.device_type) == known.end())
    fail(name,
         "is on a device of type " + std::to_string(tensor.device_type) + "; it must be on the host or on CUDA's");
}

template <class T>
T* data_of(const attractor_tensor& tensor) {
  if (tensor.data == nullptr) return nullptr;
  return static_cast<T*>(static_cast<void*>(static_cast<std::byte*>(tensor.data) + tensor.byte_offset));
}

template <class T>
MatrixView<T> matrix(const attractor_tensor& tensor, const char* name) {
  expect_dimensions(tensor, 2, name);
  const Index rows = tensor.shape[0];
  const Index columns = tensor.shape[1];
  if (tensor.strides == nullptr) return {data_of<T>(tensor), rows, columns};
  if (columns > 1 && tensor.strides[1] != 1)
    fail(name,
         "has elements of a row that lie " + std::to_string(tensor.strides[1]) + " apart; they must lie side by side");
  // Of one row any stride is as good.
  return {data_of<T>(tensor), rows, columns, rows > 1 ? tensor.strides[0] : columns};
}

template <class T>
std::span<T> vector(const attractor_tensor& tensor, const char* name) {
  expect_dimensions(tensor, 1, name);
  if (tensor.shape[0] < 0) fail(name, "has " + std::to_string(tensor.shape[0]) + " elements");
  if (tensor.shape[0] > 0 && tensor.data == nullptr) fail(name, "has no data");
  if (tensor.strides != nullptr && tensor.shape[0] > 1 && tensor.strides[0] != 1)
    fail(name, "has elements that lie " + std::to_string(tensor.strides[0]) + " apart; they must lie side by side");
  return {data_of<T>(tensor), static_cast<std::size_t>(tensor.shape[0])};
}

/// Bytes of rows as bits.
template <class View>
View packed(const attractor_tensor& tensor, Index columns, const char* name) {
  const MatrixView<std::uint8_t> bytes = matrix<std::uint8_t>(tensor, name);
  if (bytes.columns != bytes_of_bits(columns))
    fail(name, "has rows of " + std::to_string(bytes.columns) + " bytes; " + std::to_string(columns) +
                   " packed bits take " + std::to_string(bytes_of_bits(columns)));
  return BitView<std::uint8_t>(bytes.data, bytes.rows, columns, bytes.row_stride);
}

template <class View>
View rows(const attractor_tensor& tensor, Index columns, const char* name) {
  const ElementCode* const code = code_of(tensor);
  if (code != nullptr) switch (code->elements) {
      case Elements::float32: return matrix<float>(tensor, name);
      case Elements::float16: return matrix<Float16>(tensor, name);
      case Elements::bfloat16: return matrix<BFloat16>(tensor, name);
      case Elements::int8: return matrix<std::int8_t>(tensor, name);
      case Elements::uint8: return packed<View>(tensor, columns, name);
      default: break;
    }
  fail(name, "has elements of " + words_of(tensor) + "; they must be float32, float16, bfloat16, int8, or packed bits");
}

}  // namespace

MatrixView<float> float_matrix(const attractor_tensor& tensor, const char* name) {
  expect(tensor, Elements::float32, name);
  return matrix<float>(tensor, name);
}
std::span<float> float_vector(const attractor_tensor& tensor, const char* name) {
  expect(tensor, Elements::float32, name);
  return vector<float>(tensor, name);
}
std::span<std::int32_t> int32_vector(const attractor_tensor& tensor, const char* name) {
  expect(tensor, Elements::int32, name);
  return vector<std::int32_t>(tensor, name);
}
std::span<std::uint8_t> byte_vector(const attractor_tensor& tensor, const char* name) {
  expect(tensor, Elements::uint8, name);
  return vector<std::uint8_t>(tensor, name);
}
MatrixView<std::uint8_t> byte_matrix(const attractor_tensor& tensor, const char* name) {
  const ElementCode* const code = code_of(tensor);
  if (code == nullptr || code->elements != Elements::boolean) expect(tensor, Elements::uint8, name);
  return matrix<std::uint8_t>(tensor, name);
}
MatrixView<std::int64_t> index_matrix(const attractor_tensor& tensor, const char* name) {
  expect(tensor, Elements::int64, name);
  return matrix<std::int64_t>(tensor, name);
}

MatrixView<float> optional_float_matrix(const attractor_tensor* tensor, const char* name) {
  return tensor == nullptr ? MatrixView<float>() : float_matrix(*tensor, name);
}
MatrixView<std::uint8_t> optional_byte_matrix(const attractor_tensor* tensor, const char* name) {
  return tensor == nullptr ? MatrixView<std::uint8_t>() : byte_matrix(*tensor, name);
}

QueryView queries(const attractor_tensor& tensor, Index columns, const char* name) {
  return rows<QueryView>(tensor, columns, name);
}
ResultView results(const attractor_tensor& tensor, Index columns, const char* name) {
  return rows<ResultView>(tensor, columns, name);
}

}  // namespace attractor::c
