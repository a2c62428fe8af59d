#include "kernels/cuda/fit/cross_entropy.hpp"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/cuda/adaptive/adaptive_scores.hpp"
#include "kernels/cuda/device/workspace.hpp"
#include "kernels/cuda/fit/column_sums.hpp"
#include "kernels/cuda/fit/rank_gradient.hpp"
#include "kernels/cuda/fit/softmax_loss.hpp"
#include "kernels/log_prior.hpp"

namespace attractor::cuda {
namespace {

/// Queries that blocks of the gradient's kernel take together.
constexpr Index row_unit = 256;

/// A similarity on the device.
struct DeviceSimilarity {
  DeviceSimilarity(const AdaptiveSimilarity& similarity, int ranks)
      : squared_distance(similarity.squared_distance, similarity.beta_squared_distance, ranks,
                         "rank weights of squared distances"),
        dot(similarity.dot, similarity.beta_dot, ranks, "rank weights of products"),
        log_prior(upload(std::span<const float>(detail::relative_log_prior(similarity.log_prior)), "log-priors")) {}

  DeviceRankWeights squared_distance;
  DeviceRankWeights dot;
  DeviceArray<float> log_prior;
};

/// Pairs that come to the device a batch at a time.
struct HostPairs {
  MatrixView<const float> queries;
  std::span<const Index> origins;

  [[nodiscard]] Index count() const { return queries.rows; }

  /// Enqueues a batch's queries to `states`. Returns where their origins then are, for which there is room.
  const Index* put(Index first, MatrixView<float> states, Index* room, cudaStream_t stream) const {
    copy_rows(states, queries.slice(first, states.rows), cudaMemcpyHostToDevice, stream, "queries");
    check(cudaMemcpyAsync(room, origins.data() + first, bytes_of<Index>(states.rows), cudaMemcpyHostToDevice, stream),
          "cudaMemcpyAsync of origins");
    return room;
  }
};

/// The same of pairs that are there.
struct DevicePairs {
  const PlacedPairs& pairs;

  [[nodiscard]] Index count() const { return pairs.count; }

  const Index* put(Index first, MatrixView<float> states, Index* /*room*/, cudaStream_t stream) const {
    if (pairs.numbers != nullptr)
      launch_gather(pairs.queries, pairs.numbers + first, states, stream);
    else
      launch_gather(pairs.queries.slice(first, states.rows), nullptr, states, stream);
    return pairs.origins + first;
  }
};

/// Derivatives by weights or priors on the device, summed over the batches so far, and where they are to go.
class Derivatives {
 public:
  Derivatives(std::vector<double>& result, Workspace& workspace)
      : result_(&result), sums_(workspace.take<double>(result.size())) {}

  [[nodiscard]] bool wanted() const { return !result_->empty(); }
  [[nodiscard]] Index count() const { return static_cast<Index>(result_->size()); }
  [[nodiscard]] double* sums() const { return sums_; }

  void clear(cudaStream_t stream) const {
    if (wanted()) check(cudaMemsetAsync(sums_, 0, bytes(), stream), "cudaMemsetAsync of derivatives");
  }
  void download(cudaStream_t stream) const {
    if (!wanted()) return;
    check(cudaMemcpyAsync(result_->data(), sums_, bytes(), cudaMemcpyDeviceToHost, stream),
          "cudaMemcpyAsync of " + std::to_string(count()) + " derivatives");
  }

 private:
  [[nodiscard]] std::size_t bytes() const { return bytes_of<double>(count()); }

