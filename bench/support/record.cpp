#include "bench/support/record.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <fstream>
#include <stdexcept>
#include <string_view>

namespace attractor::bench {
namespace {

/// Seven digits: more than any measurement here holds.
std::string number_text(double value) {
  std::array<char, 32> text{};
  char* const end = std::to_chars(text.begin(), text.end(), value, std::chars_format::general, 7).ptr;
  return {text.data(), end};
}

std::string quoted(std::string_view text, std::string_view escaped_quote) {
  std::string result = "\"";
  for (const char character : text) {
    if (character == '"')
      result += escaped_quote;
    else
      result += character;
  }
  return result + '"';
}

/// A value in the syntax that CSV and JSON share; each adds its own words for strings and unknown values.
struct ValueText {
  std::string_view unknown;
  std::string_view escaped_quote;

  std::string operator()(std::monostate /*value*/) const { return std::string(unknown); }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const {
    return std::isfinite(value) ? number_text(value) : std::string(unknown);
  }
  std::string operator()(const std::string& value) const { return quoted(value, escaped_quote); }
};

void write_object(std::ostream& out, const Record& record) {
  const char* separator = "{";
  for (const auto& [name, value] : record) {
    out << separator << '"' << name << "\": " << std::visit(ValueText{"null", "\\\""}, value);
    separator = ", ";
  }
  out << '}';
}

void write_list(std::ostream& out, const std::vector<Record>& records) {
  const char* separator = "[\n    ";
  for (const Record& record : records) {
    out << separator;
    write_object(out, record);
    separator = ",\n    ";
  }
  out << (records.empty() ? "[]" : "\n  ]");
}

std::ofstream open(const std::filesystem::path& path) {
  std::ofstream out(path);
  if (!out) throw std::runtime_error("can't write " + path.string());
  return out;
}

void finish(std::ofstream& out, const std::filesystem::path& path) {
  out.close();
  if (!out) throw std::runtime_error("writing " + path.string() + " failed");
}

}  // namespace

void write_csv(const std::filesystem::path& path, const std::vector<Record>& records) {
  std::ofstream out = open(path);
  if (!records.empty()) {
    const char* separator = "";
    for (const auto& [name, value] : records.front()) out << std::exchange(separator, ",") << name;
    out << '\n';
  }
  for (const Record& record : records) {
    const char* separator = "";
    for (const auto& [name, value] : record)
      out << std::exchange(separator, ",") << std::visit(ValueText{"", "\"\""}, value);
    out << '\n';
  }
  finish(out, path);
}

void write_json(const std::filesystem::path& path, const Record& context,
                const std::vector<std::pair<std::string, std::vector<Record>>>& lists) {
  std::ofstream out = open(path);
  out << "{\n  \"context\": ";
  write_object(out, context);
  for (const auto& [name, records] : lists) {
    out << ",\n  \"" << name << "\": ";
    write_list(out, records);
  }
  out << "\n}\n";
  finish(out, path);
}

}  // namespace attractor::bench
