// Scores of pointwise memories and what becomes of them: weights, and the energy.

#if defined(ATTRACTOR_CPU_FACTORED_SCORES_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_FACTORED_SCORES_INL
#undef ATTRACTOR_CPU_FACTORED_SCORES_INL
#else
#define ATTRACTOR_CPU_FACTORED_SCORES_INL
#endif

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>

#include "core/double_ops.hpp"
#include "core/score_unit.hpp"
#include "kernels/cpu/engine/field_kernel.hpp"
#include "kernels/cpu/matrix_unit/unit_factor-inl.hpp"
#include "kernels/cpu/pointwise/single_lanes-inl.hpp"
#include "kernels/cpu/simd/panel_product-inl.hpp"
#include "kernels/cpu/simd/product-inl.hpp"
#include "kernels/cpu/simd/state_writer-inl.hpp"
#include "kernels/sizes.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

#define ATTRACTOR_MATH HWY_INLINE
#include "core/score_unit-inl.hpp"
#undef ATTRACTOR_MATH

/// Entries of a state that meet all patterns before the next do: chunks of sums, of which a block of lanes takes a
/// quarter of a first-level cache.
constexpr Index score_pass = 2 * score_chunk;

template <class Separation>
constexpr bool is_linear = std::is_same_v<Separation, LinearSeparation>;

/// Powers, whose scores may be in another unit than 1.
template <class Separation>
constexpr bool has_units = std::is_same_v<Separation, PolynomialSeparation>;

/// h from a sum of products.
template <class Separation, class Ops, class V>
HWY_INLINE V scaled_score(const FactoredField& field, const Ops& ops, V product) {
  return is_linear<Separation> ? product : ops.mul(ops.set(field.score_scale), product);
}

/// What an update rule makes of the scores: they are read out; so, and the weights' sum tells what is taken for 0; or
/// neurons are updated one after another, for which the products Fx are kept.
enum class ScoreUse { readout, measured_readout, sweep };

/// What update rules have in common.
template <ScoreUse use, class Separation>
class FactoredScores : public FieldKernel {
 public:
  void evaluate(Tile& tile) override {
    weigh<false>(tile);
    if constexpr (has_units) {
      in_units_ = false;
      if (!sweeps || tile.wants_energy)
        for (Index lane = 0; lane < tile.lanes; ++lane) choose_unit(lane);
      if (in_units_) weigh<true>(tile);
    }
    if (!tile.wants_energy) return;
    for (Index lane = 0; lane < tile.lanes; ++lane) {
      double twice = potential_.value(lane) - tile.quadratic.value(lane);
      if constexpr (has_units)
        twice = std::ldexp(twice, -separation_.order * exponent_[static_cast<std::size_t>(lane)]);
      if (!std::isfinite(twice)) twice = wide_sum(tile, lane);
      tile.energy[static_cast<std::size_t>(lane)] = -0.5 * static_cast<double>(field_.energy_scale) * twice;
    }
  }

  void load(Tile& tile, std::span<const Arrival> arrivals) override {
    FieldKernel::load(tile, arrivals);
    has_newcomers_ |= !arrivals.empty();
  }

  void move(Tile& tile, Index from, Index to) override {
    FieldKernel::move(tile, from, to);
    if constexpr (sweeps)
      if (has_products_) copy_lane(weights_.data() + from, weights_.data() + to, part_, width_);
  }

  bool prepare(Tile& /*tile*/, std::span<const Arrival> arrivals) override {
    if (!is_whole() || !std::all_of(arrivals.begin(), arrivals.end(), has_float_row)) return false;
    if (unit_products_ && arrivals.size() < UnitProducts::least_newcomers) return false;
    weigh_arrivals<false>(arrivals);
    has_newcomers_ = false;
    if constexpr (has_units && !sweeps) {
      bool some = false;
      for (const Arrival& arrival : arrivals) some |= choose_unit(arrival.lane);
      if (some) weigh_arrivals<true>(arrivals);
    }
    return true;
  }

 protected:
  static constexpr bool is_linear = cpu::HWY_NAMESPACE::is_linear<Separation>;
  static constexpr bool has_units = cpu::HWY_NAMESPACE::has_units<Separation>;

