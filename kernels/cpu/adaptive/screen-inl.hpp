// Exact scores of the patterns that matter: those of all from rounded terms show which that may be, for it is known how
// far they may be off. The exact scores of the others are below what is wanted, whatever they are, so that leaving them
// out changes no bit of what is made of the rest.
//
// Where most lanes of a vector want a pattern's exact score it is made for all of them, else for other wanted pairs of
// patterns and lanes, as many as a vector holds.

#if defined(ATTRACTOR_CPU_SCREEN_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_SCREEN_INL
#undef ATTRACTOR_CPU_SCREEN_INL
#else
#define ATTRACTOR_CPU_SCREEN_INL
#endif

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <vector>

#include "kernels/cpu/adaptive/adaptive_scorer-inl.hpp"
#include "kernels/cpu/adaptive/rounded_scorer-inl.hpp"
#include "kernels/cpu/adaptive/screen_choice.hpp"
#include "kernels/cpu/softmax/best_patterns-inl.hpp"
#include "kernels/cpu/softmax/candidates-inl.hpp"
#include "kernels/cpu/softmax/pattern_terms-inl.hpp"

#if ATTRACTOR_ROUNDS
HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// Makes exact scores of pairs, a vector of them at a time, and stores each where it belongs.
class PairQueue {
 public:
  PairQueue(AdaptiveScorer& scorer, const Tile& tile) : scorer_(scorer), tile_(tile) {}

  void add(const LanePair& pair, float* to) {
    pairs_[static_cast<std::size_t>(count_)] = pair;
    to_[static_cast<std::size_t>(count_)] = to;
    if (++count_ == vector_lanes()) flush();
  }

  void flush() {
    if (count_ == 0) return;
    LaneArray<float> scores;
    scorer_.score_pairs(pairs_.data(), count_, scores.data());
    for (std::size_t i = 0; i < static_cast<std::size_t>(count_); ++i)
      *to_[i] = add_pattern_term(tile_, pairs_[i].pattern, pairs_[i].lane, scores[i]);
    count_ = 0;
  }

 private:
  static constexpr std::size_t most = hn::MaxLanes(Floats());

  AdaptiveScorer& scorer_;
  const Tile& tile_;
  std::array<LanePair, most> pairs_;
  std::array<float*, most> to_;
  Index count_ = 0;
};

/// One object per thread.
class Screen {
 public:
  explicit Screen(const AdaptiveField& field)
      : field_(field),
        share_weights_(field.squared_distance.stride == 0 && field.dot.stride == 0),
        bytes_(field),
        words_(field) {}

  /// To be called for each tile's states.
  void take() {
    bytes_.taken = false;
    words_.taken = false;
  }

  /// Adds to `candidates` those of the patterns [first, end) that are wanted: their exact scores, −∞ for lanes of a
  /// block that don't want them. Begins with the first lane; other lanes than those below the one that it returns are
  /// better off if all their patterns are scored.
  Index run(AdaptiveScorer& scorer, const Tile& tile, Index first, Index end, const Search& search,
            std::vector<Candidates>& candidates) {
    // A vector by itself takes as long as the two of a block: that pays only where exact scores are said to cost more
    // than they do.
    if (tile.lanes <= vector_lanes() && detail::sizes().exact_cost <= 1.0F) return 0;
    if (!choice_) choice_.emplace(field_.rounding, search.reach, field_.levels.cost);
    Index lane = 0;
    while (lane < tile.lanes) {
      const ScreenChoice::Way way = choice_->cheapest();
      if (way == ScreenChoice::none) break;
      const Stretch stretch{.first = first,
                            .end = end,
                            .lane = lane,
                            .stop = choice_->proven(way) ? tile.lanes : std::min(lane + block_lanes(), tile.lanes)};
      const float share = way == ScreenChoice::bytes ? find(bytes_, scorer, tile, stretch, search, candidates)
                                                     : find(words_, scorer, tile, stretch, search, candidates);
      choice_->note(way, share);
      lane = stretch.stop;
    }
    if (lane < tile.lanes) choice_->note(ScreenChoice::none, 1.0F);
    return lane;
  }

 private:
  struct Stretch {
    Index first;  ///< of patterns
    Index end;
    Index lane;  ///< the first one, of a block
    Index stop;  ///< behind the last one
  };

  template <class T>
  struct Rounded {
    explicit Rounded(const AdaptiveField& field) : scorer(field) {}

