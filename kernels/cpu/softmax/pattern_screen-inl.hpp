// Exact scores of the patterns that matter: rough ones of all, from bytes, show which that may be, for it is known how
// far they may be off. The exact scores of the others are so far below the largest that they have no weight, whatever
// they are, so that leaving them out changes no bit of what is made of the rest.
//
// A score is off from what it would be without any rounding, and so is a rough one. With ‖a‖ and ‖x‖ the norms of the
// scaled pattern and the state, and δ for what rounding them to bytes leaves, the two differ by ‖δa‖‖x‖ + ‖a‖‖δx‖ +
// ‖δa‖‖δx‖ at most, and by the roundings of the sums: see score_rounding.

#if defined(ATTRACTOR_CPU_PATTERN_SCREEN_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_PATTERN_SCREEN_INL
#undef ATTRACTOR_CPU_PATTERN_SCREEN_INL
#else
#define ATTRACTOR_CPU_PATTERN_SCREEN_INL
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/cpu/engine/field.hpp"
#include "kernels/cpu/softmax/candidates-inl.hpp"
#include "kernels/cpu/softmax/lane_candidates.hpp"
#include "kernels/cpu/softmax/rough_states-inl.hpp"
#include "kernels/sizes.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// Lanes that are screened together, or not at all.
inline constexpr Index screened_lanes = 2 * byte_rows;
inline constexpr std::size_t screened_spans = most_lanes / screened_lanes;
static_assert(least_lanes % screened_lanes == 0);

/// Which spans of lanes have been screened.
using ScreenedSpans = std::array<bool, screened_spans>;

/// When to try again what hasn't paid: the next states may be easier. No result depends on it.
class Patience {
 public:
  /// Whether to try now.
  bool ends() { return wait_ == 0 || --wait_ == 0; }
  void note(bool paid) {
    next_ = paid ? 1 : std::min(2 * next_, most);
    wait_ = paid ? 0 : next_;
  }

 private:
  static constexpr int most = 64;
  int next_ = 1;
  int wait_ = 0;
};

/// One object per thread. `most_patterns`: that are looked through at a time.
class PatternScreen {
 public:
  static constexpr Index span_lanes = screened_lanes;

  PatternScreen(const SoftmaxField& field, Index most_patterns)
      : rough_(field.rough),
        states_(rough_.steps),
        sums_(window * screened_lanes),
        most_panels_(most_patterns / panel_rows),
        highest_(AlignedFloats::unset(most_panels_ * most_lanes)),
        panels_(AlignedArray<std::int32_t>::unset(screened_lanes * most_listed(most_panels_))) {}

  /// Panels of which a lane wants exact scores, at most: some want more than most do.
  static Index most_listed(Index panels) {
    const float share = std::min(2.5F * detail::sizes().listed_share, 1.0F);
    return std::max(static_cast<Index>(share * static_cast<float>(panels)), Index{1});
  }

  /// Whether a field has what it takes.
  static bool suits(const SoftmaxField& field) {
    return detail::sizes().listed_share > 0.0F && byte_unit() != ByteUnit::none &&
           field.rough.cover(field.patterns.rows());
  }

  /// Patterns that a list is to have room for, of `patterns` that are looked through.
  static Index most_kept(Index patterns) { return most_listed(patterns / panel_rows) * panel_rows; }

  /// To be called for each tile's states.
  void take() { taken_ = false; }

  /// Adds to `lists` those of the patterns [first, end) that may matter to a lane, with exact scores, and raises the
  /// `maximum` of all scores, in the spans that it returns: in the others too many may.
  template <class Scorer>
  ScreenedSpans run(Scorer& scorer, const Tile& tile, Index first, Index end, float reach, float* maximum,
                    std::vector<LaneCandidates>& lists) {
    ScreenedSpans chosen{};
    bool any = false;
    for (std::size_t span = 0; span < screened_spans; ++span) {
      chosen[span] = first_lane(span) < tile.lanes && patience_[span].ends();
      any |= chosen[span];
    }
    if (!any || first == end || !is_worth_it(tile)) return {};
    if (!taken_) states_.take(tile, scorer.similarity_factors(tile));
    taken_ = true;
    std::copy_n(maximum, most_lanes, lowest_.begin());
    look(scorer, tile, first, end, chosen);
    for (std::size_t span = 0; span < screened_spans; ++span) {
      if (!chosen[span]) continue;
      chosen[span] = list_panels(tile, first, end, first_lane(span), reach);
      patience_[span].note(chosen[span]);
      if (chosen[span]) score_listed(scorer, tile, end, first_lane(span), reach, maximum, lists);
    }
    return chosen;
  }

