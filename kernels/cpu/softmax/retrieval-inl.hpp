// Hard retrieval: the largest score of every lane and its share of the softmax, online over blocks of patterns.

#if defined(ATTRACTOR_CPU_RETRIEVAL_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_RETRIEVAL_INL
#undef ATTRACTOR_CPU_RETRIEVAL_INL
#else
#define ATTRACTOR_CPU_RETRIEVAL_INL
#endif

#include <limits>

#include "kernels/cpu/engine/retrieval_kernel.hpp"
#include "kernels/cpu/simd/vector_ops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// `Scorer` as in SoftmaxReader.
template <class Scorer>
class LaneRetrieval final : public RetrievalKernel {
 public:
  explicit LaneRetrieval(const typename Scorer::Field& field) : scorer_(field), pattern_count_(field.patterns.rows()) {}

  const LaneWinners& retrieve(const Tile& tile) override {
    scorer_.take(tile);
    for (Index lane = 0; lane < tile.lanes; lane += block_lanes()) retrieve(tile, lane);
    return winners_;
  }

 private:
  using Indices = hn::RebindToSigned<Floats>;

  /// One block of lanes.
  HWY_INLINE void retrieve(const Tile& tile, Index lane) {
    Vector best[block_vectors];
    Vector normaliser[block_vectors];
    Vector rest[block_vectors];  // of the normaliser: there may be millions of terms
    hn::Vec<Indices> winner[block_vectors];
    for (int v = 0; v < block_vectors; ++v) {
      best[v] = hn::Set(floats, -std::numeric_limits<float>::infinity());
      normaliser[v] = hn::Zero(floats);
      rest[v] = hn::Zero(floats);
      winner[v] = hn::Zero(Indices());
    }
    for (Index first = 0; first < pattern_count_; first += block_rows) {
      Block block;
      scorer_.score(tile, first, lane, block);
      for (int v = 0; v < block_vectors; ++v) add(block, v, first, best[v], normaliser[v], rest[v], winner[v]);
    }
    for (int v = 0; v < block_vectors; ++v) {
      const Index at = lane + v * vector_lanes();
      hn::Store(winner[v], Indices(), winners_.pattern.data() + at);
      // 0 · score: not a number where the best score isn't finite.
      const Vector posterior = hn::Div(hn::Set(floats, 1.0F), hn::Add(normaliser[v], rest[v]));
      hn::Store(hn::MulAdd(best[v], hn::Zero(floats), posterior), floats, winners_.posterior.data() + at);
    }
  }

  /// Adds block_rows scores to Σ exp(s − best).
  static HWY_INLINE void add(const Block& block, int v, Index first, Vector& best, Vector& normaliser, Vector& rest,
                             hn::Vec<Indices>& winner) {
    if (adds_nothing(block, v, best)) return;
    const Vector before = best;
    HWY_UNROLL(block_rows)
    for (int r = 0; r < block_rows; ++r) {
      const auto better = hn::Gt(block[r][v], best);
      best = hn::IfThenElse(better, block[r][v], best);
      const auto index = hn::Set(Indices(), static_cast<std::int32_t>(first + r));
      winner = hn::IfThenElse(hn::RebindMask(Indices(), better), index, winner);
    }
    Vector sum = hn::Zero(floats);
    HWY_UNROLL(block_rows)
    for (int r = 0; r < block_rows; ++r) sum = hn::Add(sum, softmax_weight(block[r][v], best));
    // While both are −∞ nothing has been summed.
    const Vector factor = softmax_weight(before, best);
    normaliser = hn::Mul(normaliser, factor);
    rest = hn::Mul(rest, factor);
    add_exactly(sum, normaliser, rest);
  }

  /// Whether all scores are so far below the best ones that their exponentials are 0.
  static HWY_INLINE bool adds_nothing(const Block& block, int v, Vector best) {
    const Vector threshold = hn::Sub(best, hn::Set(floats, 104.0F));
    auto below = hn::Lt(block[0][v], threshold);
    HWY_UNROLL(block_rows)
    for (int r = 1; r < block_rows; ++r) below = hn::And(below, hn::Lt(block[r][v], threshold));
    return hn::AllTrue(floats, below);
  }

  Scorer scorer_;
  Index pattern_count_;
  LaneWinners winners_;
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
