// Softmax memories: p = softmax(s), u = pᵀA, online over blocks of patterns, whatever similarity makes the scores s.
//
// Only candidates are kept: patterns whose weight could still matter to some lane. A weight below e^−cutoff of the
// largest is zero, with the cutoff such that all weights dropped together stay below half a float ulp of the sum. In a
// memory that has made up its mind nearly all patterns drop out, and the readout costs next to nothing.
//
// What happens to a lane depends on that lane alone: a row that is kept for another lane's sake has weight 0 here, and
// adding 0 changes no bit. Segments end at fixed patterns for the same reason.

#if defined(ATTRACTOR_CPU_SOFTMAX_READER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_SOFTMAX_READER_INL
#undef ATTRACTOR_CPU_SOFTMAX_READER_INL
#else
#define ATTRACTOR_CPU_SOFTMAX_READER_INL
#endif

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/field_kernel.hpp"
#include "kernels/cpu/product-inl.hpp"
#include "kernels/cpu/readout_term.hpp"
#include "kernels/cpu/state_writer-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// Patterns read out at a time: their part of the memory stays in the second-level cache for all neurons.
inline constexpr Index pattern_block = 256;
/// Patterns between two readouts: bounds the scores kept, at 16 MiB for each thread.
inline constexpr Index segment_patterns = 65536;

/// The weights of a tile's states and their readout from `contents`, which are the patterns unless recalled from.
/// `Scorer` makes the scores s of block_rows patterns of its Field for a block of lanes, −∞ for the rows that pad the
/// last panel.
template <class Scorer>
class SoftmaxReader {
 public:
  SoftmaxReader(const typename Scorer::Field& field, const PackedMatrix& contents, Index width)
      : scorer_(field),
        contents_(contents),
        width_(width),
        cutoff_(std::log(static_cast<float>(contents.rows())) + 25.0F * std::log(2.0F)),
        scores_(hwy::AllocateAligned<float>(static_cast<std::size_t>(segment_size(contents) * width))),
        partial_(hwy::AllocateAligned<float>(static_cast<std::size_t>(contents.padded_columns() * width))) {
    if (!scores_ || !partial_) throw std::bad_alloc();
    candidates_.reserve(static_cast<std::size_t>(segment_size(contents)));
    terms_.reserve(candidates_.capacity());
  }

  /// Scores and weighs all patterns; the readout of the last segment is left for later.
  void evaluate(const Tile& tile) {
    start(tile);
    scorer_.take(tile);
    const Index pattern_count = contents_.rows();
    for (Index segment = 0; segment < pattern_count; segment += segment_patterns) {
      if (segment > 0) read_out_segment(tile);
      const Index end = std::min(segment + segment_patterns, pattern_count);
      for (Index first = segment; first < end; first += panel_rows)
        score_panel(tile, first, std::min(first + panel_rows, end));
      weigh(tile);
    }
  }

  /// log Σ exp(s) of an evaluated lane.
  [[nodiscard]] double log_sum(Index lane) const {
    return static_cast<double>(maximum_[static_cast<std::size_t>(lane)]) + std::log(normaliser_.value(lane));
  }

  /// Call once before `readout`: drops the rows that only held lanes need, and reads out all blocks but the last.
  void prepare_readout(const Tile& tile) {
    collect_terms(tile);
    while (terms_left() > pattern_block) read_out_block(tile);
  }

  /// u for block_rows neurons and one block of lanes.
  HWY_INLINE void readout(Index row, Index lane, Block& block) const {
    accumulate(row, lane, block, terms_left());
    for (int v = 0; v < block_vectors; ++v) {
      const Index at = lane + v * vector_lanes();
      const Vector sum =
          hn::Add(hn::Load(floats, normaliser_.high.data() + at), hn::Load(floats, normaliser_.low.data() + at));
      const Vector inverse = hn::Div(hn::Set(floats, 1.0F), sum);
      HWY_UNROLL(block_rows)
      for (int r = 0; r < block_rows; ++r) block[r][v] = hn::Mul(block[r][v], inverse);
    }
  }

