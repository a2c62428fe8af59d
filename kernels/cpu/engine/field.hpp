#pragma once

/// Memories as the CPU kernels read them. Immutable once made; shared by all threads.

#include <algorithm>
#include <array>
#include <cstdint>
#include <variant>
#include <vector>

#include <attractor/separation.hpp>
#include <attractor/similarity.hpp>

#include "core/sign_updates.hpp"
#include "kernels/cpu/engine/packed_matrix.hpp"
#include "kernels/cpu/matrix_unit/byte_products.hpp"

namespace attractor::cpu {

// `resolution` [padded D]: what sign updates take for 0, see core/attractor/update.hpp.

/// That of a field for an update; null where it doesn't ask. Linear memories find theirs when the first sign update is
/// to begin, while others may be under way, which mustn't look.
template <class UpdateRule>
const float* resolution_for(const AlignedFloats& resolution) {
  return detail::is_sign_update<UpdateRule> ? resolution.data() : nullptr;
}

/// Values for 64 patterns or neurons, aligned for vector access.
template <class T>
struct alignas(64) Line : std::array<T, 64> {};

/// The signs of patterns of ±1 as numbers that look sums up in tables, 1 for −1: of four neurons of a pattern, and of
/// three patterns at a neuron. Past the last neuron and pattern they are 0.
struct BipolarFactor {
  Index patterns = 0;
  Index neurons = 0;
  std::vector<Line<std::uint8_t>> quads = {};     ///< [P/64 × D/4, even]: for 64 patterns at a time
  std::vector<Line<std::uint16_t>> triples = {};  ///< [D/64 × P/3, even]: for 64 neurons, the bytes 2t and 2t + 1
  std::vector<Line<std::int16_t>> sums = {};      ///< [D/64]: ⌊Σ_μ F_μi / 2⌋, or 0 where D is even
  std::vector<std::uint64_t> columns = {};        ///< [D × P/64]: the bits themselves, for a neuron

  [[nodiscard]] bool empty() const { return patterns == 0; }
  [[nodiscard]] Index state_bytes() const { return (neurons + 7) / 8; }
  [[nodiscard]] Index neuron_lines() const { return (neurons + 63) / 64; }
  [[nodiscard]] Index triple_count() const { return (patterns + 5) / 6 * 2; }
  [[nodiscard]] Index column_words() const { return (patterns + 63) / 64; }
};

/// A memory without patterns: states stay, with energy 0, and what is read out is 0.
struct EmptyField {
  Index columns = 0;  ///< of what is read out
};

/// The elements of a factor as the matrix unit reads them, for both products; none where it doesn't make these.
struct UnitRows {
  bool known = false;                         ///< it has been found out whether there are any
  AlignedArray<std::uint16_t> scores = {};    ///< of F's rows, for Fx
  AlignedArray<std::uint16_t> readouts = {};  ///< of its columns, for Fᵀp
};

/// Complexity: O(PD).
UnitRows make_unit_rows(const PackedMatrix& factor);

/// Pointwise memory through its scores: u = scale·(Fᵀp(score_scale·Fx) − diagonal∘x) − θ, E = −energy_scale·(Σ F(h) −
/// ½ Σ diagonal·x²) + θᵀx. `diagonal` is the diagonal of FᵀF where the memory has none, else 0.
struct FactoredField {
  PackedMatrix factor;     ///< F [P × D]
  AlignedFloats diagonal;  ///< [padded D]
  AlignedFloats resolution;
  AlignedFloats threshold = {};       ///< θ [padded D] or none: 0
  AlignedFloats linear_weights = {};  ///< 2θ/energy_scale [padded D] or none: 0
  PointwiseSeparation separation = LinearSeparation{};
  float score_scale = 1.0F;
  float scale = 1.0F;
  float energy_scale = 1.0F;
  BipolarFactor bipolar = {};  ///< where states of ±1 can be taken as bits
  UnitRows unit_rows = {};
};

/// Linear memory through its weights: u = scale·Wx − θ, E = −½ xᵀ(u − θ).
struct DenseField {
  PackedMatrix weights;  ///< W [D × D], symmetric
  AlignedFloats resolution;
  AlignedFloats threshold = {};  ///< θ [padded D] or none: 0
  float scale = 1.0F;
};

/// Patterns times the scales of their scores, rounded to bytes, for a first look at scores: rough ones, of which it is
/// known how far they may be off.
struct RoughPatterns {
  Index steps = 0;                            ///< of byte_entries that a pattern has; 0: there are none
  Index current_panels = 0;                   ///< that are those of the memory; later ones aren't made yet
  AlignedArray<std::int8_t> bytes = {};       ///< [P/byte_rows][steps] blocks, see byte_products.hpp
  AlignedArray<std::int32_t> sums = {};       ///< [P] of the bytes
  AlignedFloats units = {};                   ///< [P/panel_rows] what the integer 1 stands for
  AlignedFloats errors = {};                  ///< [P/panel_rows] norms of what rounding leaves, at most
  AlignedFloats norms = {};                   ///< [P/panel_rows] of scaled patterns, at most
  AlignedFloats offsets = {};                 ///< [P/panel_rows] |offset|, at most
  AlignedFloats log_priors = {};              ///< [P/panel_rows] |log_prior| of those that aren't −∞, at most
  AlignedArray<std::uint8_t> are_alike = {};  ///< [P/panel_rows] patterns in offset and log_prior, none −∞

