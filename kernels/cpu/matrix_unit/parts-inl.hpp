// Operands in the layout that the matrix unit reads: rows that bfloat16 holds, and columns of floats, taken apart into
// the bfloat16 parts that add up to them.

#if defined(ATTRACTOR_CPU_PARTS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_PARTS_INL
#undef ATTRACTOR_CPU_PARTS_INL
#else
#define ATTRACTOR_CPU_PARTS_INL
#endif

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#if HWY_ARCH_X86
#include <immintrin.h>
#endif

#include "kernels/cpu/engine/packed_matrix.hpp"
#include "kernels/cpu/matrix_unit/matrix_unit.hpp"
#include "kernels/cpu/simd/vector_ops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// Whether kernels of this instruction set have a unit.
inline bool has_matrix_unit() {
  return matrix_unit() == MatrixUnit::processor ? HWY_TARGET <= HWY_AVX3 : matrix_unit() == MatrixUnit::emulated;
}

inline constexpr hn::RebindToUnsigned<Floats> pair_words;
using PairWords = hn::Vec<hn::RebindToUnsigned<Floats>>;

/// A value for each lane in every row: states, or weights.
struct LaneRows {
  const float* data;
  Index rows;
  Index width;  ///< from one row to the next
  Index lanes;  ///< in use

  [[nodiscard]] HWY_INLINE Vector load(Index row, Index lane) const {
    return hn::Load(floats, data + row * width + lane);
  }

  /// So many rows from `first` on, or as many as there are.
  [[nodiscard]] LaneRows part(Index first, Index count) const {
    return {data + first * width, std::min(count, rows - first), width, lanes};
  }
};

inline LaneRows states_of(const Tile& tile) { return {tile.state.data(), tile.rows, tile.width, tile.lanes}; }

/// Powers of two that lanes are multiplied with, for the unit takes denormal numbers, and so small parts, for 0: 1 but
/// for lanes whose values are tiny and not all 0. 0 past the lanes in use.
class LaneScales {
 public:
  void take(const LaneRows& values) {
    scales_.fill(0.0F);
    small_ = false;
    for (Index lane = 0; lane < values.lanes; lane += vector_lanes()) {
      Vector largest = hn::Zero(floats);
      for (Index k = 0; k < values.rows; ++k) largest = hn::Max(hn::Abs(values.load(k, lane)), largest);
      const auto small = hn::And(hn::Lt(largest, hn::Set(floats, 0x1p-90F)), hn::Gt(largest, hn::Zero(floats)));
      small_ |= !hn::AllFalse(floats, small);
      hn::Store(hn::IfThenElse(small, hn::Set(floats, scale), hn::Set(floats, 1.0F)), floats, scales_.data() + lane);
    }
  }

  [[nodiscard]] const float* data() const { return scales_.data(); }

  /// Takes them off again: from so many rows of sums.
  void divide(float* sums, Index rows, Index width) const {
    if (!small_) return;
    for (Index i = 0; i < rows; ++i)
      for (Index lane = 0; lane < width; ++lane) sums[i * width + lane] *= inverse(lane);
  }

  [[nodiscard]] float inverse(Index lane) const {
    return scales_[static_cast<std::size_t>(lane)] == scale ? 1.0F / scale : 1.0F;
  }

 private:
  static constexpr float scale = 0x1p64F;

  LaneArray<float> scales_{};
  bool small_ = false;  ///< some lanes are
};

/// The bits of x's parts, in the upper halves of the words: each is the first eight digits of what the ones before
/// leave, of which three times eight are all. Not a number where x is none or infinite.
HWY_INLINE void take_parts(Vector x, PairWords (&bits)[float_parts]) {
  HWY_UNROLL(float_parts)
  for (int part = 0; part + 1 < float_parts; ++part) {
    bits[part] = hn::And(hn::BitCast(pair_words, x), hn::Set(pair_words, 0xffff0000U));
    x = hn::Sub(x, hn::BitCast(floats, bits[part]));
  }
  bits[float_parts - 1] = hn::BitCast(pair_words, x);
}

/// Two times 16 bits of each.
HWY_INLINE void store_words(PairWords values, std::uint16_t* to) {
  hn::Store(values, pair_words, static_cast<std::uint32_t*>(static_cast<void*>(to)));
}

