#pragma once

/// Matrices in files of NumPy's format (.npy), as large as the disk: they are mapped, so that only what is used is
/// read. One pattern or query per row.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

#include <attractor/export.h>
#include <attractor/bit_view.hpp>
#include <attractor/matrix.hpp>
#include <attractor/query_view.hpp>

namespace attractor {

namespace detail {
class MappedFile;
}  // namespace detail

/// What a file's elements are.
enum class ElementType : unsigned char { float64, float32, float16, int64, int32, int8, uint8, boolean };

/// As NumPy names it.
ATTRACTOR_EXPORT std::string_view to_string(ElementType type);

/// An array of one or two dimensions in a file, whose rows lie one after another: NumPy's format, versions 1 to 3,
/// little endian, in C order.
///
/// Nothing of it may be used once the object is gone. A file that another process makes shorter meanwhile ends this one
/// with a bus error, as everything that is mapped does: replace files, don't cut them.
class ATTRACTOR_EXPORT ArrayFile {
 public:
  /// To be read.
  ///
  /// @throws FileError the file can't be read, or isn't what is said above; the message names it and what is wrong.
  explicit ArrayFile(const std::filesystem::path& path);

  /// A new file of zeros, to be written; what was there is gone. `columns` 0: of one dimension.
  ///
  /// @throws InvalidArgument a negative size, or one that no file has. @throws FileError it can't be made, or the disk
  /// has no room for it.
  ArrayFile(const std::filesystem::path& path, ElementType type, Index rows, Index columns);

  /// One that is there, to be written on. @throws FileError
  static ArrayFile reopen(const std::filesystem::path& path);

  ArrayFile(ArrayFile&& other) noexcept;
  ArrayFile& operator=(ArrayFile&& other) noexcept;
  ArrayFile(const ArrayFile&) = delete;
  ArrayFile& operator=(const ArrayFile&) = delete;
  ~ArrayFile();

  [[nodiscard]] ElementType type() const { return type_; }
  [[nodiscard]] Index rows() const { return rows_; }
  [[nodiscard]] Index columns() const { return columns_ == 0 ? 1 : columns_; }  ///< 1 of what has one dimension
  [[nodiscard]] int dimensions() const { return columns_ == 0 ? 1 : 2; }

  /// Whether `queries` shows them.
  [[nodiscard]] bool holds_queries() const;

  /// The rows as calls take them: of float32, float16 or int8. @throws InvalidArgument they are of another type.
  [[nodiscard]] QueryView queries() const;

  /// Rows of uint8 as so many bits each, as numpy.packbits packs them. @throws InvalidArgument they are of another
  /// type, or of other lengths.
  [[nodiscard]] BitView<const std::uint8_t> bits(Index count) const;

  /// A copy of some rows as floats, whatever they are: numbers beyond float's range become infinite, booleans 0 and 1.
  /// @throws InvalidArgument rows that there aren't. Complexity: O(count · columns).
  [[nodiscard]] Matrix<float> floats(Index first, Index count) const;
  [[nodiscard]] Matrix<float> floats() const { return floats(0, rows_); }

  /// Of a file to be written, the rows as calls write them: float32, float16, int8. @throws InvalidArgument another
  /// type, or a file to be read.
  [[nodiscard]] ResultView results();

  /// The same as so many bits each. @throws InvalidArgument as `bits`, or a file to be read.
  [[nodiscard]] BitView<std::uint8_t> result_bits(Index count);

  /// The elements of a file to be written. T must be what they are: float, double, std::int64_t, std::int32_t,
  /// std::int8_t or std::uint8_t. @throws InvalidArgument it isn't, or a file to be read.
  template <class T>
  [[nodiscard]] MatrixView<T> elements() {
    return {static_cast<T*>(writable(type_of<T>())), rows_, columns()};
  }

  /// Has the system forget that it holds these rows in memory; what was written to them is on the disk first. They stay
  /// as they are. @throws InvalidArgument rows that there aren't. @throws FileError they can't be written.
  void release(Index first, Index count);

 private:
  ArrayFile(const std::filesystem::path& path, bool writes);

  template <class T>
  static constexpr ElementType type_of();

  void* writable(ElementType type);

  /// @throws InvalidArgument rows that there aren't
  void check_rows(Index first, Index count) const;

  std::unique_ptr<detail::MappedFile> file_;
  ElementType type_ = ElementType::float32;
  Index rows_ = 0;
  Index columns_ = 0;
  std::uint64_t offset_ = 0;  ///< of the first row
};

template <class T>
constexpr ElementType ArrayFile::type_of() {
  if constexpr (std::is_same_v<T, double>) return ElementType::float64;
  if constexpr (std::is_same_v<T, float>) return ElementType::float32;
  if constexpr (std::is_same_v<T, std::int64_t>) return ElementType::int64;
  if constexpr (std::is_same_v<T, std::int32_t>) return ElementType::int32;
  if constexpr (std::is_same_v<T, std::int8_t>) return ElementType::int8;
  return ElementType::uint8;
}

}  // namespace attractor