  /// Patterns from this one on aren't those that were there.
  void outdate(Index first) { current_panels = std::min(current_panels, first / panel_rows); }

  /// Whether they are there for so many patterns.
  [[nodiscard]] bool cover(Index patterns) const { return steps > 0 && current_panels * panel_rows >= patterns; }
};

/// Patterns of −1, 0 and 1 as bytes, for readouts whose sums are integers.
struct BytePatterns {
  Index steps = 0;                       ///< of byte_entries that a pattern has; 0: there are none
  Index current = 0;                     ///< patterns that are those of the memory; the next one has other entries
  AlignedArray<std::int8_t> bytes = {};  ///< [P × steps · byte_entries]
  /// The same by chunks of byte_entries patterns as products of weights take them, see byte_products.hpp: pattern 16i +
  /// j of a chunk is entry 4j + i.
  AlignedArray<std::int32_t> words = {};  ///< [chunks][D/byte_rows, a multiple of 4] blocks of columns
  /// And as products with lanes take them, see matrix_unit.hpp.
  AlignedArray<std::uint16_t> pairs = {};  ///< [chunks][D/unit_entries][chunk_blocks] blocks of columns

  [[nodiscard]] Index width() const { return steps * byte_entries; }
  [[nodiscard]] Index neuron_blocks() const { return width() / byte_rows; }

  /// Patterns from this one on aren't those that were there.
  void outdate(Index first) { current = std::min(current, first); }

  /// Whether they are there for so many patterns.
  [[nodiscard]] bool cover(Index patterns) const { return steps > 0 && current >= patterns; }
};

/// Normalised memory: u = c + pᵀA with the separation's p of the scores s, E = −(Ω*(s) + potential_offset)/β +
/// ½‖x − c‖² + energy_offset, the middle term only if `quadratic`. Scores are scale_μ g(a_μ, x) + offset_μ +
/// log_prior_μ, g as in SoftmaxForm; scales and offsets are in proportion to β.
struct SoftmaxField {
  PackedMatrix patterns;  ///< A [P × D], less the centre as kernels read them
  AlignedFloats centre;   ///< c [padded D]; unless `quadratic` none: 0
  AlignedFloats resolution = {};
  AlignedFloats scale = {};      ///< [padded P]
  AlignedFloats offset = {};     ///< [padded P]
  AlignedFloats log_prior = {};  ///< [padded P]; past the last pattern −∞
  Similarity similarity = Similarity::dot;
  NormalisedSeparation separation = SoftmaxSeparation{};
  float beta = 1.0F;
  bool quadratic = true;
  double potential_offset = 0.0;
  double energy_offset = 0.0;
  RoughPatterns rough = {};
  BytePatterns bytes = {};
};

/// Weights of the ranks.
template <class T>
struct WeightRows {
  std::vector<T> values = {};  ///< [R], or [P × R]: a row for each pattern; empty: the base isn't used
  Index stride = 0;            ///< from one pattern's weights to the next one's, 0 where all share them

  [[nodiscard]] bool used() const { return !values.empty(); }
  [[nodiscard]] const T* of(Index pattern) const { return values.data() + pattern * stride; }
};

/// Rank weights of one base of an adaptive similarity, times its β.
using RankWeights = WeightRows<float>;

/// The same as integers, in a unit for each row.
struct IntegerWeights : WeightRows<std::int16_t> {
  /// So large that sums of 16 products with integers of 14 bits fit 32 bits.
  static constexpr float largest = 8191.0F;

  std::vector<float> units = {};
  std::vector<float> totals = {};  ///< Σ over the entries of a state of their ranks' integers
  /// What sums over terms of 16 or 8 bits are off by at most, in steps of their lane: see rounded_scorer-inl.hpp.
  std::vector<float> errors16 = {};
  std::vector<float> errors8 = {};

  [[nodiscard]] float unit(Index pattern) const { return units[row(pattern)]; }
  [[nodiscard]] float total(Index pattern) const { return totals[row(pattern)]; }
  [[nodiscard]] float error16(Index pattern) const { return errors16[row(pattern)]; }
  [[nodiscard]] float error8(Index pattern) const { return errors8[row(pattern)]; }

 private:
  [[nodiscard]] std::size_t row(Index pattern) const { return stride == 0 ? 0 : static_cast<std::size_t>(pattern); }
};

/// The entries of a state, group after group.
struct RankGroups {
  RankGroups() = default;
  RankGroups(Index dimension, Index groups);

