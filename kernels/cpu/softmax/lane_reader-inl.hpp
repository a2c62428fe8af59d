// Softmax on patterns of −1, 0 and 1 lane by lane, where the matrix unit makes the scores and there are several lanes:
// patterns lie along the vectors, so that each lane weighs no more of them than may have weight for it.
//
// Scores of all patterns come first, then weights, a chunk of patterns at a time. Where most of a chunk's may matter
// all are weighed, and read out by products of bytes; else those that may are listed, and the few that weights in units
// have are added one by one. All sums are integers, which no order changes: the bits are those of candidates.

#if defined(ATTRACTOR_CPU_LANE_READER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_LANE_READER_INL
#undef ATTRACTOR_CPU_LANE_READER_INL
#else
#define ATTRACTOR_CPU_LANE_READER_INL
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <numeric>
#include <type_traits>

#include "kernels/cpu/engine/lanes.hpp"
#include "kernels/cpu/matrix_unit/unit_scores-inl.hpp"
#include "kernels/cpu/softmax/byte_readout-inl.hpp"
#include "kernels/cpu/softmax/pattern_terms-inl.hpp"

#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

class LaneReader {
 public:
  /// Whether it takes a memory, whose patterns are summed apart in such blocks.
  static bool suits(const SoftmaxField& field, Index pattern_block) {
    return reads_bytes(field) && scores_by_unit(field.patterns) && field.similarity == Similarity::dot &&
           pattern_block % lane_chunk == 0 && field.patterns.rows() <= detail::sizes().lane_patterns &&
           scores_alike(field);
  }

  /// `cutoff`: what lies so far below the largest score has no weight.
  LaneReader(const SoftmaxField& field, float cutoff, Index pattern_block)
      : field_(field),
        bytes_(field.bytes),
        cutoff_(cutoff),
        least_term_(std::max(least_unit, -cutoff)),
        chunks_(whole_chunks(field.patterns.rows())),
        block_chunks_(pattern_block / lane_chunk),
        most_terms_(whole_chunks(block_chunks_ * few) * lane_chunk + vector),
        steps_(unit_steps(field.patterns.columns())),
        lanes_as_rows_(most_lanes / unit_rows * steps_ * float_parts * unit_block),
        scores_(AlignedFloats::unset(chunks_ * chunk_size)),
        listed_(AlignedFloats::unset(most_terms_)),
        digits_(AlignedArray<std::uint8_t>::unset(block_chunks_ * weight_digits * byte_block)),
        products_(AlignedArray<std::int32_t>::unset(bytes_.neuron_blocks() * weight_digits * byte_rows * byte_rows)),
        slots_(block_chunks_),
        slot_chunks_(block_chunks_),
        present_(block_chunks_),
        term_patterns_(byte_rows * most_terms_),
        term_values_(byte_rows * most_terms_),
        term_units_(byte_rows * most_terms_),
        sum_(most_lanes * bytes_.width()),
        rest_(most_lanes * bytes_.width()),
        turned_(bytes_.width() * most_lanes) {}

  /// Whether it takes the states of a tile: several, at the memory's own temperature and priors, and none so large that
  /// scores might leave the range of floats, or so small that the unit has to be told.
  [[nodiscard]] bool takes(const Tile& tile) const {
    if (tile.lanes <= detail::sizes().single_lanes || tile.has_betas || tile.has_pattern_terms) return false;
    const hn::RebindToSigned<Floats> integers;
    const auto bits = [&](float value) HWY_ATTR { return hn::Set(integers, std::bit_cast<std::int32_t>(value)); };
    for (Index lane = 0; lane < tile.lanes; lane += vector) {
      auto largest = hn::Zero(integers);
      for (Index k = 0; k < tile.rows; ++k)
        largest = hn::Max(largest,
                          hn::BitCast(integers, hn::Abs(hn::Load(floats, tile.state.data() + k * tile.width + lane))));
      const auto tiny = hn::And(hn::Lt(largest, bits(0x1p-90F)), hn::Gt(largest, hn::Zero(integers)));
      const auto unusual = hn::Or(tiny, hn::Gt(largest, bits(0x1p60F)));
      const auto idle = hn::MaskFromVec(hn::BitCast(integers, hn::Load(floats, tile.idle.data() + lane)));
      if (!hn::AllFalse(integers, hn::AndNot(idle, unusual))) return false;
    }
    return true;
  }

