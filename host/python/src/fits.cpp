/// Fitting adaptive similarities.

#include <cmath>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <attractor/fit.hpp>

#include "host/python/src/bind.hpp"
#include "host/python/src/choice.hpp"
#include "host/python/src/memory.hpp"
#include "host/python/src/text.hpp"

namespace attractor::python {
namespace {

/// What a fit gives, its similarity with the shape of its weights.
struct RankedFit {
  RankedSimilarity similarity;
  std::vector<FitProgress> history;
  bool converged = false;
};

/// Options, and what belongs to one call.
struct FitCall {
  FitOptions options;
  std::optional<Device> device;
  nb::object progress;
  std::stop_source* stop = nullptr;
};

/// Runs a fit of patterns of this dimension, told how far it is and ended by `stop` or by signals.
template <class Work>
RankedFit run(const Work& work, Index dimension, FitCall& call) {
  const ProgressReport report(call.progress, "epochs");
  Cancellation cancellation(call.stop);
  call.options.stop = cancellation.token();
  const bool is_bar = call.progress.is(nb::handle(Py_True));
  if (report.is_wanted())
    call.options.progress = [&](const FitProgress& now) {
      if (is_bar)
        report(now.epoch, now.epochs);
      else
        report(now);
    };
  Fit fit = interruptible([&] { return work(call.options); }, cancellation.source());
  return {.similarity = {std::move(fit.similarity), rank_count(dimension, call.options.groups)},
          .history = std::move(fit.history),
          .converged = fit.converged};
}

RankedFit fit_pairs(const Array& patterns, const Array& queries, const nb::object& origins, FitCall& call) {
  const Device device = chosen(call.device);
  const FloatMatrix pattern_rows(patterns, "patterns", place_of(device));
  const FloatMatrix query_rows(queries, "queries", place_of(device));
  const Indices rows(origins, "origins", place_of(device));
  return run(
      [&](const FitOptions& options) {
        return fit_similarity(device, pattern_rows.view(), query_rows.view(), rows.view(), options);
      },
      pattern_rows.view().columns, call);
}

RankedFit fit_variants(const Array& patterns, const VariantOptions& variants, Index count, FitCall& call) {
  const Device device = chosen(call.device);
  const FloatMatrix pattern_rows(patterns, "patterns", place_of(device));
  return run(
      [&](const FitOptions& options) { return fit_similarity(device, pattern_rows.view(), variants, count, options); },
      pattern_rows.view().columns, call);
}

/// Defines a form of fit_similarity: what it is fitted to, then options that all have in common.
template <class First, class Second>
void bind_fit(nb::module_& module, RankedFit (*fit)(const Array&, First, Second, FitCall&), const char* first_name,
              const char* second_name, const char* text) {
  const FitOptions defaults;
  module.def(
      "fit_similarity",
      [fit](const Array& patterns, First first, Second second, bool squared_distance, bool dot, Index groups,
            bool per_pattern, bool log_prior, std::string_view optimiser, int epochs, float rate, float l2,
            float pattern_l2, float held_out, int patience, std::uint64_t seed, int threads, const nb::object& progress,
            std::stop_source* stop, const std::optional<Device>& device) {
        FitCall call{.options = {.squared_distance = squared_distance,
                                 .dot = dot,
                                 .groups = groups,
                                 .per_pattern = per_pattern,
                                 .log_prior = log_prior,
                                 .optimiser = parse<Optimiser>("optimiser", optimiser),
                                 .epochs = epochs,
                                 .rate = rate,
                                 .l2 = l2,
                                 .pattern_l2 = pattern_l2,
                                 .held_out = held_out,
                                 .patience = patience,
                                 .seed = seed,
                                 .threads = threads},
                     .device = device,
                     .progress = progress,
                     .stop = stop};
        return fit(patterns, first, second, call);
      },
      nb::arg("patterns"), nb::arg(first_name), nb::arg(second_name), nb::kw_only(),
      nb::arg("squared_distance") = defaults.squared_distance, nb::arg("dot") = defaults.dot,
      nb::arg("groups") = defaults.groups, nb::arg("per_pattern") = defaults.per_pattern,
      nb::arg("log_prior") = defaults.log_prior, nb::arg("optimiser") = name_of(defaults.optimiser),
      nb::arg("epochs") = defaults.epochs, nb::arg("rate") = defaults.rate, nb::arg("l2") = defaults.l2,
      nb::arg("pattern_l2") = defaults.pattern_l2, nb::arg("held_out") = defaults.held_out,
      nb::arg("patience") = defaults.patience, nb::arg("seed") = defaults.seed, nb::arg("threads") = defaults.threads,
      nb::arg("progress") = nb::none(), nb::arg("stop") = nb::none(), nb::arg("device") = nb::none(), text);
}

constexpr const char* pairs_text =
    R"(Fits rank weights, and optionally priors, to pairs of a query [B, D] and the row of patterns [P, D] that it comes
from, origins [B]: minimises the mean −log softmax(s)_origin (A-Hop, arXiv 2511.20609, §4).

squared_distance, dot: the bases to use, one at least. groups: see AdaptiveSimilarity.
per_pattern, log_prior: weights, a prior of each pattern.
optimiser: 'lbfgs' or 'adam', with its learning rate. epochs: at most. l2, pattern_l2: penalties.
held_out: share of the pairs in [0, 1) whose loss ends the fit once it hasn't improved for `patience` epochs.
progress: True for a bar, or a function of a FitProgress. stop: a StopSource; the best weights so far are returned.

With a CUDA device each array may be there, origins as int64.)";

constexpr const char* variants_text =
    "The same on `count` ≥ 1 variants of the patterns, made for the purpose. Options as for pairs.";

nb::object cross_entropy_of(const Array& patterns, const RankedSimilarity& similarity, const Array& queries,
                            const nb::object& origins, bool gradient, int threads,
                            const std::optional<Device>& device) {
  const Device works_on = chosen(device);
  const FloatMatrix pattern_rows(patterns, "patterns", place_of(works_on));
  const FloatMatrix query_rows(queries, "queries", place_of(works_on));
  const Indices rows(origins, "origins", place_of(works_on));
  check_ranks(similarity, pattern_rows.view().columns);
  SimilarityGradient slopes;
  const double loss = unlocked([&] {
    return cross_entropy(works_on, pattern_rows.view(), similarity.value, query_rows.view(), rows.view(),
                         gradient ? &slopes : nullptr, threads);
  });
  if (!gradient) return nb::float_(loss);
  const auto shaped = [&](std::vector<double> values, Index ranks) -> nb::object {
    if (values.empty()) return nb::none();
    const bool shared = static_cast<Index>(values.size()) == ranks;
    return give(Library::numpy, std::move(values), shared ? 0 : ranks);
  };
  nb::dict gradients;
  gradients["squared_distance"] = shaped(std::move(slopes.squared_distance), similarity.ranks);
  gradients["dot"] = shaped(std::move(slopes.dot), similarity.ranks);
  const auto priors = static_cast<Index>(slopes.log_prior.size());
  gradients["log_prior"] = shaped(std::move(slopes.log_prior), priors);
  return nb::make_tuple(loss, gradients);
}

void bind_results(nb::module_& module) {
  nb::class_<FitProgress>(module, "FitProgress", "How far a fit has come.")
      .def_ro("epoch", &FitProgress::epoch, "Passes over the pairs whose weights were accepted.")
      .def_ro("epochs", &FitProgress::epochs, "At most.")
      .def_ro("loss", &FitProgress::loss, "Mean cross-entropy of the fitted pairs, in nats, without the L2 term.")
      .def_ro("held_out_loss", &FitProgress::held_out_loss, "That of the held-out pairs; NaN where there are none.")
      .def("__repr__", [](const FitProgress& now) {
        return "<attractor.FitProgress epoch " + to_text(now.epoch) + " of " + to_text(now.epochs) + ": loss " +
               to_text(now.loss) + ", held out " + to_text(now.held_out_loss) + ">";
      });
  nb::class_<RankedFit>(module, "Fit", "What `fit_similarity` finds.")
      .def_ro("similarity", &RankedFit::similarity, "β 1: it is part of the weights.")
      .def_ro("history", &RankedFit::history, "A FitProgress for each epoch.")
      .def_ro("converged", &RankedFit::converged, "Ended by its own rules, not by `epochs` or `stop`.");
}

}  // namespace

void bind_fits(nb::module_& module) {
  bind_results(module);
  // The first form whose arguments fit is called, and anything may be an array.
  bind_fit(module, &fit_variants, "variants", "count", variants_text);
  bind_fit(module, &fit_pairs, "queries", "origins", pairs_text);
  module.def("cross_entropy", &cross_entropy_of, nb::arg("patterns"), nb::arg("similarity"), nb::arg("queries"),
             nb::arg("origins"), nb::kw_only(), nb::arg("gradient") = false, nb::arg("threads") = 0,
             nb::arg("device") = nb::none(),
             R"(The loss that a similarity is fitted by: the sum over queries [B, D] of −log softmax(s)_origin, in nats.

With `gradient` a pair of it and its derivatives, a dict of float64 arrays by the names of AdaptiveSimilarity's, each
shaped as there, None of what isn't used. With a CUDA device each array may be there, origins as int64.)");
}

}  // namespace attractor::python
