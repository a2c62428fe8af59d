// Relaxes and recalls on memories whose weights are normalised; `Reader` is a CandidateReader that weighs.

#if defined(ATTRACTOR_CPU_NORMALISED_KERNEL_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_NORMALISED_KERNEL_INL
#undef ATTRACTOR_CPU_NORMALISED_KERNEL_INL
#else
#define ATTRACTOR_CPU_NORMALISED_KERNEL_INL
#endif

#include <cmath>
#include <memory>
#include <type_traits>

#include "kernels/cpu/engine/field_kernel.hpp"
#include "kernels/cpu/simd/state_writer-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// What a memory has beside its scores: u = c + pᵀA, E = −(Ω*(s) + potential_offset)/beta + ½‖x − c‖² + offset, the
/// middle term only where there is a centre.
struct NormalisedTerms {
  const float* resolution = nullptr;  ///< [padded D]
  const float* centre = nullptr;      ///< c [padded D] or null
  double beta = 1.0;                  ///< where the tile has none
  double potential_offset = 0.0;
  double offset = 0.0;
};

/// Adds a value for each neuron to its lanes.
HWY_INLINE void add_neurons(const float* values, Index row, Block& block) {
  for (int r = 0; r < block_rows; ++r)
    for (int v = 0; v < block_vectors; ++v) block[r][v] = hn::Add(block[r][v], hn::Set(floats, values[row + r]));
}

/// Of scores that nobody asks for beside their weights.
struct Unwatched {
  HWY_INLINE void operator()(Index /*pattern*/, Index /*lane*/, Vector /*scores*/) const {}
};

template <class UpdateRule, class Reader>
class NormalisedKernel final : public FieldKernel {
 public:
  template <class... Separation>
  NormalisedKernel(const typename Reader::Field& field, const NormalisedTerms& terms, const UpdateRule& update,
                   const KernelSize& size, const Separation&... separation)
      : terms_(terms), update_(update), reader_(field, field.patterns, size, separation...) {}

  void evaluate(Tile& tile) override {
    reader_.evaluate(tile, Unwatched());
    if (!tile.wants_energy) return;
    for (Index lane = 0; lane < tile.lanes; ++lane) {
      const auto at = static_cast<std::size_t>(lane);
      const double beta = tile.has_betas ? static_cast<double>(tile.beta[at]) : terms_.beta;
      const double quadratic = terms_.centre != nullptr ? 0.5 * squared_norm(tile, lane) : 0.0;
      tile.energy[at] = -(reader_.potential(lane) + terms_.potential_offset) / beta + quadratic + terms_.offset;
    }
  }

  void advance(Tile& tile) override {
    reader_.prepare_readout(tile);
    for (Index lane = 0; lane < tile.lanes; lane += block_lanes()) {
      StateWriter<UpdateRule> writer(update_, tile, lane, {.centre = terms_.centre, .resolution = terms_.resolution});
      for (Index row = 0; row < tile.rows; row += block_rows) {
        Block block;
        reader_.readout(row, lane, block);
        if (terms_.centre != nullptr) add_neurons(terms_.centre, row, block);
        if constexpr (requires { reader_.keep_unread(tile, row, lane, block); })
          reader_.keep_unread(tile, row, lane, block);
        writer.write(row, block);
      }
      writer.finish();
    }
  }

  bool prepare(Tile& /*tile*/, std::span<const Arrival> /*arrivals*/) override { return false; }

  [[nodiscard]] const LaneArray<double>* spread() const override { return reader_.spread(); }

 private:
  /// ‖x − c‖², also where squares leave the range of float.
  [[nodiscard]] double squared_norm(const Tile& tile, Index lane) const {
    const double quick = tile.quadratic.value(lane);
    if (std::isfinite(quick)) return quick;
    double sum = 0.0;
    for (Index k = 0; k < tile.dimension; ++k) {
      const auto x = static_cast<double>(tile.state[k * tile.width + lane]) - static_cast<double>(terms_.centre[k]);
      sum += x * x;
    }
    return sum;
  }

  NormalisedTerms terms_;
  UpdateRule update_;
  Reader reader_;
};

template <class Reader>
class ContentsKernel final : public RecallKernel {
 public:
  /// `centre` [padded D]: what the field's patterns are measured from, or null.
  template <class... Separation>
  ContentsKernel(const typename Reader::Field& field, const Readout& readout, const float* centre,
                 const KernelSize& size, const Separation&... separation)
      : reader_(field, matrix(field, readout), size, separation...),
        centre_(readout.contents.rows() == 0 ? centre : nullptr),
        rows_(matrix(field, readout).padded_columns()),
        width_(size.width),
        readout_(rows_ * size.width) {}

  LaneReadout recall(const Tile& tile) override {
    reader_.evaluate(tile, Unwatched());
    reader_.prepare_readout(tile);
    for (Index lane = 0; lane < tile.lanes; lane += block_lanes())
      for (Index row = 0; row < rows_; row += block_rows) {
        Block block;
        reader_.readout(row, lane, block);
        if (centre_ != nullptr) add_neurons(centre_, row, block);
        for (int r = 0; r < block_rows; ++r)
          for (int v = 0; v < block_vectors; ++v)
            hn::Store(block[r][v], floats, readout_.data() + (row + r) * width_ + lane + v * vector_lanes());
      }
    return {.contents = readout_.data()};
  }

 private:
  static const PackedMatrix& matrix(const typename Reader::Field& field, const Readout& readout) {
    return readout.contents.rows() == 0 ? field.patterns : readout.contents;
  }

  Reader reader_;
  const float* centre_;
  Index rows_;
  Index width_;
  AlignedFloats readout_;
};

/// `separation`: what the reader wants to know of it beside the field.
template <class Reader, class... Separation>
std::unique_ptr<FieldKernel> make_normalised_kernel(const typename Reader::Field& field, const NormalisedTerms& terms,
                                                    const Update& update, const KernelSize& size,
                                                    const Separation&... separation) {
  return std::visit(
      [&](const auto& rule) -> std::unique_ptr<FieldKernel> {
        using Rule = std::decay_t<decltype(rule)>;
        if constexpr (std::is_same_v<Rule, AsynchronousSignUpdate>)
          return nullptr;  // The host asks for none.
        else
          return std::make_unique<NormalisedKernel<Rule, Reader>>(field, terms, rule, size, separation...);
      },
      update);
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