  /// Scores, weighs and reads out. Writes the largest score, ∞ where there is no query, and Σ of the weights.
  void evaluate(const Tile& tile, LaneArray<float>& maximum, LaneArray<double>& normaliser) {
    pack_lanes(tile);
    score(tile, maximum);
    std::fill_n(sum_.data(), most_lanes * bytes_.width(), 0.0F);
    std::fill_n(rest_.data(), most_lanes * bytes_.width(), 0.0F);
    for (Index lane = 0; lane < tile.lanes; lane += byte_rows)
      for (Index chunk = 0; chunk < chunks_; chunk += block_chunks_)
        read_block(tile, lane, chunk, std::min(chunk + block_chunks_, chunks_), maximum, normaliser);
  }

  /// Lays the sums of so many lanes out by neurons.
  void finish(Index lanes) {
    for (Index lane = 0; lane < lanes; lane += vector)
      for (Index neuron = 0; neuron < bytes_.width(); neuron += vector) {
        alignas(64) float sums[std::size_t{vector * vector}];
        for (Index i = 0; i < vector; ++i) {
          const Index at = (lane + i) * bytes_.width() + neuron;
          hn::Store(hn::Add(hn::Load(floats, sum_.data() + at), hn::Load(floats, rest_.data() + at)), floats,
                    sums + i * vector);
        }
        PairWords rows[std::size_t{vector}];
        transpose_words(static_cast<const std::uint32_t*>(static_cast<const void*>(sums)), rows);
        for (Index i = 0; i < vector; ++i)
          hn::Store(hn::BitCast(floats, rows[i]), floats, turned_.data() + (neuron + i) * most_lanes + lane);
      }
  }

  /// The sums of block_rows columns for one block of lanes.
  HWY_INLINE void load(Index row, Index lane, Block& block) const {
    load_block(turned_.data() + row * most_lanes + lane, most_lanes, block);
  }

 private:
  using Integers = hn::RebindToSigned<Floats>;
  static constexpr Index vector = 16;
  static constexpr Index chunk_vectors = lane_chunk / vector;
  static constexpr Index chunk_size = LaneProduct::lane_rows * lane_chunk;
  static_assert(most_lanes == LaneProduct::lane_rows && vector == byte_rows && vector == unit_rows &&
                lane_chunk == byte_entries);

  /// Chunks that are scored at a time: so many that the unit is seldom set up, and that what is written is still in the
  /// second-level cache when it is looked through.
  static constexpr Index window = 16;

  /// Patterns of a chunk that may matter which are listed: of more, all are weighed.
  static constexpr Index few = 12;

  /// A weight below this is none in units: half of one is exp(−20.8).
  static constexpr float least_unit = -20.9F;

  /// A chunk's values, in so many vectors, and which of them are wanted.
  using Chunk = Vector[std::size_t{chunk_vectors}];
  using Wanted = hn::Mask<Floats>[std::size_t{chunk_vectors}];

  static Index whole_chunks(Index count) { return (count + lane_chunk - 1) / lane_chunk; }

  /// Whether all patterns have one scale, not too large, and nothing beside.
  static bool scores_alike(const SoftmaxField& field) {
    for (Index i = 0; i < field.patterns.rows(); ++i)
      if (field.scale[i] != field.scale[0] || field.offset[i] != 0.0F || field.log_prior[i] != 0.0F) return false;
    return field.scale[0] > 0.0F && field.scale[0] < 0x1p40F;
  }

  [[nodiscard]] static bool is_idle(const Tile& tile, Index lane) {
    return lane >= tile.lanes || is_set(tile.idle, lane);
  }

  /// States as the unit's rows; zeros where there is no query.
  void pack_lanes(const Tile& tile) {
    for (Index lane = 0; lane < tile.lanes; lane += vector)
      for (Index step = 0; step < steps_; ++step)
        pack_step(tile, step * unit_entries, lane,
                  lanes_as_rows_.data() + (lane / vector * steps_ + step) * float_parts * unit_block);
  }

