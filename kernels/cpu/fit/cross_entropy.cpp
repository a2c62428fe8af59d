// The loss that rank weights are fitted by, −log softmax(s)_origin, and its gradient. Queries lie along lanes.
//
// Each query's ranked terms are made twice, once for its scores and once, where its residual isn't negligible, for the
// gradient: sorting again is cheaper than storing and reading them.

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "kernels/cpu/adaptive/adaptive.hpp"
#include "kernels/cpu/engine/lanes.hpp"
#include "kernels/cpu/engine/threads.hpp"
#include "kernels/negligible.hpp"
#include "kernels/sizes.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/fit/cross_entropy.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/adaptive/adaptive_scorer-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {
namespace {

/// Adds residuals times ranked terms to rows of floats, one for each rank.
class WeightedRows {
 public:
  WeightedRows(Vector residual, float* rows) : residual_(residual), rows_(rows) {}

  template <std::size_t n>
  HWY_INLINE void take(Index first, const Vector* rows, Index count) {
    HWY_UNROLL(16)
    for (Index i = 0; i < static_cast<Index>(n); ++i) {
      if (i >= count) continue;
      float* const sum = rows_ + (first + i) * vector_lanes();
      hn::Store(hn::NegMulAdd(residual_, rows[i], hn::Load(floats, sum)), floats, sum);
    }
  }

 private:
  Vector residual_;
  float* rows_;
};

/// The sums of one part of the queries.
class Part {
 public:
  Part(const AdaptiveField& field, const SimilarityGradient* shape)
      : field_(field),
        scorer_(field),
        tile_(field.patterns.columns(), vector_lanes(), false),
        scores_(field.patterns.rows() * vector_lanes()),
        rows_(field.groups.ranks() * vector_lanes()) {
    if (shape != nullptr) gradient_ = *shape;
  }

  void add(MatrixView<const float> queries, std::span<const Index> origins) {
    for (Index first = 0; first < queries.rows; first += vector_lanes()) {
      const Index count = std::min(vector_lanes(), queries.rows - first);
      add_batch(queries.slice(first, count), origins.subspan(static_cast<std::size_t>(first)));
    }
  }

  [[nodiscard]] double loss() const { return loss_; }
  [[nodiscard]] const SimilarityGradient& gradient() const { return gradient_; }

 private:
  void add_batch(MatrixView<const float> queries, std::span<const Index> origins) {
    arrivals_.clear();
    for (Index i = 0; i < queries.rows; ++i) arrivals_.push_back({i, queries.row(i)});
    load_lanes(arrivals_, tile_);
    tile_.lanes = queries.rows;
    scorer_.take(tile_);
    score(queries.rows, origins);
    if (!gradient_.log_prior.empty()) add_priors(queries.rows);
    if (!gradient_.squared_distance.empty())
      add_ranks<FootprintBase::squared_distance>(field_.squared_distance, gradient_.squared_distance);
    if (!gradient_.dot.empty()) add_ranks<FootprintBase::dot>(field_.dot, gradient_.dot);
  }

  [[nodiscard]] float* scores(Index pattern) { return scores_.data() + pattern * vector_lanes(); }

  /// Adds the losses, and turns scores into residuals p_μ − [μ is the origin]; those of lanes past `count` become 0.
  void score(Index count, std::span<const Index> origins) {
    const Index pattern_count = field_.patterns.rows();
    Vector largest = hn::Set(floats, -std::numeric_limits<float>::infinity());
    for (Index pattern = 0; pattern < pattern_count; ++pattern) {
      scorer_.score(pattern, 0, scores(pattern));
      largest = hn::Max(largest, hn::Load(floats, scores(pattern)));
    }
    // Weights take the place of scores.
    LaneArray<float> origin_scores;
    for (Index lane = 0; lane < count; ++lane) {
      const auto at = static_cast<std::size_t>(lane);
      origin_scores[at] = scores(origins[at])[lane];
    }
    LaneSums sums;
    for (Index pattern = 0; pattern < pattern_count; ++pattern) {
      const Vector weight = hn::Exp(floats, hn::Sub(hn::Load(floats, scores(pattern)), largest));
      hn::Store(weight, floats, scores(pattern));
      add_to(sums, 0, weight);
    }
    LaneArray<float> inverse{};
    LaneArray<float> origin_residuals;
    for (Index lane = 0; lane < count; ++lane) {
      const auto at = static_cast<std::size_t>(lane);
      const double sum = sums.value(lane);
      loss_ +=
          static_cast<double>(hn::ExtractLane(largest, at)) + std::log(sum) - static_cast<double>(origin_scores[at]);
      inverse[at] = static_cast<float>(1.0 / sum);
      // Near 1 the posterior of the origin would leave nothing of the difference but its own rounding.
      origin_residuals[at] = static_cast<float>((static_cast<double>(scores(origins[at])[lane]) - sum) / sum);
    }
    for (Index pattern = 0; pattern < pattern_count; ++pattern)
      hn::Store(hn::Mul(hn::Load(floats, scores(pattern)), hn::Load(floats, inverse.data())), floats, scores(pattern));
    for (Index lane = 0; lane < count; ++lane) {
      const auto at = static_cast<std::size_t>(lane);
      scores(origins[at])[lane] = origin_residuals[at];
    }
  }

