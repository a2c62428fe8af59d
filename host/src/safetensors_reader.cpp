#include <algorithm>
#include <bit>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>

#include <attractor/error.hpp>

#include "core/stored_elements.hpp"
#include "host/src/checksum.hpp"
#include "host/src/safetensors.hpp"

namespace attractor::detail {
namespace {

using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little, "tensors are read as they lie in memory");

constexpr std::uint64_t length_size = 8;

/// As the format's own library.
constexpr std::uint64_t longest_header = 100'000'000;

/// Parses JSON in which no object has a key twice.
Json parse_json(const std::string& text) {
  std::vector<std::set<std::string>> keys;
  const auto check_keys = [&](int /*depth*/, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second)
      throw FileError("the key " + value.dump() + " occurs twice");
    return true;
  };
  return Json::parse(text, check_keys);
}

const Json& member(const Json& object, const std::string& key) {
  const auto found = object.find(key);
  if (found == object.end()) throw FileError("there is no " + key);
  return *found;
}

/// An array of whole numbers that an Index can hold.
std::vector<Index> sizes(const Json& array, const std::string& what) {
  if (!array.is_array()) throw FileError(what + " isn't an array");
  std::vector<Index> result;
  for (const Json& value : array) {
    constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<Index>::max());
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > largest)
      throw FileError(what + " has something other than whole numbers");
    result.push_back(value.get<Index>());
  }
  return result;
}

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
    parse(header);
  } catch (const Json::exception& json) {
    fail(std::string("has a header that isn't JSON: ") + json.what());
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

void SafetensorsReader::parse(const std::string& header) {
  const Json json = parse_json(header);
  if (!json.is_object()) throw FileError("it isn't an object");
  for (const auto& [name, value] : json.items()) {
    if (!value.is_object()) throw FileError(name + " isn't an object");
    if (name == "__metadata__") {
      for (const auto& [key, text] : value.items()) {
        if (!text.is_string()) throw FileError("the metadata " + key + " isn't a string");
        metadata_[key] = text.get<std::string>();
      }
      continue;
    }
    const Json& type = member(value, "dtype");
    if (!type.is_string()) throw FileError("the dtype of " + name + " isn't a string");
    const std::vector<Index> offsets = sizes(member(value, "data_offsets"), "data_offsets of " + name);
    if (offsets.size() != 2 || offsets[0] > offsets[1])
      throw FileError("data_offsets of " + name + " aren't a begin and an end");
    entries_[name] = {.type = type.get<std::string>(),
                      .shape = sizes(member(value, "shape"), "the shape of " + name),
                      .begin = static_cast<std::uint64_t>(offsets[0]),
                      .end = static_cast<std::uint64_t>(offsets[1])};
  }
}

void SafetensorsReader::check_layout(std::uint64_t data_size) const {
  std::vector<const Entry*> order;
  for (const auto& [name, entry] : entries_) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) {
    return a->begin != b->begin ? a->begin < b->begin : a->end < b->end;
  });
  std::uint64_t end = 0;
  for (const Entry* const entry : order) {
    if (entry->begin != end) fail("has tensors that overlap or leave a gap at byte " + std::to_string(end));
    end = entry->end;
  }
  if (end != data_size)
    fail("has " + std::to_string(data_size) + " bytes of tensors; its header tells of " + std::to_string(end));
}

std::string SafetensorsReader::checksum() {
  Checksum sum;
  for (const auto& [key, text] : metadata_) {
    if (key == checksum_name) continue;
    sum.add(key);
    sum.add(text);
  }
  std::vector<char> bytes(std::size_t{1} << 20U);
  for (const auto& [name, entry] : entries_) {
    sum.add_tensor(name, entry.type, entry.shape);
    file_.seekg(static_cast<std::streamoff>(data_begin_ + entry.begin));
    for (std::uint64_t left = entry.end - entry.begin; left > 0;) {
      const std::uint64_t count = std::min<std::uint64_t>(left, bytes.size());
      if (!file_.read(bytes.data(), static_cast<std::streamsize>(count))) fail("can't be read");
      sum.add(bytes.data(), count);
      left -= count;
    }
  }
  return sum.digits();
}

void SafetensorsReader::check_contents() {
  const auto claimed = metadata_.find(checksum_name);
  if (claimed == metadata_.end()) return;
  const std::string actual = checksum();
  if (actual == claimed->second) return;
  fail("holds something else than was saved: its checksum is " + actual + ", and it says " + claimed->second +
       "; it is damaged, or was changed and kept the old checksum");
}

const SafetensorsReader::Entry& SafetensorsReader::find(const std::string& name, bool (*is_wanted)(TensorType),
                                                        const char* types) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) fail("has no tensor " + name);
  const Entry& entry = found->second;
  const std::optional<TensorType> type = type_named(entry.type);
  if (!type || !is_wanted(*type)) fail("has the tensor " + name + " as " + entry.type + "; it must be " + types);
  const std::uint64_t size = entry.end - entry.begin;
  if (byte_count(entry.shape, *type) != size)
    fail("has " + std::to_string(size) + " bytes of the tensor " + name + ", which don't make its shape");
  return entry;
}

template <class T>
std::vector<T> SafetensorsReader::read_elements(const Entry& entry) {
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
  const Entry& entry = find(name, is_float, "F32, F16 or BF16");
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
  const Entry& entry = find(
      name, [](TensorType type) { return type == TensorType::i64; }, "I64");
  if (entry.shape.size() != 1)
    fail("has the tensor " + name + " with " + std::to_string(entry.shape.size()) + " dimensions; it must have 1");
  return read_elements<std::int64_t>(entry);
}

}  // namespace attractor::detail