  FactoredScores(const FactoredField& field, const Separation& separation, Index width)
      : field_(field),
        separation_(separation),
        width_(width),
        part_(sweeps || has_unit_products(field)
                  ? field.factor.padded_rows()
                  : std::min(padded(detail::sizes().weighed_patterns), field.factor.padded_rows())),
        weights_(UnitProducts::result_rows(part_) * width),
        readout_(sweeps ? 0 : UnitProducts::result_rows(field.factor.padded_columns()) * width),
        singles_(field.factor) {
    if (!sweeps && has_unit_products(field)) unit_products_.emplace(field);
    unit_.fill(1.0F);
  }

  [[nodiscard]] NeuronTerms terms_of(const Tile& tile, const float* resolution) const {
    return {.quadratic_weights = field_.diagonal.data(),
            .linear_weights = field_.linear_weights.data(),
            .resolution = resolution,
            .unit = (is_linear ? tile.magnitude : total_weight_).data()};
  }

  /// Whether lanes are so few that each is dealt with by itself. The matrix unit takes several as fast as one.
  [[nodiscard]] bool takes_singly(const Tile& tile) const { return !unit_products_ && singles_.have_room(tile); }

  /// Calls visit<vectors>(lane) for each block of lanes in which there is something to do. Asynchronous updates know
  /// whole ones alone.
  template <class Visit>
  static HWY_INLINE void for_float_blocks(const Tile& tile, const Visit& visit) {
    for_blocks<!sweeps>(tile.lanes, [&]<int vectors>(Index lane) HWY_ATTR {
      if (has_floats(tile, lane)) visit.template operator()<vectors>(lane);
    });
  }

  /// Whether there is anything to do in a block of lanes.
  [[nodiscard]] static HWY_INLINE bool has_floats(const Tile& tile, Index lane) {
    for (Index at = lane; at < lane + block_lanes(); at += vector_lanes()) {
      const Vector none = hn::Or(hn::Load(floats, tile.packed.data() + at), hn::Load(floats, tile.idle.data() + at));
      if (!hn::AllTrue(floats, hn::MaskFromVec(none))) return true;
    }
    return false;
  }

  [[nodiscard]] static bool has_any_floats(const Tile& tile) {
    for (Index lane = 0; lane < tile.lanes; lane += block_lanes())
      if (has_floats(tile, lane)) return true;
    return false;
  }

  /// All patterns have their weights kept.
  [[nodiscard]] bool is_whole() const { return part_ == field_.factor.padded_rows(); }

  /// Adds the readout of one part of the patterns, whose weights are kept now.
  template <std::size_t vectors>
  HWY_INLINE void add_readout(Index first, Index row, Index lane, Vector (&readout)[block_rows][vectors]) const {
    multiply_columns(field_.factor.panel(first / panel_rows) + row * panel_rows,
                     panel_rows * field_.factor.padded_columns(), weights_.data() + lane, width_, patterns_from(first),
                     readout);
  }

  template <std::size_t vectors>
  HWY_INLINE void load_readout(Index row, Index lane, Vector (&readout)[block_rows][vectors]) const {
    load_block(readout_.data() + row * width_ + lane, width_, readout);
  }

  [[nodiscard]] HWY_INLINE bool has_thresholds() const { return field_.threshold.data() != nullptr; }

  const FactoredField& field_;
  Separation separation_;
  Index width_;
  Index part_;                                 ///< patterns whose weights are kept
  AlignedFloats weights_;                      ///< p, in sweeps Fx [part × width]
  AlignedFloats readout_;                      ///< Σ p_μ F_μ [padded D × width], unless it is used block by block
  bool has_products_ = false;                  ///< `weights_` are the products of the states as they are
  std::optional<UnitProducts> unit_products_;  ///< where the matrix unit makes the products
  SingleLanes singles_;                        ///< lanes that are dealt with one by one, where few are in use
  LaneArray<float> unit_{};                    ///< 2ᵏ
  bool in_units_ = false;                      ///< some k isn't 0

 private:
  static constexpr bool sweeps = use == ScoreUse::sweep;
  static constexpr bool totals_weights = use == ScoreUse::measured_readout;

  /// Others are scored with their tile.
  static bool has_float_row(const Arrival& arrival) { return std::holds_alternative<const float*>(arrival.query); }

