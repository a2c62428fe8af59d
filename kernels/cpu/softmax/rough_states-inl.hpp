// A tile's states rounded to bytes, as byte products read them, and what that leaves in question.

#if defined(ATTRACTOR_CPU_ROUGH_STATES_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_ROUGH_STATES_INL
#undef ATTRACTOR_CPU_ROUGH_STATES_INL
#else
#define ATTRACTOR_CPU_ROUGH_STATES_INL
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/cpu/matrix_unit/byte_products.hpp"
#include "kernels/cpu/simd/vector_ops-inl.hpp"
#include "kernels/cpu/softmax/rough_patterns.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

using Integers = hn::RebindToSigned<Floats>;

class RoughStates {
 public:
  explicit RoughStates(Index steps) : steps_(steps), words_(most_lanes / byte_rows * steps * word_block) {}

  /// `factors`: of the lanes' similarities, beside the scales of the patterns.
  void take(const Tile& tile, const LaneArray<float>& factors) {
    for (Index lane = 0; lane < tile.lanes; lane += vector_lanes())
      take(tile, lane, hn::Load(floats, factors.data() + lane));
  }

  /// Those of the block of byte_rows lanes from this one on, and the next ones.
  [[nodiscard]] const std::int32_t* words(Index lane) const {
    return words_.data() + lane / byte_rows * steps_ * word_block;
  }

  /// What the integer 1 stands for, times the factors.
  [[nodiscard]] HWY_INLINE Vector unit(Index lane) const { return hn::Load(floats, units_.data() + lane); }

  /// Norms at most, of states and of what rounding leaves, times the factors.
  [[nodiscard]] HWY_INLINE Vector norm(Index lane) const { return hn::Load(floats, norms_.data() + lane); }
  [[nodiscard]] HWY_INLINE Vector error(Index lane) const { return hn::Load(floats, errors_.data() + lane); }

 private:
  using Ints = hn::Vec<Integers>;

  HWY_INLINE void take(const Tile& tile, Index lane, Vector factor) {
    const float* const states = tile.state.data() + lane;
    Vector largest = hn::Zero(floats);
    for (Index k = 0; k < tile.rows; ++k)
      largest = hn::Max(hn::Abs(hn::Load(floats, states + k * tile.width)), largest);
    // Smaller ones have no inverse.
    const auto rounds = hn::Gt(largest, hn::Set(floats, 0x1p-100F));
    const Vector unit = hn::IfThenElseZero(rounds, hn::Mul(largest, hn::Set(floats, 1.0F / 127.0F)));
    const Vector inverse = hn::IfThenElseZero(rounds, hn::Div(hn::Set(floats, 127.0F), largest));
    Vector squares = hn::Zero(floats);
    Vector left = hn::Zero(floats);
    std::int32_t* const to = words_.data() + lane / byte_rows * steps_ * word_block + lane % byte_rows;
    for (Index k = 0; k < tile.rows; k += 4) {
      Ints word = hn::Zero(Integers());
      for (Index i = 3; i >= 0; --i) {
        const Vector x = hn::Load(floats, states + (k + i) * tile.width);
        const Ints rounded = hn::NearestInt(hn::Mul(x, inverse));
        const Vector rest = hn::NegMulAdd(hn::ConvertTo(floats, rounded), unit, x);
        squares = hn::MulAdd(x, x, squares);
        left = hn::MulAdd(rest, rest, left);
        word = hn::Or(hn::ShiftLeft<8>(word), hn::And(rounded, hn::Set(Integers(), 255)));
      }
      hn::Store(word, Integers(), to + k / 4 * byte_rows);
    }
    const Vector error = norm_above(left, tile.rows);
    hn::Store(hn::Mul(unit, factor), floats, units_.data() + lane);
    hn::Store(hn::Mul(error, factor), floats, errors_.data() + lane);
    // Where rough scores might leave the range of floats they say nothing.
    const Vector norm = hn::Mul(hn::Add(norm_above(squares, tile.rows), error), factor);
    const Vector infinite = hn::Set(floats, std::numeric_limits<float>::infinity());
    hn::Store(hn::IfThenElse(hn::Lt(norm, hn::Set(floats, 0x1p60F)), norm, infinite), floats, norms_.data() + lane);
  }

  /// More than the root of a sum of squares, of which tiny ones have been lost, and than what is made of it by a few
  /// operations. Sums of most_byte_entries squares are off by a 512th of them at most.
  static HWY_INLINE Vector norm_above(Vector squares, Index rows) {
    const Vector lost = hn::Set(floats, 0x1p-70F * std::sqrt(static_cast<float>(rows)));
    return hn::MulAdd(hn::Sqrt(squares), hn::Set(floats, 1.0F + 0x1p-8F), lost);
  }

  Index steps_;
  AlignedArray<std::int32_t> words_;  ///< [lanes/byte_rows][steps] blocks
  LaneArray<float> units_{};
  LaneArray<float> errors_{};
  LaneArray<float> norms_{};
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
