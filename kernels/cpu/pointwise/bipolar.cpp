// Linear memories of patterns ±1 under sign updates, whose states of ±1 are taken as bits, 1 for −1.
//
// A score is h_μ = (D mod 2) − 2e_μ with e_μ = d_μ − ⌊D/2⌋, where d_μ is the Hamming distance of state and pattern. A
// readout is u_i = 2w_i + (PD mod 2) with w_i = ⌊(D mod 2)·S_i/2⌋ − Σ_μ F_μi e_μ and S_i = Σ_μ F_μi. Both sums look
// some of their terms up at once, in tables that fit a vector register (Arlazarov, Dinic, Kronrod, Faradzhev 1970):
// for four neurons the state chooses a table and a pattern's bits the entry, for as many patterns as a vector has
// bytes; for three patterns the scores make a table and a neuron's bits choose the entry, for as many neurons as a
// vector has pairs of bytes.
//
// All of this is integers, and so is what factored.cpp adds up from such states: they are sums of float without
// rounding. What it takes for 0 follows from its own arithmetic. So results are its own, bit for bit.
//
// States are packed as soon as they are ±1, and stay so. Until then they are left to the kernel on floats: the first
// step of a query of any values, all steps where some clamped neuron is something else.

#include "kernels/cpu/pointwise/bipolar.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "kernels/bipolar_terms.hpp"
#include "kernels/cpu/engine/lanes.hpp"
#include "kernels/sizes.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/pointwise/bipolar.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/pointwise/bipolar_rows-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {
namespace {

// Without vectors there is no faster way than that of floats.
#if HWY_TARGET != HWY_SCALAR

namespace hn = hwy::HWY_NAMESPACE;

using Bytes = hn::CappedTag<std::uint8_t, 64>;
using Halves = hn::CappedTag<std::int16_t, 32>;
inline constexpr Bytes bytes;
inline constexpr Halves halves;
using HalfVector = hn::Vec<Halves>;

inline constexpr Index byte_lanes = hn::MaxLanes(bytes);
inline constexpr Index half_lanes = hn::MaxLanes(halves);
/// States that share what is loaded of the memory.
inline constexpr std::size_t most_together = 4;
/// Bytes of a state whose distances add up in 8 bits.
inline constexpr Index chunk_bytes = 31;

/// For each byte of a state how many bits differ from the 16 quads that a pattern may have at its first four neurons,
/// and at the others.
struct alignas(64) DistanceTables : std::array<std::array<std::uint8_t, 32>, 256> {
  constexpr DistanceTables() : std::array<std::array<std::uint8_t, 32>, 256>{} {
    for (unsigned byte = 0; byte < 256; ++byte)
      for (unsigned quad = 0; quad < 16; ++quad) {
        (*this)[byte][quad] = static_cast<std::uint8_t>(std::popcount((byte & 15U) ^ quad));
        (*this)[byte][16 + quad] = static_cast<std::uint8_t>(std::popcount((byte >> 4U) ^ quad));
      }
  }
};
inline constexpr DistanceTables distance_tables;

/// The bits of a mask of halves.
HWY_INLINE std::uint64_t bits_of(hn::Mask<Halves> mask) {
  std::uint8_t bytes_of_mask[8] = {};
  hn::StoreMaskBits(halves, mask, bytes_of_mask);
  std::uint64_t bits = 0;
  std::memcpy(&bits, bytes_of_mask, sizeof bits);
  return bits;
}

/// The largest w at which a neuron becomes −1.
struct Limits {
  std::int16_t positive = 0;  ///< where it is +1
  std::int16_t negative = 0;  ///< where it is −1
};

class BipolarKernel final : public FieldKernel {
 public:
  BipolarKernel(const FactoredField& field, const SignUpdate& update, Index width,
                std::unique_ptr<FieldKernel> on_floats)
      : field_(field),
        factor_(field.bipolar),
        update_(update),
        on_floats_(std::move(on_floats)),
        own_(field.diagonal[0] == 0.0F ? 0 : factor_.patterns),
        stride_(factor_.neuron_lines()),
        score_lines_((3 * factor_.triple_count() + 63) / 64),
        table_lines_((factor_.triple_count() + 7) / 8),
        span_(span_of(factor_)),
        states_(static_cast<std::size_t>(width * stride_)),
        earlier_(states_.size()),
        clamps_(states_.size()),
        nowhere_(static_cast<std::size_t>(stride_)),
        scores_(static_cast<std::size_t>(width * score_lines_)),
        tables_(most_together * static_cast<std::size_t>(table_lines_)) {
    // Past the last neuron bits stay 0.
    for (Index i = 0; i < width; ++i) clear_clamps(i);
    chosen_.reserve(static_cast<std::size_t>(most_lanes));
    others_.reserve(static_cast<std::size_t>(most_lanes));
    left_.reserve(static_cast<std::size_t>(most_lanes));
  }