  void pack_step(const Tile& tile, Index first, Index lane, std::uint16_t* to) const {
    static constexpr EntryOrder order;
    const auto idle = hn::MaskFromVec(hn::Load(floats, tile.idle.data() + lane));
    PairWords halves[2][std::size_t{vector}];
    for (Index half = 0; half < 2; ++half) {
      alignas(64) std::uint32_t entries[std::size_t{vector * vector}] = {};
      for (Index k = 0; k < std::min(vector, tile.rows - first - half * vector); ++k) {
        const Vector x = hn::Load(floats, tile.state.data() + (first + half * vector + k) * tile.width + lane);
        hn::Store(hn::BitCast(pair_words, hn::IfThenZeroElse(idle, x)), pair_words, entries + k * vector);
      }
      transpose_words(entries, halves[half]);
    }
    for (Index i = 0; i < vector; ++i) {
      PairWords lower[float_parts];
      PairWords upper[float_parts];
      take_parts(hn::BitCast(floats, halves[0][i]), lower);
      take_parts(hn::BitCast(floats, halves[1][i]), upper);
      for (int part = 0; part < float_parts; ++part)
        _mm512_store_si512(to + part * unit_block + i * unit_entries,
                           _mm512_permutex2var_epi16(lower[part].raw, _mm512_load_si512(order.place), upper[part].raw));
    }
  }

  [[nodiscard]] float* scores(Index chunk, Index lane) {
    return scores_.data() + chunk * chunk_size + lane * lane_chunk;
  }

  /// Makes similarities, and from the largest ones the largest scores.
  void score(const Tile& tile, LaneArray<float>& maximum) {
    alignas(64) float largest[std::size_t{most_lanes * vector}];
    std::fill_n(largest, most_lanes * vector, -std::numeric_limits<float>::infinity());
    for (Index chunk = 0; chunk < chunks_; chunk += window) {
      const Index count = std::min(window, chunks_ - chunk);
      multiply(LaneProduct{.lanes = lanes_as_rows_.data(),
                           .patterns = bytes_.pairs.data() + chunk * steps_ * chunk_blocks * unit_block,
                           .steps = steps_,
                           .lane_blocks = (tile.lanes + unit_rows - 1) / unit_rows,
                           .chunks = count,
                           .following = chunks_ - chunk - count,
                           .to = scores(chunk, 0)});
      for (Index i = chunk; i < chunk + count; ++i) {
        if ((i + 1) * lane_chunk > field_.patterns.rows()) hide_padding(i);
        for (Index lane = 0; lane < tile.lanes; ++lane) find_largest(scores(i, lane), largest + lane * vector);
      }
    }
    for (Index lane = 0; lane < most_lanes; ++lane) {
      const float similarity = *std::max_element(largest + lane * vector, largest + (lane + 1) * vector);
      maximum[static_cast<std::size_t>(lane)] =
          is_idle(tile, lane) ? std::numeric_limits<float>::infinity() : score_of(similarity);
    }
  }

  /// As PatternScorer makes them: products with no offset beside.
  [[nodiscard]] float score_of(float similarity) const { return similarity * field_.scale[0]; }

  static HWY_INLINE void find_largest(const float* scores, float* largest) {
    const auto at = [&](Index i) HWY_ATTR { return hn::Load(floats, scores + i * vector); };
    const Vector four = hn::Max(hn::Max(at(0), at(1)), hn::Max(at(2), at(3)));
    hn::Store(hn::Max(hn::Load(floats, largest), four), floats, largest);
  }

  /// Past the last pattern there are no scores.
  void hide_padding(Index chunk) {
    const Index rows = field_.patterns.rows() - chunk * lane_chunk;
    for (Index lane = 0; lane < most_lanes; ++lane)
      std::fill(scores(chunk, lane) + rows, scores(chunk, lane) + lane_chunk, -std::numeric_limits<float>::infinity());
  }

