#include "kernels/cpu/matrix_unit/matrix_unit.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include <attractor/export.h>

#include "kernels/cpu/matrix_unit/tile_permission.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace attractor::cpu {

namespace {

/// The first block of a span's step.
const std::uint16_t* row_blocks_of(const UnitProduct& product, Index span, Index step) {
  return product.rows + (span * product.row_steps + step) * unit_blocks * unit_block;
}

/// The same of columns' parts.
const std::uint16_t* column_blocks_of(const UnitProduct& product, Index span, Index step, int part) {
  return product.columns + ((span * product.steps + step) * float_parts + part) * unit_blocks * unit_block;
}

float widened(std::uint32_t bits) { return std::bit_cast<float>(bits << 16U); }

/// The sums of a row and a block of columns.
using RowSums = float[unit_rows];

/// sums + Σ a·b as AMX makes them: two chains of multiply-adds, of even and of odd entries, whose sum is added. But for
/// denormal numbers, which AMX takes and makes 0.
void add_products(const std::uint16_t* row, const std::uint16_t* columns, RowSums& sums) {
  RowSums even = {};
  RowSums odd = {};
  for (Index i = 0; i < unit_rows; ++i) {
    std::uint32_t pairs[unit_rows];
    std::memcpy(pairs, columns + unit_entries * i, sizeof pairs);
    const float first = widened(row[2 * i]);
    const float second = widened(row[2 * i + 1]);
    for (Index j = 0; j < unit_rows; ++j) {
      even[j] = std::fma(first, widened(pairs[j]), even[j]);
      odd[j] = std::fma(second, widened(pairs[j] >> 16U), odd[j]);
    }
  }
  for (Index j = 0; j < unit_rows; ++j) sums[j] += even[j] + odd[j];
}

/// Those of row i; `add` is add_products or does the same.
template <class Add>
[[gnu::always_inline]] inline void emulate_row(const UnitProduct& product, Index i, Index column_block, Add add) {
  float* const to = product.to + i * product.stride + column_block * unit_rows;
  RowSums sums = {};
  if (product.adds) std::copy_n(to, unit_rows, sums);
  for (Index step = 0; step < product.steps; ++step)
    for (int part = float_parts - 1; part >= 0; --part)
      add(row_blocks_of(product, i / unit_span, step) + i % unit_span * unit_entries,
          column_blocks_of(product, column_block / unit_blocks, step, part) + column_block % unit_blocks * unit_block,
          sums);
  std::copy_n(sums, unit_rows, to);
}

template <class Add>
[[gnu::always_inline]] inline void emulate(const UnitProduct& product, Add add) {
  for (Index i = 0; i < product.row_blocks * unit_rows; ++i)
    for (Index column_block = 0; column_block < product.column_blocks; ++column_block)
      emulate_row(product, i, column_block, add);
}

const std::uint16_t* lanes_of(const LaneProduct& product, Index block, Index step, int part) {
  return product.lanes + ((block * product.steps + step) * float_parts + part) * unit_block;
}

const std::uint16_t* patterns_of(const LaneProduct& product, Index chunk, Index step, Index block) {
  return product.patterns + ((chunk * product.steps + step) * chunk_blocks + block) * unit_block;
}

/// Those of lane i and a chunk's block of patterns.
float* sums_of(const LaneProduct& product, Index chunk, Index i, Index block) {
  return product.to + (chunk * LaneProduct::lane_rows + i) * lane_chunk + block * unit_rows;
}

template <class Add>
[[gnu::always_inline]] inline void emulate(const LaneProduct& product, Add add) {
  for (Index chunk = 0; chunk < product.chunks; ++chunk)
    for (Index i = 0; i < product.lane_blocks * unit_rows; ++i)
      for (Index block = 0; block < chunk_blocks; ++block) {
        RowSums sums = {};
        for (Index step = 0; step < product.steps; ++step)
          for (int part = float_parts - 1; part >= 0; --part)
            add(lanes_of(product, i / unit_rows, step, part) + i % unit_rows * unit_entries,
                patterns_of(product, chunk, step, block), sums);
        std::copy_n(sums, unit_rows, sums_of(product, chunk, i, block));
      }
}

#if defined(__x86_64__)
#define ATTRACTOR_AVX2 [[gnu::target("avx2,fma")]]

/// By intrinsics: what compilers, and sanitizers above all, make of the loops takes them up to a hundred times as long.
ATTRACTOR_AVX2 void add_products_by_vectors(const std::uint16_t* row, const std::uint16_t* columns, RowSums& sums) {
  constexpr Index vector_rows = 8;
  constexpr Index vectors = unit_rows / vector_rows;
  const __m256 upper_halves = _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(0xFFFF0000U)));
  __m256 even[vectors] = {};
  __m256 odd[vectors] = {};
  for (Index i = 0; i < unit_rows; ++i) {
    const __m256 first = _mm256_set1_ps(widened(row[2 * i]));
    const __m256 second = _mm256_set1_ps(widened(row[2 * i + 1]));
    for (Index v = 0; v < vectors; ++v) {
      const void* const from = columns + unit_entries * i + 2 * vector_rows * v;
      const __m256 pairs = _mm256_loadu_ps(static_cast<const float*>(from));
      const __m256 lower_halves = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(pairs), 16));
      even[v] = _mm256_fmadd_ps(first, lower_halves, even[v]);
      odd[v] = _mm256_fmadd_ps(second, _mm256_and_ps(pairs, upper_halves), odd[v]);
    }
  }
  for (Index v = 0; v < vectors; ++v) {
    float* const to = sums + vector_rows * v;
    _mm256_storeu_ps(to, _mm256_add_ps(_mm256_loadu_ps(to), _mm256_add_ps(even[v], odd[v])));
  }
}