  void load(Tile& tile, std::span<const Arrival> arrivals) override {
    others_.clear();
    for (const Arrival& arrival : arrivals) {
      std::uint8_t* const bits = bytes_of(state(arrival.lane));
      const bool bipolar = std::visit([&](auto row) { return pack_row(row, factor_.neurons, bits); }, arrival.query);
      if (bipolar && take_up(tile, arrival.lane))
        enter(tile, arrival.lane);
      else
        others_.push_back(arrival);
    }
    on_floats_->load(tile, others_);
  }

  void store(Tile& tile, std::span<const Departure> departures) override {
    left_.clear();
    for (const Departure& departure : departures) {
      if (!is_set(tile.packed, departure.lane)) {
        left_.push_back(departure);
        continue;
      }
      const std::uint8_t* const bits = bytes_of(state(departure.lane));
      std::visit([&](auto row) { unpack_row(bits, factor_.neurons, row); }, departure.result);
      set_mask(tile.packed, departure.lane, false);
      --packed_count_;
    }
    on_floats_->store(tile, left_);
  }

  void move(Tile& tile, Index from, Index to) override {
    if (!is_set(tile.packed, from)) {
      on_floats_->move(tile, from, to);
      return;
    }
    std::copy_n(state(from), stride_, state(to));
    std::copy_n(earlier(from), stride_, earlier(to));
    std::copy_n(clamps(from), stride_, clamps(to));
    std::copy_n(scores(from), score_lines_ * 64, scores(to));
    at(to) = at(from);
    set_mask(tile.packed, from, false);
    set_mask(tile.packed, to, true);
  }

  /// Bits gain nothing from full tiles, but first steps on floats cost least for many lanes at a time.
  [[nodiscard]] bool takes_more(Index in_flight, Index room) const override {
    return in_flight > packed_count_ || in_flight <= room / 8;
  }

  void evaluate(Tile& tile) override {
    if (has_floats(tile)) on_floats_->evaluate(tile);
    chosen_.clear();
    for (Index lane = 0; lane < tile.lanes; ++lane)
      if (is_set(tile.packed, lane) && !at(lane).settled) chosen_.push_back(lane);
    score_chosen();
    if (!tile.wants_energy) return;
    for (Index lane = 0; lane < tile.lanes; ++lane)
      if (is_set(tile.packed, lane)) tile.energy[static_cast<std::size_t>(lane)] = energy(lane);
  }

  void advance(Tile& tile) override {
    if (has_floats(tile)) on_floats_->advance(tile);
    chosen_.clear();
    for (Index lane = 0; lane < tile.lanes; ++lane) {
      if (!is_set(tile.packed, lane)) continue;
      if (at(lane).settled)
        report(tile, lane, 0, false);
      else if (!is_set(tile.held, lane))
        chosen_.push_back(lane);
    }
    advance_chosen(tile);
    for (Index first = 0; first < tile.lanes; first += 8) pack_eight(tile, first);
  }

  bool prepare(Tile& tile, std::span<const Arrival> arrivals) override {
    chosen_.clear();
    others_.clear();
    for (const Arrival& arrival : arrivals) {
      if (is_set(tile.packed, arrival.lane))
        chosen_.push_back(arrival.lane);
      else
        others_.push_back(arrival);
    }
    score_chosen();
    return others_.empty() || on_floats_->prepare(tile, others_);
  }

 private:
  struct LaneTerms {
    Limits limits = {};
    bool has_earlier = false;  ///< the state before this one was bits, too
    bool settled = false;      ///< the last step left the state as it was, and so will all others
  };

  void clear_clamps(Index lane) {
    std::fill_n(clamps(lane), stride_, std::uint64_t{0});
    if (factor_.neurons % 64 != 0)
      clamps(lane)[stride_ - 1] = ~std::uint64_t{0} << static_cast<unsigned>(factor_.neurons % 64);
  }