  /// Sums of weights, or with `in_units` of those of scores in their units.
  template <bool in_units>
  void weigh(const Tile& tile) {
    potential_ = {};
    total_weight_ = {};
    if constexpr (!in_units) largest_ = {};
    const bool has_newcomers = std::exchange(has_newcomers_, false);
    if (has_products_ && !has_newcomers) return weigh_products<in_units>(tile);
    if (takes_singly(tile)) return weigh_singles<in_units>(tile);
    if (unit_products_) {
      if (has_any_floats(tile)) unit_products_->score(states_of(tile), weights_.data());
      return weigh_products<in_units>(tile);
    }
    for (Index first = 0; first < field_.factor.padded_rows(); first += part_) {
      const Index end = std::min(first + part_, field_.factor.padded_rows());
      for_float_blocks(tile,
                       [&]<int vectors>(Index lane) HWY_ATTR { score<in_units, vectors>(tile, first, end, lane); });
      if (!is_whole()) read_out_part(tile, first);
    }
  }

  /// Of all patterns, whose products Fx are there: the matrix unit has made them, or they have followed the states.
  template <bool in_units>
  void weigh_products(const Tile& tile) {
    for_float_blocks(tile, [&]<int vectors>(Index lane) HWY_ATTR {
      for (Index row = 0; row < field_.factor.padded_rows(); row += block_rows) {
        BlockOf<vectors> products;
        load_block(weights_.data() + row * width_ + lane, width_, products);
        weigh<in_units, vectors>(tile, 0, row, lane, products);
      }
    });
  }

  /// Where lanes are few, each by itself.
  template <bool in_units>
  void weigh_singles(const Tile& tile) {
    const std::span<const Arrival> states = singles_.gather(tile);
    for (Index first = 0; first < field_.factor.padded_rows(); first += part_) {
      weigh_queries<in_units>(states, first, tile.wants_energy);
      if (!is_whole()) singles_.read_out(tile, first, patterns_from(first), weights_.data(), readout_.data());
    }
  }

  /// The same for queries that have come.
  template <bool in_units>
  void weigh_arrivals(std::span<const Arrival> arrivals) {
    for (const Arrival& arrival : arrivals) {
      total_weight_[static_cast<std::size_t>(arrival.lane)] = 0.0F;
      if constexpr (!in_units) largest_[static_cast<std::size_t>(arrival.lane)] = 0.0F;
    }
    if (unit_products_) return weigh_together<in_units>(arrivals);
    weigh_queries<in_units>(arrivals, 0, false);
  }

  /// The same by the matrix unit.
  template <bool in_units>
  void weigh_together(std::span<const Arrival> arrivals) {
    while (!arrivals.empty()) {
      const auto some = arrivals.first(std::min(arrivals.size(), UnitProducts::most_newcomers));
      unit_products_->score(some);
      for (std::size_t i = 0; i < some.size(); ++i)
        for (Index panel = 0; panel < field_.factor.padded_rows() / panel_rows; ++panel)
          store_weights<in_units>(some[i].lane, panel, unit_products_->scores_of(i, panel), false);
      arrivals = arrivals.subspan(some.size());
    }
  }

  /// One part of the patterns.
  template <bool in_units>
  void weigh_queries(std::span<const Arrival> queries, Index first, bool wants_potential) {
    Index panel = first / panel_rows;
    const Index end = std::min(first + part_, field_.factor.padded_rows()) / panel_rows;
    const auto score = [&]<std::size_t query_count, std::size_t panel_count>(const Arrival& query) HWY_ATTR {
      score_queries<in_units, query_count, panel_count>(&query, first / panel_rows, panel, wants_potential);
    };
    for (; panel + 4 <= end; panel += 4)
      for (const Arrival& query : queries) score.template operator()<1, 4>(query);
    for (; panel < end; ++panel) {
      std::size_t i = 0;
      for (; i + 4 <= queries.size(); i += 4) score.template operator()<4, 1>(queries[i]);
      for (; i < queries.size(); ++i) score.template operator()<1, 1>(queries[i]);
    }
  }

  /// From the largest of a lane's scores. Whether it is another unit than 1.
  bool choose_unit(Index lane) {
    const auto at = static_cast<std::size_t>(lane);
    exponent_[at] = detail::unit_exponent(largest_[at], separation_.order);
    unit_[at] = std::ldexp(1.0F, exponent_[at]);
    in_units_ |= exponent_[at] != 0;
    return exponent_[at] != 0;
  }

  /// Those of the part that starts there.
  [[nodiscard]] Index patterns_from(Index first) const { return std::min(part_, field_.factor.rows() - first); }