 private:
  struct Candidate {
    Index pattern;
    Index row;  ///< of scores_
  };

  static Index segment_size(const PackedMatrix& contents) { return std::min(segment_patterns, contents.padded_rows()); }

  [[nodiscard]] float* scores(Index row) const { return scores_.get() + row * width_; }

  void start(const Tile& tile) {
    for (std::size_t i = 0; i < most_lanes; ++i) {
      // No score exceeds an idle lane's maximum, so it keeps no candidate.
      const bool idle = is_set(tile.idle[i]);
      maximum_[i] = idle ? std::numeric_limits<float>::infinity() : -std::numeric_limits<float>::infinity();
    }
    weighed_maximum_ = maximum_;
    normaliser_ = {};
    candidates_.clear();
    has_partial_ = false;
  }

  static bool is_set(float bits) { return std::signbit(bits); }

  /// Scores the panel of patterns [first, end) and keeps those within the cutoff of the largest score so far of some
  /// lane.
  void score_panel(const Tile& tile, Index first, Index end) {
    const auto base = static_cast<Index>(candidates_.size());
    bool any = false;
    for (Index lane = 0; lane < tile.lanes; lane += block_lanes())
      for (Index row = first; row < end; row += block_rows) any |= score(tile, row, lane, base + row - first);
    if (!any) return;
    for (Index pattern = first; pattern < end; ++pattern) {
      const float* const from = scores(base + pattern - first);
      if (!any_above_threshold(tile, from)) continue;
      const auto row = static_cast<Index>(candidates_.size());
      if (scores(row) != from) std::copy_n(from, width_, scores(row));
      candidates_.push_back({pattern, row});
    }
  }

  /// Scores block_rows patterns for one block of lanes. Whether one of them is within the cutoff of the lane's largest.
  HWY_INLINE bool score(const Tile& tile, Index first, Index lane, Index to) {
    Block block;
    scorer_.score(tile, first, lane, block);
    bool any = false;
    for (int v = 0; v < block_vectors; ++v) {
      const Index at = lane + v * vector_lanes();
      Vector largest = block[0][v];
      HWY_UNROLL(block_rows)
      for (int r = 0; r < block_rows; ++r) {
        hn::Store(block[r][v], floats, scores(to + r) + at);
        largest = hn::Max(largest, block[r][v]);
      }
      hn::Store(hn::Max(hn::Load(floats, maximum_.data() + at), largest), floats, maximum_.data() + at);
      any |= !hn::AllFalse(floats, hn::Ge(largest, threshold(at)));
    }
    return any;
  }

  HWY_INLINE Vector threshold(Index lane) const {
    return hn::Sub(hn::Load(floats, maximum_.data() + lane), hn::Set(floats, cutoff_));
  }

  HWY_INLINE bool any_above_threshold(const Tile& tile, const float* row) const {
    bool any = false;
    for (Index lane = 0; lane < tile.lanes; lane += vector_lanes())
      any |= !hn::AllFalse(floats, hn::Ge(hn::Load(floats, row + lane), threshold(lane)));
    return any;
  }

  /// Turns the candidates' scores into weights exp(s − maximum), and sums them.
  void weigh(const Tile& tile) {
    for (Index lane = 0; lane < tile.lanes; lane += vector_lanes()) rescale(lane);
    std::size_t kept = 0;
    for (const Candidate& candidate : candidates_)
      if (weigh_row(tile, scores(candidate.row))) candidates_[kept++] = candidate;
    candidates_.resize(kept);
  }

  /// Brings the sums of the earlier segments to the maximum of all of them.
  HWY_INLINE void rescale(Index lane) {
    const Vector maximum = hn::Load(floats, maximum_.data() + lane);
    const Vector before = hn::Load(floats, weighed_maximum_.data() + lane);
    const Vector one = hn::Set(floats, 1.0F);
    const Vector factor = hn::IfThenElse(hn::Eq(maximum, before), one, hn::Exp(floats, hn::Sub(before, maximum)));
    hn::Store(maximum, floats, weighed_maximum_.data() + lane);
    scale(normaliser_.high.data() + lane, factor);
    scale(normaliser_.low.data() + lane, factor);
    if (!has_partial_) return;
    for (Index row = 0; row < contents_.padded_columns(); ++row) scale(partial(row, lane), factor);
  }

