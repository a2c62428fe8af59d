// Pointwise memories through their scores: h = Fx, u = scale·(Fᵀp(h) − diagonal∘x) − θ.
//
// Scores are made first, for the energy; readouts follow where a query goes on. Of more patterns than fit the weights
// that a thread keeps, one part after another is scored and read out; sums run over the patterns in the same order.
// Where lanes are few each is scored and read out by itself. Where there is a matrix unit and it takes the patterns, it
// makes both products of all lanes.
//
// Where powers of a state's scores leave the range of float all of this is done once more with the scores in a unit of
// their own, see core/score_unit.hpp; each lane has its own, so that lanes whose powers fit come out as before.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "core/double_ops.hpp"
#include "core/score_unit.hpp"
#include "core/sweep_order.hpp"
#include "kernels/cpu/engine/field_kernel.hpp"
#include "kernels/cpu/pointwise/bipolar.hpp"
#include "kernels/sizes.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/pointwise/factored.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/matrix_unit/unit_factor-inl.hpp"
#include "kernels/cpu/pointwise/integer_products-inl.hpp"
#include "kernels/cpu/pointwise/single_lanes-inl.hpp"
#include "kernels/cpu/pointwise/sweep-inl.hpp"
#include "kernels/cpu/simd/panel_product-inl.hpp"
#include "kernels/cpu/simd/product-inl.hpp"
#include "kernels/cpu/simd/state_writer-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {
namespace {

#define ATTRACTOR_MATH HWY_INLINE
#include "core/score_unit-inl.hpp"
#undef ATTRACTOR_MATH

/// Entries of a state that meet all patterns before the next do: chunks of sums, of which a block of lanes takes a
/// quarter of a first-level cache.
constexpr Index score_pass = 2 * score_chunk;

template <class UpdateRule, class Separation>
class FactoredKernel final : public FieldKernel {
 public:
  FactoredKernel(const FactoredField& field, const UpdateRule& update, const Separation& separation, Index width)
      : field_(field),
        update_(update),
        separation_(separation),
        width_(width),
        part_(sweeps || has_unit_products(field)
                  ? field.factor.padded_rows()
                  : std::min(padded(detail::sizes().weighed_patterns), field.factor.padded_rows())),
        weights_(UnitProducts::result_rows(part_) * width),
        readout_(sweeps ? 0 : UnitProducts::result_rows(field.factor.padded_columns()) * width),
        singles_(field.factor) {
    if constexpr (sweeps) order_ = detail::sweep_order(update, field.factor.columns());
    if constexpr (sweeps && is_linear)
      if (takes_integers(field.bipolar)) integers_.emplace(field.bipolar);
    if (!sweeps && has_unit_products(field)) unit_products_.emplace(field);
    unit_.fill(1.0F);
  }

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