template <class Product>
ATTRACTOR_AVX2 void emulate_by_vectors(const Product& product) {
  emulate(product, add_products_by_vectors);
}

template <class Product>
void multiply_by_emulation(const Product& product) {
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    emulate_by_vectors(product);
  else
    emulate(product, add_products);
}
#else
template <class Product>
void multiply_by_emulation(const Product& product) {
  emulate(product, add_products);
}
#endif

#if ATTRACTOR_HAS_AMX

#define ATTRACTOR_AMX [[gnu::target("amx-tile,amx-bf16,xsave")]]

constexpr int row_stride = unit_entries * sizeof(std::uint16_t);

/// Steps, and spans of rows, that are multiplied at a time: their columns stay in the first-level cache while these
/// rows go by, and the rows until the next columns come.
constexpr Index chunk_steps = 4;
constexpr Index chunk_spans = 4;

struct Steps {
  Index first;
  Index end;
};

/// The sums of a span of rows by one of columns, in registers 0 … 3.
template <Index row_blocks, Index column_blocks>
ATTRACTOR_AMX inline void load_sums(const float* to, const float* below, std::size_t stride) {
  _tile_loadd(0, to, stride);
  if constexpr (column_blocks > 1) _tile_loadd(1, to + unit_rows, stride);
  if constexpr (row_blocks > 1) _tile_loadd(2, below, stride);
  if constexpr (row_blocks > 1 && column_blocks > 1) _tile_loadd(3, below + unit_rows, stride);
}

template <Index row_blocks, Index column_blocks>
ATTRACTOR_AMX inline void store_sums(float* to, float* below, std::size_t stride) {
  _tile_stored(0, to, stride);
  if constexpr (column_blocks > 1) _tile_stored(1, to + unit_rows, stride);
  if constexpr (row_blocks > 1) _tile_stored(2, below, stride);
  if constexpr (row_blocks > 1 && column_blocks > 1) _tile_stored(3, below + unit_rows, stride);
}

ATTRACTOR_AMX inline void clear_sums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

/// Adds one step's products by one part of the columns; the rows are in registers 4 and 5.
template <Index row_blocks, Index column_blocks>
ATTRACTOR_AMX inline void add_part(const std::uint16_t* columns) {
  _tile_loadd(6, columns, row_stride);
  _tile_dpbf16ps(0, 4, 6);
  if constexpr (row_blocks > 1) _tile_dpbf16ps(2, 5, 6);
  if constexpr (column_blocks > 1) {
    _tile_loadd(7, columns + unit_block, row_stride);
    _tile_dpbf16ps(1, 4, 7);
    if constexpr (row_blocks > 1) _tile_dpbf16ps(3, 5, 7);
  }
}

