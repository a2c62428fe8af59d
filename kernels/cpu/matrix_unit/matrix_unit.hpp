#pragma once

/// Products of small matrices of bfloat16 with sums in float: Intel's AMX, where the processor and the system have it.
/// A float is the sum of three bfloat16 parts: three such products make that of floats by what bfloat16 holds.

#include <cstdint>

#include <attractor/matrix.hpp>

namespace attractor::cpu {

/// What makes the products: nothing (kernels use vectors), the processor, or plain code that does the same operations.
enum class MatrixUnit { none, emulated, processor };

/// The one in use: the processor's where there is one. Only tests and benchmarks write it, while nothing runs.
MatrixUnit& matrix_unit();

/// Operands lie in blocks of so many rows of so many bfloat16, that of columns in pairs: its element (i, 2j + b) is
/// entry 2i + b of column j.
inline constexpr Index unit_rows = 16;
inline constexpr Index unit_entries = 32;
inline constexpr Index unit_block = unit_rows * unit_entries;

/// Blocks of a span: the sums of a span of rows by one of columns fill half of the unit's registers.
inline constexpr Index unit_blocks = 2;
inline constexpr Index unit_span = unit_blocks * unit_rows;

/// Parts that make any float.
inline constexpr int float_parts = 3;

/// to[i · stride + j] = Σ_k row i's k-th entry times column j's, `steps` times unit_entries of them.
struct UnitProduct {
  const std::uint16_t* rows;     ///< [spans][row_steps][unit_blocks] blocks
  const std::uint16_t* columns;  ///< [spans][steps][float_parts][unit_blocks] blocks
  Index row_steps;               ///< of the rows, of which these are the first
  Index steps;
  Index row_blocks;     ///< that are wanted of the spans, the last of which may be half a span
  Index column_blocks;  ///< the same
  float* to;
  Index stride;
  bool adds = false;  ///< to what is there, the sums of the steps before
};

/// By the unit in use. The order of a sum is the same whatever else is asked for: a step after the other, of each the
/// small parts first.
void multiply(const UnitProduct& product);

/// Patterns whose products with a lane lie side by side in a LaneProduct, in blocks of unit_rows.
inline constexpr Index lane_chunk = 64;
inline constexpr Index chunk_blocks = lane_chunk / unit_rows;

/// The same sums with lanes as rows, of which there are up to `lane_rows`: to[c][i][j] is that of lane i and pattern j
/// of chunk c.
struct LaneProduct {
  const std::uint16_t* lanes;     ///< [lane_blocks][steps][float_parts] blocks of rows
  const std::uint16_t* patterns;  ///< [chunks][steps][chunk_blocks] blocks of columns
  Index steps;
  Index lane_blocks;
  Index chunks;
  Index following;  ///< chunks behind these that are asked for next
  float* to;        ///< [chunks × lane_rows × lane_chunk]

  static constexpr Index lane_rows = 64;
};

/// By the unit in use. The bits are those of a UnitProduct of the same operands.
void multiply(const LaneProduct& product);

}  // namespace attractor::cpu