 private:
  /// Patterns whose products are made at a time: those of a span stay in the first-level cache.
  static constexpr Index window = 128;

  /// Vectors take as long for one lane as for byte_rows of them.
  static bool is_worth_it(const Tile& tile) { return tile.lanes > 1 || byte_unit() != ByteUnit::vectors; }

  static Index first_lane(std::size_t span) { return static_cast<Index>(span) * screened_lanes; }

  /// Finds what the scores of each panel are at most, and what the largest ones are at least.
  template <class Scorer>
  void look(const Scorer& scorer, const Tile& tile, Index first, Index end, const ScreenedSpans& chosen) {
    for (Index from = first / byte_rows * byte_rows; from < end; from += window)
      for (std::size_t span = 0; span < screened_spans; ++span)
        if (chosen[span]) look(scorer, tile, from, first, std::min(from + window, end), first_lane(span));
  }

  template <class Scorer>
  HWY_INLINE void look(const Scorer& scorer, const Tile& tile, Index from, Index first, Index end, Index lane) {
    const Index lanes = std::min(tile.lanes - lane, screened_lanes);
    multiply({.rows = rough_.bytes.data() + from * rough_.steps * byte_entries,
              .row_sums = rough_.sums.data() + from,
              .columns = states_.words(lane),
              .steps = rough_.steps,
              .row_blocks = (end - from + byte_rows - 1) / byte_rows,
              .column_blocks = (lanes + byte_rows - 1) / byte_rows,
              .to = sums_.data(),
              .stride = screened_lanes});
    for (Index i = 0; i < lanes; i += vector_lanes()) {
      Vector lowest = hn::Load(floats, lowest_.data() + lane + i);
      for (Index row = std::max(from, first); row < end; row += panel_rows)
        bound(scorer, tile, row, first, lane + i, sums_.data() + (row - from) * screened_lanes + i, lowest);
      hn::Store(lowest, floats, lowest_.data() + lane + i);
    }
  }

  /// The same of a panel for a vector of lanes.
  template <class Scorer>
  HWY_INLINE void bound(const Scorer& scorer, const Tile& tile, Index row, Index first, Index lane,
                        const std::int32_t* sums, Vector& lowest) {
    const Index panel = row / panel_rows;
    const Vector unit = hn::Mul(hn::Set(floats, rough_.units[panel]), states_.unit(lane));
    Vector largest;
    if (rough_.are_alike[panel] != 0) {
      auto product = hn::Load(Integers(), sums);
      HWY_UNROLL(8)
      for (Index r = 1; r < panel_rows; ++r)
        product = hn::Max(product, hn::Load(Integers(), sums + r * screened_lanes));
      largest = hn::MulAdd(hn::ConvertTo(floats, product), unit, scorer.shift(tile, row, lane));
    } else {
      largest = hn::Set(floats, -std::numeric_limits<float>::infinity());
      for (Index r = 0; r < panel_rows; ++r) {
        const Vector product = hn::ConvertTo(floats, hn::Load(Integers(), sums + r * screened_lanes));
        largest = hn::Max(hn::MulAdd(product, unit, scorer.shift(tile, row + r, lane)), largest);
      }
    }
    const Vector error = this->error(panel, lane, scorer.offset_factor(tile, lane));
    lowest = hn::Max(hn::Sub(largest, error), lowest);
    hn::Store(hn::Add(largest, error), floats, highest_.data() + (panel - first / panel_rows) * most_lanes + lane);
  }

  /// What rough scores are off by at most from exact ones, and some roundings of such scores. Not finite where states
  /// aren't, or leave the range of floats: then all scores may matter.
  HWY_INLINE Vector error(Index panel, Index lane, Vector offset_factor) const {
    const Vector shift =
        hn::MulAdd(offset_factor, hn::Set(floats, rough_.offsets[panel]), hn::Set(floats, rough_.log_priors[panel]));
    const Vector beside = hn::MulAdd(shift, hn::Set(floats, 0x1p-20F), hn::Set(floats, least_rough));
    const Vector states = hn::MulAdd(hn::Set(floats, rough_.norms[panel]), states_.error(lane), beside);
    return hn::MulAdd(hn::Set(floats, rough_.errors[panel]), states_.norm(lane), states);
  }

