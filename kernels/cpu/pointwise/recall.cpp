// What pointwise memories read out at states that stay where they are: contents scale·Cᵀp(h) and the sum of the
// weights, scale·intensityᵀp(h). The removed diagonal is no part of either.

#include <algorithm>
#include <memory>
#include <type_traits>
#include <variant>

#include "kernels/cpu/engine/field_kernel.hpp"
#include "kernels/sizes.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/pointwise/recall.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/simd/product-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {
namespace {

HWY_INLINE void store(const Block& block, Vector factor, float* rows, Index width) {
  for (int r = 0; r < block_rows; ++r)
    for (int v = 0; v < block_vectors; ++v)
      hn::Store(hn::Mul(factor, block[r][v]), floats, rows + r * width + v * vector_lanes());
}

HWY_INLINE void load(const float* rows, Index width, Block& block) {
  for (int r = 0; r < block_rows; ++r)
    for (int v = 0; v < block_vectors; ++v) block[r][v] = hn::Load(floats, rows + r * width + v * vector_lanes());
}

/// Adds weights [block_rows] times a block of values to the lanes' sums.
HWY_INLINE void add_weighted(const float* weights, const Block& values, Index lane, LaneSums& sums) {
  for (int v = 0; v < block_vectors; ++v) {
    Vector sum = hn::Zero(floats);
    for (int r = 0; r < block_rows; ++r) sum = hn::MulAdd(hn::Set(floats, weights[r]), values[r][v], sum);
    add_to(sums, lane + v * vector_lanes(), sum);
  }
}

/// What both kernels write.
class LaneResults {
 public:
  LaneResults(Index rows, Index width) : width_(width), contents_(rows * width) {}

  [[nodiscard]] float* at(Index row, Index lane) { return contents_.data() + row * width_ + lane; }

  LaneReadout finish(const LaneSums& intensity, float scale) {
    for (Index lane = 0; lane < width_; ++lane)
      intensity_[static_cast<std::size_t>(lane)] =
          static_cast<float>(static_cast<double>(scale) * intensity.value(lane));
    return {.contents = contents_.data(), .intensity = &intensity_};
  }

 private:
  Index width_;
  AlignedFloats contents_;  ///< [padded M × width]
  LaneArray<float> intensity_{};
};

/// Through the scores: of more patterns than fit the weights that a thread keeps, one part after another is weighed and
/// read out; sums run over the patterns in the same order.
template <class Separation>
class FactoredRecall final : public RecallKernel {
 public:
  FactoredRecall(const FactoredField& field, const Readout& readout, const Separation& separation, Index width)
      : field_(field),
        contents_(readout.contents.rows() == 0 ? field.factor : readout.contents),
        intensity_(readout.intensity),
        separation_(separation),
        width_(width),
        part_(std::min(padded(detail::sizes().weighed_patterns), field.factor.padded_rows())),
        weights_(part_ * width),
        results_(contents_.padded_columns(), width) {}

  LaneReadout recall(const Tile& tile) override {
    LaneSums intensity;
    for (Index first = 0; first < field_.factor.padded_rows(); first += part_) {
      const Index end = std::min(first + part_, field_.factor.padded_rows());
      for (Index lane = 0; lane < tile.lanes; lane += block_lanes())
        for (Index row = first; row < end; row += block_rows) weigh(tile, first, row, lane, intensity);
      read_out(tile, first);
    }
    return results_.finish(intensity, field_.scale);
  }

 private:
  /// Weights of block_rows patterns of the part that starts at `first`, for one block of lanes.
  HWY_INLINE void weigh(const Tile& tile, Index first, Index row, Index lane, LaneSums& intensity) {
    Block weights;
    const float* const panel = field_.factor.panel(row / panel_rows) + row % panel_rows;
    multiply_rows(panel, tile.state.data() + lane, width_, field_.factor.columns(), weights);
    for (int r = 0; r < block_rows; ++r)
      for (int v = 0; v < block_vectors; ++v)
        weights[r][v] = separate(separation_, VectorOps{}, hn::Mul(hn::Set(floats, field_.score_scale), weights[r][v]));
    store(weights, hn::Set(floats, 1.0F), weights_.data() + (row - first) * width_ + lane, width_);
    add_weighted(intensity_.data() + row, weights, lane, intensity);
  }

