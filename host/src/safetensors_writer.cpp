#include <bit>

#include "host/src/replacement.hpp"
#include "host/src/safetensors.hpp"

namespace attractor::detail {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are written as they lie in memory");

/// The JSON of the header, padded so that the tensors are aligned.
std::string make_header(const Metadata& metadata, const std::vector<TensorView>& tensors) {
  SafetensorsHeader header{.metadata = metadata, .tensors = {}};
  std::uint64_t offset = 0;
  for (const TensorView& tensor : tensors) {
    const std::uint64_t end = offset + byte_count(tensor.shape, tensor.elements);
    header.tensors[tensor.name] = {
        .type = std::string(dtype_of(tensor.elements)), .shape = tensor.shape, .begin = offset, .end = end};
    offset = end;
  }
  std::string text = to_json(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const Metadata& metadata,
                       const std::vector<TensorView>& tensors) {
  const std::string header = make_header(metadata, tensors);
  const std::uint64_t length = header.size();
  Replacement file(path);
  file.write(&length, sizeof(length));
  file.write(header.data(), length);
  for (const TensorView& tensor : tensors) file.write(tensor.data, byte_count(tensor.shape, tensor.elements));
  file.replace();
}

}  // namespace attractor::detail