  /// Lists the panels that have scores which may matter, for each lane of a span; false: there are too many.
  bool list_panels(const Tile& tile, Index first, Index end, Index lane, float reach) {
    const Index panels = (end - first + panel_rows - 1) / panel_rows;
    const Index lanes = std::min(tile.lanes - lane, screened_lanes);
    const Index most = most_listed(panels);
    const auto most_of_all = static_cast<Index>(detail::sizes().listed_share * static_cast<float>(panels * lanes));
    counts_.fill(0);
    Index left = std::max(most_of_all, lanes);
    for (Index panel = 0; panel < panels; ++panel)
      for (Index i = 0; i < lanes; i += vector_lanes()) {
        const Vector least =
            hn::Sub(hn::Load(floats, lowest_.data() + lane + i), hn::Set(floats, reach * (1.0F + 0x1p-20F)));
        const auto idle = hn::MaskFromVec(hn::Load(floats, tile.idle.data() + lane + i));
        const Vector highest = hn::Load(floats, highest_.data() + panel * most_lanes + lane + i);
        const auto wanted = hn::AndNot(idle, may_matter(highest, least));
        if (HWY_LIKELY(hn::AllFalse(floats, wanted))) continue;
        std::array<std::uint8_t, 8> bytes{};
        hn::StoreMaskBits(floats, wanted, bytes.data());
        for (unsigned bits = bytes[0] | unsigned{bytes[1]} << 8U; bits != 0; bits &= bits - 1) {
          const auto at = static_cast<std::size_t>(i + std::countr_zero(bits));
          if (counts_[at] == most || left-- == 0) return false;
          listed(at)[counts_[at]++] = static_cast<std::int32_t>(first / panel_rows + panel);
        }
      }
    return true;
  }

  template <class Scorer>
  void score_listed(Scorer& scorer, const Tile& tile, Index end, Index lane, float reach, float* maximum,
                    std::vector<LaneCandidates>& lists) {
    constexpr Index group = Scorer::most_listed_panels;
    alignas(64) float scores[std::size_t{group * panel_rows}];
    for (Index i = 0; i < std::min(tile.lanes - lane, screened_lanes); ++i) {
      const std::int32_t* const panels = listed(static_cast<std::size_t>(i));
      const Index count = counts_[static_cast<std::size_t>(i)];
      for (Index from = 0; from < count; from += group) {
        const Index some = std::min(group, count - from);
        scorer.score_listed(tile, panels + from, some, lane + i, scores);
        add(panels + from, some, end, scores, reach, maximum[lane + i], lists[static_cast<std::size_t>(lane + i)]);
      }
    }
  }

  /// Adds the scores of some panels to a lane's list.
  HWY_INLINE void add(const std::int32_t* panels, Index count, Index end, const float* scores, float reach,
                      float& maximum, LaneCandidates& list) const {
    for (Index p = 0; p < count; ++p) {
      const Index first = Index{panels[p]} * panel_rows;
      const Index rows = std::min(panel_rows, end - first);
      const float* const own = scores + p * panel_rows;
      for (Index r = 0; r < rows; ++r) maximum = own[r] > maximum ? own[r] : maximum;
      list.add(first, rows, own, maximum - reach);
    }
  }

  [[nodiscard]] std::int32_t* listed(std::size_t i) {
    return panels_.data() + static_cast<Index>(i) * most_listed(most_panels_);
  }

  const RoughPatterns& rough_;
  RoughStates states_;
  AlignedArray<std::int32_t> sums_;  ///< [window × screened_lanes]
  Index most_panels_;
  AlignedFloats highest_;              ///< [panels × most_lanes] what their scores are at most
  AlignedArray<std::int32_t> panels_;  ///< [lanes of a span × most_listed] those that are listed
  std::array<Index, screened_lanes> counts_{};
  LaneArray<float> lowest_{};  ///< what the largest scores are at least
  std::array<Patience, screened_spans> patience_{};
  bool taken_ = false;  ///< the tile's states
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