    RoundedScorer<T>& of(const Tile& tile) {
      if (!taken) scorer.take(tile);
      taken = true;
      return scorer;
    }

    RoundedScorer<T> scorer;
    bool taken = false;  ///< the tile's states
  };

  /// Returns what share of all exact scores were made.
  template <class T>
  float find(Rounded<T>& rounded, AdaptiveScorer& scorer, const Tile& tile, const Stretch& stretch,
             const Search& search, std::vector<Candidates>& candidates) {
    RoundedScorer<T>& rough = rounded.of(tile);
    std::copy_n(search.maximum, most_lanes, largest_.begin());
    for (std::size_t i = 0; i < candidates.size(); ++i) found_before_[i] = candidates[i].count();
    for (Index panel = stretch.first; panel < stretch.end; panel += panel_rows)
      for (Index lane = stretch.lane; lane < stretch.stop; lane += block_lanes())
        for (Index row = panel; row < std::min(panel + panel_rows, stretch.end); row += block_rows)
          keep_likely(rough, tile, row, std::min(Index{block_rows}, stretch.end - row), lane, search,
                      candidates[static_cast<std::size_t>(lane / block_lanes())]);
    exact_ = 0.0F;
    PairQueue queue(scorer, tile);
    for (Index lane = stretch.lane; lane < stretch.stop; lane += block_lanes())
      settle(scorer, queue, tile, lane, search, candidates[static_cast<std::size_t>(lane / block_lanes())]);
    queue.flush();
    for (Index lane = stretch.lane; lane < stretch.stop; lane += block_lanes())
      note_maxima(candidates[static_cast<std::size_t>(lane / block_lanes())], lane, search.maximum + lane);
    const Index lanes = stretch.stop - stretch.lane;
    const Index vectors = (lanes + vector_lanes() - 1) / vector_lanes();
    return exact_ / static_cast<float>(vectors * (stretch.end - stretch.first));
  }

  /// Keeps `count` patterns for one block of lanes, by what their scores may be at most, if these may be wanted.
  template <class T>
  HWY_INLINE void keep_likely(RoundedScorer<T>& rough, const Tile& tile, Index first, Index count, Index lane,
                              const Search& search, Candidates& candidates) {
    Block low;
    Block high;
    bound_scores(rough, tile, first, count, lane, low, high);
    for (int v = 0; v < block_vectors; ++v) {
      float* const to = largest_.data() + lane + v * vector_lanes();
      Vector largest = hn::Load(floats, to);
      for (int r = 0; r < block_rows; ++r) largest = hn::Max(low[r][v], largest);
      hn::Store(largest, floats, to);
    }
    if (search.bounds != nullptr) note_best(low, first, lane, *search.bounds);
    Vector least[block_vectors];
    load_least(lane, search, least);
    candidates.add_rows(first, count, high, least);
  }

  /// What the exact scores may be, at least and at most; −∞ past `count` patterns.
  template <class T>
  static HWY_INLINE void bound_scores(RoundedScorer<T>& rough, const Tile& tile, Index first, Index count, Index lane,
                                      Block& low, Block& high) {
    for (auto& row : high)
      for (Vector& scores : row) scores = hn::Set(floats, -std::numeric_limits<float>::infinity());
    rough.score(first, count, lane, high);
    for (int r = 0; r < block_rows; ++r)
      for (int v = 0; v < block_vectors; ++v) {
        const Vector error = rough.error(std::min(first + r, first + count - 1), lane + v * vector_lanes());
        low[r][v] = hn::Sub(rounded_down(high[r][v]), error);
        high[r][v] = hn::Add(rounded_up(high[r][v]), error);
      }
    if (tile.has_pattern_terms) {
      add_pattern_terms(tile, first, count, lane, low);
      add_pattern_terms(tile, first, count, lane, high);
      for (int r = 0; r < block_rows; ++r)
        for (int v = 0; v < block_vectors; ++v) {
          low[r][v] = rounded_down(low[r][v]);
          high[r][v] = rounded_up(high[r][v]);
        }
    }
    hide_idle(tile, lane, high);
  }

  // Scores less, and more, what the roundings of sums with priors may come to: a few of their size.
  static constexpr float roundings = 0x1p-21F;
  static HWY_INLINE Vector rounded_down(Vector score) {
    return hn::Min(hn::Mul(score, hn::Set(floats, 1.0F + roundings)),
                   hn::Mul(score, hn::Set(floats, 1.0F - roundings)));
  }
  static HWY_INLINE Vector rounded_up(Vector score) {
    return hn::Max(hn::Mul(score, hn::Set(floats, 1.0F + roundings)),
                   hn::Mul(score, hn::Set(floats, 1.0F - roundings)));
  }

