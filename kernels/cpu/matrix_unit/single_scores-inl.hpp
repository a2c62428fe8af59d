// The matrix unit's sums for single lanes, bit for bit, by vectors: where few lanes are in use setting it up takes
// longer.

#if defined(ATTRACTOR_CPU_SINGLE_SCORES_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_SINGLE_SCORES_INL
#undef ATTRACTOR_CPU_SINGLE_SCORES_INL
#else
#define ATTRACTOR_CPU_SINGLE_SCORES_INL
#endif

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>

#include <hwy/cache_control.h>

#if HWY_ARCH_X86
#include <xmmintrin.h>
#endif

#include "kernels/cpu/matrix_unit/parts-inl.hpp"
#include "kernels/cpu/simd/panel_product-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// While one lives, denormal numbers are 0 for this thread, as they are for the processor's unit. Only where it is
/// needed, for the thread waits until all that it has begun is done.
class UnitArithmetic {
 public:
  explicit UnitArithmetic(bool is_needed) : is_set_(is_needed && matrix_unit() == MatrixUnit::processor) {
    if (!is_set_) return;
    control_ = control();
    set_control(control_ | denormals_are_zero);
  }
  UnitArithmetic(const UnitArithmetic&) = delete;
  UnitArithmetic& operator=(const UnitArithmetic&) = delete;
  ~UnitArithmetic() {
    if (is_set_) set_control(control_);
  }

 private:
#if HWY_ARCH_X86
  static unsigned control() { return _mm_getcsr(); }
  static void set_control(unsigned bits) { _mm_setcsr(bits); }
#else
  static unsigned control() { return 0; }
  static void set_control(unsigned /*bits*/) {}
#endif

  static constexpr unsigned denormals_are_zero = 0x8040;  ///< operands and results
  bool is_set_;
  unsigned control_ = 0;
};

class SingleUnitScores {
 public:
  /// `fetches`: panels come from memory, not from where they have been decoded.
  SingleUnitScores(Index lanes, Index steps, bool fetches)
      : steps_(steps), fetches_(fetches), parts_(lanes * steps * float_parts * unit_entries) {}

  void take(const Tile& tile, const LaneScales& scales) {
    has_tiny_.fill(false);
    for (Index lane = 0; lane < tile.lanes; ++lane)
      for (Index k = 0; k < tile.rows; ++k) take(lane, k, tile.state[k * tile.width + lane] * scales.data()[lane]);
  }

  /// Σ of the products of panels of `columns` columns, a multiple of 8, with a lane's state: a step after the other,
  /// the small parts first, of each two chains of multiply-adds.
  template <std::size_t count>
  HWY_INLINE void add_panels(const float* panels, Index panel_step, Index columns, Index lane,
                             PanelScores (&scores)[count]) const {
    const UnitArithmetic arithmetic(has_tiny_[static_cast<std::size_t>(lane)]);
    for (Index step = 0; step < steps_; ++step) {
      Chains chains[float_parts][count];
      add_step(panels + step * unit_entries * panel_rows, panel_step,
               std::min(columns - step * unit_entries, unit_entries), entry(lane, step, 0), chains);
      for (int part = float_parts - 1; part >= 0; --part)
        for (std::size_t p = 0; p < count; ++p) chains[part][p].add_to(scores[p]);
    }
  }

 private:
  void take(Index lane, Index k, float x) {
    PairWords bits[float_parts];
    take_parts(hn::Set(floats, x), bits);
    for (int part = 0; part < float_parts; ++part) {
      const auto value = std::bit_cast<float>(hn::GetLane(bits[part]) & 0xffff0000U);
      entry(lane, k / unit_entries, part)[k % unit_entries] = value;
      has_tiny_[static_cast<std::size_t>(lane)] |= value != 0.0F && std::abs(value) < least_part;
    }
  }

  /// With elements of patterns that aren't tiny products are no less than 2⁻¹¹¹. They have 16 digits, so that no sum of
  /// any of them is a denormal number.
  static constexpr float least_part = 0x1p-111F / PackedMatrix::least_for_unit;

  /// A panel's sums of even and of odd entries: two columns lie side by side.
  struct Chains {
    static constexpr std::size_t step = hn::MaxLanes(Floats());
    static constexpr std::size_t count = 2 * panel_rows / step;

    HWY_INLINE Chains() {
      for (Vector& value : values) value = hn::Zero(floats);
    }

    /// Entries of the state for each vector of two columns.
    struct Pair {
      HWY_INLINE explicit Pair(const float* state) {
#if HWY_TARGET <= HWY_AVX3
        entries[0] = hn::ConcatLowerLower(floats, hn::Set(floats, state[1]), hn::Set(floats, state[0]));
#else
        for (std::size_t v = 0; v < count; ++v) entries[v] = hn::Set(floats, state[2 * v / count]);
#endif
      }
      Vector entries[count];
    };

    HWY_INLINE void add(const float* columns, const Pair& pair) {
      for (std::size_t v = 0; v < count; ++v)
        values[v] = hn::MulAdd(hn::Load(floats, columns + v * step), pair.entries[v], values[v]);
    }

    HWY_INLINE void add_to(PanelScores& scores) const {
      alignas(64) float sums[2 * panel_rows];
      for (std::size_t v = 0; v < count; ++v) hn::Store(values[v], floats, sums + v * step);
      for (std::size_t v = 0; v < PanelScores::count; ++v) {
        const float* const even = sums + v * PanelScores::step;
        scores.values[v] =
            hn::Add(scores.values[v], hn::Add(hn::Load(PanelTag(), even), hn::Load(PanelTag(), even + panel_rows)));
      }
    }

    Vector values[count];
  };

  /// All parts at once: chains enough to keep multiply-adds from waiting for one another.
  template <std::size_t count>
  HWY_INLINE void add_step(const float* panels, Index panel_step, Index columns, const float* parts,
                           Chains (&chains)[float_parts][count]) const {
    for (Index k = 0; k < columns; k += 2) {
      // The next panels are on their way while these are used.
      for (std::size_t p = 0; fetches_ && p < count; ++p)
        hwy::Prefetch(panels + static_cast<Index>(p + count) * panel_step + k * panel_rows);
      HWY_UNROLL(float_parts)
      for (int part = 0; part < float_parts; ++part) {
        const typename Chains::Pair entries(parts + Index{part} * unit_entries + k);
        HWY_UNROLL(4)
        for (std::size_t p = 0; p < count; ++p)
          chains[part][p].add(panels + static_cast<Index>(p) * panel_step + k * panel_rows, entries);
      }
    }
  }

  [[nodiscard]] float* entry(Index lane, Index step, int part) {
    return parts_.data() + ((lane * steps_ + step) * float_parts + part) * unit_entries;
  }
  [[nodiscard]] const float* entry(Index lane, Index step, int part) const {
    return parts_.data() + ((lane * steps_ + step) * float_parts + part) * unit_entries;
  }

  Index steps_;
  bool fetches_;
  LaneArray<bool> has_tiny_{};  ///< lanes some of whose parts are less
  AlignedFloats parts_;         ///< [lanes][steps][float_parts][unit_entries] of the states
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