/// The upper halves of two entries side by side.
HWY_INLINE PairWords paired(PairWords first, PairWords second) {
  return hn::Or(hn::ShiftRight<16>(first), hn::And(second, hn::Set(pair_words, 0xffff0000U)));
}

/// One vector of lanes of a pair of entries, as all their parts. Blocks of parts lie unit_blocks apart.
HWY_INLINE void store_pair(Vector first, Vector second, std::uint16_t* to) {
  PairWords a[float_parts];
  PairWords b[float_parts];
  take_parts(first, a);
  take_parts(second, b);
  for (int part = 0; part < float_parts; ++part)
    store_words(paired(a[part], b[part]), to + Index{part} * unit_blocks * unit_block);
}

inline Index blocks_of(Index count) { return (count + unit_rows - 1) / unit_rows; }
inline Index steps_of(Index count) { return (count + unit_entries - 1) / unit_entries; }

/// One vector of lanes of a step, of whose entries there are `count`, as columns.
HWY_INLINE void pack_lanes(const float* values, Index width, Index count, Vector scale, std::uint16_t* to) {
  const auto entry = [&](Index k) HWY_ATTR { return hn::Mul(hn::Load(floats, values + k * width), scale); };
  Index k = 0;
  for (; k + 2 <= count; k += 2, to += unit_entries) store_pair(entry(k), entry(k + 1), to);
  for (; k < unit_entries; k += 2, to += unit_entries)
    store_pair(k < count ? entry(k) : hn::Zero(floats), hn::Zero(floats), to);
}

/// Columns for the unit: the lanes in use, in whole blocks, times `scales`.
inline void pack_columns(const LaneRows& values, const float* scales, std::uint16_t* to) {
  const Index steps = steps_of(values.rows);
  const Index span_size = steps * float_parts * unit_blocks * unit_block;
  for (Index step = 0; step < steps; ++step) {
    const LaneRows some = values.part(step * unit_entries, unit_entries);
    std::uint16_t* const step_to = to + step * float_parts * unit_blocks * unit_block;
    for (Index lane = 0; lane < blocks_of(values.lanes) * unit_rows; lane += vector_lanes())
      pack_lanes(
          some.data + lane, some.width, some.rows, hn::Load(floats, scales + lane),
          step_to + lane / unit_span * span_size + lane % unit_span / unit_rows * unit_block + 2 * (lane % unit_rows));
  }
}

#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86

/// Of two vectors the lower and the upper halves, element by element in turn.
template <class Tag>
HWY_INLINE void interleave(Tag tag, PairWords& a, PairWords& b) {
  const auto first = hn::BitCast(tag, a);
  const auto second = hn::BitCast(tag, b);
  a = hn::BitCast(pair_words, hn::InterleaveLower(tag, first, second));
  b = hn::BitCast(pair_words, hn::InterleaveUpper(tag, first, second));
}

/// Four by four pairs of entries in each quarter of the vectors change places.
HWY_INLINE void transpose_quarters(PairWords (&v)[4]) {
  const hn::Repartition<std::uint64_t, hn::RebindToUnsigned<Floats>> doubles;
  interleave(pair_words, v[0], v[1]);
  interleave(pair_words, v[2], v[3]);
  interleave(doubles, v[0], v[2]);
  interleave(doubles, v[1], v[3]);
  std::swap(v[1], v[2]);
}

/// Where 16 bits of two pairs of columns go: each pair's rows by fours, its two entries side by side. `step`: from an
/// entry of a column to the next one, in units of 16 bits; the first of them is at `first`.
struct PairOrder {
  constexpr PairOrder(int first, int step) {
    for (int i = 0; i < 32; ++i)
      place[i] = static_cast<std::uint16_t>(first + step * (i / 16 * 16 + i % 2 * 8 + i % 16 / 2));
  }
  alignas(64) std::uint16_t place[32] = {};
};

/// The same of the upper halves of 32 floats that are a row's entries.
struct EntryOrder {
  constexpr EntryOrder() {
    for (int i = 0; i < 32; ++i) place[i] = static_cast<std::uint16_t>(2 * i + 1);
  }
  alignas(64) std::uint16_t place[32] = {};
};

/// Four columns of a panel as pairs.
HWY_INLINE PairWords load_pairs(const std::uint16_t* columns) {
  static constexpr PairOrder order(0, 1);
  return PairWords{_mm512_permutexvar_epi16(_mm512_load_si512(order.place), _mm512_load_si512(columns))};
}