  [[nodiscard]] Index count() const { return static_cast<Index>(first.size()) - 1; }
  [[nodiscard]] Index ranks() const { return rank_count(static_cast<Index>(order.size()), count()); }
  /// Where the group begins in `order`.
  [[nodiscard]] Index begin(Index group) const { return first[static_cast<std::size_t>(group)]; }
  [[nodiscard]] Index size(Index group) const { return begin(group + 1) - begin(group); }

  std::vector<Index> order;  ///< [D]
  std::vector<Index> first;  ///< [groups + 1] where each group begins in `order`
};

/// What scores from rounded terms need beside.
struct Rounding {
  std::vector<float> centre = {};  ///< [D] the middle of each entry's range over the patterns
  std::vector<float> lowest = {};  ///< [D] where it begins, and ends
  std::vector<float> highest = {};
  float distance_reach = 0.0F;  ///< the largest |entry − centre|
  float dot_reach = 0.0F;       ///< the largest |entry|
  IntegerWeights squared_distance = {};
  IntegerWeights dot = {};
  /// Of some pairs of patterns, one of which is the state, where exact scores are looked for: by how much the best
  /// score exceeds the other's beyond what terms of 16 or 8 bits leave in question.
  std::vector<float> margins16 = {};
  std::vector<float> margins8 = {};
  Index sampled = 0;  ///< patterns that there were then
};

/// The values that patterns have at each entry, where these are few, and which pattern has which.
struct Levels {
  static constexpr Index group = 32;  ///< patterns whose bits lie together

  Index rows = 0;                        ///< patterns
  std::vector<Index> first = {};         ///< [D + 1] where an entry's levels begin; empty: there are too many
  AlignedFloats values = {};             ///< [padded C] levels, entry after entry, ascending
  std::vector<std::uint32_t> bits = {};  ///< [P/group × C]: bit p is set where pattern group·g + p has the level
  float cost = 1.0F;                     ///< of scores by levels, where those by sorting networks cost 1
  Index sought = 0;                      ///< patterns that there were when levels were last looked for

  [[nodiscard]] bool empty() const { return first.empty(); }
  [[nodiscard]] Index dimension() const { return static_cast<Index>(first.size()) - 1; }
  /// Where an entry's levels begin.
  [[nodiscard]] Index begin(Index entry) const { return first[static_cast<std::size_t>(entry)]; }
  [[nodiscard]] Index count() const { return first.back(); }
  /// As many as fill vectors of every instruction set, and lines of a cache.
  [[nodiscard]] Index padded_count() const { return (count() + 15) / 16 * 16; }
  [[nodiscard]] Index group_count() const { return (rows + group - 1) / group; }
  /// Of the patterns from group·g on.
  [[nodiscard]] const std::uint32_t* bits_of(Index g) const { return bits.data() + g * count(); }
};

/// Adaptive memory: u = softmax(s)ᵀA, E = −lse(s), s as in core/attractor/similarity.hpp.
struct AdaptiveField {
  PackedMatrix patterns;  ///< A [P × D]
  RankWeights squared_distance = {};
  RankWeights dot = {};
  std::vector<float> log_prior = {};  ///< [P], the largest is 0
  AlignedFloats resolution = {};
  double energy_offset = 0.0;  ///< less the largest prior
  RankGroups groups = {};
  TermPrecision precision = TermPrecision::full;
  Levels levels = {};      ///< there are some where scores by them cost less than others
  bool screened = false;   ///< scores from rounded terms show which exact ones matter
  Rounding rounding = {};  ///< made unless the precision is full and nothing is screened
};

/// What a memory has beside its field to read contents out by. Where there are none, the patterns themselves are read
/// out.
struct Readout {
  PackedMatrix contents = {};    ///< C [P × M], of dense memories CᵀF [M × D]; no rows: there are none
  AlignedFloats intensity = {};  ///< of pointwise memories: what a pattern's weight [padded P], or in dense ones a
                                 ///< neuron's state [padded D], adds to the sum of the weights
  AlignedFloats diagonal = {};   ///< [padded D] of dense memories without contents: what their weights lack of FᵀF
};

using Field = std::variant<EmptyField, FactoredField, DenseField, SoftmaxField, AdaptiveField>;

/// How the threads of a call are put to use.
struct WorkShares {
  int workers;  ///< that take states of their own
  int shares;   ///< threads that share the patterns for the states of a worker
};

/// For a call on so many states with as many threads as are asked for, 0 for the default.
///
/// A worker has as many states as are worth a thread: fewer the larger the memory is that a step passes over, and as
/// many as fill a register block of a small one. A part of what registers hold takes as long as all of it, unless it is
/// so little that each state is dealt with by itself, as `each_by_itself` says of any number, and so there are no more
/// workers than registers or register blocks are filled. Of a memory that caches can't hold each worker would read all
/// of it, so that even few states are one worker's, and other threads share the patterns, as they do where there are
/// fewer states than threads.
WorkShares share_work(const Field& field, int asked, Index states, bool each_by_itself = false);

}  // namespace attractor::cpu
