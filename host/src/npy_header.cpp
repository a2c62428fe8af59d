#include "host/src/npy_header.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <attractor/error.hpp>

namespace attractor::detail {
namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::size_t alignment = 64;  // As NumPy writes them.

struct TypeName {
  ElementType type;
  std::string_view in_files;
  std::string_view name;
};
constexpr std::array<TypeName, 8> types = {{{ElementType::float64, "<f8", "float64"},
                                            {ElementType::float32, "<f4", "float32"},
                                            {ElementType::float16, "<f2", "float16"},
                                            {ElementType::int64, "<i8", "int64"},
                                            {ElementType::int32, "<i4", "int32"},
                                            {ElementType::int8, "|i1", "int8"},
                                            {ElementType::uint8, "|u1", "uint8"},
                                            {ElementType::boolean, "|b1", "bool"}}};

std::string_view as_text(std::span<const std::byte> bytes) {
  return {static_cast<const char*>(static_cast<const void*>(bytes.data())), bytes.size()};
}

/// Reads the dictionary of a header, a literal of Python: strings, False and True, and tuples of whole numbers.
class LiteralReader {
 public:
  explicit LiteralReader(std::string_view text) : rest_(text) {}

  /// Takes a sign that must come next.
  void expect(char sign) {
    if (!take(sign)) fail();
  }
  bool take(char sign) {
    skip_spaces();
    if (rest_.empty() || rest_.front() != sign) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::string_view string() {
    skip_spaces();
    const char quote = rest_.empty() ? '\0' : rest_.front();
    if (quote != '\'' && quote != '"') fail();
    const std::size_t end = rest_.find(quote, 1);
    if (end == std::string_view::npos) fail();
    const std::string_view result = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return result;
  }

  bool boolean() {
    skip_spaces();
    for (const auto& [word, value] : {std::pair{std::string_view("False"), false}, {"True", true}})
      if (rest_.starts_with(word)) {
        rest_.remove_prefix(word.size());
        return value;
      }
    fail();
  }

  std::vector<Index> tuple() {
    std::vector<Index> result;
    expect('(');
    while (!take(')')) {
      result.push_back(number());
      if (!take(',')) {
        expect(')');
        break;
      }
    }
    return result;
  }

  [[nodiscard]] bool at_end() {
    skip_spaces();
    return rest_.empty();
  }

  [[noreturn]] static void fail() { throw InvalidArgument("has a header that isn't NumPy's"); }

 private:
  void skip_spaces() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size())); }

  Index number() {
    skip_spaces();
    Index result = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), result);
    if (error != std::errc() || result < 0) fail();
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return result;
  }

  std::string_view rest_;
};

ElementType type_named(std::string_view name) {
  std::string known;
  for (const TypeName& type : types) {
    if (type.in_files == name) return type.type;
    known.append(known.empty() ? "" : ", ").append(type.in_files);
  }
  throw InvalidArgument(
      std::string("has elements of type ").append(name).append("; what can be read is ").append(known));
}

NpyHeader read_dictionary(std::string_view text) {
  LiteralReader literal(text);
  std::optional<ElementType> type;
  std::optional<bool> by_columns;
  std::optional<std::vector<Index>> shape;
  literal.expect('{');
  while (!literal.take('}')) {
    const std::string_view key = literal.string();
    literal.expect(':');
    if (key == "descr" && !type)
      type = type_named(literal.string());
    else if (key == "fortran_order" && !by_columns)
      by_columns = literal.boolean();
    else if (key == "shape" && !shape)
      shape = literal.tuple();
    else
      LiteralReader::fail();
    if (!literal.take(',')) {
      literal.expect('}');
      break;
    }
  }
  if (!type || !by_columns || !shape || !literal.at_end()) LiteralReader::fail();
  if (shape->empty() || shape->size() > 2)
    throw InvalidArgument("has an array of " + std::to_string(shape->size()) + " dimensions; it must have one or two");
  if (*by_columns && shape->size() == 2 && (*shape)[0] > 1 && (*shape)[1] > 1)
    throw InvalidArgument("has an array in Fortran's order; save numpy.ascontiguousarray of it");
  if (shape->size() == 2 && (*shape)[1] == 0) throw InvalidArgument("has an array without columns");
  return {.type = *type, .rows = (*shape)[0], .columns = shape->size() == 2 ? (*shape)[1] : 0};
}

}  // namespace

std::uint64_t data_size(const NpyHeader& header) {
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<Index>::max());
  const std::uint64_t row = static_cast<std::uint64_t>(std::max(header.columns, Index{1})) * size_of(header.type);
  const auto rows = static_cast<std::uint64_t>(header.rows);
  if (static_cast<std::uint64_t>(std::max(header.columns, Index{1})) > most / size_of(header.type) ||
      (rows > 0 && row > most / rows))
    throw InvalidArgument("has an array of " + std::to_string(header.rows) + " × " + std::to_string(header.columns) +
                          " elements, which no file holds");
  return rows * row;
}

NpyHeader read_npy_header(std::span<const std::byte> file) {
  const std::string_view text = as_text(file);
  if (!text.starts_with(magic) || text.size() < magic.size() + 4) throw InvalidArgument("isn't a file of NumPy's");
  const auto byte = [&](std::size_t i) { return static_cast<std::uint64_t>(file[i]); };
  const std::uint64_t version = byte(magic.size());
  if (version < 1 || version > 3)
    throw InvalidArgument("is a file of NumPy's in version " + std::to_string(version) + "; 1 to 3 can be read");
  const std::size_t length_size = version == 1 ? 2 : 4;
  const std::size_t begin = magic.size() + 2 + length_size;
  if (text.size() < begin) LiteralReader::fail();
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < length_size; ++i) length |= byte(magic.size() + 2 + i) << (8 * i);
  if (length > text.size() - begin) LiteralReader::fail();
  NpyHeader header = read_dictionary(text.substr(begin, length));
  header.data_begin = begin + length;
  const std::uint64_t expected = data_size(header);
  if (file.size() - header.data_begin != expected)
    throw InvalidArgument("has " + std::to_string(file.size() - header.data_begin) +
                          " bytes of elements; its shape takes " + std::to_string(expected));
  return header;
}

std::string make_npy_header(NpyHeader& header) {
  const auto* const found =
      std::find_if(types.begin(), types.end(), [&](const TypeName& type) { return type.type == header.type; });
  std::string text = "{'descr': '";
  text.append(found->in_files)
      .append("', 'fortran_order': False, 'shape': (")
      .append(std::to_string(header.rows))
      .append(",");
  if (header.columns > 0) text.append(" ").append(std::to_string(header.columns));
  text.append("), }");
  const std::size_t begin = magic.size() + 4;
  // A line that ends where the elements begin.
  text.resize((begin + text.size() + 1 + alignment - 1) / alignment * alignment - begin, ' ');
  text.back() = '\n';
  header.data_begin = begin + text.size();
  std::string result(magic);
  result.append({'\x01', '\x00', static_cast<char>(text.size() & 0xffU), static_cast<char>(text.size() >> 8U)});
  return result.append(text);
}

}  // namespace attractor::detail

namespace attractor {

std::string_view to_string(ElementType type) {
  for (const detail::TypeName& known : detail::types)
    if (known.type == type) return known.name;
  return "unknown";
}

}  // namespace attractor
