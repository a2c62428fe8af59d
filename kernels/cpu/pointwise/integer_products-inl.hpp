// The products Fx of patterns and states of ±1, as integers that follow a sweep of asynchronous updates.

#if defined(ATTRACTOR_CPU_INTEGER_PRODUCTS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_INTEGER_PRODUCTS_INL
#undef ATTRACTOR_CPU_INTEGER_PRODUCTS_INL
#else
#define ATTRACTOR_CPU_INTEGER_PRODUCTS_INL
#endif

#include <algorithm>
#include <bit>
#include <cstdint>

#include "kernels/cpu/engine/field.hpp"
#include "kernels/cpu/pointwise/sweep-inl.hpp"
#include "kernels/sizes.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

// A block of lanes as 16 bits: a vector, but where vectors have one lane.
#if HWY_TARGET == HWY_SCALAR
using Shorts = hn::CappedTag<std::int16_t, 1>;
#else
using Shorts = hn::Repartition<std::int16_t, Floats>;
#endif
inline constexpr Shorts shorts;
inline constexpr int short_vectors = block_vectors * hn::MaxLanes(floats) / hn::MaxLanes(shorts);
using ShortBlock = hn::Vec<Shorts>[short_vectors];

/// Whether sweeps from states of ±1 can have their products as integers.
inline bool takes_integers(const BipolarFactor& factor) {
  return !factor.empty() && factor.patterns * factor.neurons <= detail::sizes().packed_terms;
}

/// The products of a block of lanes as the integers e of h = (D mod 2) + 2e, in 16 bits. What float adds up from such
/// products has no roundings, so that sums in any order are its own.
class IntegerProducts {
 public:
  explicit IntegerProducts(const BipolarFactor& factor)
      : factor_(factor),
        words_(factor.column_words()),
        odd_(static_cast<float>(factor.neurons % 2)),
        span_(std::clamp<Index>(32767 / (factor.neurons / 2 + 1), 1, detail::sizes().packed_span)),
        products_(factor.patterns * block_lanes()) {}

  /// Whether the states of the lanes that are to move are all ±1.
  [[nodiscard]] static bool suit(const Tile& tile, Index lane) {
    for (Index at = lane; at < lane + block_lanes(); at += vector_lanes()) {
      const auto held = hn::MaskFromVec(hn::Load(floats, tile.held.data() + at));
      Vector apart = hn::Zero(floats);
      for (Index k = 0; k < tile.dimension; ++k) {
        const Vector x = hn::Load(floats, tile.state.data() + k * tile.width + at);
        apart = hn::Or(apart, hn::Xor(hn::Abs(x), hn::Set(floats, 1.0F)));
      }
      const hn::RebindToUnsigned<Floats> words;
      const auto bits = hn::BitCast(words, hn::IfThenZeroElse(held, apart));
      if (!hn::AllTrue(words, hn::Eq(bits, hn::Zero(words)))) return false;
    }
    return true;
  }

  /// Takes products [P × width] over.
  void take(const float* products, Index width) {
    LaneBlock totals = {hn::Zero(floats), hn::Zero(floats)};
    for (Index p = 0; p < factor_.patterns; ++p) {
      LaneBlock product;
      for (int v = 0; v < block_vectors; ++v) {
        product[v] = hn::Load(floats, products + p * width + v * vector_lanes());
        totals[v] = hn::Add(totals[v], product[v]);
        product[v] = hn::Mul(hn::Sub(product[v], hn::Set(floats, odd_)), hn::Set(floats, 0.5F));
      }
      ShortBlock halved;
      narrowed(product, halved);
      for (int v = 0; v < short_vectors; ++v) hn::Store(halved[v], shorts, at(p) + v * short_lanes());
    }
    for (int v = 0; v < block_vectors; ++v) hn::Store(totals[v], floats, totals_.data() + v * vector_lanes());
  }

  /// Gives them back.
  void give(float* products, Index width) {
    for (Index p = 0; p < factor_.patterns; ++p) {
      ShortBlock halved;
      for (int v = 0; v < short_vectors; ++v) halved[v] = hn::Load(shorts, at(p) + v * short_lanes());
      LaneBlock product;
      widened(halved, product);
      for (int v = 0; v < block_vectors; ++v)
        hn::Store(hn::MulAdd(hn::Set(floats, 2.0F), product[v], hn::Set(floats, odd_)), floats,
                  products + p * width + v * vector_lanes());
    }
  }

  /// Σ_μ F_μi h_μ: what all patterns have less twice what those have at which F is −1, or, if these are more than half,
  /// the opposite of all less twice the others.
  HWY_INLINE void add_up(Index neuron, LaneBlock& sums) const {
    const std::uint64_t* const words = words_of(neuron);
    Index count = 0;
    for (Index word = 0; word < words_; ++word) count += std::popcount(words[word]);
    const bool many = 2 * count > factor_.patterns;
    if (many) count = factor_.patterns - count;
    LaneBlock halves = {hn::Zero(floats), hn::Zero(floats)};
    if (count <= span_)
      add_chosen<true>(words, many, halves);
    else
      add_chosen<false>(words, many, halves);
    // Twice 2e + (D mod 2) of those that were added up.
    const Vector odd = hn::Set(floats, 2.0F * odd_ * static_cast<float>(count));
    for (int v = 0; v < block_vectors; ++v) {
      const Vector twice = hn::MulAdd(hn::Set(floats, 4.0F), halves[v], odd);
      const Vector total = hn::Load(floats, totals_.data() + v * vector_lanes());
      sums[v] = many ? hn::Sub(twice, total) : hn::Sub(total, twice);
    }
  }

