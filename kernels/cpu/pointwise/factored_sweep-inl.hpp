// Asynchronous sign updates of pointwise memories.

#if defined(ATTRACTOR_CPU_FACTORED_SWEEP_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_FACTORED_SWEEP_INL
#undef ATTRACTOR_CPU_FACTORED_SWEEP_INL
#else
#define ATTRACTOR_CPU_FACTORED_SWEEP_INL
#endif

#include <cmath>
#include <optional>
#include <vector>

#include "core/score_unit.hpp"
#include "core/sweep_order.hpp"
#include "kernels/cpu/pointwise/factored_scores-inl.hpp"
#include "kernels/cpu/pointwise/integer_products-inl.hpp"
#include "kernels/cpu/pointwise/sweep-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// The products of a block of lanes, which follow each change.
template <class Separation>
struct SweptFields {
  const FactoredField& memory;
  const Separation& separation;
  float* products;  ///< Fx [patterns × width], of these lanes
  Index width;
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
    if constexpr (has_units<Separation>)
      if (leave_range(sizes)) add_up_in_units(neuron, state, sums, sizes);
    const Vector diagonal = hn::Set(floats, memory.diagonal[neuron]);
    for (int v = 0; v < block_vectors; ++v) {
      field[v] = hn::Mul(hn::Set(floats, memory.scale), hn::NegMulAdd(diagonal, state[v], sums[v]));
      if (memory.threshold.data() != nullptr) field[v] = hn::Sub(field[v], hn::Set(floats, memory.threshold[neuron]));
      least[v] = is_linear<Separation> ? least_field(terms, neuron, lane + v * vector_lanes())
                                       : hn::Mul(hn::Set(floats, relative_rounding(separation)), sizes[v]);
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
    const Index patterns = memory.factor.rows();
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
      if constexpr (is_linear<Separation>) {
        sums[v] = hn::MulAdd(entry, hn::Load(floats, product_of(pattern) + v * vector_lanes()), sums[v]);
      } else {
        Vector step = whole_step;
        Vector without = score_without(pattern, entry, state, v);
        if constexpr (in_units) {
          step = hn::Mul(step, units[v]);
          without = hn::Mul(without, units[v]);
        }
        const Vector term = hn::Mul(entry, mean_weight(separation, VectorOps{}, without, step));
        sums[v] = hn::Add(sums[v], term);
        sizes[v] = hn::Add(sizes[v], hn::Abs(term));
      }
    }
  }

  /// What a neuron that is 1 adds to a score.
  [[nodiscard]] HWY_INLINE Vector step_of(Vector entry) const {
    return hn::Mul(hn::Set(floats, memory.score_scale), entry);
  }

  /// A score but for what the neuron adds to it.
  [[nodiscard]] HWY_INLINE Vector score_without(Index pattern, Vector entry, const LaneBlock& state, int v) const {
    const Vector product = hn::Load(floats, product_of(pattern) + v * vector_lanes());
    return scaled_score<Separation>(memory, VectorOps{}, hn::NegMulAdd(entry, state[v], product));
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
      for (Index pattern = 0; pattern < memory.factor.rows(); ++pattern) {
        const Vector entry = hn::Set(floats, entry_at(neuron, pattern));
        const Vector half = hn::Abs(step_of(entry));
        const Vector without = score_without(pattern, entry, state, v);
        largest = hn::Max(largest, counted_size(separation, VectorOps{}, hn::Add(without, half)));
        largest = hn::Max(largest, counted_size(separation, VectorOps{}, hn::Sub(without, half)));
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
    for (Index pattern = 0; pattern < memory.factor.rows(); ++pattern) {
      const Vector entry = hn::Set(floats, entry_at(neuron, pattern));
      for (int v = 0; v < block_vectors; ++v) {
        float* const product = product_of(pattern) + v * vector_lanes();
        hn::Store(hn::MulAdd(entry, change[v], hn::Load(floats, product)), floats, product);
      }
    }
  }

  [[nodiscard]] HWY_INLINE float entry_at(Index neuron, Index pattern) const {
    return memory.factor.data()[memory.factor.row_offset(pattern) + neuron * panel_rows];
  }
  [[nodiscard]] HWY_INLINE float* product_of(Index pattern) const { return products + pattern * width; }
};

/// Updates one neuron after another. The products Fx follow each change: in integers where patterns and states are ±1,
/// so that no rounding adds up.
template <class Separation>
class SweptKernel final : public FactoredScores<ScoreUse::sweep, Separation> {
 public:
  SweptKernel(const FactoredField& field, const AsynchronousSignUpdate& update, const Separation& separation,
              Index width)
      : Scores(field, separation, width), update_(update), order_(detail::sweep_order(update, field.factor.columns())) {
    if constexpr (is_linear<Separation>)
      if (takes_integers(field.bipolar)) integers_.emplace(field.bipolar);
  }

  void advance(Tile& tile) override {
    const NeuronTerms terms = terms_of(tile, resolution_for<AsynchronousSignUpdate>(field_.resolution));
    has_products_ = integers_.has_value();
    Scores::for_float_blocks(tile, [&]<int>(Index lane) HWY_ATTR {
      sweep(tile, lane, terms);
      if (tile.wants_energy) add_up_quadratic(tile, lane, terms);
    });
  }

 private:
  using Scores = FactoredScores<ScoreUse::sweep, Separation>;
  using Scores::field_;
  using Scores::has_products_;
  using Scores::terms_of;
  using Scores::weights_;
  using Scores::width_;

  /// All neurons of a block of lanes in turn.
  void sweep(Tile& tile, Index lane, const NeuronTerms& terms) {
    SweptFields<Separation> fields{.memory = field_,
                                   .separation = Scores::separation_,
                                   .products = weights_.data() + lane,
                                   .width = width_,
                                   .terms = terms,
                                   .lane = lane,
                                   .held_lanes = tile.held.data() + lane};
    const bool suit = integers_ && IntegerProducts::suit(tile, lane);
    if (suit) {
      integers_->take(weights_.data() + lane, width_);
      fields.integers = &*integers_;
    }
    sweep_lanes(update_, tile, lane, order_, fields);
    if (suit) integers_->give(weights_.data() + lane, width_);
    has_products_ &= suit;
  }

  AsynchronousSignUpdate update_;
  std::vector<int> order_;                   ///< of the neurons
  std::optional<IntegerProducts> integers_;  ///< where products can be integers
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
