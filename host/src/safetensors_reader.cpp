#include <algorithm>
#include <bit>

#include <attractor/error.hpp>

#include "core/stored_elements.hpp"
#include "host/src/safetensors.hpp"

namespace attractor::detail {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are read as they lie in memory");

constexpr std::uint64_t length_size = 8;

/// As the format's own library.
constexpr std::uint64_t longest_header = 100'000'000;

}  // namespace

SafetensorsReader::SafetensorsReader(const std::filesystem::path& path)
    : name_(path.string()), file_(path, std::ios::binary) {
  if (!file_) fail("can't be opened");
  // The size of the file that is open: another may take its name meanwhile.
  const std::streamoff size = file_.seekg(0, std::ios::end).tellg();
  if (size < 0 || !file_.seekg(0)) fail("can't be read");
  file_size_ = static_cast<std::uint64_t>(size);
  const std::string header = read_header();
  try {
    header_ = parse_header(header);
  } catch (const FileError& wrong) {
    fail(std::string("has a wrong header: ") + wrong.what());
  }
  check_layout(file_size_ - data_begin_);
}

void SafetensorsReader::fail(const std::string& what) const { throw FileError(name_ + " " + what); }

std::string SafetensorsReader::read_header() {
  std::uint64_t length = 0;
  if (file_size_ < length_size) fail("has " + std::to_string(file_size_) + " bytes; the length alone takes 8");
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes are what files have
  if (!file_.read(reinterpret_cast<char*>(&length), length_size)) fail("can't be read");
  if (length > std::min(file_size_ - length_size, longest_header))
    fail("claims a header of " + std::to_string(length) + " bytes; the file has " + std::to_string(file_size_));
  data_begin_ = length_size + length;
  std::string header(length, '\0');
  if (!file_.read(header.data(), static_cast<std::streamsize>(length))) fail("can't be read");
  return header;
}

void SafetensorsReader::check_layout(std::uint64_t data_size) const {
  std::vector<const TensorEntry*> order;
  for (const auto& [name, entry] : header_.tensors) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const TensorEntry* a, const TensorEntry* b) {
    return a->begin != b->begin ? a->begin < b->begin : a->end < b->end;
  });
  std::uint64_t end = 0;
  for (const TensorEntry* const entry : order) {
    if (entry->begin != end) fail("has tensors that overlap or leave a gap at byte " + std::to_string(end));
    end = entry->end;
  }
  if (end != data_size)
    fail("has " + std::to_string(data_size) + " bytes of tensors; its header tells of " + std::to_string(end));
}

template <class T>
std::vector<T> SafetensorsReader::read_elements(std::uint64_t size) {
  std::vector<T> result(size / sizeof(T));
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes are what files have
  file_.read(reinterpret_cast<char*>(result.data()), static_cast<std::streamsize>(size));
  if (!file_) fail("can't be read");
  return result;
}

Tensor SafetensorsReader::read(const std::string& name) {
  const auto found = header_.tensors.find(name);
  if (found == header_.tensors.end()) fail("has no tensor " + name);
  const TensorEntry& entry = found->second;
  const std::optional<PatternStorage> elements = elements_of(entry.type);
  if (!elements) fail("has the tensor " + name + " as " + entry.type + "; it must be F32, F16 or BF16");
  const std::uint64_t size = entry.end - entry.begin;
  if (byte_count(entry.shape, *elements) != size)
    fail("has " + std::to_string(size) + " bytes of the tensor " + name + ", which don't make its shape");
  file_.seekg(static_cast<std::streamoff>(data_begin_ + entry.begin));
  if (*elements == PatternStorage::float32) return {.shape = entry.shape, .values = read_elements<float>(size)};
  const std::vector<std::uint16_t> halves = read_elements<std::uint16_t>(size);
  Tensor tensor{.shape = entry.shape, .values = std::vector<float>(halves.size())};
  std::transform(halves.begin(), halves.end(), tensor.values.begin(),
                 [&](std::uint16_t bits) { return decode(*elements, bits); });
  return tensor;
}

}  // namespace attractor::detail
