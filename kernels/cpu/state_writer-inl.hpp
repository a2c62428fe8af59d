// Applies an update to a block of states and gathers what the scheduler wants to know about them.

#if defined(ATTRACTOR_CPU_STATE_WRITER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_STATE_WRITER_INL
#undef ATTRACTOR_CPU_STATE_WRITER_INL
#else
#define ATTRACTOR_CPU_STATE_WRITER_INL
#endif

#include "kernels/cpu/vector_ops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// Writes the new states of the lanes [lane, lane + block_lanes()) of a tile, block after block of neurons.
template <class UpdateRule>
class StateWriter {
 public:
  /// @param quadratic_weights [padded D] of Tile::quadratic, or null where the energy has no such part.
  HWY_INLINE StateWriter(const UpdateRule& update, Tile& tile, Index lane, const float* quadratic_weights)
      : update_(update),
        tile_(tile),
        lane_(lane),
        width_(tile.width),
        state_(tile.state.data() + lane),
        held_(tile.held.data() + lane),
        clamps_(tile.clamped ? tile.clamps.data() + lane : nullptr),
        quadratic_weights_(tile.wants_energy ? quadratic_weights : nullptr),
        keeps_(tile.any_held || tile.clamped),
        wants_change_(tile.wants_change) {
    for (int v = 0; v < block_vectors; ++v) {
      finite_[v] = hn::Zero(floats);
      squared_change_[v] = hn::Zero(floats);
      const Index first = lane + v * vector_lanes();
      hn::Store(hn::Zero(floats), floats, tile.quadratic.high.data() + first);
      hn::Store(hn::Zero(floats), floats, tile.quadratic.low.data() + first);
    }
  }

  /// x ← g(x, u) for block_rows neurons from `row` on.
  HWY_INLINE void write(Index row, const Block& readout) {
    Block next;
    HWY_UNROLL(block_rows)
    for (int r = 0; r < block_rows; ++r) {
      HWY_UNROLL(block_vectors)
      for (int v = 0; v < block_vectors; ++v) {
        const Index at = (row + r) * width_ + v * vector_lanes();
        const Vector old = hn::Load(floats, state_ + at);
        next[r][v] = apply_update(update_, VectorOps{}, old, readout[r][v]);
        if (keeps_) next[r][v] = hn::IfThenElse(kept(at, v), old, next[r][v]);
        hn::Store(next[r][v], floats, state_ + at);
        finite_[v] = hn::MulAdd(next[r][v], hn::Zero(floats), finite_[v]);
        if (wants_change_) {
          const Vector change = hn::Sub(next[r][v], old);
          squared_change_[v] = hn::MulAdd(change, change, squared_change_[v]);
        }
      }
    }
    if (quadratic_weights_ != nullptr) add_quadratic(row, next);
  }

  /// Hands the sums to the tile.
  HWY_INLINE void finish() {
    for (int v = 0; v < block_vectors; ++v) {
      const Index first = lane_ + v * vector_lanes();
      hn::Store(finite_[v], floats, tile_.finite.data() + first);
      hn::Store(squared_change_[v], floats, tile_.squared_change.data() + first);
    }
  }

 private:
  HWY_INLINE hn::Mask<Floats> kept(Index at, int v) const {
    Vector bits = hn::Load(floats, held_ + v * vector_lanes());
    if (clamps_ != nullptr) bits = hn::Or(bits, hn::Load(floats, clamps_ + at));
    return hn::MaskFromVec(bits);
  }

  HWY_INLINE void add_quadratic(Index row, const Block& next) {
    for (int v = 0; v < block_vectors; ++v) {
      Vector sum = hn::Zero(floats);
      HWY_UNROLL(block_rows)
      for (int r = 0; r < block_rows; ++r)
        sum = hn::MulAdd(hn::Mul(hn::Set(floats, quadratic_weights_[row + r]), next[r][v]), next[r][v], sum);
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
  const float* quadratic_weights_;
  bool keeps_;
  bool wants_change_;
  Vector finite_[block_vectors];
  Vector squared_change_[block_vectors];
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
