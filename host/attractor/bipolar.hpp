#pragma once

/// Patterns of 0 and 1 for memories whose states are ±1, and states of ±1 as packed bits.

#include <cstdint>

#include <attractor/export.h>
#include <attractor/bit_matrix.hpp>
#include <attractor/matrix.hpp>

namespace attractor {

/// 2x − 1: patterns and queries of 0 and 1 as the ±1 that linear memories with sign updates expect.
///
/// @param binary [B × D] on the host.
/// @throws InvalidArgument null data, a stride below D, or a value that is neither 0 nor 1. Complexity: O(BD).
ATTRACTOR_EXPORT Matrix<float> to_bipolar(MatrixView<const float> binary);

/// The way back: 1 where a state is above 0, else 0.
///
/// @param bipolar [B × D] on the host.
/// @throws InvalidArgument null data, a stride below D, or a value that is NaN. Complexity: O(BD).
ATTRACTOR_EXPORT Matrix<float> to_binary(MatrixView<const float> bipolar);

/// States of ±1 as packed bits, 1 for +1.
///
/// @param bipolar [B × D] on the host.
/// @throws InvalidArgument null data, a stride below D, or a value that is neither −1 nor 1. Complexity: O(BD).
ATTRACTOR_EXPORT BitMatrix to_bits(MatrixView<const float> bipolar);

/// The way back: 1 where a bit is set, else −1.
///
/// @param bits [B × D] on the host.
/// @throws InvalidArgument null data, or a stride below the bytes of D bits. Complexity: O(BD).
ATTRACTOR_EXPORT Matrix<float> from_bits(BitView<const std::uint8_t> bits);

}  // namespace attractor