  /// After a neuron has changed: products change by as much where F is 1, and by the opposite where it is −1.
  HWY_INLINE void follow(Index neuron, const LaneBlock& change) {
    const std::uint64_t* const words = words_of(neuron);
    alignas(64) std::int16_t changes[2][short_vectors * hn::MaxLanes(shorts)];
    LaneBlock half;
    for (int v = 0; v < block_vectors; ++v) half[v] = hn::Mul(change[v], hn::Set(floats, 0.5F));
    ShortBlock positive;
    narrowed(half, positive);
    for (int v = 0; v < short_vectors; ++v) {
      hn::Store(positive[v], shorts, changes[0] + v * short_lanes());
      hn::Store(hn::Sub(hn::Zero(shorts), positive[v]), shorts, changes[1] + v * short_lanes());
    }
    Index negatives = 0;
    std::int16_t* product = products_.data();
    for (Index first = 0; first < factor_.patterns; first += 64) {
      std::uint64_t bits = words[first / 64];
      negatives += std::popcount(bits);
      const Index count = std::min<Index>(factor_.patterns - first, 64);
      HWY_UNROLL(4)
      for (Index i = 0; i < count; ++i, bits >>= 1U, product += block_lanes())
        for (int v = 0; v < short_vectors; ++v) {
          const auto own = hn::Load(shorts, changes[bits & 1U] + v * short_lanes());
          hn::Store(hn::Add(hn::Load(shorts, product + v * short_lanes()), own), shorts, product + v * short_lanes());
        }
    }
    const Vector sum = hn::Set(floats, static_cast<float>(factor_.patterns - 2 * negatives));
    for (int v = 0; v < block_vectors; ++v) {
      float* const total = totals_.data() + v * vector_lanes();
      hn::Store(hn::MulAdd(sum, change[v], hn::Load(floats, total)), floats, total);
    }
  }

 private:
  static constexpr hn::RebindToSigned<Floats> integers{};

  static HWY_INLINE Index short_lanes() { return static_cast<Index>(hn::Lanes(shorts)); }

  /// Σ e of the patterns whose bits are set, or aren't; `fits`: so few that all of it fits 16 bits.
  template <bool fits>
  HWY_INLINE void add_chosen(const std::uint64_t* words, bool unset, LaneBlock& sums) const {
    const std::int16_t* products = products_.data();
    ShortBlock part;
    for (auto& vector : part) vector = hn::Zero(shorts);
    Index left = span_;
    for (Index first = 0; first < factor_.patterns; first += 64, products += 64 * block_lanes()) {
      const std::uint64_t used =
          ~std::uint64_t{0} >> static_cast<unsigned>(std::max<Index>(64 - (factor_.patterns - first), 0));
      for (std::uint64_t bits = unset ? ~words[first / 64] & used : words[first / 64]; bits != 0; bits &= bits - 1) {
        const std::int16_t* const row = products + std::countr_zero(bits) * block_lanes();
        for (int v = 0; v < short_vectors; ++v) part[v] = hn::Add(part[v], hn::Load(shorts, row + v * short_lanes()));
        if (fits || --left > 0) continue;
        add_part(part, sums);
        left = span_;
      }
    }
    add_part(part, sums);
  }

  static HWY_INLINE void add_part(ShortBlock& part, LaneBlock& sums) {
    LaneBlock wide;
    widened(part, wide);
    for (int v = 0; v < block_vectors; ++v) sums[v] = hn::Add(sums[v], wide[v]);
    for (auto& vector : part) vector = hn::Zero(shorts);
  }

  static HWY_INLINE void narrowed(const LaneBlock& from, ShortBlock& to) {
    const hn::Rebind<std::int16_t, Floats> half;
    const auto lower = hn::DemoteTo(half, hn::ConvertTo(integers, from[0]));
    const auto upper = hn::DemoteTo(half, hn::ConvertTo(integers, from[1]));
#if HWY_TARGET == HWY_SCALAR
    to[0] = lower;
    to[1] = upper;
#else
    to[0] = hn::Combine(shorts, upper, lower);
#endif
  }

  static HWY_INLINE void widened(const ShortBlock& from, LaneBlock& to) {
    const auto wide = [](auto half) HWY_ATTR { return hn::ConvertTo(floats, hn::PromoteTo(integers, half)); };
#if HWY_TARGET == HWY_SCALAR
    to[0] = wide(from[0]);
    to[1] = wide(from[1]);
#else
    const hn::Half<Shorts> half;
    to[0] = wide(hn::LowerHalf(half, from[0]));
    to[1] = wide(hn::UpperHalf(half, from[0]));
#endif
  }

  /// The bits of a neuron in all patterns.
  [[nodiscard]] HWY_INLINE const std::uint64_t* words_of(Index neuron) const {
    return factor_.columns.data() + neuron * words_;
  }
  [[nodiscard]] HWY_INLINE std::int16_t* at(Index pattern) { return products_.data() + pattern * block_lanes(); }

  const BipolarFactor& factor_;
  Index words_;
  float odd_;                            ///< D mod 2
  Index span_;                           ///< patterns whose e add up in 16 bits
  AlignedArray<std::int16_t> products_;  ///< [P × lanes of a block]
  LaneArray<float> totals_{};            ///< their sums
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
