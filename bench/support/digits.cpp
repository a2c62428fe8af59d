#include "bench/support/digits.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace attractor::bench {
namespace {

/// The number before the next comma or the end, which it takes off the line; false where there is none.
bool take_number(std::string_view& line, float& value) {
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (error != std::errc{}) return false;
  line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  if (line.empty()) return true;
  const bool comma = line.front() == ',';
  line.remove_prefix(1);
  return comma;
}

/// The image of a line is added to `pixels`; false where the line is malformed.
bool take_image(std::string_view line, std::vector<float>& pixels) {
  for (Index k = 0; k < digit_pixels; ++k) {
    float value = 0.0F;
    if (!take_number(line, value) || value < 0.0F || value > 16.0F) return false;
    pixels.push_back(value / 16.0F);
  }
  float shown = 0.0F;
  return take_number(line, shown) && line.empty();
}

}  // namespace

Matrix<float> read_digits(const std::filesystem::path& path) {
  std::ifstream in(path);
  if (!in) throw std::runtime_error("can't read " + path.string() + " (Debian: package python3-sklearn)");
  std::vector<float> pixels;
  for (std::string line; std::getline(in, line);)
    if (!take_image(line, pixels)) throw std::runtime_error(path.string() + ": '" + line + "' is no digit");
  if (pixels.empty()) throw std::runtime_error(path.string() + " has no digits");
  Matrix<float> result(std::ssize(pixels) / digit_pixels, digit_pixels);
  std::copy(pixels.begin(), pixels.end(), result.data());
  return result;
}

}  // namespace attractor::bench
