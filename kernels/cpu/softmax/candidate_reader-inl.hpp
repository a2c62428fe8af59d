// Scores and readouts of memories whose weights are normalised, whatever similarity makes the scores. Threads that
// share the patterns find the candidates, whose scores become weights where they lie.
//
// A lane's sums take the patterns in their order, and what isn't a candidate adds 0: whichever thread scored a pattern,
// and whatever there was room for, the bits are the same.

#if defined(ATTRACTOR_CPU_CANDIDATE_READER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_CANDIDATE_READER_INL
#undef ATTRACTOR_CPU_CANDIDATE_READER_INL
#else
#define ATTRACTOR_CPU_CANDIDATE_READER_INL
#endif

#include <algorithm>
#include <type_traits>
#include <vector>

#include "kernels/cpu/engine/threads.hpp"
#include "kernels/cpu/softmax/candidate_finder-inl.hpp"
#include "kernels/cpu/softmax/candidate_readout-inl.hpp"
#include "kernels/sizes.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// Patterns at a time, in whole panels, and those of a block in so many.
struct PatternBlocks {
  /// Below 256 the sums of blocks would cost more than a tenth of those of patterns.
  PatternBlocks(const PackedMatrix& contents, int shares, Index unit)
      : block(whole(std::min({detail::sizes().pattern_block, contents.padded_rows(),
                              std::max<Index>(256, detail::sizes().block_floats / contents.columns())}),
                    unit)),
        segment(whole(std::min(detail::sizes().segment_patterns, contents.padded_rows() + block - 1), block)),
        room(whole((segment + shares - 1) / shares + block - 1, block)) {}

  Index block;    ///< summed apart; threads share them out in whole blocks
  Index segment;  ///< scored between two readouts, which bounds the scores kept
  Index room;     ///< of a thread, for candidates

 private:
  static Index whole(Index count, Index unit) { return std::max(count / unit, Index{1}) * unit; }
};

/// What readers have in common: threads that share the patterns find the candidates, whose scores become weights where
/// they lie, and `contents` are read out, which are the patterns unless recalled from. `Scorer` and `Use` as in
/// CandidateFinder.
template <class Scorer, class Use>
class CandidateReader {
 public:
  using Field = typename Scorer::Field;

  /// Call once before `readout`.
  void prepare_readout(const Tile& tile) {
    if (tile.any_held) drop_held(tile);
    read_out_candidates();
    invert_normalisers();
  }

  /// The lanes' sums of weights, the largest of which is about 1, where patterns are so many that it pays to have lanes
  /// with many candidates in one block, and those with few in another.
  [[nodiscard]] const LaneArray<double>* spread() const {
    return contents_.rows() >= detail::sizes().ordered_patterns ? &normaliser_ : nullptr;
  }

  /// u for block_rows neurons and one block of lanes.
  HWY_INLINE void readout(Index row, Index lane, Block& block) const {
    readout_.load(row, lane, block);
    normalise(lane, block);
  }

 protected:
  void invert_normalisers() {
    for (std::size_t i = 0; i < most_lanes; ++i) inverse_[i] = static_cast<float>(1.0 / normaliser_[i]);
  }

  /// Divides sums by those of the weights.
  HWY_INLINE void normalise(Index lane, Block& block) const {
    for (int v = 0; v < block_vectors; ++v) {
      const Vector inverse = hn::Load(floats, inverse_.data() + lane + v * vector_lanes());
      HWY_UNROLL(block_rows)
      for (int r = 0; r < block_rows; ++r) block[r][v] = hn::Mul(block[r][v], inverse);
    }
  }

  using Finder = CandidateFinder<Scorer, Use>;

  /// Candidates are within the cutoff of the largest score. `best`: so many best patterns are candidates, too, and
  /// nothing is read out; null: no more than the best one.
  CandidateReader(const Field& field, const PackedMatrix& contents, const KernelSize& size, float cutoff,
                  const RankingSize* best)
      : CandidateReader(field, contents, size, cutoff, best, bytes_of(field, contents, best)) {}

  void start(const Tile& tile) {
    lanes_ = tile.lanes;
    normaliser_.fill(0.0);
    readout_.start(tile.lanes);
    for (Finder& finder : finders_) finder.start(tile);
    join_maxima();
  }

