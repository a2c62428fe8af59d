#include "kernels/cuda/resident/resident_fit.hpp"

namespace attractor::cuda::resident {
namespace {

int element_bytes(Storage storage) { return storage == Storage::single ? 4 : 2; }

int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

/// Gives the parts of shared memory their places.
void place(Layout& layout) {
  const int stride = sum_stride(layout.slots);
  const int sums = row_threads(layout.threads) * stride;
  int at = 0;
  const auto take = [&](int bytes) {
    const int start = at;
    at += round_up(bytes, 16);
    return start;
  };
  const bool factored = layout.form == Form::factored;
  take(layout.rows * layout.row_stride * element_bytes(layout.storage));
  layout.diagonal = take(factored ? layout.neurons * 4 : 0);
  layout.image_bytes = at;
  layout.states = take(layout.neurons * layout.slots * 4);
  layout.scores = take(factored ? layout.rows * stride * 4 : 0);
  layout.partial_scores = take((layout.slices - 1) * patterns_of_pass(layout) * stride * 4);
  layout.energy_sums = take(sums * 4);
  layout.change_sums = take(sums * 4);
  layout.masks = take(layout.neurons / tile_rows * layout.slots);
  layout.changes = take(layout.neurons / tile_rows * layout.slots);
  layout.slot_table = take(layout.slots * slot_bytes + block_bytes);
  layout.bytes = at;
}

/// 8, 16, 32, or a multiple of 32.
int padded_patterns(Index patterns) {
  const int count = static_cast<int>(patterns);
  if (count <= 8) return 8;
  return count <= 16 ? 16 : round_up(count, pass_patterns);
}

/// A row or column count beyond what any shared memory holds; up to it, sizes in bytes are within int's range.
constexpr Index most_rows = 4096;

/// A dense readout stays in the registers of a block.
constexpr Index most_dense_rows = 256;

bool is_far_too_large(const StoredMatrix& matrix) { return matrix.rows > most_rows || matrix.columns > most_rows; }

Layout make_layout(const StoredMatrix& matrix, int slots) {
  Layout layout{
      .form = matrix.form, .storage = matrix.storage, .slots = slots, .dimension = static_cast<int>(matrix.columns)};
  layout.neurons = round_up(layout.dimension, 64);
  // 16 bytes apart: the rows that a warp reads at a time fall into different banks.
  layout.row_stride = layout.neurons + 16 / element_bytes(matrix.storage);
  const bool factored = matrix.form == Form::factored;
  layout.threads = factored ? 128 : layout.neurons <= 128 ? layout.neurons : 256;
  layout.rows = factored ? padded_patterns(matrix.rows) : layout.neurons;
  layout.slices = factored ? score_groups(layout) : 1;
  return layout;
}

/// With room for two blocks on a multiprocessor, so that one works while the other waits: fewer partial sums, which
/// come together in more turns, make room. Else for one; empty where not even that fits.
std::optional<Layout> fit_slices(Layout layout, const SharedMemoryLimits& limits) {
  std::optional<Layout> fits;
  for (;; layout.slices /= 2) {
    place(layout);
    const bool fits_block = layout.bytes <= limits.of_block;
    if (!fits && fits_block) fits = layout;
    if (fits_block && 2 * (layout.bytes + limits.reserved) <= limits.of_multiprocessor) return layout;
    if (layout.slices == 1) return fits;
  }
}

}  // namespace

std::optional<Layout> fit_layout(const StoredMatrix& matrix, const SharedMemoryLimits& limits) {
  if (is_far_too_large(matrix)) return std::nullopt;
  if (matrix.form == Form::dense && matrix.rows > most_dense_rows) return std::nullopt;
  for (const int slots : {64, 32}) {
    const std::optional<Layout> layout = fit_slices(make_layout(matrix, slots), limits);
    if (layout) return layout;
  }
  return std::nullopt;
}

Index least_bytes(const StoredMatrix& matrix) {
  if (is_far_too_large(matrix)) return matrix.rows * matrix.columns * element_bytes(matrix.storage);
  Layout layout = make_layout(matrix, 32);
  layout.slices = 1;
  place(layout);
  return layout.bytes;
}

}  // namespace attractor::cuda::resident