template <Index row_blocks, Index column_blocks>
ATTRACTOR_AMX inline void add_step(const std::uint16_t* rows, const std::uint16_t* columns) {
  _tile_loadd(4, rows, row_stride);
  if constexpr (row_blocks > 1) _tile_loadd(5, rows + unit_block, row_stride);
  for (int part = float_parts - 1; part >= 0; --part)
    add_part<row_blocks, column_blocks>(columns + Index{part} * unit_blocks * unit_block);
}

/// Goes on with the sums of a span of rows by one of columns for some steps.
template <Index row_blocks, Index column_blocks>
ATTRACTOR_AMX void add_steps(const UnitProduct& product, Index row, Index column, Steps steps) {
  float* const to = product.to + (row * product.stride + column) * unit_span;
  float* const below = to + unit_rows * product.stride;
  const auto stride = static_cast<std::size_t>(product.stride) * sizeof(float);
  if (steps.first == 0 && !product.adds)
    clear_sums();
  else
    load_sums<row_blocks, column_blocks>(to, below, stride);
  for (Index step = steps.first; step < steps.end; ++step)
    add_step<row_blocks, column_blocks>(row_blocks_of(product, row, step), column_blocks_of(product, column, step, 0));
  store_sums<row_blocks, column_blocks>(to, below, stride);
}

/// The same of two spans of rows by one block of columns: four sums keep the products from waiting for one another.
ATTRACTOR_AMX void add_tall_steps(const UnitProduct& product, Index row, Index column, Steps steps) {
  float* const to = product.to + (row * product.stride + column) * unit_span;
  const Index block = unit_rows * product.stride;
  const auto stride = static_cast<std::size_t>(product.stride) * sizeof(float);
  if (steps.first == 0 && !product.adds) {
    clear_sums();
  } else {
    _tile_loadd(0, to, stride);
    _tile_loadd(1, to + block, stride);
    _tile_loadd(2, to + 2 * block, stride);
    _tile_loadd(3, to + 3 * block, stride);
  }
  for (Index step = steps.first; step < steps.end; ++step) {
    const std::uint16_t* const upper = row_blocks_of(product, row, step);
    const std::uint16_t* const lower = row_blocks_of(product, row + 1, step);
    const std::uint16_t* const columns = column_blocks_of(product, column, step, 0);
    _tile_loadd(7, columns + 2 * unit_blocks * unit_block, row_stride);
    _tile_loadd(6, columns + unit_blocks * unit_block, row_stride);
    _tile_loadd(5, columns, row_stride);
    _tile_loadd(4, upper, row_stride);
    _tile_dpbf16ps(0, 4, 7);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(0, 4, 5);
    _tile_loadd(4, upper + unit_block, row_stride);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(1, 4, 6);
    _tile_dpbf16ps(1, 4, 5);
    _tile_loadd(4, lower, row_stride);
    _tile_dpbf16ps(2, 4, 7);
    _tile_dpbf16ps(2, 4, 6);
    _tile_dpbf16ps(2, 4, 5);
    _tile_loadd(4, lower + unit_block, row_stride);
    _tile_dpbf16ps(3, 4, 7);
    _tile_dpbf16ps(3, 4, 6);
    _tile_dpbf16ps(3, 4, 5);
  }
  _tile_stored(0, to, stride);
  _tile_stored(1, to + block, stride);
  _tile_stored(2, to + 2 * block, stride);
  _tile_stored(3, to + 3 * block, stride);
}

/// Some rows by a span of columns: `row_blocks` of them from a span's first on.
template <Index column_blocks>
ATTRACTOR_AMX void add_rows(const UnitProduct& product, Index row, Index row_blocks, Index column, Steps steps) {
  if constexpr (column_blocks == 1)
    for (; row_blocks >= 2 * unit_blocks; row += 2, row_blocks -= 2 * unit_blocks)
      add_tall_steps(product, row, column, steps);
  for (; row_blocks >= unit_blocks; ++row, row_blocks -= unit_blocks)
    add_steps<unit_blocks, column_blocks>(product, row, column, steps);
  if (row_blocks > 0) add_steps<1, column_blocks>(product, row, column, steps);
}