  /// Triples whose sums fit 16 bits, an even number: all of them where w does.
  static Index span_of(const BipolarFactor& factor) {
    const Index largest = (factor.neurons + 1) / 2;
    const bool fits = factor.patterns * factor.neurons <= Index{1} << 16;
    const Index triples = fits ? factor.triple_count() : 32767 / (6 * largest) * 2;
    return std::clamp<Index>(detail::sizes().packed_span / 6 * 2, 2, triples);
  }

  LaneTerms& at(Index lane) { return lanes_[static_cast<std::size_t>(lane)]; }
  std::uint64_t* state(Index lane) { return states_.data() + lane * stride_; }
  std::uint64_t* earlier(Index lane) { return earlier_.data() + lane * stride_; }
  std::uint64_t* clamps(Index lane) { return clamps_.data() + lane * stride_; }
  static std::uint8_t* bytes_of(std::uint64_t* words) { return reinterpret_cast<std::uint8_t*>(words); }
  std::int16_t* scores(Index lane) { return scores_[static_cast<std::size_t>(lane * score_lines_)].data(); }

  /// Some lane has a query whose state isn't bits.
  [[nodiscard]] static bool has_floats(const Tile& tile) {
    for (Index lane = 0; lane < tile.lanes; ++lane)
      if (!is_set(tile.packed, lane) && !is_set(tile.idle, lane)) return true;
    return false;
  }

  /// Whether a lane's state can be bits if it is ±1. Sets all but the state.
  bool take_up(const Tile& tile, Index lane) {
    // Float adds the energy up from squares of 8 scores, multiples of 4 where D is even.
    const Index unit = factor_.neurons % 2 == 0 ? 4 : 1;
    if (tile.wants_energy && 8 * factor_.neurons * factor_.neurons > unit << 24) return false;
    const std::optional<int> widest = widest_zero(tile.magnitude[static_cast<std::size_t>(lane)]);
    if (!widest) return false;
    at(lane) = {.limits = limits(*widest)};
    if (tile.clamped) pack_clamps(tile, lane);
    return true;
  }

  /// All neurons have the same: so many patterns of ±1.
  [[nodiscard]] std::optional<int> widest_zero(float magnitude) const {
    return detail::widest_zero(field_.resolution[0], field_.scale, magnitude);
  }

  [[nodiscard]] Limits limits(int widest) const {
    const Index odd = factor_.neurons * factor_.patterns % 2;
    const auto below = [&](Index least_u) { return static_cast<std::int16_t>(((least_u - odd + 1) >> 1) - 1); };
    const detail::LeastReadouts least = detail::least_readouts(own_, widest, update_.at_zero);
    return {.positive = below(least.after_positive), .negative = below(least.after_negative)};
  }

  void pack_clamps(const Tile& tile, Index lane) {
    clear_clamps(lane);
    for (Index k = 0; k < factor_.neurons; ++k)
      if (std::bit_cast<std::uint32_t>(tile.clamps[k * tile.width + lane]) != 0)
        clamps(lane)[k / 64] |= std::uint64_t{1} << static_cast<unsigned>(k % 64);
  }

  void enter(Tile& tile, Index lane) {
    set_mask(tile.packed, lane, true);
    ++packed_count_;
  }

  /// After a step on floats: packs those of eight lanes whose states are ±1.
  void pack_eight(Tile& tile, Index first) {
    std::array<std::uint8_t*, 8> columns{};
    unsigned left = 0;
    for (unsigned i = 0; i < 8; ++i) {
      const Index lane = first + static_cast<Index>(i);
      const bool moved = lane < tile.lanes && !is_set(tile.packed, lane) && !is_set(tile.held, lane);
      if (moved && take_up(tile, lane)) left |= 1U << i;
      columns[i] = (left >> i & 1U) != 0 ? bytes_of(state(lane)) : bytes_of(nowhere_.data());
    }
    for (Index row = 0; row < factor_.neurons && left != 0; row += 8) {
      const Index end = std::min<Index>(row + 8, factor_.neurons);
      std::uint64_t rows = 0;
      for (Index k = row; k < end; ++k) {
        const LaneSigns signs = signs_of(tile.column(first) + k * tile.width);
        left &= signs.bipolar;
        rows |= std::uint64_t{signs.negative} << static_cast<unsigned>(8 * (k - row));
      }
      rows = transposed(rows);
      for (unsigned i = 0; i < 8; ++i) columns[i][row / 8] = static_cast<std::uint8_t>(rows >> (8 * i));
    }
    for (unsigned i = 0; i < 8; ++i)
      if ((left >> i & 1U) != 0) enter(tile, first + static_cast<Index>(i));
  }