HWY_INLINE PairWords load_pairs(const float* columns) {
  static constexpr PairOrder order(1, 2);
  return PairWords{_mm512_permutex2var_epi16(_mm512_load_si512(columns), _mm512_load_si512(order.place),
                                             _mm512_load_si512(columns + 2 * panel_rows))};
}

/// Where pairs of a row lie in what transpose_quarters makes of a step's halves: those of rows below 4, or of the
/// others.
struct RowOrder {
  explicit constexpr RowOrder(int upper) {
    for (int pair = 0; pair < 16; ++pair)
      place[pair] = static_cast<std::uint32_t>(pair / 8 * 16 + pair % 2 * 8 + upper * 4 + pair % 8 / 2);
  }
  alignas(64) std::uint32_t place[16] = {};
};

/// A panel's rows for one step, of whose entries there are `count`, a multiple of 8.
template <class T>
HWY_INLINE void pack_step(const T* panel, Index count, std::uint16_t* to) {
  PairWords pairs[2][4];
  for (Index half = 0; half < 2; ++half) {
    HWY_UNROLL(4)
    for (Index i = 0; i < 4; ++i) {
      const Index k = 16 * half + 4 * i;
      pairs[half][i] = k < count ? load_pairs(panel + k * panel_rows) : hn::Zero(pair_words);
    }
    transpose_quarters(pairs[half]);
  }
  static constexpr RowOrder lower(0);
  static constexpr RowOrder upper(1);
  HWY_UNROLL(8)
  for (Index row = 0; row < panel_rows; ++row) {
    const auto order = _mm512_load_si512(row < 4 ? lower.place : upper.place);
    _mm512_store_si512(to + row * unit_entries,
                       _mm512_permutex2var_epi32(pairs[0][row % 4].raw, order, pairs[1][row % 4].raw));
  }
}

/// A column's row for one step, of whose entries there are `count`, a multiple of 8: 8 of each of four panels, which
/// lie `panel_step` apart.
HWY_INLINE void pack_column_step(const float* column, Index panel_step, Index count, std::uint16_t* to) {
  static constexpr EntryOrder order;
  const hn::Half<Floats> halves;
  const auto panel = [&](Index i) HWY_ATTR {
    return i * panel_rows < count ? hn::Load(halves, column + i * panel_step) : hn::Zero(halves);
  };
  const auto lower = hn::Combine(floats, panel(1), panel(0));
  const auto upper = hn::Combine(floats, panel(3), panel(2));
  _mm512_store_si512(to, _mm512_permutex2var_epi16(hn::BitCast(pair_words, lower).raw, _mm512_load_si512(order.place),
                                                   hn::BitCast(pair_words, upper).raw));
}

#else

inline std::uint16_t upper_half(float value) {
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16U);
}
inline std::uint16_t upper_half(std::uint16_t bits) { return bits; }

/// The same, an entry at a time: processors that have the unit have the vectors, too.
template <class T>
void pack_step(const T* panel, Index count, std::uint16_t* to) {
  for (Index row = 0; row < panel_rows; ++row)
    for (Index k = 0; k < unit_entries; ++k)
      to[row * unit_entries + k] = k < count ? upper_half(panel[k * panel_rows + row]) : std::uint16_t{0};
}

inline void pack_column_step(const float* column, Index panel_step, Index count, std::uint16_t* to) {
  for (Index i = 0; i < unit_entries; ++i)
    to[i] = i < count ? upper_half(column[i / panel_rows * panel_step + i % panel_rows]) : std::uint16_t{0};
}

#endif

/// Rows for the unit, which bfloat16 holds: a panel of `columns` columns, a multiple of 8, to its place in the first
/// block.
template <class T>
void pack_rows(const T* panel, Index columns, std::uint16_t* to) {
  for (Index first = 0; first < columns; first += unit_entries, to += unit_blocks * unit_block)
    pack_step(panel + first * panel_rows, std::min(columns - first, unit_entries), to);
}

/// One row of the transpose: a column of `rows` rows, a multiple of 8, whose panels lie `panel_step` apart.
inline void pack_column(const float* column, Index panel_step, Index rows, std::uint16_t* to) {
  for (Index first = 0; first < rows; first += unit_entries, to += unit_blocks * unit_block)
    pack_column_step(column + first / panel_rows * panel_step, panel_step, std::min(rows - first, unit_entries), to);
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
