#include "kernels/cpu/matrix_unit/byte_products.hpp"

#include <algorithm>
#include <cstring>

#include <attractor/export.h>

#include "kernels/cpu/matrix_unit/tile_permission.hpp"

#if ATTRACTOR_HAS_AMX
#include <immintrin.h>
#endif

namespace attractor::cpu {

namespace {

const std::int8_t* rows_of(const ByteProduct& product, Index block, Index step) {
  return product.rows + (block * product.steps + step) * byte_block;
}

const std::int32_t* columns_of(const ByteProduct& product, Index block, Index step) {
  return product.columns + (block * product.steps + step) * word_block;
}

std::int32_t* sums_of(const ByteProduct& product, Index row_block, Index column_block) {
  return product.to + (row_block * product.stride + column_block) * byte_rows;
}

/// Adds a step's products of a row to a row of sums, by columns of bytes of this type.
template <class Byte>
void add_row(const std::int8_t* row, const std::int32_t* columns, std::int32_t* sums) {
  for (Index k = 0; k < byte_entries; ++k)
    for (Index j = 0; j < byte_rows; ++j)
      sums[j] += std::int32_t{row[k]} * static_cast<Byte>(columns[byte_rows * (k / 4) + j] >> 8 * (k % 4));
}

template <class Byte>
void multiply_plainly(const ByteProduct& product) {
  for (Index row_block = 0; row_block < product.row_blocks; ++row_block)
    for (Index column_block = 0; column_block < product.column_blocks; ++column_block)
      for (Index i = 0; i < byte_rows; ++i) {
        std::int32_t* const sums = sums_of(product, row_block, column_block) + i * product.stride;
        std::fill_n(sums, byte_rows, 0);
        for (Index step = 0; step < product.steps; ++step)
          add_row<Byte>(rows_of(product, row_block, step) + i * byte_entries, columns_of(product, column_block, step),
                        sums);
      }
}

const std::uint8_t* weights_of(const WeightProduct& product, Index i, Index digit) {
  return product.weights + (i * weight_digits + digit) * byte_block;
}

const std::int32_t* words_of(const WeightProduct& product, Index i, Index block) {
  return product.words + (Index{product.chunks[i]} * product.neuron_blocks + block) * word_block;
}

std::int32_t* sums_of(const WeightProduct& product, Index block, Index digit) {
  return product.to + (block * weight_digits + digit) * byte_rows * byte_rows;
}

/// The same, by a lane's row of digits.
void add_row(const std::uint8_t* row, const std::int32_t* columns, std::int32_t* sums) {
  for (Index k = 0; k < byte_entries; ++k)
    for (Index j = 0; j < byte_rows; ++j)
      sums[j] += std::int32_t{row[k]} * static_cast<std::int8_t>(columns[byte_rows * (k / 4) + j] >> 8 * (k % 4));
}

void multiply_plainly(const WeightProduct& product) {
  for (Index block = 0; block < product.neuron_blocks; ++block)
    for (Index digit = 0; digit < weight_digits; ++digit) {
      std::int32_t* const sums = sums_of(product, block, digit);
      std::fill_n(sums, byte_rows * byte_rows, 0);
      for (Index i = 0; i < product.count; ++i)
        for (Index lane = 0; lane < byte_rows; ++lane)
          add_row(weights_of(product, i, digit) + lane * byte_entries, words_of(product, i, block),
                  sums + lane * byte_rows);
    }
}

void multiply_plainly(const ByteProduct& product) {
  if (product.unsigned_columns)
    multiply_plainly<std::uint8_t>(product);
  else
    multiply_plainly<std::int8_t>(product);
}

#if ATTRACTOR_HAS_AMX

#define ATTRACTOR_VNNI [[gnu::target("avx512f,avx512vnni")]]
#define ATTRACTOR_AMX [[gnu::target("amx-tile,amx-int8")]]

/// What VNNI multiplies with signed bytes has no sign: 128 more than it should be where it has one, which is taken off
/// before.
constexpr std::int32_t excess = 128;

/// The sums of half a block of rows by so many blocks of columns: sixteen of them, or eight.
template <Index column_blocks>
ATTRACTOR_VNNI void add_half(const ByteProduct& product, Index row_block, Index half, Index column_block) {
  constexpr Index rows = byte_rows / 2;
  const Index first = half * rows;
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(product.unsigned_columns ? 0 : -128));
  __m512i sums[std::size_t{rows}][std::size_t{column_blocks}];
#pragma GCC unroll 8
  for (Index i = 0; i < rows; ++i)
    for (auto& sum : sums[i])
      sum = product.unsigned_columns ? _mm512_setzero_si512()
                                     : _mm512_set1_epi32(-excess * product.row_sums[row_block * byte_rows + first + i]);
  for (Index step = 0; step < product.steps; ++step) {
    const std::int8_t* const row = rows_of(product, row_block, step) + first * byte_entries;
    for (Index k = 0; k < byte_entries; k += 4) {
      __m512i columns[std::size_t{column_blocks}];
      for (Index c = 0; c < column_blocks; ++c)
        columns[c] =
            _mm512_xor_si512(_mm512_loadu_si512(columns_of(product, column_block + c, step) + k / 4 * byte_rows), flip);
#pragma GCC unroll 8
      for (Index i = 0; i < rows; ++i) {
        std::int32_t four = 0;
        std::memcpy(&four, row + i * byte_entries + k, sizeof four);
        for (Index c = 0; c < column_blocks; ++c)
          sums[i][c] = _mm512_dpbusd_epi32(sums[i][c], columns[c], _mm512_set1_epi32(four));
      }
    }
  }
  std::int32_t* const to = sums_of(product, row_block, column_block) + first * product.stride;
#pragma GCC unroll 8
  for (Index i = 0; i < rows; ++i)
    for (Index c = 0; c < column_blocks; ++c) _mm512_storeu_si512(to + i * product.stride + c * byte_rows, sums[i][c]);
}

void multiply_by_vectors(const ByteProduct& product) {
  for (Index row_block = 0; row_block < product.row_blocks; ++row_block)
    for (Index half = 0; half < 2; ++half) {
      Index column_block = 0;
      for (; column_block + 2 <= product.column_blocks; column_block += 2)
        add_half<2>(product, row_block, half, column_block);
      if (column_block < product.column_blocks) add_half<1>(product, row_block, half, column_block);
    }
}

ATTRACTOR_VNNI void multiply_by_vectors(const WeightProduct& product) {
  for (Index block = 0; block < product.neuron_blocks; ++block)
    for (Index digit = 0; digit < weight_digits; ++digit) {
      __m512i sums[std::size_t{byte_rows}];
#pragma GCC unroll 16
      for (Index lane = 0; lane < byte_rows; ++lane) sums[lane] = _mm512_setzero_si512();
      for (Index i = 0; i < product.count; ++i)
        for (Index k = 0; k < byte_entries; k += 4) {
          const __m512i columns = _mm512_loadu_si512(words_of(product, i, block) + k / 4 * byte_rows);
          const std::uint8_t* const rows = weights_of(product, i, digit) + k;
#pragma GCC unroll 16
          for (Index lane = 0; lane < byte_rows; ++lane) {
            std::int32_t four = 0;
            std::memcpy(&four, rows + lane * byte_entries, sizeof four);
            sums[lane] = _mm512_dpbusd_epi32(sums[lane], _mm512_set1_epi32(four), columns);
          }
        }
      std::int32_t* const to = sums_of(product, block, digit);
#pragma GCC unroll 16
      for (Index lane = 0; lane < byte_rows; ++lane) _mm512_storeu_si512(to + lane * byte_rows, sums[lane]);
    }
}

constexpr std::size_t block_stride = byte_entries;

/// Fetches two blocks that lie side by side.
void fetch_blocks(const void* blocks) {
  for (Index i = 0; i < 2 * byte_block; i += byte_entries) __builtin_prefetch(static_cast<const char*>(blocks) + i);
}

/// Two digits by two blocks of neurons.
ATTRACTOR_AMX void add_digits(const WeightProduct& product, Index block, Index digit) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (Index i = 0; i < product.count; ++i) {
    if (i + 1 < product.count) {
      fetch_blocks(weights_of(product, i + 1, digit));
      fetch_blocks(words_of(product, i + 1, block));
    }
    _tile_loadd(4, weights_of(product, i, digit), block_stride);
    _tile_loadd(6, words_of(product, i, block), block_stride);
    _tile_dpbusd(0, 4, 6);
    _tile_loadd(5, weights_of(product, i, digit + 1), block_stride);
    _tile_dpbusd(1, 5, 6);
    _tile_loadd(7, words_of(product, i, block + 1), block_stride);
    _tile_dpbusd(2, 4, 7);
    _tile_dpbusd(3, 5, 7);
  }
  _tile_stored(0, sums_of(product, block, digit), block_stride);
  _tile_stored(1, sums_of(product, block, digit + 1), block_stride);
  _tile_stored(2, sums_of(product, block + 1, digit), block_stride);
  _tile_stored(3, sums_of(product, block + 1, digit + 1), block_stride);
}

