#include <attractor/array_file.hpp>

#include <algorithm>
#include <string>
#include <utility>

#include <attractor/error.hpp>

#include "host/src/mapped_file.hpp"
#include "host/src/npy_header.hpp"

namespace attractor {
namespace {

template <class T>
T* at(std::byte* bytes) {
  return static_cast<T*>(static_cast<void*>(bytes));
}

/// Calls visit(pointer) with the elements as what they are.
template <class Visit>
void visit_elements(ElementType type, std::byte* bytes, const Visit& visit) {
  switch (type) {
    case ElementType::float64: return visit(at<double>(bytes));
    case ElementType::float32: return visit(at<float>(bytes));
    case ElementType::float16: return visit(at<Float16>(bytes));
    case ElementType::int64: return visit(at<std::int64_t>(bytes));
    case ElementType::int32: return visit(at<std::int32_t>(bytes));
    case ElementType::int8: return visit(at<std::int8_t>(bytes));
    case ElementType::uint8:
    case ElementType::boolean: return visit(at<std::uint8_t>(bytes));
  }
}

std::unique_ptr<detail::MappedFile> make_file(const std::filesystem::path& path, detail::NpyHeader& header) {
  if (header.rows < 0 || header.columns < 0)
    throw InvalidArgument("the new file " + path.string() + " is to have " + std::to_string(header.rows) + " × " +
                          std::to_string(header.columns) + " elements");
  const std::string begin = detail::make_npy_header(header);
  std::uint64_t size = 0;
  try {
    size = detail::data_size(header);
  } catch (const InvalidArgument& error) {
    throw InvalidArgument("the new file " + path.string() + " " + error.what());
  }
  return std::make_unique<detail::MappedFile>(path, begin, header.data_begin + size);
}

}  // namespace

ArrayFile::ArrayFile(const std::filesystem::path& path) : ArrayFile(path, false) {}

ArrayFile ArrayFile::reopen(const std::filesystem::path& path) { return {path, true}; }

ArrayFile::ArrayFile(const std::filesystem::path& path, bool writes)
    : file_(std::make_unique<detail::MappedFile>(path, writes)) {
  try {
    const detail::NpyHeader header = detail::read_npy_header(file_->bytes());
    type_ = header.type;
    rows_ = header.rows;
    columns_ = header.columns;
    offset_ = header.data_begin;
  } catch (const InvalidArgument& error) {
    throw FileError(path.string() + " " + error.what());
  }
  if (offset_ % detail::size_of(type_) != 0) throw FileError(path.string() + " has elements that aren't aligned");
}

ArrayFile::ArrayFile(const std::filesystem::path& path, ElementType type, Index rows, Index columns)
    : type_(type), rows_(rows), columns_(columns) {
  detail::NpyHeader header{.type = type, .rows = rows, .columns = columns};
  file_ = make_file(path, header);
  offset_ = header.data_begin;
}

ArrayFile::ArrayFile(ArrayFile&& other) noexcept = default;
ArrayFile& ArrayFile::operator=(ArrayFile&& other) noexcept = default;
ArrayFile::~ArrayFile() = default;

bool ArrayFile::holds_queries() const {
  return type_ == ElementType::float32 || type_ == ElementType::float16 || type_ == ElementType::int8;
}

QueryView ArrayFile::queries() const {
  std::byte* const data = file_->data() + offset_;
  if (type_ == ElementType::float32) return {at<const float>(data), rows_, columns()};
  if (type_ == ElementType::float16) return {at<const Float16>(data), rows_, columns()};
  if (type_ == ElementType::int8) return {at<const std::int8_t>(data), rows_, columns()};
  throw InvalidArgument(file_->name() + " has elements of type " + std::string(to_string(type_)) +
                        "; queries are taken as float32, float16 or int8");
}

BitView<const std::uint8_t> ArrayFile::bits(Index count) const {
  if (type_ != ElementType::uint8 || columns() != bytes_of_bits(count))
    throw InvalidArgument(file_->name() + " has rows of " + std::to_string(columns()) + " elements of type " +
                          std::string(to_string(type_)) + "; " + std::to_string(count) + " packed bits are " +
                          std::to_string(bytes_of_bits(count)) + " of uint8");
  return {at<const std::uint8_t>(file_->data() + offset_), rows_, count};
}

void ArrayFile::check_rows(Index first, Index count) const {
  if (first < 0 || count < 0 || first > rows_ - count)
    throw InvalidArgument(std::to_string(count) + " rows from row " + std::to_string(first) + " on were asked for of " +
                          file_->name() + ", which has " + std::to_string(rows_));
}

Matrix<float> ArrayFile::floats(Index first, Index count) const {
  check_rows(first, count);
  Matrix<float> result(count, columns());
  visit_elements(type_, file_->data() + offset_, [&](const auto* elements) {
    std::transform(elements + first * columns(), elements + (first + count) * columns(), result.data(),
                   [](auto value) { return static_cast<float>(value); });
  });
  return result;
}

void* ArrayFile::writable(ElementType type) {
  if (!file_->writes()) throw InvalidArgument(file_->name() + " was opened to be read");
  if (type != type_)
    throw InvalidArgument(file_->name() + " has elements of type " + std::string(to_string(type_)) + ", not " +
                          std::string(to_string(type)));
  return file_->data() + offset_;
}

ResultView ArrayFile::results() {
  void* const data = writable(type_);
  if (type_ == ElementType::float32) return {static_cast<float*>(data), rows_, columns()};
  if (type_ == ElementType::float16) return {static_cast<Float16*>(data), rows_, columns()};
  if (type_ == ElementType::int8) return {static_cast<std::int8_t*>(data), rows_, columns()};
  throw InvalidArgument(file_->name() + " has elements of type " + std::string(to_string(type_)) +
                        "; results are written as float32, float16 or int8");
}

BitView<std::uint8_t> ArrayFile::result_bits(Index count) {
  const BitView<const std::uint8_t> view = bits(count);
  return {static_cast<std::uint8_t*>(writable(ElementType::uint8)), view.rows, view.columns};
}

void ArrayFile::release(Index first, Index count) {
  check_rows(first, count);
  const std::uint64_t row = static_cast<std::uint64_t>(columns()) * detail::size_of(type_);
  file_->release(offset_ + static_cast<std::uint64_t>(first) * row, static_cast<std::uint64_t>(count) * row);
}

}  // namespace attractor
