#include "host/python/src/arrays.hpp"

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

#include <attractor/bipolar.hpp>
#include <attractor/error.hpp>
#include <attractor/halting.hpp>

#include "host/python/src/bind.hpp"
#include "host/python/src/call.hpp"
#include "host/python/src/elements.hpp"

namespace attractor::python {
namespace {

using AnyArray = nb::ndarray<nb::ro>;

std::string type_of(nb::handle object) { return nb::type_name(object.type()).c_str(); }

template <class Imported>
std::string shape_of(const Imported& array) {
  std::string text = "(";
  for (std::size_t i = 0; i < array.ndim(); ++i) text.append(i == 0 ? "" : ", ").append(std::to_string(array.shape(i)));
  return text + (array.ndim() == 1 ? ",)" : ")");
}

template <class Imported>
bool is_on_host(const Imported& array) {
  return array.device_type() == nb::device::cpu::value || array.device_type() == nb::device::cuda_host::value;
}

template <class Imported>
bool is_on_cuda(const Imported& array) {
  return array.device_type() == nb::device::cuda::value || array.device_type() == nb::device::cuda_managed::value;
}

/// @throws as FloatMatrix.
template <class Imported>
void check_place_and_shape(const Imported& array, const std::string& what, std::size_t dimensions, Place place) {
  if (!is_on_host(array) && (place == Place::host || !is_on_cuda(array)))
    throw NotSupported(what + " are not in host memory; copy them there");
  if (array.ndim() != dimensions)
    throw InvalidArgument(what + " have the shape " + shape_of(array) + "; they must have " +
                          std::to_string(dimensions) + (dimensions == 1 ? " dimension" : " dimensions"));
}

/// An array on a CUDA device comes in the order of its legacy default stream, which DLPack's exporters assume where no
/// stream is named; the library waits for that.
AnyArray import_array(nb::handle object, const std::string& what, std::size_t dimensions, Place place = Place::host) {
  AnyArray array;
  if (!nb::try_cast(object, array) || !array.is_valid())
    throw nb::type_error((what + " must be an array (NumPy's, PyTorch's, or of any library that exports DLPack or a " +
                          "buffer); they are a " + type_of(object))
                             .c_str());
  // Results have none, which who asks for some should not find out by their absence.
  if (nb::cast<bool>(nb::getattr(object, "requires_grad", nb::bool_(false))))
    throw nb::type_error((what + " require gradients, which don't pass through; detach them").c_str());
  check_place_and_shape(array, what, dimensions, place);
  return array;
}

template <class Imported>
Elements elements_of(const Imported& array) {
  Elements elements{.data = array.data(), .type = array.dtype()};
  elements.columns = static_cast<Index>(array.shape(array.ndim() - 1));
  elements.column_stride = array.stride(array.ndim() - 1);
  if (array.ndim() == 2) {
    elements.rows = static_cast<Index>(array.shape(0));
    elements.row_stride = array.stride(0);
  }
  return elements;
}

/// Whether rows are as the library reads them: each contiguous, none before or across the one above.
bool has_plain_rows(const Elements& elements) {
  const bool contiguous = elements.column_stride == 1 || elements.columns <= 1;
  return contiguous && (elements.row_stride >= elements.columns || elements.rows <= 1);
}

/// Calls visit(T{}) with the type of the elements that rows of queries and results may be of, but bits; false if they
/// are of none.
template <class Visit>
bool visit_row_element(nb::dlpack::dtype type, const Visit& visit) {
  const auto is = [&](nb::dlpack::dtype_code code, int bits) {
    return type.lanes == 1 && type.code == static_cast<std::uint8_t>(code) && type.bits == bits;
  };
  if (is(nb::dlpack::dtype_code::Float, 32)) return visit(float{}), true;
  if (is(nb::dlpack::dtype_code::Float, 16)) return visit(Float16{}), true;
  if (is(nb::dlpack::dtype_code::Bfloat, 16)) return visit(BFloat16{}), true;
  if (is(nb::dlpack::dtype_code::Int, 8)) return visit(std::int8_t{}), true;
  return false;
}

void check_plain_rows(const Elements& elements, const std::string& what) {
  if (!has_plain_rows(elements))
    throw InvalidArgument(what + " must have rows that are contiguous; their strides are " +
                          std::to_string(elements.row_stride) + " and " + std::to_string(elements.column_stride) +
                          " elements");
}

template <class T>
MatrixView<T> plain_rows(const Elements& elements, T* data) {
  return {data, elements.rows, elements.columns, elements.rows <= 1 ? elements.columns : elements.row_stride};
}

template <class T>
MatrixView<const T> plain_view(const Elements& elements) {
  return plain_rows(elements, static_cast<const T*>(elements.data));
}

/// The bytes of bits as such.
template <class Byte>
BitView<Byte> bits_of(const Elements& elements, Byte* data, Index columns, const std::string& what) {
  if (elements.type != nb::dtype<std::uint8_t>())
    throw nb::type_error(
        (what + " in bits have elements of " + name_of(elements.type) + "; they must be uint8").c_str());
  check_plain_rows(elements, what);
  if (columns < 1 || elements.columns != bytes_of_bits(columns))
    throw InvalidArgument(what + " in bits have " + std::to_string(elements.columns) + " bytes a row for " +
                          std::to_string(columns) + " columns");
  const MatrixView<Byte> bytes = plain_rows(elements, data);
  return {bytes.data, bytes.rows, columns, bytes.row_stride};
}

/// A caller's array to be written.
nb::ndarray<> import_target(const Array& array, const std::string& what, std::size_t dimensions, Place place) {
  nb::ndarray<> target;
  if (!nb::try_cast(array, target) || !target.is_valid())
    throw nb::type_error((what + " must be an array that can be written; they are a " + type_of(array)).c_str());
  check_place_and_shape(target, what, dimensions, place);
  return target;
}

[[noreturn]] void refuse_target(nb::dlpack::dtype type, const std::string& what, const std::string& written) {
  throw nb::type_error((what + " have elements of " + name_of(type) + "; they are written as " + written).c_str());
}

[[noreturn]] void refuse_conversion(const AnyArray& array, const std::string& what, const std::string& wanted) {
  throw NotSupported(what + " on a device are taken as they are: of " + wanted + ", with rows that are contiguous; " +
                     "they have elements of " + name_of(array.dtype()) + " and the strides " +
                     std::to_string(array.stride(0)) + " and " + std::to_string(array.stride(1)));
}

template <class T>
Matrix<T> converted(const AnyArray& array, const std::string& what) {
  if (!is_on_host(array)) refuse_conversion(array, what, std::is_same_v<T, float> ? "float32" : "bytes");
  const Elements elements = elements_of(array);
  Matrix<T> copy(elements.rows, elements.columns);
  unlocked([&] { convert(elements, copy.data(), what); });
  return copy;
}

template <class T>
std::vector<T> read_vector(nb::handle values, const std::string& what) {
  std::vector<T> result;
  if (nb::ndarray_check(values)) {
    const AnyArray array = import_array(values, what, 1);
    const Elements elements = elements_of(array);
    result.resize(static_cast<std::size_t>(elements.columns));
    convert(elements, result.data(), what);
    return result;
  }
  if (!nb::isinstance<nb::sequence>(values) || nb::isinstance<nb::str>(values))
    throw nb::type_error(
        (what + " must be an array of one dimension or a sequence of numbers; they are a " + type_of(values)).c_str());
  for (const nb::handle value : nb::borrow<nb::sequence>(values)) {
    T number{};
    if (!nb::try_cast(value, number))
      throw nb::type_error((what + " must be numbers" + (std::is_integral_v<T> ? " without a fraction" : "") +
                            "; one is a " + type_of(value))
                               .c_str());
    result.push_back(number);
  }
  return result;
}

/// Of an enumeration the integers that it is made of.
template <class T>
struct Element {
  using Type = T;
};
template <>
struct Element<Status> {
  using Type = std::uint8_t;
};

template <class T, class... Framework>
Result give_as(T* data, std::size_t dimensions, const std::size_t* shape, nb::handle owner) {
  return nb::borrow<Result>(nb::cast(nb::ndarray<T, Framework...>(data, dimensions, shape, owner)));
}

/// Moves results to where only the array that shows them keeps them.
template <class T, class Owned>
Result give_owned(Library library, Owned&& values, std::size_t dimensions, const std::size_t* shape) {
  auto kept = std::make_unique<Owned>(std::forward<Owned>(values));
  auto* const data = reinterpret_cast<T*>(kept->data());  // NOLINT: of an enumeration its integers
  const nb::capsule owner(kept.get(), [](void* owned) noexcept { delete static_cast<Owned*>(owned); });
  static_cast<void>(kept.release());
  switch (library) {
    case Library::torch: return give_as<T, nb::pytorch>(data, dimensions, shape, owner);
    case Library::jax: return give_as<T, nb::jax>(data, dimensions, shape, owner);
    case Library::tensorflow: return give_as<T, nb::tensorflow>(data, dimensions, shape, owner);
    case Library::numpy: break;
  }
  return give_as<T, nb::numpy>(data, dimensions, shape, owner);
}

}  // namespace

Library library_of(nb::handle array) {
  if (nb::isinstance<Bits>(array)) return library_of(nb::cast<const Bits&>(array).array);
  const auto mro = nb::borrow<nb::tuple>(array.type().attr("__mro__"));
  for (const nb::handle type : mro) {
    const auto module = nb::cast<std::string>(type.attr("__module__"));
    const std::string_view top = std::string_view(module).substr(0, module.find('.'));
    if (top == "numpy") return Library::numpy;
    if (top == "torch") return Library::torch;
    if (top == "jax" || top == "jaxlib") return Library::jax;
    if (top == "tensorflow") return Library::tensorflow;
  }
  return Library::numpy;
}

FloatMatrix::FloatMatrix(const Array& array, const std::string& what, Place place) { read(array, what, place); }

FloatMatrix::FloatMatrix(const std::optional<Array>& array, const std::string& what, Place place) {
  if (array) read(*array, what, place);
}

void FloatMatrix::read(const Array& array, const std::string& what, Place place) {
  source_ = import_array(array, what, 2, place);
  const Elements elements = elements_of(source_);
  if (source_.dtype() == nb::dtype<float>() && has_plain_rows(elements)) {
    view_ = plain_view<float>(elements);
  } else {
    copy_ = converted<float>(source_, what);
    view_ = copy_;
  }
}

bool FloatMatrix::is_on_device() const { return source_.is_valid() && is_on_cuda(source_); }

QueryMatrix::QueryMatrix(const Array& array, const std::string& what, const Device& device, Place place) {
  const bool takes_all = device.kind() == Device::Kind::cpu;
  if (nb::isinstance<Bits>(array)) {
    const auto& bits = nb::cast<const Bits&>(array);
    source_ = import_array(bits.array, what, 2);
    const Elements elements = elements_of(source_);
    const BitView<const std::uint8_t> rows =
        bits_of(elements, static_cast<const std::uint8_t*>(elements.data), bits.columns, what);
    view_ = rows;
    if (takes_all) return;
    copy_ = unlocked([&] { return from_bits(rows); });
    view_ = copy_;
    return;
  }
  source_ = import_array(array, what, 2, place);
  const Elements elements = elements_of(source_);
  const bool as_they_are = has_plain_rows(elements) &&
                           visit_row_element(elements.type, [&]<class T>(T) { view_ = plain_view<T>(elements); });
  if (as_they_are && (takes_all || view_.floats() != nullptr)) return;
  copy_ = converted<float>(source_, what);
  view_ = copy_;
}

bool QueryMatrix::is_on_device() const { return is_on_cuda(source_); }

MarkMatrix::MarkMatrix(const std::optional<Array>& array, const std::string& what, Place place) {
  if (!array) return;
  source_ = import_array(*array, what, 2, place);
  const Elements elements = elements_of(source_);
  const nb::dlpack::dtype type = source_.dtype();
  const bool bytes = type == nb::dtype<bool>() || type == nb::dtype<std::uint8_t>() || type == nb::dtype<std::int8_t>();
  if (bytes && has_plain_rows(elements)) {
    view_ = plain_view<std::uint8_t>(elements);
  } else {
    copy_ = converted<std::uint8_t>(source_, what);
    view_ = copy_;
  }
}

template <class T>
Buffer<T>::Buffer(const std::optional<Array>& array, const std::string& what, std::size_t dimensions, Place place) {
  using Type = typename Element<T>::Type;
  if (!array) return;
  target_ = import_target(*array, what, dimensions, place);
  if (target_.dtype() != nb::dtype<Type>()) refuse_target(target_.dtype(), what, name_of(nb::dtype<Type>()));
  const Elements elements = elements_of(target_);
  check_plain_rows(elements, what);
  view_ = plain_rows(elements, static_cast<T*>(target_.data()));
}

ResultRows::ResultRows(const std::optional<Array>& array, const std::string& what, Place place) {
  if (!array) return;
  const bool in_bits = nb::isinstance<Bits>(*array);
  target_ = import_target(in_bits ? nb::cast<const Bits&>(*array).array : *array, what, 2, place);
  const Elements elements = elements_of(target_);
  if (in_bits) {
    view_ = bits_of(elements, static_cast<std::uint8_t*>(target_.data()), nb::cast<const Bits&>(*array).columns, what);
    return;
  }
  const bool known = visit_row_element(elements.type, [&]<class T>(T) {
    check_plain_rows(elements, what);
    view_ = plain_rows(elements, static_cast<T*>(target_.data()));
  });
  if (!known) refuse_target(elements.type, what, "float32, float16, bfloat16 or int8");
}

void bind_bits(nb::module_& module) {
  nb::class_<Bits>(
      module, "Bits",
      R"(Rows of ±1 as packed bits, 1 for +1, as numpy.packbits(rows > 0, axis=1) packs them: queries, or where
states of ±1 go.

array: uint8 [B, ceil(columns / 8)] with contiguous rows, of any library; kept, not copied. columns: bits of a row.)")
      .def(nb::init<Array, Index>(), nb::arg("array"), nb::arg("columns"))
      .def_ro("array", &Bits::array)
      .def_ro("columns", &Bits::columns);
}

template class Buffer<float>;
template class Buffer<std::int32_t>;
template class Buffer<Index>;
template class Buffer<Status>;

std::vector<float> read_floats(nb::handle values, const std::string& what) { return read_vector<float>(values, what); }

std::vector<Index> read_indices(nb::handle values, const std::string& what) { return read_vector<Index>(values, what); }

Indices::Indices(nb::handle values, const std::string& what, Place place) {
  if (place == Place::device && nb::ndarray_check(values)) {
    source_ = import_array(values, what, 1, place);
    if (is_on_cuda(source_)) {
      const Elements elements = elements_of(source_);
      if (source_.dtype() != nb::dtype<Index>() || !has_plain_rows(elements))
        throw NotSupported(what + " on a device are taken as they are: of int64, contiguous; they have elements of " +
                           name_of(source_.dtype()) + " and the stride " + std::to_string(elements.column_stride));
      view_ = {static_cast<const Index*>(elements.data), static_cast<std::size_t>(elements.columns)};
      return;
    }
  }
  copy_ = read_indices(values, what);
  view_ = copy_;
}

template <class T>
Result give(Library library, Matrix<T>&& values) {
  const std::array shape = {static_cast<std::size_t>(values.rows()), static_cast<std::size_t>(values.columns())};
  return give_owned<typename Element<T>::Type>(library, std::move(values), shape.size(), shape.data());
}

template <class T>
Result give(Library library, std::vector<T>&& values, Index columns) {
  const auto width = static_cast<std::size_t>(columns);
  const std::array shape = {columns == 0 ? values.size() : values.size() / width, width};
  return give_owned<typename Element<T>::Type>(library, std::move(values), columns == 0 ? 1 : 2, shape.data());
}

template Result give(Library, Matrix<float>&&);
template Result give(Library, Matrix<std::int32_t>&&);
template Result give(Library, Matrix<Status>&&);
template Result give(Library, std::vector<float>&&, Index);
template Result give(Library, std::vector<double>&&, Index);
template Result give(Library, std::vector<std::int32_t>&&, Index);
template Result give(Library, std::vector<Index>&&, Index);
template Result give(Library, std::vector<Status>&&, Index);

Result show(MatrixView<const float> rows, nb::handle owner) {
  const std::array shape = {static_cast<std::size_t>(rows.rows), static_cast<std::size_t>(rows.columns)};
  return give_as<const float, nb::numpy>(rows.data, shape.size(), shape.data(), owner);
}

}  // namespace attractor::python