  /// What scores of a block of lanes must reach to be wanted.
  HWY_INLINE void load_least(Index lane, const Search& search, Vector (&least)[block_vectors]) const {
    for (int v = 0; v < block_vectors; ++v) {
      const Index at = lane + v * vector_lanes();
      least[v] = hn::Sub(hn::Load(floats, largest_.data() + at), hn::Set(floats, search.reach));
      if (search.bounds != nullptr) least[v] = hn::Min(least[v], hn::Load(floats, search.bounds->least() + at));
    }
  }

  /// Drops the candidates of a block of lanes that turned out not to be wanted, and has the others scored.
  void settle(AdaptiveScorer& scorer, PairQueue& queue, const Tile& tile, Index lane, const Search& search,
              Candidates& candidates) {
    Vector least[block_vectors];
    load_least(lane, search, least);
    const Index first = found_before(lane);
    candidates.resize(candidates.move_kept(first, candidates.count(), first,
                                           [&](Index /*pattern*/, const Vector(&high)[block_vectors])
                                               HWY_ATTR { return !hn::AllFalse(floats, any_matters(high, least)); }));
    for (Index i = first; i < candidates.count(); ++i)
      for (int v = 0; v < block_vectors; ++v)
        score_wanted(scorer, queue, tile, candidates.pattern(i), lane + v * vector_lanes(), least[v],
                     candidates.values(i) + v * vector_lanes());
  }

  /// Exact scores of a pattern in place of what they may be at most.
  HWY_INLINE void score_wanted(AdaptiveScorer& scorer, PairQueue& queue, const Tile& tile, Index pattern, Index lane,
                               Vector least, float* scores) {
    const auto idle = hn::MaskFromVec(hn::Load(floats, tile.idle.data() + lane));
    const auto wanted = hn::AndNot(idle, may_matter(hn::Load(floats, scores), least));
    const auto count = static_cast<Index>(hn::CountTrue(floats, wanted));
    hn::Store(hn::Set(floats, -std::numeric_limits<float>::infinity()), floats, scores);
    if (count == 0) return;
    std::array<std::uint8_t, 8> bits{};
    hn::StoreMaskBits(floats, wanted, bits.data());
    const auto wants = [&](Index i) { return (bits[static_cast<std::size_t>(i / 8)] >> (i % 8) & 1) != 0; };
    if (share_weights_ && 4 * count < 3 * vector_lanes()) {
      exact_ += ScreenChoice::pair_cost * static_cast<float>(count) / static_cast<float>(vector_lanes());
      for (Index i = 0; i < vector_lanes(); ++i)
        if (wants(i)) queue.add({pattern, lane + i}, scores + i);
      return;
    }
    exact_ += 1.0F;
    LaneArray<float> exact;
    scorer.score(pattern, lane, exact.data());
    for (Index i = 0; i < vector_lanes(); ++i)
      if (wants(i)) scores[i] = add_pattern_term(tile, pattern, lane + i, exact[static_cast<std::size_t>(i)]);
  }

  [[nodiscard]] Index found_before(Index lane) const {
    return found_before_[static_cast<std::size_t>(lane / block_lanes())];
  }

  HWY_INLINE void note_maxima(const Candidates& candidates, Index lane, float* maximum) const {
    for (int v = 0; v < block_vectors; ++v) {
      Vector largest = hn::Load(floats, maximum + v * vector_lanes());
      for (Index i = found_before(lane); i < candidates.count(); ++i)
        largest = hn::Max(candidates.value(i, v), largest);
      hn::Store(largest, floats, maximum + v * vector_lanes());
    }
  }

  const AdaptiveField& field_;
  bool share_weights_;  ///< all patterns
  Rounded<std::uint8_t> bytes_;
  Rounded<std::int16_t> words_;
  std::optional<ScreenChoice> choice_;            ///< made for the first search: all of an object are alike
  LaneArray<float> largest_;                      ///< what the largest scores are at least
  std::array<Index, most_lanes> found_before_{};  ///< candidates of each block of lanes, before this stretch of them
  float exact_ = 0.0F;                            ///< vectors of exact scores made
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

#endif