  /// Calls body(share, finder, first, end) on the threads that share the patterns [first, end).
  template <class Body>
  void share_out(Index first, Index end, const Body& body) {
    const Index blocks = (end - first + blocks_.block - 1) / blocks_.block;
    const auto shares = static_cast<Index>(finders_.size());
    run_team(static_cast<int>(shares), [&](int share) HWY_ATTR {
      const auto bound = [&](Index index) { return std::min(first + index * blocks / shares * blocks_.block, end); };
      body(share, finders_[static_cast<std::size_t>(share)], bound(share), bound(share + 1));
    });
    join_maxima();
  }

  /// Scores all patterns, one segment after another, and calls weigh() for the candidates of each. The last ones are
  /// left to be read out later.
  template <class Weigh>
  void score_segments(const Tile& tile, const Weigh& weigh) {
    for (Index first = 0; first < contents_.rows(); first += blocks_.segment) {
      if (first > 0) read_out_candidates();
      share_out(first, std::min(first + blocks_.segment, contents_.rows()),
                [&](int /*share*/, Finder& finder, Index from, Index end) HWY_ATTR { finder.score(tile, from, end); });
      weigh();
    }
  }

  /// Calls visit(lane, candidates) for all blocks of lanes in use, those of earlier patterns first.
  template <class Visit>
  HWY_INLINE void for_each_block(const Visit& visit) {
    for (Finder& finder : finders_) finder.for_each_block(visit);
  }

  /// Calls visit_block for all blocks of lanes, and visit_lane for all lanes, that have candidates of their own: those
  /// of earlier patterns first.
  template <class VisitBlock, class VisitLane>
  HWY_INLINE void for_each_list(const VisitBlock& visit_block, const VisitLane& visit_lane) {
    for (Finder& finder : finders_) {
      finder.for_each_block(visit_block);
      for_each_lane(finder, visit_lane);
    }
  }

  /// Calls visit(lane, candidates) for all lanes that have candidates of their own, in the same order.
  template <class Visit>
  HWY_INLINE void for_each_lane(const Visit& visit) {
    for (Finder& finder : finders_) for_each_lane(finder, visit);
  }

  /// Patterns that are summed apart, and how many such blocks there are.
  [[nodiscard]] Index pattern_block() const { return blocks_.block; }
  [[nodiscard]] Index block_count() const { return (contents_.rows() + blocks_.block - 1) / blocks_.block; }

  /// Whether readouts are sums of integers, of weights in units.
  /// Whether all patterns are scored before any is read out.
  [[nodiscard]] bool has_one_segment() const { return contents_.rows() <= blocks_.segment; }

  [[nodiscard]] bool sums_are_integers() const { return readout_.sums_are_integers(); }

  /// The sums of a block of lanes, to which weights are added in the order of the patterns. `exact`: those of a block
  /// of patterns apart, in units of total_unit.
  template <bool exact>
  class WeightSums {
   public:
    HWY_INLINE WeightSums(const CandidateReader& reader, Index lane) {
      for (std::size_t i = 0; i < parts; ++i)
        sums_[i] = exact ? hn::Zero(doubles)
                         : hn::Load(doubles, reader.normaliser_.data() + lane + static_cast<Index>(i) * step());
    }

    /// Those of a row of candidates.
    HWY_INLINE void add(const float* weights) {
      HWY_UNROLL(8)
      for (std::size_t i = 0; i < parts; ++i) {
        auto own = hn::PromoteTo(doubles, hn::Load(halves, weights + static_cast<Index>(i) * step()));
        if constexpr (exact)
          own = hn::Sub(hn::Add(own, hn::Set(doubles, total_origin)), hn::Set(doubles, total_origin));
        sums_[i] = hn::Add(sums_[i], own);
      }
    }

    HWY_INLINE void add(const Vector (&weights)[block_vectors]) {
      alignas(64) float row[std::size_t{block_vectors} * hn::MaxLanes(Floats())];
      for (int v = 0; v < block_vectors; ++v) hn::Store(weights[v], floats, row + v * vector_lanes());
      add(row);
    }

    HWY_INLINE void store(CandidateReader& reader, Index lane) const {
      for (std::size_t i = 0; i < parts; ++i) {
        double* const at = reader.normaliser_.data() + lane + static_cast<Index>(i) * step();
        hn::Store(exact ? hn::Add(hn::Load(doubles, at), sums_[i]) : sums_[i], doubles, at);
      }
    }

