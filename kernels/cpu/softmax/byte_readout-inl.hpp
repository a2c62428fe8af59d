// Readouts of rows of candidates by products of bytes, whose sums are integers: see byte_patterns.hpp.

#if defined(ATTRACTOR_CPU_BYTE_READOUT_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_BYTE_READOUT_INL
#undef ATTRACTOR_CPU_BYTE_READOUT_INL
#else
#define ATTRACTOR_CPU_BYTE_READOUT_INL
#endif

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/matrix_unit/parts-inl.hpp"
#include "kernels/cpu/softmax/byte_patterns.hpp"
#include "kernels/cpu/softmax/candidates-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// Whether kernels of this instruction set read these patterns out so.
inline bool reads_bytes(const SoftmaxField& field) {
  return has_matrix_unit() && byte_unit() != ByteUnit::none && detail::sizes().pattern_block <= most_byte_patterns &&
         field.bytes.cover(field.patterns.rows());
}

/// Bits of `yes` where the mask's are set, else of `no`. A single number's IfVecThenElse goes by the mask's sign.
HWY_INLINE PairWords select_bits(PairWords mask, PairWords yes, PairWords no) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Or(hn::And(mask, yes), hn::AndNot(mask, no));
#else
  return hn::IfVecThenElse(mask, yes, no);
#endif
}

/// A weight in units, of 1 at most.
HWY_INLINE PairWords units_of(Vector weight) {
  const Vector in_units = hn::Mul(weight, hn::Set(floats, 1.0F / weight_unit));
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
  return PairWords{_mm512_maskz_cvtps_epi32(0xFFFF, in_units.raw)};  // NearestInt looks for what is too large, too.
#else
  return hn::BitCast(pair_words, hn::NearestInt(in_units));
#endif
}

/// A sum of so many units and so many times 2¹⁶ of them, rounded once.
HWY_INLINE Vector sum_of_units(hn::Vec<hn::RebindToSigned<Floats>> lower, hn::Vec<hn::RebindToSigned<Floats>> upper) {
  const hn::RebindToSigned<Floats> integers;
  // What floats hold: 16 bits, and what is left.
  upper = hn::Add(upper, hn::ShiftRight<16>(lower));
  const Vector low = hn::ConvertTo(floats, hn::And(lower, hn::Set(integers, 0xFFFF)));
  const Vector sum = hn::MulAdd(hn::ConvertTo(floats, upper), hn::Set(floats, 0x1p16F), low);
  return hn::Mul(sum, hn::Set(floats, weight_unit));
}

/// The words' lowest bytes, side by side in the first of them, the next ones in the second …
HWY_INLINE void take_bytes_apart(PairWords (&words)[4]) {
  const PairWords even_bytes = hn::Set(pair_words, 0x00FF00FFU);
  const PairWords lower_half = hn::Set(pair_words, 0x0000FFFFU);
  const PairWords even[2] = {select_bits(even_bytes, words[0], hn::ShiftLeft<8>(words[1])),
                             select_bits(even_bytes, words[2], hn::ShiftLeft<8>(words[3]))};
  const PairWords odd[2] = {select_bits(even_bytes, hn::ShiftRight<8>(words[0]), words[1]),
                            select_bits(even_bytes, hn::ShiftRight<8>(words[2]), words[3])};
  words[0] = select_bits(lower_half, even[0], hn::ShiftLeft<16>(even[1]));
  words[1] = select_bits(lower_half, odd[0], hn::ShiftLeft<16>(odd[1]));
  words[2] = select_bits(lower_half, hn::ShiftRight<16>(even[0]), even[1]);
  words[3] = select_bits(lower_half, hn::ShiftRight<16>(odd[0]), odd[1]);
}

/// Patterns of a step, as rows of bytes that lie anywhere, byte_entries of each from the pointers on: they become the
/// entries of neurons' rows. The row of neuron i is to[i / byte_rows · block_step + i % byte_rows · byte_entries].
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86

/// Of two vectors the even quarters, or the odd ones.
template <int odd>
HWY_INLINE PairWords quarters(const PairWords (&v)[2]) {
  alignas(64) static constexpr std::uint64_t places[2][8] = {{0, 1, 4, 5, 8, 9, 12, 13}, {2, 3, 6, 7, 10, 11, 14, 15}};
  return PairWords{_mm512_permutex2var_epi64(v[0].raw, _mm512_load_si512(places[odd]), v[1].raw)};
}

