#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>

#include "host/src/checksum.hpp"
#include "host/src/replacement.hpp"
#include "host/src/safetensors.hpp"

namespace attractor::detail {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are written as they lie in memory");

std::uint64_t size_of(const TensorView& tensor) { return byte_count(tensor.shape, tensor.type); }

std::string checksum(const Metadata& metadata, std::vector<TensorView> tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorView& a, const TensorView& b) { return a.name < b.name; });
  Checksum sum;
  for (const auto& [key, text] : metadata) {
    sum.add(key);
    sum.add(text);
  }
  for (const TensorView& tensor : tensors) {
    sum.add_tensor(tensor.name, name_of(tensor.type), tensor.shape);
    sum.add(tensor.data, size_of(tensor));
  }
  return sum.digits();
}

/// The JSON of the header, padded so that the tensors are aligned.
std::string make_header(const Metadata& metadata, const std::vector<TensorView>& tensors) {
  nlohmann::json header = {{"__metadata__", metadata}};
  std::uint64_t offset = 0;
  for (const TensorView& tensor : tensors) {
    const std::uint64_t end = offset + size_of(tensor);
    header[tensor.name] = {{"dtype", name_of(tensor.type)}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, Metadata metadata, const std::vector<TensorView>& tensors) {
  metadata[checksum_name] = checksum(metadata, tensors);
  const std::string header = make_header(metadata, tensors);
  const std::uint64_t length = header.size();
  Replacement file(path);
  file.write(&length, sizeof(length));
  file.write(header.data(), length);
  for (const TensorView& tensor : tensors) file.write(tensor.data, size_of(tensor));
  file.replace();
}

}  // namespace attractor::detail
