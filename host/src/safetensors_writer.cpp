#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>
#include <nlohmann/json.hpp>
#include <system_error>

#include <attractor/error.hpp>

#include "host/src/safetensors.hpp"

namespace attractor::detail {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are written as they lie in memory");

std::uint64_t byte_count(const TensorView& tensor) {
  std::uint64_t count = sizeof(float);
  for (const Index size : tensor.shape) count *= static_cast<std::uint64_t>(size);
  return count;
}

/// The JSON of the header, padded so that the tensors are aligned.
std::string make_header(const Metadata& metadata, const std::vector<TensorView>& tensors) {
  nlohmann::json header = {{"__metadata__", metadata}};
  std::uint64_t offset = 0;
  for (const TensorView& tensor : tensors) {
    const std::uint64_t end = offset + byte_count(tensor);
    header[tensor.name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

/// A new file beside another one, which it replaces in the end, or else it is removed.
class Replacement {
 public:
  explicit Replacement(const std::filesystem::path& target) : target_(target), path_(target) {
    static std::atomic<unsigned> count = 0;
    path_ += ".";
    path_ += std::to_string(getpid());
    path_ += ".";
    path_ += std::to_string(count++);
    path_ += ".tmp";
    file_.open(path_, std::ios::binary | std::ios::trunc);
    check("create");
  }
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;
  ~Replacement() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove(path_, ignored);
  }

  void write(const void* data, std::uint64_t size) {
    file_.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
    check("write");
  }

  void replace() {
    file_.close();
    check("write");
    std::error_code error;
    std::filesystem::rename(path_, target_, error);
    if (error) throw FileError("can't replace " + target_.string() + ": " + error.message());
    path_.clear();
  }

 private:
  void check(const std::string& action) const {
    if (!file_) throw FileError("can't " + action + " " + path_.string());
  }

  std::filesystem::path target_;
  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace

void write_safetensors(const std::filesystem::path& path, const Metadata& metadata,
                       const std::vector<TensorView>& tensors) {
  const std::string header = make_header(metadata, tensors);
  const std::uint64_t length = header.size();
  Replacement file(path);
  file.write(&length, sizeof(length));
  file.write(header.data(), length);
  for (const TensorView& tensor : tensors) file.write(tensor.data, byte_count(tensor));
  file.replace();
}

}  // namespace attractor::detail
