#include "bench/support/unifont.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <random>
#include <set>
#include <stdexcept>
#include <string_view>

namespace attractor::bench {
namespace {

constexpr std::size_t narrow_digits = 32;
constexpr std::size_t wide_digits = 64;

template <class Number>
bool parse_hexadecimal(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return error == std::errc{} && end == text.data() + text.size();
}

/// Sets the ink of a bitmap of hexadecimal digits; false where it is malformed.
bool draw(std::string_view digits, float* pixels) {
  if (digits.size() != narrow_digits && digits.size() != wide_digits) return false;
  std::fill_n(pixels, glyph_pixels, -1.0F);
  const auto width = static_cast<Index>(digits.size()) / 4;
  const Index margin = (glyph_side - width) / 2;
  const auto digits_per_row = static_cast<std::size_t>(width / 4);
  for (Index y = 0; y < glyph_side; ++y) {
    unsigned bits = 0;
    if (!parse_hexadecimal(digits.substr(static_cast<std::size_t>(y) * digits_per_row, digits_per_row), bits))
      return false;
    for (Index x = 0; x < width; ++x)
      if (((bits >> (width - 1 - x)) & 1U) != 0) pixels[y * glyph_side + margin + x] = 1.0F;
  }
  return true;
}

std::vector<std::string> read_lines(const std::filesystem::path& path) {
  std::ifstream in(path);
  if (!in) throw std::runtime_error("can't read " + path.string() + " (Debian: package unifont)");
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) lines.push_back(line);
  return lines;
}

GlyphSet select(const GlyphSet& glyphs, const std::vector<Index>& indices) {
  GlyphSet result{{}, Matrix<float>(std::ssize(indices), glyph_pixels)};
  for (const Index i : indices) {
    std::copy_n(glyphs.pixels.row(i), glyph_pixels, result.pixels.row(std::ssize(result.code_points)));
    result.code_points.push_back(glyphs.code_points[static_cast<std::size_t>(i)]);
  }
  return result;
}

std::vector<Index> distinct(const GlyphSet& glyphs, char32_t first, char32_t last) {
  std::vector<Index> indices;
  std::set<std::vector<float>> seen;
  for (Index i = 0; i < glyphs.pixels.rows(); ++i) {
    const char32_t code_point = glyphs.code_points[static_cast<std::size_t>(i)];
    const float* pixels = glyphs.pixels.row(i);
    if (first <= code_point && code_point <= last && seen.emplace(pixels, pixels + glyph_pixels).second)
      indices.push_back(i);
  }
  return indices;
}

}  // namespace

GlyphSet read_unifont(const std::filesystem::path& path) {
  const std::vector<std::string> lines = read_lines(path);
  GlyphSet glyphs{{}, Matrix<float>(std::ssize(lines), glyph_pixels)};
  for (const std::string_view line : lines) {
    const std::size_t colon = std::min(line.find(':'), line.size() - 1);
    std::uint32_t code_point = 0;
    if (!parse_hexadecimal(line.substr(0, colon), code_point) ||
        !draw(line.substr(colon + 1), glyphs.pixels.row(std::ssize(glyphs.code_points))))
      throw std::runtime_error(path.string() + ": '" + std::string(line) + "' is no glyph");
    glyphs.code_points.push_back(code_point);
  }
  return glyphs;
}

GlyphSet distinct_glyphs(const GlyphSet& glyphs, char32_t first, char32_t last) {
  return select(glyphs, distinct(glyphs, first, last));
}

GlyphSet choose_glyphs(const GlyphSet& glyphs, char32_t first, char32_t last, Index count, Index seed) {
  const std::vector<Index> candidates = distinct(glyphs, first, last);
  if (count > std::ssize(candidates))
    throw std::runtime_error("the font has only " + std::to_string(candidates.size()) +
                             " different glyphs there, not " + std::to_string(count));
  std::mt19937_64 random(static_cast<std::uint64_t>(seed));
  std::vector<Index> chosen;
  std::sample(candidates.begin(), candidates.end(), std::back_inserter(chosen), count, random);
  return select(glyphs, chosen);
}

std::string utf8(char32_t code_point) {
  const auto tail = [code_point](unsigned shift) { return static_cast<char>(0x80U | ((code_point >> shift) & 0x3FU)); };
  if (code_point < 0x80) return {static_cast<char>(code_point)};
  if (code_point < 0x800) return {static_cast<char>(0xC0U | (code_point >> 6U)), tail(0)};
  if (code_point < 0x10000) return {static_cast<char>(0xE0U | (code_point >> 12U)), tail(6), tail(0)};
  return {static_cast<char>(0xF0U | (code_point >> 18U)), tail(12), tail(6), tail(0)};
}

std::string picture_row(const std::vector<const float*>& glyphs) {
  static constexpr std::array<const char*, 4> halves = {" ", "▄", "▀", "█"};
  std::string text;
  for (Index y = 0; y < glyph_side; y += 2) {
    for (const float* glyph : glyphs) {
      text += "  ";
      for (Index x = 0; x < glyph_side; ++x) {
        const bool upper = glyph[y * glyph_side + x] > 0.0F;
        const bool lower = glyph[(y + 1) * glyph_side + x] > 0.0F;
        text += halves[(upper ? 2U : 0U) + (lower ? 1U : 0U)];
      }
    }
    text += '\n';
  }
  return text;
}

}  // namespace attractor::bench