  /// The chunks [first, end), which are a block of patterns, for the byte_rows lanes from `lane` on.
  void read_block(const Tile& tile, Index lane, Index first, Index end, const LaneArray<float>& maximum,
                  LaneArray<double>& normaliser) {
    first_chunk_ = first;
    slot_count_ = 0;
    std::fill_n(slots_.data(), end - first, std::int32_t{-1});
    for (Index i = 0; i < byte_rows; ++i) {
      term_counts_[static_cast<std::size_t>(i)] = 0;
      if (is_idle(tile, lane + i)) continue;
      const auto at = static_cast<std::size_t>(lane + i);
      normaliser[at] += weigh(lane, i, first, end, maximum[at]);
    }
    if (slot_count_ > 0) multiply_digits();
    for (Index i = 0; i < byte_rows; ++i)
      if (slot_count_ > 0 || term_counts_[static_cast<std::size_t>(i)] > 0) add_sums(lane, i);
  }

  /// Weighs a block of patterns for lane i of those from `lane` on. Returns the sum of the weights.
  HWY_INLINE double weigh(Index lane, Index i, Index first, Index end, float maximum) {
    const Vector scale = hn::Set(floats, field_.scale[0]);
    const Vector origin = hn::Set(floats, maximum);
    const Vector least = hn::Set(floats, -cutoff_);
    WeightTotal total;
    float* list = listed_.data();
    for (Index chunk = first; chunk < end; ++chunk) {
      const float* const from = scores(chunk, lane + i);
      Chunk distances;
      Wanted matter;
      Index counts[std::size_t{chunk_vectors}];
      HWY_UNROLL(4)
      for (Index v = 0; v < chunk_vectors; ++v) {
        distances[v] = hn::Sub(hn::Mul(hn::Load(floats, from + v * vector), scale), origin);
        matter[v] = hn::Gt(distances[v], least);
        counts[v] = std::popcount(matter[v].raw);
      }
      if (counts[0] + counts[1] + counts[2] + counts[3] > few) {
        weigh_all(distances, matter, chunk, i, total);
        continue;
      }
      HWY_UNROLL(4)
      for (Index v = 0; v < chunk_vectors; ++v) {
        hn::StoreU(Vector{_mm512_maskz_compress_ps(matter[v].raw, distances[v].raw)}, floats, list);
        list += counts[v];
      }
      note_terms(distances, chunk, i);
    }
    for (Index at = 0; at < list - listed_.data(); at += lane_chunk) add_listed(at, list - listed_.data() - at, total);
    return total.sum();
  }

  /// A sum of weights, exact in units of total_unit: of weights in units, and of what these leave.
  class WeightTotal {
   public:
    HWY_INLINE WeightTotal() : units_(_mm512_setzero_si512()), left_(hn::Zero(pair_words)) {}

    HWY_INLINE void add(const PairWords (&units)[std::size_t{chunk_vectors}], const Chunk& weights) {
      const auto four = hn::Add(hn::Add(units[0], units[1]), hn::Add(units[2], units[3]));
      HWY_UNROLL(4)
      for (Index v = 0; v < chunk_vectors; ++v) {
        const Vector left = hn::Sub(weights[v], hn::ConvertTo(floats, hn::BitCast(Integers(), units[v])));
        left_ = hn::Add(left_, hn::BitCast(pair_words, hn::Add(left, hn::Set(floats, origin))));
      }
      add_units(four);
      count_ += chunk_vectors;
    }

    [[nodiscard]] HWY_INLINE double sum() const {
      alignas(64) std::array<std::int64_t, std::size_t{vector / 2}> units;
      alignas(64) std::array<std::uint32_t, std::size_t{vector}> left;
      _mm512_store_si512(units.data(), units_);
      hn::Store(left_, pair_words, left.data());
      const std::uint32_t origins = static_cast<std::uint32_t>(vector * count_) * std::bit_cast<std::uint32_t>(origin);
      const std::uint32_t rest = std::accumulate(left.begin(), left.end(), std::uint32_t{0}) - origins;
      const std::int64_t whole = std::accumulate(units.begin(), units.end(), std::int64_t{0}) * units_in_unit;
      return static_cast<double>(whole + std::bit_cast<std::int32_t>(rest)) * static_cast<double>(total_unit);
    }