/// Sixteen by sixteen words change places.
HWY_INLINE void transpose_words(const std::uint32_t* from, PairWords (&v)[16]) {
  HWY_UNROLL(4)
  for (int i = 0; i < 16; i += 4) {
    PairWords four[4];
    for (int r = 0; r < 4; ++r) four[r] = hn::Load(pair_words, from + 16 * (i + r));
    transpose_quarters(four);
    for (int r = 0; r < 4; ++r) v[i + r] = four[r];
  }
  // v[i + r] has in its quarter q the words 4q + r of rows i … i + 3.
  HWY_UNROLL(4)
  for (int r = 0; r < 4; ++r) {
    const PairWords lower[2] = {hn::ConcatLowerLower(pair_words, v[4 + r], v[r]),
                                hn::ConcatLowerLower(pair_words, v[12 + r], v[8 + r])};
    const PairWords upper[2] = {hn::ConcatUpperUpper(pair_words, v[4 + r], v[r]),
                                hn::ConcatUpperUpper(pair_words, v[12 + r], v[8 + r])};
    v[r] = quarters<0>(lower);
    v[4 + r] = quarters<1>(lower);
    v[8 + r] = quarters<0>(upper);
    v[12 + r] = quarters<1>(upper);
  }
}

HWY_INLINE void gather_neurons(const std::int8_t* const (&patterns)[byte_entries], std::int8_t* to, Index block_step) {
  alignas(64) std::uint32_t words[4][byte_rows * byte_rows];
  for (Index k = 0; k < byte_entries; k += 4) {
    PairWords four[4];
    for (Index i = 0; i < 4; ++i) four[i] = PairWords{_mm512_loadu_si512(patterns[k + i])};
    take_bytes_apart(four);
    for (Index i = 0; i < 4; ++i) hn::Store(four[i], pair_words, words[i] + k / 4 * byte_rows);
  }
  for (Index i = 0; i < 4; ++i) {
    PairWords rows[byte_rows];
    transpose_words(words[i], rows);
    HWY_UNROLL(16)
    for (Index j = 0; j < byte_rows; ++j)
      _mm512_store_si512(to + j / 4 * block_step + (4 * (j % 4) + i) * byte_entries, rows[j].raw);
  }
}

#else

/// A byte at a time: processors that have the unit have the vectors, too.
inline void gather_neurons(const std::int8_t* const (&patterns)[byte_entries], std::int8_t* to, Index block_step) {
  for (Index i = 0; i < byte_entries; ++i)
    for (Index k = 0; k < byte_entries; ++k)
      to[i / byte_rows * block_step + i % byte_rows * byte_entries + k] = patterns[k][i];
}

#endif

/// The sums of a block of patterns for a block of lanes.
class ByteReadout {
 public:
  explicit ByteReadout(const BytePatterns& patterns)
      : patterns_(patterns),
        strip_(std::max(detail::sizes().readout_steps, Index{1})),
        neurons_(patterns.steps * byte_entries),
        rows_(neurons_ * strip_ * byte_entries),
        columns_(column_blocks() * strip_ * word_block),
        products_(AlignedArray<std::int32_t>::unset(neurons_ * column_blocks() * byte_rows)),
        lower_(neurons_ * block_lanes()),
        upper_(neurons_ * block_lanes()),
        nothing_(neurons_) {}

  /// Sums the candidates [first, end), whose weights are no more than 1 or no numbers; then the sums are anything.
  void sum(const Candidates& candidates, Index first, Index end) {
    const Index strip = strip_ * byte_entries;
    for (Index from = first; from < end; from += strip) {
      const Index to = std::min(from + strip, end);
      pack(candidates, from, to);
      const Index steps = (to - from + byte_entries - 1) / byte_entries;
      multiply({.rows = rows_.data(),
                .row_sums = nullptr,
                .columns = columns_.data(),
                .steps = steps,
                .row_blocks = neurons_ / byte_rows,
                .column_blocks = column_blocks(),
                .to = products_.data(),
                .stride = column_blocks() * byte_rows,
                .unsigned_columns = true});
      if (from == first)
        add_products<false>();
      else
        add_products<true>();
    }
  }

  /// The sums of block_rows neurons, rounded once.
  HWY_INLINE void load(Index row, Block& block) const {
    for (int r = 0; r < block_rows; ++r)
      for (int v = 0; v < block_vectors; ++v) {
        const Index at = (row + r) * block_lanes() + v * vector_lanes();
        block[r][v] = sum_of_units(hn::Load(Integers(), lower_.data() + at), hn::Load(Integers(), upper_.data() + at));
      }
  }