  void read_out_part(const Tile& tile, Index first) {
    for (Index row = 0; row < tile.rows; row += block_rows)
      for_float_blocks(tile, [&]<int vectors>(Index lane) HWY_ATTR {
        BlockOf<vectors> readout;
        if (first == 0)
          clear(readout);
        else
          load_readout(row, lane, readout);
        add_readout(first, row, lane, readout);
        store_block(readout, readout_.data() + row * width_ + lane, width_);
      });
  }

  /// h from a sum of products.
  template <class Ops, class V>
  HWY_INLINE V scaled(const Ops& ops, V product) const {
    return scaled_score<Separation>(field_, ops, product);
  }

  /// 2Σ F(h) − Σ (diagonal·x² + 2θx/energy_scale) where its terms leave the range of float.
  [[nodiscard]] double wide_sum(const Tile& tile, Index lane) const {
    const auto state = [&](Index k) { return static_cast<double>(tile.state[k * width_ + lane]); };
    double sum = 0.0;
    for (Index i = 0; i < field_.factor.rows(); ++i) {
      const float* const row = field_.factor.data() + field_.factor.row_offset(i);
      double score = 0.0;
      for (Index k = 0; k < tile.dimension; ++k) score += static_cast<double>(row[k * panel_rows]) * state(k);
      const detail::DoubleOps ops;
      const double h = scaled(ops, score);
      sum += twice_potential(separation_, ops, h, separate(separation_, ops, h));
    }
    const auto energy_scale = static_cast<double>(field_.energy_scale);
    for (Index k = 0; k < tile.dimension; ++k) {
      sum -= static_cast<double>(field_.diagonal[k]) * state(k) * state(k);
      if (has_thresholds()) sum -= 2.0 * static_cast<double>(field_.threshold[k]) / energy_scale * state(k);
    }
    return sum;
  }

  /// Weights of a part of the patterns for one block of lanes. A few entries of the states at a time meet all patterns:
  /// they stay in the first-level cache. Sums so far lie where the weights will.
  template <bool in_units, int vectors>
  void score(const Tile& tile, Index first, Index end, Index lane) {
    const Index columns = field_.factor.columns();
    for (Index k = 0; k < columns; k += score_pass)
      for (Index row = first; row < end; row += block_rows) {
        BlockOf<vectors> scores;
        float* const sums = weights_.data() + (row - first) * width_ + lane;
        if (k == 0)
          clear(scores);
        else
          load_block(sums, width_, scores);
        add_rows(field_.factor.panel(row / panel_rows) + row % panel_rows + k * panel_rows,
                 tile.state.data() + k * width_ + lane, width_, std::min(score_pass, columns - k), scores);
        if (k + score_pass < columns)
          store_block(scores, sums, width_);
        else
          weigh<in_units, vectors>(tile, first, row, lane, scores);
      }
  }

  /// Weights of block_rows patterns of the part that starts at `first`, for one block of lanes.
  template <bool in_units, int vectors>
  HWY_INLINE void weigh(const Tile& tile, Index first, Index row, Index lane, const BlockOf<vectors>& scores) {
    [[maybe_unused]] Vector counted;
    if constexpr (has_units) counted = counted_bits();
    for (int v = 0; v < vectors; ++v) {
      const Index at = lane + v * vector_lanes();
      Vector potential = hn::Zero(floats);
      Vector largest = hn::Zero(floats);
      HWY_UNROLL(block_rows)
      for (int r = 0; r < block_rows; ++r) {
        Vector h = scaled(VectorOps{}, scores[r][v]);
        if constexpr (in_units)
          h = hn::Mul(h, hn::Load(floats, unit_.data() + at));
        else if constexpr (has_units)
          largest = hn::Max(largest, hn::And(h, counted));
        const Vector weight = separate(separation_, VectorOps{}, h);
        potential = hn::Add(potential, twice_potential(separation_, VectorOps{}, h, weight));
        if constexpr (totals_weights) add_weight(at, weight);
        hn::Store(sweeps ? scores[r][v] : weight, floats, weights_.data() + (row - first + r) * width_ + at);
      }
      if constexpr (has_units && !in_units) {
        float* const before = largest_.data() + at;
        hn::Store(hn::Max(hn::Load(floats, before), largest), floats, before);
      }
      if (tile.wants_energy) add_to(potential_, at, potential);
    }
  }

