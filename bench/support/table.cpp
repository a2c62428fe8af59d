#include "bench/support/table.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ostream>

namespace attractor::bench {
namespace {

/// Code points of UTF-8 text: every byte that doesn't continue one.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xC0) != 0x80; }));
}

}  // namespace

void Table::print(std::ostream& out) const {
  std::vector<std::size_t> widths(rows_.front().size(), 0);
  for (const auto& row : rows_)
    for (std::size_t j = 0; j < row.size(); ++j) widths[j] = std::max(widths[j], width(row[j]));
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t j = 0; j < row.size(); ++j) {
      if (j == 0) {
        line += padded(row[j], widths[j]);
      } else {
        line.append(2 + widths[j] - width(row[j]), ' ');
        line += row[j];
      }
    }
    out << line << '\n';
  }
}

std::string padded(const std::string& text, std::size_t characters) {
  return text + std::string(characters - std::min(characters, width(text)), ' ');
}

std::string decimal(double value, int digits) {
  std::array<char, 400> text{};  // the largest double has 309 digits before the point
  char* const end = std::to_chars(text.begin(), text.end(), value, std::chars_format::fixed, digits).ptr;
  return {text.data(), end};
}

std::string percent(double share, int digits) { return decimal(100.0 * share, digits); }

std::string grouped(double value) {
  std::string text = decimal(std::round(value), 0);
  for (std::ptrdiff_t i = std::ssize(text) - 3; i > (value < 0 ? 1 : 0); i -= 3)
    text.insert(static_cast<std::size_t>(i), 1, ',');
  return text;
}

}  // namespace attractor::bench
