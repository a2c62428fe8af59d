// Linear memories through their scores: h = Fx, u = scale·(Fᵀh − diagonal∘x).

#include <algorithm>
#include <vector>

#include "kernels/cpu/field_kernel.hpp"
#include "kernels/cpu/readout_term.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/factored.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/product-inl.hpp"
#include "kernels/cpu/state_writer-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {
namespace {

template <class UpdateRule, class Separation>
class FactoredKernel final : public FieldKernel {
 public:
  FactoredKernel(const FactoredField& field, const UpdateRule& update, const Separation& separation)
      : field_(field), update_(update), separation_(separation), weights_(field.factor.padded_rows() * tile_lanes) {
    for (Index i = 0; i < field.factor.rows(); ++i)
      terms_.push_back({.row_offset = field.factor.row_offset(i), .weight_offset = i * tile_lanes});
  }

  void evaluate(Tile& tile) override {
    potential_ = {};
    for (Index lane = 0; lane < tile.lanes; lane += block_lanes())
      for (Index row = 0; row < field_.factor.padded_rows(); row += block_rows) score(tile, row, lane);
    if (!tile.wants_energy) return;
    for (Index lane = 0; lane < tile.lanes; ++lane) {
      const double twice = potential_.value(lane) - tile.quadratic.value(lane);
      tile.energy[static_cast<std::size_t>(lane)] = -0.5 * static_cast<double>(field_.scale) * twice;
    }
  }

  void advance(Tile& tile) override {
    for (Index lane = 0; lane < tile.lanes; lane += block_lanes()) {
      StateWriter<UpdateRule> writer(update_, tile, lane, field_.diagonal.data());
      for (Index row = 0; row < tile.rows; row += block_rows) {
        Block readout;
        clear(readout);
        multiply_terms(field_.factor.data() + row * panel_rows, weights_.data() + lane, terms_.data(),
                       static_cast<Index>(terms_.size()), readout);
        subtract_diagonal(tile, row, lane, readout);
        writer.write(row, readout);
      }
      writer.finish();
    }
  }

  bool prepare(Tile& /*tile*/, std::span<const Arrival> arrivals) override {
    for (const Arrival& arrival : arrivals) {
      Index panel = 0;
      for (; panel + 4 <= panels(); panel += 4) score_query<4>(arrival, panel);
      for (; panel < panels(); ++panel) score_query<1>(arrival, panel);
    }
    return true;
  }

 private:
  using PanelTag = hn::CappedTag<float, panel_rows>;

  [[nodiscard]] Index panels() const { return field_.factor.padded_rows() / panel_rows; }

  /// Weights of block_rows patterns for one block of lanes.
  HWY_INLINE void score(const Tile& tile, Index row, Index lane) {
    Block scores;
    const float* const panel = field_.factor.panel(row / panel_rows) + row % panel_rows;
    multiply_rows(panel, tile.state.data() + lane, field_.factor.columns(), scores);
    for (int v = 0; v < block_vectors; ++v) {
      const Index at = lane + v * vector_lanes();
      Vector potential = hn::Zero(floats);
      HWY_UNROLL(block_rows)
      for (int r = 0; r < block_rows; ++r) {
        potential = hn::Add(potential, twice_potential(separation_, VectorOps{}, scores[r][v]));
        const Vector weight = separate(separation_, VectorOps{}, scores[r][v]);
        hn::Store(weight, floats, weights_.data() + (row + r) * tile_lanes + at);
      }
      if (tile.wants_energy) add_to(potential_, at, potential);
    }
  }

  /// Weights of `count` panels of patterns for one query, summed in the order of `multiply_rows`.
  template <std::size_t count>
  HWY_INLINE void score_query(const Arrival& arrival, Index first_panel) {
    constexpr PanelTag tag;
    constexpr std::size_t step = hn::MaxLanes(tag);
    constexpr std::size_t vectors = panel_rows / step;
    const Index columns = field_.factor.columns();
    hn::Vec<PanelTag> scores[count][vectors];
    for (auto& panel : scores)
      for (auto& score : panel) score = hn::Zero(tag);
    for (Index first = 0; first < columns; first += score_chunk) {
      const Index end = std::min(first + score_chunk, columns);
      hn::Vec<PanelTag> chunk[count][vectors];
      for (auto& panel : chunk)
        for (auto& score : panel) score = hn::Zero(tag);
      for (Index k = first; k < end; ++k) {
        const auto x = hn::Set(tag, arrival.query[k]);
        HWY_UNROLL(4)
        for (std::size_t p = 0; p < count; ++p) {
          const float* const elements = field_.factor.panel(first_panel + static_cast<Index>(p)) + k * panel_rows;
          HWY_UNROLL(8)
          for (std::size_t v = 0; v < vectors; ++v)
            chunk[p][v] = hn::MulAdd(hn::Load(tag, elements + v * step), x, chunk[p][v]);
        }
      }
      for (std::size_t p = 0; p < count; ++p)
        for (std::size_t v = 0; v < vectors; ++v) scores[p][v] = hn::Add(scores[p][v], chunk[p][v]);
    }
    store_weights(arrival.lane, first_panel, &scores[0][0], count * vectors);
  }

  HWY_INLINE void store_weights(Index lane, Index first_panel, const hn::Vec<PanelTag>* scores, std::size_t count) {
    constexpr PanelTag tag;
    constexpr std::size_t step = hn::MaxLanes(tag);
    alignas(64) float values[4 * panel_rows];
    for (std::size_t i = 0; i < count; ++i)
      hn::Store(separate(separation_, TaggedOps<PanelTag>{}, scores[i]), tag, values + i * step);
    float* const column = weights_.data() + first_panel * panel_rows * tile_lanes + lane;
    for (std::size_t i = 0; i < count * step; ++i) column[static_cast<Index>(i) * tile_lanes] = values[i];
  }

  HWY_INLINE void subtract_diagonal(const Tile& tile, Index row, Index lane, Block& readout) const {
    const Vector scale = hn::Set(floats, field_.scale);
    HWY_UNROLL(block_rows)
    for (int r = 0; r < block_rows; ++r) {
      const Vector diagonal = hn::Set(floats, field_.diagonal[row + r]);
      HWY_UNROLL(block_vectors)
      for (int v = 0; v < block_vectors; ++v) {
        const float* const x = tile.state.data() + (row + r) * tile_lanes + lane + v * vector_lanes();
        readout[r][v] = hn::Mul(scale, hn::NegMulAdd(diagonal, hn::Load(floats, x), readout[r][v]));
      }
    }
  }

  const FactoredField& field_;
  UpdateRule update_;
  Separation separation_;
  std::vector<ReadoutTerm> terms_;
  AlignedFloats weights_;  ///< p [padded P × tile_lanes]
  LaneSums potential_;     ///< Σ 2F(h)
};

}  // namespace

std::unique_ptr<FieldKernel> make_factored(const FactoredField& field, const Update& update) {
  return std::visit(
      [&](const auto& rule) -> std::unique_ptr<FieldKernel> {
        return std::make_unique<FactoredKernel<std::decay_t<decltype(rule)>, LinearSeparation>>(field, rule,
                                                                                                LinearSeparation{});
      },
      update);
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attractor::cpu {

HWY_EXPORT(make_factored);

std::unique_ptr<FieldKernel> make_kernel(const FactoredField& field, const Update& update) {
  return HWY_DYNAMIC_DISPATCH(make_factored)(field, update);
}

}  // namespace attractor::cpu
#endif
