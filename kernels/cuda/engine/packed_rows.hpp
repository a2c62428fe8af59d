#pragma once

/// Queries and states in int8 or bits, in device memory, and as the floats that they stand for.

#include <cuda_runtime_api.h>

#include <attractor/host_device.hpp>
#include <attractor/matrix_view.hpp>

namespace attractor::cuda {

enum class RowFormat : unsigned char { int8, bits };

/// Rows of one of these formats. Without data: there are none, and all are floats.
template <class Byte>
struct PackedRows {
  Byte* data = nullptr;
  Index stride = 0;  ///< bytes from one row to the next
  RowFormat format = RowFormat::int8;

  [[nodiscard]] ATTRACTOR_HOST_DEVICE Byte* row(Index i) const { return data + i * stride; }
  [[nodiscard]] PackedRows from(Index first) const {
    return data == nullptr ? *this : PackedRows{row(first), stride, format};
  }
};

using PackedQueries = PackedRows<const std::byte>;
using PackedStates = PackedRows<std::byte>;

/// Some rows of a launch, by a kernel before. Null: all.
struct ListedRows {
  unsigned* rows = nullptr;
  unsigned* count = nullptr;
};

/// Writes the floats that rows stand for, if there are any.
void launch_unpack(const PackedQueries& from, MatrixView<float> to, ListedRows listed, cudaStream_t stream);

/// Writes rows of whole numbers in a format that holds them, unless they stay floats. What is no number becomes 0 in
/// int8 and −1 in bits.
void launch_pack(MatrixView<const float> from, const PackedStates& to, ListedRows listed, cudaStream_t stream);

}  // namespace attractor::cuda
