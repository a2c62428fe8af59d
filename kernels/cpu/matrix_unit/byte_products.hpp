#pragma once

/// Products of small matrices of bytes with sums in integers, which are exact: by AMX or AVX-512's VNNI, where the
/// processor has them.

#include <cstdint>

#include <attractor/matrix.hpp>

namespace attractor::cpu {

/// What makes them: nothing (it doesn't pay), plain code, VNNI or AMX.
enum class ByteUnit { none, plain, vectors, tiles };

/// The fastest that this machine has; plain code is never chosen.
ByteUnit best_byte_unit();

/// The one in use. Only tests and benchmarks write it, while nothing runs.
ByteUnit& byte_unit();

/// Operands lie in blocks of so many rows or columns of so many bytes. Those of columns are words of four entries, the
/// first of which are the lowest bits: the entries from 4k on of column j are word byte_rows · k + j.
inline constexpr Index byte_rows = 16;
inline constexpr Index byte_entries = 64;
inline constexpr Index byte_block = byte_rows * byte_entries;
inline constexpr Index word_block = byte_block / 4;

/// Entries of which sums stay far from the ends of an integer's range.
inline constexpr Index most_byte_entries = 32768;

/// to[i · stride + j] = Σ_k row i's k-th entry times column j's, `steps` times byte_entries of them.
struct ByteProduct {
  const std::int8_t* rows;       ///< [row_blocks][steps] blocks
  const std::int32_t* row_sums;  ///< of the entries of each row; null where the columns have no sign
  const std::int32_t* columns;   ///< [column_blocks][steps] blocks
  Index steps;
  Index row_blocks;
  Index column_blocks;
  std::int32_t* to;
  Index stride;
  bool unsigned_columns = false;  ///< their bytes are 0 … 255
};

/// By the unit in use.
void multiply(const ByteProduct& product);

/// Bytes of a weight as an integer.
inline constexpr Index weight_digits = 4;

/// Sums of patterns, byte_entries of which are a chunk, times the digits of the weights of byte_rows lanes:
/// to[b][d][i][j] is that of digit d of lane i and neuron j of block b.
struct WeightProduct {
  const std::uint8_t* weights;  ///< [count][weight_digits] blocks of rows, without sign
  const std::int32_t* words;    ///< [chunks][neuron_blocks] blocks of columns
  const std::int32_t* chunks;   ///< [count] ones of the words, ascending, no more of them than keep sums in range
  Index count;
  Index neuron_blocks;  ///< even
  std::int32_t* to;     ///< [neuron_blocks][weight_digits][byte_rows × byte_rows]
};

/// By the unit in use.
void multiply(const WeightProduct& product);

}  // namespace attractor::cpu