  static HWY_INLINE void scale(float* values, Vector factor) {
    hn::Store(hn::Mul(hn::Load(floats, values), factor), floats, values);
  }

  HWY_INLINE bool weigh_row(const Tile& tile, float* row) {
    bool any = false;
    for (Index lane = 0; lane < tile.lanes; lane += vector_lanes()) {
      const Vector score = hn::Load(floats, row + lane);
      const auto matters = hn::Ge(score, threshold(lane));
      if (hn::AllFalse(floats, matters)) {
        hn::Store(hn::Zero(floats), floats, row + lane);
        continue;
      }
      const Vector distance = hn::Sub(score, hn::Load(floats, maximum_.data() + lane));
      const Vector weight = hn::IfThenElseZero(matters, hn::Exp(floats, distance));
      hn::Store(weight, floats, row + lane);
      add_to(normaliser_, lane, weight);
      any = true;
    }
    return any;
  }

  /// Whether a candidate has weight in a lane that is about to move.
  HWY_INLINE bool matters(const Tile& tile, const Candidate& candidate) const {
    bool any = false;
    for (Index lane = 0; lane < tile.lanes; lane += vector_lanes()) {
      const auto held = hn::MaskFromVec(hn::Load(floats, tile.held.data() + lane));
      const Vector weight = hn::IfThenZeroElse(held, hn::Load(floats, scores(candidate.row) + lane));
      any |= !hn::AllFalse(floats, hn::Gt(weight, hn::Zero(floats)));
    }
    return any;
  }

  /// Lists the candidates that a lane about to move gives weight to.
  void collect_terms(const Tile& tile) {
    terms_.clear();
    first_term_ = 0;
    for (const Candidate& candidate : candidates_)
      if (!tile.any_held || matters(tile, candidate))
        terms_.push_back(
            {.row_offset = contents_.row_offset(candidate.pattern), .weight_offset = candidate.row * width_});
  }

  [[nodiscard]] Index terms_left() const { return static_cast<Index>(terms_.size()) - first_term_; }

  /// Σ p c, not yet normalised, of all terms up to `count` more.
  HWY_INLINE void accumulate(Index row, Index lane, Block& block, Index count) const {
    for (int r = 0; r < block_rows; ++r)
      for (int v = 0; v < block_vectors; ++v)
        block[r][v] = has_partial_ ? hn::Load(floats, partial(row + r, lane + v * vector_lanes())) : hn::Zero(floats);
    multiply_terms(contents_.data() + row * panel_rows, scores_.get() + lane, terms_.data() + first_term_, count,
                   block);
  }

  /// Adds the next terms to the partial readout: as many as keep their part of the memory in the second-level cache.
  void read_out_block(const Tile& tile) {
    const Index count = std::min(terms_left(), pattern_block);
    for (Index lane = 0; lane < tile.lanes; lane += block_lanes())
      for (Index row = 0; row < contents_.padded_columns(); row += block_rows) {
        Block block;
        accumulate(row, lane, block, count);
        for (int r = 0; r < block_rows; ++r)
          for (int v = 0; v < block_vectors; ++v)
            hn::Store(block[r][v], floats, partial(row + r, lane + v * vector_lanes()));
      }
    first_term_ += count;
    has_partial_ = true;
  }

  /// Reads out the weighed candidates and forgets them.
  void read_out_segment(const Tile& tile) {
    collect_terms(tile);
    while (terms_left() > 0) read_out_block(tile);
    candidates_.clear();
  }

  [[nodiscard]] float* partial(Index row, Index lane) const { return partial_.get() + row * width_ + lane; }

