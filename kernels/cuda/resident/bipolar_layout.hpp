#pragma once

/// How the integer kernel divides a block's shared memory, and where it has neurons and patterns.
///
/// A warp works on 32 states of ±1 at a time; lane 4g + t has of states g, g + 8, g + 16 and g + 24 every fourth four
/// neurons. Their 32 bits of each 128 neurons, 1 for −1, are a word; bit 8b + k of it is what byte b of operand k of a
/// product of bytes takes. All that a lane writes of states and scores it reads itself.

#include <attractor/host_device.hpp>

namespace attractor::cuda::bipolar {

inline constexpr int warp_states = 32;
inline constexpr int lane_states = 4;
inline constexpr int block_neurons = 128;   ///< of a word of each lane of a quad
inline constexpr int group_patterns = 32;   ///< of a product's depth
inline constexpr int fragment_bytes = 512;  ///< 16 of each lane: the right operands of two products
inline constexpr int group_fragments = 8;   ///< of a group of patterns at a block of neurons
inline constexpr int most_warps = 12;       ///< with 168 registers a thread
inline constexpr int most_neurons = 8191;   ///< 4 times a score has two bytes
inline constexpr int product_unit = 8;      ///< what scores come times, before half of them is taken away

/// Sizes, and where each part starts, in bytes.
struct Layout {
  int dimension = 0;
  int patterns = 0;
  int blocks = 0;  ///< of 128 neurons
  int groups = 0;  ///< of 32 patterns
  int digits = 0;  ///< of a score, in base 256
  int shift = 0;   ///< digits are those of −4 scores >> shift
  int warps = 0;   ///< of a block of threads

  int readouts = 0;     ///< fragments, after those for scores
  int starts = 0;       ///< [padded patterns] int: what sums of scores start from
  int image_bytes = 0;  ///< so far the memory; after it each warp has its own
  int warp_bytes = 0;
  int changes = 0;  ///< of a warp, after its states: what the last step changed
  int clamps = 0;   ///< likewise, neurons that keep their value
  int scores = 0;   ///< likewise, [groups, digits, 2]: left operands of readouts
  int bytes = 0;
};

/// The neuron of 128 that a lane with t = lane mod 4 has in a bit of its word.
ATTRACTOR_HOST_DEVICE constexpr int neuron_of(int t, int bit) {
  return bit % 16 / 4 * 32 + bit / 16 * 16 + 4 * t + bit % 4;
}

/// The pattern of 32 that such a lane has in byte i of the first or second operand along the depth.
ATTRACTOR_HOST_DEVICE constexpr int pattern_of(int t, int operand, int i) {
  return 16 * operand + i / 2 * 8 + 2 * t + i % 2;
}

}  // namespace attractor::cuda::bipolar
