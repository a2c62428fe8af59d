// Linear memories through their weights: u = scale·Wx.

#include <cmath>

#include "kernels/cpu/engine/field_kernel.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/pointwise/dense.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/simd/product-inl.hpp"
#include "kernels/cpu/simd/state_writer-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {
namespace {

template <class UpdateRule>
class DenseKernel final : public FieldKernel {
 public:
  DenseKernel(const DenseField& field, const UpdateRule& update, Index width)
      : field_(field), update_(update), width_(width), readout_(field.weights.padded_rows() * width) {}

  /// Rows outside, lanes inside: a panel of weights is read from memory once for the whole tile.
  void evaluate(Tile& tile) override {
    twice_energy_ = {};
    for (Index row = 0; row < tile.rows; row += block_rows)
      for (Index lane = 0; lane < tile.lanes; lane += block_lanes()) read_out(tile, row, lane);
    if (!tile.wants_energy) return;
    for (Index lane = 0; lane < tile.lanes; ++lane) {
      double twice = twice_energy_.value(lane);
      if (!std::isfinite(twice)) twice = wide_sum(tile, lane);
      tile.energy[static_cast<std::size_t>(lane)] = -0.5 * twice;
    }
  }

  void advance(Tile& tile) override {
    for (Index lane = 0; lane < tile.lanes; lane += block_lanes()) {
      StateWriter<UpdateRule> writer(update_, tile, lane,
                                     {.resolution = field_.resolution.data(), .unit = tile.magnitude.data()});
      for (Index row = 0; row < tile.rows; row += block_rows) {
        Block readout;
        for (int r = 0; r < block_rows; ++r)
          for (int v = 0; v < block_vectors; ++v)
            readout[r][v] = hn::Load(floats, readout_.data() + (row + r) * width_ + lane + v * vector_lanes());
        writer.write(row, readout);
      }
      writer.finish();
    }
  }

  bool prepare(Tile& /*tile*/, std::span<const Arrival> /*arrivals*/) override { return false; }

 private:
  /// Σ x·u where products leave the range of float.
  [[nodiscard]] double wide_sum(const Tile& tile, Index lane) const {
    double sum = 0.0;
    for (Index row = 0; row < tile.dimension; ++row)
      sum += static_cast<double>(tile.state[row * width_ + lane]) * static_cast<double>(readout_[row * width_ + lane]);
    return sum;
  }

  HWY_INLINE void read_out(const Tile& tile, Index row, Index lane) {
    Block product;
    const float* const panel = field_.weights.panel(row / panel_rows) + row % panel_rows;
    multiply_rows(panel, tile.state.data() + lane, width_, field_.weights.columns(), product);
    const Vector scale = hn::Set(floats, field_.scale);
    for (int v = 0; v < block_vectors; ++v) {
      const Index first = lane + v * vector_lanes();
      Vector sum = hn::Zero(floats);
      HWY_UNROLL(block_rows)
      for (int r = 0; r < block_rows; ++r) {
        const Index at = (row + r) * width_ + first;
        const Vector readout = hn::Mul(scale, product[r][v]);
        hn::Store(readout, floats, readout_.data() + at);
        sum = hn::MulAdd(hn::Load(floats, tile.state.data() + at), readout, sum);
      }
      if (tile.wants_energy) add_to(twice_energy_, first, sum);
    }
  }

  const DenseField& field_;
  UpdateRule update_;
  Index width_;
  AlignedFloats readout_;  ///< u [padded D × width]
  LaneSums twice_energy_;  ///< Σ x·u
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

std::unique_ptr<FieldKernel> make_kernel(const DenseField& field, const Update& update, Index width) {
  return HWY_DYNAMIC_DISPATCH(make_dense)(field, update, width);
}

}  // namespace attractor::cpu
#endif