   private:
    static constexpr auto units_in_unit = static_cast<std::int64_t>(weight_unit / total_unit);
    /// A float whose last digit is total_unit of weight_unit.
    static constexpr float origin = 1.5F * 0x1p23F * total_unit / weight_unit;

    HWY_INLINE void add_units(PairWords four) {
      const __m512i lower = _mm512_and_si512(four.raw, _mm512_set1_epi64(0xFFFFFFFF));
      units_ = _mm512_add_epi64(units_, _mm512_add_epi64(lower, _mm512_maskz_srli_epi64(0xFF, four.raw, 32)));
    }

    __m512i units_;
    PairWords left_;
    Index count_ = 0;
  };

  /// As exp_near_zero, but in units, and all vectors side by side: an operation waits for the one before. `rounded` has
  /// the exponent of a unit added, so that the bits of it and of p are those of the weight.
  static HWY_INLINE void weigh(const Chunk& distances, Chunk& weights) {
    const auto constant = [](float value) HWY_ATTR { return hn::Set(floats, value); };
    const auto each = [](const auto& body) HWY_ATTR {
      HWY_UNROLL(4)
      for (Index v = 0; v < chunk_vectors; ++v) body(v);
    };
    constexpr float origin = 0x1.8p+23F + 29.0F;
    static_assert(weight_unit == 0x1p-29F);
    Chunk rounded;
    Chunk r;
    Chunk p;
    each([&](Index v) HWY_ATTR { rounded[v] = hn::MulAdd(distances[v], constant(0x1.715476p+0F), constant(origin)); });
    each([&](Index v) HWY_ATTR { p[v] = hn::Sub(rounded[v], constant(origin)); });
    each([&](Index v) HWY_ATTR { r[v] = hn::NegMulAdd(p[v], constant(0x1.62e430p-1F), distances[v]); });
    each([&](Index v) HWY_ATTR { r[v] = hn::NegMulAdd(p[v], constant(-0x1.05c610p-29F), r[v]); });
    each([&](Index v) HWY_ATTR { p[v] = hn::MulAdd(constant(0x1.6a244cp-10F), r[v], constant(0x1.1239d4p-7F)); });
    each([&](Index v) HWY_ATTR { p[v] = hn::MulAdd(p[v], r[v], constant(0x1.5558f2p-5F)); });
    each([&](Index v) HWY_ATTR { p[v] = hn::MulAdd(p[v], r[v], constant(0x1.555492p-3F)); });
    each([&](Index v) HWY_ATTR { p[v] = hn::MulAdd(p[v], r[v], constant(0x1.fffffcp-2F)); });
    each([&](Index v) HWY_ATTR { p[v] = hn::MulAdd(p[v], r[v], constant(1.0F)); });
    each([&](Index v) HWY_ATTR { p[v] = hn::MulAdd(p[v], r[v], constant(1.0F)); });
    each([&](Index v) HWY_ATTR {
      const auto exponent = hn::ShiftLeft<23>(hn::BitCast(Integers(), rounded[v]));
      weights[v] = hn::BitCast(floats, hn::Add(hn::BitCast(Integers(), p[v]), exponent));
    });
  }

  static HWY_INLINE PairWords nearest(Vector weights) {
    return PairWords{_mm512_maskz_cvtps_epi32(0xFFFF, weights.raw)};
  }

  /// The weights of so many that are listed, of lane_chunk at most.
  HWY_INLINE void add_listed(Index first, Index count, WeightTotal& total) const {
    Chunk weights;
    PairWords units[std::size_t{chunk_vectors}];
    for (Index v = 0; v < chunk_vectors; ++v) weights[v] = hn::Load(floats, listed_.data() + first + v * vector);
    weigh(weights, weights);
    for (Index v = 0; v < chunk_vectors; ++v) {
      const Index left = std::clamp(count - v * vector, Index{0}, vector);
      weights[v] = hn::IfThenElseZero(hn::FirstN(floats, static_cast<std::size_t>(left)), weights[v]);
      units[v] = nearest(weights[v]);
    }
    total.add(units, weights);
  }