/// All columns pass a few rows, which stay in the first-level cache, before the next do.
ATTRACTOR_AMX void multiply_by_processor(const UnitProduct& product) {
  _tile_loadconfig(&tile_configuration);
  for (Index first = 0; first < product.steps; first += chunk_steps) {
    const Steps steps{first, std::min(first + chunk_steps, product.steps)};
    for (Index row = 0; row * unit_blocks < product.row_blocks; row += chunk_spans) {
      const Index row_blocks = std::min(product.row_blocks - row * unit_blocks, chunk_spans * unit_blocks);
      Index column = 0;
      for (; (column + 1) * unit_blocks <= product.column_blocks; ++column)
        add_rows<unit_blocks>(product, row, row_blocks, column, steps);
      if (column * unit_blocks < product.column_blocks) add_rows<1>(product, row, row_blocks, column, steps);
    }
  }
  _tile_release();
}

constexpr int chunk_stride = lane_chunk * sizeof(float);

/// The sums of one or two blocks of lanes and two of patterns.
template <Index lane_blocks>
ATTRACTOR_AMX inline void add_lanes(const LaneProduct& product, Index chunk, Index lane_block, Index block) {
  clear_sums();
  for (Index step = 0; step < product.steps; ++step) {
    const std::uint16_t* const patterns = patterns_of(product, chunk, step, block);
    _tile_loadd(4, patterns, row_stride);
    _tile_loadd(5, patterns + unit_block, row_stride);
    for (int part = float_parts - 1; part >= 0; --part) {
      _tile_loadd(6, lanes_of(product, lane_block, step, part), row_stride);
      _tile_dpbf16ps(0, 6, 4);
      _tile_dpbf16ps(1, 6, 5);
      if constexpr (lane_blocks > 1) {
        _tile_loadd(7, lanes_of(product, lane_block + 1, step, part), row_stride);
        _tile_dpbf16ps(2, 7, 4);
        _tile_dpbf16ps(3, 7, 5);
      }
    }
  }
  float* const to = sums_of(product, chunk, lane_block * unit_rows, block);
  _tile_stored(0, to, chunk_stride);
  _tile_stored(1, to + unit_rows, chunk_stride);
  if constexpr (lane_blocks > 1) {
    _tile_stored(2, to + unit_rows * lane_chunk, chunk_stride);
    _tile_stored(3, to + unit_rows * lane_chunk + unit_rows, chunk_stride);
  }
}

/// Fetches a part of a chunk's patterns, if there are any.
void fetch(const LaneProduct& product, Index chunk, Index part, Index parts) {
  if (chunk == product.chunks + product.following) return;
  const Index size = product.steps * chunk_blocks * unit_block / parts;
  const std::uint16_t* const from = patterns_of(product, chunk, 0, 0) + part * size;
  for (Index i = 0; i < size; i += unit_entries) __builtin_prefetch(from + i);
}

template <Index lane_blocks>
ATTRACTOR_AMX void add_chunks(const LaneProduct& product, Index lane_block) {
  for (Index chunk = 0; chunk < product.chunks; ++chunk)
    for (Index block = 0; block < chunk_blocks; block += 2) {
      fetch(product, chunk + 1, block / 2, chunk_blocks / 2);
      add_lanes<lane_blocks>(product, chunk, lane_block, block);
    }
}

/// All patterns pass a few lanes, which stay in the first-level cache, before the next do.
ATTRACTOR_AMX void multiply_by_processor(const LaneProduct& product) {
  _tile_loadconfig(&tile_configuration);
  Index lane_block = 0;
  for (; lane_block + 2 <= product.lane_blocks; lane_block += 2) add_chunks<2>(product, lane_block);
  if (lane_block < product.lane_blocks) add_chunks<1>(product, lane_block);
  _tile_release();
}

#else

template <class Product>
void multiply_by_processor(const Product& product) {
  multiply_by_emulation(product);
}

#endif

template <class Product>
void multiply_by_unit(const Product& product) {
  if (matrix_unit() == MatrixUnit::processor)
    multiply_by_processor(product);
  else
    multiply_by_emulation(product);
}

}  // namespace

ATTRACTOR_EXPORT MatrixUnit& matrix_unit() {
  static MatrixUnit unit = may_use_tiles(tiles_of_bfloat16) ? MatrixUnit::processor : MatrixUnit::none;
  return unit;
}

void multiply(const UnitProduct& product) { multiply_by_unit(product); }

void multiply(const LaneProduct& product) { multiply_by_unit(product); }

}  // namespace attractor::cpu
