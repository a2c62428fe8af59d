// Pointwise memories through their scores: h = Fx, u = scale·(Fᵀp(h) − diagonal∘x) − θ.
//
// Scores are made first, for the energy; readouts follow where a query goes on. Of more patterns than fit the weights
// that a thread keeps, one part after another is scored and read out; sums run over the patterns in the same order.
// Where lanes are few each is scored and read out by itself. Where there is a matrix unit and it takes the patterns, it
// makes both products of all lanes.
//
// Where powers of a state's scores leave the range of float all of this is done once more with the scores in a unit of
// their own, see core/score_unit.hpp; each lane has its own, so that lanes whose powers fit come out as before.

#include <cmath>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

#include "kernels/cpu/engine/field_kernel.hpp"
#include "kernels/cpu/pointwise/bipolar.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/pointwise/factored.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/pointwise/factored_scores-inl.hpp"
#include "kernels/cpu/pointwise/factored_sweep-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {
namespace {

/// Sign updates measure what they take for 0 by the weights; linear memories', by the patterns alone.
template <class UpdateRule, class Separation>
constexpr ScoreUse use_of =
    std::is_same_v<UpdateRule, SignUpdate> && !is_linear<Separation> ? ScoreUse::measured_readout : ScoreUse::readout;

/// Updates all neurons at once.
template <class UpdateRule, class Separation>
class FactoredKernel final : public FactoredScores<use_of<UpdateRule, Separation>, Separation> {
 public:
  FactoredKernel(const FactoredField& field, const UpdateRule& update, const Separation& separation, Index width)
      : Scores(field, separation, width), update_(update) {}

  void advance(Tile& tile) override {
    const NeuronTerms terms = terms_of(tile, resolution_for<UpdateRule>(field_.resolution));
    if (Scores::takes_singly(tile)) return write_singles(tile, terms);
    if (unit_products_ && Scores::has_any_floats(tile))
      unit_products_->read_out({weights_.data(), field_.factor.padded_rows(), width_, tile.lanes}, readout_.data());
    Scores::for_float_blocks(tile, [&]<int vectors>(Index lane) HWY_ATTR { write_states<vectors>(tile, lane, terms); });
  }

 private:
  static constexpr ScoreUse use = use_of<UpdateRule, Separation>;
  using Scores = FactoredScores<use, Separation>;
  using Scores::field_;
  using Scores::has_thresholds;
  using Scores::is_whole;
  using Scores::readout_;
  using Scores::singles_;
  using Scores::terms_of;
  using Scores::unit_products_;
  using Scores::weights_;
  using Scores::width_;

  /// All neurons of a block of lanes at once.
  template <int vectors>
  void write_states(Tile& tile, Index lane, const NeuronTerms& terms) {
    StateWriter<UpdateRule, vectors> writer(update_, tile, lane, terms);
    for (Index row = 0; row < tile.rows; row += block_rows) {
      BlockOf<vectors> readout;
      if (is_whole() && !unit_products_) {
        clear(readout);
        Scores::add_readout(0, row, lane, readout);
      } else {
        Scores::load_readout(row, lane, readout);
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
    if constexpr (has_units<Separation> && use != ScoreUse::measured_readout)
      if (Scores::in_units_) take_units_out<vectors>(lane, readout);
  }

  /// By degrees, for 2^{k(n−1)} itself may be no float.
  template <int vectors = block_vectors>
  HWY_INLINE void take_units_out(Index lane, BlockOf<vectors>& readout) const {
    for (int v = 0; v < vectors; ++v) {
      const Vector unit = hn::Load(floats, Scores::unit_.data() + lane + v * vector_lanes());
      const Vector inverse = hn::Div(hn::Set(floats, 1.0F), unit);
      for (int r = 0; r < block_rows; ++r)
        for (int degree = 1; degree < Scores::separation_.order; ++degree)
          readout[r][v] = hn::Mul(readout[r][v], inverse);
    }
  }

  UpdateRule update_;
};

}  // namespace

std::unique_ptr<FieldKernel> make_factored(const FactoredField& field, const Update& update, Index width) {
  return std::visit(
      [&]<class UpdateRule, class Separation>(const UpdateRule& rule,
                                              const Separation& separation) -> std::unique_ptr<FieldKernel> {
        if constexpr (std::is_same_v<UpdateRule, AsynchronousSignUpdate>)
          return std::make_unique<SweptKernel<Separation>>(field, rule, separation, width);
        else
          return std::make_unique<FactoredKernel<UpdateRule, Separation>>(field, rule, separation, width);
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