  /// All weights of a chunk, with those that don't matter 0, as digits.
  HWY_INLINE void weigh_all(const Chunk& distances, const Wanted& matter, Index chunk, Index i, WeightTotal& total) {
    Chunk weights;
    weigh(distances, weights);
    PairWords units[std::size_t{chunk_vectors}];
    HWY_UNROLL(4)
    for (Index v = 0; v < chunk_vectors; ++v) {
      weights[v] = hn::IfThenElseZero(matter[v], weights[v]);
      units[v] = nearest(weights[v]);
    }
    total.add(units, weights);
    const auto any = hn::Or(hn::Or(units[0], units[1]), hn::Or(units[2], units[3]));
    if (hn::AllTrue(pair_words, hn::Eq(any, hn::Zero(pair_words)))) return;
    take_bytes_apart(units);
    const Index slot = slot_of(chunk);
    present_[slot] |= 1U << static_cast<unsigned>(i);
    for (Index digit = 0; digit < weight_digits; ++digit) _mm512_store_si512(digits(slot, digit, i), units[digit].raw);
  }

  /// Appends to a lane's terms those of a chunk whose weights may be some in units.
  HWY_INLINE void note_terms(const Chunk& distances, Index chunk, Index i) {
    const Vector largest = hn::Max(hn::Max(distances[0], distances[1]), hn::Max(distances[2], distances[3]));
    if (HWY_LIKELY(hn::AllFalse(floats, hn::Gt(largest, hn::Set(floats, least_term_))))) return;
    for (Index v = 0; v < chunk_vectors; ++v) note_terms(distances[v], chunk * lane_chunk + v * vector, i);
  }

  /// The same of the patterns from `first` on.
  HWY_NOINLINE void note_terms(Vector distances, Index first, Index i) {
    Index& count = term_counts_[static_cast<std::size_t>(i)];
    alignas(64) float values[vector];
    hn::Store(distances, floats, values);
    for (unsigned bits = hn::Gt(distances, hn::Set(floats, least_term_)).raw; bits != 0; bits &= bits - 1) {
      const Index at = std::countr_zero(bits);
      term_patterns_[i * most_terms_ + count] = static_cast<std::int32_t>(first + at);
      term_values_[i * most_terms_ + count] = values[at];
      ++count;
    }
  }

  /// Where a chunk's digits are.
  HWY_INLINE Index slot_of(Index chunk) {
    std::int32_t& slot = slots_[chunk - first_chunk_];
    if (slot < 0) {
      slot = static_cast<std::int32_t>(slot_count_++);
      slot_chunks_[slot] = static_cast<std::int32_t>(chunk);
      present_[slot] = 0;
    }
    return slot;
  }

  [[nodiscard]] std::uint8_t* digits(Index slot, Index digit, Index i) {
    return digits_.data() + (slot * weight_digits + digit) * byte_block + i * byte_entries;
  }

  void multiply_digits() {
    for (Index slot = 0; slot < slot_count_; ++slot)
      for (unsigned absent = ~present_[slot] & 0xFFFFU; absent != 0; absent &= absent - 1)
        for (Index digit = 0; digit < weight_digits; ++digit)
          std::fill_n(digits(slot, digit, std::countr_zero(absent)), byte_entries, std::uint8_t{0});
    multiply(WeightProduct{.weights = digits_.data(),
                           .words = bytes_.words.data(),
                           .chunks = slot_chunks_.data(),
                           .count = slot_count_,
                           .neuron_blocks = bytes_.neuron_blocks(),
                           .to = products_.data()});
  }

  /// Adds the sums of a block of patterns to those before, rounded once.
  void add_sums(Index lane, Index i) {
    const Integers integers;
    weigh_terms(i);
    for (Index block = 0; block < bytes_.neuron_blocks(); ++block) {
      auto lower = hn::Zero(integers);
      auto upper = hn::Zero(integers);
      if (slot_count_ > 0) {
        const auto digit = [&](Index d) HWY_ATTR {
          return hn::Load(integers, products_.data() + ((block * weight_digits + d) * byte_rows + i) * byte_rows);
        };
        lower = hn::Add(digit(0), hn::ShiftLeft<8>(digit(1)));
        upper = hn::Add(digit(2), hn::ShiftLeft<8>(digit(3)));
      }
      add_terms(i, block * byte_rows, lower, upper);
      const Index at = (lane + i) * bytes_.width() + block * byte_rows;
      Vector high = hn::Load(floats, sum_.data() + at);
      Vector low = hn::Load(floats, rest_.data() + at);
      add_exactly(sum_of_units(lower, upper), high, low);
      hn::Store(high, floats, sum_.data() + at);
      hn::Store(low, floats, rest_.data() + at);
    }
  }