  std::vector<double>* result_;
  double* sums_;
};

/// One call's work on the device, in memory carved out of a workspace, in batches of at most `rows` queries.
class Evaluation {
 public:
  Evaluation(const DeviceMatrix& patterns, int groups, Index rows, SimilarityGradient& gradient, Workspace& workspace)
      : patterns_(patterns),
        groups_(groups),
        rows_(rows),
        states_(workspace.take<float>(elements(rows, patterns.stride))),
        scores_(workspace.take<float>(elements(rows, patterns.rows))),
        origins_(workspace.take<Index>(elements(rows))),
        losses_(workspace.take<double>(elements(rows))),
        squared_distance_(gradient.squared_distance, workspace),
        dot_(gradient.dot, workspace),
        log_prior_(gradient.log_prior, workspace) {
    const Index squared_distance_parts = part_count(FootprintBase::squared_distance, squared_distance_);
    const Index dot_parts = part_count(FootprintBase::dot, dot_);
    parts_ = workspace.take<double>(
        elements(std::max(squared_distance_parts * squared_distance_.count(), dot_parts * dot_.count())));
    column_scratch_ = workspace.take<double>(elements(
        std::max({column_sum_scratch(squared_distance_parts, squared_distance_.count()),
                  column_sum_scratch(dot_parts, dot_.count()), column_sum_scratch(rows, log_prior_.count())})));
  }

  void start(cudaStream_t stream) const {
    // Between a query's last entry and the next row is what kernels read and don't use.
    check(cudaMemsetAsync(states_, 0, bytes_of(rows_ * patterns_.stride), stream), "cudaMemsetAsync of queries");
    for (const Derivatives* const part : {&squared_distance_, &dot_, &log_prior_}) part->clear(stream);
  }

  /// The sum of this batch's losses; adds its derivatives to those before.
  template <class Pairs>
  [[nodiscard]] double add(const DeviceSimilarity& similarity, const Pairs& pairs, Index first, Index rows,
                           cudaStream_t stream) const {
    const Index* const origins =
        pairs.put(first, {states_, rows, patterns_.columns, patterns_.stride}, origins_, stream);
    launch_losses(similarity, static_cast<int>(rows), origins, stream);
    if (log_prior_.wanted())
      launch_column_sums(scores_, rows, patterns_.rows, log_prior_.sums(), column_scratch_, stream);
    launch_gradient(FootprintBase::squared_distance, squared_distance_, rows, stream);
    launch_gradient(FootprintBase::dot, dot_, rows, stream);
    std::vector<double> losses(elements(rows));
    check(cudaMemcpyAsync(losses.data(), losses_, bytes_of<double>(rows), cudaMemcpyDeviceToHost, stream),
          "cudaMemcpyAsync of losses");
    check(cudaStreamSynchronize(stream), "cudaStreamSynchronize after losses");
    return std::accumulate(losses.begin(), losses.end(), 0.0);
  }

  void finish(cudaStream_t stream) const {
    for (const Derivatives* const part : {&squared_distance_, &dot_, &log_prior_}) part->download(stream);
    check(cudaStreamSynchronize(stream), "cudaStreamSynchronize after derivatives");
  }

 private:
  [[nodiscard]] PairBatch pairs(Index rows) const {
    return {.states = states_,
            .state_stride = patterns_.stride,
            .rows = static_cast<int>(rows),
            .patterns = patterns_.data.data(),
            .pattern_stride = patterns_.stride,
            .pattern_count = patterns_.rows,
            .dimension = patterns_.columns,
            .groups = groups_};
  }

  /// Leaves residuals in the place of scores if there is a gradient.
  void launch_losses(const DeviceSimilarity& similarity, int rows, const Index* origins, cudaStream_t stream) const {
    launch_adaptive_scores({.pairs = pairs(rows),
                            .squared_distance = similarity.squared_distance.view(),
                            .dot = similarity.dot.view(),
                            .log_prior = similarity.log_prior.data(),
                            .scores = scores_,
                            .score_stride = patterns_.rows},
                           stream);
    launch_softmax_loss({.rows = rows,
                         .pattern_count = patterns_.rows,
                         .scores = scores_,
                         .origins = origins,
                         .losses = losses_,
                         .residuals = squared_distance_.wanted() || dot_.wanted() || log_prior_.wanted()},
                        stream);
  }

  void launch_gradient(FootprintBase base, const Derivatives& derivatives, Index rows, cudaStream_t stream) const {
    if (!derivatives.wanted()) return;
    const RankGradient job = rank_gradient(base, derivatives, rows);
    launch_rank_gradient(job, stream);
    launch_column_sums(parts_, gradient_parts(job), derivatives.count(), derivatives.sums(), column_scratch_, stream);
  }

