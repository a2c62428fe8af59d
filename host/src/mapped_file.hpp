#pragma once

/// A file as bytes in memory.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace attractor::detail {

class MappedFile {
 public:
  /// One that is there, to be read or also written. @throws FileError, as all functions
  MappedFile(const std::filesystem::path& path, bool writes);
  /// A new one that begins with these bytes, zeros behind them.
  MappedFile(const std::filesystem::path& path, const std::string& begin, std::uint64_t size);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] bool writes() const { return writes_; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }
  [[nodiscard]] const std::string& name() const { return name_; }

  /// Lets the system have the memory that these bytes take, once what was written is on the disk.
  void release(std::uint64_t first, std::uint64_t count);

 private:
  void map(int file);
  [[noreturn]] void fail(const std::string& what) const;

  std::string name_;
  bool writes_;
  std::byte* data_ = nullptr;
  std::uint64_t size_ = 0;
};

}  // namespace attractor::detail