  void score_chosen() {
    std::size_t i = 0;
    for (; i + most_together <= chosen_.size(); i += most_together) score<most_together>(&chosen_[i]);
    for (; i < chosen_.size(); ++i) score<1>(&chosen_[i]);
  }

  /// e of all patterns.
  template <std::size_t lanes>
  void score(const Index* which) {
    const auto middle = static_cast<std::int16_t>(-(factor_.neurons / 2));
    for (std::size_t i = 0; i < lanes; ++i) std::fill_n(scores(which[i]), score_lines_ * 64, middle);
    constexpr std::size_t pair = byte_lanes < 64 ? 2 : 1;
    for (Index first = 0; first < factor_.patterns; first += 64) {
      const Index end = std::min<Index>(factor_.patterns, first + 64);
      Index pattern = first;
      for (; pattern + byte_lanes < end; pattern += static_cast<Index>(pair) * byte_lanes)
        add_distances<lanes, pair>(which, pattern);
      if (pattern < end) add_distances<lanes, 1>(which, pattern);
    }
    for (std::size_t i = 0; i < lanes; ++i)
      std::fill(scores(which[i]) + factor_.patterns, scores(which[i]) + 3 * factor_.triple_count(), std::int16_t{0});
  }

  /// d of the patterns from `pattern` on.
  template <std::size_t lanes, std::size_t vectors>
  HWY_INLINE void add_distances(const Index* which, Index pattern) {
    const Index count = factor_.state_bytes();
    const auto line = static_cast<std::size_t>(pattern / 64 * 2 * count);
    const std::uint8_t* quads = factor_.quads[line].data() + pattern % 64;
    const std::uint8_t* states[lanes];
    for (std::size_t i = 0; i < lanes; ++i) states[i] = bytes_of(state(which[i]));
    for (Index first = 0; first < count; first += chunk_bytes) {
      const Index end = std::min(first + chunk_bytes, count);
      hn::Vec<Bytes> sums[lanes][vectors];
      for (auto& row : sums)
        for (auto& sum : row) sum = hn::Zero(bytes);
      for (Index byte = first; byte < end; ++byte, quads += 128) {
        const std::uint8_t* tables[lanes];
        for (std::size_t i = 0; i < lanes; ++i) tables[i] = distance_tables[states[i][byte]].data();
        add_quads<lanes, vectors>(tables, 0, quads, sums);
        add_quads<lanes, vectors>(tables, 16, quads + 64, sums);
      }
      for (std::size_t i = 0; i < lanes; ++i)
        for (std::size_t v = 0; v < vectors; ++v)
          add_to(scores(which[i]) + pattern + static_cast<Index>(v) * byte_lanes, sums[i][v]);
    }
  }

  template <std::size_t lanes, std::size_t vectors>
  static HWY_INLINE void add_quads(const std::uint8_t* const (&tables)[lanes], Index half,
                                   const std::uint8_t* HWY_RESTRICT quads, hn::Vec<Bytes> (&sums)[lanes][vectors]) {
    hn::Vec<Bytes> picks[vectors];
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < vectors; ++v) picks[v] = hn::Load(bytes, quads + static_cast<Index>(v) * byte_lanes);
    HWY_UNROLL(4)
    for (std::size_t i = 0; i < lanes; ++i) {
      const auto table = hn::LoadDup128(bytes, tables[i] + half);
      HWY_UNROLL(2)
      for (std::size_t v = 0; v < vectors; ++v) sums[i][v] = hn::Add(sums[i][v], hn::TableLookupBytes(table, picks[v]));
    }
  }

  static HWY_INLINE void add_to(std::int16_t* sums, hn::Vec<Bytes> terms) {
    const hn::Half<Bytes> half_bytes;
    const auto lower = hn::PromoteTo(halves, hn::LowerHalf(half_bytes, terms));
    const auto upper = hn::PromoteTo(halves, hn::UpperHalf(half_bytes, terms));
    hn::Store(hn::Add(hn::Load(halves, sums), lower), halves, sums);
    hn::Store(hn::Add(hn::Load(halves, sums + half_lanes), upper), halves, sums + half_lanes);
  }

