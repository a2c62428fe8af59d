/// Adaptive similarities: rank weights and priors.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <attractor/error.hpp>

#include "host/python/src/arrays.hpp"
#include "host/python/src/bind.hpp"
#include "host/python/src/choice.hpp"
#include "host/python/src/similarity.hpp"
#include "host/python/src/text.hpp"

namespace attractor::python {
namespace {

struct Weights {
  std::vector<float> values = {};
  Index ranks = 0;
};

/// [R] or [P × R].
Weights read_weights(const std::optional<nb::object>& weights, const std::string& base) {
  if (!weights) return {};
  const std::string what = "rank weights of the " + base;
  if (!nb::hasattr(*weights, "ndim") || nb::cast<int>(weights->attr("ndim")) != 2) {
    std::vector<float> values = read_floats(*weights, what);
    const auto ranks = static_cast<Index>(values.size());
    return {std::move(values), ranks};
  }
  const FloatMatrix matrix(nb::borrow<Array>(*weights), what);
  const MatrixView<const float> rows = matrix.view();
  Weights result{.ranks = rows.columns};
  for (Index i = 0; i < rows.rows; ++i)
    result.values.insert(result.values.end(), rows.row(i), rows.row(i) + rows.columns);
  return result;
}

RankedSimilarity make(const std::optional<nb::object>& squared_distance, const std::optional<nb::object>& dot,
                      float beta_squared_distance, float beta_dot, const std::optional<nb::object>& log_prior,
                      Index groups, std::string_view precision) {
  Weights distances = read_weights(squared_distance, "squared distance");
  Weights dots = read_weights(dot, "dot product");
  if (distances.ranks != 0 && dots.ranks != 0 && distances.ranks != dots.ranks)
    throw InvalidArgument("a similarity has " + std::to_string(distances.ranks) +
                          " ranks of the squared distance and " + std::to_string(dots.ranks) +
                          " of the dot product; they must be as many");
  const Index ranks = distances.ranks != 0 ? distances.ranks : dots.ranks;
  return {.value = {.squared_distance = std::move(distances.values),
                    .dot = std::move(dots.values),
                    .beta_squared_distance = beta_squared_distance,
                    .beta_dot = beta_dot,
                    .log_prior = read_floats(log_prior, "log-priors"),
                    .groups = groups,
                    .precision = parse<TermPrecision>("precision", precision)},
          .ranks = ranks};
}

/// [R], or [P × R] where each pattern has its own; nothing where the base isn't used.
std::optional<Result> show_weights(std::vector<float> weights, Index ranks) {
  if (weights.empty()) return std::nullopt;
  const bool shared = static_cast<Index>(weights.size()) == ranks;
  return give(Library::numpy, std::move(weights), shared ? 0 : ranks);
}

std::string describe(const RankedSimilarity& similarity) {
  const AdaptiveSimilarity& value = similarity.value;
  const auto rows = [&](const std::vector<float>& weights) {
    const Index count = static_cast<Index>(weights.size()) / std::max(similarity.ranks, Index{1});
    return count == 1 ? "<[" + std::to_string(similarity.ranks) + "]>"
                      : "<[" + std::to_string(count) + ", " + std::to_string(similarity.ranks) + "]>";
  };
  std::string text = "<attractor.AdaptiveSimilarity";
  if (!value.squared_distance.empty()) text += " squared_distance=" + rows(value.squared_distance);
  if (!value.dot.empty()) text += " dot=" + rows(value.dot);
  if (!value.log_prior.empty()) text += " log_prior=<[" + std::to_string(value.log_prior.size()) + "]>";
  return text + " groups=" + to_text(value.groups) + " precision=" + to_text(name_of(value.precision)) + ">";
}

}  // namespace

void bind_similarities(nb::module_& module) {
  const AdaptiveSimilarity defaults;
  nb::class_<RankedSimilarity>(
      module, "AdaptiveSimilarity",
      "The scores of an adaptive memory, for pattern μ and state x (A-Hop, arXiv 2511.20609):\n\n"
      "    s_μ = β_dis Σ_r v_r q̃_r(distance) + β_dot Σ_r v_r q̃_r(dot) + b_μ\n\n"
      "with the ranked terms q̃: −(ξ_i − x_i)² or ξ_i x_i in descending order. `fit_similarity` makes one.")
      .def(
          "__init__",
          [](RankedSimilarity* self, const std::optional<nb::object>& squared_distance,
             const std::optional<nb::object>& dot, float beta_squared_distance, float beta_dot,
             const std::optional<nb::object>& log_prior, Index groups, std::string_view precision) {
            new (self) RankedSimilarity(
                make(squared_distance, dot, beta_squared_distance, beta_dot, log_prior, groups, precision));
          },
          nb::kw_only(), nb::arg("squared_distance") = nb::none(), nb::arg("dot") = nb::none(),
          nb::arg("beta_squared_distance") = defaults.beta_squared_distance, nb::arg("beta_dot") = defaults.beta_dot,
          nb::arg("log_prior") = nb::none(), nb::arg("groups") = defaults.groups, nb::arg("precision") = "full",
          "Rank weights are [R], shared by all patterns, or [P, R], a row for each, R = rank_count(D, groups); of one "
          "base or both. Log-priors are [P]. Several groups rank entries among fewer others, an approximation. Terms "
          "are taken in precision 'full', 'bits16' or 'bits8'.")
      .def_prop_ro(
          "squared_distance",
          [](const RankedSimilarity& self) { return show_weights(self.value.squared_distance, self.ranks); },
          "A copy of the rank weights, [R] or [P, R]; None where the base isn't used.")
      .def_prop_ro(
          "dot", [](const RankedSimilarity& self) { return show_weights(self.value.dot, self.ranks); },
          "A copy of the rank weights, [R] or [P, R]; None where the base isn't used.")
      .def_prop_ro(
          "log_prior",
          [](const RankedSimilarity& self) {
            return show_weights(self.value.log_prior, static_cast<Index>(self.value.log_prior.size()));
          },
          "A copy of the log-priors [P]; None where all are 0.")
      .def_prop_ro("beta_squared_distance",
                   [](const RankedSimilarity& self) { return self.value.beta_squared_distance; })
      .def_prop_ro("beta_dot", [](const RankedSimilarity& self) { return self.value.beta_dot; })
      .def_prop_ro("groups", [](const RankedSimilarity& self) { return self.value.groups; })
      .def_prop_ro("precision", [](const RankedSimilarity& self) { return name_of(self.value.precision); })
      .def("__repr__", describe);
  module.def("rank_count", &rank_count, nb::arg("dimension"), nb::arg("groups") = 1,
             "Ranks of a state of `dimension` entries in `groups` groups: the size of the largest group.");
  module.def("rank_group", &rank_group, nb::arg("i"), nb::arg("groups"), "The group of entry i.");
  module.def(
      "rank_weights",
      [](const nb::object& footprint_weights) {
        return give(library_of(footprint_weights), rank_weights(read_floats(footprint_weights, "footprint weights")));
      },
      nb::arg("footprint_weights"), "Rank weights v_i = Σ_{k≥i} w_k [R] from the weights w of footprints [R].");
}

}  // namespace attractor::python