  [[nodiscard]] RankGradient rank_gradient(FootprintBase base, const Derivatives& derivatives, Index rows) const {
    return {.pairs = pairs(rows),
            .base = base,
            .per_pattern = derivatives.count() > rank_count(patterns_.columns, groups_),
            .residuals = scores_,
            .residual_stride = patterns_.rows,
            .parts = parts_};
  }

  [[nodiscard]] Index part_count(FootprintBase base, const Derivatives& derivatives) const {
    return derivatives.wanted() ? gradient_parts(rank_gradient(base, derivatives, rows_)) : 0;
  }

  const DeviceMatrix& patterns_;
  int groups_;
  Index rows_;
  float* states_;   ///< [rows × stride]
  float* scores_;   ///< [rows × P]
  Index* origins_;  ///< [rows]
  double* losses_;  ///< [rows]
  Derivatives squared_distance_;
  Derivatives dot_;
  Derivatives log_prior_;
  double* parts_ = nullptr;  ///< of the gradient by one base's weights
  double* column_scratch_ = nullptr;
};

}  // namespace

CrossEntropy::CrossEntropy(int device, MatrixView<const float> patterns, Index groups, Index batch_scores)
    : device_(device), groups_(static_cast<int>(groups)), batch_scores_(batch_scores) {
  check_ranks(patterns.columns, groups);
  const DeviceScope scope(device_);
  patterns_ = DeviceMatrix(patterns, "patterns");
  stream_ = make_stream();
}

Index CrossEntropy::batch_rows(Index queries) const {
  const detail::Sizes& sizes = detail::sizes();
  const Index scores = std::min(batch_scores_, sizes.fit_batch_terms / rank_count(patterns_.columns, groups_));
  const Index rows = std::min(scores / patterns_.rows, sizes.fit_batch_floats / patterns_.stride);
  return std::min(queries, rows > row_unit ? rows / row_unit * row_unit : std::max<Index>(rows, 1));
}

double CrossEntropy::operator()(const AdaptiveSimilarity& similarity, MatrixView<const float> queries,
                                std::span<const Index> origins, SimilarityGradient* gradient) {
  const DeviceScope scope(device_);
  if (queries.rows == 0 || !is_here(queries.data, "queries"))
    return sum(similarity, HostPairs{queries, origins}, gradient);
  const DeviceArray<Index> placed = upload(origins, "origins");
  return (*this)(similarity, {.queries = queries, .origins = placed.data(), .count = queries.rows}, gradient);
}

double CrossEntropy::operator()(const AdaptiveSimilarity& similarity, const PlacedPairs& pairs,
                                SimilarityGradient* gradient) {
  const DeviceScope scope(device_);
  return sum(similarity, DevicePairs{pairs}, gradient);
}

template <class Pairs>
double CrossEntropy::sum(const AdaptiveSimilarity& similarity, const Pairs& pairs, SimilarityGradient* gradient) {
  const DeviceSimilarity weights(similarity, static_cast<int>(rank_count(patterns_.columns, groups_)));
  SimilarityGradient none;
  SimilarityGradient& result = gradient != nullptr ? *gradient : none;
  const Index most = batch_rows(pairs.count());
  Workspace needed;
  Evaluation(patterns_, groups_, most, result, needed);
  if (scratch_.size() < needed.used()) {
    scratch_ = {};
    scratch_ = DeviceArray<std::byte>(needed.used(), "a batch of queries and their gradient");
  }
  Workspace workspace(scratch_.data());
  const Evaluation evaluation(patterns_, groups_, most, result, workspace);
  evaluation.start(stream_.get());
  double loss = 0.0;
  for (Index first = 0; first < pairs.count(); first += most)
    loss += evaluation.add(weights, pairs, first, std::min(most, pairs.count() - first), stream_.get());
  evaluation.finish(stream_.get());
  return loss;
}

}  // namespace attractor::cuda
