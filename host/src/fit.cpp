#include <attractor/fit.hpp>

#include <functional>
#include <limits>
#include <utility>

#include <attractor/error.hpp>

#include "host/src/minimiser.hpp"
#include "host/src/pair_split.hpp"
#include "host/src/similarity_parameters.hpp"
#include "host/src/validation.hpp"

namespace attractor {
namespace detail {
namespace {

/// Mean cross-entropy of the fitted pairs plus the penalty.
class FitObjective {
 public:
  FitObjective(const SimilarityParameters& parameters, const FitLoss& loss, const Pairs& pairs)
      : parameters_(parameters), loss_(loss), pairs_(pairs), by_weights_(parameters.make_gradient()) {}

  double operator()(const std::vector<double>& x, std::vector<double>& gradient) {
    const double share = 1.0 / static_cast<double>(pairs_.queries.rows());
    const double loss = loss_(parameters_.similarity(x), pairs_.queries, pairs_.origins, &by_weights_);
    gradient = parameters_.chain(by_weights_, share);
    parameters_.add_penalty_gradient(x, gradient);
    return share * loss + parameters_.penalty(x);
  }

 private:
  const SimilarityParameters& parameters_;
  const FitLoss& loss_;
  const Pairs& pairs_;
  SimilarityGradient by_weights_;
};

/// Follows a fit: its history, its best point, and when to end it.
class FitWatch {
 public:
  FitWatch(const SimilarityParameters& parameters, const FitLoss& loss, const Pairs& held_out,
           const FitOptions& options)
      : parameters_(parameters), loss_(loss), held_out_(held_out), options_(options), best_(parameters.size(), 0.0) {}

  bool operator()(const std::vector<double>& x, double value) {
    const FitProgress progress{.epoch = static_cast<int>(history_.size()) + 1,
                               .epochs = options_.epochs,
                               .loss = value - parameters_.penalty(x),
                               .held_out_loss = held_out_loss(x)};
    history_.push_back(progress);
    const double criterion = has_held_out() ? progress.held_out_loss : value;
    if (criterion < best_criterion_) {
      best_criterion_ = criterion;
      best_epoch_ = progress.epoch;
      best_ = x;
    }
    if (options_.progress) options_.progress(progress);
    out_of_patience_ = has_held_out() && progress.epoch - best_epoch_ >= options_.patience;
    return !out_of_patience_ && progress.epoch < options_.epochs && !options_.stop.stop_requested();
  }

  [[nodiscard]] bool out_of_patience() const { return out_of_patience_; }
  [[nodiscard]] const std::vector<double>& best() const { return best_; }
  [[nodiscard]] std::vector<FitProgress>&& take_history() { return std::move(history_); }

 private:
  [[nodiscard]] bool has_held_out() const { return !held_out_.queries.empty(); }

  [[nodiscard]] double held_out_loss(const std::vector<double>& x) const {
    if (!has_held_out()) return std::numeric_limits<double>::quiet_NaN();
    return loss_(parameters_.similarity(x), held_out_.queries, held_out_.origins, nullptr) /
           static_cast<double>(held_out_.queries.rows());
  }

  const SimilarityParameters& parameters_;
  const FitLoss& loss_;
  const Pairs& held_out_;
  const FitOptions& options_;
  std::vector<FitProgress> history_;
  std::vector<double> best_;
  double best_criterion_ = std::numeric_limits<double>::infinity();
  int best_epoch_ = 0;
  bool out_of_patience_ = false;
};

bool minimise(const FitOptions& options, std::size_t size, FitObjective& objective, FitWatch& watch) {
  const std::vector<double> start(size, 0.0);
  if (options.optimiser == Optimiser::adam)
    return minimise_adam(std::ref(objective), start, static_cast<double>(options.rate), std::ref(watch));
  return minimise_lbfgs(std::ref(objective), start, std::ref(watch));
}

}  // namespace
}  // namespace detail

Fit fit_similarity(const Device& device, MatrixView<const float> patterns, MatrixView<const float> queries,
                   std::span<const Index> origins, const FitOptions& options) {
  detail::check_pairs(patterns, queries, origins);
  detail::check_options(options, patterns.columns);
  const detail::FitLoss loss = detail::make_fit_loss(device, patterns, options.groups, options.threads);
  const detail::PairSplit pairs =
      detail::split_pairs(queries, origins, static_cast<double>(options.held_out), options.seed);
  const detail::SimilarityParameters parameters(patterns, pairs.fitted.queries, options);
  detail::FitObjective objective(parameters, loss, pairs.fitted);
  detail::FitWatch watch(parameters, loss, pairs.held_out, options);
  const bool at_minimum =
      !options.stop.stop_requested() && detail::minimise(options, parameters.size(), objective, watch);
  return {.similarity = parameters.similarity(watch.best()),
          .history = watch.take_history(),
          .converged = at_minimum || watch.out_of_patience()};
}

Fit fit_similarity(const Device& device, MatrixView<const float> patterns, const VariantOptions& variants, Index count,
                   const FitOptions& options) {
  detail::check_pattern_layout(patterns, "patterns");
  detail::check_options(options, patterns.columns);
  const Variants made = make_variants(patterns, count, variants);
  return fit_similarity(device, patterns, made.queries, made.origins, options);
}

}  // namespace attractor