  Scorer scorer_;
  const PackedMatrix& contents_;
  Index width_;
  float cutoff_;
  hwy::AlignedFreeUniquePtr<float[]> scores_;   ///< scores, then weights, of the candidates [segment × width]
  hwy::AlignedFreeUniquePtr<float[]> partial_;  ///< readout of the terms so far [padded columns × width]
  bool has_partial_ = false;
  std::vector<Candidate> candidates_;
  std::vector<ReadoutTerm> terms_;
  Index first_term_ = 0;  ///< terms before it are in partial_
  LaneArray<float> maximum_;
  LaneArray<float> weighed_maximum_;  ///< maximum at the last weighing
  LaneSums normaliser_;               ///< Σ exp(s − maximum)
};

/// What the energy of a softmax memory has beside the log-sum of its scores: E = −lse(s)/beta + ½ Σ weight·x² + offset.
struct SoftmaxEnergy {
  double beta = 1.0;
  const float* quadratic_weights = nullptr;  ///< [padded D] or null
  double offset = 0.0;
};

template <class UpdateRule, class Scorer>
class SoftmaxKernel final : public FieldKernel {
 public:
  SoftmaxKernel(const typename Scorer::Field& field, const SoftmaxEnergy& energy, const UpdateRule& update, Index width)
      : energy_(energy), update_(update), reader_(field, field.patterns, width) {}

  void evaluate(Tile& tile) override {
    reader_.evaluate(tile);
    if (!tile.wants_energy) return;
    for (Index lane = 0; lane < tile.lanes; ++lane) {
      const double quadratic = energy_.quadratic_weights != nullptr ? 0.5 * tile.quadratic.value(lane) : 0.0;
      tile.energy[static_cast<std::size_t>(lane)] = -reader_.log_sum(lane) / energy_.beta + quadratic + energy_.offset;
    }
  }

  void advance(Tile& tile) override {
    reader_.prepare_readout(tile);
    for (Index lane = 0; lane < tile.lanes; lane += block_lanes()) {
      StateWriter<UpdateRule> writer(update_, tile, lane, energy_.quadratic_weights);
      for (Index row = 0; row < tile.rows; row += block_rows) {
        Block block;
        reader_.readout(row, lane, block);
        writer.write(row, block);
      }
      writer.finish();
    }
  }

  bool prepare(Tile& /*tile*/, std::span<const Arrival> /*arrivals*/) override { return false; }

 private:
  SoftmaxEnergy energy_;
  UpdateRule update_;
  SoftmaxReader<Scorer> reader_;
};

template <class Scorer>
class ContentsKernel final : public RecallKernel {
 public:
  ContentsKernel(const typename Scorer::Field& field, const PackedMatrix& contents, Index width)
      : reader_(field, contents, width), rows_(contents.padded_columns()), width_(width), readout_(rows_ * width) {}

  const float* recall(const Tile& tile) override {
    reader_.evaluate(tile);
    reader_.prepare_readout(tile);
    for (Index lane = 0; lane < tile.lanes; lane += block_lanes())
      for (Index row = 0; row < rows_; row += block_rows) {
        Block block;
        reader_.readout(row, lane, block);
        for (int r = 0; r < block_rows; ++r)
          for (int v = 0; v < block_vectors; ++v)
            hn::Store(block[r][v], floats, readout_.data() + (row + r) * width_ + lane + v * vector_lanes());
      }
    return readout_.data();
  }

 private:
  SoftmaxReader<Scorer> reader_;
  Index rows_;
  Index width_;
  AlignedFloats readout_;
};

template <class Scorer>
std::unique_ptr<FieldKernel> make_softmax_kernel(const typename Scorer::Field& field, const SoftmaxEnergy& energy,
                                                 const Update& update, Index width) {
  return std::visit(
      [&](const auto& rule) -> std::unique_ptr<FieldKernel> {
        return std::make_unique<SoftmaxKernel<std::decay_t<decltype(rule)>, Scorer>>(field, energy, rule, width);
      },
      update);
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
