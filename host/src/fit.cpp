#include <attractor/fit.hpp>

#include <functional>
#include <limits>
#include <memory>
#include <utility>

#include <attractor/error.hpp>

#include "host/src/fit_loss.hpp"
#include "host/src/minimiser.hpp"
#include "host/src/pair_split.hpp"
#include "host/src/rows.hpp"
#include "host/src/similarity_parameters.hpp"
#include "host/src/validation.hpp"

namespace attractor {
namespace detail {
namespace {

/// Mean cross-entropy of the fitted pairs plus the penalty.
class FitObjective {
 public:
  /// `loss` is that of `count` pairs.
  FitObjective(const SimilarityParameters& parameters, FitLoss loss, std::size_t count)
      : parameters_(parameters),
        loss_(std::move(loss)),
        share_(1.0 / static_cast<double>(count)),
        by_weights_(parameters.make_gradient()) {}

  double operator()(const std::vector<double>& x, std::vector<double>& gradient) {
    const double loss = loss_(parameters_.similarity(x), &by_weights_);
    gradient = parameters_.chain(by_weights_, share_);
    parameters_.add_penalty_gradient(x, gradient);
    return share_ * loss + parameters_.penalty(x);
  }

 private:
  const SimilarityParameters& parameters_;
  FitLoss loss_;
  double share_;
  SimilarityGradient by_weights_;
};

/// Follows a fit: its history, its best point, and when to end it.
class FitWatch {
 public:
  /// `loss` is that of the `count` pairs held out, if there are any.
  FitWatch(const SimilarityParameters& parameters, FitLoss loss, std::size_t count, const FitOptions& options)
      : parameters_(parameters),
        loss_(std::move(loss)),
        held_out_(count),
        options_(options),
        best_(parameters.size(), 0.0) {}

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
  [[nodiscard]] bool has_held_out() const { return held_out_ > 0; }

  [[nodiscard]] double held_out_loss(const std::vector<double>& x) const {
    if (!has_held_out()) return std::numeric_limits<double>::quiet_NaN();
    return loss_(parameters_.similarity(x), nullptr) / static_cast<double>(held_out_);
  }

  const SimilarityParameters& parameters_;
  FitLoss loss_;
  std::size_t held_out_;
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
  detail::check_fit_layout(patterns, queries);
  detail::check_options(options, patterns.columns);
  const detail::GivenPairs pairs(device, patterns, queries, origins);
  const std::unique_ptr<detail::FitLosses> losses =
      detail::make_fit_losses(device, pairs, options.groups, options.threads);
  const auto [fitted, held_out] =
      detail::split_pairs(pairs.count(), static_cast<double>(options.held_out), options.seed);
  const detail::SimilarityParameters parameters(
      patterns.rows, detail::sample_pairs(pairs.patterns(), pairs.queries(), fitted, options.seed), options);
  detail::FitObjective objective(parameters, losses->of(fitted), fitted.size());
  detail::FitWatch watch(parameters, losses->of(held_out), held_out.size(), options);
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
  // Variants are made on the host.
  const detail::Rows rows = detail::on_host(detail::Rows(device, patterns, "patterns"), "patterns");
  const Variants made = make_variants(rows.view(), count, variants);
  return fit_similarity(device, patterns, made.queries, made.origins, options);
}

}  // namespace attractor