  void read_out(const Tile& tile, Index first) {
    const Index count = std::min(part_, field_.factor.rows() - first);
    const bool last = first + part_ >= field_.factor.padded_rows();
    const Vector factor = hn::Set(floats, last ? field_.scale : 1.0F);
    for (Index row = 0; row < contents_.padded_columns(); row += block_rows)
      for (Index lane = 0; lane < tile.lanes; lane += block_lanes()) {
        Block block;
        if (first == 0)
          clear(block);
        else
          load(results_.at(row, lane), width_, block);
        multiply_columns(contents_.panel(first / panel_rows) + row * panel_rows,
                         panel_rows * contents_.padded_columns(), weights_.data() + lane, width_, count, block);
        store(block, factor, results_.at(row, lane), width_);
      }
  }

  const FactoredField& field_;
  const PackedMatrix& contents_;
  const AlignedFloats& intensity_;
  Separation separation_;
  Index width_;
  Index part_;             ///< patterns whose weights are kept
  AlignedFloats weights_;  ///< p [part × width]
  LaneResults results_;
};

/// Through weights CᵀF, or those of the memory with their diagonal.
class DenseRecall final : public RecallKernel {
 public:
  DenseRecall(const DenseField& field, const Readout& readout, Index width)
      : readout_(readout),
        weights_(readout.contents.rows() == 0 ? field.weights : readout.contents),
        scale_(field.scale),
        width_(width),
        results_(weights_.padded_rows(), width) {}

  LaneReadout recall(const Tile& tile) override {
    LaneSums intensity;
    for (Index lane = 0; lane < tile.lanes; lane += block_lanes())
      for (Index row = 0; row < tile.rows; row += block_rows) {
        Block states;
        load(tile.state.data() + row * width_ + lane, width_, states);
        add_weighted(readout_.intensity.data() + row, states, lane, intensity);
      }
    for (Index row = 0; row < weights_.padded_rows(); row += block_rows)
      for (Index lane = 0; lane < tile.lanes; lane += block_lanes()) read_out(tile, row, lane);
    return results_.finish(intensity, scale_);
  }

 private:
  HWY_INLINE void read_out(const Tile& tile, Index row, Index lane) {
    Block block;
    const float* const panel = weights_.panel(row / panel_rows) + row % panel_rows;
    multiply_rows(panel, tile.state.data() + lane, width_, weights_.columns(), block);
    if (readout_.diagonal.data() != nullptr) {
      Block states;
      load(tile.state.data() + row * width_ + lane, width_, states);
      for (int r = 0; r < block_rows; ++r)
        for (int v = 0; v < block_vectors; ++v)
          block[r][v] = hn::MulAdd(hn::Set(floats, readout_.diagonal[row + r]), states[r][v], block[r][v]);
    }
    store(block, hn::Set(floats, scale_), results_.at(row, lane), width_);
  }

  const Readout& readout_;
  const PackedMatrix& weights_;
  float scale_;
  Index width_;
  LaneResults results_;
};

}  // namespace

std::unique_ptr<RecallKernel> make_factored_recall(const FactoredField& field, const Readout& readout, Index width) {
  return std::visit(
      [&](const auto& separation) -> std::unique_ptr<RecallKernel> {
        return std::make_unique<FactoredRecall<std::decay_t<decltype(separation)>>>(field, readout, separation, width);
      },
      field.separation);
}

std::unique_ptr<RecallKernel> make_dense_recall(const DenseField& field, const Readout& readout, Index width) {
  return std::make_unique<DenseRecall>(field, readout, width);
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attractor::cpu {

HWY_EXPORT(make_factored_recall);
HWY_EXPORT(make_dense_recall);

std::unique_ptr<RecallKernel> make_recall_kernel(const FactoredField& field, const Readout& readout,
                                                 const KernelSize& size) {
  return HWY_DYNAMIC_DISPATCH(make_factored_recall)(field, readout, size.width);
}

std::unique_ptr<RecallKernel> make_recall_kernel(const DenseField& field, const Readout& readout,
                                                 const KernelSize& size) {
  return HWY_DYNAMIC_DISPATCH(make_dense_recall)(field, readout, size.width);
}

}  // namespace attractor::cpu
#endif