  /// As factored.cpp has it: its sums in double are exact, too.
  [[nodiscard]] double energy(Index lane) {
    const std::int16_t* const e = scores(lane);
    const auto odd = static_cast<int>(factor_.neurons % 2);
    std::int64_t twice = -static_cast<std::int64_t>(own_ * factor_.neurons);
    for (Index i = 0; i < factor_.patterns; ++i) {
      const int score = odd - 2 * e[i];
      twice += score * score;
    }
    return -0.5 * static_cast<double>(field_.energy_scale) * static_cast<double>(twice);
  }

  void advance_chosen(Tile& tile) {
    std::size_t i = 0;
    for (; i + most_together <= chosen_.size(); i += most_together) advance<most_together>(tile, &chosen_[i]);
    for (; i < chosen_.size(); ++i) advance<1>(tile, &chosen_[i]);
  }

  /// What becomes of a state.
  struct Outcome {
    int changes = 0;           ///< neurons that turn over
    std::uint64_t unlike = 0;  ///< bits that aren't those of the last state but one
  };

  /// 64 neurons of some states: those that are +1 next if they are +1 now, and if they are −1.
  template <std::size_t lanes>
  struct NextBits {
    std::uint64_t after_positive[lanes] = {};
    std::uint64_t after_negative[lanes] = {};
  };

  template <std::size_t lanes>
  void advance(Tile& tile, const Index* which) {
    Limits limits[lanes];
    for (std::size_t i = 0; i < lanes; ++i) {
      make_tables(scores(which[i]), tables(i));
      limits[i] = at(which[i]).limits;
    }
    Outcome outcomes[lanes];
    for (Index line = 0; line < stride_; ++line) {
      NextBits<lanes> next;
      for (Index first = 0; first < 64; first += 2 * half_lanes) read_out<lanes>(line, first, limits, next);
      for (std::size_t i = 0; i < lanes; ++i)
        step(which[i], line, next.after_positive[i], next.after_negative[i], outcomes[i]);
    }
    for (std::size_t i = 0; i < lanes; ++i) {
      LaneTerms& terms = at(which[i]);
      report(tile, which[i], outcomes[i].changes, outcomes[i].unlike != 0 || !terms.has_earlier);
      terms.has_earlier = true;
      terms.settled = outcomes[i].changes == 0;
    }
  }

  std::int16_t* tables(std::size_t i) { return tables_[i * static_cast<std::size_t>(table_lines_)].data(); }

  /// For each three patterns what they add to w, by their signs at a neuron.
  void make_tables(const std::int16_t* e, std::int16_t* table) const {
    for (Index t = 0; t < factor_.triple_count(); ++t) make_table(e[3 * t], e[3 * t + 1], e[3 * t + 2], table + 8 * t);
    // Sums of 2¹⁵ are one more than fits, and one less is as far from any limit.
    if (is_extreme(e)) make_table(static_cast<std::int16_t>(e[0] + (e[0] < 0 ? 1 : -1)), e[1], e[2], table);
  }

  /// Every pattern is the state or its negative, and as many of them as add up to ±2¹⁵.
  [[nodiscard]] bool is_extreme(const std::int16_t* e) const {
    if (factor_.patterns * factor_.neurons != Index{1} << 16) return false;
    const auto largest = static_cast<int>(factor_.neurons / 2);
    return std::all_of(e, e + factor_.patterns, [&](std::int16_t score) { return std::abs(score) == largest; });
  }

  static HWY_INLINE void make_table(std::int16_t first, std::int16_t second, std::int16_t third, std::int16_t* table) {
    const hn::CappedTag<std::int16_t, 8> entries;
    alignas(16) static constexpr std::int16_t signs[3][8] = {
        {-1, 1, -1, 1, -1, 1, -1, 1}, {-1, -1, 1, 1, -1, -1, 1, 1}, {-1, -1, -1, -1, 1, 1, 1, 1}};
    const auto term = [&](std::int16_t score, int which)
                          HWY_ATTR { return hn::Mul(hn::Set(entries, score), hn::Load(entries, signs[which])); };
    hn::Store(hn::Add(hn::Add(term(first, 0), term(second, 1)), term(third, 2)), entries, table);
  }

