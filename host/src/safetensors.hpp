#pragma once

/// The safetensors layout, as far as tensors of floats go (huggingface.co/docs/safetensors).

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <attractor/matrix.hpp>

namespace attractor::detail {

/// The strings of `__metadata__`.
using Metadata = std::map<std::string, std::string>;

/// A tensor to write.
struct TensorView {
  std::string name;
  std::vector<Index> shape;
  const float* data;
};

/// Replaces the file at `path` at once, by renaming.
///
/// @throws FileError
void write_safetensors(const std::filesystem::path& path, const Metadata& metadata,
                       const std::vector<TensorView>& tensors);

/// A tensor that was read.
struct Tensor {
  std::vector<Index> shape;
  std::vector<float> values;
};

/// A file that is open for reading, its header checked: every tensor lies in the file, and together they are all of it.
class SafetensorsReader {
 public:
  /// @throws FileError
  explicit SafetensorsReader(const std::filesystem::path& path);

  [[nodiscard]] const Metadata& metadata() const { return metadata_; }
  [[nodiscard]] bool contains(const std::string& name) const { return entries_.contains(name); }

  /// @throws FileError there is no such tensor, it isn't of floats or not as large as its shape, or can't be read.
  [[nodiscard]] Tensor read(const std::string& name);

 private:
  struct Entry {
    std::string type;
    std::vector<Index> shape;
    std::uint64_t begin = 0;  ///< in bytes from the end of the header
    std::uint64_t end = 0;
  };

  [[noreturn]] void fail(const std::string& what) const;
  [[nodiscard]] std::string read_header();
  void parse(const std::string& header);
  void check_layout(std::uint64_t data_size) const;

  std::string name_;
  std::ifstream file_;
  std::uint64_t file_size_ = 0;
  std::uint64_t data_begin_ = 0;
  Metadata metadata_;
  std::map<std::string, Entry> entries_;
};

}  // namespace attractor::detail
