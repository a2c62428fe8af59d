#pragma once

/// Glyphs of GNU Unifont as bipolar patterns, and as pictures in the terminal.

#include <filesystem>
#include <string>
#include <vector>

#include <attractor/matrix.hpp>

namespace attractor::bench {

inline constexpr Index glyph_side = 16;
inline constexpr Index glyph_pixels = glyph_side * glyph_side;

/// Where Debian's package `unifont` puts the glyphs.
inline constexpr const char* default_unifont = "/usr/share/unifont/unifont.hex";

/// Glyphs with their code points, in the file's order.
struct GlyphSet {
  std::vector<char32_t> code_points;
  Matrix<float> pixels;  ///< [glyphs × 256]: +1 ink, −1 paper, row by row from the top
};

/// Reads a .hex file: "CODE:BITS" with 32 hexadecimal digits (8 pixels wide, centred here) or 64 (16 wide).
/// @throws std::runtime_error unreadable file or a line of another form.
GlyphSet read_unifont(const std::filesystem::path& path);

/// The different bitmaps with code points in [first, last], each under its first code point.
GlyphSet distinct_glyphs(const GlyphSet& glyphs, char32_t first, char32_t last);

/// `count` different bitmaps with code points in [first, last], chosen at random by `seed`, in code-point order.
/// @throws std::runtime_error too few different glyphs.
GlyphSet choose_glyphs(const GlyphSet& glyphs, char32_t first, char32_t last, Index count, Index seed);

/// The code point as UTF-8 text.
std::string utf8(char32_t code_point);

/// One row of glyphs side by side, two pixels in each character, ink where a pixel is positive.
std::string picture_row(const std::vector<const float*>& glyphs);

}  // namespace attractor::bench
