// Applies an update to a block of states and gathers what the scheduler wants to know about them.

#if defined(ATTRACTOR_CPU_STATE_WRITER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_STATE_WRITER_INL
#undef ATTRACTOR_CPU_STATE_WRITER_INL
#else
#define ATTRACTOR_CPU_STATE_WRITER_INL
#endif

#include <limits>
#include <type_traits>

#include "kernels/cpu/simd/vector_ops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// What a memory has for each neuron beside its readout, [padded D] or null.
struct NeuronTerms {
  const float* quadratic_weights = nullptr;  ///< of Tile::quadratic; null: 1 where there is a centre, else no such part
  const float* linear_weights = nullptr;     ///< of x itself in Tile::quadratic, beside weights of its square; null: 0
  const float* centre = nullptr;             ///< what Tile::quadratic is measured from; null: 0
  const float* resolution = nullptr;         ///< what sign updates take for 0,
  const float* unit = nullptr;               ///< times this of each lane [lanes]; null: 1
};

/// The unit of what sign updates take for 0 of the lanes from `lane` on. Finite, or nothing could be told from 0.
HWY_INLINE Vector unit_of(const NeuronTerms& terms, Index lane) {
  if (terms.unit == nullptr) return hn::Set(floats, 1.0F);
  return hn::Min(hn::Load(floats, terms.unit + lane), hn::Set(floats, std::numeric_limits<float>::max()));
}

/// The least field of a neuron that can be told from 0.
HWY_INLINE Vector least_field(const NeuronTerms& terms, Index neuron, Index lane) {
  return hn::Mul(hn::Set(floats, terms.resolution[neuron]), unit_of(terms, lane));
}

/// Writes the new states of so many vectors of lanes of a tile, from `lane` on, block after block of neurons.
template <class UpdateRule, int vectors = block_vectors>
class StateWriter {
 public:
  HWY_INLINE StateWriter(const UpdateRule& update, Tile& tile, Index lane, const NeuronTerms& terms)
      : update_(update),
        tile_(tile),
        lane_(lane),
        width_(tile.width),
        state_(tile.state.data() + lane),
        held_(tile.held.data() + lane),
        clamps_(tile.clamped ? tile.clamps.data() + lane : nullptr),
        earlier_(tile.wants_return ? tile.earlier.data() + lane : nullptr),
        terms_(terms),
        keeps_(tile.any_held || tile.clamped),
        wants_change_(tile.wants_change),
        wants_quadratic_(tile.wants_energy && (terms.quadratic_weights != nullptr || terms.centre != nullptr)) {
    for (int v = 0; v < vectors; ++v) {
      finite_[v] = hn::Zero(floats);
      squared_change_[v] = hn::Zero(floats);
      returns_[v] = hn::Zero(floats);
      const Index first = lane + v * vector_lanes();
      hn::Store(hn::Zero(floats), floats, tile.quadratic.high.data() + first);
      hn::Store(hn::Zero(floats), floats, tile.quadratic.low.data() + first);
      unit_[v] = unit_of(terms, first);
    }
  }

  /// x ← g(x, u) for block_rows neurons from `row` on.
  HWY_INLINE void write(Index row, const BlockOf<vectors>& readout) {
    BlockOf<vectors> next;
    HWY_UNROLL(block_rows)
    for (int r = 0; r < block_rows; ++r) {
      HWY_UNROLL(block_vectors)
      for (int v = 0; v < vectors; ++v) {
        const Index at = (row + r) * width_ + v * vector_lanes();
        const Vector old = hn::Load(floats, state_ + at);
        next[r][v] = apply_update(update_, VectorOps{}, old, told_from_zero(row + r, v, readout[r][v]));
        check_finite(v, readout[r][v], next[r][v]);
        if (pads(row + r)) next[r][v] = old;
        if (keeps_) next[r][v] = hn::IfThenElse(kept(at, v), old, next[r][v]);
        hn::Store(next[r][v], floats, state_ + at);
        if (wants_change_) {
          const Vector change = hn::Sub(next[r][v], old);
          squared_change_[v] = hn::MulAdd(change, change, squared_change_[v]);
        }
        watch_return(at, v, old, next[r][v]);
      }
    }
    if (wants_quadratic_) add_quadratic(row, next);
  }