ATTRACTOR_AMX void multiply_by_tiles(const WeightProduct& product) {
  _tile_loadconfig(&tile_configuration);
  for (Index digit = 0; digit < weight_digits; digit += 2)
    for (Index block = 0; block < product.neuron_blocks; block += 2) add_digits(product, block, digit);
  _tile_release();
}

/// Adds the products of tiles of signed rows and of columns with or without signs.
#define ATTRACTOR_ADD_TILE(sums, rows, columns) \
  if constexpr (unsigned_columns)               \
    _tile_dpbsud(sums, rows, columns);          \
  else                                          \
    _tile_dpbssd(sums, rows, columns)

/// The sums of up to two blocks of rows by up to two of columns.
template <bool unsigned_columns, Index row_blocks, Index column_blocks>
ATTRACTOR_AMX void add_tiles(const ByteProduct& product, Index row_block, Index column_block) {
  _tile_zero(0);
  if constexpr (column_blocks > 1) _tile_zero(1);
  if constexpr (row_blocks > 1) _tile_zero(2);
  if constexpr (row_blocks > 1 && column_blocks > 1) _tile_zero(3);
  for (Index step = 0; step < product.steps; ++step) {
    _tile_loadd(4, rows_of(product, row_block, step), block_stride);
    _tile_loadd(6, columns_of(product, column_block, step), block_stride);
    ATTRACTOR_ADD_TILE(0, 4, 6);
    if constexpr (row_blocks > 1) {
      _tile_loadd(5, rows_of(product, row_block + 1, step), block_stride);
      ATTRACTOR_ADD_TILE(2, 5, 6);
    }
    if constexpr (column_blocks > 1) {
      _tile_loadd(7, columns_of(product, column_block + 1, step), block_stride);
      ATTRACTOR_ADD_TILE(1, 4, 7);
      if constexpr (row_blocks > 1) {
        ATTRACTOR_ADD_TILE(3, 5, 7);
      }
    }
  }
  const std::size_t stride = static_cast<std::size_t>(product.stride) * sizeof(std::int32_t);
  _tile_stored(0, sums_of(product, row_block, column_block), stride);
  if constexpr (column_blocks > 1) _tile_stored(1, sums_of(product, row_block, column_block + 1), stride);
  if constexpr (row_blocks > 1) _tile_stored(2, sums_of(product, row_block + 1, column_block), stride);
  if constexpr (row_blocks > 1 && column_blocks > 1)
    _tile_stored(3, sums_of(product, row_block + 1, column_block + 1), stride);
}

