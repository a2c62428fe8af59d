// Readouts Fᵀp of few lanes, each by itself: neurons lie along the vectors. The sums are those of product-inl.hpp, bit
// for bit.

#if defined(ATTRACTOR_CPU_SINGLE_LANES_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_SINGLE_LANES_INL
#undef ATTRACTOR_CPU_SINGLE_LANES_INL
#else
#define ATTRACTOR_CPU_SINGLE_LANES_INL
#endif

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "kernels/cpu/engine/lanes.hpp"
#include "kernels/cpu/simd/take_apart-inl.hpp"
#include "kernels/cpu/simd/vector_ops-inl.hpp"
#include "kernels/sizes.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// Lanes that cost less one by one than together. Of less than a panel of patterns one by itself costs what half a
/// block does, where there are such.
inline Index lanes_apart(const PackedMatrix& factor) {
  const Index most = std::min(detail::sizes().single_lanes, vector_lanes());
  return has_half_blocks && factor.rows() <= panel_rows ? std::min<Index>(most, 1) : most;
}

/// The lanes of a tile where they are few, for a block of lanes costs as much as several by themselves.
class SingleLanes {
 public:
  explicit SingleLanes(const PackedMatrix& factor)
      : factor_(factor),
        most_(lanes_apart(factor)),
        stride_((factor.columns() + line - 1) / line * line),
        states_(most_ * stride_),
        sums_(most_ * stride_) {
    arrivals_.reserve(static_cast<std::size_t>(most_));
    departures_.reserve(static_cast<std::size_t>(most_));
  }

  [[nodiscard]] bool have_room(const Tile& tile) const { return tile.lanes <= most_; }

  /// The lanes that hold floats, with their states.
  std::span<const Arrival> gather(const Tile& tile) {
    arrivals_.clear();
    departures_.clear();
    for (Index lane = 0; lane < tile.lanes; ++lane) {
      if (is_set(tile.packed, lane) || is_set(tile.idle, lane)) continue;
      float* const row = states_.data() + lane * stride_;
      arrivals_.push_back({lane, row});
      departures_.push_back({lane, row});
    }
    store_lanes(departures_, tile.state.data(), tile.dimension, tile.width);
    return arrivals_;
  }

  /// Adds the readouts of `count` patterns from `first` on, whose weights [count × width] these are, to those of the
  /// patterns before. Of all patterns they come to `readout` [padded D × width].
  void read_out(const Tile& tile, Index first, Index count, const float* weights, float* readout) {
    const Part part{first, count, weights, tile.width};
    for (Index lane = 0; lane < tile.lanes;) {
      const Index left = tile.lanes - lane;
      if (left >= 4)
        lane += read_out<4>(part, lane);
      else if (left == 3)
        lane += read_out<3>(part, lane);
      else if (left == 2)
        lane += read_out<2>(part, lane);
      else
        lane += read_out<1>(part, lane);
    }
    if (first + count == factor_.rows()) scatter(tile, readout);
  }

 private:
  /// Floats that rows are padded to a multiple of.
  static constexpr Index line = 16;

  struct Part {
    Index first;
    Index count;
    const float* weights;
    Index width;
  };

  template <std::size_t lanes>
  HWY_INLINE Index read_out(const Part& part, Index lane) {
    Index column = 0;
    for (; column + vector_lanes() <= factor_.padded_columns(); column += vector_lanes())
      add_columns<Floats, lanes>(part, lane, column);
    if (column < factor_.padded_columns()) add_columns<hn::CappedTag<float, panel_rows>, lanes>(part, lane, column);
    return static_cast<Index>(lanes);
  }

  /// A vector of neurons.
  template <class Tag, std::size_t lanes>
  HWY_INLINE void add_columns(const Part& part, Index lane, Index column) {
    float* const rows = sums_.data() + lane * stride_ + column;
    hn::Vec<Tag> sums[lanes];
    HWY_UNROLL(4)
    for (std::size_t i = 0; i < lanes; ++i)
      sums[i] = part.first == 0 ? hn::Zero(Tag()) : hn::Load(Tag(), rows + static_cast<Index>(i) * stride_);
    const Index panel_step = panel_rows * factor_.padded_columns();
    const float* panel = factor_.panel(part.first / panel_rows) + column * panel_rows;
    const float* weights = part.weights + lane;
    Index left = part.count;
    for (; left >= panel_rows; left -= panel_rows, panel += panel_step, weights += panel_rows * part.width)
      add_panel<Tag, lanes>(panel, weights, part.width, panel_rows, sums);
    if (left > 0) add_panel<Tag, lanes>(panel, weights, part.width, left, sums);
    HWY_UNROLL(4)
    for (std::size_t i = 0; i < lanes; ++i) hn::Store(sums[i], Tag(), rows + static_cast<Index>(i) * stride_);
  }

  /// The first `count` patterns of a panel.
  template <class Tag, std::size_t lanes>
  static HWY_INLINE void add_panel(const float* panel, const float* weights, Index width, Index count,
                                   hn::Vec<Tag> (&sums)[lanes]) {
    hn::Vec<Tag> patterns[panel_rows];
    take_apart<Tag>(panel, patterns);
    HWY_UNROLL(8)
    for (Index r = 0; r < panel_rows; ++r) {
      if (r >= count) break;
      HWY_UNROLL(4)
      for (std::size_t i = 0; i < lanes; ++i)
        sums[i] = hn::MulAdd(patterns[r], hn::Set(Tag(), weights[r * width + static_cast<Index>(i)]), sums[i]);
    }
  }

  /// Puts lanes next to each other.
  void scatter(const Tile& tile, float* readout) const {
    for (Index lane = 0; lane < tile.lanes; ++lane) {
      const float* const sums = sums_.data() + lane * stride_;
      for (Index k = 0; k < factor_.padded_columns(); ++k) readout[k * tile.width + lane] = sums[k];
    }
  }

  const PackedMatrix& factor_;
  Index most_;
  Index stride_;          ///< from one lane's row to the next
  AlignedFloats states_;  ///< [most × stride]
  AlignedFloats sums_;    ///< readouts so far, likewise
  std::vector<Arrival> arrivals_;
  std::vector<Departure> departures_;
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