  void advance(Tile& tile) override {
    const NeuronTerms terms{.quadratic_weights = field_.diagonal.data(),
                            .linear_weights = field_.linear_weights.data(),
                            .resolution = resolution_for<UpdateRule>(field_.resolution),
                            .unit = (is_linear ? tile.magnitude : total_weight_).data()};
    if constexpr (sweeps) has_products_ = integers_.has_value();
    if constexpr (!sweeps)
      if (takes_singly(tile)) return write_singles(tile, terms);
    if (unit_products_ && has_any_floats(tile))
      unit_products_->read_out({weights_.data(), field_.factor.padded_rows(), width_, tile.lanes}, readout_.data());
    for_float_blocks(tile, [&]<int vectors>(Index lane) HWY_ATTR {
      if constexpr (sweeps) {
        sweep(tile, lane, terms);
        if (tile.wants_energy) add_up_quadratic(tile, lane, terms);
      } else {
        write_states<vectors>(tile, lane, terms);
      }
    });
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

 private:
  static constexpr bool is_linear = std::is_same_v<Separation, LinearSeparation>;
  /// Powers, whose scores may be in another unit than 1.
  static constexpr bool has_units = std::is_same_v<Separation, PolynomialSeparation>;
  /// Neurons are updated one after another: the products Fx are kept, for they follow each change; in integers where
  /// patterns and states are ±1, so that no rounding adds up.
  static constexpr bool sweeps = std::is_same_v<UpdateRule, AsynchronousSignUpdate>;
  /// Sign updates measure what they take for 0 by the weights.
  static constexpr bool totals_weights = !is_linear && std::is_same_v<UpdateRule, SignUpdate>;

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

  /// Whether lanes are so few that each is dealt with by itself. The matrix unit takes several as fast as one.
  [[nodiscard]] bool takes_singly(const Tile& tile) const { return !unit_products_ && singles_.have_room(tile); }

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

  /// Those of the part that starts there.
  [[nodiscard]] Index patterns_from(Index first) const { return std::min(part_, field_.factor.rows() - first); }

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
    return is_linear ? product : ops.mul(ops.set(field_.score_scale), product);
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

  /// The products of a block of lanes, which follow each change.
  struct Fields {
    FactoredKernel& kernel;
    const NeuronTerms& terms;
    Index lane;
    const float* held_lanes;              ///< Tile::held of them
    IntegerProducts* integers = nullptr;  ///< where patterns and states are ±1

    HWY_INLINE void of(Index neuron, const LaneBlock& state, LaneBlock& field, LaneBlock& least) const {
      LaneBlock sums;
      LaneBlock sizes;
      if (integers != nullptr)
        integers->add_up(neuron, sums);
      else
        add_up<false>(neuron, state, nullptr, sums, sizes);
      if constexpr (has_units)
        if (leave_range(sizes)) add_up_in_units(neuron, state, sums, sizes);
      const Vector diagonal = hn::Set(floats, kernel.field_.diagonal[neuron]);
      for (int v = 0; v < block_vectors; ++v) {
        field[v] = hn::Mul(hn::Set(floats, kernel.field_.scale), hn::NegMulAdd(diagonal, state[v], sums[v]));
        if (kernel.has_thresholds()) field[v] = hn::Sub(field[v], hn::Set(floats, kernel.field_.threshold[neuron]));
        least[v] = is_linear ? least_field(terms, neuron, lane + v * vector_lanes())
                             : hn::Mul(hn::Set(floats, relative_rounding(kernel.separation_)), sizes[v]);
      }
    }

    /// What all patterns add, and its magnitude. Sums of every fourth pattern don't wait for one another.
    template <bool in_units>
    HWY_INLINE void add_up(Index neuron, const LaneBlock& state, const Vector* units, LaneBlock& sums,
                           LaneBlock& sizes) const {
      constexpr int chains = 4;
      Vector chain_sums[chains][block_vectors];
      Vector chain_sizes[chains][block_vectors];
      for (int c = 0; c < chains; ++c)
        for (int v = 0; v < block_vectors; ++v) chain_sums[c][v] = chain_sizes[c][v] = hn::Zero(floats);
      const Index patterns = kernel.field_.factor.rows();
      Index first = 0;
      for (; first + chains <= patterns; first += chains)
        for (int c = 0; c < chains; ++c) add<in_units>(neuron, first + c, state, units, chain_sums[c], chain_sizes[c]);
      for (; first < patterns; ++first) add<in_units>(neuron, first, state, units, chain_sums[0], chain_sizes[0]);
      for (int v = 0; v < block_vectors; ++v) {
        sums[v] = whole(chain_sums, v);
        sizes[v] = whole(chain_sizes, v);
      }
    }

    static HWY_INLINE Vector whole(const Vector (&sums)[4][block_vectors], int v) {
      return hn::Add(hn::Add(sums[0][v], sums[1][v]), hn::Add(sums[2][v], sums[3][v]));
    }

    /// What a pattern adds: a·f(h), with f's mean between the neuron's two states.
    template <bool in_units>
    HWY_INLINE void add(Index neuron, Index pattern, const LaneBlock& state, const Vector* units, LaneBlock& sums,
                        LaneBlock& sizes) const {
      const Vector entry = hn::Set(floats, entry_at(neuron, pattern));
      const Vector whole_step = step_of(entry);
      for (int v = 0; v < block_vectors; ++v) {
        if constexpr (is_linear) {
          sums[v] = hn::MulAdd(entry, hn::Load(floats, products(pattern) + v * vector_lanes()), sums[v]);
        } else {
          Vector step = whole_step;
          Vector without = score_without(pattern, entry, state, v);
          if constexpr (in_units) {
            step = hn::Mul(step, units[v]);
            without = hn::Mul(without, units[v]);
          }
          const Vector term = hn::Mul(entry, mean_weight(kernel.separation_, VectorOps{}, without, step));
          sums[v] = hn::Add(sums[v], term);
          sizes[v] = hn::Add(sizes[v], hn::Abs(term));
        }
      }
    }

    /// What a neuron that is 1 adds to a score.
    [[nodiscard]] HWY_INLINE Vector step_of(Vector entry) const {
      return hn::Mul(hn::Set(floats, kernel.field_.score_scale), entry);
    }

    /// A score but for what the neuron adds to it.
    [[nodiscard]] HWY_INLINE Vector score_without(Index pattern, Vector entry, const LaneBlock& state, int v) const {
      const Vector product = hn::Load(floats, products(pattern) + v * vector_lanes());
      return kernel.scaled(VectorOps{}, hn::NegMulAdd(entry, state[v], product));
    }

    /// Where a lane that moves has terms that may not fit.
    static HWY_INLINE hn::Mask<Floats> unfit(Vector size) {
      const auto fits = hn::And(hn::Ge(size, hn::Set(floats, detail::least_fitting_sum)),
                                hn::Le(size, hn::Set(floats, detail::most_fitting_sum)));
      return hn::Not(fits);
    }

    [[nodiscard]] HWY_INLINE bool leave_range(const LaneBlock& sizes) const {
      bool some = false;
      for (int v = 0; v < block_vectors; ++v) {
        const auto held = hn::MaskFromVec(hn::Load(floats, held_lanes + v * vector_lanes()));
        some |= !hn::AllFalse(floats, hn::AndNot(held, unfit(sizes[v])));
      }
      return some;
    }

    /// Once more where the first time terms didn't fit. Seldom, so that code that often runs keeps its registers.
    HWY_NOINLINE void add_up_in_units(Index neuron, const LaneBlock& state, LaneBlock& sums, LaneBlock& sizes) const {
      LaneBlock units;
      choose_units(neuron, state, sizes, units);
      add_up<true>(neuron, state, units, sums, sizes);
    }

    /// By the largest score that either of the neuron's two states would have; 1 where terms fit.
    HWY_INLINE void choose_units(Index neuron, const LaneBlock& state, const LaneBlock& sizes, LaneBlock& units) const {
      for (int v = 0; v < block_vectors; ++v) {
        Vector largest = hn::Zero(floats);
        for (Index pattern = 0; pattern < kernel.field_.factor.rows(); ++pattern) {
          const Vector entry = hn::Set(floats, entry_at(neuron, pattern));
          const Vector half = hn::Abs(step_of(entry));
          const Vector without = score_without(pattern, entry, state, v);
          largest = hn::Max(largest, counted_size(kernel.separation_, VectorOps{}, hn::Add(without, half)));
          largest = hn::Max(largest, counted_size(kernel.separation_, VectorOps{}, hn::Sub(without, half)));
        }
        alignas(64) float values[hn::MaxLanes(floats)];
        hn::Store(largest, floats, values);
        for (Index i = 0; i < vector_lanes(); ++i) values[i] = std::ldexp(1.0F, detail::unit_exponent(values[i]));
        units[v] = hn::IfThenElse(unfit(sizes[v]), hn::Load(floats, values), hn::Set(floats, 1.0F));
      }
    }

    HWY_INLINE void follow(Index neuron, const LaneBlock& change) const {
      if (integers != nullptr) {
        integers->follow(neuron, change);
        return;
      }
      for (Index pattern = 0; pattern < kernel.field_.factor.rows(); ++pattern) {
        const Vector entry = hn::Set(floats, entry_at(neuron, pattern));
        for (int v = 0; v < block_vectors; ++v) {
          float* const product = products(pattern) + v * vector_lanes();
          hn::Store(hn::MulAdd(entry, change[v], hn::Load(floats, product)), floats, product);
        }
      }
    }

    [[nodiscard]] HWY_INLINE float entry_at(Index neuron, Index pattern) const {
      return kernel.field_.factor.data()[kernel.field_.factor.row_offset(pattern) + neuron * panel_rows];
    }
    [[nodiscard]] HWY_INLINE float* products(Index pattern) const {
      return kernel.weights_.data() + pattern * kernel.width_ + lane;
    }
  };

  /// All neurons of a block of lanes in turn.
  void sweep(Tile& tile, Index lane, const NeuronTerms& terms) {
    Fields fields{*this, terms, lane, tile.held.data() + lane};
    const bool suit = integers_ && IntegerProducts::suit(tile, lane);
    if (suit) {
      integers_->take(weights_.data() + lane, width_);
      fields.integers = &*integers_;
    }
    sweep_lanes(update_, tile, lane, order_, fields);
    if (suit) integers_->give(weights_.data() + lane, width_);
    has_products_ &= suit;
  }

  /// All neurons of a block of lanes at once.
  template <int vectors>
  void write_states(Tile& tile, Index lane, const NeuronTerms& terms) {
    StateWriter<UpdateRule, vectors> writer(update_, tile, lane, terms);
    for (Index row = 0; row < tile.rows; row += block_rows) {
      BlockOf<vectors> readout;
      if (is_whole() && !unit_products_) {
        clear(readout);
        add_readout(0, row, lane, readout);
      } else {
        load_readout(row, lane, readout);
      }
      finish_readout<vectors>(tile, row, lane, readout);
      writer.write(row, readout);
    }
    writer.finish();
  }

  /// Where lanes are few.
  void write_singles(Tile& tile, const NeuronTerms& terms) {
    if (is_whole()) singles_.read_out(tile, 0, field_.factor.rows(), weights_.data(), readout_.data());
    StateWriter<UpdateRule, 1> writer(update_, tile, 0, terms);
    for (Index row = 0; row < tile.rows; row += block_rows) {
      BlockOf<1> readout;
      load_block(readout_.data() + row * width_, width_, readout);
      finish_readout<1>(tile, row, 0, readout);
      writer.write(row, readout);
    }
    writer.finish();
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

  /// What becomes of products: scaled, less the diagonal's share and the thresholds.
  template <int vectors = block_vectors>
  HWY_INLINE void finish_readout(const Tile& tile, Index row, Index lane, BlockOf<vectors>& readout) const {
    const Vector scale = hn::Set(floats, field_.scale);
    HWY_UNROLL(block_rows)
    for (int r = 0; r < block_rows; ++r) {
      const Vector diagonal = hn::Set(floats, field_.diagonal[row + r]);
      HWY_UNROLL(block_vectors)
      for (int v = 0; v < vectors; ++v) {
        const float* const x = tile.state.data() + (row + r) * width_ + lane + v * vector_lanes();
        readout[r][v] = hn::Mul(scale, hn::NegMulAdd(diagonal, hn::Load(floats, x), readout[r][v]));
        if (has_thresholds()) readout[r][v] = hn::Sub(readout[r][v], hn::Set(floats, field_.threshold[row + r]));
      }
    }
    if constexpr (has_units && !std::is_same_v<UpdateRule, SignUpdate>)
      if (in_units_) take_units_out<vectors>(lane, readout);
  }

  /// By degrees, for 2^{k(n−1)} itself may be no float.
  template <int vectors = block_vectors>
  HWY_INLINE void take_units_out(Index lane, BlockOf<vectors>& readout) const {
    for (int v = 0; v < vectors; ++v) {
      const Vector unit = hn::Load(floats, unit_.data() + lane + v * vector_lanes());
      const Vector inverse = hn::Div(hn::Set(floats, 1.0F), unit);
      for (int r = 0; r < block_rows; ++r)
        for (int degree = 1; degree < separation_.order; ++degree) readout[r][v] = hn::Mul(readout[r][v], inverse);
    }
  }

  [[nodiscard]] HWY_INLINE bool has_thresholds() const { return field_.threshold.data() != nullptr; }

  const FactoredField& field_;
  UpdateRule update_;
  Separation separation_;
  Index width_;
  Index part_;                                 ///< patterns whose weights are kept
  AlignedFloats weights_;                      ///< p, in sweeps Fx [part × width]
  AlignedFloats readout_;                      ///< Σ p_μ F_μ [padded D × width], unless it is used block by block
  std::optional<IntegerProducts> integers_;    ///< of a sweep, where they can be integers
  bool has_products_ = false;                  ///< `weights_` are the products of the states as they are
  bool has_newcomers_ = false;                 ///< but for these
  std::optional<UnitProducts> unit_products_;  ///< where the matrix unit makes the products
  SingleLanes singles_;                        ///< lanes that are dealt with one by one, where few are in use
  LaneSums potential_;                         ///< Σ 2F(h)
  LaneArray<float> total_weight_{};            ///< Σ |p|, where it is wanted
  LaneArray<float> largest_{};                 ///< of the scores that count
  LaneArray<std::int32_t> exponent_{};         ///< k: scores are taken as 2ᵏh
  LaneArray<float> unit_{};                    ///< 2ᵏ
  bool in_units_ = false;                      ///< some k isn't 0
  std::vector<int> order_;                     ///< of the neurons in a sweep
};

}  // namespace

std::unique_ptr<FieldKernel> make_factored(const FactoredField& field, const Update& update, Index width) {
  return std::visit(
      [&](const auto& rule, const auto& separation) -> std::unique_ptr<FieldKernel> {
        return std::make_unique<FactoredKernel<std::decay_t<decltype(rule)>, std::decay_t<decltype(separation)>>>(
            field, rule, separation, width);
      },
      update, field.separation);
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attractor::cpu {

HWY_EXPORT(make_factored);
HWY_EXPORT(make_unit_rows);

UnitRows make_unit_rows(const PackedMatrix& factor) { return HWY_DYNAMIC_DISPATCH(make_unit_rows)(factor); }

std::unique_ptr<FieldKernel> make_kernel(const FactoredField& field, const Update& update, const KernelSize& size) {
  std::unique_ptr<FieldKernel> on_floats = HWY_DYNAMIC_DISPATCH(make_factored)(field, update, size.width);
  const auto* const signs = std::get_if<SignUpdate>(&update);
  if (signs == nullptr) return on_floats;
  return make_bipolar_kernel(field, *signs, size.width, std::move(on_floats));
}

}  // namespace attractor::cpu
#endif