   private:
    using Doubles = hn::CappedTag<double, 8>;
    static constexpr Doubles doubles{};
    static constexpr hn::Rebind<float, Doubles> halves{};
    static constexpr std::size_t parts = block_vectors * hn::MaxLanes(Floats()) / hn::MaxLanes(doubles);
    static HWY_INLINE Index step() { return static_cast<Index>(hn::Lanes(doubles)); }

    hn::Vec<Doubles> sums_[parts];
  };

  /// Adds the weights of the candidates [first, end) to their lanes' sums.
  void add_weights(Index lane, const Candidates& candidates, Index first, Index end) {
    WeightSums<false> sums(*this, lane);
    for (Index row = first; row < end; ++row) sums.add(candidates.values(row));
    sums.store(*this, lane);
  }

  const PackedMatrix& contents_;
  std::vector<Finder> finders_;     ///< of each thread that shares the patterns
  Index lanes_ = 0;                 ///< of the tile in use
  LaneArray<float> maximum_;        ///< of all scores; ∞ where there is no query
  LaneArray<double> normaliser_{};  ///< Σ of the weights
  LaneArray<float> inverse_{};      ///< 1/Σ
  CandidateReadout readout_;

 private:
  template <class Visit>
  static HWY_INLINE void for_each_lane(Finder& finder, const Visit& visit) {
    for (std::size_t lane = 0; lane < finder.lane_candidates().size(); ++lane)
      visit(static_cast<Index>(lane), finder.lane_candidates()[lane]);
  }

  CandidateReader(const Field& field, const PackedMatrix& contents, const KernelSize& size, float cutoff,
                  const RankingSize* best, const BytePatterns* bytes)
      : CandidateReader(field, contents, size, cutoff, best, bytes,
                        PatternBlocks(contents, size.shares, bytes != nullptr ? lane_chunk : panel_rows)) {}

  CandidateReader(const Field& field, const PackedMatrix& contents, const KernelSize& size, float cutoff,
                  const RankingSize* best, const BytePatterns* bytes, const PatternBlocks& blocks)
      : contents_(contents),
        readout_(contents, bytes, size.width, blocks.block),
        reads_out_(best == nullptr),
        blocks_(blocks) {
    finders_.reserve(static_cast<std::size_t>(size.shares));
    for (int share = 0; share < size.shares; ++share)
      finders_.emplace_back(field, FinderSize{.width = size.width, .room = blocks.room, .reach = cutoff, .best = best});
  }

  /// The contents as bytes, if weights, which are 1 at most then, are to be read out so.
  static const BytePatterns* bytes_of(const Field& field, const PackedMatrix& contents, const RankingSize* best) {
    if constexpr (std::is_same_v<Use, SoftmaxUse> && std::is_same_v<Field, SoftmaxField>)
      if (best == nullptr && &contents == &field.patterns && reads_bytes(field)) return &field.bytes;
    return nullptr;
  }

  void join_maxima() {
    maximum_ = finders_.front().maximum();
    for (Finder& finder : finders_)
      for (std::size_t i = 0; i < most_lanes; ++i) maximum_[i] = std::max(maximum_[i], finder.maximum()[i]);
    for (Finder& finder : finders_) finder.maximum() = maximum_;
  }

  /// Of weighed candidates, those that only lanes need that don't move.
  void drop_held(const Tile& tile) {
    for_each_lane([&](Index lane, LaneCandidates& candidates) {
      if (is_set(tile.held, lane)) candidates.clear();
    });
    for_each_block([&](Index lane, Candidates& candidates) HWY_ATTR {
      const float* const held = tile.held.data() + lane;
      candidates.filter([&](Index /*pattern*/, Vector(&weights)[block_vectors]) HWY_ATTR {
        bool any = false;
        for (int v = 0; v < block_vectors; ++v) {
          const auto stays = hn::MaskFromVec(hn::Load(floats, held + v * vector_lanes()));
          weights[v] = hn::IfThenZeroElse(stays, weights[v]);
          any |= !hn::AllFalse(floats, hn::Gt(weights[v], hn::Zero(floats)));
        }
        return any;
      });
    });
  }

  /// Reads out the weighed candidates for all lanes, and forgets them.
  void read_out_candidates() {
    for (Finder& finder : finders_) {
      if (reads_out_) {
        readout_.add(finder.candidates());
        readout_.add(finder.lane_candidates());
      }
      finder.clear();
    }
  }

  bool reads_out_;
  PatternBlocks blocks_;
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