  /// The bits of `counted_size`, negative scores apart, which are no larger than 0 either way.
  [[nodiscard]] HWY_INLINE Vector counted_bits() const {
    const std::uint32_t sign = separation_.rectified ? 0x80000000U : 0U;
    return hn::BitCast(floats, hn::Set(hn::RebindToUnsigned<Floats>(), 0x7FFFFFFFU | sign));
  }

  /// In the order of the patterns, as `store_weights` adds them.
  HWY_INLINE void add_weight(Index lane, Vector weight) {
    float* const total = total_weight_.data() + lane;
    hn::Store(hn::Add(hn::Load(floats, total), hn::Abs(weight)), floats, total);
  }

  /// Weights of some panels of patterns for some queries; they are kept from that of `kept_from` on.
  template <bool in_units, std::size_t queries, std::size_t panel_count>
  HWY_INLINE void score_queries(const Arrival* arrivals, Index kept_from, Index first_panel, bool wants_potential) {
    PanelScores scores[queries * panel_count] = {};
    const float* rows[queries];
    for (std::size_t i = 0; i < queries; ++i) rows[i] = *std::get_if<const float*>(&arrivals[i].query);
    multiply_panels<queries, panel_count>(
        field_.factor.panel(first_panel), panel_rows * field_.factor.padded_columns(), field_.factor.columns(),
        [&](std::size_t i, Index k) HWY_ATTR { return rows[i][k]; }, scores);
    for (std::size_t i = 0; i < queries * panel_count; ++i)
      store_weights<in_units>(arrivals[i / panel_count].lane,
                              first_panel - kept_from + static_cast<Index>(i % panel_count), scores[i],
                              wants_potential);
  }

  template <bool in_units>
  HWY_INLINE void store_weights(Index lane, Index panel, const PanelScores& scores, bool wants_potential) {
    alignas(64) float potentials[panel_rows];
    alignas(64) float products[panel_rows];
    alignas(64) float weights[panel_rows];
    auto largest = hn::Zero(PanelTag());
    for (std::size_t v = 0; v < PanelScores::count; ++v) {
      auto h = scaled(TaggedOps<PanelTag>{}, scores.values[v]);
      if constexpr (in_units)
        h = hn::Mul(h, hn::Set(PanelTag(), unit_[static_cast<std::size_t>(lane)]));
      else if constexpr (has_units)
        largest = hn::Max(largest, counted_size(separation_, TaggedOps<PanelTag>{}, h));
      hn::Store(scores.values[v], PanelTag(), products + v * PanelScores::step);
      const auto weight = separate(separation_, TaggedOps<PanelTag>{}, h);
      hn::Store(weight, PanelTag(), weights + v * PanelScores::step);
      hn::Store(twice_potential(separation_, TaggedOps<PanelTag>{}, h, weight), PanelTag(),
                potentials + v * PanelScores::step);
    }
    if (wants_potential) add_potentials(lane, potentials);
    if constexpr (has_units && !in_units) {
      float& before = largest_[static_cast<std::size_t>(lane)];
      before = std::max(before, hn::GetLane(hn::MaxOfLanes(PanelTag(), largest)));
    }
    float* const column = weights_.data() + panel * panel_rows * width_ + lane;
    for (Index i = 0; i < panel_rows; ++i) {
      column[i * width_] = sweeps ? products[i] : weights[i];
      if constexpr (totals_weights) total_weight_[static_cast<std::size_t>(lane)] += std::abs(weights[i]);
    }
  }

  /// Of a panel of patterns, in the order in which `weigh` adds those of block_rows.
  HWY_INLINE void add_potentials(Index lane, const float* potentials) {
    using One = hn::CappedTag<float, 1>;
    for (Index first = 0; first < panel_rows; first += block_rows) {
      float sum = 0.0F;
      for (Index r = 0; r < block_rows; ++r) sum += potentials[first + r];
      add_to<One>(potential_, lane, hn::Set(One(), sum));
    }
  }

  bool has_newcomers_ = false;          ///< but for these
  LaneArray<float> total_weight_{};     ///< Σ |p|, where it is wanted
  LaneSums potential_;                  ///< Σ 2F(h)
  LaneArray<float> largest_{};          ///< of the scores that count
  LaneArray<std::int32_t> exponent_{};  ///< k: scores are taken as 2ᵏh
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
