#pragma once

/// The safetensors layout, as far as memories need it: tensors of floats of 32 and 16 bits, and of integers of 64
/// (huggingface.co/docs/safetensors).

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <attractor/matrix.hpp>
#include <attractor/pattern_storage.hpp>

#include "host/src/checksum.hpp"
#include "host/src/safetensors_header.hpp"

namespace attractor::detail {

/// What elements of tensors are; floats as `PatternStorage` has them.
enum class TensorType : unsigned char { f32, f16, bf16, i64 };

TensorType type_of(PatternStorage elements);

/// By the format's name.
std::string_view name_of(TensorType type);
/// Nothing where it is of another type.
std::optional<TensorType> type_named(std::string_view name);

/// Bytes of a tensor; more than any file has where that is no number.
std::uint64_t byte_count(const std::vector<Index>& shape, TensorType type);

/// A tensor to write.
struct TensorView {
  std::string name;
  std::vector<Index> shape;
  const void* data;
  TensorType type = TensorType::f32;
};

/// Replaces the file at `path` at once, by renaming. Its metadata get a checksum.
///
/// @throws FileError
void write_safetensors(const std::filesystem::path& path, const Metadata& metadata,
                       const std::vector<TensorView>& tensors);

/// A tensor of floats that was read, of whatever size they were.
struct Tensor {
  std::vector<Index> shape;
  std::vector<float> values;
};

/// A file that is open for reading, its header checked: every tensor lies in the file, and together they are all of it.
class SafetensorsReader {
 public:
  /// @throws FileError
  explicit SafetensorsReader(const std::filesystem::path& path);

  [[nodiscard]] const Metadata& metadata() const { return header_.metadata; }
  [[nodiscard]] bool contains(const std::string& name) const { return header_.tensors.contains(name); }

  /// @throws FileError there is no such tensor, it isn't of floats of 32 or 16 bits or not as large as its shape, or
  /// can't be read.
  [[nodiscard]] Tensor read(const std::string& name);

  /// A tensor of one dimension. @throws FileError also where it isn't of integers of 64 bits.
  [[nodiscard]] std::vector<std::int64_t> read_integers(const std::string& name);

  /// @throws FileError the metadata have a checksum, and it isn't that of what else the file holds.
  void check_contents();

 private:
  [[noreturn]] void fail(const std::string& what) const;
  [[nodiscard]] std::string read_header();
  void check_layout(std::uint64_t data_size) const;
  void add_elements(Checksum& sum, const TensorEntry& entry);
  /// One of this name whose elements fill its shape; `wanted` are those that will do, in words.
  [[nodiscard]] const TensorEntry& find(const std::string& name, bool (*is_wanted)(TensorType),
                                        const char* wanted) const;
  template <class T>
  [[nodiscard]] std::vector<T> read_elements(const TensorEntry& entry);

  std::string name_;
  std::ifstream file_;
  std::uint64_t file_size_ = 0;
  std::uint64_t data_begin_ = 0;
  SafetensorsHeader header_;
};

}  // namespace attractor::detail