 private:
  using Integers = hn::RebindToSigned<Floats>;
  static constexpr Index digits = 4;

  /// Blocks of lanes in a block of candidates' lanes, each with all digits of its weights.
  static Index lane_blocks() { return (block_lanes() + byte_rows - 1) / byte_rows; }
  static Index column_blocks() { return digits * lane_blocks(); }

  void pack(const Candidates& candidates, Index from, Index to) {
    const Index steps = (to - from + byte_entries - 1) / byte_entries;
    for (Index step = 0; step < steps; ++step) {
      const Index first = from + step * byte_entries;
      pack_weights(candidates, first, std::min(first + byte_entries, to), columns_.data() + step * word_block,
                   steps * word_block);
      pack_patterns(candidates, first, std::min(first + byte_entries, to), rows_.data() + step * byte_block,
                    steps * byte_block);
    }
  }

  void pack_patterns(const Candidates& candidates, Index first, Index end, std::int8_t* to, Index block_step) {
    for (Index chunk = 0; chunk < neurons_; chunk += byte_entries) {
      const std::int8_t* patterns[byte_entries];
      for (Index k = 0; k < byte_entries; ++k)
        patterns[k] = first + k < end ? patterns_.bytes.data() + candidates.pattern(first + k) * neurons_ + chunk
                                      : nothing_.data();
      gather_neurons(patterns, to + chunk / byte_rows * block_step, block_step);
    }
  }

  HWY_INLINE void pack_weights(const Candidates& candidates, Index first, Index end, std::int32_t* to,
                               Index block_step) {
    for (Index k = 0; k < byte_entries; k += 4)
      for (int v = 0; v < block_vectors; ++v) {
        PairWords words[4];
        HWY_UNROLL(4)
        for (Index i = 0; i < 4; ++i)
          words[i] = first + k + i < end ? units_of(candidates.value(first + k + i, v)) : hn::Zero(pair_words);
        take_bytes_apart(words);
        const Index lane = v * vector_lanes();
        std::int32_t* const own = to + lane / byte_rows * digits * block_step + k / 4 * byte_rows + lane % byte_rows;
        HWY_UNROLL(4)
        for (Index i = 0; i < digits; ++i)
          hn::Store(hn::BitCast(Integers(), words[i]), Integers(), own + i * block_step);
      }
  }

  /// Puts the sums of digits together, two by two.
  template <bool adds>
  HWY_INLINE void add_products() {
    for (Index row = 0; row < neurons_; ++row)
      for (int v = 0; v < block_vectors; ++v) {
        const Index lane = v * vector_lanes();
        const std::int32_t* const from = products_.data() + row * column_blocks() * byte_rows +
                                         lane / byte_rows * digits * byte_rows + lane % byte_rows;
        const auto digit = [&](Index i) HWY_ATTR { return hn::Load(Integers(), from + i * byte_rows); };
        auto lower = hn::Add(digit(0), hn::ShiftLeft<8>(digit(1)));
        auto upper = hn::Add(digit(2), hn::ShiftLeft<8>(digit(3)));
        const Index at = row * block_lanes() + lane;
        if constexpr (adds) {
          lower = hn::Add(lower, hn::Load(Integers(), lower_.data() + at));
          upper = hn::Add(upper, hn::Load(Integers(), upper_.data() + at));
        }
        hn::Store(lower, Integers(), lower_.data() + at);
        hn::Store(upper, Integers(), upper_.data() + at);
      }
  }

  const BytePatterns& patterns_;
  Index strip_;                          ///< steps of candidates that are multiplied at a time
  Index neurons_;                        ///< in whole steps
  AlignedArray<std::int8_t> rows_;       ///< [neurons/byte_rows][steps] blocks of a strip
  AlignedArray<std::int32_t> columns_;   ///< [column_blocks][steps] blocks of a strip
  AlignedArray<std::int32_t> products_;  ///< [neurons × column_blocks · byte_rows]
  AlignedArray<std::int32_t> lower_;     ///< [neurons × block_lanes] of two digits, the higher one times 2⁸,
  AlignedArray<std::int32_t> upper_;     ///< and of the other two
  AlignedArray<std::int8_t> nothing_;    ///< [neurons] a pattern of zeros
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
