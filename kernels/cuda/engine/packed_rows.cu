#include "kernels/cuda/engine/packed_rows.hpp"

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/device/launch.hpp"

namespace attractor::cuda {
namespace {

constexpr int threads = 128;
constexpr Index most_blocks = 1 << 14;

/// Calls visit(row) for each row that a block has.
template <class Visit>
__device__ void for_each_row(Index rows, ListedRows listed, Visit&& visit) {
  const Index count = listed.count == nullptr ? rows : Index{*listed.count};
  for (Index i = blockIdx.x; i < count; i += gridDim.x) visit(listed.rows == nullptr ? i : Index{listed.rows[i]});
}

__global__ void __launch_bounds__(threads) unpack_rows(PackedQueries from, MatrixView<float> to, ListedRows listed) {
  for_each_row(to.rows, listed, [&](Index i) {
    const auto* const numbers = reinterpret_cast<const std::int8_t*>(from.row(i));
    for (Index k = threadIdx.x; k < to.columns; k += threads) {
      const bool is_positive =
          (static_cast<unsigned>(from.row(i)[k / 8 * (from.format == RowFormat::bits)]) << k % 8 & 128U) != 0;
      to.row(i)[k] = from.format == RowFormat::int8 ? static_cast<float>(numbers[k]) : is_positive ? 1.0F : -1.0F;
    }
  });
}

/// Of eight neurons from k on; 0 past the last.
__device__ unsigned byte_of(const float* row, Index k, Index columns) {
  unsigned byte = 0;
  for (Index i = k; i < min(k + 8, columns); ++i) byte |= row[i] > 0.0F ? 128U >> (i - k) : 0U;
  return byte;
}

__global__ void __launch_bounds__(threads) pack_rows(MatrixView<const float> from, PackedStates to, ListedRows listed) {
  for_each_row(from.rows, listed, [&](Index i) {
    const float* const row = from.row(i);
    if (to.format == RowFormat::bits) {
      for (Index k = threadIdx.x * 8; k < from.columns; k += threads * 8)
        to.row(i)[k / 8] = static_cast<std::byte>(byte_of(row, k, from.columns));
    } else {
      for (Index k = threadIdx.x; k < from.columns; k += threads)
        to.row(i)[k] = static_cast<std::byte>(isnan(row[k]) ? 0 : static_cast<int>(row[k]));
    }
  });
}

Grid grid_for(Index rows) { return {static_cast<unsigned>(std::min(rows, most_blocks)), threads}; }

}  // namespace

void launch_unpack(const PackedQueries& from, MatrixView<float> to, ListedRows listed, cudaStream_t stream) {
  if (from.data == nullptr || to.empty()) return;
  launch_kernel("unpack_rows", unpack_rows, grid_for(to.rows), stream, from, to, listed);
}

void launch_pack(MatrixView<const float> from, const PackedStates& to, ListedRows listed, cudaStream_t stream) {
  if (to.data == nullptr || from.empty()) return;
  launch_kernel("pack_rows", pack_rows, grid_for(from.rows), stream, from, to, listed);
}

}  // namespace attractor::cuda
