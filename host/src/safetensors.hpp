#pragma once

/// The safetensors layout, as far as tensors of floats of 32 and 16 bits go (huggingface.co/docs/safetensors).

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <attractor/matrix.hpp>
#include <attractor/pattern_storage.hpp>

#include "host/src/safetensors_header.hpp"

namespace attractor::detail {

/// What elements of tensors are, by the format's name.
std::string_view dtype_of(PatternStorage elements);
/// Nothing where they are anything else.
std::optional<PatternStorage> elements_of(std::string_view dtype);

/// Bytes of a tensor; more than any file has where that is no number.
std::uint64_t byte_count(const std::vector<Index>& shape, PatternStorage elements);

/// A tensor to write.
struct TensorView {
  std::string name;
  std::vector<Index> shape;
  const void* data;
  PatternStorage elements = PatternStorage::float32;
};

/// Replaces the file at `path` at once, by renaming.
///
/// @throws FileError
void write_safetensors(const std::filesystem::path& path, const Metadata& metadata,
                       const std::vector<TensorView>& tensors);

/// A tensor that was read, whatever its elements were.
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

 private:
  [[noreturn]] void fail(const std::string& what) const;
  [[nodiscard]] std::string read_header();
  void check_layout(std::uint64_t data_size) const;
  /// So many bytes from where the file is.
  template <class T>
  [[nodiscard]] std::vector<T> read_elements(std::uint64_t size);

  std::string name_;
  std::ifstream file_;
  std::uint64_t file_size_ = 0;
  std::uint64_t data_begin_ = 0;
  SafetensorsHeader header_;
};

}  // namespace attractor::detail
