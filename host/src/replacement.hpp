#pragma once

/// Replacing a file as a whole.

#include <cstdint>
#include <filesystem>
#include <string>

namespace attractor::detail {

/// A new file beside another one, which it replaces in the end, or else it is removed.
class Replacement {
 public:
  /// A link stands for the file that it leads to. The new file has the old one's permissions and, as far as this
  /// process may give files away, its owner and group; without an old one what the process gives new files.
  ///
  /// @throws FileError as every function of it; what is there and no regular file isn't replaced.
  explicit Replacement(const std::filesystem::path& target);
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;
  ~Replacement();

  void write(const void* data, std::uint64_t size);

  /// Takes the old file's place once everything is on the disk; so a crash leaves the one or the other.
  void replace();

 private:
  void create(unsigned permissions);
  void close();
  void remove() noexcept;
  [[noreturn]] void fail(const std::string& action) const;

  std::filesystem::path target_;
  std::filesystem::path path_;
  int file_ = -1;
};

}  // namespace attractor::detail
