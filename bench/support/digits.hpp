#pragma once

/// Handwritten digits, as scikit-learn ships them.

#include <filesystem>

#include <attractor/matrix.hpp>

namespace attractor::bench {

inline constexpr Index digit_pixels = 64;

/// Reads digits.csv: a line for each image of 8×8 pixels from 0 to 16, row by row from the top, and what it shows.
/// @return [images × 64], pixels from 0 to 1.
/// @throws std::runtime_error unreadable file or a line of another form.
Matrix<float> read_digits(const std::filesystem::path& path);

}  // namespace attractor::bench