  /// Hands the sums to the tile.
  HWY_INLINE void finish() {
    for (int v = 0; v < vectors; ++v) {
      const Index first = lane_ + v * vector_lanes();
      hn::Store(finite_[v], floats, tile_.finite.data() + first);
      hn::Store(squared_change_[v], floats, tile_.squared_change.data() + first);
      if (earlier_ != nullptr) hn::Store(returns_[v], floats, tile_.returns.data() + first);
    }
  }

 private:
  using RowOfVectors = Vector[static_cast<std::size_t>(vectors)];
  static constexpr bool signs = std::is_same_v<UpdateRule, SignUpdate>;

  /// The readout, 0 where a sign update can't tell it from that.
  HWY_INLINE Vector told_from_zero(Index row, int v, Vector readout) const {
    if constexpr (signs) {
      const Vector least = hn::Mul(hn::Set(floats, terms_.resolution[row]), unit_[v]);
      return hn::IfThenZeroElse(hn::Le(hn::Abs(readout), least), readout);
    }
    return readout;
  }

  /// Rows past the last neuron stay 0 by themselves unless the sign of 0 is 1.
  [[nodiscard]] HWY_INLINE bool pads(Index row) const {
    if constexpr (signs) return update_.at_zero == AtZero::plus && row >= tile_.dimension;
    return false;
  }

  /// A finite readout gives a finite state but for sums of both.
  HWY_INLINE void check_finite(int v, Vector readout, Vector next) {
    const Vector checked = std::is_same_v<UpdateRule, BlendUpdate> ? next : readout;
    finite_[v] = hn::MulAdd(checked, hn::Zero(floats), finite_[v]);
  }

  /// Only sign updates come back to a state, bit for bit.
  HWY_INLINE void watch_return(Index at, int v, Vector old, Vector next) {
    if constexpr (signs) {
      if (earlier_ == nullptr) return;
      returns_[v] = hn::Or(returns_[v], hn::Xor(next, hn::Load(floats, earlier_ + at)));
      hn::Store(old, floats, earlier_ + at);
    }
  }

  HWY_INLINE hn::Mask<Floats> kept(Index at, int v) const {
    Vector bits = hn::Load(floats, held_ + v * vector_lanes());
    if (clamps_ != nullptr) bits = hn::Or(bits, hn::Load(floats, clamps_ + at));
    return hn::MaskFromVec(bits);
  }

  HWY_INLINE void add_quadratic(Index row, const BlockOf<vectors>& next) {
    for (int v = 0; v < vectors; ++v) {
      Vector sum = hn::Zero(floats);
      HWY_UNROLL(block_rows)
      for (int r = 0; r < block_rows; ++r) {
        Vector x = next[r][v];
        if (terms_.centre != nullptr) x = hn::Sub(x, hn::Set(floats, terms_.centre[row + r]));
        Vector weighted = x;
        if (terms_.quadratic_weights != nullptr)
          weighted = hn::Mul(hn::Set(floats, terms_.quadratic_weights[row + r]), x);
        if (terms_.linear_weights != nullptr)
          weighted = hn::Add(weighted, hn::Set(floats, terms_.linear_weights[row + r]));
        sum = hn::MulAdd(weighted, x, sum);
      }
      add_to(tile_.quadratic, lane_ + v * vector_lanes(), sum);
    }
  }

  // Copies, not references into the tile: stores of states could alias those, and each would be read again every time.
  UpdateRule update_;
  Tile& tile_;
  Index lane_;
  Index width_;
  float* state_;
  const float* held_;
  const float* clamps_;
  float* earlier_;
  NeuronTerms terms_;
  bool keeps_;
  bool wants_change_;
  bool wants_quadratic_;
  RowOfVectors unit_;
  RowOfVectors finite_;
  RowOfVectors squared_change_;
  RowOfVectors returns_;
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
