#include <algorithm>
#include <bit>

#include <attractor/error.hpp>

#include "core/stored_elements.hpp"
#include "host/src/checksum.hpp"
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

void SafetensorsReader::add_elements(Checksum& sum, const TensorEntry& entry) {
  std::vector<char> bytes(std::min<std::uint64_t>(entry.end - entry.begin, std::uint64_t{1} << 20U));
  file_.seekg(static_cast<std::streamoff>(data_begin_ + entry.begin));
  for (std::uint64_t left = entry.end - entry.begin; left > 0;) {
    const std::uint64_t count = std::min<std::uint64_t>(left, bytes.size());
    if (!file_.read(bytes.data(), static_cast<std::streamsize>(count))) fail("can't be read");
    sum.add(bytes.data(), count);
    left -= count;
  }
}

void SafetensorsReader::check_contents() {
  const auto claimed = header_.metadata.find(checksum_name);
  if (claimed == header_.metadata.end()) return;
  const auto add = [&](Checksum& sum, const std::string& name) { add_elements(sum, header_.tensors.at(name)); };
  const std::string actual = checksum_of(header_, add);
  if (actual == claimed->second) return;
  fail("holds something else than was saved: its checksum is " + actual + ", and it says " + claimed->second +
       "; it is damaged, or was changed and kept the old checksum");
}

const TensorEntry& SafetensorsReader::find(const std::string& name, bool (*is_wanted)(TensorType),
                                           const char* wanted) const {
  const auto found = header_.tensors.find(name);
  if (found == header_.tensors.end()) fail("has no tensor " + name);
  const TensorEntry& entry = found->second;
  const std::optional<TensorType> type = type_named(entry.type);
  if (!type || !is_wanted(*type)) fail("has the tensor " + name + " as " + entry.type + "; it must be " + wanted);
  const std::uint64_t size = entry.end - entry.begin;
  if (byte_count(entry.shape, *type) != size)
    fail("has " + std::to_string(size) + " bytes of the tensor " + name + ", which don't make its shape");
  return entry;
}

template <class T>
std::vector<T> SafetensorsReader::read_elements(const TensorEntry& entry) {
  const std::uint64_t size = entry.end - entry.begin;
  std::vector<T> result(size / sizeof(T));
  file_.seekg(static_cast<std::streamoff>(data_begin_ + entry.begin));
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes are what files have
  file_.read(reinterpret_cast<char*>(result.data()), static_cast<std::streamsize>(size));
  if (!file_) fail("can't be read");
  return result;
}

Tensor SafetensorsReader::read(const std::string& name) {
  const auto is_float = [](TensorType type) { return type != TensorType::i64; };
  const TensorEntry& entry = find(name, is_float, "F32, F16 or BF16");
  if (entry.type == name_of(TensorType::f32)) return {.shape = entry.shape, .values = read_elements<float>(entry)};
  const PatternStorage storage =
      entry.type == name_of(TensorType::f16) ? PatternStorage::float16 : PatternStorage::bfloat16;
  const std::vector<std::uint16_t> halves = read_elements<std::uint16_t>(entry);
  Tensor tensor{.shape = entry.shape, .values = std::vector<float>(halves.size())};
  std::transform(halves.begin(), halves.end(), tensor.values.begin(),
                 [&](std::uint16_t bits) { return decode(storage, bits); });
  return tensor;
}

std::vector<std::int64_t> SafetensorsReader::read_integers(const std::string& name) {
  const TensorEntry& entry = find(
      name, [](TensorType type) { return type == TensorType::i64; }, "I64");
  if (entry.shape.size() != 1)
    fail("has the tensor " + name + " with " + std::to_string(entry.shape.size()) + " dimensions; it must have 1");
  return read_elements<std::int64_t>(entry);
}

}  // namespace attractor::detail
