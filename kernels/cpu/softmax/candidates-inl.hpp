// The patterns that a block of lanes keeps.

#if defined(ATTRACTOR_CPU_CANDIDATES_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_CANDIDATES_INL
#undef ATTRACTOR_CPU_CANDIDATES_INL
#else
#define ATTRACTOR_CPU_CANDIDATES_INL
#endif

#include <cstdint>
#include <new>

#include "kernels/cpu/engine/best_scores.hpp"
#include "kernels/cpu/simd/product-inl.hpp"
#include "kernels/cpu/softmax/candidate_patterns.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// Not below the least that counts. NaN counts.
HWY_INLINE hn::Mask<Floats> may_matter(Vector score, Vector least) { return hn::Not(hn::Lt(score, least)); }

/// Lanes where one of a block's vectors may matter.
HWY_INLINE hn::Mask<Floats> any_matters(const Vector (&scores)[block_vectors], const Vector (&least)[block_vectors]) {
  auto any = may_matter(scores[0], least[0]);
  for (int v = 1; v < block_vectors; ++v) any = hn::Or(any, may_matter(scores[v], least[v]));
  return any;
}

/// Lanes where all of a block's vectors are below the least that counts, which is what NaN never is.
HWY_INLINE hn::Mask<Floats> are_below(const Vector (&scores)[block_vectors], const Vector (&least)[block_vectors]) {
  auto all = hn::Lt(scores[0], least[0]);
  for (int v = 1; v < block_vectors; ++v) all = hn::And(all, hn::Lt(scores[v], least[v]));
  return all;
}

/// What is looked for among scores.
struct Search {
  float* maximum;      ///< of each lane the largest score so far; ∞ where there is no query
  float reach;         ///< what lies at most so far below the largest is wanted
  BestScores* bounds;  ///< of the best of each lane from below, which are wanted, too; null: no more than those
};

/// Whether a scorer finds what is looked for without scoring everything.
template <class Scorer>
inline constexpr bool can_screen = requires {
  &Scorer::screen;
};

/// Whether what may matter to single lanes can be found so, and how.
template <class Scorer>
inline constexpr bool can_screen_lanes = requires {
  typename Scorer::ListScreen;
};

struct NoScreen {};
template <class Scorer>
struct ListScreenOf {
  using Type = NoScreen;
};
template <class Scorer>
requires can_screen_lanes<Scorer>
struct ListScreenOf<Scorer> {
  using Type = typename Scorer::ListScreen;
};

/// Patterns that could have weight in some lane of a block, in the order in which they are stored, with the lanes'
/// scores, which become weights where they lie.
class Candidates : public CandidatePatterns {
 public:
  /// Takes the memory of `most` of them. @throws std::bad_alloc
  explicit Candidates(Index most)
      : CandidatePatterns(most),
        values_(hwy::AllocateAligned<float>(static_cast<std::size_t>((most + 1) * block_lanes()))) {
    if (!values_) throw std::bad_alloc();
  }

  [[nodiscard]] HWY_INLINE float* values(Index i) const { return values_.get() + i * block_lanes(); }
  [[nodiscard]] HWY_INLINE Vector value(Index i, int v) const {
    return hn::Load(floats, values(i) + v * vector_lanes());
  }

  /// Adds one, after those that are there.
  void add(Index pattern, const Vector (&scores)[block_vectors]) {
    put(count(), pattern, scores);
    resize(count() + 1);
  }

  /// Adds those of `count` patterns from `first` on that may matter. There is no branch: which do is hard to foresee,
  /// unless it is all of them.
  HWY_INLINE void add_rows(Index first, Index count, const Block& scores, const Vector (&least)[block_vectors]) {
    bool wanted[block_rows];
    bool all = count == block_rows;
    HWY_UNROLL(block_rows)
    for (int r = 0; r < block_rows; ++r) {
      wanted[r] = !hn::AllTrue(floats, are_below(scores[r], least));
      all &= wanted[r];
    }
    Index end = this->count();
    if (all) {
      HWY_UNROLL(block_rows)
      for (int r = 0; r < block_rows; ++r) put(end + r, first + r, scores[r]);
      return resize(end + block_rows);
    }
    HWY_UNROLL(block_rows)
    for (int r = 0; r < block_rows; ++r) {
      put(end, first + r, scores[r]);
      end += wanted[r] && r < count ? 1 : 0;
    }
    resize(end);
  }

  /// Calls keep(pattern, values), which may change the values, for all; drops those for which it is false.
  template <class Keep>
  HWY_INLINE void filter(const Keep& keep) {
    resize(move_kept(0, count(), 0, keep));
  }

  /// The same of those in [from, end), which move to `to`, not behind `from`, and on. Returns the end of what is kept.
  /// Which are is hard to foresee here, too.
  template <class Keep>
  HWY_INLINE Index move_kept(Index from, Index end, Index to, const Keep& keep) {
    for (Index i = from; i < end; ++i) {
      Vector own[block_vectors];
      for (int v = 0; v < block_vectors; ++v) own[v] = value(i, v);
      const bool wanted = keep(pattern(i), own);
      patterns()[to] = patterns()[i];
      for (int v = 0; v < block_vectors; ++v) hn::Store(own[v], floats, values(to) + v * vector_lanes());
      to += wanted ? 1 : 0;
    }
    return to;
  }

 private:
  HWY_INLINE void put(Index i, Index pattern, const Vector (&scores)[block_vectors]) {
    patterns()[i] = static_cast<std::int32_t>(pattern);
    for (int v = 0; v < block_vectors; ++v) hn::Store(scores[v], floats, values(i) + v * vector_lanes());
  }

  // One more than there may be: candidates are written before they are counted.
  hwy::AlignedFreeUniquePtr<float[]> values_;  ///< [as many × block_lanes]
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
