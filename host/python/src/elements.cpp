#include "host/python/src/elements.hpp"

#include <attractor/narrow_floats.hpp>

namespace attractor::python {
namespace {

namespace nb = nanobind;
using Code = nb::dlpack::dtype_code;

/// Calls visit(T{}) with the C++ type of the elements; false if there is none, of a number.
template <class Visit>
bool visit_type(nb::dlpack::dtype type, const Visit& visit) {
  if (type.lanes != 1) return false;
  switch (static_cast<Code>(type.code) == Code::Bool ? -1 : int{type.code} << 8 | type.bits) {
    case -1: return type.bits == 8 && (visit(bool{}), true);
    case static_cast<int>(Code::Float) << 8 | 16: return visit(Float16{}), true;
    case static_cast<int>(Code::Float) << 8 | 32: return visit(float{}), true;
    case static_cast<int>(Code::Float) << 8 | 64: return visit(double{}), true;
    case static_cast<int>(Code::Bfloat) << 8 | 16: return visit(BFloat16{}), true;
    case static_cast<int>(Code::Int) << 8 | 8: return visit(std::int8_t{}), true;
    case static_cast<int>(Code::Int) << 8 | 16: return visit(std::int16_t{}), true;
    case static_cast<int>(Code::Int) << 8 | 32: return visit(std::int32_t{}), true;
    case static_cast<int>(Code::Int) << 8 | 64: return visit(std::int64_t{}), true;
    case static_cast<int>(Code::UInt) << 8 | 8: return visit(std::uint8_t{}), true;
    case static_cast<int>(Code::UInt) << 8 | 16: return visit(std::uint16_t{}), true;
    case static_cast<int>(Code::UInt) << 8 | 32: return visit(std::uint32_t{}), true;
    case static_cast<int>(Code::UInt) << 8 | 64: return visit(std::uint64_t{}), true;
    default: return false;
  }
}

template <class T, class To, class Take>
void copy(const Elements& from, To* to, const Take& take) {
  const T* const first = static_cast<const T*>(from.data);
  for (Index i = 0; i < from.rows; ++i) {
    const T* const row = first + i * from.row_stride;
    for (Index j = 0; j < from.columns; ++j) *to++ = take(row[j * from.column_stride]);
  }
}

[[noreturn]] void refuse(const Elements& from, const std::string& what, const std::string& wanted) {
  throw nb::type_error((what + " have elements of " + name_of(from.type) + "; they must be " + wanted).c_str());
}

}  // namespace

std::string name_of(nb::dlpack::dtype type) {
  const auto kind = [&]() -> std::string {
    switch (static_cast<Code>(type.code)) {
      case Code::Int: return "int";
      case Code::UInt: return "uint";
      case Code::Float: return "float";
      case Code::Bfloat: return "bfloat";
      case Code::Complex: return "complex";
      case Code::Bool: return "bool";
      default: return "type " + std::to_string(type.code) + " of bits ";
    }
  };
  return kind() + std::to_string(type.bits);
}

void convert(const Elements& from, float* to, const std::string& what) {
  const bool known =
      visit_type(from.type, [&]<class T>(T) { copy<T>(from, to, [](T value) { return static_cast<float>(value); }); });
  if (!known) refuse(from, what, "real numbers or bool");
}

void convert(const Elements& from, std::uint8_t* to, const std::string& what) {
  bool marks = false;
  visit_type(from.type, [&]<class T>(T) {
    if constexpr (std::is_integral_v<T>) {
      copy<T>(from, to, [](T value) { return static_cast<std::uint8_t>(value != T{} ? 1 : 0); });
      marks = true;
    }
  });
  if (!marks) refuse(from, what, "bool or integers");
}

void convert(const Elements& from, Index* to, const std::string& what) {
  bool integers = false;
  visit_type(from.type, [&]<class T>(T) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      copy<T>(from, to, [](T value) { return static_cast<Index>(value); });
      integers = true;
    }
  });
  if (!integers) refuse(from, what, "integers");
}

}  // namespace attractor::python
