#pragma once

/// How the resident kernel divides a block's shared memory.
///
/// A state is a column of the state matrix [neurons × slots]; its rows are the neurons of the query in the order of
/// `row_of`, padded to a multiple of 64. The four columns of a chunk lie together, and chunk c of a row is stored as
/// chunk c ^ (row's class): then eight lanes that read eight chunks of one row, and 32 lanes that read eight classes of
/// four columns, both touch every bank once.

#include <attractor/host_device.hpp>

namespace attractor::cuda::resident {

enum class Form : unsigned char { factored, dense };
enum class Storage : unsigned char { single, half };

inline constexpr int warp_lanes = 32;
inline constexpr int tile_rows = 8;       ///< of a thread's register tile: patterns or neurons
inline constexpr int row_classes = 8;     ///< neurons k with the same k % 8 are neighbours
inline constexpr int chunk_slots = 4;     ///< columns moved by one vector instruction
inline constexpr int pass_patterns = 32;  ///< most patterns scored at a time
inline constexpr int slot_bytes = 48;     ///< of the slot table, for each slot
inline constexpr int block_bytes = 32;    ///< of what a block's threads share beside the slots

/// A bit for each slot.
using SlotMask = unsigned long long;  // NOLINT(google-runtime-int): the type of CUDA's bit functions

/// Where the state matrix keeps neuron k of `neurons`, padding included.
ATTRACTOR_HOST_DEVICE constexpr int row_of(int k, int neurons) {
  return k % row_classes * (neurons / row_classes) + k / row_classes;
}

/// Sizes, and where each part starts, in bytes.
struct Layout {
  Form form = Form::factored;
  Storage storage = Storage::single;
  int threads = 0;
  int slots = 0;       ///< queries in flight
  int dimension = 0;   ///< of the memory
  int neurons = 0;     ///< dimension, padded
  int rows = 0;        ///< of the memory's matrix: patterns or neurons, padded
  int row_stride = 0;  ///< of the memory's matrix, in elements
  int slices = 0;      ///< factored: partial sums kept of each score

  int diagonal = 0;        ///< [neurons] float, negative; before it, the memory's matrix
  int image_bytes = 0;     ///< matrix and diagonal
  int states = 0;          ///< [neurons × slots] float
  int scores = 0;          ///< [rows × sum_stride] float
  int partial_scores = 0;  ///< [patterns of a pass, slices − 1, sum_stride] float
  int energy_sums = 0;     ///< [row_threads × sum_stride] float
  int change_sums = 0;     ///< as energy_sums
  int masks = 0;           ///< [neurons / 8 × slots], a bit for each neuron that keeps its state
  int changes = 0;         ///< as masks, a bit for each neuron that the last step changed; where cycles are detected
  int slot_table = 0;
  int bytes = 0;
};

/// Threads that share the final sums over a slot.
ATTRACTOR_HOST_DEVICE constexpr int sum_threads(int threads, int slots) { return threads / slots; }

/// Slots whose sums one warp finishes.
ATTRACTOR_HOST_DEVICE constexpr int warp_slots(int threads, int slots) {
  return warp_lanes / sum_threads(threads, slots);
}

/// Between rows of sums, so that eight rows of four columns fall into different banks.
ATTRACTOR_HOST_DEVICE constexpr int sum_stride(int slots) { return slots + chunk_slots; }

/// Threads that work on different rows of the same columns; each leaves one sum.
ATTRACTOR_HOST_DEVICE constexpr int row_threads(int threads) { return threads / row_classes; }

ATTRACTOR_HOST_DEVICE constexpr int smaller(int a, int b) { return a < b ? a : b; }

/// Patterns scored at a time.
ATTRACTOR_HOST_DEVICE constexpr int patterns_of_pass(const Layout& layout) {
  return smaller(layout.rows, pass_patterns);
}

/// Groups of threads that share the neurons of a score.
ATTRACTOR_HOST_DEVICE constexpr int score_groups(const Layout& layout) {
  return row_threads(layout.threads) / (patterns_of_pass(layout) / tile_rows);
}

}  // namespace attractor::cuda::resident
