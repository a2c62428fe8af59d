#include <bit>

#include "host/src/checksum.hpp"
#include "host/src/replacement.hpp"
#include "host/src/safetensors.hpp"

namespace attractor::detail {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are written as they lie in memory");

std::uint64_t size_of(const TensorView& tensor) { return byte_count(tensor.shape, tensor.type); }

SafetensorsHeader make_header(const Metadata& metadata, const std::vector<TensorView>& tensors) {
  SafetensorsHeader header{.metadata = metadata, .tensors = {}};
  std::uint64_t offset = 0;
  for (const TensorView& tensor : tensors) {
    const std::uint64_t end = offset + size_of(tensor);
    header.tensors[tensor.name] = {
        .type = std::string(name_of(tensor.type)), .shape = tensor.shape, .begin = offset, .end = end};
    offset = end;
  }
  const auto add_elements = [&](Checksum& sum, const std::string& name) {
    for (const TensorView& tensor : tensors)
      if (tensor.name == name) sum.add(tensor.data, size_of(tensor));
  };
  header.metadata[checksum_name] = checksum_of(header, add_elements);
  return header;
}

/// The JSON of a header, padded so that the tensors are aligned.
std::string padded_json(const SafetensorsHeader& header) {
  std::string text = to_json(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const Metadata& metadata,
                       const std::vector<TensorView>& tensors) {
  const std::string header = padded_json(make_header(metadata, tensors));
  const std::uint64_t length = header.size();
  Replacement file(path);
  file.write(&length, sizeof(length));
  file.write(header.data(), length);
  for (const TensorView& tensor : tensors) file.write(tensor.data, size_of(tensor));
  file.replace();
}

}  // namespace attractor::detail