  void add_priors(Index count) {
    for (Index pattern = 0; pattern < field_.patterns.rows(); ++pattern)
      for (Index lane = 0; lane < count; ++lane)
        gradient_.log_prior[static_cast<std::size_t>(pattern)] += static_cast<double>(scores(pattern)[lane]);
  }

  template <FootprintBase base>
  void add_ranks(const RankWeights& weights, std::vector<double>& derivatives) {
    const Index ranks = field_.groups.ranks();
    Index added = 0;  // Floats take only so many terms.
    for (Index pattern = 0; pattern < field_.patterns.rows(); ++pattern) {
      const Vector residual = hn::Load(floats, scores(pattern));
      if (hn::AllTrue(floats, hn::Lt(hn::Abs(residual), hn::Set(floats, detail::negligible)))) continue;
      WeightedRows sink(residual, rows_.data());
      scorer_.rank<base>(pattern, 0, sink);
      if (weights.stride > 0)
        collect(ranks, derivatives.data() + pattern * ranks);
      else if (++added % gradient_patterns_ == 0)
        collect(ranks, derivatives.data());
    }
    if (weights.stride == 0) collect(ranks, derivatives.data());
  }

  /// Adds the lanes of each row to its derivative, and clears the rows.
  void collect(Index ranks, double* derivatives) {
    for (Index rank = 0; rank < ranks; ++rank) {
      float* const row = rows_.data() + rank * vector_lanes();
      derivatives[rank] += static_cast<double>(hn::GetLane(hn::SumOfLanes(floats, hn::Load(floats, row))));
      hn::Store(hn::Zero(floats), floats, row);
    }
  }

  const AdaptiveField& field_;
  AdaptiveScorer scorer_;
  Tile tile_;
  Index gradient_patterns_ = detail::sizes().gradient_patterns;
  AlignedFloats scores_;  ///< [P × lanes] scores, then residuals
  AlignedFloats rows_;    ///< [R × lanes] residuals times ranked terms of one base; zeros between uses
  std::vector<Arrival> arrivals_;
  double loss_ = 0.0;
  SimilarityGradient gradient_;
};

}  // namespace

double add_cross_entropies(const AdaptiveField& field, MatrixView<const float> queries, std::span<const Index> origins,
                           SimilarityGradient* gradient, int threads) {
  const Index batches = (queries.rows + 15) / 16;
  // Their sums are added in order: the bits don't depend on the number of threads. Each takes the memory of a gradient.
  const Index part_count = std::min(batches, detail::sizes().fit_parts);
  const auto begin = [&](Index part) { return std::min(batches * part / part_count * 16, queries.rows); };
  std::vector<std::unique_ptr<Part>> parts;
  for (Index i = 0; i < part_count; ++i) parts.push_back(std::make_unique<Part>(field, gradient));
  run_chunks(team_size(threads, part_count, 1), part_count, 1, [&](int /*share*/, Index i, Index /*end*/) {
    parts[static_cast<std::size_t>(i)]->add(queries.slice(begin(i), begin(i + 1) - begin(i)),
                                            origins.subspan(static_cast<std::size_t>(begin(i))));
  });
  double loss = 0.0;
  for (const auto& part : parts) {
    loss += part->loss();
    if (gradient == nullptr) continue;
    const auto add = [](std::vector<double>& sum, const std::vector<double>& term) {
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += term[i];
    };
    add(gradient->squared_distance, part->gradient().squared_distance);
    add(gradient->dot, part->gradient().dot);
    add(gradient->log_prior, part->gradient().log_prior);
  }
  return loss;
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attractor::cpu {

HWY_EXPORT(add_cross_entropies);

double cross_entropy(const AdaptiveField& field, MatrixView<const float> queries, std::span<const Index> origins,
                     SimilarityGradient* gradient, int threads) {
  if (gradient != nullptr)
    for (std::vector<double>* part : {&gradient->squared_distance, &gradient->dot, &gradient->log_prior})
      std::fill(part->begin(), part->end(), 0.0);
  if (queries.rows == 0) return 0.0;
  return HWY_DYNAMIC_DISPATCH(add_cross_entropies)(field, queries, origins, gradient, threads);
}

}  // namespace attractor::cpu
#endif
