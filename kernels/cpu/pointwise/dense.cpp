// Linear memories through their weights: u = scale·Wx − θ.

#include <cmath>
#include <type_traits>
#include <vector>

#include "core/sweep_order.hpp"
#include "kernels/cpu/engine/field_kernel.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/pointwise/dense.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/pointwise/sweep-inl.hpp"
#include "kernels/cpu/simd/product-inl.hpp"
#include "kernels/cpu/simd/state_writer-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {
namespace {

template <class UpdateRule>
class DenseKernel final : public FieldKernel {
 public:
  DenseKernel(const DenseField& field, const UpdateRule& update, Index width)
      : field_(field), update_(update), width_(width), readout_(field.weights.padded_rows() * width) {
    if constexpr (sweeps) order_ = detail::sweep_order(update, field.weights.rows());
  }

  /// Rows outside, lanes inside: a panel of weights is read from memory once for the whole tile.
  void evaluate(Tile& tile) override {
    twice_energy_ = {};
    for (Index row = 0; row < tile.rows; row += block_rows)
      for_blocks<!sweeps>(tile.lanes, [&]<int vectors>(Index lane) HWY_ATTR { read_out<vectors>(tile, row, lane); });
    if (!tile.wants_energy) return;
    for (Index lane = 0; lane < tile.lanes; ++lane) {
      double twice = twice_energy_.value(lane);
      if (!std::isfinite(twice)) twice = wide_sum(tile, lane);
      tile.energy[static_cast<std::size_t>(lane)] = -0.5 * twice;
    }
  }

  void advance(Tile& tile) override {
    const NeuronTerms terms{.resolution = resolution_for<UpdateRule>(field_.resolution), .unit = tile.magnitude.data()};
    for_blocks<!sweeps>(tile.lanes, [&]<int vectors>(Index lane) HWY_ATTR {
      if constexpr (sweeps)
        sweep_lanes(update_, tile, lane, order_, Fields{*this, terms, lane});
      else
        write_states<vectors>(tile, lane, terms);
    });
  }

  bool prepare(Tile& /*tile*/, std::span<const Arrival> /*arrivals*/) override { return false; }

 private:
  static constexpr bool sweeps = std::is_same_v<UpdateRule, AsynchronousSignUpdate>;

  /// All neurons of a block of lanes at once.
  template <int vectors>
  void write_states(Tile& tile, Index lane, const NeuronTerms& terms) {
    StateWriter<UpdateRule, vectors> writer(update_, tile, lane, terms);
    for (Index row = 0; row < tile.rows; row += block_rows) {
      BlockOf<vectors> readout;
      load_block(readout_.data() + row * width_ + lane, width_, readout);
      writer.write(row, readout);
    }
    writer.finish();
  }

  /// The products of a block of lanes, which follow each change; in integers where patterns and states are ±1, so that
  /// no rounding adds up.
  struct Fields {
    DenseKernel& kernel;
    const NeuronTerms& terms;
    Index lane;

    HWY_INLINE void of(Index neuron, const LaneBlock& /*state*/, LaneBlock& field, LaneBlock& least) const {
      for (int v = 0; v < block_vectors; ++v) {
        field[v] = hn::Mul(hn::Set(floats, kernel.field_.scale), hn::Load(floats, at(neuron) + v * vector_lanes()));
        field[v] = kernel.less_threshold(neuron, field[v]);
        least[v] = least_field(terms, neuron, lane + v * vector_lanes());
      }
    }
    HWY_INLINE void follow(Index neuron, const LaneBlock& change) const {
      const PackedMatrix& weights = kernel.field_.weights;
      const float* const row = weights.data() + weights.row_offset(neuron);
      for (Index k = 0; k < weights.columns(); ++k) {
        const Vector weight = hn::Set(floats, row[k * panel_rows]);
        for (int v = 0; v < block_vectors; ++v) {
          float* const product = at(k) + v * vector_lanes();
          const Vector before = hn::Load(floats, product);
          // A weight may be infinite: lanes that stay must not hear of it.
          const auto stays = hn::Eq(change[v], hn::Zero(floats));
          hn::Store(hn::IfThenElse(stays, before, hn::MulAdd(weight, change[v], before)), floats, product);
        }
      }
    }
    [[nodiscard]] HWY_INLINE float* at(Index neuron) const {
      return kernel.readout_.data() + neuron * kernel.width_ + lane;
    }
  };

  /// Σ x·(u − θ) where products leave the range of float.
  [[nodiscard]] double wide_sum(const Tile& tile, Index lane) const {
    double sum = 0.0;
    for (Index row = 0; row < tile.dimension; ++row) {
      const auto value = static_cast<double>(readout_[row * width_ + lane]);
      const double threshold = has_thresholds() ? static_cast<double>(field_.threshold[row]) : 0.0;
      const double field = sweeps ? static_cast<double>(field_.scale) * value - threshold : value;
      sum += static_cast<double>(tile.state[row * width_ + lane]) * (field - threshold);
    }
    return sum;
  }

  [[nodiscard]] HWY_INLINE bool has_thresholds() const { return field_.threshold.data() != nullptr; }
  [[nodiscard]] HWY_INLINE Vector less_threshold(Index neuron, Vector value) const {
    return has_thresholds() ? hn::Sub(value, hn::Set(floats, field_.threshold[neuron])) : value;
  }

  template <int vectors>
  HWY_INLINE void read_out(const Tile& tile, Index row, Index lane) {
    BlockOf<vectors> product;
    const float* const panel = field_.weights.panel(row / panel_rows) + row % panel_rows;
    multiply_rows(panel, tile.state.data() + lane, width_, field_.weights.columns(), product);
    const Vector scale = hn::Set(floats, field_.scale);
    for (int v = 0; v < vectors; ++v) {
      const Index first = lane + v * vector_lanes();
      Vector sum = hn::Zero(floats);
      HWY_UNROLL(block_rows)
      for (int r = 0; r < block_rows; ++r) {
        const Index at = (row + r) * width_ + first;
        const Vector readout = less_threshold(row + r, hn::Mul(scale, product[r][v]));
        hn::Store(sweeps ? product[r][v] : readout, floats, readout_.data() + at);
        sum = hn::MulAdd(hn::Load(floats, tile.state.data() + at), less_threshold(row + r, readout), sum);
      }
      if (tile.wants_energy) add_to(twice_energy_, first, sum);
    }
  }

  const DenseField& field_;
  UpdateRule update_;
  Index width_;
  AlignedFloats readout_;   ///< u, in sweeps Wx [padded D × width]
  LaneSums twice_energy_;   ///< Σ x·(u − θ)
  std::vector<int> order_;  ///< of the neurons in a sweep
};

}  // namespace

std::unique_ptr<FieldKernel> make_dense(const DenseField& field, const Update& update, Index width) {
  return std::visit(
      [&](const auto& rule) -> std::unique_ptr<FieldKernel> {
        return std::make_unique<DenseKernel<std::decay_t<decltype(rule)>>>(field, rule, width);
      },
      update);
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attractor::cpu {

HWY_EXPORT(make_dense);

std::unique_ptr<FieldKernel> make_kernel(const DenseField& field, const Update& update, const KernelSize& size) {
  return HWY_DYNAMIC_DISPATCH(make_dense)(field, update, size.width);
}

}  // namespace attractor::cpu
#endif
