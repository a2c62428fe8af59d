// Asynchronous sign updates: one neuron after another of a block of lanes.

#if defined(ATTRACTOR_CPU_SWEEP_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_SWEEP_INL
#undef ATTRACTOR_CPU_SWEEP_INL
#else
#define ATTRACTOR_CPU_SWEEP_INL
#endif

#include <span>

#include "kernels/cpu/simd/state_writer-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

using LaneBlock = Vector[block_vectors];

/// Moves neurons in turn. `Fields` offers `of(neuron, state, field, least)`, the field that decides the sign of a
/// neuron whose state that is, and the least that can be told from 0; and `follow(neuron, change)` after it has
/// changed.
template <class Fields>
HWY_INLINE void sweep_lanes(const AsynchronousSignUpdate& update, Tile& tile, Index lane, std::span<const int> order,
                            Fields&& fields) {
  LaneBlock finite;
  LaneBlock squared_change;
  for (int v = 0; v < block_vectors; ++v) {
    finite[v] = hn::Zero(floats);
    squared_change[v] = hn::Zero(floats);
  }
  for (const int neuron : order) {
    float* const state = tile.state.data() + neuron * tile.width + lane;
    LaneBlock x;
    for (int v = 0; v < block_vectors; ++v) x[v] = hn::Load(floats, state + v * vector_lanes());
    LaneBlock field;
    LaneBlock least;
    fields.of(neuron, x, field, least);
    LaneBlock change;
    bool moves = false;
    for (int v = 0; v < block_vectors; ++v) {
      const Index at = lane + v * vector_lanes();
      const Vector decisive = hn::IfThenZeroElse(hn::Le(hn::Abs(field[v]), least[v]), field[v]);
      Vector next = apply_update(update, VectorOps{}, x[v], decisive);
      Vector kept = hn::Load(floats, tile.held.data() + at);
      if (tile.clamped) kept = hn::Or(kept, hn::Load(floats, tile.clamps.data() + neuron * tile.width + at));
      next = hn::IfThenElse(hn::MaskFromVec(kept), x[v], next);
      finite[v] = hn::MulAdd(field[v], hn::Zero(floats), finite[v]);
      change[v] = hn::Sub(next, x[v]);
      squared_change[v] = hn::MulAdd(change[v], change[v], squared_change[v]);
      moves |= !hn::AllTrue(floats, hn::Eq(change[v], hn::Zero(floats)));
      hn::Store(next, floats, state + v * vector_lanes());
    }
    if (moves) fields.follow(neuron, change);
  }
  for (int v = 0; v < block_vectors; ++v) {
    hn::Store(finite[v], floats, tile.finite.data() + lane + v * vector_lanes());
    hn::Store(squared_change[v], floats, tile.squared_change.data() + lane + v * vector_lanes());
  }
}

/// Tile::quadratic of states that are there already.
HWY_INLINE void add_up_quadratic(Tile& tile, Index lane, const NeuronTerms& terms) {
  for (int v = 0; v < block_vectors; ++v) {
    const Index at = lane + v * vector_lanes();
    hn::Store(hn::Zero(floats), floats, tile.quadratic.high.data() + at);
    hn::Store(hn::Zero(floats), floats, tile.quadratic.low.data() + at);
    for (Index row = 0; row < tile.rows; ++row) {
      const Vector x = hn::Load(floats, tile.state.data() + row * tile.width + at);
      Vector weighted = hn::Mul(hn::Set(floats, terms.quadratic_weights[row]), x);
      if (terms.linear_weights != nullptr) weighted = hn::Add(weighted, hn::Set(floats, terms.linear_weights[row]));
      add_to(tile.quadratic, at, hn::Mul(weighted, x));
    }
  }
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