  /// Compares w of two vectors of neurons with the limits.
  template <std::size_t lanes>
  HWY_INLINE void read_out(Index line, Index first, const Limits (&limits)[lanes], NextBits<lanes>& next) {
    const std::int16_t* const sums = factor_.sums[static_cast<std::size_t>(line)].data() + first;
    HalfVector w[lanes][2];
    for (std::size_t i = 0; i < lanes; ++i)
      for (int v = 0; v < 2; ++v) w[i][v] = hn::Load(halves, sums + v * half_lanes);
    if (span_ >= factor_.triple_count())
      add_triples<lanes>(line, first, 0, factor_.triple_count(), w);
    else
      add_spans<lanes>(line, first, w);
    for (std::size_t i = 0; i < lanes; ++i)
      for (int v = 0; v < 2; ++v) {
        const auto place = static_cast<unsigned>(first + v * half_lanes);
        next.after_positive[i] |= bits_of(hn::Gt(w[i][v], hn::Set(halves, limits[i].positive))) << place;
        next.after_negative[i] |= bits_of(hn::Gt(w[i][v], hn::Set(halves, limits[i].negative))) << place;
      }
  }

  /// What the triples [begin, end) of patterns add. (Where the whole sum fits, parts of it need not.) A function of its
  /// own, so that sums stay in registers.
  template <std::size_t lanes>
  HWY_NOINLINE void add_triples(Index line, Index first, Index begin, Index end, HalfVector (&w)[lanes][2]) {
    const auto at_triple = static_cast<std::size_t>(line * factor_.triple_count() + begin);
    const std::uint16_t* triples = factor_.triples[at_triple].data() + first;
    const std::int16_t* table = tables(0) + begin * 8;
    const Index table_step = table_lines_ * 64;
    HalfVector sums[lanes][2];
    HWY_UNROLL(4)
    for (std::size_t i = 0; i < lanes; ++i) {
      sums[i][0] = w[i][0];
      sums[i][1] = w[i][1];
    }
    for (Index t = begin; t < end; t += 2, triples += 128, table += 16) {
      add_triple<lanes>(triples, table, table_step, sums);
      add_triple<lanes>(triples + 64, table + 8, table_step, sums);
    }
    HWY_UNROLL(4)
    for (std::size_t i = 0; i < lanes; ++i) {
      w[i][0] = sums[i][0];
      w[i][1] = sums[i][1];
    }
  }

  template <std::size_t lanes>
  static HWY_INLINE void add_triple(const std::uint16_t* HWY_RESTRICT triples, const std::int16_t* HWY_RESTRICT table,
                                    Index table_step, HalfVector (&sums)[lanes][2]) {
    const auto* const picks = reinterpret_cast<const std::uint8_t*>(triples);
    const auto first = hn::Load(bytes, picks);
    const auto second = hn::Load(bytes, picks + byte_lanes);
    HWY_UNROLL(4)
    for (std::size_t i = 0; i < lanes; ++i) {
      const auto own = hn::BitCast(bytes, hn::LoadDup128(halves, table + static_cast<Index>(i) * table_step));
      sums[i][0] = hn::Add(sums[i][0], hn::BitCast(halves, hn::TableLookupBytes(own, first)));
      sums[i][1] = hn::Add(sums[i][1], hn::BitCast(halves, hn::TableLookupBytes(own, second)));
    }
  }

  /// Sums of more than 16 bits, as high·256 + low, cut to 16 bits in the end.
  template <std::size_t lanes>
  HWY_INLINE void add_spans(Index line, Index first, HalfVector (&w)[lanes][2]) {
    const auto byte = hn::Set(halves, 255);
    HalfVector high[lanes][2];
    HalfVector low[lanes][2];
    for (std::size_t i = 0; i < lanes; ++i)
      for (int v = 0; v < 2; ++v) {
        high[i][v] = hn::ShiftRight<8>(w[i][v]);
        low[i][v] = hn::And(w[i][v], byte);
      }
    for (Index begin = 0; begin < factor_.triple_count(); begin += span_) {
      for (auto& row : w)
        for (HalfVector& sum : row) sum = hn::Zero(halves);
      add_triples<lanes>(line, first, begin, std::min(begin + span_, factor_.triple_count()), w);
      for (std::size_t i = 0; i < lanes; ++i)
        for (int v = 0; v < 2; ++v) {
          high[i][v] = hn::Add(high[i][v], hn::ShiftRight<8>(w[i][v]));
          low[i][v] = carry(hn::Add(low[i][v], hn::And(w[i][v], byte)), high[i][v]);
        }
    }
    for (std::size_t i = 0; i < lanes; ++i)
      for (int v = 0; v < 2; ++v) {
        const HalfVector cut = hn::Max(hn::Set(halves, -128), hn::Min(high[i][v], hn::Set(halves, 127)));
        w[i][v] = hn::Or(hn::ShiftLeft<8>(cut), low[i][v]);
      }
  }