  /// Makes distances of a lane's terms weights in units.
  void weigh_terms(Index i) {
    for (Index at = 0; at < term_counts_[static_cast<std::size_t>(i)]; at += vector) {
      const Vector distance = hn::Load(floats, term_values_.data() + i * most_terms_ + at);
      hn::Store(hn::BitCast(Integers(), units_of(exp_near_zero(distance))), Integers(),
                term_units_.data() + i * most_terms_ + at);
    }
  }

  HWY_INLINE void add_terms(Index i, Index neuron, hn::Vec<Integers>& lower, hn::Vec<Integers>& upper) const {
    const Integers integers;
    const hn::Rebind<std::int8_t, Integers> entries;
    for (Index t = 0; t < term_counts_[static_cast<std::size_t>(i)]; ++t) {
      const std::int8_t* const row = bytes_.bytes.data() + term_patterns_[i * most_terms_ + t] * bytes_.width();
      const auto entry = hn::PromoteTo(integers, hn::LoadU(entries, row + neuron));
      const std::int32_t units = term_units_[i * most_terms_ + t];
      lower = hn::Add(lower, hn::Mul(entry, hn::Set(integers, units & 0xFFFF)));
      upper = hn::Add(upper, hn::Mul(entry, hn::Set(integers, units >> 16)));
    }
  }

  const SoftmaxField& field_;
  const BytePatterns& bytes_;
  float cutoff_;
  float least_term_;  ///< what isn't further below the largest score may be a weight in units
  Index chunks_;
  Index block_chunks_;                         ///< of a block of patterns
  Index most_terms_;                           ///< of such a block and a lane
  Index steps_;                                ///< of products with lanes
  AlignedArray<std::uint16_t> lanes_as_rows_;  ///< [most_lanes/unit_rows][steps][float_parts] blocks
  AlignedFloats scores_;                       ///< similarities [chunks × most_lanes × lane_chunk]
  AlignedFloats listed_;                       ///< distances of a block of patterns that are listed for a lane
  AlignedArray<std::uint8_t> digits_;          ///< [slots][weight_digits] blocks of byte_rows lanes' weights
  AlignedArray<std::int32_t> products_;        ///< [neuron blocks][weight_digits][byte_rows × byte_rows]
  AlignedArray<std::int32_t> slots_;           ///< of a block's chunks, −1: none
  AlignedArray<std::int32_t> slot_chunks_;     ///< the other way round
  AlignedArray<std::uint32_t> present_;        ///< the lanes that have digits in a slot, as bits
  AlignedArray<std::int32_t> term_patterns_;   ///< [byte_rows × most_terms] of single weights,
  AlignedFloats term_values_;                  ///< their distances
  AlignedArray<std::int32_t> term_units_;      ///< and the weights in units
  AlignedFloats sum_;                          ///< of the blocks of patterns so far [most_lanes × neurons],
  AlignedFloats rest_;                         ///< and what its rounding left
  AlignedFloats turned_;                       ///< both [neurons × most_lanes]
  Index first_chunk_ = 0;                      ///< of the block
  Index slot_count_ = 0;
  std::array<Index, std::size_t{byte_rows}> term_counts_{};
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#else

namespace attractor::cpu::HWY_NAMESPACE {
class LaneReader;
}  // namespace attractor::cpu::HWY_NAMESPACE

#endif

namespace attractor::cpu::HWY_NAMESPACE {

/// What reads the lanes of a scorer's states, if anything does.
template <class Scorer>
struct LaneReaderOf {
  struct None {};
  static constexpr bool exists =
      HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86 && std::is_same_v<typename Scorer::Field, SoftmaxField>;
  using Type = std::conditional_t<exists, LaneReader, None>;
};

}  // namespace attractor::cpu::HWY_NAMESPACE

#endif
