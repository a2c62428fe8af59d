// Adaptive memories: s from ranked terms.

#include <algorithm>
#include <limits>
#include <optional>
#include <variant>

#include "kernels/cpu/engine/field_kernel.hpp"
#include "kernels/cpu/engine/retrieval_kernel.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/adaptive/adaptive.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/adaptive/adaptive_scorer-inl.hpp"
#include "kernels/cpu/adaptive/level_scorer-inl.hpp"
#include "kernels/cpu/adaptive/rounded_scorer-inl.hpp"
#include "kernels/cpu/adaptive/screen-inl.hpp"
#include "kernels/cpu/softmax/normalised_kernel-inl.hpp"
#include "kernels/cpu/softmax/retrieval-inl.hpp"
#include "kernels/cpu/softmax/softmax_reader-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {
namespace {

/// Scores from terms as they are, by levels or a vector of lanes and a pattern at a time.
class FullScorer {
 public:
  explicit FullScorer(const AdaptiveField& field) : scorer_(field) {
#if ATTRACTOR_COMPRESSES
    if (!field.levels.empty()) level_scorer_.emplace(field);
#endif
  }

  void take(const Tile& tile) {
    lanes_ = tile.lanes;
    scorer_.take(tile);
#if ATTRACTOR_COMPRESSES
    if (level_scorer_) level_scorer_->take(tile);
#endif
  }

  AdaptiveScorer& exact() { return scorer_; }

  void score(Index first, Index count, Index lane, Block& block) {
    for (int v = 0; v < block_vectors; ++v) {
      const Index at = lane + v * vector_lanes();
      if (at >= lanes_) continue;
#if ATTRACTOR_COMPRESSES
      if (level_scorer_ && level_scorer_->score(first, count, at, v, block)) continue;
#endif
      for (Index r = 0; r < count; ++r) {
        LaneArray<float> scores;
        scorer_.score(first + r, at, scores.data());
        block[r][v] = hn::Load(floats, scores.data());
      }
    }
  }

 private:
  AdaptiveScorer scorer_;
#if ATTRACTOR_COMPRESSES
  std::optional<LevelScorer> level_scorer_;  ///< where it costs less
#endif
  Index lanes_ = 0;  ///< of the tile in use
};

#if ATTRACTOR_ROUNDS
/// Scores from terms as they are, all of them or those that matter.
class ScreenedScorer : public FullScorer {
 public:
  explicit ScreenedScorer(const AdaptiveField& field) : FullScorer(field), screen_(field) {}

  void take(const Tile& tile) {
    FullScorer::take(tile);
    screen_.take();
  }

  Screen& screen() { return screen_; }

 private:
  Screen screen_;
};

using AnyScorer = std::variant<FullScorer, ScreenedScorer, RoundedScorer<std::int16_t>, RoundedScorer<std::uint8_t>>;

AnyScorer make_scorer(const AdaptiveField& field) {
  switch (field.precision) {
    case TermPrecision::bits16: return RoundedScorer<std::int16_t>(field);
    case TermPrecision::bits8: return RoundedScorer<std::uint8_t>(field);
    default: break;
  }
  if (field.screened) return ScreenedScorer(field);
  return FullScorer(field);
}

#else
using AnyScorer = std::variant<FullScorer>;

AnyScorer make_scorer(const AdaptiveField& field) { return FullScorer(field); }
#endif

class BlockScorer {
 public:
  using Field = AdaptiveField;
  explicit BlockScorer(const Field& field) : pattern_count_(field.patterns.rows()), scorer_(make_scorer(field)) {}

  void take(const Tile& tile) {
    std::visit([&](auto& scorer) { scorer.take(tile); }, scorer_);
  }

  HWY_INLINE void score(const Tile& /*tile*/, Index first, Index lane, Block& block) {
    for (auto& row : block)
      for (Vector& scores : row) scores = hn::Set(floats, -std::numeric_limits<float>::infinity());
    const Index count = std::min(Index{block_rows}, pattern_count_ - first);
    std::visit([&](auto& scorer) HWY_ATTR { scorer.score(first, count, lane, block); }, scorer_);
  }

#if ATTRACTOR_ROUNDS
  /// Keeps the exact scores of the patterns [first, end) that are looked for, see Screen::run. Returns the first lane
  /// of those whose patterns are all to be scored.
  Index screen(const Tile& tile, Index first, Index end, const Search& search, std::vector<Candidates>& candidates) {
    auto* const screened = std::get_if<ScreenedScorer>(&scorer_);
    if (screened == nullptr) return 0;
    return screened->screen().run(screened->exact(), tile, first, end, search, candidates);
  }
#endif

 private:
  Index pattern_count_;
  AnyScorer scorer_;
};

}  // namespace

std::unique_ptr<FieldKernel> make_adaptive_kernel(const AdaptiveField& field, const Update& update,
                                                  const KernelSize& size) {
  return make_normalised_kernel<SoftmaxReader<BlockScorer>>(
      field, {.resolution = field.resolution.data(), .offset = field.energy_offset}, update, size);
}

std::unique_ptr<RecallKernel> make_adaptive_recall(const AdaptiveField& field, const Readout& readout,
                                                   const KernelSize& size) {
  return std::make_unique<ContentsKernel<SoftmaxReader<BlockScorer>>>(field, readout, nullptr, size);
}

std::unique_ptr<RetrievalKernel> make_adaptive_retrieval(const AdaptiveField& field, const RankingSize& size) {
  return std::make_unique<Retrieval<SoftmaxReader<BlockScorer>>>(field, size);
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attractor::cpu {

HWY_EXPORT(make_adaptive_kernel);
HWY_EXPORT(make_adaptive_recall);
HWY_EXPORT(make_adaptive_retrieval);

std::unique_ptr<FieldKernel> make_kernel(const AdaptiveField& field, const Update& update, const KernelSize& size) {
  return HWY_DYNAMIC_DISPATCH(make_adaptive_kernel)(field, update, size);
}

std::unique_ptr<RecallKernel> make_recall_kernel(const AdaptiveField& field, const Readout& readout,
                                                 const KernelSize& size) {
  return HWY_DYNAMIC_DISPATCH(make_adaptive_recall)(field, readout, size);
}

std::unique_ptr<RetrievalKernel> make_retrieval_kernel(const AdaptiveField& field, const RankingSize& size) {
  return HWY_DYNAMIC_DISPATCH(make_adaptive_retrieval)(field, size);
}

}  // namespace attractor::cpu
#endif