  /// Hands what is more than a byte on.
  static HWY_INLINE HalfVector carry(HalfVector low, HalfVector& high) {
    high = hn::Add(high, hn::ShiftRight<8>(low));
    return hn::And(low, hn::Set(halves, 255));
  }

  /// Moves 64 neurons of a lane.
  HWY_INLINE void step(Index lane, Index line, std::uint64_t after_positive, std::uint64_t after_negative,
                       Outcome& outcome) {
    const std::uint64_t kept = clamps(lane)[line];
    std::uint64_t& now = state(lane)[line];
    std::uint64_t& before = earlier(lane)[line];
    const std::uint64_t positive = (after_positive & ~now) | (after_negative & now);
    const std::uint64_t next = (~positive & ~kept) | (now & kept);
    outcome.changes += std::popcount(next ^ now);
    outcome.unlike |= next ^ before;
    before = now;
    now = next;
  }

  static void report(Tile& tile, Index lane, int changes, bool is_new) {
    const auto at = static_cast<std::size_t>(lane);
    tile.finite[at] = 0.0F;
    tile.squared_change[at] = 4.0F * static_cast<float>(changes);
    set_mask(tile.returns, lane, is_new);
  }

  const FactoredField& field_;
  const BipolarFactor& factor_;
  SignUpdate update_;
  std::unique_ptr<FieldKernel> on_floats_;
  Index own_;                           ///< what a neuron's own state counts in its u, if its field has none of that
  Index stride_;                        ///< words of a state
  Index score_lines_;                   ///< of a lane's scores
  Index table_lines_;                   ///< of a lane's tables
  Index span_;                          ///< triples that are added up in 16 bits
  std::vector<std::uint64_t> states_;   ///< neuron i is bit i % 64 of word i / 64 [width × stride]
  std::vector<std::uint64_t> earlier_;  ///< the states before these
  std::vector<std::uint64_t> clamps_;   ///< neurons that keep their value
  std::vector<std::uint64_t> nowhere_;  ///< for states that nobody keeps [stride]
  std::vector<Line<std::int16_t>> scores_;  ///< e, for each lane
  std::vector<Line<std::int16_t>> tables_;  ///< of eight entries for each three patterns
  std::array<LaneTerms, static_cast<std::size_t>(most_lanes)> lanes_{};
  Index packed_count_ = 0;
  std::vector<Index> chosen_;    ///< lanes that are about to be scored or moved
  std::vector<Arrival> others_;  ///< those left to the kernel on floats
  std::vector<Departure> left_;  ///< likewise
};

#endif

std::unique_ptr<FieldKernel> make_bipolar(const FactoredField& field, const SignUpdate& update, Index width,
                                          std::unique_ptr<FieldKernel>& on_floats) {
#if HWY_TARGET == HWY_SCALAR
  static_cast<void>(field);
  static_cast<void>(update);
  static_cast<void>(width);
  return std::move(on_floats);
#else
  return std::make_unique<BipolarKernel>(field, update, width, std::move(on_floats));
#endif
}

}  // namespace

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attractor::cpu {
namespace {

HWY_EXPORT(make_bipolar);

}  // namespace

bool takes_bits(const FactoredField& field, const SignUpdate& update) {
  // The bytes of states are those of their words.
  if (std::endian::native != std::endian::little || field.bipolar.empty()) return false;
  return detail::takes_integers(field.bipolar.patterns * field.bipolar.neurons, field.scale, update.at_zero);
}

std::unique_ptr<FieldKernel> make_bipolar_kernel(const FactoredField& field, const SignUpdate& update, Index width,
                                                 std::unique_ptr<FieldKernel> on_floats) {
  if (!takes_bits(field, update)) return on_floats;
  return HWY_DYNAMIC_DISPATCH(make_bipolar)(field, update, width, on_floats);
}

}  // namespace attractor::cpu
#endif