#undef ATTRACTOR_ADD_TILE

template <bool unsigned_columns, Index row_blocks>
ATTRACTOR_AMX void add_rows(const ByteProduct& product, Index row_block) {
  Index column_block = 0;
  for (; column_block + 2 <= product.column_blocks; column_block += 2)
    add_tiles<unsigned_columns, row_blocks, 2>(product, row_block, column_block);
  if (column_block < product.column_blocks)
    add_tiles<unsigned_columns, row_blocks, 1>(product, row_block, column_block);
}

template <bool unsigned_columns>
ATTRACTOR_AMX void add_all_rows(const ByteProduct& product) {
  Index row_block = 0;
  for (; row_block + 2 <= product.row_blocks; row_block += 2) add_rows<unsigned_columns, 2>(product, row_block);
  if (row_block < product.row_blocks) add_rows<unsigned_columns, 1>(product, row_block);
}

ATTRACTOR_AMX void multiply_by_tiles(const ByteProduct& product) {
  _tile_loadconfig(&tile_configuration);
  if (product.unsigned_columns)
    add_all_rows<true>(product);
  else
    add_all_rows<false>(product);
  _tile_release();
}

bool has_vnni() { return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni"); }

#else

bool has_vnni() { return false; }
template <class Product>
void multiply_by_vectors(const Product& product) {
  multiply_plainly(product);
}
template <class Product>
void multiply_by_tiles(const Product& product) {
  multiply_plainly(product);
}

#endif

template <class Product>
void multiply_by_unit(const Product& product) {
  switch (byte_unit()) {
    case ByteUnit::tiles: return multiply_by_tiles(product);
    case ByteUnit::vectors: return multiply_by_vectors(product);
    default: return multiply_plainly(product);
  }
}

}  // namespace

ATTRACTOR_EXPORT ByteUnit best_byte_unit() {
  static const bool tiles = may_use_tiles(tiles_of_bytes);
  if (tiles) return ByteUnit::tiles;
  return has_vnni() ? ByteUnit::vectors : ByteUnit::none;
}

ATTRACTOR_EXPORT ByteUnit& byte_unit() {
  static ByteUnit unit = best_byte_unit();
  return unit;
}

ATTRACTOR_EXPORT void multiply(const ByteProduct& product) { multiply_by_unit(product); }

void multiply(const WeightProduct& product) { multiply_by_unit(product); }

}  // namespace attractor::cpu
